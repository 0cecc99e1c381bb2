"""Fewer points for a picture: which samples to draw so that the line looks as if all were drawn.

Theory of operation. MinMaxLTTB: buckets of equal time give their least and greatest sample, of these the rule of the
largest triangles picks as many as the picture has points. The least and the greatest of all stay; every point drawn is
a sample. Samples that are Bad or have no number are gaps: of each run of them the first is kept, so that no line is
drawn across.
"""

# ruff: noqa: S608 the pieces are constants; every value is a parameter

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from tsdownsample import LTTBDownsampler, MinMaxLTTBDownsampler

from penstock.platform.historian.scene import BAD, Bools, Ints, Series

BUCKETS_PER_POINT = 2
"""Buckets of a least and a greatest sample for each point drawn: the ratio of 4 that MinMaxLTTB's authors advise."""
LARGEST_TRIANGLES: Any = LTTBDownsampler
MIN_MAX_THEN_TRIANGLES: Any = MinMaxLTTBDownsampler
GAPS_SHARE = 4
"""Gaps take at most this part of the points."""


@dataclass(frozen=True, slots=True)
class Plot:
    """Hold the samples to draw, in order, and how many there are in the span."""

    series: Series
    drawn: Bools
    samples: int


def thin(series: Series, points: int, *, samples: int | None = None, picked: bool = False) -> Plot:
    """Pick at most `points` samples; `picked`: they are extremes of buckets already."""
    drawable = (series.status >> np.uint32(30) < BAD) & np.isfinite(series.value)
    gaps = _gaps(drawable, points // GAPS_SHARE)
    places = np.flatnonzero(drawable)
    room = max(points - len(gaps) - 2, 3)
    if len(places) > room + 2:
        value = series.value[places]
        ends = places[[int(value.argmin()), int(value.argmax())]]
        sampler = LARGEST_TRIANGLES() if picked else MIN_MAX_THEN_TRIANGLES()
        time = series.time[places]
        found = sampler.downsample(time - time[0], np.ascontiguousarray(value), n_out=room)
        places = np.union1d(places[found.astype(np.int64)], ends)
    kept = np.union1d(places, gaps)
    chosen = Series(series.time[kept], series.status[kept], series.value[kept])
    return Plot(chosen, drawable[kept], len(series.time) if samples is None else samples)


def _gaps(drawable: Bools, limit: int) -> Ints:
    """Give the first of each run of samples that cannot be drawn; when there are too many, some of them."""
    begins = ~drawable
    begins[1:] &= drawable[:-1]
    places = np.flatnonzero(begins)
    if len(places) <= limit:
        return places
    return places[np.linspace(0, len(places) - 1, max(limit, 1)).astype(np.int64)]


def of_extremes(found: pa.Table) -> Series:
    """Make a series of buckets' least, greatest and first undrawable samples (EXTREMES)."""
    parts = [pa.table({"time": [], "status": [], "value": []}, schema=_PART)]
    for name in ("least", "greatest", "gap"):
        column = found[name].combine_chunks()
        kept = column.filter(column.is_valid())
        parts.append(pa.table([kept.field(field.name) for field in _PART], schema=_PART))
    table = pa.concat_tables(parts).combine_chunks()
    time: Ints = table["time"].to_numpy().astype(np.int64, copy=False)
    value = table["value"].to_numpy().astype(np.float64, copy=False)
    _, first = np.unique(time, return_index=True)
    return Series(time[first], table["status"].to_numpy().astype(np.uint32)[first], value[first])


_PART = pa.schema([("time", pa.int64()), ("status", pa.uint32()), ("value", pa.float64())])
_ROW = "{'time': time, 'status': status, 'value': value}"
_DRAWN = "status < 2147483648 AND isfinite(value)"
EXTREMES = (
    f"SELECT arg_min({_ROW}, value) FILTER (WHERE {_DRAWN}) AS least, "
    f"arg_max({_ROW}, value) FILTER (WHERE {_DRAWN}) AS greatest, "
    f"arg_min({_ROW}, time) FILTER (WHERE NOT coalesce({_DRAWN}, false)) AS gap "
    "FROM ({rows}) GROUP BY (time - $start) // $width"
)
"""Of rows (time, status, value) the extremes per bucket of time."""
