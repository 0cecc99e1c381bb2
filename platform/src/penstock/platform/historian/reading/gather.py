"""What a question reads: summaries for whole periods that stand in one run alone, samples for all the rest.

Theory of operation. What a run's summary has of a tag and period is a *block*. It may stand for its samples where no
end of the span falls between its first and last one, no other file has samples between these, and it tells all that is
asked (blocks.py). First the rows of summaries are read, and the samples of what has none: hot files, older runs, sparse
tags. These show which periods cannot be used; their samples are read as well. One period more is read on each side: it
mostly holds the samples next to the span; where it does not, they are looked up.

The periods that an end of the span cuts can mostly not be used. Their samples are read beside the summaries, by another
thread, and left out again where a block stands for them. Position and row, by which samples of one time are told apart,
are read in a second pass where there are such.
"""

# ruff: noqa: S608 the pieces are constants and names made of numbers; every value is a parameter

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penstock.platform.historian.errors import TooManyRows
from penstock.platform.historian.files.engine import Engine
from penstock.platform.historian.files.run import Run
from penstock.platform.historian.files.view import KeptSummary, Source, View, over
from penstock.platform.historian.period import PERIOD_NS
from penstock.platform.historian.ports import Table
from penstock.platform.historian.processed.blocks import Blocks
from penstock.platform.historian.processed.scene import GOOD
from penstock.platform.historian.processed.series import Bools, Ints, Lanes, Series, chained, firsts
from penstock.platform.historian.reading.beside import Beside, Part
from penstock.platform.historian.reading.many import PLAIN, ROW, Tied, bounds, rows_at, split
from penstock.platform.historian.repeats import column_i64

PERIODS_MIN = 4
"""Whole periods from which on summaries are asked: below, samples are as quick."""
BLOCK_ROWS_MAX = 500_000
"""Rows of summaries of one question, 80 MB: fourteen years of a tag, or a day of 5,000."""
DIRTY_SHARE = 4
"""When more than this part of the periods cannot be used, all samples are read."""
PERIODS_APART = 3
"""So many different periods are read one by one, more in one pass that looks at all samples of their tags."""
ALWAYS = ("tag", "start", "severity", "odd", "rows", "held")
ENDS = tuple(f"{end}_{name}" for end in ("first", "last") for name in ("time", "status", "value"))

Reading = tuple[Sequence[Source | KeptSummary], Sequence[int]]
"""Sources, and the tags to read from them."""
Plain = tuple[Sequence[Source], Sequence[int]]
"""The same of sources that have their samples."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Hold what lies in the span and next to it, a lane for each tag: samples in order, and blocks for the others."""

    tags: Sequence[int]
    samples: Lanes
    blocks: Blocks
    gone: Bools
    """Of which tags blocks stand for samples that retention has removed: then they are all there is."""

    @property
    def rows(self) -> Ints:
        """Give how many samples and rows of summaries there are of each tag."""
        return self.samples.counts + np.bincount(self.blocks["lane"], minlength=len(self.tags))

    @property
    def calm(self) -> Bools:
        """Say of which tags all is Good."""
        calm = self.samples.calm
        calm[self.blocks["lane"][self.blocks["severity"] != GOOD]] = False
        return calm


