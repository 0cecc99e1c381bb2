"""Which tags are without communication, and what that means for the journal. Pure.

A gap of a tag opens with a Bad sample (BadNoCommunication), so that no average holds a stale Good value; its record
says from when. That is 1 ns after the tag's own newest sample, where it was heard of lately: what a device had measured
and not yet sent when the link broke lies in the gap, however busy the device was. A tag that had long been silent was
told to be so, by other tags or by the device itself: its gap begins 1 ns after the newest time of the device. A gap
closes with the tag's first sample from then on: a second record, with the same `from`, says until when. A reading that
only repeats what the device still held over the break (GOOD_HELD) is a sample only where nothing else closes the gap:
a busy device may have measured, and not yet sent, something between its last value and the time for which it holds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from penstock.core.batch import Gap
from penstock.core.columns import SampleColumns
from penstock.core.status import BAD_NO_COMMUNICATION
from penstock.edge.driver import GOOD_HELD
from penstock.gateway.journal.unsettled import UnsettledGap
from penstock.gateway.latest import LatestSamples

FLAGS_MASK = 0xFFFF
UNKNOWN_NS = np.iinfo(np.int64).min
TIME_LAST_NS = 2**63 - 2
CAUSE_MAX_CHARS = 200
LATELY_NS = 30_000_000_000
"""Longer than a busy device is behind with what it sends; shorter than a slow tag should be in doubt for."""
UNSETTLED_MAX = 20_000
"""Closed gaps remembered, oldest forgotten first (they stay marked): two breaks of ten thousand tags."""


@dataclass(frozen=True, slots=True)
class OpenGap:
    """Say since when a tag is without communication, and why."""

    from_ns: int
    cause: str


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Remember a closed gap whose values the device may still have; `after_ns` is the newest sample before it."""

    gap: Gap
    after_ns: int


@dataclass(frozen=True, slots=True)
class Marked:
    """Carry what a step brings to the journal."""

    columns: SampleColumns
    records: tuple[Gap, ...]


