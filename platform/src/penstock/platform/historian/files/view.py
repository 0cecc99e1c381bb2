"""What readers see: an immutable list of files, counted while it is read, exchanged as a whole.

A question pins the view of its moment and so sees each row once, in the hot file or in the sealed run, whatever is
exchanged meanwhile. A file is taken away only after the last view that holds it was let go.

A view is of one position: it knows the erasures committed up to its head, and shows no row that is newer. So a replaced
sample and the one in its place are never seen together. Rows that an erasure hides are left out where they are read;
only files that may hold such rows of the tags and the time asked for are read with that condition.
"""

# ruff: noqa: S608 the pieces are constants and names made of numbers; paths are quoted

import contextlib
import functools
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from penstock.platform.historian.erasures import ALWAYS, NO_ERASURES, Bools, Entries, Erasures, Ints, Steps
from penstock.platform.historian.files.generation import Extent

Tags = Sequence[int] | NDArray[np.int64]
NO_STEPS = Steps(*(np.zeros(0, np.int64) for _ in Steps._fields))
ERASED = "erased"
"""The function by which DuckDB asks erasures about rows: (number of the erasures, tag, time, position)."""
NAMED_TAGS_MAX = 200
"""Tags that a condition names; of more it says nothing, and the erasures are asked about each row in the time."""
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

    @property
    def erased_to(self) -> int:
        """Give the position up to which erasures are carried out in the file: it holds no row that they hide."""
        ...

    def span(self, tag: int) -> tuple[int, int] | None:
        """Give first and last time that a tag may have here, None where it has nothing."""
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

    @property
    def time_min(self) -> int:
        """Give the first source time that it tells of."""
        ...

    @property
    def time_max(self) -> int:
        """Give the last source time that it tells of."""
        ...

    @property
    def erased_to(self) -> int:
        """Give the position up to which erasures are carried out in it."""
        ...

    def holds_time(self, start_ns: int, end_ns: int) -> bool:
        """Say whether it may tell of a sample with start <= time < end."""
        ...


class View:
    """Hold sources and erasures of a moment, oldest commits first; immutable but for the count of its readers."""

    def __init__(
        self,
        sources: Iterable[Source],
        kept: Iterable[KeptSummary] = (),
        *,
        head: int | None = None,
        erasures: Erasures = NO_ERASURES,
    ) -> None:
        self.sources = tuple(sources)
        self.kept = tuple(kept)
        """Summaries whose samples are gone."""
        self.head, self.erasures = head, erasures
        self.readers = 0

    def over(self, select: str, keep: Callable[[Source], bool] = lambda _: True) -> str:
        """Write one SELECT over the ledgers of the sources to keep, always over one at least; see over()."""
        assert "$G.sample" not in select, "samples are read by samples() or visible(), which know what is erased"
        return over([each for each in self.sources if keep(each)] or self.sources[-1:], select)

    def samples(self, select: str, tags: Tags, start_ns: int, end_ns: int) -> str:
        """Write one SELECT over the visible samples of these tags with start <= time < end."""
        kept = [each for each in self.sources if self.shows(each, tags, start_ns, end_ns)]
        return self.visible(kept or self.sources[-1:], select, tags, start_ns, end_ns)

    def visible(
        self,
        sources: Sequence[Source],
        select: str,
        tags: Tags | None = None,
        start_ns: int = ALWAYS[0],
        end_ns: int = ALWAYS[1],
    ) -> str:
        """Write one SELECT over the visible samples of some sources; None: of every tag."""
        newest = sources[-1] if self.head is not None and sources[-1] is self.sources[-1] else None
        asked = list(self.erasures.tags(tags))
        touched = {each.name: self.touched(each, asked, start_ns, end_ns) for each in sources} if asked else {}
        found = [tag for each in touched.values() for tag in each]
        hidden = f"NOT {self._hidden(set(found), start_ns, end_ns)}"

        def condition(source: Source) -> str:
            told = [f"position <= {self.head}"] if source is newest and source.parquet is None else []
            return " AND ".join([*told, hidden] if touched.get(source.name) else told)

        return over(sources, select, condition)

    def _hidden(self, tags: Collection[int], start_ns: int, end_ns: int) -> str:
        """Write whether a row is hidden; erasures are asked only about rows of the tags and the time in question."""
        named = f"tag IN ({', '.join(map(str, sorted(tags)))}) AND " if len(tags) <= NAMED_TAGS_MAX else ""
        asked = f"{ERASED}({self.erasures.number}, tag, time, position)"
        return f"CASE WHEN {named}time >= {start_ns} AND time < {end_ns} THEN {asked} ELSE false END"

    def touched(self, source: Source, tags: Tags | None, start_ns: int, end_ns: int) -> list[int]:
        """Give the tags of which a row with start <= time < end in the source may be hidden."""
        return [tag for tag in self.erasures.tags(tags) if len(self._steps(source, tag, start_ns, end_ns).start)]

    def _steps(self, source: Source, tag: int, start_ns: int, end_ns: int) -> Steps:
        steps, span = self.erasures.steps(tag), source.span(tag)
        if steps is None or span is None:
            return NO_STEPS
        found = steps.between(max(start_ns, span[0]), min(end_ns, span[1] + 1))
        kept = found.position > max(source.erased_to, source.extent.position_min)
        return Steps(*(column[kept] for column in found))

    def shows(self, source: Source, tags: Tags, start_ns: int, end_ns: int) -> bool:
        """Say whether a visible row of these tags with start <= time < end may be in the source."""
        if not source.holds(tags, start_ns, end_ns):
            return False
        return not self.erasures or len(tags) != 1 or not self._is_gone(source, int(tags[0]), start_ns, end_ns)

    def _is_gone(self, source: Source, tag: int, start_ns: int, end_ns: int) -> bool:
        """Say whether one erasure hides all that the source has of a tag in the span."""
        steps, span = self._steps(source, tag, start_ns, end_ns), source.span(tag)
        if len(steps.start) != 1 or span is None:
            return False
        covered = steps.start[0] <= max(start_ns, span[0]) and steps.end[0] > min(end_ns - 1, span[1])
        return bool(covered and steps.position[0] > source.extent.position_max)

    def bound(self, source: Source, tag: int, time_ns: int, *, before: bool) -> tuple[int | None, bool]:
        """Give what Source.bound gives, of visible rows: where some of the tag may be hidden, only reading tells."""
        if not self.erasures or not self.touched(source, (tag,), *ALWAYS):
            return source.bound(tag, time_ns, before=before)
        start_ns, end_ns = (ALWAYS[0], time_ns) if before else (time_ns, ALWAYS[1])
        return None, self.shows(source, (tag,), start_ns, end_ns)

    def erased(self, tags: Tags, start_ns: int, end_ns: int, *, source: Source) -> dict[int, Steps]:
        """Give per tag the steps within [start, end) by which samples that are in a source's files may be hidden.

        What was made of these files before, a summary, may hold such samples; where nothing is said it is right.
        """
        found = {}
        for tag in self.erasures.tags(tags):
            steps = self._steps(source, tag, start_ns, end_ns)
            if len(steps.start):
                low, high = np.maximum(steps.start, start_ns), np.minimum(steps.end, end_ns)
                found[tag] = Steps(low, high, steps.position)
        return found


