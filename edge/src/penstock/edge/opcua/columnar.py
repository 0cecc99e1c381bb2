"""Decoding the monitored items of a DataChangeNotification in columns (OPC 10000-6 5.2.2.17).

An item's size follows from its encoding mask and the type of its value, so where the items lie is found by one pass
over two bytes of each: that is the *layout*. Messages repeat themselves: a layout is kept by count and length, and
proved for the next message of that shape before it is used. Where the first item lies is known; if its mask and type
(and a string's length) are those of the layout, so is its size, hence where the second lies, and so on: comparing all
of them at once proves the whole. Then each field is one gather, over all messages in a row that lie alike: what numpy
asks for a call is paid once, not for each message. Items of other types (arrays, structures) are decoded one by one,
within the same pass.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from penstock.core.readings import RawColumns, RawKind, Stamp, raw_at
from penstock.core.values import INT64_MAX
from penstock.edge.opcua.encoding import FILETIME_UNIX, I32, Cursor, read_variant

LAYOUTS_KEPT = 16
"""Shapes of messages that one subscription repeats; a layout of 1,000 items takes 50 kB."""
ITEM_LEAST_BYTES = 5
"""A handle and an empty mask."""
PICOSECONDS_MOST = 9_999

_HAS_VALUE, _HAS_STATUS, _HAS_SOURCE_TIME, _HAS_SERVER_TIME, _HAS_SOURCE_PS, _HAS_SERVER_PS = 1, 2, 4, 8, 16, 32
_MASK = 0x3F
"""The bits of a mask that mean something."""
_STRING = 12
_VARIES = -1
_VALUE_BYTES = (0, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 4, 8)
"""Bytes of a scalar after its type byte, by type; a string's are its length's."""

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ItemValue:
    """Carry one monitored item's value; times in ns UTC, None where the server sent none."""

    handle: int
    raw: object
    status: int
    source_time_ns: int | None
    server_time_ns: int | None


