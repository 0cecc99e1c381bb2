"""What a question reads: summaries for whole periods that stand in one run alone, samples for all the rest.

Theory of operation. A period may stand for its samples where its run summed the tag up, no end of the span cuts it, no
other file holds samples of the tag in it, and it tells all that is asked (blocks.py). First the rows of summaries are
read, and the samples of what has none: hot files, older runs, sparse tags. These show which periods are not to be used;
the samples of those and of the cut ones are read as well. One period more is read on each side: it mostly holds the
samples next to the span; where it does not, they are looked up.
"""

# ruff: noqa: S608 the pieces are constants and names made of numbers; every value is a parameter

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penstock.platform.historian.blocks import Blocks
from penstock.platform.historian.engine import Engine
from penstock.platform.historian.errors import TooManyRows
from penstock.platform.historian.many import ROW, bounds, rows_at, split
from penstock.platform.historian.ports import Table
from penstock.platform.historian.repeats import column_i64
from penstock.platform.historian.run import Run
from penstock.platform.historian.scene import GOOD, Bools, Ints, Series, chained
from penstock.platform.historian.summary import PERIOD_NS
from penstock.platform.historian.view import Source, View, over

PERIODS_MIN = 4
"""Whole periods from which on summaries are asked: below, samples are as quick."""
DIRTY_SHARE = 4
"""When more than this part of the periods cannot be used, all samples are read."""
ALWAYS = ("tag", "start", "severity", "odd", "rows", "held")
ENDS = tuple(f"{end}_{name}" for end in ("first", "last") for name in ("time", "status", "value"))

Reading = tuple[Sequence[Source], Sequence[int]]
"""Sources, and the tags to read from them."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Hold of one tag what lies in the span and next to it: samples in order, and blocks for the others."""

    samples: Series
    blocks: Blocks