def over(sources: "Iterable[Source | KeptSummary]", select: str, condition: Callable[[Any], str] = lambda _: "") -> str:
    """Write one SELECT over several sources: `$G.sample` stands for the samples of each hot file, and of all runs.

    `condition` gives what a source's samples must fulfil beside. One list of Parquet files costs a tenth of a UNION of
    as many. So a join in `select` is among all runs of one condition: by position, or by what names a batch, it is the
    same.
    """
    parts = []
    runs: dict[str, list[Path]] = {}
    for source in sources:
        if source.parquet is None:
            parts.append(_put(select, f"{source.name}.{{}}".format, condition(source)))
        else:
            runs.setdefault(condition(source), []).append(source.parquet)
    for told, folders in runs.items():
        parts.append(_put(select, functools.partial(parquet_files, folders), told))
    return " UNION ALL ".join(f"({part})" for part in parts)


def _put(select: str, place: Callable[[str], str], condition: str) -> str:
    """Put tables in the place of their marks, of the samples those that fulfil the condition."""

    def table(mark: re.Match[str]) -> str:
        if mark[1] != "sample" or not condition:
            return place(mark[1])
        return f"(SELECT * FROM {place(mark[1])} WHERE {condition})"

    return _TABLE.sub(table, select)


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
        self._asked: WeakValueDictionary[int, Erasures] = WeakValueDictionary()

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
            now = self._current
            kept = now.kept if kept is None else kept
            self._show(View(change(now.sources), kept, head=now.head, erasures=now.erasures))

    def begin(self, sources: Iterable[Source], kept: Iterable[KeptSummary], erasures: Erasures) -> None:
        """Show these sources; where the head is, the one who reads them will tell."""
        with self._changed:
            self._show(View(sources, kept, erasures=erasures))

    def advance(self, head: int, added: Entries | None = None) -> None:
        """Show what is committed up to `head`, and the erasures that came with it."""
        with self._changed:
            now = self._current
            erasures = now.erasures if added is None else now.erasures.with_(added)
            self._show(View(now.sources, now.kept, head=head, erasures=erasures))

    def forget(self, position: int) -> None:
        """Let go of the erasures up to a position: no file holds what they hide."""
        with self._changed:
            now = self._current
            self._show(View(now.sources, now.kept, head=now.head, erasures=now.erasures.beyond(position)))

    def _show(self, view: View) -> None:
        self._current = view
        self._asked[view.erasures.number] = view.erasures
        self._changed.notify_all()

    def hides(self, number: int, tag: Ints, time: Ints, position: Ints) -> Bools:
        """Mark hidden rows by the erasures of that number, those of a view that is pinned."""
        return self._asked[number].hides(tag, time, position)

    def wait_unused(self, name: str, timeout_s: float) -> bool:
        """Wait until no view, current or still read, holds the source; say whether it came to that."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._uses(name), timeout_s)

    def _uses(self, name: str) -> bool:
        views = (self._current, *self._read)
        names = (each.name for view in views for part in (view.sources, view.kept) for each in part)
        return name in names
