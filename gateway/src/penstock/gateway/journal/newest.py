"""Each tag's newest source time, in pages of many tags: a commit that brings 1,000 tags writes two rows, not 1,000."""

import sqlite3
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

TAGS_PER_PAGE = 512
"""4 KiB: what SQLite writes anyway for the smallest change."""
UNKNOWN_NS = np.iinfo(np.int64).min
TABLE = "CREATE TABLE newest(page INTEGER PRIMARY KEY, times BLOB NOT NULL);"
_SELECT = "SELECT times FROM newest WHERE page=?"
_REPLACE = "INSERT OR REPLACE INTO newest(page, times) VALUES(?, ?)"


def put_newest(db: sqlite3.Connection, tags: npt.NDArray[np.uint32], times: npt.NDArray[np.int64]) -> None:
    """Keep the greater of what is stored and what is given, within the caller's transaction."""
    if not len(tags):
        return
    pages = tags // TAGS_PER_PAGE
    for page in np.unique(pages).tolist():
        chosen = pages == page
        stored = _page(db, page)
        np.maximum.at(stored, tags[chosen] - page * TAGS_PER_PAGE, times[chosen])
        db.execute(_REPLACE, (page, stored.astype("<i8").tobytes()))


def newest_of(db: sqlite3.Connection, tags: Iterable[int]) -> dict[int, int]:
    """Give the newest times of those tags that have one."""
    pages: dict[int, npt.NDArray[np.int64]] = {}
    found: dict[int, int] = {}
    for tag in tags:
        page, at = divmod(tag, TAGS_PER_PAGE)
        if page not in pages:
            pages[page] = _page(db, page)
        time_ns = int(pages[page][at])
        if time_ns != UNKNOWN_NS:
            found[tag] = time_ns
    return found


def _page(db: sqlite3.Connection, page: int) -> npt.NDArray[np.int64]:
    row = db.execute(_SELECT, (page,)).fetchone()
    if row is None:
        return np.full(TAGS_PER_PAGE, UNKNOWN_NS, np.int64)
    return np.frombuffer(row[0], "<i8").astype(np.int64)
