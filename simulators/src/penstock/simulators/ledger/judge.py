"""The judge: compares what was read back through the public API with what the devices said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from penstock.core.status import BAD_NO_COMMUNICATION, BAD_WAITING_FOR_INITIAL_DATA
from penstock.core.values import Value
from penstock.simulators.ledger.log import Entry, Ledger, exact

EXAMPLES_MAX: Final = 20
MARKS: Final = frozenset({BAD_NO_COMMUNICATION, BAD_WAITING_FOR_INITIAL_DATA, 0x0402, 0x4402})
"""Codes of samples that the gateway makes around a break; they are in no ledger and are counted apart."""


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one sample as a query gave it, in the order of the answer."""

    key: str
    time_ns: int
    status: int
    value: Value
    position: int
    row: int


@dataclass(slots=True)
class Verdict:
    """Count what is wrong; `ok` is the sentence that matters. The rest says how much was looked at."""

    offered: int = 0
    read: int = 0
    matched: int = 0
    lost: int = 0
    dup: int = 0
    ooo: int = 0
    corrupt: int = 0
    phantom: int = 0
    marks: int = 0
    """Samples of the gateway itself around breaks."""
    not_held: int = 0
    """Missing, and no server held them: they fell into a marked gap."""
    dropped: int = 0
    """Missing, and the source's own outbox declared the drop."""
    examples: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Say that nothing was lost, doubled, disordered, corrupted or invented."""
        return not (self.lost or self.dup or self.ooo or self.corrupt or self.phantom)

    def __str__(self) -> str:
        return (
            f"offered {self.offered}, read {self.read}, matched {self.matched}: lost {self.lost}, dup {self.dup}, "
            f"ooo {self.ooo}, corrupt {self.corrupt}, phantom {self.phantom}; apart: marks {self.marks}, "
            f"not held {self.not_held}, dropped {self.dropped}"
        )


def judge(ledger: Ledger, rows_read_back: Iterable[Row]) -> Verdict:
    """Compare; rows of one query stand together per tag, in the order in which the API gave them.

    A value is found by (tag key, source time). Value, type and status must be equal bit by bit.
    """
    verdict = Verdict(offered=len(ledger.entries))
    said = {(entry.key, entry.time_ns): entry for entry in ledger.entries}
    assert len(said) == len(ledger.entries), "a ledger names each (tag, source time) once"
    seen: Counter[tuple[str, int]] = Counter()
    newest: dict[str, tuple[int, int, int]] = {}
    for row in rows_read_back:
        verdict.read += 1
        place = (row.time_ns, row.position, row.row)
        before = newest.get(row.key)
        if before is not None and place < before:
            _count(verdict, "ooo", f"{row.key} at {row.time_ns}: after {before}")
        newest[row.key] = place
        _compare(verdict, said.get((row.key, row.time_ns)), row, seen)
    for entry in ledger.entries:
        if not seen[(entry.key, entry.time_ns)]:
            _missing(verdict, ledger, entry)
    return verdict


def _compare(verdict: Verdict, entry: Entry | None, row: Row, seen: Counter[tuple[str, int]]) -> None:
    if entry is None:
        if row.status in MARKS:
            verdict.marks += 1
        else:
            _count(verdict, "phantom", f"{row.key} at {row.time_ns}: {row.value!r}, never said")
        return
    if exact(row.value) != (entry.kind, entry.bits) or row.status != entry.status:
        if row.status in MARKS and row.status != entry.status:
            verdict.marks += 1
            return
        seen[(row.key, row.time_ns)] += 1
        was = f"{entry.kind}:{entry.bits} status {entry.status:#010x}"
        _count(verdict, "corrupt", f"{row.key} at {row.time_ns}: {row.value!r} status {row.status:#010x}, was {was}")
        return
    seen[(row.key, row.time_ns)] += 1
    if seen[(row.key, row.time_ns)] > 1:
        _count(verdict, "dup", f"{row.key} at {row.time_ns}: returned {seen[(row.key, row.time_ns)]} times")
    else:
        verdict.matched += 1


def _missing(verdict: Verdict, ledger: Ledger, entry: Entry) -> None:
    at = (entry.device, entry.n)
    if at in ledger.not_held:
        verdict.not_held += 1
    elif at in ledger.dropped:
        verdict.dropped += 1
    else:
        _count(verdict, "lost", f"{entry.key} at {entry.time_ns} (n {entry.n}): no query returned it")


def _count(verdict: Verdict, name: str, example: str) -> None:
    setattr(verdict, name, getattr(verdict, name) + 1)
    if len(verdict.examples) < EXAMPLES_MAX:
        verdict.examples.append(f"{name}: {example}")
