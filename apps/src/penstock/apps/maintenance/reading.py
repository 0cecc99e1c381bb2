"""Pages of the history as the models take them: channel index, source time, number, Good or not."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from penstock.apps.maintenance.channels import Channel
from penstock.apps.maintenance.rows import WAIT_NS, RowMaker
from penstock.apps.maintenance.windows import USABLE_MAX, Samples
from penstock.sdk.async_client import AsyncClient

BAD_FROM = 0x80000000
PAGE_ROWS = 20_000
LOOK_ROWS = 50
ROWS_MAX = 200_000
"""Rows of a stretch that are read, the newest ones: a day at 2 Hz."""


def samples_of(table: pa.Table, channels: Sequence[Channel]) -> Samples:
    """Bring rows of the wire's table to samples; a tag that is no channel gets channel −1."""
    numbers = pc.coalesce(table.column("vf"), table.column("vi").cast(pa.float64(), safe=False))
    value = pc.fill_null(numbers, float("nan")).to_numpy()
    status = table.column("status").to_numpy()
    tag = table.column("tag").to_numpy()
    channel = np.full(len(tag), -1, dtype=np.int64)
    for index, known in enumerate(channels):
        channel[tag == known.tag] = index
    good = (status < BAD_FROM) & (np.abs(value) <= USABLE_MAX)
    return Samples(channel, table.column("time").to_numpy(), value, good, table.column("position").to_numpy())


async def read_in(
    client: AsyncClient, channels: Sequence[Channel], begin_ns: int, end_ns: int
) -> dict[int, int]:  # fmt: skip
    """Give the tags that have a Good sample soon after `begin_ns`, and before `end_ns`, with a time of one."""
    page = await client.samples(
        [c.tag for c in channels], start=begin_ns, end=end_ns, limit=max(1000, LOOK_ROWS * len(channels))
    )
    return dict(zip(page.table.column("tag").to_pylist(), page.table.column("time").to_pylist(), strict=True))


async def rows_between(
    client: AsyncClient, channels: Sequence[Channel], span: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Read the rows of a stretch, begin ≤ time < end, in time order: times (n,) and values (n, c), NaN: none."""
    maker = RowMaker(len(channels), WAIT_NS, span[0])
    kept = deque([(np.zeros(0, np.int64), np.zeros((0, len(channels))))])
    count = 0
    pages = client.iterate([c.tag for c in channels], start=span[0], end=span[1], chunk=PAGE_ROWS, include_status=True)
    async for page in pages:
        new_times, new_values = maker.on_samples(samples_of(page.table, channels), 0, in_order=True)
        kept.append((new_times, new_values))
        count += len(new_times)
        while count - len(kept[0][0]) >= ROWS_MAX:
            count -= len(kept.popleft()[0])
    times, values = zip(*kept, strict=True)
    return np.concatenate(times)[-ROWS_MAX:], np.concatenate(values)[-ROWS_MAX:]
