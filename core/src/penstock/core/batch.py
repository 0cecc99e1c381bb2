"""The batch payload of wire.md: zstd around one Arrow IPC stream with one record batch, and records beside it.

What comes from the wire is hostile until read: sizes are judged before anything is allocated for them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, assert_never

import pyarrow as pa
import zstandard

from penstock.core.columns import SCHEMA, SampleColumns
from penstock.core.errors import PeerError
from penstock.core.values import INT64_MAX, INT64_MIN

VERSION: Final = 1
EXCERPT_MAX_CHARS: Final = 256
TEXT_MAX_CHARS: Final = 512
RECORDS_MAX: Final = 10_000
"""Records a batch: more than devices × tags of a plant floor box, small enough to parse at once."""
ZSTD_LEVEL: Final = 3
METADATA_KEY: Final = b"penstock"
_METADATA_MAX_BYTES: Final = 8 * 1024 * 1024
_UINT32_MAX: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Bound what one batch may cost its reader (wire.md)."""

    decompressed_bytes: int = 64 * 1024 * 1024
    rows: int = 100_000


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Gap:
    """Say that values of a tag are missing from `from_ns` to `to_ns` (None: still open), or were and are `refilled`."""

    tag: int
    from_ns: int
    to_ns: int | None
    cause: str
    refilled: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """Declare that `count` samples of a tag (None: nobody can say whose) are lost between two times."""

    tag: int | None
    from_ns: int
    to_ns: int
    count: int
    cause: str


@dataclass(frozen=True, slots=True)
class Reject:
    """Declare that `count` readings could not become samples."""

    tag: int | None
    device: str
    time_ns: int | None
    reason: str
    count: int
    excerpt: str


@dataclass(frozen=True, slots=True)
class Thinned:
    """Say that `count` samples of a tag, stamped `from_ns` to `to_ns`, were left out: they told nothing new."""

    tag: int
    from_ns: int
    to_ns: int
    count: int
    cause: str


Record = Gap | Drop | Reject | Thinned


def encode_batch(columns: SampleColumns, records: Sequence[Record] = ()) -> bytes:
    """Give the payload; raise ValueError where rows or records pass their bound."""
    if len(columns) > DEFAULT_LIMITS.rows or len(records) > RECORDS_MAX:
        message = (
            f"{len(columns)} rows and {len(records)} records; a batch holds {DEFAULT_LIMITS.rows} and {RECORDS_MAX}"
        )
        raise ValueError(message)
    note = json.dumps({"v": VERSION, "records": [record_to_json(record) for record in records]}, separators=(",", ":"))
    batch = columns.to_arrow().replace_schema_metadata({METADATA_KEY: note.encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    plain = sink.getvalue()
    if plain.size > DEFAULT_LIMITS.decompressed_bytes:
        message = f"batch of {plain.size} bytes; at most {DEFAULT_LIMITS.decompressed_bytes}: make smaller batches"
        raise ValueError(message)
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=False).compress(plain)


def decode_batch(payload: bytes, *, limits: Limits = DEFAULT_LIMITS) -> tuple[SampleColumns, tuple[Record, ...]]:
    """Read a payload; raise PeerError for anything that is not exactly one batch of this version within the limits."""
    batch = read_one_batch(decompress(payload, max_bytes=limits.decompressed_bytes), SCHEMA, limits=limits)
    try:
        columns = SampleColumns.from_arrow(batch.replace_schema_metadata(None))
    except ValueError as error:
        raise _no_stream(error) from None
    return columns, _records(batch.schema.metadata or {})


def read_one_batch(plain: bytes, schema: pa.Schema, *, limits: Limits = DEFAULT_LIMITS) -> pa.RecordBatch:
    """Read an Arrow stream of exactly one record batch of that schema, fully validated; raise PeerError otherwise."""
    try:
        schema_message, batch_message = _two_messages(plain)
        stated = pa.ipc.read_schema(schema_message)
        if not stated.equals(schema):
            message = f"columns must be {_names(schema)}; got {_names(stated)}"
            raise PeerError(message, problem="batch-malformed")
        _check_header(memoryview(batch_message.metadata), limits)
        batch = pa.ipc.read_record_batch(batch_message, stated)
        batch.validate(full=True)
    except (pa.ArrowException, ValueError, OSError, struct.error) as error:
        raise _no_stream(error) from None
    return batch


def read_batches(plain: bytes, schema: pa.Schema, *, limits: Limits = DEFAULT_LIMITS) -> pa.Table:
    """Read an Arrow stream of one or more record batches of that schema, judged like `read_one_batch`, as one table."""
    try:
        reader = pa.ipc.MessageReader.open_stream(pa.py_buffer(plain))
        stated = pa.ipc.read_schema(reader.read_next_message())
        if not stated.equals(schema):
            message = f"columns must be {_names(schema)}; got {_names(stated)}"
            raise PeerError(message, problem="batch-malformed")
        batches: list[pa.RecordBatch] = []
        for message in reader:
            if message.type != "record batch":
                text = f"stream must hold one schema and record batches; got {message.type}"
                raise PeerError(text, problem="batch-malformed")
            rows = sum(batch.num_rows for batch in batches)
            _check_header(memoryview(message.metadata), replace(limits, rows=limits.rows - rows))
            batches.append(pa.ipc.read_record_batch(message, stated))
            batches[-1].validate(full=True)
    except StopIteration:
        raise _no_stream(ValueError("it is empty")) from None
    except (pa.ArrowException, ValueError, OSError, struct.error) as error:
        raise _no_stream(error) from None
    return pa.Table.from_batches(batches, stated)


def _no_stream(error: Exception) -> PeerError:
    return PeerError(f"batch payload is no valid Arrow stream: {str(error)[:200]}", problem="batch-malformed")


def decompress(payload: bytes, *, max_bytes: int) -> bytes:
    """Undo zstd; the frame must state its size, and the size must be within the bound, before anything is allocated."""
    try:
        size = zstandard.get_frame_parameters(payload).content_size
        if size in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR) or size > max_bytes:
            stated = "no size" if size == zstandard.CONTENTSIZE_UNKNOWN else f"{size} bytes"
            message = f"zstd frame states {stated}; at most {max_bytes} bytes, stated in the frame"
            raise PeerError(message, problem="too-large" if stated != "no size" else "batch-malformed")
        return zstandard.ZstdDecompressor().decompress(payload, max_output_size=max_bytes, allow_extra_data=False)
    except zstandard.ZstdError as error:
        message = f"payload is no zstd frame: {error}"
        raise PeerError(message, problem="batch-malformed") from None


