"""Pages of the history become rows of numbers that can be counted with, the newest of a bounded number."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from penstock.apps.maintenance import reading
from penstock.apps.maintenance.channels import Channel, Role
from penstock.apps.maintenance.reading import rows_between, samples_of
from penstock.apps.maintenance.rows import RowMaker
from penstock.apps.maintenance.windows import Samples
from penstock.sdk.async_client import AsyncClient

CHANNELS = (Channel("ch00", 7, "", Role.OTHER),)


def table(times: list[int], values: list[float]) -> pa.Table:
    count = len(times)
    return pa.table(
        {
            "tag": pa.array([7] * count, pa.int64()),
            "time": pa.array(times, pa.int64()),
            "vf": pa.array(values, pa.float64()),
            "vi": pa.array([None] * count, pa.int64()),
            "status": pa.array([0] * count, pa.int64()),
            "position": pa.array(range(count), pa.int64()),
        }
    )


@pytest.mark.parametrize("value", [1e200, -1e308, float("inf"), float("nan")])
def test_what_is_no_measurement_of_anything_is_not_good(value: float) -> None:
    assert samples_of(table([1, 2], [value, -1e99]), CHANNELS).good.tolist() == [False, True]


@dataclass
class Page:
    table: pa.Table


class History:
    """A history of many pages; `held`: how many of the rows' blocks were alive at most."""

    def __init__(self, pages: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pages, self.held = pages, 0
        blocks: list[weakref.ref[Any]] = []

        def counted(channels: int, wait_ns: int, from_ns: int) -> Any:
            maker = RowMaker(channels, wait_ns, from_ns)

            class Maker:
                def on_samples(self, samples: Samples, now_ns: int, *, in_order: bool) -> Any:
                    times, values = maker.on_samples(samples, now_ns, in_order=in_order)
                    blocks.append(weakref.ref(values))
                    return times, values

            return Maker()

        self._blocks = blocks
        monkeypatch.setattr(reading, "RowMaker", counted)

    async def iterate(self, *_: object, **__: object) -> AsyncIterator[Page]:
        for first in range(0, 10 * self.pages, 10):
            times = list(range(first + 1, first + 11))
            yield Page(table(times, [float(t) for t in times]))
            self.held = max(self.held, sum(block() is not None for block in self._blocks))


async def test_a_long_stretch_is_read_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ROWS_MAX", 25)
    history = History(20, monkeypatch)
    times, values = await rows_between(cast(AsyncClient, history), CHANNELS, (0, 1000))
    assert times.tolist() == list(range(176, 201))
    assert np.array_equal(values[:, 0], times)
    assert history.held <= 4
