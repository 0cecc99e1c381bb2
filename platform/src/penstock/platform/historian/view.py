"""What readers see: an immutable list of files, counted while it is read, exchanged as a whole.

A question pins the view of its moment and so sees each row once, in the hot file or in the sealed run, whatever is
exchanged meanwhile. A file is taken away only after the last view that holds it was let go.
"""

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.platform.historian.generation import Extent

Tags = Sequence[int] | NDArray[np.int64]
_TABLE = re.compile(r"\$G\.(\w+)")


class Source(Protocol):
    """Name a place of rows and ledger, hot or sealed: what questions need to read it or to pass it by."""

    @property
    def name(self) -> str:
        """Give the name that no other source has; of a hot file also the one by which DuckDB knows it."""
        ...

    @property
    def parquet(self) -> Path | None:
        """Give the folder of its Parquet files; None of a hot file."""
        ...

    @property
    def extent(self) -> Extent:
        """Give what it spans."""
        ...

    def covers(self, number: int) -> bool:
        """Say whether the generation of that number is in here."""
        ...

    def holds(self, tags: Tags, start_ns: int, end_ns: int) -> bool:
        """Say whether a row of these tags with start <= time < end may be here."""
        ...

    def may_hold_batch(self, writer: str, epoch: str, seq: int) -> bool:
        """Say whether a journalled batch may be here."""
        ...

    def bound(self, tag: int, time_ns: int, *, before: bool) -> tuple[int | None, bool]:
        """Give the newest known time of the tag before `time_ns` (or the first from it on), and whether to read."""
        ...


class KeptSummary(Protocol):
    """Name a summary whose samples are gone."""

    @property
    def name(self) -> str:
        """Give the name that no other has."""
        ...

    @property
    def parquet(self) -> Path:
        """Give the folder of its file."""
        ...

    def holds_time(self, start_ns: int, end_ns: int) -> bool:
        """Say whether it may tell of a sample with start <= time < end."""
        ...


class View:
    """Hold the sources of a moment, oldest commits first; immutable but for the count of its readers."""

    def __init__(self, sources: Iterable[Source], kept: Iterable[KeptSummary] = ()) -> None:
        self.sources = tuple(sources)
        self.kept = tuple(kept)
        """Summaries whose samples are gone."""
        self.readers = 0

    def over(self, select: str, keep: Callable[[Source], bool] = lambda _: True) -> str:
        """Write one SELECT over the sources to keep, always over one at least; see over()."""
        return over([each for each in self.sources if keep(each)] or self.sources[-1:], select)


def over(sources: "Iterable[Source | KeptSummary]", select: str) -> str:
    """Write one SELECT over several sources: `$G.sample` stands for the samples of each hot file, and of all runs.

    One list of Parquet files costs a tenth of a UNION of as many. So a join in `select` is among all runs: by position,
    or by what names a batch, it is the same.
    """
    sources = list(sources)
    parts = [_TABLE.sub(rf"{source.name}.\1", select) for source in sources if source.parquet is None]
    folders = [source.parquet for source in sources if source.parquet is not None]
    if folders:
        parts.append(_TABLE.sub(lambda table: parquet_files(folders, table[1]), select))
    return " UNION ALL ".join(f"({part})" for part in parts)


def parquet_files(folders: Sequence[Path], table: str) -> str:
    """Write how DuckDB reads one table of several runs."""
    files = ", ".join(f"'{quoted(folder)}/{table}.parquet'" for folder in folders)
    return f"read_parquet([{files}])"


def quoted(path: Path) -> str:
    """Give a path for a SQL text."""
    return str(path).replace("'", "''")


class Views:
    """Hand out the current view, exchange it, and tell when a file is out of use."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._current = View(())
        self._read: set[View] = set()

    @property
    def current(self) -> View:
        """Give the current view without pinning it: for what touches no file."""
        return self._current

    @contextlib.contextmanager
    def pin(self) -> Iterator[View]:
        """Keep the files of the current view in place until the end of the block."""
        with self._changed:
            view = self._current
            view.readers += 1
            self._read.add(view)
        try:
            yield view
        finally:
            with self._changed:
                view.readers -= 1
                if view.readers == 0:
                    self._read.discard(view)
                    self._changed.notify_all()

    def exchange(
        self, change: Callable[[tuple[Source, ...]], Iterable[Source]], kept: Iterable[KeptSummary] | None = None
    ) -> None:
        """Put what `change` makes of the current sources in their place, for all later readers at once."""
        with self._changed:
            self._current = View(change(self._current.sources), self._current.kept if kept is None else kept)
            self._changed.notify_all()

    def wait_unused(self, name: str, timeout_s: float) -> bool:
        """Wait until no view, current or still read, holds the source; say whether it came to that."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._uses(name), timeout_s)

    def _uses(self, name: str) -> bool:
        views = (self._current, *self._read)
        names = (each.name for view in views for part in (view.sources, view.kept) for each in part)
        return name in names
