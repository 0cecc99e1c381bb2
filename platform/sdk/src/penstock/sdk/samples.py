"""Samples in memory: one Arrow table, shown as Arrow, pandas or polars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from penstock.sdk.frames import ARROW_TYPES, VALUE_COLUMNS, WIRE, Removed, optional
from penstock.sdk.models import Scalar, Tag, moment

Layout = Literal["wide", "long"]
BAD_FROM = 0x80000000  # OPC UA Part 4 §7.39: severity bits 10 (and reserved 11) are Bad
STAMP = pa.timestamp("ns", tz="UTC")


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: value with its status and source time (ns UTC)."""

    tag: int
    key: str
    time: int
    value: Scalar
    status: int
    position: int

    @property
    def at(self) -> Any:
        """Give the source time as an aware datetime."""
        return moment(self.time)


class Samples:
    """Rows ordered by (source time, position, row), of one or many tags.

    Equal times of one tag with different values are all here; the wide layouts show the one committed last.
    """

    def __init__(self, table: pa.Table, tags: Mapping[int, Tag], *, include_status: bool = False) -> None:
        self.table = table
        self.tags = dict(tags)
        self.include_status = include_status
        self.removed: Removed | None = None
        """What retention has removed of the span that was read; None: nothing."""

    @classmethod
    def of(cls, table: pa.Table, tags: Mapping[int, Tag], *, include_status: bool, ignore_bad: bool | None) -> Samples:
        """Build from wire rows; without a word from the caller, Bad rows come only where their status is shown."""
        if ignore_bad if ignore_bad is not None else not include_status:
            table = table.filter(pc.less(table.column("status"), pa.scalar(BAD_FROM, pa.uint32())))
        return cls(table, tags, include_status=include_status)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __bool__(self) -> bool:
        return len(self) > 0

    def __repr__(self) -> str:
        return f"Samples({len(self)} rows, tags {', '.join(t.key for t in self.tags.values())})"

    def __iter__(self) -> Iterator[Sample]:
        for batch in self.table.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                tag = self.tags.get(row["tag"])
                value = next((row[c] for c in VALUE_COLUMNS.values() if row[c] is not None), None)
                key = tag.key if tag else str(row["tag"])
                yield Sample(row["tag"], key, row["time"], value, row["status"], row["position"])

    def of_tag(self, tag: int | str | Tag) -> Samples:
        """Keep one tag, given by id, key or Tag."""
        wanted = tag.id if isinstance(tag, Tag) else tag
        found = [t for t in self.tags.values() if wanted in (t.id, t.key)]
        if not found:
            message = f"{wanted!r} is not among these samples: {', '.join(t.key for t in self.tags.values()) or 'none'}"
            raise KeyError(message)
        rows = self.table.filter(pc.equal(self.table.column("tag"), found[0].id))
        return Samples(rows, {found[0].id: found[0]}, include_status=self.include_status)

    def to_arrow(self) -> pa.Table:
        """Give columns `tag`, `key`, `time` (timestamp ns UTC), `value`, and `status` where included.

        `value` has the tags' type; numbers and booleans of different types become float64
        (integers beyond 2**53 are rounded: read such tags alone). Where text and numbers mix,
        `value` holds the numbers and a column `text` the text.
        """
        table = self.table
        keys = {i: t.key for i, t in self.tags.items()}
        columns: dict[str, Any] = {
            "tag": table.column("tag"),
            "key": pa.array([keys.get(i, str(i)) for i in table.column("tag").to_pylist()], pa.string()),
            "time": table.column("time").cast(STAMP),
            **self._value_columns(),
        }
        if self.include_status:
            columns["status"] = table.column("status")
        return pa.table(columns)

    def _value_columns(self) -> dict[str, Any]:
        types = {t.type for t in self.tags.values()} or {"float64"}
        if len(types) == 1:
            return {"value": self.table.column(VALUE_COLUMNS[types.pop()])}
        numbers = pc.coalesce(*(self.table.column(c).cast(pa.float64(), safe=False) for c in ("vf", "vi", "vb")))
        return {"value": numbers} | ({"text": self.table.column("vs")} if "string" in types else {})

    def to_pandas(self, *, layout: Layout = "wide") -> Any:
        """Give a DataFrame: wide has one column a tag key and the source time as index; long has a row a sample.

        Wide integers, booleans and text use pandas' nullable types, as a tag may have no value where another has one.
        With `include_status` each tag has a second column `key|status`.
        """
        pandas = optional("pandas")
        if layout == "long":
            return self.to_arrow().to_pandas()
        series = [s for tag in self.tags.values() for s in self._pandas_series(pandas, tag)]
        if not series:
            return pandas.DataFrame(index=pandas.DatetimeIndex([], tz="UTC", name="time"))
        return pandas.concat(series, axis=1, sort=True).rename_axis("time")

    def _pandas_series(self, pandas: Any, tag: Tag) -> Iterator[Any]:
        rows = self.of_tag(tag.id).table
        index = pandas.to_datetime(rows.column("time").to_numpy(), unit="ns", utc=True)
        last = ~index.duplicated(keep="last")
        columns = {tag.key: (VALUE_COLUMNS[tag.type], tag.type)}
        if self.include_status:
            columns[f"{tag.key}|status"] = ("status", "status")
        dtypes = {"float64": "float64", "int64": "Int64", "bool": "boolean", "string": "string", "status": "UInt32"}
        for name, (column, kind) in columns.items():
            values = (
                rows.column(column).to_pylist() if kind != "float64" else rows.column(column).to_pandas().to_numpy()
            )
            yield pandas.Series(pandas.array(values, dtype=dtypes[kind]), index=index, name=name)[last]

    def to_polars(self, *, layout: Layout = "long") -> Any:
        """Give a polars DataFrame: long by default; wide has a column `time` and one a tag key."""
        polars = optional("polars")
        frame = polars.from_arrow(self.to_arrow())
        if layout == "long":
            return frame
        value = "value"
        if "text" in frame.columns:
            message = "text and numbers do not fit one wide polars frame: use layout='long', or of_tag(...) one by one"
            raise ValueError(message)
        wide = frame.pivot("key", index="time", values=value, aggregate_function="last").sort("time")
        return wide.select("time", *(t.key for t in self.tags.values() if t.key in wide.columns))


def empty_rows() -> pa.Table:
    """Give no rows in the wire schema."""
    return WIRE.empty_table()


__all__ = ["ARROW_TYPES", "Layout", "Sample", "Samples", "empty_rows"]
