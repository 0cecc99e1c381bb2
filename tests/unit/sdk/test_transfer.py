"""Reading files for import: every form of time, status and value, every complaint with its row."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.times import parse_rfc3339_ns
from penstock.sdk.models import Tag
from penstock.sdk.testing import FakePlatform
from penstock.sdk.transfer.columns import Refused, statuses, times, values
from penstock.sdk.transfer.exporting import PARQUET
from penstock.sdk.transfer.files import open_source
from penstock.sdk.transfer.importing import Importer, Options
from penstock.sdk.transfer.layout import layout_of
from penstock.sdk.transfer.progress import TransferError, identity, read_progress, write_progress
from penstock.simulators.generate import SCHEMA

INFINITE = (float("inf"), float("-inf"))
TAGS = {
    "d/flow": Tag(id=1, key="d/flow", type="float64"),
    "d/count": Tag(id=2, key="d/count", type="int64"),
    "d/on": Tag(id=3, key="d/on", type="bool"),
    "d/mode": Tag(id=4, key="d/mode", type="string"),
}


@pytest.mark.parametrize(
    ("text", "zone", "wanted"),
    [
        ("1700000000000000123", None, 1_700_000_000_000_000_123),
        ("2026-01-01T00:00:00Z", None, parse_rfc3339_ns("2026-01-01T00:00:00Z")),
        ("2026-01-01T01:00:00.123456789+01:00", None, parse_rfc3339_ns("2026-01-01T00:00:00.123456789Z")),
        ("2026-07-01 12:00:00", "Europe/Berlin", parse_rfc3339_ns("2026-07-01T10:00:00Z")),
        ("2026-01-01 12:00:00.5", "Europe/Berlin", parse_rfc3339_ns("2026-01-01T11:00:00.5Z")),
        ("2026-12-31", "UTC", parse_rfc3339_ns("2026-12-31T00:00:00Z")),
    ],
)
def test_a_time_is_read_in_every_form(text: str, zone: str | None, wanted: int) -> None:
    refused = Refused()
    assert times(pa.array([text]), zone, refused).to_pylist() == [wanted]
    assert not refused.reasons


@pytest.mark.parametrize("number", [1, 1_764_188_000, 1_764_188_000_123, 1_764_188_000_123_456, 10**17 - 1])
def test_integers_that_are_no_ns_are_refused_with_what_they_look_like(number: int) -> None:
    good = [10**17, 0, -number]
    columns = [
        pa.array([number, *good]),
        pa.array([str(each) for each in (number, *good)]),
        pa.array([str(number), *map(str, good), "1970-01-01T00:00:01Z"]),
    ]
    for column in columns:
        refused = Refused()
        made = times(column, None, refused).to_pylist()
        assert made[1:4] == good
        assert set(refused.reasons) == {0}
        assert f"{number} looks like " in refused.reasons[0]


def test_what_an_export_wrote_is_read_back_though_it_is_of_1970(tmp_path: Path) -> None:
    row = {"key": ["d/flow"], "time": [1], "status": [0], "vf": [1.5], "vi": [None], "vb": [None], "vs": [None]}
    pq.write_table(pa.table(row, schema=PARQUET), tmp_path / "a.parquet")
    samples, refused = shaped(tmp_path / "a.parquet")
    assert ([s["time"] for s in samples], refused) == ([1], {})


def test_times_of_two_offsets_and_a_wrong_one_stand_in_one_column() -> None:
    refused = Refused()
    column = pa.array(["2026-01-01T00:00:00Z", "yesterday", None, "2026-01-01T02:00:00+02:00"])
    made = times(column, None, refused).to_pylist()
    assert made[0] == made[3] == parse_rfc3339_ns("2026-01-01T00:00:00Z")
    assert set(refused.reasons) == {1, 2}
    assert "'yesterday'" in refused.reasons[1]


@pytest.mark.parametrize(
    ("zone", "text", "said"),
    [
        (None, "2026-01-01 12:00:00", "--zone"),
        ("Europe/Berlin", "2026-10-25 02:30:00", "ambiguous"),
        ("Europe/Berlin", "2026-03-29 02:30:00", "doesn't exist"),
        ("Nowhere/Land", "2026-01-01 12:00:00", "Nowhere/Land"),
    ],
)
def test_a_local_time_that_means_nothing_is_refused_in_words(zone: str | None, text: str, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        times(pa.array([text]), zone, Refused())


def test_stamps_of_a_parquet_keep_their_zone() -> None:
    column = pa.array([1_700_000_000_000], pa.timestamp("ms", "Asia/Tokyo"))
    assert times(column, None, Refused()).to_pylist() == [1_700_000_000_000_000_000]


def test_a_status_is_a_code_or_a_word() -> None:
    refused = Refused()
    made = statuses(pa.array(["0", "0x80310000", "Bad", "uncertain", None, "bitter"]), 6, refused)
    assert made.to_pylist() == [0, 0x80310000, 0x80000000, 0x40000000, 0, None]
    assert set(refused.reasons) == {5}
    assert statuses(None, 2, refused).to_pylist() == [0, 0]
    assert statuses(pa.array([0, -1]), 2, refused).to_pylist()[0] == 0


@pytest.mark.parametrize(
    ("kind", "given", "wanted", "refused_places"),
    [
        ("float64", ["1.5", "-0", "nan", "inf", "x", None], [1.5, -0.0, None, float("inf"), None, None], {4}),
        ("float64", ["1.5", "1e999", "-1E400", "inf", "-Infinity"], [1.5, *INFINITE], {1, 2}),
        ("float64", ["1e999", "x", "-1e400", "1e-400", "inf"], [0.0, float("inf")], {0, 1, 2}),
        ("int64", ["1", "-9223372036854775807", "9223372036854775808", "1.0"], [1, -(2**63) + 1, None, None], {2, 3}),
        ("bool", ["true", "0", "False", "yes"], [True, False, False, None], {3}),
        ("string", ["", "Grüße", "x" * 8193], ["", "Grüße", "x" * 8193], {2}),
        ("int64", [1.0, 1.5], [1, None], {1}),
        ("float64", [2**53 + 1, 3], [None, 3.0], {0}),
        ("float64", [True], [None], {0}),
        ("string", [1], [None], {0}),
    ],
)
def test_a_value_is_read_by_the_type_of_its_tag(
    kind: str, given: list[Any], wanted: list[Any], refused_places: set[int]
) -> None:
    refused = Refused()
    made = values(pa.array(given), kind, refused).to_pylist()
    assert set(refused.reasons) == refused_places
    assert [m for m in made if m == m and m is not None] == [w for w in wanted if w is not None]


def csv(folder: Path, text: str, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def shaped(path: Path, **how: Any) -> tuple[list[dict[str, Any]], dict[int, str]]:
    source = open_source(path)
    layout = layout_of(source, time=how.get("time"), renamed=how.get("renamed", {}), zone=how.get("zone"))
    [chunk] = source.chunks(1000)
    refused = Refused()
    return layout.samples(chunk, TAGS, refused).to_pylist(), refused.reasons


def test_a_long_csv_gives_each_value_its_type(tmp_path: Path) -> None:
    rows = (
        "key,time,value,status\nd/flow,-9,1.5,0\nd/count,-8,7,0\nd/on,-7,true,0\nd/mode,-6,,0\nd/mode,-5,,0x80000000\n"
    )
    rows += 'd/mode,-4,"",0\nd/mode,0,"a,b",good\nd/none,-2,1,0\nd/flow,-1,high,0\n'
    samples, refused = shaped(csv(tmp_path, rows))
    got = [(s["tag"], s["time"], s["vf"], s["vi"], s["vb"], s["vs"], s["status"]) for s in samples]
    assert got == [
        (1, -9, 1.5, None, None, None, 0),
        (2, -8, None, 7, None, None, 0),
        (3, -7, None, None, True, None, 0),
        (4, -6, None, None, None, None, 0),
        (4, -5, None, None, None, None, 0x80000000),
        (4, -4, None, None, None, "", 0),
        (4, 0, None, None, None, "a,b", 0),
    ]
    assert set(refused) == {7, 8}
    assert "no tag" in refused[7]
    assert "'high'" in refused[8]


def test_a_wide_csv_leaves_out_empty_cells_and_only_the_wrong_cell(tmp_path: Path) -> None:
    path = csv(tmp_path, "datetime;T;count;note\n2026-01-01 00:00:00;1.5;x;a\n2026-01-01 00:00:01;;2;b\n")
    renamed = {"T": "d/flow", "count": "d/count", "note": ""}
    samples, refused = shaped(path, renamed=renamed, zone="UTC")
    assert [(s["tag"], s["vf"], s["vi"]) for s in samples] == [(1, 1.5, None), (2, None, 2)]
    assert refused == {0: "count: 'x' is no int64, the type of this tag"}


def test_a_value_in_the_column_of_another_type_is_named(tmp_path: Path) -> None:
    table = pa.table({"key": ["d/flow", "d/count"], "time": [-2, -1], "vf": [1.0, 2.0], "vi": pa.nulls(2, pa.int64())})
    pq.write_table(table, tmp_path / "a.parquet")
    samples, refused = shaped(tmp_path / "a.parquet")
    assert [s["tag"] for s in samples] == [1]
    assert refused == {1: "the value stands in vf, the tag is int64"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.xlsx", "x", "must end in .parquet or .csv"),
        ("a.csv", "", "is empty"),
        ("a.csv", "time,x,x\n", "'x' stands there twice"),
        ("a.csv", "when,x\n", "no column 'time'"),
        ("a.csv", "time\n1\n", "no column is left"),
        ("a.parquet", "no parquet", "cannot be read as parquet"),
    ],
)
def test_a_file_of_another_form_is_refused_in_words(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(TransferError, match=said):
        layout_of(open_source(csv(tmp_path, text, name)), time=None, renamed={}, zone=None)


def test_a_row_with_too_few_columns_stops_with_its_number(tmp_path: Path) -> None:
    source = open_source(csv(tmp_path, "time,d/flow\n1,2\n3\n"))
    with pytest.raises(TransferError, match=r"a\.csv: .*Row #3"):
        list(source.chunks(10))


@settings(deadline=None, max_examples=40)
@given(count=st.integers(0, 200), size=st.integers(1, 60), cut=st.integers(0, 200), group=st.integers(1, 70))
def test_chunks_from_any_row_are_those_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, count: int, size: int, cut: int, group: int
) -> None:
    folder = tmp_path_factory.mktemp("chunks")
    pq.write_table(pa.table({"time": range(count)}, pa.schema([("time", pa.int64())])), folder / "a.parquet", group)
    csv(folder, "time\n" + "".join(f"{n}\n" for n in range(count)))
    for path in (folder / "a.parquet", folder / "a.csv"):
        chunks = list(open_source(path).chunks(size, skip=cut))
        assert [int(n) for c in chunks for n in c.column("time").to_pylist()] == list(range(count))[cut:]
        assert all(c.num_rows == size for c in chunks[:-1])


def test_what_is_exported_has_the_columns_that_the_simulators_generate() -> None:
    assert PARQUET.equals(SCHEMA)


def test_a_changed_file_has_another_identity_and_a_broken_progress_is_named(tmp_path: Path) -> None:
    path = csv(tmp_path, "time\n1\n")
    before = identity(path)
    path.write_text("time\n2\n", encoding="utf-8")
    assert identity(path) != before
    write_progress(tmp_path / "p.json", {"rows": 3})
    assert read_progress(tmp_path / "p.json") == {"rows": 3}
    assert read_progress(tmp_path / "absent.json") is None
    for broken in ("{", "[]"):
        (tmp_path / "p.json").write_text(broken, encoding="utf-8")
        with pytest.raises(TransferError, match="remove it to begin anew"):
            read_progress(tmp_path / "p.json")


@pytest.mark.parametrize(
    ("differs", "said"),
    [("platform", "into another platform"), ("file", "of another file"), ("options", "with other options")],
)
async def test_progress_of_another_import_is_told_as_what_it_is(differs: str, said: str, tmp_path: Path) -> None:
    path = csv(tmp_path, "time,d/flow\n1,2\n")
    async with FakePlatform().client() as client:
        importer = Importer(client, path, Options())
        mark = {"platform": client.url, "file": identity(path), "options": Options().mark()}
        write_progress(importer.progress, mark | {differs: "of old"})
        with pytest.raises(TransferError, match=f"tells of an import {said}; give --restart"):
            await importer.run()
