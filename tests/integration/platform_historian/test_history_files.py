"""docs/reference/history-files.md: its examples run on real files, in plain DuckDB, polars and pandas, and agree."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from penstock.platform.historian.files.manifest import FORMAT, MANIFEST_FILE
from penstock.platform.historian.files.run import ORDERS
from penstock.platform.historian.ports import Erasing
from penstock.platform.historian.service import Historian
from tests.arch.sources import ROOT
from tests.builders.historian import NOON_NS, batch_of, plain_rows

pytestmark = pytest.mark.integration
PAGE = (ROOT / "docs/reference/history-files.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
async def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make three runs of tags 1 and 2 where the page says they are, and a table of tags; work beside them."""
    platform = tmp_path / "penstock-data" / "platform"
    historian = Historian(platform / "historian", generation_rows=20)
    await historian.start()
    for seq in range(1, 4):
        rows = [(1 + k % 2, NOON_NS + seq * 100 + k, 0 if k < 16 else 0x8031_0000, seq + k / 4) for k in range(20)]
        await historian.append([batch_of(rows, seq=seq)])
    assert await historian.wait_sealed()
    await historian.stop()
    with closing(sqlite3.connect(platform / "relational.sqlite")) as relational:
        relational.execute("CREATE TABLE tags (id INTEGER, key TEXT)")
        relational.execute("INSERT INTO tags VALUES (1, 'plc/flow'), (2, 'plc/level')")
        relational.commit()
    monkeypatch.chdir(tmp_path)
    return platform / "historian"


async def test_the_examples_of_the_page_run_and_agree(history: Path) -> None:
    space: dict[str, Any] = {}
    told = []
    for example in EXAMPLES:
        exec(example, space)
        told.append((space.get("count"), space.get("mean")))
    expected = (30, sum(seq + k / 4 for seq in (1, 2, 3) for k in range(0, 20, 2)) / 30)
    assert told[1:4] == [expected] * 3
    assert [len(space["good"]), sorted(set(space["good"]["key"]))] == [48, ["plc/flow", "plc/level"]]
    assert space["batches"] == [("gtw_a", 60, 0)]
    with closing(sqlite3.connect(history / MANIFEST_FILE)) as manifest:
        listed = manifest.execute("SELECT crc32 FROM file WHERE name = 'sample.parquet' ORDER BY folder").fetchone()
    assert space["whole"] == listed[0]


async def test_the_last_example_leaves_out_what_is_erased(history: Path) -> None:
    historian = Historian(history, generation_rows=20)
    await historian.start()
    erasing = replace(batch_of([], key="d", writer="usr_a"), deletes=Erasing((1,), NOON_NS + 104, NOON_NS + 210))
    assert (await historian.append([erasing])).outcomes[0].erased == 13
    await historian.append([batch_of([(1, NOON_NS + 104, 0, 2.0)], seq=9)])
    assert await historian.wait_sealed()
    [summary] = plain_rows(await historian.range([1], NOON_NS + 104, NOON_NS + 210, limit=100))
    assert summary[3] == 2.0, "sent again after the erasure, in the hot file"
    await historian.stop()
    space: dict[str, Any] = {}
    for example in EXAMPLES:
        exec(example, space)
    kept = [seq + k / 4 for seq in (1, 2, 3) for k in range(0, 20, 2) if not 104 <= seq * 100 + k < 210]
    assert (space["count"], space["mean"]) == (len(kept), sum(kept) / len(kept))


async def test_the_shell_example_counts_the_same(history: Path) -> None:
    command = re.search(r'duckdb -c "(.*?)"', PAGE)
    assert command is not None
    assert duckdb.execute(command[1]).fetchall()[0][0] == 30


def columns_of_the_page() -> Iterator[tuple[str, list[str]]]:
    """Read from the page which columns each table of a run has."""
    for table in ORDERS:
        if table == "sample":
            rows = PAGE.split("| column | type | meaning |")[1].split("\n\n")[0]
            names = re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in rows.splitlines()[2:]))
            yield table, names
            continue
        line = next(line for line in PAGE.splitlines() if line.startswith(f"`{table}`"))
        listed = line.split(": ", 1)[1].split(". A later")[0]
        yield table, re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", listed))


async def test_the_page_tells_every_column_in_order(history: Path) -> None:
    run = history / "runs" / "run-000001-000001"
    told = dict(columns_of_the_page())
    assert told == {table: pq.read_schema(run / f"{table}.parquet").names for table in ORDERS}


async def test_the_page_tells_every_column_of_the_manifest(history: Path) -> None:
    section = PAGE.split("## Tables of the manifest")[1].split("## Examples")[0]
    with closing(sqlite3.connect(history / MANIFEST_FILE)) as manifest:
        assert manifest.execute("PRAGMA user_version").fetchone()[0] == FORMAT
        assert f"is the format, {FORMAT}." in section
        for (table,) in manifest.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"):
            row = next(line for line in section.splitlines() if line.startswith(f"| `{table}` |"))
            columns = [each[1] for each in manifest.execute(f"PRAGMA table_info({table})")]
            assert re.findall(r"`(\w+)`", row.split("|")[2]) == columns


async def test_a_run_is_v2_zstd_in_groups_with_statistics(history: Path) -> None:
    meta = pq.ParquetFile(history / "runs" / "run-000001-000001" / "sample.parquet").metadata
    column = meta.row_group(0).column(1)
    assert (column.compression, column.path_in_schema, column.statistics.has_min_max) == ("ZSTD", "time", True)