@dataclass(slots=True)
class GapTracker:
    """Follow each tag's newest source time and open gap, by local index."""

    open: dict[int, OpenGap] = field(default_factory=dict)
    unsettled: dict[tuple[int, int], Unsettled] = field(default_factory=dict)
    """By index and `from`; of the watched tags alone."""
    watched: set[int] = field(default_factory=set)
    _changed: list[UnsettledGap] = field(default_factory=list)
    _latest: LatestSamples = field(default_factory=LatestSamples)
    _newest: npt.NDArray[np.int64] = field(default_factory=lambda: np.full(64, UNKNOWN_NS, np.int64))

    def restore(self, index: int, newest_ns: int | None, gap: OpenGap | None) -> None:
        """Take over what the journal knows of a tag."""
        self._fit(index)
        if newest_ns is not None:
            self._newest[index] = newest_ns
        if gap is not None:
            self.open[index] = gap

    def restore_unsettled(self, gaps: Iterable[UnsettledGap]) -> None:
        """Take over the closed gaps that the journal remembers, oldest first."""
        for one in gaps:
            gap = Gap(one.tag, one.from_ns, one.to_ns, one.cause)
            self.unsettled[one.tag, one.from_ns] = Unsettled(gap, one.after_ns)

    def changes(self) -> Sequence[UnsettledGap]:
        """Give, once, what the journal is to remember or forget of closed gaps since the last call."""
        if not self._changed:
            return ()
        changed, self._changed = self._changed, []
        return changed

    def newest_ns(self, index: int) -> int | None:
        """Give the newest source time of a tag, None before its first sample."""
        if index >= len(self._newest) or self._newest[index] == UNKNOWN_NS:
            return None
        return int(self._newest[index])

    def newest_of(self, indexes: Iterable[int]) -> int | None:
        """Give the newest source time of a set of tags."""
        return max((t for i in indexes if (t := self.newest_ns(i)) is not None), default=None)

    def on_gap(self, indexes: Sequence[int], cause: str, device_newest_ns: int | None) -> Marked:
        """Open a gap on each tag that ever had a sample and is not in one."""
        stamps: list[tuple[int, int]] = []
        for index in indexes:
            newest = self.newest_ns(index)
            if newest is None or index in self.open:
                continue
            stamps.append((index, min(_sure_until(newest, device_newest_ns), TIME_LAST_NS) + 1))
        for index, stamp in stamps:
            self.open[index] = OpenGap(stamp, cause[:CAUSE_MAX_CHARS])
            self._newest[index] = stamp
        columns = SampleColumns.without_values(
            [index for index, _ in stamps], [stamp for _, stamp in stamps], status=BAD_NO_COMMUNICATION
        )
        return Marked(columns, tuple(Gap(index, stamp, None, cause[:CAUSE_MAX_CHARS]) for index, stamp in stamps))

    def on_samples(self, columns: SampleColumns) -> Marked:
        """Take samples: leave out held ones that close nothing, close the gaps of tags that are heard again."""
        if not len(columns):
            return Marked(columns, ())
        held = (columns.status & FLAGS_MASK) == GOOD_HELD
        if held.any():
            columns = columns.take(self._keep(columns, held))
        records = self._close(columns) if self.open else ()
        if len(columns):
            self._fit(int(columns.tag.max()))
            np.maximum.at(self._newest, columns.tag, columns.time)
            if self.watched:
                self._latest.take(columns.take(self._is_latest(columns)))
        return Marked(columns, records)

    def on_overflow(self, index: int, from_ns: int, to_ns: int, cause: str) -> Gap:
        """Record a gap that has both ends already and no Bad sample."""
        gap = Gap(index, from_ns, to_ns, cause)
        self._remember(gap, from_ns)
        return gap

    def on_continued(self, indexes: Sequence[int], now_ns: int) -> Marked:
        """Take back the marks that are still open: repeat what held before, and close them as refilled."""
        gaps = {index: gap for index in indexes if (gap := self.open.pop(index, None)) is not None}
        for index, gap in gaps.items():
            self._newest[index] = max(self._newest[index], gap.from_ns + 1)
        held = self._latest.of(list(gaps))  # from_ns + 1, so that the next gap is stamped behind
        held.time[:] = [gaps[index].from_ns + 1 for index in held.tag.tolist()]
        held.status[:] |= np.uint32(GOOD_HELD)
        records = (
            Gap(index, gap.from_ns, max(gap.from_ns + 1, now_ns), gap.cause, refilled=True)
            for index, gap in gaps.items()
        )
        return Marked(held, tuple(records))

    def settle(self, index: int, from_ns: int, *, missing_to_ns: int | None) -> Gap | None:
        """Forget a remembered gap; give its new record where something came: refilled, or shorter."""
        unsettled = self.unsettled.pop((index, from_ns), None)
        if unsettled is None:
            return None
        self._changed.append(UnsettledGap(index, from_ns, None, unsettled.after_ns, unsettled.gap.cause))
        if missing_to_ns == unsettled.gap.to_ns:
            return None
        if missing_to_ns is None:
            return replace(unsettled.gap, refilled=True)
        return replace(unsettled.gap, to_ns=missing_to_ns)

    def _remember(self, gap: Gap, after_ns: int) -> None:
        if gap.tag in self.watched:
            self.unsettled[gap.tag, gap.from_ns] = Unsettled(gap, after_ns)
            self._changed.append(UnsettledGap(gap.tag, gap.from_ns, gap.to_ns, after_ns, gap.cause))
            if len(self.unsettled) > UNSETTLED_MAX:
                oldest = next(iter(self.unsettled))
                forgotten = self.unsettled.pop(oldest)
                self._changed.append(UnsettledGap(*oldest, None, forgotten.after_ns, forgotten.gap.cause))

    def _is_latest(self, columns: SampleColumns) -> npt.NDArray[np.bool_]:
        """Leave out what is late, and what only repeats a held value: the device's history has no such sample."""
        measured: npt.NDArray[np.bool_] = (columns.status & FLAGS_MASK) != GOOD_HELD
        return measured & (columns.time >= self._latest.times(columns.tag))

    def _keep(self, columns: SampleColumns, held: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        keep: npt.NDArray[np.bool_] = ~held
        ended = self._ended_by(columns.take(keep))
        for row in np.flatnonzero(held):
            tag = int(columns.tag[row])
            keep[row] = tag not in ended and self._ends(tag, int(columns.time[row]))
        return keep

    def _ended_by(self, measured: SampleColumns) -> set[int]:
        """Give the tags whose gap has its end without a held value, which would vouch for more than was measured."""
        rows = zip(measured.tag.tolist(), measured.time.tolist(), strict=True)
        return {tag for tag, time_ns in rows if self._ends(tag, time_ns)}

    def _ends(self, tag: int, time_ns: int) -> bool:
        gap = self.open.get(tag)
        return gap is not None and time_ns > gap.from_ns

    def _close(self, columns: SampleColumns) -> tuple[Gap, ...]:
        closed: list[Gap] = []
        for index in np.unique(columns.tag).tolist():
            gap = self.open.get(index)
            if gap is None:
                continue
            times = columns.time[(columns.tag == index) & (columns.time > gap.from_ns)]
            if len(times):
                del self.open[index]
                closed.append(Gap(index, gap.from_ns, int(times.min()), gap.cause))
                self._remember(closed[-1], self._latest.time_of(index) or gap.from_ns - 1)
        return tuple(closed)

    def _fit(self, index: int) -> None:
        if index >= len(self._newest):
            grown = np.full(max(index + 1, 2 * len(self._newest)), UNKNOWN_NS, np.int64)
            grown[: len(self._newest)] = self._newest
            self._newest = grown


def _sure_until(newest_ns: int, device_newest_ns: int | None) -> int:
    """Give the time up to which nothing of a tag can be missing."""
    if device_newest_ns is None or device_newest_ns - newest_ns <= LATELY_NS:
        return newest_ns
    return device_newest_ns
