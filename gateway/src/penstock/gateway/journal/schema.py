"""The tables of journal.sqlite.

One file holds all that must agree after a crash: the batches, the epoch that names them, the dictionary that
explains their tags, each tag's newest source time, its gaps and what was thinned of it. `synchronous=FULL`: a commit
that returned survives a power cut (with NORMAL a tenth of the acknowledged records was lost in the measurement).
"""

import sqlite3
from pathlib import Path

import numpy as np

from penstock.core.errors import ConfigError
from penstock.edge.durable import make_folder
from penstock.gateway.journal.broken import TABLE as BROKEN
from penstock.gateway.journal.newest import TABLE as NEWEST
from penstock.gateway.journal.newest import put_newest
from penstock.gateway.journal.thinned import TABLE as THINNED
from penstock.gateway.journal.unsettled import TABLE as UNSETTLED

SCHEMA_VERSION = 5
BUSY_TIMEOUT_MS = 5_000
WAL_CHECKPOINT_PAGES = 4_000
"""16 MiB of write-ahead log between checkpoints: rarely enough not to be felt, small enough to be read back at once."""

MARK = "CREATE TABLE mark(idx INTEGER PRIMARY KEY, newest_ns INTEGER, gap_from_ns INTEGER, gap_cause TEXT);"
"""Newest source time and open gap of a tag, as versions 1 to 3 kept them: a row of each tag in each commit."""
GAP = "CREATE TABLE gap(idx INTEGER PRIMARY KEY, from_ns INTEGER NOT NULL, cause TEXT NOT NULL);"
"""The open gaps."""

SCHEMA = f"""
{NEWEST}
{GAP}
{BROKEN}
{THINNED}
{UNSETTLED}
CREATE TABLE epoch(
    id INTEGER PRIMARY KEY, epoch TEXT NOT NULL UNIQUE, opened_ns INTEGER NOT NULL,
    head INTEGER NOT NULL DEFAULT 0, released INTEGER NOT NULL DEFAULT 0);
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE tag(
    idx INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, device TEXT NOT NULL, entry TEXT NOT NULL);
CREATE TABLE batch(
    epoch INTEGER NOT NULL REFERENCES epoch(id), seq INTEGER NOT NULL, arrival_ns INTEGER NOT NULL, n INTEGER NOT NULL,
    size INTEGER NOT NULL, released_ns INTEGER, frame BLOB NOT NULL, PRIMARY KEY(epoch, seq));
CREATE INDEX waiting ON batch(epoch, seq, size) WHERE released_ns IS NULL;
CREATE INDEX reserve ON batch(released_ns, size) WHERE released_ns IS NOT NULL;
"""

FROM_VERSION_1 = """
INSERT INTO mark SELECT idx, newest_ns, gap_from_ns, gap_cause FROM tag;
ALTER TABLE tag DROP COLUMN newest_ns;
ALTER TABLE tag DROP COLUMN gap_from_ns;
ALTER TABLE tag DROP COLUMN gap_cause;
"""
STEPS = {0: SCHEMA, 1: MARK + FROM_VERSION_1 + BROKEN, 2: BROKEN, 3: "", 4: ""}
"""What brings a file of a version to version 3 (of version 4 nothing is wanted), or a new one to this version."""
SINCE_VERSION_5 = (THINNED, UNSETTLED)
FROM_MARKS = (
    NEWEST,
    GAP,
    "INSERT INTO gap SELECT idx, gap_from_ns, coalesce(gap_cause, '') FROM mark WHERE gap_from_ns IS NOT NULL",
    "DROP TABLE mark",
)


def connect(path: Path) -> sqlite3.Connection:
    """Open the journal, made if absent; a file that is none, or of a later version, is a ConfigError."""
    make_folder(path.parent)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000)
    try:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={WAL_CHECKPOINT_PAGES}")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version < SCHEMA_VERSION:
            connection.executescript(f"BEGIN IMMEDIATE;{STEPS[version]}")
            if 0 < version < 4:
                _from_marks(connection)
            for statement in SINCE_VERSION_5 if version else ():
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        connection.close()
        message = f"the journal cannot be opened ({error}): move the file away to start a new epoch, and keep it"
        raise ConfigError(message, file=str(path), line=None, key="") from error
    if version > SCHEMA_VERSION:
        connection.close()
        message = f"the journal was written by a later version of Penstock (schema {version}, known {SCHEMA_VERSION})"
        raise ConfigError(message, file=str(path), line=None, key="")
    return connection


def _from_marks(connection: sqlite3.Connection) -> None:
    """Bring version 3 to version 4: newest times into pages, open gaps into a table of their own."""
    marks = connection.execute("SELECT idx, newest_ns FROM mark WHERE newest_ns IS NOT NULL").fetchall()
    for statement in FROM_MARKS:
        connection.execute(statement)
    put_newest(connection, np.array([idx for idx, _ in marks], np.uint32), np.array([ns for _, ns in marks], np.int64))
