"""How far the commits had come some time ago, by the reader's clock: what was committed before has had its time.

A row by time does not say when it was committed, only its position. So the newest positions are noted as they are
seen, and what lies up to the one that is `WAIT_NS` old is *settled*: what belongs to it has come, or is late. What
stood there at the first look of a process is of unknown age, and counts as settled.
"""

from __future__ import annotations

from collections import deque

from penstock.apps.maintenance.rows import WAIT_NS

STEP_NS = WAIT_NS // 15
"""Nearer together no two are noted."""


class Heads:
    """Positions with the time at which they were first seen; a bounded number."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque()

    def saw(self, head: int, now_ns: int) -> None:
        """Note the newest commit there is."""
        if not self._seen or now_ns - self._seen[-1][0] >= STEP_NS:
            self._seen.append((now_ns, head))
        while len(self._seen) > 1 and now_ns - self._seen[1][0] > WAIT_NS:
            self._seen.popleft()

    def settled(self, now_ns: int) -> int:
        """Give the position up to which nothing is awaited any more; 0 where none was ever seen."""
        old = [head for seen_ns, head in self._seen if now_ns - seen_ns > WAIT_NS]
        return old[-1] if old else self._seen[0][1] if self._seen else 0