@dataclass(frozen=True, slots=True)
class Wanted:
    """Say what is asked: tags, a span, the columns of summaries it takes, and whether only Good periods can serve."""

    tags: Sequence[int]
    start_ns: int
    end_ns: int
    columns: Collection[str]
    pure: bool
    limit: int

    @property
    def whole(self) -> tuple[int, int]:
        """Give the span of the periods that are not cut."""
        return -(-self.start_ns // PERIOD_NS) * PERIOD_NS, self.end_ns // PERIOD_NS * PERIOD_NS

    @property
    def wide(self) -> tuple[int, int]:
        """Give the span of all periods to read: with those that are cut, and one more on each side."""
        return (self.start_ns // PERIOD_NS - 1) * PERIOD_NS, (-(-self.end_ns // PERIOD_NS) + 1) * PERIOD_NS

    @property
    def cut(self) -> list[tuple[int, int]]:
        """Give the periods that start and end cut."""
        edges = {edge // PERIOD_NS * PERIOD_NS for edge in (self.start_ns, self.end_ns) if edge % PERIOD_NS}
        return [(edge, edge + PERIOD_NS) for edge in sorted(edges)]

    def key(self, tag: Ints, time: Ints) -> Ints:
        """Give one number for each tag and period within the wide span."""
        low, high = self.wide
        place = np.searchsorted(np.sort(np.asarray(self.tags, np.int64)), tag)
        return place * ((high - low) // PERIOD_NS) + (time - low) // PERIOD_NS


def gather(engine: Engine, view: View, wanted: Wanted) -> dict[int, Gathered] | None:
    """Give what lies in the span and, for bounding values, next to it; None where the samples alone do as well.

    Raise TooManyRows where it is more than the limit.
    """
    low, high = wanted.whole
    if high - low < PERIODS_MIN * PERIOD_NS:
        return None
    summed, plain = _assigned(view, wanted)
    if not summed:
        return None
    blocks = _read(engine, summed, wanted.wide, _of_summaries(wanted), "start")
    assert blocks is not None
    samples = [_read(engine, plain, wanted.wide, f"SELECT {ROW} FROM $G.sample", "time")]
    samples += [_read(engine, summed, cut, f"SELECT {ROW} FROM $G.sample", "time") for cut in wanted.cut]
    keys = wanted.key(column_i64(blocks, "tag"), column_i64(blocks, "start"))
    unusable = _unusable(blocks, keys, samples[0], wanted)
    dirty = np.unique(keys[unusable & _within(column_i64(blocks, "start"), wanted.whole)])
    if len(dirty) * DIRTY_SHARE > len(np.unique(keys)):
        return None
    samples.append(_read_periods(engine, summed, dirty, wanted))
    found = pa.concat_tables([_NO_SAMPLES, *(each.cast(_NO_SAMPLES.schema) for each in samples if each is not None)])
    if found.num_rows + blocks.num_rows > wanted.limit:
        raise TooManyRows(wanted.limit, f"the range of {len(wanted.tags)} tags")
    return _Ends(engine, view, wanted, blocks, unusable).beside(split(found, wanted.tags))


def _assigned(view: View, wanted: Wanted) -> tuple[list[Reading], list[Reading]]:
    """Say which sources give summaries of which tags, and which their samples."""
    held = [source for source in view.sources if source.holds(wanted.tags, *wanted.wide)]
    runs = {source: source.is_summed(wanted.tags) for source in held if isinstance(source, Run) and source.has_summary}
    whole = [run for run, marks in runs.items() if marks.all()]
    mixed = [run for run, marks in runs.items() if not marks.all()]
    sparse = np.zeros(len(wanted.tags), np.bool_)
    for run in mixed:
        sparse |= ~runs[run]
    tags = np.asarray(wanted.tags, np.int64)
    summed: list[Reading] = [(whole, wanted.tags), (mixed, tags[~sparse].tolist())]
    others = [source for source in held if not (isinstance(source, Run) and source.has_summary)]
    plain: list[Reading] = [(others, wanted.tags), (mixed, tags[sparse].tolist())]
    return [each for each in summed if all(each)], [each for each in plain if all(each)]


def _of_summaries(wanted: Wanted) -> str:
    columns = ", ".join(dict.fromkeys((*ALWAYS, *ENDS, *wanted.columns)))
    return f"SELECT {columns}, file_index, $N AS reading FROM $G.summary"


def _read(engine: Engine, readings: Sequence[Reading], span: tuple[int, int], select: str, time: str) -> Table | None:
    """Read rows of a span, with the number of the reading as the last column."""
    parts: list[str] = []
    parameters: dict[str, object] = {"low": span[0], "high": span[1]}
    for number, (sources, tags) in enumerate(readings):
        among = "= $tags" if len(tags) == 1 else "IN (SELECT unnest($tags))"
        where = f"WHERE tag {among} AND {time} >= $low AND {time} < $high".replace("$tags", f"$tags{number}")
        parts.append(over(sources, f"{select.replace('$N', str(number))} {where}"))
        parameters[f"tags{number}"] = tags[0] if len(tags) == 1 else list(tags)
    return engine.query(" UNION ALL ".join(parts), parameters) if parts else None


def _unusable(blocks: Table, keys: Ints, samples: Table | None, wanted: Wanted) -> Bools:
    """Mark the rows of summaries that cannot stand for their samples.

    This is the one place for that: whatever else hides or changes samples of a period marks its rows here.
    """
    unusable = blocks["odd"].to_numpy().copy()
    if wanted.pure:
        unusable |= column_i64(blocks, "severity") != GOOD
    if samples is not None:
        others = wanted.key(column_i64(samples, "tag"), column_i64(samples, "time"))
        unusable |= np.isin(keys, others)
    file = column_i64(blocks, "file_index") * 2 + column_i64(blocks, "reading")
    order = np.argsort(keys, kind="stable")
    twice = (keys[order][1:] == keys[order][:-1]) & (file[order][1:] != file[order][:-1])
    unusable[order[1:][twice]] = True
    return np.isin(keys, keys[unusable])


def _within(time: Ints, span: tuple[int, int]) -> Bools:
    found: Bools = (time >= span[0]) & (time < span[1])
    return found


def _read_periods(engine: Engine, summed: Sequence[Reading], dirty: Ints, wanted: Wanted) -> Table | None:
    """Read the samples of single periods, given by key, from the runs that sum them up."""
    if len(dirty) == 0:
        return None
    (low, high), begin = wanted.whole, wanted.wide[0]
    count = (wanted.wide[1] - begin) // PERIOD_NS
    tags = np.sort(np.asarray(wanted.tags, np.int64))[dirty // count]
    cursor = engine.cursor()
    cursor.register("dirty", pa.table({"tag": tags, "place": dirty % count}))
    place = f"(s.time - {begin:d}) // {PERIOD_NS:d}"
    select = f"SELECT {ROW} FROM $G.sample s SEMI JOIN dirty d ON s.tag = d.tag AND {place} = d.place"
    try:
        of_dirty = [(sources, sorted(set(tags.tolist()) & set(own))) for sources, own in summed]
        return _read(engine, [each for each in of_dirty if each[1]], (low, high), select, "s.time")
    finally:
        cursor.unregister("dirty")


class _Ends:
    """Put the samples next to the span beside what lies in it."""

    def __init__(self, engine: Engine, view: View, wanted: Wanted, blocks: Table, unusable: Bools) -> None:
        self._engine, self._view, self._wanted = engine, view, wanted
        order = np.lexsort([column_i64(blocks, name) for name in ("severity", "start", "tag")])
        self._columns = {name: blocks[name].to_numpy()[order] for name in blocks.column_names}
        self._columns["severity"] = self._columns["severity"].astype(np.int64)
        self._unusable = unusable[order]

    def beside(self, series: dict[int, Series]) -> dict[int, Gathered]:
        """Give each tag's samples and blocks in the span, with the sample before it and the first after."""
        blocks = {tag: self._of_tag(tag) for tag in series}
        ends: dict[tuple[int, bool], Series] = {}
        for before in (True, False):
            near = {tag: self._near(series[tag], *blocks[tag], before=before) for tag in series}
            far = self._far([tag for tag, found in near.items() if found is None], before=before)
            ends |= {(tag, before): far.get(tag, _NONE) if found is None else found for tag, found in near.items()}
        inside = (self._wanted.start_ns, self._wanted.end_ns)
        gathered = {}
        for tag, samples in series.items():
            own = samples.where(_within(samples.time, inside))
            rows, unusable = blocks[tag]
            kept = ~unusable & _within(rows["start"], self._wanted.whole)
            gathered[tag] = Gathered(chained(ends[tag, True], own, ends[tag, False]), rows.where(kept))
        return gathered

    def _of_tag(self, tag: int) -> tuple[Blocks, Bools]:
        part = slice(*np.searchsorted(self._columns["tag"], [tag, tag + 1]))
        return Blocks({name: column[part] for name, column in self._columns.items()}), self._unusable[part]

    def _near(self, samples: Series, blocks: Blocks, unusable: Bools, *, before: bool) -> Series | None:
        """Give the sample next to the span out of what was read; None where that does not tell."""
        wanted = self._wanted
        edge, outer = (wanted.start_ns, wanted.wide[0]) if before else (wanted.end_ns, wanted.wide[1] - PERIOD_NS)
        beyond = samples.where(samples.time < edge if before else samples.time >= edge)
        last = beyond.time[-1 if before else 0] if len(beyond.time) else None
        if last is None or outer <= last < outer + PERIOD_NS:  # nothing within the cut period
            there = blocks["start"] == outer
            if there.any():
                return None if unusable[there].any() else blocks.where(there).ends(last=before)
        return None if last is None else beyond.where(beyond.time == last)

    def _far(self, tags: Sequence[int], *, before: bool) -> dict[int, Series]:
        """Look up the sample next to the span."""
        edge = self._wanted.start_ns if before else self._wanted.end_ns
        return rows_at(self._engine, self._view, bounds(self._engine, self._view, tags, edge, before=before))


_NO_SAMPLES = pa.schema(
    [(name, pa.int64()) for name in ("tag", "time")]
    + [("status", pa.uint32()), ("value", pa.float64())]
    + [(name, pa.int64()) for name in ("position", "row")]
).empty_table()
_NONE = Series(np.zeros(0, np.int64), np.zeros(0, np.uint32), np.zeros(0))
