"""What was thinned of each tag and is not told yet, in pages of many tags, as `newest` keeps its times.

It is written in the commit that stands for the thinned samples, so that a kill loses no count: a device that is not
acknowledged sends again, one that is was counted on disk.
"""

import sqlite3
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TAGS_PER_PAGE = 256
"""Three numbers each: 6 KiB."""
TABLE = "CREATE TABLE thinned(page INTEGER PRIMARY KEY, counts BLOB NOT NULL);"
_SELECT = "SELECT counts FROM thinned WHERE page=?"
_REPLACE = "INSERT OR REPLACE INTO thinned(page, counts) VALUES(?, ?)"

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ThinnedCounts:
    """Hold, by tag, how many samples were thinned since the last record, and the first and last of their times."""

    tag: npt.NDArray[np.uint32]
    count: Ints
    from_ns: Ints
    to_ns: Ints

    def take(self, rows: slice) -> "ThinnedCounts":
        """Give some of the tags."""
        return ThinnedCounts(self.tag[rows], self.count[rows], self.from_ns[rows], self.to_ns[rows])


def put_thinned(db: sqlite3.Connection, counts: ThinnedCounts) -> None:
    """Keep the counts in the place of those before, within the caller's transaction."""
    pages = counts.tag // TAGS_PER_PAGE
    for page in np.unique(pages).tolist():
        chosen = pages == page
        at = counts.tag[chosen] - page * TAGS_PER_PAGE
        stored = _page(db, page)
        stored[:, at] = np.stack([counts.count[chosen], counts.from_ns[chosen], counts.to_ns[chosen]])
        db.execute(_REPLACE, (page, stored.astype("<i8").tobytes()))


def thinned_of(db: sqlite3.Connection) -> ThinnedCounts:
    """Give all tags that have a count."""
    pages = [page for (page,) in db.execute("SELECT page FROM thinned ORDER BY page")]
    stored = np.concatenate([_page(db, page) for page in pages], axis=1) if pages else np.zeros((3, 0), np.int64)
    first = np.array(pages, np.int64) * TAGS_PER_PAGE
    tags = (first[:, None] + np.arange(TAGS_PER_PAGE)).reshape(-1).astype(np.uint32)
    told = stored[0] > 0
    return ThinnedCounts(tags[told], *(row[told] for row in stored))


def _page(db: sqlite3.Connection, page: int) -> Ints:
    row = db.execute(_SELECT, (page,)).fetchone()
    if row is None:
        return np.zeros((3, TAGS_PER_PAGE), np.int64)
    return np.frombuffer(row[0], "<i8").astype(np.int64).reshape(3, TAGS_PER_PAGE)
