"""Samples in columns: numpy arrays of one length, no object per sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from penstock.core.values import Value, ValueKind

SCHEMA: Final = pa.schema(
    [
        pa.field("tag", pa.uint32()),
        pa.field("time", pa.int64()),
        pa.field("status", pa.uint32()),
        pa.field("vf", pa.float64()),
        pa.field("vi", pa.int64()),
        pa.field("vb", pa.bool_()),
        pa.field("vs", pa.utf8()),
    ]
)
"""The Arrow schema of wire.md: at most one of vf, vi, vb, vs is not null in a row."""

_VALUE_COLUMNS: Final = (
    ("vf", ValueKind.FLOAT64),
    ("vi", ValueKind.INT64),
    ("vb", ValueKind.BOOL),
    ("vs", ValueKind.STRING),
)


@dataclass(frozen=True, slots=True, eq=False)
class SampleColumns:
    """Hold n samples; `kind` (ValueKind, 0 = no value) says which of vf, vi, vb, vs counts in a row, the others are 0.

    tag uint32 (local index), time int64 (source, ns UTC), status uint32 (OPC UA), kind uint8, vf float64, vi int64,
    vb bool, vs object (str or None).
    """

    tag: npt.NDArray[np.uint32]
    time: npt.NDArray[np.int64]
    status: npt.NDArray[np.uint32]
    kind: npt.NDArray[np.uint8]
    vf: npt.NDArray[np.float64]
    vi: npt.NDArray[np.int64]
    vb: npt.NDArray[np.bool_]
    vs: npt.NDArray[np.object_]

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, name)) for name in _COLUMNS}
        assert len(lengths) == 1, f"columns of unequal lengths: {sorted(lengths)}"

    def __len__(self) -> int:
        return len(self.tag)

    @classmethod
    def without_values(cls, tag: npt.ArrayLike, time: npt.ArrayLike, *, status: npt.ArrayLike) -> SampleColumns:
        """Make rows that carry no value; `status` may be one code for all."""
        tags = np.asarray(tag, dtype=np.uint32)
        n = len(tags)
        return cls(
            tag=tags,
            time=np.asarray(time, dtype=np.int64),
            status=_filled(status, n),
            kind=np.zeros(n, np.uint8),
            vf=np.zeros(n, np.float64),
            vi=np.zeros(n, np.int64),
            vb=np.zeros(n, np.bool_),
            vs=np.empty(n, np.object_),
        )

    @classmethod
    def empty(cls) -> SampleColumns:
        """Make columns of no rows."""
        return cls.without_values([], [], status=0)

    @classmethod
    def concat(cls, pieces: Sequence[SampleColumns]) -> SampleColumns:
        """Join in the given order."""
        if not pieces:
            return cls.empty()
        if len(pieces) == 1:
            return pieces[0]
        return cls(*[np.concatenate([getattr(piece, name) for piece in pieces]) for name in _COLUMNS])

    def take(self, rows: slice | npt.NDArray[Any]) -> SampleColumns:
        """Give the rows of a slice, an index array or a boolean mask."""
        return SampleColumns(*[getattr(self, name)[rows] for name in _COLUMNS])

    def with_tags(self, tag: npt.NDArray[np.uint32]) -> SampleColumns:
        """Give the same rows under other tag indexes."""
        return SampleColumns(tag, self.time, self.status, self.kind, self.vf, self.vi, self.vb, self.vs)

    def value_at(self, row: int) -> Value:
        """Give one value as Python has it; for tests and messages, not for hot paths."""
        match ValueKind(self.kind[row]):
            case ValueKind.NONE:
                return None
            case ValueKind.FLOAT64:
                return float(self.vf[row])
            case ValueKind.INT64:
                return int(self.vi[row])
            case ValueKind.BOOL:
                return bool(self.vb[row])
            case ValueKind.STRING:
                return str(self.vs[row])

    def to_arrow(self) -> pa.RecordBatch:
        """Give the record batch of SCHEMA; floats keep their bits."""
        n = len(self)
        columns = [pa.array(self.tag), pa.array(self.time), pa.array(self.status)]
        for name, kind in _VALUE_COLUMNS:
            absent = self.kind != kind
            if absent.all():
                columns.append(pa.nulls(n, SCHEMA.field(name).type))
            else:
                mask = absent if absent.any() else None
                columns.append(pa.array(getattr(self, name), SCHEMA.field(name).type, mask=mask, from_pandas=False))
        return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)

    @classmethod
    def from_arrow(cls, batch: pa.RecordBatch) -> SampleColumns:
        """Read a valid record batch of SCHEMA; raise ValueError where a row has two values or a null key column."""
        if not batch.schema.equals(SCHEMA):
            message = f"columns must be {', '.join(f'{f.name} {f.type}' for f in SCHEMA)}; got {_brief(batch.schema)}"
            raise ValueError(message)
        for name in ("tag", "time", "status"):
            if batch.column(name).null_count:
                message = f"column {name} has nulls"
                raise ValueError(message)
        n = batch.num_rows
        kind = np.zeros(n, np.uint8)
        values: dict[str, npt.NDArray[Any]] = {}
        for name, code in _VALUE_COLUMNS:
            column = batch.column(name)
            if column.null_count == n:
                values[name] = np.zeros(n, _EMPTY[name]) if name != "vs" else np.full(n, None, np.object_)
                continue
            present = column.is_valid().to_numpy(zero_copy_only=False)
            if kind[present].any():
                message = f"a row has a value in {name} and in another column"
                raise ValueError(message)
            kind[present] = code
            values[name] = _plain(column, name)
        tag, time, status = (batch.column(name).to_numpy() for name in ("tag", "time", "status"))
        return cls(tag=tag, time=time, status=status, kind=kind, **values)


_COLUMNS: Final = tuple(SampleColumns.__slots__)


def _filled(status: npt.ArrayLike, n: int) -> npt.NDArray[np.uint32]:
    filled = np.empty(n, np.uint32)
    filled[:] = status
    return filled


_EMPTY: Final[dict[str, Any]] = {"vf": np.float64, "vi": np.int64, "vb": np.bool_}


def _plain(column: pa.Array, name: str) -> npt.NDArray[Any]:
    filled = column
    if name != "vs" and column.null_count:
        filled = column.fill_null(False if name == "vb" else 0)
    values: npt.NDArray[Any] = filled.to_numpy(zero_copy_only=False)
    return values


def _brief(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)[:400]
