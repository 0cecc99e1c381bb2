"""Inserts of a commit, prepared once a file: registering a table and planning anew cost more than 5,000 rows.

DuckDB reads a registered object's stream at each execution; what is registered here is a slot that holds the table of
the moment. So a commit pays for neither registering nor planning.
"""

# ruff: noqa: S608 the pieces are names of our own files and tables; values travel in columns

from typing import Any

import pyarrow as pa

from penstock.platform.historian.ports import Table


class Slot:
    """Hold one table at a time of a fixed schema, as DuckDB reads it: an Arrow stream each time it is asked."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.table: Table = schema.empty_table()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the stream of the table that is held (the Arrow PyCapsule interface)."""
        return self.table.__arrow_c_stream__(requested_schema)


class Inserts:
    """Insert into the tables of one attached file on one cursor."""

    def __init__(self, cursor: Any, database: str) -> None:
        self._cursor, self.database = cursor, database
        self._slots: dict[str, Slot] = {}

    def prepare(self, table: str, schema: pa.Schema) -> None:
        """Make ready to insert rows of the schema; outside of a transaction, whose end would undo it."""
        if table in self._slots:
            return
        slot = Slot(schema)
        self._cursor.register(f"incoming_{table}", slot)
        self._cursor.execute(
            f"PREPARE insert_{table} AS INSERT INTO {self.database}.{table} SELECT * FROM incoming_{table}"
        )
        self._slots[table] = slot

    def insert(self, table: str, rows: Table) -> None:
        """Insert rows whose columns stand in the order of the table's, which was prepared."""
        slot = self._slots[table]
        assert rows.schema.equals(slot.schema), f"{table}: {rows.schema}"
        slot.table = rows
        try:
            self._cursor.execute(f"EXECUTE insert_{table}")
        finally:
            slot.table = slot.schema.empty_table()
