"""The samples of many tags in one pass over the files, with those next to the span that bounding values need."""

# ruff: noqa: S608 the pieces are constants and names made of numbers; every value is a parameter

from collections.abc import Mapping, Sequence

import numpy as np

from penstock.platform.historian.errors import TooManyRows
from penstock.platform.historian.files.engine import Engine
from penstock.platform.historian.files.view import View
from penstock.platform.historian.ports import Table
from penstock.platform.historian.processed.series import NO_LANES, Ints, Lanes, Series, places_of
from penstock.platform.historian.repeats import column_i64

_EDGES = "tag IN (SELECT unnest($tags)) AND time IN (SELECT unnest($edge_times))"
SEGMENTS_A_TAG = 16
"""Where rows change from tag to tag more often than that, each is sorted by its tag, not whole segments."""
PLAIN = "tag, time, status, coalesce(vf, vi::DOUBLE, vb::INTEGER::DOUBLE) AS value"
ROW = f'{PLAIN}, position, "row"'
"""What tells samples of one time apart costs as much to read as all the rest; few tags have such."""


class Tied(Exception):
    """Two samples of a tag have one time: which comes first is to be read as well."""


def series_of_many(engine: Engine, tags: Sequence[int], start_ns: int, end_ns: int, limit: int) -> Lanes:
    """Give each tag's samples in [start, end), the newest before and the first after; lanes in the order of the tags.

    Raise TooManyRows where they are more than `limit` together.
    """
    with engine.view() as view:
        try:
            return _series_of_many(engine, view, tags, (start_ns, end_ns), limit, PLAIN)
        except Tied:
            return _series_of_many(engine, view, tags, (start_ns, end_ns), limit, ROW)


def _series_of_many(
    engine: Engine, view: View, tags: Sequence[int], span: tuple[int, int], limit: int, columns: str
) -> Lanes:
    start_ns, end_ns = span
    before = bounds(engine, view, tags, start_ns, before=True)
    after = bounds(engine, view, tags, end_ns, before=False)
    inside = f"SELECT {columns} FROM $G.sample WHERE tag IN (SELECT unnest($tags)) AND time >= $start AND time < $end"
    sql = view.samples(inside, tags, start_ns, end_ns)
    parameters: dict[str, object] = {"tags": list(tags), "start": start_ns, "end": end_ns, "limit": limit + 1}
    if at := {*before.values(), *after.values()}:
        low, high = min(at), max(at)
        beside = f"SELECT {columns} FROM $G.sample WHERE {_EDGES} AND time BETWEEN $low AND $high"
        sql += f" UNION ALL {view.samples(beside, tags, low, high + 1)}"
        parameters |= {"edge_times": sorted(at), "low": low, "high": high}
    found = engine.query(f"SELECT * FROM ({sql}) LIMIT $limit", parameters)
    if found.num_rows > limit:
        raise TooManyRows(limit, f"the range of {len(tags)} tags")
    return _between(
        split(found, tags), [before.get(tag, start_ns) for tag in tags], [after.get(tag, end_ns) for tag in tags]
    )


def rows_at(engine: Engine, view: View, times: Mapping[int, int]) -> Lanes:
    """Give of each tag the samples of one time; lanes in the order of the tags."""
    if not times:
        return NO_LANES
    low, high = min(times.values()), max(times.values())
    select = f"SELECT {ROW} FROM $G.sample WHERE {_EDGES} AND time BETWEEN $low AND $high"
    sql = view.samples(select, list(times), low, high + 1)
    at = {"tags": list(times), "edge_times": sorted(set(times.values())), "low": low, "high": high}
    return _between(split(engine.query(sql, at), [*times]), [*times.values()], [*times.values()])


def _between(lanes: Lanes, low: Sequence[int], high: Sequence[int]) -> Lanes:
    """Give each lane's samples in [low, high]: without those that a tag has at the edges of other tags."""
    first, last = (np.repeat(np.array(each, np.int64), lanes.counts) for each in (low, high))
    return lanes.where((first <= lanes.series.time) & (lanes.series.time <= last))


def bounds(engine: Engine, view: View, tags: Sequence[int], time_ns: int, *, before: bool) -> dict[int, int]:
    """Give of each tag that has one the newest time before `time_ns`, or the first from it on."""
    better = max if before else min
    found: dict[int, int] = {}
    if not tags:
        return found
    to_read = []
    for source in view.sources:
        told = {tag: view.bound(source, tag, time_ns, before=before) for tag in tags}
        for tag, (known, _) in told.items():
            if known is not None:
                found[tag] = better(found.get(tag, known), known)
        if any(read for _, read in told.values()):
            to_read.append(source)
    if to_read:
        pick, where = ("max", "time < $t") if before else ("min", "time >= $t")
        select = f"SELECT tag, {pick}(time) FROM $G.sample WHERE tag IN (SELECT unnest($tags)) AND {where} GROUP BY tag"
        for tag, time in engine.rows(view.visible(to_read, select, tags), {"tags": list(tags), "t": time_ns}):
            found[tag] = better(found.get(tag, time), time)
    return found


def split(found: Table, tags: Sequence[int]) -> Lanes:
    """Part rows in any order into a lane for each tag, ordered by (time, position, row).

    Runs give them nearly in order, so only tags that need it are sorted; hot files give them as they came. Raise Tied
    where position and row are needed and not there.
    """
    tag, time = column_i64(found, "tag"), column_i64(found, "time")
    status = found["status"].to_numpy().astype(np.uint32, copy=False)
    value = found["value"].to_numpy().astype(np.float64, copy=False)
    order, lane = _by_lane(tag, time, tags)
    rising = (np.diff(time[order]) > 0) | (np.diff(lane) > 0)
    if not rising.all():
        wild = np.flatnonzero(np.isin(lane, lane[1:][~rising]))
        place = order[wild]
        keys = [time[place], lane[wild]]
        is_plain = "position" not in found.column_names
        if not is_plain:
            keys = [column_i64(found, "row")[place], column_i64(found, "position")[place], *keys]
        order[wild] = place[np.lexsort(keys)]
        if is_plain and ((np.diff(time[order[wild]]) == 0) & (np.diff(lane[wild]) == 0)).any():
            raise Tied
    begins = np.searchsorted(lane, np.arange(len(tags) + 1))
    return Lanes(Series(time[order], status[order], value[order]), begins)


def _by_lane(tag: Ints, time: Ints, tags: Sequence[int]) -> tuple[Ints, Ints]:
    """Give an order of rows by lane, mostly by time as well, and the lane of each row in that order."""
    known = np.argsort(np.asarray(tags, np.int64))
    begins = np.flatnonzero(np.diff(tag, prepend=tag[:1] - 1))
    if len(begins) > SEGMENTS_A_TAG * len(tags):  # hot rows, as they came
        begins = np.arange(len(tag))
    ends = np.append(begins[1:], len(tag))[: len(begins)]
    lane = known[np.searchsorted(np.asarray(tags, np.int64)[known], tag[begins])]
    order = np.lexsort((time[begins], lane))
    begins, ends = begins[order], ends[order]
    return places_of(begins, ends), np.repeat(lane[order], ends - begins)
