"""When to try again."""

import random

FIRST_S = 0.25
LONGEST_S = 2.0
"""Reading must resume within 5 s of the link's return: the longest wait and one timed-out try stay below."""


class Backoff:
    """Double the wait up to the longest; a little chance in it, so that many devices do not knock together."""

    def __init__(self) -> None:
        self._wait_s = FIRST_S
        self._random = random.Random()  # noqa: S311 - spreads load, keeps no secret

    def next_delay_s(self) -> float:
        """Give the wait before the next try, in seconds."""
        wait_s = self._wait_s
        self._wait_s = min(wait_s * 2, LONGEST_S)
        return wait_s * self._random.uniform(0.75, 1.0)

    def reset(self) -> None:
        """Start again from the first wait."""
        self._wait_s = FIRST_S
