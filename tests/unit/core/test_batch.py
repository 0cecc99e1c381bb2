"""A batch comes back bit by bit; anything else is the peer's error, within bounds."""

import json
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard

from penstock.core import batch
from penstock.core.batch import DEFAULT_LIMITS, Drop, Gap, Limits, Record, Reject, Thinned, decode_batch, encode_batch
from penstock.core.columns import SCHEMA, SampleColumns
from penstock.core.errors import PeerError
from tests.builders.core import T0, make_columns

RECORDS: tuple[Record, ...] = (
    Gap(0, 1, None, "link lost"),
    Gap(0, 1, 2, "link lost"),
    Gap(0, 1, 2, "link lost", refilled=True),
    Drop(1, -5, 5, 7, "journal full"),
    Drop(None, -5, 5, 7, "journal entry corrupt"),
    Reject(None, "pump", None, "no such tag", 1, "x"),
    Reject(3, "pump", T0, "not a number", 2, "y"),
)
BITS = (0x7FF8_0000_0000_0123, 0xFFF8_0000_0000_0001, 0x7FF0_0000_0000_0001, 1 << 63, 0x7FF0 << 48, 0xFFF0 << 48, 1)


def test_rows_and_records_come_back() -> None:
    rows = [(0, T0, 0, 1.5), (1, -1, 0x80310000, None), (2, 2, 0, -(2**63)), (3, 3, 0, False), (4, 4, 0, "übel")]
    columns, records = decode_batch(encode_batch(make_columns(rows), RECORDS))
    assert records == RECORDS
    assert [columns.value_at(row) for row in range(5)] == [1.5, None, -(2**63), False, "übel"]
    assert columns.time.tolist() == [T0, -1, 2, 3, 4]


def test_floats_keep_their_bits() -> None:
    columns = make_columns([(0, at, 0, 0.0) for at in range(len(BITS))])
    columns.vf[:] = np.array(BITS, np.uint64).view(np.float64)
    back, _ = decode_batch(encode_batch(columns))
    assert back.vf.view(np.uint64).tolist() == list(BITS)


def test_an_empty_batch_may_carry_records() -> None:
    columns, records = decode_batch(encode_batch(SampleColumns.empty(), RECORDS[:1]))
    assert (len(columns), records) == (0, RECORDS[:1])


def test_bounds_hold_when_encoding() -> None:
    with pytest.raises(ValueError, match="rows"):
        encode_batch(SampleColumns.without_values(np.zeros(100_001), np.zeros(100_001), status=0))
    long = make_columns([(0, 0, 0, "x" * 8000)]).take(np.zeros(9000, np.int64))
    with pytest.raises(ValueError, match="smaller batches"):
        encode_batch(long)


def _plain(columns: SampleColumns | None = None) -> bytes:
    return zstandard.ZstdDecompressor().decompress(encode_batch(columns or make_columns([(0, 0, 0, 1.0)])))


