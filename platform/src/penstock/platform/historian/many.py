"""The samples of many tags in one pass over the files, with those next to the span that bounding values need."""

# ruff: noqa: S608 the pieces are constants and names made of numbers; every value is a parameter

from collections.abc import Sequence

import numpy as np

from penstock.platform.historian.engine import Engine
from penstock.platform.historian.errors import TooManyRows
from penstock.platform.historian.ports import Table
from penstock.platform.historian.repeats import column_i64
from penstock.platform.historian.scene import Series
from penstock.platform.historian.view import View

_ROW = 'tag, time, status, coalesce(vf, vi::DOUBLE, vb::INTEGER::DOUBLE) AS value, position, "row"'


def series_of_many(engine: Engine, tags: Sequence[int], start_ns: int, end_ns: int, limit: int) -> dict[int, Series]:
    """Give each tag's samples in [start, end), the newest before and the first after.

    Raise TooManyRows where they are more than `limit` together.
    """
    with engine.view() as view:
        edges = [
            *_bounds(engine, view, tags, start_ns, before=True).items(),
            *_bounds(engine, view, tags, end_ns, before=False).items(),
        ]
        inside = f"SELECT {_ROW} FROM $G.sample WHERE tag IN (SELECT unnest($tags)) AND time >= $start AND time < $end"
        sql = view.samples(inside, tags, start_ns, end_ns)
        parameters: dict[str, object] = {"tags": list(tags), "start": start_ns, "end": end_ns, "limit": limit + 1}
        if edges:
            at = [time for _, time in edges]
            low, high = min(at), max(at)
            pairs = "(tag, time) IN (SELECT (unnest($edge_tags), unnest($edge_times)))"
            beside = f"SELECT {_ROW} FROM $G.sample WHERE {pairs} AND time BETWEEN $low AND $high"
            sql += f" UNION ALL {view.samples(beside, tags, low, high + 1)}"
            parameters |= {"edge_tags": [tag for tag, _ in edges], "edge_times": at, "low": low, "high": high}
        found = engine.query(f'SELECT * FROM ({sql}) ORDER BY tag, time, position, "row" LIMIT $limit', parameters)
    if found.num_rows > limit:
        raise TooManyRows(limit, f"the range of {len(tags)} tags")
    return _split(found, tags)


def _bounds(engine: Engine, view: View, tags: Sequence[int], time_ns: int, *, before: bool) -> dict[int, int]:
    """Give of each tag that has one the newest time before `time_ns`, or the first from it on."""
    better = max if before else min
    found: dict[int, int] = {}
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


def _split(found: Table, tags: Sequence[int]) -> dict[int, Series]:
    tag, time = column_i64(found, "tag"), column_i64(found, "time")
    status = found["status"].to_numpy().astype(np.uint32, copy=False)
    value = found["value"].to_numpy().astype(np.float64, copy=False)
    series = {}
    for each in tags:
        part = slice(*np.searchsorted(tag, [each, each + 1]))
        series[each] = Series(time[part], status[part], value[part])
    return series
