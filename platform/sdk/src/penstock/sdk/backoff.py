"""Say how long to wait before the next attempt: exponential with full jitter, Retry-After honoured."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

RETRY_AFTER_MAX_S = 120.0  # a longer wish is cut: the caller's own deadline decides, not the server


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays between attempts; `attempts` counts the first one too. Randomness is injected."""

    attempts: int = 6
    first_s: float = 0.2
    max_s: float = 15.0
    uniform: Callable[[float, float], float] = random.uniform

    def delay_s(self, attempt: int, retry_after_s: float | None = None) -> float:
        """Give the wait after the `attempt`-th failure (from 1); never shorter than what the server asked."""
        ceiling = min(self.max_s, self.first_s * 2 ** min(attempt - 1, 30))
        waited = self.uniform(ceiling / 2, ceiling)
        return waited if retry_after_s is None else max(waited, min(retry_after_s, RETRY_AFTER_MAX_S))


def retry_after_s(header: str | None, now_s: float) -> float | None:
    """Read Retry-After, seconds or an HTTP date (RFC 9110 §10.2.3); None where absent or unreadable."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now_s)
