"""Leaving out what a tag's deadband says, and counting it. Pure.

The deadband's memory is of this process: after a start, and after a gap, a tag's first value passes. The counts are
durable: they travel with the batch in which the thinned samples would have stood (journal/thinned.py), and once a
minute, and at a stop, as records of kind `thinned`, one per tag, which takes them off in the same commit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from penstock.core.batch import Gap, Thinned
from penstock.core.columns import SampleColumns
from penstock.core.deadband import Deadband, Rule
from penstock.gateway.journal.thinned import ThinnedCounts

TOLD_EACH_NS = 60_000_000_000
"""A record per thinned tag and minute: a ten-thousandth of what a fast tag is thinned by."""
CAUSE = "deadband"


@dataclass(slots=True)
class Thinning:
    """Follow deadbands and counts by local index."""

    count: int = 0
    """Samples thinned since start."""
    _deadband: Deadband = field(default_factory=Deadband)
    _counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((3, 0), np.int64))
    """Per index: count, first and last time, of what no record tells of yet."""
    _causes: dict[int, str] = field(default_factory=dict)
    _told_ns: int | None = None

    def restore(self, counts: ThinnedCounts) -> None:
        """Take over what was counted before the start and is not told."""
        if len(counts.tag):
            self._fit(int(counts.tag.max()))
            self._counts[:, counts.tag] = np.stack([counts.count, counts.from_ns, counts.to_ns])

    def set_rule(self, index: int, rule: Rule | None) -> None:
        """Thin a tag by that rule from now on, or no more; its next sample passes."""
        self._deadband.set_rule(index, rule)
        if rule is not None:
            self._causes[index] = f"{CAUSE} of {rule.most:g}"

    def forget(self, gaps: Iterable[Gap]) -> None:
        """Let the first sample after each gap pass."""
        self._deadband.forget((gap.tag, gap.from_ns) for gap in gaps)

    def apply(self, columns: SampleColumns) -> tuple[SampleColumns, ThinnedCounts | None]:
        """Give what passes, and the new counts of the tags of which something was left out."""
        thinned = self._deadband.apply(columns)
        if thinned is None:
            return columns, None
        return columns.take(~thinned), self._add(columns.tag[thinned], columns.time[thinned])

    def tell(self, monotonic_ns: int, *, now: bool = False) -> tuple[Sequence[Thinned], ThinnedCounts] | None:
        """Give the records that are due once a minute, or `now`, and the counts without them; None where nothing is."""
        if self._told_ns is None:
            self._told_ns = monotonic_ns
        if monotonic_ns - self._told_ns < TOLD_EACH_NS and not now:
            return None
        self._told_ns = monotonic_ns
        tags = np.flatnonzero(self._counts[0])
        if not len(tags):
            return None
        told = [
            Thinned(tag, first, last, n, self._causes.get(tag, CAUSE)) for tag, (n, first, last) in self._rows(tags)
        ]
        self._counts[:, tags] = 0
        return told, self._of(tags.astype(np.uint32))

    def _rows(self, tags: npt.NDArray[np.intp]) -> Iterable[tuple[int, list[int]]]:
        return zip(tags.tolist(), self._counts[:, tags].T.tolist(), strict=True)

    def _add(self, tags: npt.NDArray[np.uint32], times: npt.NDArray[np.int64]) -> ThinnedCounts:
        self.count += len(tags)
        self._fit(int(tags.max()))
        touched = np.unique(tags)
        count, first, last = self._counts
        fresh = touched[count[touched] == 0]
        first[fresh], last[fresh] = np.iinfo(np.int64).max, np.iinfo(np.int64).min
        np.add.at(count, tags, 1)
        np.minimum.at(first, tags, times)
        np.maximum.at(last, tags, times)
        return self._of(touched)

    def _of(self, tags: npt.NDArray[np.uint32]) -> ThinnedCounts:
        count, first, last = self._counts[:, tags]
        return ThinnedCounts(tags, count, first, last)

    def _fit(self, index: int) -> None:
        n = self._counts.shape[1]
        if index >= n:
            more = max(index + 1, 2 * n) - n
            self._counts = np.concatenate([self._counts, np.zeros((3, more), np.int64)], axis=1)
