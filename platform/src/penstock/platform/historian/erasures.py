"""Erasures: which stored samples count no longer, because somebody deleted or replaced them.

Theory of operation. An erasure names a tag, a span [from, to) of source time, and the position of its commit. It hides
the tag's rows in that span that were committed before it; what is committed after it is visible. So of all erasures of
a tag only the highest position at each moment matters: per tag they are kept as disjoint *steps* (start, end,
position), and one binary search a row says whether it is hidden. Ten thousand replaced samples are columns, not
objects.

`log` keeps the erasures as they were committed, for followers who must correct what they took earlier. Everything here
is immutable: a correction makes a new Erasures, and a question reads the one of its moment.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Table = Any
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
ALWAYS = (-(2**63), 2**63 - 1)
"""A span of every time there is."""
ERASURE = pa.schema([(name, pa.int64()) for name in ("position", "tag", "from_ns", "to_ns", "made_ns")])
"""One erasure a row; `made_ns`: when it arrived at the platform."""


class Entries(NamedTuple):
    """Hold erasures in columns, by rising position."""

    position: Ints
    tag: Ints
    from_ns: Ints
    to_ns: Ints
    made_ns: Ints

    @classmethod
    def of(cls, rows: Table) -> "Entries":
        """Take a table of ERASURE."""
        return cls(*(rows[name].to_numpy().astype(np.int64, copy=False) for name in ERASURE.names))

    def table(self) -> Table:
        """Give them as a table of ERASURE."""
        return pa.table(list(self), schema=ERASURE)

    def where(self, kept: "Bools | Ints | slice") -> "Entries":
        """Give some of them."""
        return Entries(*(column[kept] for column in self))

    @property
    def size(self) -> int:
        """Give how many there are."""
        return len(self.position)


class Steps(NamedTuple):
    """Hold one tag's disjoint spans in order, each with the highest position that erases there."""

    start: Ints
    end: Ints
    position: Ints

    def at(self, time: Ints) -> Ints:
        """Give the position that erases at each time, 0 for none."""
        place = np.searchsorted(self.start, time, side="right") - 1
        inside = (place >= 0) & (time < self.end[place])
        return np.where(inside, self.position[place], 0)

    def above(self, position: int) -> tuple[Ints, Ints]:
        """Give start and end of the spans that are erased above a position, neighbours joined."""
        kept = self.position > position
        start, end = self.start[kept], self.end[kept]
        apart = start[1:] != end[:-1]
        return start[np.append(True, apart)[: len(start)]], end[np.append(apart, True)[: len(end)]]

    def between(self, start_ns: int, end_ns: int) -> "Steps":
        """Give those that overlap [start, end)."""
        kept = slice(np.searchsorted(self.end, start_ns, side="right"), np.searchsorted(self.start, end_ns))
        return Steps(self.start[kept], self.end[kept], self.position[kept])