def _two_messages(plain: bytes) -> tuple[Any, Any]:
    reader = pa.ipc.MessageReader.open_stream(pa.py_buffer(plain))
    messages = []
    for _ in range(3):
        try:
            messages.append(reader.read_next_message())
        except StopIteration:
            break
    kinds = [message.type for message in messages]
    if kinds != ["schema", "record batch"]:
        message = f"stream must hold one schema and one record batch; got {kinds}"
        raise ValueError(message)
    return messages[0], messages[1]


def _check_header(metadata: memoryview, limits: Limits) -> None:
    """Look into the flatbuffer before Arrow does: rows within the bound, no compressed buffers (a second bomb)."""
    message = _Table.root(metadata)
    batch = message.table(2)  # Message.header, of type RecordBatch
    rows = batch.int64(0)  # RecordBatch.length
    if not 0 <= rows <= limits.rows:
        text = f"batch states {rows} rows; at most {limits.rows}"
        raise PeerError(text, problem="too-large")
    if batch.has(3):  # RecordBatch.compression
        text = "buffers inside the Arrow stream must not be compressed; zstd goes around it"
        raise PeerError(text, problem="batch-malformed")


@dataclass(frozen=True, slots=True)
class _Table:
    """Read scalars of a flatbuffer table by field number; struct.error where it points outside."""

    buffer: memoryview
    position: int

    @classmethod
    def root(cls, buffer: memoryview) -> _Table:
        return cls(buffer, _unpack("<I", buffer, 0))

    def _field(self, number: int) -> int:
        vtable = self.position - _unpack("<i", self.buffer, self.position)
        slot = 4 + 2 * number
        if slot >= _unpack("<H", self.buffer, vtable):
            return 0
        return _unpack("<H", self.buffer, vtable + slot)

    def has(self, number: int) -> bool:
        return self._field(number) != 0

    def int64(self, number: int) -> int:
        offset = self._field(number)
        return _unpack("<q", self.buffer, self.position + offset) if offset else 0

    def table(self, number: int) -> _Table:
        offset = self._field(number)
        if not offset:
            message = "Arrow message without header"
            raise ValueError(message)
        at = self.position + offset
        return _Table(self.buffer, at + _unpack("<I", self.buffer, at))


def _unpack(form: str, buffer: memoryview, at: int) -> int:
    if at < 0:
        message = "flatbuffer points before its start"
        raise ValueError(message)
    value: int = struct.unpack_from(form, buffer, at)[0]
    return value


def _names(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)[:300]


