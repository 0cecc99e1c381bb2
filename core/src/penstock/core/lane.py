"""What the uplink knows of one epoch of the journal: which seqs are committed, in flight, to be sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Lane:
    """Keep floor ≤ head: seqs up to floor are committed or trimmed, `above` are committed beyond it."""

    epoch: str
    head: int
    floor: int = 0
    trimmed: int = 0
    watermark: int = 0
    """The platform's word, as last heard in this session."""
    dictionary_known: bool = False
    suspect: bool = False
    """The platform has seqs that this journal cannot have sent: only the answer to a batch itself commits it."""
    head_at_start: int = field(init=False)
    above: set[int] = field(init=False, default_factory=set)
    in_flight: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.head_at_start = self.head

    @property
    def pending(self) -> int:
        """Count seqs not known to be committed."""
        return max(0, self.head - self.floor - len(self.above))

    def to_send(self, limit: int) -> tuple[int, ...]:
        """Give the lowest seqs that are neither committed nor in flight."""
        seqs: list[int] = []
        seq = self.floor + 1
        while seq <= self.head and len(seqs) < limit:
            if seq not in self.above and seq not in self.in_flight:
                seqs.append(seq)
            seq += 1
        return tuple(seqs)

    def take_off(self, seqs: Iterable[int]) -> None:
        """Mark as in flight."""
        self.in_flight.update(seqs)

    def land(self, seqs: Iterable[int]) -> None:
        """Mark as no longer in flight."""
        self.in_flight.difference_update(seqs)

    def commit(self, watermark: int, above: Iterable[int]) -> None:
        """Add the platform's word of an answer; it only adds."""
        self.watermark = max(self.watermark, watermark)
        self.above.update(seq for seq in above if seq <= self.head)
        self._rise(min(watermark, self.head))

    def accept(self, watermark: int, above: Iterable[int]) -> bool:
        """Replace what was known by the platform's word at session start; say whether it takes something back."""
        known, self.watermark = self.floor, watermark
        self.in_flight.clear()
        self.dictionary_known = False
        self.floor = self.trimmed
        self.above = set(above)
        self._rise(watermark)
        return self.floor < known

    def trim(self, seq: int) -> None:
        """Note that seqs up to this are gone from the journal."""
        self.trimmed = max(self.trimmed, seq)
        self._rise(self.trimmed)

    def _rise(self, to: int) -> None:
        self.floor = max(self.floor, to)
        while self.floor + 1 in self.above:
            self.floor += 1
        self.above = {seq for seq in self.above if seq > self.floor}
