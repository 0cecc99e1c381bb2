"""A dictionary comes back, or is refused with the entry that is wrong."""

import json
from dataclasses import asdict, replace

import pytest
import zstandard

from penstock.core.dictionary import DictionaryEntry, decode_dictionary, encode_dictionary
from penstock.core.errors import PeerError
from tests.builders.core import make_entry

ENTRIES = (make_entry(), make_entry(1, "pump-plc/température"))


def test_entries_come_back() -> None:
    assert decode_dictionary(encode_dictionary(ENTRIES)) == ENTRIES
    assert decode_dictionary(encode_dictionary([])) == ()


def _refused(plain: object, says: str) -> None:
    with pytest.raises(PeerError, match=says):
        decode_dictionary(zstandard.ZstdCompressor().compress(json.dumps(plain).encode()))


@pytest.mark.parametrize("plain", [[], {}, {"v": 2, "entries": []}, {"v": 1, "entries": {}}, {"v": 1}])
def test_another_shape_is_refused(plain: object) -> None:
    _refused(plain, "payload must be")


@pytest.mark.parametrize(
    ("key", "value"),
    [("index", -1), ("key", ""), ("type", "float32"), ("unit", 7), ("rate_hz", 0), ("file_hash", "XYZ")],
)
def test_wrong_fields_are_named(key: str, value: object) -> None:
    _refused({"v": 1, "entries": [{**asdict(ENTRIES[0]), key: value}]}, f"entries.0.{key}")


def test_indexes_are_dense_and_keys_differ() -> None:
    _refused({"v": 1, "entries": [asdict(make_entry(1))]}, "dense")
    _refused({"v": 1, "entries": [asdict(make_entry()), asdict(make_entry(1))]}, "same key")


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(PeerError, match="not JSON"):
        decode_dictionary(zstandard.ZstdCompressor().compress(b"{"))


def test_unknown_fields_of_later_versions_are_left() -> None:
    plain = {"v": 1, "entries": [{**asdict(ENTRIES[0]), "later": 1}]}
    decoded: tuple[DictionaryEntry, ...] = decode_dictionary(
        zstandard.ZstdCompressor().compress(json.dumps(plain).encode())
    )
    assert decoded == (replace(ENTRIES[0]),)
