"""Processed history in memory: aggregates per window and values at given times, as Arrow, pandas or polars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.aggregate import ACTUAL_TIME
from penstock.sdk.frames import Removed, optional
from penstock.sdk.models import Tag
from penstock.sdk.samples import STAMP, Layout

INTERPOLATED_SCHEMA = pa.schema(
    [("tag", pa.int64()), ("time", pa.int64()), ("value", pa.float64()), ("status", pa.uint32())]
)


def aggregates_schema(names: Sequence[str], *, statuses: bool) -> pa.Schema:
    """Give the columns of aggregates: each one, its time where it has one, its status where asked."""
    fields: list[tuple[str, pa.DataType]] = [("tag", pa.int64()), ("start", pa.int64())]
    for name in dict.fromkeys(names):
        fields.append((name, pa.float64()))
        fields += [(f"{name}.time", pa.int64())] if name in ACTUAL_TIME else []
        fields += [(f"{name}.status", pa.uint32())] if statuses else []
    return pa.schema([*fields, ("status", pa.uint32())])


class _Processed:
    """Columns per tag and time; `moment` is the column of the time."""

    moment = "start"

    def __init__(self, table: pa.Table, tags: Mapping[int, Tag], *, include_status: bool = False) -> None:
        self.table = table
        self.tags = dict(tags)
        self.include_status = include_status
        self.removed: Removed | None = None
        """What retention has removed of the span; None: nothing."""

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """Give the names of all value columns, with times and statuses where they are."""
        without = ("tag", self.moment, *(() if self.include_status else ("status",)))
        return tuple(name for name in self.table.column_names if name not in without)

    def to_arrow(self) -> pa.Table:
        """Give columns `tag`, `key`, the time (timestamp ns UTC), the values, and the statuses where included."""
        keys = {i: t.key for i, t in self.tags.items()}
        columns: dict[str, Any] = {
            "tag": self.table.column("tag"),
            "key": pa.array([keys.get(i, str(i)) for i in self.table.column("tag").to_pylist()], pa.string()),
            self.moment: self.table.column(self.moment).cast(STAMP),
        }
        for name in self.columns:
            column = self.table.column(name)
            columns[name] = column.cast(STAMP) if name.endswith(".time") else column
        return pa.table(columns)

    def to_pandas(self, *, layout: Layout = "wide") -> Any:
        """Give a DataFrame: wide is indexed by the time, columns `key|name`; long a row each."""
        optional("pandas")
        frame = self.to_arrow().to_pandas()
        if layout == "long":
            return frame
        wide = frame.pivot(index=self.moment, columns="key", values=list(self.columns))
        wide.columns = [self._heading(key, name) for name, key in wide.columns]
        headings = [self._heading(t.key, n) for t in self.tags.values() for n in self.columns]
        return wide[[heading for heading in headings if heading in wide.columns]]

    def _heading(self, key: str, name: str) -> str:
        return f"{key}|{name}"

    def to_polars(self) -> Any:
        """Give a long polars DataFrame."""
        return optional("polars").from_arrow(self.to_arrow())


class Aggregates(_Processed):
    """Aggregates per tag and window; columns `tag`, `start`, one per aggregate (null: no value), `status`."""

    @property
    def names(self) -> tuple[str, ...]:
        """Give the aggregates' names, in the order asked."""
        return tuple(n for n in self.table.column_names if n not in ("tag", "start", "status") and "." not in n)

    def __repr__(self) -> str:
        return f"Aggregates({', '.join(self.names)}; {len(self)} intervals)"


class Interpolated(_Processed):
    """Values at given times; columns `tag`, `time`, `value` (null: none), `status`."""

    moment = "time"

    def __repr__(self) -> str:
        return f"Interpolated({len(self)} values)"

    def _heading(self, key: str, name: str) -> str:
        return key if name == "value" else f"{key}|{name}"


class Plot(_Processed):
    """Samples to draw, of each tag as many as a picture needs; a null value is a gap. `samples`: how many there are."""

    moment = "time"

    def __init__(self, table: pa.Table, tags: Mapping[int, Tag], samples: Mapping[int, int]) -> None:
        super().__init__(table, tags, include_status=True)
        self.samples = dict(samples)

    def __repr__(self) -> str:
        return f"Plot({len(self)} of {sum(self.samples.values())} samples)"

    def rows(self, tag: int) -> list[tuple[int, float | None, int]]:
        """Give (time ns, value, status) of one tag."""
        own = self.table.filter(pc.equal(self.table.column("tag"), tag))
        return list(zip(*(own.column(name).to_pylist() for name in ("time", "value", "status")), strict=True))

    def to_pandas(self, *, layout: Layout = "long") -> Any:
        """Give a DataFrame, a row each; each tag has times of its own, so there is no wide one."""
        if layout != "long":
            message = "the points of a plot have no common times: use layout='long', or aggregates() for a wide frame"
            raise ValueError(message)
        return super().to_pandas(layout=layout)
