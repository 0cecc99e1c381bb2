"""Which notification is the next, which are missing, which came before. Pure.

A server numbers a subscription's notifications from 1; after 4294967295 comes 1 (OPC 10000-4 7.41). A keep-alive
carries the number that the next notification will have, so that it too shows whether one is missing. Notifications
that are ahead are held until the missing ones were sent again (Republish) or are known to be gone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

SEQUENCE_LAST = 2**32 - 1
UNNUMBERED = 0
"""No valid number: a server that sends it does not number, and can be taken only at its word."""
HELD_MAX = 64
"""Notifications held while one is missing: more than a server may have on the way."""


def following(sequence: int) -> int:
    """Give the next number: 1 follows 4294967295, never 0."""
    return 1 if sequence >= SEQUENCE_LAST else sequence + 1


def ahead(sequence: int, of: int) -> int:
    """Say how many numbers lie from `of` to `sequence`; negative where it lies behind."""
    distance = (sequence - of) % SEQUENCE_LAST
    return distance if distance <= SEQUENCE_LAST // 2 else distance - SEQUENCE_LAST


@dataclass(slots=True)
class Sequence:
    """Follow the numbers of one subscription."""

    expected: int = 1
    _held: set[int] = field(default_factory=set)
    _given_up: dict[int, None] = field(default_factory=dict)
    _announced: int | None = None
    """What a keep-alive said comes next: everything before it was sent."""

    @property
    def missing(self) -> int | None:
        """Give the number that was sent for sure and has not come; None where all is in order."""
        if self._held:
            return self.expected
        if self._announced is not None and ahead(self._announced, self.expected) > 0:
            return self.expected
        return None

    @property
    def is_crowded(self) -> bool:
        """Say whether so much is held that waiting longer for the missing one is no use."""
        return len(self._held) >= HELD_MAX

    def is_known(self, sequence: int) -> bool:
        """Say whether a notification came before."""
        if sequence in self._given_up:
            return False
        return sequence in self._held or (sequence != UNNUMBERED and ahead(sequence, self.expected) < 0)

    def take(self, sequence: int) -> list[int]:
        """Take a notification that is not known; give the numbers that are now in order, itself among them or not."""
        if sequence == UNNUMBERED:
            return [sequence]
        if sequence in self._given_up:  # late, and better than never: samples are ordered by their own time
            del self._given_up[sequence]
            return [sequence]
        self._held.add(sequence)
        return list(self._in_order())

    def announce(self, following_sequence: int) -> bool:
        """Take a keep-alive's number; False where it shows that something is missing."""
        if following_sequence == UNNUMBERED or ahead(following_sequence, self.expected) <= 0:
            return not self._held
        self._announced = following_sequence
        return False

    def give_up(self) -> list[int]:
        """Go past the missing number; give those that are now in order."""
        self._given_up[self.expected] = None
        if len(self._given_up) > HELD_MAX:
            del self._given_up[next(iter(self._given_up))]
        self.expected = following(self.expected)
        return list(self._in_order())

    def _in_order(self) -> Iterator[int]:
        while self.expected in self._held:
            self._held.remove(self.expected)
            yield self.expected
            self.expected = following(self.expected)