@dataclass(frozen=True, slots=True)
class Wanted:
    """Say what is asked: tags, a span, the columns of summaries it takes, and whether only Good periods can serve."""

    tags: Sequence[int]
    """In order."""
    start_ns: int
    end_ns: int
    columns: Collection[str]
    pure: bool
    limit: int

    @property
    def periods(self) -> tuple[int, int]:
        """Give the span of the periods that it touches."""
        return self.start_ns // PERIOD_NS * PERIOD_NS, -(-self.end_ns // PERIOD_NS) * PERIOD_NS

    @property
    def wide(self) -> tuple[int, int]:
        """Give the span of all periods to read: one more on each side."""
        low, high = self.periods
        return low - PERIOD_NS, high + PERIOD_NS

    @property
    def cut(self) -> list[int]:
        """Give the starts of the periods that an end of the span cuts."""
        return sorted({edge // PERIOD_NS * PERIOD_NS for edge in (self.start_ns, self.end_ns) if edge % PERIOD_NS})

    @property
    def count(self) -> int:
        """Give the number of periods in the wide span."""
        low, high = self.wide
        return (high - low) // PERIOD_NS

    def lane(self, tag: Ints) -> Ints:
        """Give the place of each tag."""
        return np.searchsorted(np.asarray(self.tags, np.int64), tag)

    def key(self, tag: Ints, time: Ints) -> Ints:
        """Give one number for each tag and period within the wide span."""
        return self.lane(tag) * self.count + (time - self.wide[0]) // PERIOD_NS


def gather(engine: Engine, view: View, wanted: Wanted, beside: Beside) -> Gathered | None:
    """Give what lies in the span and, for bounding values, next to it; None where the samples alone do as well.

    Raise TooManyRows where it is more than the limit.
    """
    low, high = wanted.periods
    kept = [each for each in view.kept if each.holds_time(*wanted.wide)]
    if high - low < PERIODS_MIN * PERIOD_NS and not kept:
        return None
    summed, plain = _assigned(view, wanted)
    if not summed and not kept:
        return None
    sources = Sources(summed, plain, kept)
    try:
        return _gather(engine, view, wanted, sources, beside, PLAIN)
    except Tied:
        return _gather(engine, view, wanted, sources, beside, ROW)


@dataclass(frozen=True, slots=True)
class Sources:
    """Say of what summaries are read, of what samples, and what is kept of samples that are gone."""

    summed: Sequence[Plain]
    plain: Sequence[Plain]
    kept: Sequence[KeptSummary]


def _gather(
    engine: Engine, view: View, wanted: Wanted, sources: Sources, beside: Beside, columns: str
) -> Gathered | None:
    select = f"SELECT {columns} FROM $G.sample"

    def read_period(start_ns: int) -> Table | None:
        return _read(engine, view, sources.summed, (start_ns, start_ns + PERIOD_NS), select, wanted.limit)

    with beside.begin([functools.partial(read_period, start_ns) for start_ns in wanted.cut]) as cut:
        return _beside_cut(engine, view, wanted, sources, cut, columns)


def _beside_cut(
    engine: Engine, view: View, wanted: Wanted, sources: Sources, cut: Sequence[Part[Table | None]], columns: str
) -> Gathered | None:
    """Read all but the samples of the periods that an end of the span cuts, and take these of the thread beside."""
    summed, kept = sources.summed, sources.kept
    of_gone: list[Reading] = [(kept, wanted.tags)] if kept else []
    table = _read_summaries(engine, [*summed, *of_gone], wanted)
    if kept and view.erasures:
        table = _without_erased(view, table, kept, len(summed))
    samples = [_read(engine, view, sources.plain, wanted.wide, f"SELECT {columns} FROM $G.sample", wanted.limit)]
    blocks = _Found(table, wanted, len(summed), _erased_keys(view, summed, wanted))
    refused = blocks.refused(samples[0])
    dirty = blocks.key[refused & _within(blocks.columns["start"], wanted.periods)]
    dirty = dirty[firsts(dirty)]
    if len(dirty) * DIRTY_SHARE > len(firsts(blocks.key)) and not kept:
        return None
    places = [(each - wanted.wide[0]) // PERIOD_NS for each in wanted.cut]
    for place, part in [*zip(places, cut, strict=True)][::-1]:
        if place in dirty % wanted.count and (read := part.take()) is not None:
            samples.append(_of_keys(read, dirty, wanted))
    rest = dirty[~np.isin(dirty % wanted.count, places)]
    samples += _read_periods(engine, view, summed, rest, wanted=wanted, columns=columns)
    nothing = _NO_SAMPLES if columns == ROW else _NO_SAMPLES.drop_columns(["position", "row"])
    found = pa.concat_tables([nothing, *(each.cast(nothing.schema) for each in samples if each is not None)])
    if kept:
        found = found.filter(pa.array(~blocks.hides(column_i64(found, "tag"), column_i64(found, "time"))))
    _need_few(found, wanted.limit)
    return _Ends(engine, view, wanted, blocks, refused).beside(split(found, wanted.tags))


def _of_keys(samples: Table, keys: Ints, wanted: Wanted) -> Table:
    """Give the samples of these tags and periods."""
    key = wanted.key(column_i64(samples, "tag"), column_i64(samples, "time"))
    return samples.filter(pa.array(np.isin(key, keys)))


def _assigned(view: View, wanted: Wanted) -> tuple[list[Plain], list[Plain]]:
    """Say which sources give summaries of which tags, and which their samples."""
    held = [source for source in view.sources if source.holds(wanted.tags, *wanted.wide)]
    runs = {source: source.is_summed(wanted.tags) for source in held if isinstance(source, Run) and source.has_summary}
    whole = [run for run, marks in runs.items() if marks.all()]
    mixed = [run for run, marks in runs.items() if not marks.all()]
    sparse = np.zeros(len(wanted.tags), np.bool_)
    for run in mixed:
        sparse |= ~runs[run]
    tags = np.asarray(wanted.tags, np.int64)
    summed: list[Plain] = [(whole, wanted.tags), (mixed, tags[~sparse].tolist())]
    others = [source for source in held if not (isinstance(source, Run) and source.has_summary)]
    plain: list[Plain] = [(others, wanted.tags), (mixed, tags[sparse].tolist())]
    return [each for each in summed if all(each)], [each for each in plain if all(each)]


def _of_summaries(wanted: Wanted) -> str:
    columns = ", ".join(dict.fromkeys((*ALWAYS, *ENDS, *wanted.columns)))
    return f"SELECT {columns}, file_index, $N AS reading FROM $G.summary"


def _read_summaries(engine: Engine, readings: Sequence[Reading], wanted: Wanted) -> Table:
    """Read rows of summaries, with the number of the reading as the last column."""
    parts: list[str] = []
    parameters: dict[str, object] = {"low": wanted.wide[0], "high": wanted.wide[1]}
    parameters["limit"] = BLOCK_ROWS_MAX + 1
    for number, (sources, tags) in enumerate(readings):
        where, parameters[f"tags{number}"] = _among(tags, number, "start")
        parts.append(over(sources, f"{_of_summaries(wanted).replace('$N', str(number))} {where}"))
    found = engine.query(f"SELECT * FROM ({' UNION ALL '.join(parts)}) LIMIT $limit", parameters)
    _need_few(found, BLOCK_ROWS_MAX)
    return found


def _read(
    engine: Engine,
    view: View,
    readings: Sequence[Plain],
    span: tuple[int, int],
    select: str,
    limit: int,
    time: str = "time",
) -> Table | None:
    """Read the visible samples of a span; raise TooManyRows above the limit."""
    parts: list[str] = []
    parameters: dict[str, object] = {"low": span[0], "high": span[1], "limit": limit + 1}
    for number, (sources, tags) in enumerate(readings):
        where, parameters[f"tags{number}"] = _among(tags, number, time)
        parts.append(view.visible(sources, f"{select} {where}", tags, *span))
    if not parts:
        return None
    found = engine.query(f"SELECT * FROM ({' UNION ALL '.join(parts)}) LIMIT $limit", parameters)
    _need_few(found, limit)
    return found


def _need_few(rows: Table, limit: int) -> None:
    if rows.num_rows > limit:
        raise TooManyRows(limit, "what is to be read of these tags")


def _among(tags: Sequence[int], number: int, time: str) -> tuple[str, object]:
    """Write which tags and times are read, and give the parameter of the tags."""
    among = f"= $tags{number}" if len(tags) == 1 else f"IN (SELECT unnest($tags{number}))"
    return f"WHERE tag {among} AND {time} >= $low AND {time} < $high", tags[0] if len(tags) == 1 else list(tags)


def _erased_keys(view: View, summed: Sequence[Plain], wanted: Wanted) -> Ints:
    """Give the keys of the periods whose summary may hold samples that were erased since it was written."""
    keys = [np.zeros(0, np.int64)]
    for sources, tags in summed if view.erasures else ():
        for source in sources:
            for tag, steps in view.erased(tags, *wanted.wide, source=source).items():
                first, last = steps.start // PERIOD_NS, (steps.end - 1) // PERIOD_NS
                count = last - first + 1
                place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
                starts = np.unique(np.repeat(first, count) + place) * PERIOD_NS
                keys.append(wanted.key(np.full(len(starts), tag), starts))
    return np.concatenate(keys)


def _without_erased(view: View, table: Table, kept: Sequence[KeptSummary], of_gone: int) -> Table:
    """Leave out what summaries tell of samples that are gone, where all that it tells of was erased later."""
    tag, first, last = (column_i64(table, name) for name in ("tag", "first_time", "last_time"))
    reading, file = column_i64(table, "reading"), column_i64(table, "file_index")
    hidden = np.zeros(table.num_rows, np.bool_)
    for number, summary in enumerate(kept):
        covered = view.erasures.covers(tag, first, last, position=summary.erased_to)
        hidden |= covered & (reading == of_gone) & (file == number)
    return table.filter(pa.array(~hidden))


class _Found:
    """Hold rows of summaries ordered by (tag, period, file), and the first and last time of each block."""

    def __init__(self, table: Table, wanted: Wanted, of_gone: int, erased: Ints) -> None:
        self._erased = erased
        reading = column_i64(table, "reading")
        file = column_i64(table, "file_index") * 4 + reading  # summed by all, by some, gone
        order = np.lexsort((column_i64(table, "severity"), file, column_i64(table, "start"), column_i64(table, "tag")))
        self.columns = {name: table[name].to_numpy()[order] for name in table.column_names}
        self.columns["severity"] = self.columns["severity"].astype(np.int64)
        self.columns["lane"] = wanted.lane(self.columns["tag"])
        self.key = wanted.key(self.columns["tag"], self.columns["start"])
        begins = np.ones(len(order), np.bool_)
        begins[1:] = (self.key[1:] != self.key[:-1]) | (file[order][1:] != file[order][:-1])
        self.columns["block"] = np.cumsum(begins) - 1
        place = np.flatnonzero(begins)
        self._wanted, self._keys, self._gone = wanted, self.key[place], (reading == of_gone)[order][place]
        nothing = np.zeros(0, np.int64)
        self._first = np.minimum.reduceat(self.columns["first_time"], place) if len(place) else nothing
        self._last = np.maximum.reduceat(self.columns["last_time"], place) if len(place) else nothing

    @property
    def first(self) -> Ints:
        """Give for each row the first time of its block."""
        found: Ints = self._first[self.columns["block"]]
        return found

    @property
    def last(self) -> Ints:
        """Give for each row the last time of its block."""
        found: Ints = self._last[self.columns["block"]]
        return found

    def refused(self, samples: Table | None) -> Bools:
        """Mark the rows of the periods in which a block cannot stand for its samples.

        This is the one place for that: whatever else hides or changes samples of a period adds its keys here.
        """
        gone = self.gone
        rows = self.columns["odd"].astype(np.bool_)
        if self._wanted.pure:
            rows = rows | (self.columns["severity"] != GOOD)
        cut = np.zeros(len(self._keys), np.bool_)
        for edge in (self._wanted.start_ns, self._wanted.end_ns):
            cut |= (self._first < edge) & (edge <= self._last)
        every = np.ones(len(self._keys), np.bool_)
        keys = [self.key[rows & ~gone], self._keys[cut & ~self._gone], self._keys[self._overlapping(every)]]
        keys.append(self._erased)
        if samples is not None:
            tag, time = column_i64(samples, "tag"), column_i64(samples, "time")
            keys.append(self._wanted.key(tag, time)[self._met(tag, time, every)])
        refused: Bools = np.isin(self.key, np.concatenate(keys)) & ~gone
        refused |= self._overlapping(self._gone)[self.columns["block"]]
        return refused

    @property
    def gone(self) -> Bools:
        """Mark the rows whose samples are gone: these blocks stand, whatever else there is of the period."""
        found: Bools = self._gone[self.columns["block"]]
        return found

    def hides(self, tag: Ints, time: Ints) -> Bools:
        """Mark the samples that lie within a block whose samples are gone: they came when these had been removed."""
        return self._met(tag, time, self._gone)

    def _overlapping(self, among: Bools) -> Bools:
        """Mark one of two blocks of a period that overlap: in order of their first times neighbours do, if any do."""
        order = np.lexsort((self._first, self._keys))
        order = order[among[order]]
        same = self._keys[order][1:] == self._keys[order][:-1]
        found = np.zeros(len(among), np.bool_)
        found[order[1:]] = same & (self._first[order][1:] <= self._last[order][:-1])
        return found

    def _met(self, tag: Ints, time: Ints, among: Bools) -> Bools:
        """Mark the samples that lie between the first and the last one of a block."""
        keys = self._wanted.key(tag, time)
        low, high = np.searchsorted(self._keys, keys), np.searchsorted(self._keys, keys, side="right")
        met = np.zeros(len(time), np.bool_)
        for step in range(int((high - low).max(initial=0))):
            there = np.flatnonzero(low + step < high)
            block = low[there] + step
            inside = among[block] & (self._first[block] <= time[there]) & (time[there] <= self._last[block])
            met[there[inside]] = True
        return met


def _within(time: Ints, span: tuple[int, int]) -> Bools:
    found: Bools = (time >= span[0]) & (time < span[1])
    return found


def _read_periods(
    engine: Engine, view: View, summed: Sequence[Plain], dirty: Ints, *, wanted: Wanted, columns: str
) -> list[Table | None]:
    """Read the samples of single periods, given by key, from the runs that sum them up."""
    begin, count = wanted.wide[0], wanted.count
    tags, place = np.asarray(wanted.tags, np.int64)[dirty // count], dirty % count
    select = f"SELECT {columns} FROM $G.sample"
    if len(places := np.unique(place)) <= PERIODS_APART:
        read = []
        for each in places.tolist():
            span = (begin + each * PERIOD_NS, begin + (each + 1) * PERIOD_NS)
            read.append(_read(engine, view, _of_some(summed, tags[place == each]), span, select, wanted.limit))
        return read
    cursor = engine.cursor()
    cursor.register("dirty", pa.table({"tag": tags, "place": place}))
    joined = f"{select} s SEMI JOIN dirty d ON s.tag = d.tag AND (s.time - {begin:d}) // {PERIOD_NS:d} = d.place"
    try:
        return [_read(engine, view, _of_some(summed, tags), wanted.periods, joined, wanted.limit, "s.time")]
    finally:
        cursor.unregister("dirty")


def _of_some(readings: Sequence[Plain], tags: Ints) -> list[Plain]:
    some = set(tags.tolist())
    kept = [(sources, sorted(some.intersection(own))) for sources, own in readings]
    return [each for each in kept if each[1]]


class _Ends:
    """Put the samples next to the span beside what lies in it."""

    def __init__(self, engine: Engine, view: View, wanted: Wanted, found: _Found, refused: Bools) -> None:
        self._engine, self._view, self._wanted = engine, view, wanted
        self._blocks, self._refused = Blocks(found.columns), refused
        self._first, self._last, self._gone = found.first, found.last, found.gone

    def beside(self, samples: Lanes) -> Gathered:
        """Give the samples and blocks in the span, with the sample before it and the first after."""
        wanted, rows, time = self._wanted, self._blocks, samples.series.time
        marked = _within(time, (wanted.start_ns, wanted.end_ns))
        lanes, ends, at_end = [], [], []
        for before in (True, False):
            next_to = self._next_to(samples, before=before)
            marked[next_to.places] = True
            for lane, end in ((next_to.lane, next_to.of_rows), self._far(next_to.unknown, before=before)):
                lanes.append(lane)
                ends.append(end)
                at_end.append(np.full(len(lane), not before))
        framed = samples.where(marked).framed(np.concatenate(lanes), chained(*ends), at_end=np.concatenate(at_end))
        kept = ~self._refused & (self._first >= wanted.start_ns) & (self._last < wanted.end_ns)
        gone = np.bincount(rows["lane"][kept & self._gone], minlength=len(samples)) > 0
        return Gathered(wanted.tags, framed, rows.where(kept), gone)

    def _next_to(self, samples: Lanes, *, before: bool) -> "_NextTo":
        """Find the samples next to the span among what was read."""
        wanted, rows = self._wanted, self._blocks
        if before:
            apart, row_apart = (wanted.start_ns - 1 - time for time in (samples.series.time, rows["last_time"]))
            there = self._last < wanted.start_ns
            outer, inner = rows["start"] < wanted.periods[0], wanted.start_ns - wanted.periods[0]
        else:
            apart, row_apart = (time - wanted.end_ns for time in (samples.series.time, rows["first_time"]))
            there = self._first >= wanted.end_ns
            outer, inner = rows["start"] >= wanted.periods[1], wanted.periods[1] - wanted.end_ns
        place, row = np.flatnonzero(apart >= 0), np.flatnonzero(there & ~self._refused)
        lane = np.searchsorted(samples.begins[1:], place, side="right")
        near, row_near = (np.full(len(samples), _NOWHERE) for _ in range(2))
        np.minimum.at(near, lane, apart[place])
        np.minimum.at(row_near, rows["lane"][row], row_apart[row])
        best = np.minimum(near, row_near)
        hidden = np.bincount(rows["lane"][outer & self._refused], minlength=len(samples)) > 0  # not read
        known = (best < inner) | ((best < _NOWHERE) & ~hidden)
        by_row = known & (row_near < near)
        row = row[by_row[rows["lane"][row]] & (row_apart[row] == row_near[rows["lane"][row]])]
        row = row[firsts(rows["lane"][row])]
        chosen = (known & ~by_row)[lane] & (apart[place] == near[lane])
        points = rows.where(row).points("last" if before else "first")
        return _NextTo(place[chosen], rows["lane"][row], points, np.flatnonzero(~known))

    def _far(self, lanes: Ints, *, before: bool) -> tuple[Ints, Series]:
        """Look up the samples next to the span; give the lane of each."""
        edge = self._wanted.start_ns if before else self._wanted.end_ns
        tags = np.asarray(self._wanted.tags, np.int64)[lanes].tolist()
        at = bounds(self._engine, self._view, tags, edge, before=before)
        found = rows_at(self._engine, self._view, at)
        return self._wanted.lane(np.array([*at], np.int64))[found.lane], found.series


@dataclass(frozen=True, slots=True)
class _NextTo:
    """Say where the samples next to the span are: places of samples, ends of blocks, or lanes that do not tell."""

    places: Ints
    lane: Ints
    of_rows: Series
    unknown: Ints


_NOWHERE = np.iinfo(np.int64).max
_NO_SAMPLES = pa.schema(
    [(name, pa.int64()) for name in ("tag", "time")]
    + [("status", pa.uint32()), ("value", pa.float64())]
    + [(name, pa.int64()) for name in ("position", "row")]
).empty_table()