class Erasures:
    """Hold all erasures that still matter; immutable."""

    _numbers = itertools.count(1)

    def __init__(self, log: Entries, steps: Mapping[int, Steps]) -> None:
        self.log, self._steps = log, steps
        self.number = next(self._numbers)
        """Names this one in a SQL text."""

    @classmethod
    def of(cls, log: Entries) -> "Erasures":
        """Make them of a log by rising position."""
        return cls(log, {tag: _steps_of(mine) for tag, mine in _by_tag(log)})

    def __bool__(self) -> bool:
        return bool(self._steps)

    def with_(self, added: Entries) -> "Erasures":
        """Give these and newer ones."""
        steps = dict(self._steps)
        for tag, mine in _by_tag(added):
            before, new = steps.get(tag), _steps_of(mine)
            steps[tag] = new if before is None else _highest(before, new)
        return Erasures(Entries(*map(np.concatenate, zip(self.log, added, strict=True))), steps)

    def beyond(self, position: int) -> "Erasures":
        """Give those above a position."""
        return Erasures.of(self.log.where(self.log.position > position))

    def hides(self, tag: Ints, time: Ints, position: Ints) -> Bools:
        """Mark the rows that an erasure hides."""
        hidden = np.zeros(len(tag), np.bool_)
        for steps, mine in self._each(tag):
            hidden[mine] = position[mine] < steps.at(time[mine])
        return hidden

    def covers(self, tag: Ints, first: Ints, last: Ints, *, position: int) -> Bools:
        """Mark the spans [first, last] throughout which all is erased that was committed up to a position."""
        covered = np.zeros(len(tag), np.bool_)
        for steps, mine in self._each(tag):
            start, end = steps.above(position)
            place = np.searchsorted(start, first[mine], side="right") - 1
            covered[mine] = (place >= 0) & (last[mine] < np.append(end, 0)[place])
        return covered

    def _each(self, tag: Ints) -> Iterator[tuple[Steps, Ints]]:
        """Give the steps of each tag that has some, and the places of its rows."""
        if not self._steps or not len(tag):
            return
        order = np.argsort(tag, kind="stable")
        ordered = tag[order]
        begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        for first, end in itertools.pairwise([*begins.tolist(), len(tag)]):
            steps = self._steps.get(int(ordered[first]))
            if steps is not None:
                yield steps, order[first:end]

    def steps(self, tag: int) -> Steps | None:
        """Give a tag's steps, None where nothing of it was erased."""
        return self._steps.get(tag)

    def tags(self, among: "Sequence[int] | Ints | None" = None) -> Iterable[int]:
        """Give the tags of which something was erased, of those asked for."""
        if among is None or not self._steps:
            return self._steps
        return [tag for tag in np.asarray(among, np.int64).tolist() if tag in self._steps]

    def since(self, position: int, end: int, tags: Sequence[int] | None) -> Entries:
        """Give the erasures committed after `position`, up to `end`."""
        kept = slice(*np.searchsorted(self.log.position, [position, end], side="right"))
        found = self.log.where(kept)
        return found if tags is None or not found.size else found.where(np.isin(found.tag, tags))


NOTHING = Entries(*(np.zeros(0, np.int64) for _ in ERASURE.names))
NO_ERASURES = Erasures(NOTHING, {})


def entries(position: int, tag: Ints, from_ns: Ints, to_ns: Ints, *, made_ns: int) -> Entries:
    """Make the erasures of one commit."""
    return Entries(np.full(len(tag), position), tag, from_ns, to_ns, np.full(len(tag), made_ns))


def _by_tag(log: Entries) -> Iterator[tuple[int, Entries]]:
    if not log.size:
        return
    ordered = log.where(np.argsort(log.tag, kind="stable"))
    begins = np.flatnonzero(np.concatenate([[True], ordered.tag[1:] != ordered.tag[:-1]]))
    for first, end in itertools.pairwise([*begins.tolist(), log.size]):
        yield int(ordered.tag[first]), ordered.where(slice(first, end))


def _steps_of(mine: Entries) -> Steps:
    """Make the steps of one tag's erasures: at once where they do not overlap, else of two halves."""
    order = np.argsort(mine.from_ns, kind="stable")
    start, end, position = mine.from_ns[order], mine.to_ns[order], mine.position[order]
    if (end[:-1] <= start[1:]).all():
        return Steps(start, end, position)
    half = mine.size // 2
    return _highest(_steps_of(mine.where(slice(half))), _steps_of(mine.where(slice(half, None))))


def _highest(one: Steps, other: Steps) -> Steps:
    """Give the higher position of both everywhere."""
    cuts = np.unique(np.concatenate([one.start, one.end, other.start, other.end]))
    position = np.maximum(one.at(cuts[:-1]), other.at(cuts[:-1]))
    first = np.flatnonzero(np.concatenate([[True], position[1:] != position[:-1]]))
    last = np.append(first[1:], len(position))
    kept = position[first] > 0
    return Steps(cuts[first][kept], cuts[last][kept], position[first][kept])
