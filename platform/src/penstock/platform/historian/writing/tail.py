"""The newest commits, kept in memory: followers near the head are served without touching a file."""

import threading
from collections import deque
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from penstock.platform.historian.commits import whole_commits
from penstock.platform.historian.ports import STORED_ROWS, Table

TAIL_ROWS_MAX = 300_000
"""Rows kept: 20 MB, some seconds of a busy plant, minutes of a quiet one."""
TAIL_COMMITS_MAX = 2_000
LOOK_FACTOR = 5
"""Rows looked through for each row asked where some tags are: who follows few of them keeps up with a busy plant."""


class Tail:
    """Hold the rows of every commit after `floor`, whole commits, oldest dropped first."""

    def __init__(self, floor: int = 0) -> None:
        self._lock = threading.Lock()
        self._floor = floor
        self._head = floor
        self._rows = 0
        self._commits: deque[tuple[int, Table]] = deque()

    def add(self, head: int, rows: Table) -> None:
        """Take the rows of a group commit that ends at position `head`."""
        with self._lock:
            self._commits.append((head, rows))
            self._head = head
            self._rows += rows.num_rows
            while self._rows > TAIL_ROWS_MAX or len(self._commits) > TAIL_COMMITS_MAX:
                self._floor, dropped = self._commits.popleft()
                self._rows -= dropped.num_rows

    def since(self, position: int, limit: int, tags: Sequence[int] | None = None) -> tuple[Table, int, int] | None:
        """Give (rows of the tags after position, where they end, head), or None when that lies below what is kept."""
        look = limit if tags is None else LOOK_FACTOR * limit
        with self._lock:
            if position < self._floor:
                return None
            taken: list[Table] = []
            end, count = position, 0
            for last, rows in self._commits:
                if last <= position:
                    continue
                if taken and count + rows.num_rows > look:
                    break
                taken.append(rows)
                end, count = last, count + rows.num_rows
            head = self._head
        if not taken:
            return STORED_ROWS.empty_table(), max(end, position), head
        whole = pa.concat_tables(taken)
        first = taken[0]["position"]
        if len(first) and first[0].as_py() <= position:  # a group was entered in the middle
            whole = whole.filter(pc.greater(whole["position"], position))
        if tags is not None:
            whole, end = whole_commits(whole.filter(pc.is_in(whole["tag"], pa.array(tags, pa.int64()))), limit, end)
        return whole, end, head
