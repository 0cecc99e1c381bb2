"""The samples of many tags in one pass over the files, with those next to the span that bounding values need."""

# ruff: noqa: S608 the pieces are constants and names made of numbers; every value is a parameter

from collections.abc import Mapping, Sequence

import numpy as np

from penstock.platform.historian.engine import Engine
from penstock.platform.historian.errors import TooManyRows
from penstock.platform.historian.ports import Table
from penstock.platform.historian.repeats import column_i64
from penstock.platform.historian.scene import Ints, Series
from penstock.platform.historian.view import View

_EDGES = "tag IN (SELECT unnest($tags)) AND time IN (SELECT unnest($edge_times))"
SEGMENTS_A_TAG = 16
"""Where rows change from tag to tag more often than that, they are sorted by tag first."""
ROW = 'tag, time, status, coalesce(vf, vi::DOUBLE, vb::INTEGER::DOUBLE) AS value, position, "row"'


def series_of_many(engine: Engine, tags: Sequence[int], start_ns: int, end_ns: int, limit: int) -> dict[int, Series]:
    """Give each tag's samples in [start, end), the newest before and the first after.

    Raise TooManyRows where they are more than `limit` together.
    """
    with engine.view() as view:
        before = bounds(engine, view, tags, start_ns, before=True)
        after = bounds(engine, view, tags, end_ns, before=False)
        inside = f"SELECT {ROW} FROM $G.sample WHERE tag IN (SELECT unnest($tags)) AND time >= $start AND time < $end"
        sql = view.samples(inside, tags, start_ns, end_ns)
        parameters: dict[str, object] = {"tags": list(tags), "start": start_ns, "end": end_ns, "limit": limit + 1}
        if at := {*before.values(), *after.values()}:
            low, high = min(at), max(at)
            beside = f"SELECT {ROW} FROM $G.sample WHERE {_EDGES} AND time BETWEEN $low AND $high"
            sql += f" UNION ALL {view.samples(beside, tags, low, high + 1)}"
            parameters |= {"edge_times": sorted(at), "low": low, "high": high}
        found = engine.query(f"SELECT * FROM ({sql}) LIMIT $limit", parameters)
    if found.num_rows > limit:
        raise TooManyRows(limit, f"the range of {len(tags)} tags")
    return {
        tag: _between(series, before.get(tag, start_ns), after.get(tag, end_ns))
        for tag, series in split(found, tags).items()
    }


def rows_at(engine: Engine, view: View, times: Mapping[int, int]) -> dict[int, Series]:
    """Give of each tag the samples of one time."""
    if not times:
        return {}
    low, high = min(times.values()), max(times.values())
    select = f"SELECT {ROW} FROM $G.sample WHERE {_EDGES} AND time BETWEEN $low AND $high"
    sql = view.samples(select, list(times), low, high + 1)
    at = {"tags": list(times), "edge_times": sorted(set(times.values())), "low": low, "high": high}
    return {
        tag: _between(series, times[tag], times[tag]) for tag, series in split(engine.query(sql, at), [*times]).items()
    }


def _between(series: Series, low: int, high: int) -> Series:
    """Give the samples in [low, high]: without those that a tag has at the edges of other tags."""
    return series.where(slice(np.searchsorted(series.time, low), np.searchsorted(series.time, high, side="right")))


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


def split(found: Table, tags: Sequence[int]) -> dict[int, Series]:
    """Part rows in any order into each tag's, ordered by (time, position, row).

    Runs give them nearly in order, so only tags that need it are sorted; hot files give them as they came.
    """
    tag, time = column_i64(found, "tag"), column_i64(found, "time")
    position, row = column_i64(found, "position"), column_i64(found, "row")
    status = found["status"].to_numpy().astype(np.uint32, copy=False)
    value = found["value"].to_numpy().astype(np.float64, copy=False)
    begins = np.flatnonzero(np.diff(tag, prepend=tag[:1] - 1))
    if len(begins) > SEGMENTS_A_TAG * len(tags):
        order = np.argsort(tag, kind="stable")
        begins = np.flatnonzero(np.diff(tag[order], prepend=tag[order[:1]] - 1))
    else:
        order = np.arange(len(tag))
    ends = np.append(begins[1:], len(tag))[: len(begins)]
    parts: dict[int, list[Ints]] = {each: [] for each in tags}
    for each, begin, end in zip(tag[order[begins]].tolist(), begins.tolist(), ends.tolist(), strict=True):
        parts[each].append(order[begin:end])
    series = dict.fromkeys(tags, Series(time[:0], status[:0], value[:0]))
    for each, places in parts.items():
        if places:
            place = np.concatenate(places)
            if not (np.diff(time[place]) > 0).all():
                place = place[np.lexsort((row[place], position[place], time[place]))]
            series[each] = Series(time[place], status[place], value[place])
    return series
