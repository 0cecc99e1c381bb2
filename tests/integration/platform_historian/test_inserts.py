"""Inserts that are prepared once: each takes what it is given, whatever came before it."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from penstock.platform.historian.files.engine import Engine
from penstock.platform.historian.files.inserts import Inserts

pytestmark = pytest.mark.integration
SCHEMA = pa.schema([("n", pa.int64()), ("word", pa.string())])


def table(*rows: tuple[int, str | None]) -> pa.Table:
    return pa.table([[n for n, _ in rows], [word for _, word in rows]], schema=SCHEMA)


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect()
    for name in ("one", "two"):
        con.execute(f"ATTACH '{tmp_path}/{name}.duckdb' AS {name}")
        con.execute(f"CREATE TABLE {name}.word (n BIGINT, word VARCHAR)")
    yield con
    con.close()


def stored(con: duckdb.DuckDBPyConnection, database: str) -> list[tuple[int, str | None]]:
    return con.execute(f"SELECT * FROM {database}.word ORDER BY rowid").fetchall()


def test_each_insert_takes_the_rows_it_is_given(con: duckdb.DuckDBPyConnection) -> None:
    inserts = Inserts(con, "one")
    inserts.prepare("word", SCHEMA)
    chunks = pa.concat_tables([table((3, "läuft")), table((4, None), (5, ""))])
    for rows in (table((1, "a"), (2, None)), chunks, table(), table((6, "z"))):
        inserts.insert("word", rows)
    assert stored(con, "one") == [(1, "a"), (2, None), (3, "läuft"), (4, None), (5, ""), (6, "z")]


def test_what_is_rolled_back_leaves_nothing_behind(con: duckdb.DuckDBPyConnection) -> None:
    inserts = Inserts(con, "one")
    inserts.prepare("word", SCHEMA)
    con.execute("BEGIN")
    inserts.insert("word", table((1, "lost")))
    con.execute("ROLLBACK")
    inserts.insert("word", table((2, "kept")))
    assert stored(con, "one") == [(2, "kept")]


def test_inserts_into_the_next_file_take_the_place_of_those_before(con: duckdb.DuckDBPyConnection) -> None:
    for database in ("one", "two"):
        inserts = Inserts(con, database)
        inserts.prepare("word", SCHEMA)
        inserts.insert("word", table((1, database)))
    con.execute("DETACH one")
    inserts.insert("word", table((2, "two")))
    assert stored(con, "two") == [(1, "two"), (2, "two")]


def test_rows_of_another_schema_are_refused(con: duckdb.DuckDBPyConnection) -> None:
    inserts = Inserts(con, "one")
    inserts.prepare("word", SCHEMA)
    with pytest.raises(AssertionError, match="word"):
        inserts.insert("word", table((1, "a")).rename_columns(["n", "text"]))


def test_an_engine_that_was_opened_again_prepares_anew(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "h")
    engine.folder.mkdir()
    engine.open()
    generation = engine.add_generation(0, 1, {})
    before = engine.inserts(generation.name)
    assert engine.inserts(generation.name) is before
    assert engine.inserts("gen_2") is not before
    engine.reopen()
    assert engine.inserts(generation.name) is not before
    engine.close()