def _records(metadata: dict[bytes, bytes]) -> tuple[Record, ...]:
    note = load_json(metadata.get(METADATA_KEY, b""), max_bytes=_METADATA_MAX_BYTES)
    if not isinstance(note, dict) or note.get("v") != VERSION or not isinstance(note.get("records"), list):
        message = f'schema metadata "penstock" must be {{"v": {VERSION}, "records": [...]}}'
        raise PeerError(message, problem="batch-malformed")
    if len(note["records"]) > RECORDS_MAX:
        message = f"{len(note['records'])} records; at most {RECORDS_MAX}"
        raise PeerError(message, problem="too-large")
    return tuple(record_from_json(entry) for entry in note["records"])


def load_json(text: bytes, *, max_bytes: int) -> object:
    """Read JSON of a peer; PeerError where it is too large, too deep or none."""
    if len(text) > max_bytes:
        message = f"JSON of {len(text)} bytes; at most {max_bytes}"
        raise PeerError(message, problem="too-large")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"not JSON: {str(error)[:200]}"
        raise PeerError(message, problem="batch-malformed") from None


def record_to_json(record: Record) -> dict[str, object]:
    """Give the wire form of a record."""
    match record:
        case Gap():
            gap = {"kind": "gap", "tag": record.tag, "from": record.from_ns, "to": record.to_ns, "cause": record.cause}
            return {**gap, "refilled": True} if record.refilled else gap
        case Drop() | Thinned():
            return {
                "kind": "drop" if isinstance(record, Drop) else "thinned",
                "tag": record.tag,
                "from": record.from_ns,
                "to": record.to_ns,
                "count": record.count,
                "cause": record.cause,
            }
        case Reject():
            plain = asdict(record)
            plain["time"] = plain.pop("time_ns")
            plain["excerpt"] = record.excerpt[:EXCERPT_MAX_CHARS]
            return {"kind": "reject", **plain}
        case _:
            assert_never(record)


def record_from_json(entry: object) -> Record:
    """Read the wire form of a record; PeerError where a field is missing or of the wrong type."""
    if not isinstance(entry, dict):
        raise _bad_record(entry, "must be an object")
    fields = _Fields(entry)
    match entry.get("kind"):
        case "gap":
            from_ns, to_ns = fields.time("from"), fields.time_or_none("to")
            return Gap(fields.index("tag"), from_ns, to_ns, fields.text("cause"), fields.flag("refilled"))
        case "drop":
            tag = None if entry.get("tag") is None else fields.index("tag")
            return Drop(tag, fields.time("from"), fields.time("to"), fields.count("count"), fields.text("cause"))
        case "thinned":
            from_ns, to_ns = fields.time("from"), fields.time("to")
            return Thinned(fields.index("tag"), from_ns, to_ns, fields.count("count"), fields.text("cause"))
        case "reject":
            tag = None if entry.get("tag") is None else fields.index("tag")
            time_ns, device, reason = fields.time_or_none("time"), fields.text("device"), fields.text("reason")
            return Reject(
                tag, device, time_ns, reason, fields.count("count"), fields.text("excerpt")[:EXCERPT_MAX_CHARS]
            )
        case other:
            raise _bad_record(entry, f"kind {str(other)[:40]!r} is none of gap, drop, reject, thinned")


@dataclass(frozen=True, slots=True)
class _Fields:
    entry: dict[str, Any]

    def _integer(self, key: str, low: int, high: int) -> int:
        value = self.entry.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _bad_record(self.entry, f"{key} must be an integer from {low} to {high}")
        return value

    def index(self, key: str) -> int:
        return self._integer(key, 0, _UINT32_MAX)

    def count(self, key: str) -> int:
        return self._integer(key, 0, INT64_MAX)

    def time(self, key: str) -> int:
        return self._integer(key, INT64_MIN, INT64_MAX)

    def flag(self, key: str) -> bool:
        value = self.entry.get(key, False)
        if not isinstance(value, bool):
            raise _bad_record(self.entry, f"{key} must be true or false")
        return value

    def time_or_none(self, key: str) -> int | None:
        return None if self.entry.get(key) is None else self.time(key)

    def text(self, key: str) -> str:
        value = self.entry.get(key)
        if not isinstance(value, str) or len(value) > TEXT_MAX_CHARS:
            raise _bad_record(self.entry, f"{key} must be text of at most {TEXT_MAX_CHARS} characters")
        return value


def _bad_record(entry: object, why: str) -> PeerError:
    return PeerError(f"record {str(entry)[:120]}: {why}", problem="batch-malformed")