@dataclass(frozen=True, slots=True, eq=False)
class ItemColumns:
    """Hold n items: handle uint32, status uint32, times int64 in ns with their picoseconds, stamps uint8 (Stamp)."""

    handle: npt.NDArray[np.uint32]
    status: npt.NDArray[np.uint32]
    source_time: Ints
    source_stamp: Bytes
    server_time: Ints
    server_stamp: Bytes
    kind: Bytes
    vf: npt.NDArray[np.float64]
    vi: Ints
    objects: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.handle)

    @classmethod
    def empty(cls) -> "ItemColumns":
        """Make columns of no items."""
        none, stamps, raw = np.zeros(0, np.int64), np.zeros(0, np.uint8), RawColumns.empty(0)
        handle, status = np.zeros(0, np.uint32), np.zeros(0, np.uint32)
        return cls(handle, status, none, stamps, none, stamps, raw.kind, raw.vf, raw.vi, raw.objects)

    @classmethod
    def concat(cls, pieces: list["ItemColumns"]) -> "ItemColumns":
        """Join in the given order."""
        if len(pieces) == 1:
            return pieces[0]
        if not pieces:
            return cls.empty()
        return cls(*[np.concatenate([getattr(piece, name) for piece in pieces]) for name in cls.__slots__])

    def take(self, rows: npt.NDArray[np.bool_]) -> "ItemColumns":
        """Give the rows of a mask."""
        return ItemColumns(*[getattr(self, name)[rows] for name in self.__slots__])

    def items(self) -> Iterator[ItemValue]:
        """Give the items one by one; for tests and rare ways, not for hot paths."""
        for row in range(len(self)):
            yield ItemValue(
                int(self.handle[row]),
                raw_at(row, kind=self.kind, vf=self.vf, vi=self.vi, objects=self.objects),
                int(self.status[row]),
                int(self.source_time[row]) if self.source_stamp[row] == Stamp.GIVEN else None,
                int(self.server_time[row]) if self.server_stamp[row] == Stamp.GIVEN else None,
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Where one field of some items lies: row and first byte. `rows` is None where all items have it."""

    rows: Ints | None
    at: Ints

    @classmethod
    def of(cls, has: npt.NDArray[np.bool_], at: Ints) -> "_Rows | None":
        """Choose the items that have the field; None where no item has."""
        if has.all():
            return cls(None, at)
        rows = np.flatnonzero(has)
        return cls(rows, at[rows]) if len(rows) else None

    def repeated(self, first_rows: Ints, first_bytes: Ints) -> "_Rows":
        """Give the same for messages that begin at these rows and bytes."""
        return _Rows(None if self.rows is None else _repeated(self.rows, first_rows), _repeated(self.at, first_bytes))


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """Say where the fields of each item lie, and the bytes that prove it."""

    starts: Ints
    proof_at: Ints
    """Where the bytes lie that fix the sizes of all items: masks, types and the lengths of strings."""
    proof: bytes
    texts: _Rows | None
    """The lengths of strings."""
    lengths: Ints
    values: tuple[tuple[int, _Rows], ...]
    """By type: where the values lie."""
    status: _Rows | None
    source_time: _Rows | None
    source_ps: _Rows | None
    server_time: _Rows | None
    server_ps: _Rows | None
    is_whole: bool
    """Whether the proof is one: not where an item was decoded on its own."""

    def holds(self, view: "_View") -> bool:
        """Prove that the bytes lie as they did in the message that the layout was made from."""
        return view.u8[self.proof_at].tobytes() == self.proof

    def repeated(self, n: int, length: int) -> "_Layout":
        """Give the layout of n messages of that length, one after the other; it proves nothing and has no texts."""
        first_rows, first_bytes = np.arange(n) * len(self.starts), np.arange(n) * length

        def each(rows: _Rows | None) -> _Rows | None:
            return None if rows is None else rows.repeated(first_rows, first_bytes)

        return _Layout(
            starts=_repeated(self.starts, first_bytes),
            proof_at=self.proof_at[:0],
            proof=b"",
            texts=None,
            lengths=self.lengths[:0],
            values=tuple((kind, rows.repeated(first_rows, first_bytes)) for kind, rows in self.values),
            status=each(self.status),
            source_time=each(self.source_time),
            source_ps=each(self.source_ps),
            server_time=each(self.server_time),
            server_ps=each(self.server_ps),
            is_whole=False,
        )


def _repeated(places: Ints, firsts: Ints) -> Ints:
    return (firsts[:, np.newaxis] + places).ravel()


_DTYPES = {name: np.dtype(name) for name in ("u1", "i1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8")}


class _View:
    """Look at bytes as numbers that begin at any byte."""

    __slots__ = ("body", "u8")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.u8 = np.frombuffer(body, np.uint8)

    def at(self, dtype: str) -> npt.NDArray[np.generic]:
        """Give the numbers of that type by their first byte."""
        kind = _DTYPES[dtype]
        n = max(len(self.body) - kind.itemsize + 1, 0)
        return np.ndarray((n,), kind, self.body, 0, (1,))


_READ: dict[int, tuple[str, int]] = {
    1: ("u1", RawKind.BOOL),
    2: ("i1", RawKind.INT),
    3: ("u1", RawKind.INT),
    4: ("<i2", RawKind.INT),
    5: ("<u2", RawKind.INT),
    6: ("<i4", RawKind.INT),
    7: ("<u4", RawKind.INT),
    8: ("<i8", RawKind.INT),
    9: ("<u8", RawKind.INT),
    10: ("<f4", RawKind.FLOAT),
    11: ("<f8", RawKind.FLOAT),
    13: ("<i8", RawKind.INT),
}
_UINT64, _DATETIME = 9, 13


@dataclass(frozen=True, slots=True, eq=False)
class LaidOut:
    """Hold the items of one message, proved to lie within its bytes; `gather` makes columns of them.

    What cannot be gathered with others (text, values decoded on their own) is in columns already.
    """

    body: bytes
    layout: _Layout | None
    columns: ItemColumns | None

    def __len__(self) -> int:
        if self.columns is not None:
            return len(self.columns)
        return 0 if self.layout is None else len(self.layout.starts)


def gather(messages: Sequence[LaidOut]) -> ItemColumns:
    """Give the items of messages in their order; those in a row that lie alike are read together."""
    pieces: list[ItemColumns] = []
    for _, run in groupby(messages, key=lambda one: id(one.layout)):
        alike = list(run)
        layout, body = alike[0].layout, alike[0].body
        if layout is None:
            pieces += [one.columns for one in alike if one.columns is not None]
            continue
        if len(alike) > 1:
            layout = layout.repeated(len(alike), len(body))
            body = b"".join([one.body for one in alike])
        pieces.append(_gather(_View(body), layout, {}))
    return ItemColumns.concat(pieces)


class ColumnDecoder:
    """Decode the bodies of one subscription's DataChangeNotifications, learning their layouts."""

    def __init__(self) -> None:
        self._layouts: OrderedDict[tuple[int, int], _Layout] = OrderedDict()
        self.layouts_used = 0
        """Messages that came as a layout said."""

    def decode(self, body: bytes) -> ItemColumns:
        """Give the items of one message; errors as `prove` has them."""
        return gather([self.prove(body)])

    def prove(self, body: bytes) -> LaidOut:
        """Find where the items lie; ValueError, struct.error or IndexError where the bytes break off or lie.

        What is returned can be gathered without an error.
        """
        n = Cursor(body).count(least=ITEM_LEAST_BYTES)
        if n == 0:
            return LaidOut(body, None, ItemColumns.empty())
        view = _View(body)
        shape = (n, len(body))
        layout = self._layouts.get(shape)
        alone: dict[int, object] = {}
        if layout is not None and layout.holds(view):
            self.layouts_used += 1
        else:
            layout = _find_layout(view, n, alone)
            if layout.is_whole:
                self._keep(shape, layout)
        if layout.is_whole and layout.texts is None:
            return LaidOut(body, layout, None)
        return LaidOut(body, None, _gather(view, layout, alone))

    def _keep(self, shape: tuple[int, int], layout: _Layout) -> None:
        self._layouts[shape] = layout
        if len(self._layouts) > LAYOUTS_KEPT:
            self._layouts.popitem(last=False)


def _find_layout(view: _View, n: int, alone: dict[int, object]) -> _Layout:
    """Pass over the items; what is decoded on its own comes into `alone` by row."""
    body = view.body
    starts, sizes = [0] * n, [0] * n
    at = 4
    for row in range(n):
        mask = body[at + 4]
        starts[row] = at
        size = 0
        if mask & _HAS_VALUE:
            kind = body[at + 5]
            if kind < _STRING or kind == _DATETIME:
                size = 1 + _VALUE_BYTES[kind]
            elif kind == _STRING:
                size = 5 + max(I32.unpack_from(body, at + 6)[0], 0)
            else:
                cursor = Cursor(body, at + 5)
                alone[row] = read_variant(cursor)
                size = cursor.at - at - 5
        sizes[row] = size
        at += 5 + size + _AFTER_VALUE[mask & _MASK]
    if at > len(body):
        message = f"items of {at} bytes announced, {len(body)} there"
        raise ValueError(message)
    return _layout(view, np.array(starts, np.int64), np.array(sizes, np.int64), alone)


def _bytes_after_value(mask: int) -> int:
    sizes = ((_HAS_STATUS, 4), (_HAS_SOURCE_TIME, 8), (_HAS_SERVER_TIME, 8), (_HAS_SOURCE_PS, 2), (_HAS_SERVER_PS, 2))
    return sum(size for bit, size in sizes if mask & bit)


_AFTER_VALUE = tuple(_bytes_after_value(mask) for mask in range(64))


def _layout(view: _View, starts: Ints, sizes: Ints, alone: dict[int, object]) -> _Layout:
    masks = view.u8[starts + 4]
    has_value = (masks & _HAS_VALUE) != 0
    types = view.u8[starts[has_value] + 5]
    all_types = np.zeros(len(starts), np.uint8)
    all_types[has_value] = types
    values = []
    texts = None
    for kind in np.unique(types).tolist():
        rows = _Rows.of(has_value & (all_types == kind), starts + 6)
        if kind == _STRING:
            texts = rows
        elif kind in _READ and rows is not None:
            values.append((kind, rows))
    at = starts + 5 + sizes
    found: dict[str, _Rows | None] = {}
    for name, bit in _FIELDS:
        has = (masks & bit) != 0
        found[name] = _Rows.of(has, at)
        at = at + has * _AFTER_VALUE[bit]
    lengths = np.asarray(view.at("<i4")[texts.at], np.int64) if texts else np.zeros(0, np.int64)
    proof_at = np.concatenate(
        [starts + 4, starts[has_value] + 5, *([texts.at + byte for byte in range(4)] if texts else [])]
    )
    proof = view.u8[proof_at].tobytes()
    return _Layout(starts, proof_at, proof, texts, lengths, tuple(values), **found, is_whole=not alone)


_FIELDS = (
    ("status", _HAS_STATUS),
    ("source_time", _HAS_SOURCE_TIME),
    ("source_ps", _HAS_SOURCE_PS),
    ("server_time", _HAS_SERVER_TIME),
    ("server_ps", _HAS_SERVER_PS),
)
"""In the standard's order."""


def _gather(view: _View, layout: _Layout, alone: dict[int, object]) -> ItemColumns:
    handle = np.asarray(view.at("<u4")[layout.starts], np.uint32)
    n = len(handle)
    raw = RawColumns.empty(n)
    for kind, rows in layout.values:
        _gather_values(view, kind, rows, raw)
    if layout.texts is not None:
        _gather_texts(view.body, layout, raw)
    for row, value in alone.items():
        raw.put(row, value)
    status = np.zeros(n, np.uint32)
    if layout.status is not None:
        status[_all(layout.status)] = view.at("<u4")[layout.status.at]
    source_time, source_stamp = _gather_times(view, layout.source_time, layout.source_ps, n)
    server_time, server_stamp = _gather_times(view, layout.server_time, layout.server_ps, n)
    return ItemColumns(
        handle=handle,
        status=status,
        source_time=source_time,
        source_stamp=source_stamp,
        server_time=server_time,
        server_stamp=server_stamp,
        kind=raw.kind,
        vf=raw.vf,
        vi=raw.vi,
        objects=raw.objects,
    )


def _all(rows: _Rows) -> slice | Ints:
    return slice(None) if rows.rows is None else rows.rows


def _gather_values(view: _View, kind: int, rows: _Rows, raw: RawColumns) -> None:
    dtype, raw_kind = _READ[kind]
    numbers = view.at(dtype)[rows.at]
    at = _all(rows)
    if kind == _DATETIME:
        times, stamps = _times(np.asarray(numbers, np.int64), 0)
        raw.vi[at] = times
        raw.kind[at] = np.where(stamps == Stamp.GIVEN, RawKind.INT, RawKind.NONE)
        _put_far(
            np.flatnonzero(stamps == Stamp.BEYOND),
            rows,
            raw,
            [(int(n) - FILETIME_UNIX) * 100 for n in numbers[stamps == Stamp.BEYOND]],
        )
        return
    raw.kind[at] = raw_kind
    if raw_kind == RawKind.FLOAT:
        raw.vf[at] = numbers
        return
    if kind == _UINT64:
        far = np.flatnonzero(numbers > np.uint64(INT64_MAX))
        raw.vi[at] = numbers.view(np.int64)
        _put_far(far, rows, raw, numbers[far].tolist())
        return
    raw.vi[at] = numbers != 0 if raw_kind == RawKind.BOOL else numbers


def _put_far(chosen: Ints, rows: _Rows, raw: RawColumns, numbers: list[int]) -> None:
    """Set integers that int64 does not hold."""
    for index, number in zip(chosen.tolist(), numbers, strict=True):
        row = index if rows.rows is None else rows.rows[index]
        raw.kind[row], raw.vi[row], raw.objects[row] = RawKind.OBJECT, 0, number


def _gather_texts(body: bytes, layout: _Layout, raw: RawColumns) -> None:
    assert layout.texts is not None
    rows = range(len(raw.kind)) if layout.texts.rows is None else layout.texts.rows.tolist()
    for row, at, length in zip(rows, layout.texts.at.tolist(), layout.lengths.tolist(), strict=True):
        if length >= 0:
            raw.kind[row], raw.objects[row] = RawKind.OBJECT, body[at + 4 : at + 4 + length].decode("utf-8")


def _gather_times(view: _View, times: _Rows | None, picoseconds: _Rows | None, n: int) -> tuple[Ints, Bytes]:
    if times is None:
        return np.zeros(n, np.int64), np.zeros(n, np.uint8)
    filetimes = np.asarray(view.at("<i8")[times.at], np.int64)
    if times.rows is not None:
        some, filetimes = filetimes, np.zeros(n, np.int64)
        filetimes[times.rows] = some
    if picoseconds is None:
        return _times(filetimes, 0)
    tens = np.zeros(n, np.int64)
    tens[_all(picoseconds)] = view.at("<u2")[picoseconds.at]
    return _times(filetimes, np.minimum(tens, PICOSECONDS_MOST) // 100)


_TICKS_MOST = INT64_MAX // 100
_FILETIME_NEAR = (max(FILETIME_UNIX - _TICKS_MOST + 1, 0), FILETIME_UNIX + _TICKS_MOST - 1)
"""Between these every time is one, whatever its picoseconds."""


def _times(filetimes: Ints, part_ns: Ints | int) -> tuple[Ints, Bytes]:
    """Give ns since 1970 and whether that is a time: 0 and less is none, too far from 1970 is beyond int64."""
    ticks = filetimes - FILETIME_UNIX
    if len(filetimes) and filetimes.min() > _FILETIME_NEAR[0] and filetimes.max() < _FILETIME_NEAR[1]:
        return ticks * 100 + part_ns, np.ones(len(ticks), np.uint8)
    near = (ticks >= -_TICKS_MOST) & (ticks <= _TICKS_MOST)
    times = ticks * 100 + part_ns
    near &= (times < 0) == (ticks < 0)
    stamps = np.where(near, np.uint8(Stamp.GIVEN), np.uint8(Stamp.BEYOND))
    stamps[filetimes <= 0] = Stamp.ABSENT
    times[stamps != Stamp.GIVEN] = 0
    return times, stamps
