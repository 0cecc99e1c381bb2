"""Throttle: at most so many tries in a sliding window, per key; in memory, as one process answers all logins."""

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from penstock.platform.kit.problems import too_many

TRIES_MAX = 10
WINDOW_S = 60.0
KEYS_MAX = 20_000  # an attacker with many addresses must not fill the memory; the oldest key goes


class Throttle:
    """Count tries and raise Problem 429 at the eleventh within a minute."""

    def __init__(self, *, tries: int = TRIES_MAX, clock: Callable[[], float] = time.monotonic) -> None:
        self._tries = tries
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, ...], deque[float]] = OrderedDict()

    def check(self, *key: str) -> None:
        """Raise Problem 429 when the key has used up its tries; counts nothing."""
        with self._lock:
            times = self._recent(key)
            if len(times) >= self._tries:
                wait_s = max(1, math.ceil(times[0] + WINDOW_S - self._clock()))
                raise too_many(detail=f"Too many tries. Wait {wait_s} s and try again.", retry_after_s=wait_s)

    def count(self, *key: str) -> None:
        """Count one try of the key."""
        with self._lock:
            times = self._recent(key)
            times.append(self._clock())
            self._seen[key] = times
            self._seen.move_to_end(key)
            if len(self._seen) > KEYS_MAX:
                self._seen.popitem(last=False)

    def enter(self, *key: str) -> None:
        """Check, then count: for doors where every try counts."""
        self.check(*key)
        self.count(*key)

    def _recent(self, key: tuple[str, ...]) -> deque[float]:
        times = self._seen.get(key, deque())
        while times and times[0] <= self._clock() - WINDOW_S:
            times.popleft()
        return times
