"""Full hot files that wait for their seal: a bound, and when the door waits for the sealer.

The door may be quicker than the one thread that seals. Beyond `FULL_MAX` full files it answers "later", until some of
them are sealed: hot files cost memory, and every question reads all of them.

A sealer that fails holds nobody up: its files serve, and what bounds them is the disk, which the committer watches.
What has gathered by then (or before a start) becomes the bound when sealing works again, and falls as it is worked off:
so neither a failure nor its cure takes the door away for longer than half of `FULL_MAX` seals.
"""

import logging
import threading

FULL_MAX = 40
"""20 million rows by default: what comes in while the largest runs are merged; a question reads all of them."""
LONG = 4
"""So many full files may wait with all their rows in memory, 31 MB each by default; with more the door folds them."""

log = logging.getLogger(__name__)


class Backlog:
    """Count full files by what committer and sealer tell; the door asks `is_over`."""

    def __init__(self, full_max: int = FULL_MAX) -> None:
        self._full_max = self._bound = full_max
        self._relief = full_max // 2  # so many fewer, then the door opens: neither it nor the log flutters
        self._lock = threading.Lock()
        self._is_failing = False
        self._waiting = 0
        self.is_over = False
        """Whether the door has to wait."""

    @property
    def is_long(self) -> bool:
        """Say whether more wait than may hold their rows in memory."""
        return self._waiting > LONG

    def on_open(self, waiting: int) -> None:
        """Take what a start found as the bound, where it is more."""
        with self._lock:
            self._waiting = waiting
            self._bound = max(self._full_max, waiting)

    def on_full(self, waiting: int) -> None:
        """Hear that one more file is full: so many wait now."""
        with self._lock:
            self._waiting = waiting
            if self._is_failing:
                self._bound = max(self._bound, waiting)
            elif waiting > self._bound and not self.is_over:
                self.is_over = True
                log.warning(
                    "%d full hot files wait for their seal: ingest waits, gateways keep what they have", waiting
                )

    def on_sealed(self, waiting: int) -> None:
        """Hear that one is sealed: so many wait now."""
        with self._lock:
            self._waiting, self._is_failing = waiting, False
            if waiting > self._bound - self._relief:
                return
            self._bound = max(self._full_max, waiting + self._relief // 2)
            self._open("%d full hot files wait for their seal: ingest goes on", waiting)

    def on_failed(self, waiting: int) -> None:
        """Hear that sealing failed with so many left: ingest goes on without a bound until a seal succeeds."""
        with self._lock:
            self._waiting, self._is_failing = waiting, True
            self._bound = max(self._bound, waiting)
            self._open("sealing fails with %d full hot files: ingest goes on, its bound is the disk", waiting)

    def _open(self, message: str, waiting: int) -> None:
        if self.is_over:
            self.is_over = False
            log.warning(message, waiting)
