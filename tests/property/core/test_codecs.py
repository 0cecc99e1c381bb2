"""Codecs: what goes in comes out, and no bytes bring a reader down."""

from __future__ import annotations

import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.core.batch import Drop, Gap, Record, Reject, decode_batch, encode_batch
from penstock.core.dictionary import decode_dictionary, encode_dictionary
from penstock.core.errors import PeerError
from penstock.core.frames import encode_frame, iter_frames
from penstock.core.times import format_rfc3339_ns, parse_rfc3339_ns
from tests.builders.core import make_columns, make_entry, make_frame

INT64 = st.integers(-(2**63), 2**63 - 1)
UINT32 = st.integers(0, 2**32 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUE = st.one_of(st.none(), st.floats(), INT64, st.booleans(), TEXT)
ROWS = st.lists(st.tuples(UINT32, INT64, UINT32, VALUE), max_size=30)
RECORD: st.SearchStrategy[Record] = st.one_of(
    st.builds(Gap, UINT32, INT64, st.none() | INT64, TEXT),
    st.builds(Drop, UINT32, INT64, INT64, st.integers(0, 2**63 - 1), TEXT),
    st.builds(Reject, st.none() | UINT32, TEXT, st.none() | INT64, TEXT, st.integers(0, 2**63 - 1), TEXT),
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(ROWS, st.lists(RECORD, max_size=5))
def test_a_batch_comes_back(rows: list[tuple[int, int, int, float | str | None]], records: list[Record]) -> None:
    columns = make_columns(rows)
    back, told = decode_batch(encode_batch(columns, records))
    assert list(told) == records
    for name in ("tag", "time", "status", "kind", "vi", "vb"):
        np.testing.assert_array_equal(getattr(back, name), getattr(columns, name))
    np.testing.assert_array_equal(back.vf.view(np.uint64), columns.vf.view(np.uint64))
    assert back.vs.tolist() == columns.vs.tolist()


@QUICK
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=40))
def test_any_bit_pattern_of_a_float_comes_back(bits: list[int]) -> None:
    columns = make_columns([(0, 0, 0, 0.0)] * len(bits))
    columns.vf[:] = np.array(bits, np.uint64).view(np.float64)
    assert decode_batch(encode_batch(columns))[0].vf.view(np.uint64).tolist() == bits


@QUICK
@given(st.data())
def test_a_damaged_stream_is_the_peers_error_or_a_batch(data: st.DataObject) -> None:
    plain = bytearray(
        zstandard.ZstdDecompressor().decompress(encode_batch(make_columns([(1, 2, 0, 1.5), (1, 3, 0, "x")])))
    )
    for _ in range(data.draw(st.integers(1, 6))):
        plain[data.draw(st.integers(0, len(plain) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(plain)))
    payload = zstandard.ZstdCompressor().compress(bytes(plain[:cut] if data.draw(st.booleans()) else plain))
    try:
        columns, _ = decode_batch(payload)
    except PeerError:
        return
    assert len(columns) <= 100_000


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes_are_the_peers_error(noise: bytes) -> None:
    for decode in (decode_batch, decode_dictionary):
        with pytest.raises(PeerError):
            decode(noise)
        with pytest.raises(PeerError):
            decode(zstandard.ZstdCompressor().compress(noise))
    if noise:
        with pytest.raises(PeerError):
            list(iter_frames(noise))


@QUICK
@given(st.lists(st.tuples(st.integers(1, 2**64 - 1), st.binary(max_size=50)), max_size=5))
def test_frames_come_back(parts: list[tuple[int, bytes]]) -> None:
    frames = [make_frame(seq, payload) for seq, payload in parts]
    assert list(iter_frames(b"".join(map(encode_frame, frames)))) == frames


@QUICK
@given(st.lists(st.from_regex(r"[a-z]{1,8}/[A-Za-z0-9]{1,8}", fullmatch=True), unique=True, max_size=8))
def test_a_dictionary_comes_back(keys: list[str]) -> None:
    entries = tuple(make_entry(index, key) for index, key in enumerate(keys))
    assert decode_dictionary(encode_dictionary(entries)) == entries


@QUICK
@given(INT64)
def test_times_come_back(time_ns: int) -> None:
    assert parse_rfc3339_ns(format_rfc3339_ns(time_ns)) == time_ns
