"""The latest sample of each tag, in columns by local index: what held before a gap."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from penstock.core.columns import SampleColumns


@dataclass(slots=True)
class LatestSamples:
    """Keep one row a tag; a tag without one has a row that is not `known`."""

    _rows: SampleColumns = field(default_factory=SampleColumns.empty)
    _known: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def take(self, columns: SampleColumns) -> None:
        """Replace the rows of the tags; of several rows of a tag the last one stays."""
        if not len(columns):
            return
        self._fit(int(columns.tag.max()))
        newest_last = columns.take(np.argsort(columns.time, kind="stable"))
        for name in _FIELDS:
            getattr(self._rows, name)[newest_last.tag] = getattr(newest_last, name)
        self._known[newest_last.tag] = True

    def times(self, indexes: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Give each row's time; the earliest of all for a tag that has none."""
        if len(indexes):
            self._fit(int(indexes.max()))
        times: npt.NDArray[np.int64] = np.where(self._known[indexes], self._rows.time[indexes], np.iinfo(np.int64).min)
        return times

    def time_of(self, index: int) -> int | None:
        """Give the time of a tag's row."""
        return int(self._rows.time[index]) if index < len(self._known) and self._known[index] else None

    def of(self, indexes: Sequence[int]) -> SampleColumns:
        """Give a copy of the rows of those tags that have one, in that order."""
        return self._rows.take(np.array([i for i in indexes if i < len(self._known) and self._known[i]], np.int64))

    def _fit(self, index: int) -> None:
        n = len(self._known)
        if index < n:
            return
        more = max(index + 1, 2 * n) - n
        blank = SampleColumns.without_values(np.zeros(more), np.zeros(more), status=0)
        self._rows = SampleColumns.concat([self._rows, blank])
        self._known = np.concatenate([self._known, np.zeros(more, np.bool_)])


_FIELDS = tuple(one.name for one in fields(SampleColumns))