def _packed(plain: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(plain)


def _refused(payload: bytes, *, problem: str = "batch-malformed", says: str = "") -> None:
    with pytest.raises(PeerError) as caught:
        decode_batch(payload)
    assert caught.value.problem == problem
    assert says in str(caught.value)


def test_what_is_no_zstd_is_refused() -> None:
    _refused(b"", says="zstd")
    _refused(b"plain text", says="zstd")
    _refused(encode_batch(SampleColumns.empty())[:-3])
    _refused(encode_batch(SampleColumns.empty()) + b"more")


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    _refused(_packed(bytes(65 * 1024 * 1024)), problem="too-large", says="states")
    stream = zstandard.ZstdCompressor().compressobj()
    _refused(stream.compress(b"x") + stream.flush(), says="no size")


def test_rows_above_the_limit_are_refused() -> None:
    payload = encode_batch(make_columns([(0, 0, 0, 1.0)] * 3))
    with pytest.raises(PeerError, match="3 rows; at most 2"):
        decode_batch(payload, limits=Limits(rows=2))


def _stream(schema: pa.Schema, batches: list[pa.RecordBatch], **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, **options) as writer:
        for one in batches:
            writer.write_batch(one)
    return bytes(sink.getvalue())


def _noted(note: object) -> pa.RecordBatch:
    return make_columns([(0, 0, 0, 1.0)]).to_arrow().replace_schema_metadata({b"penstock": json.dumps(note).encode()})


GOOD_NOTE = {"v": 1, "records": []}


def test_a_compressed_buffer_inside_is_refused() -> None:
    one = _noted(GOOD_NOTE)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    _refused(_packed(_stream(one.schema, [one], options=options)), says="must not be compressed")


def test_exactly_one_batch_is_wanted() -> None:
    one = _noted(GOOD_NOTE)
    _refused(_packed(_stream(one.schema, [])), says="one record batch")
    _refused(_packed(_stream(one.schema, [one, one])), says="one record batch")


def test_another_schema_is_refused() -> None:
    other = pa.record_batch({"tag": pa.array([1])})
    _refused(_packed(_stream(other.schema, [other])), says="columns must be")


@pytest.mark.parametrize(
    "note",
    [
        None,
        [],
        {"v": 2, "records": []},
        {"v": 1},
        {"v": 1, "records": ["x"]},
        {"v": 1, "records": [{"kind": "other"}]},
        {"v": 1, "records": [{"kind": "gap", "tag": -1, "from": 0, "to": 1, "cause": "x"}]},
        {"v": 1, "records": [{"kind": "gap", "tag": True, "from": 0, "to": 1, "cause": "x"}]},
        {"v": 1, "records": [{"kind": "gap", "tag": 0, "from": 2**63, "to": 1, "cause": "x"}]},
        {"v": 1, "records": [{"kind": "drop", "tag": 0, "from": 0, "to": 1, "count": -1, "cause": "x"}]},
        {"v": 1, "records": [{"kind": "reject", "device": 7, "reason": "", "count": 1, "excerpt": ""}]},
        {"v": 1, "records": [{"kind": "gap", "tag": 0, "from": 0, "to": 1, "cause": "x" * 513}]},
    ],
)
def test_wrong_records_are_refused(note: object) -> None:
    one = _noted(note)
    _refused(_packed(_stream(one.schema, [one])))


def test_too_many_records_are_refused() -> None:
    one = _noted({"v": 1, "records": [{}] * 10_001})
    _refused(_packed(_stream(one.schema, [one])), problem="too-large")
    with pytest.raises(ValueError, match="records"):
        encode_batch(SampleColumns.empty(), RECORDS[:1] * 10_001)


def test_missing_note_and_deep_json_are_refused() -> None:
    bare = make_columns([(0, 0, 0, 1.0)]).to_arrow()
    _refused(_packed(_stream(bare.schema, [bare])), says="not JSON")
    deep = bare.replace_schema_metadata({b"penstock": b"[" * 100_000})
    _refused(_packed(_stream(deep.schema, [deep])), says="not JSON")
    with pytest.raises(PeerError, match="at most"):
        batch.load_json(b"12345", max_bytes=4)


def test_flatbuffer_reader_stays_inside() -> None:
    with pytest.raises(ValueError, match="before its start"):
        batch._Table(memoryview(struct.pack("<i", 100)), 0).has(0)
    without_header = struct.pack("<IHHi", 8, 4, 0, 4)
    with pytest.raises(ValueError, match="without header"):
        batch._Table.root(memoryview(without_header)).table(2)


def test_excerpts_are_cut() -> None:
    _, [record] = decode_batch(encode_batch(SampleColumns.empty(), [Reject(0, "d", 0, "r", 1, "x" * 300)]))
    assert isinstance(record, Reject)
    assert len(record.excerpt) == 256


def test_schema_is_the_references() -> None:
    assert SCHEMA.names == ["tag", "time", "status", "vf", "vi", "vb", "vs"]
    assert _plain()[:4] == b"\xff\xff\xff\xff"


def test_two_values_in_a_row_are_the_peers_error() -> None:
    arrays = [pa.array([1], field.type) for field in list(SCHEMA)[:5]]
    note = {b"penstock": json.dumps(GOOD_NOTE).encode()}
    both = pa.record_batch(
        [*arrays, pa.nulls(1, pa.bool_()), pa.nulls(1, pa.utf8())], schema=SCHEMA.with_metadata(note)
    )
    _refused(_packed(_stream(both.schema, [both])), says="another column")


def test_several_batches_are_read_as_one_table_where_allowed() -> None:
    one = make_columns([(0, 0, 0, 1.0), (1, 1, 0, "x")]).to_arrow()
    assert batch.read_batches(_stream(one.schema, [one, one]), SCHEMA).num_rows == 4
    assert batch.read_batches(_stream(one.schema, []), SCHEMA).num_rows == 0


def test_several_batches_are_judged_like_one() -> None:
    one = make_columns([(0, 0, 0, 1.0), (1, 1, 0, "x")]).to_arrow()
    other = pa.record_batch({"tag": pa.array([1])})
    coded = pa.record_batch({"tag": pa.array(["a"]).dictionary_encode()})
    wrong = [
        (b"", SCHEMA, DEFAULT_LIMITS, "is empty|no valid"),
        (b"noise and more noise", SCHEMA, DEFAULT_LIMITS, "no valid Arrow stream"),
        (_stream(other.schema, [other]), SCHEMA, DEFAULT_LIMITS, "columns must be"),
        (_stream(one.schema, [one, one]), SCHEMA, Limits(rows=3), "at most"),
        (_stream(coded.schema, [coded]), coded.schema, DEFAULT_LIMITS, "got dictionary"),
    ]
    for plain, schema, limits, says in wrong:
        with pytest.raises(PeerError, match=says):
            batch.read_batches(plain, schema, limits=limits)


def test_what_was_thinned_comes_back_as_it_was_told() -> None:
    told = Thinned(3, -5, 5, 7, "deadband of 0.5")
    assert decode_batch(encode_batch(SampleColumns.empty(), [told]))[1] == (told,)
    one = _noted({"v": 1, "records": [{"kind": "thinned", "tag": None, "from": 0, "to": 1, "count": 1, "cause": "x"}]})
    _refused(_packed(_stream(one.schema, [one])))
