"""The newest commits, kept in memory: followers near the head are served without touching a file."""

import threading
from collections import deque

import pyarrow as pa

from penstock.platform.historian.ports import STORED_ROWS, Table

TAIL_ROWS_MAX = 300_000
"""Rows kept: 20 MB, some seconds of a busy plant, minutes of a quiet one."""
TAIL_COMMITS_MAX = 2_000


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

    def since(self, position: int, limit: int) -> tuple[Table, int, int] | None:
        """Give (rows after position, where they end, head), or None when that lies below what is kept."""
        with self._lock:
            if position < self._floor:
                return None
            taken: list[Table] = []
            end, count = position, 0
            for last, rows in self._commits:
                if last <= position:
                    continue
                if taken and count + rows.num_rows > limit:
                    break
                taken.append(rows)
                end, count = last, count + rows.num_rows
            head = self._head
        if not taken:
            return STORED_ROWS.empty_table(), max(end, position), head
        whole = pa.concat_tables(taken)
        first = taken[0]["position"]
        if len(first) and first[0].as_py() <= position:  # a group was entered in the middle
            whole = whole.filter(pa.compute.greater(whole["position"], position))
        return whole, end, head
