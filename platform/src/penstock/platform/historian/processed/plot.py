"""Fewer points for a picture: which samples to draw so that the line looks as if all were drawn.

Theory of operation. MinMaxLTTB: buckets of equal time give their least and greatest sample, of these the rule of the
largest triangles picks as many as the picture has points. The least and the greatest of all stay; every point drawn is
a sample. Samples that are Bad or have no number are gaps: of each run of them the first is kept, so that no line is
drawn across. Buckets of about a quarter of an hour and longer are whole quarters of UTC, so that summaries tell them.
"""

# ruff: noqa: S608 the pieces are constants; every value is a parameter

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from tsdownsample import LTTBDownsampler, MinMaxLTTBDownsampler

from penstock.platform.historian.period import PERIOD_NS
from penstock.platform.historian.processed.blocks import Blocks
from penstock.platform.historian.processed.scene import BAD
from penstock.platform.historian.processed.series import Bools, Ints, Series, chained, firsts

BUCKETS_PER_POINT = 2
"""Buckets of a least and a greatest sample for each point drawn: the ratio of 4 that MinMaxLTTB's authors advise."""
LARGEST_TRIANGLES: Any = LTTBDownsampler
MIN_MAX_THEN_TRIANGLES: Any = MinMaxLTTBDownsampler
GAPS_SHARE = 4
"""Gaps take at most this part of the points."""


PLOT_COLUMNS = tuple(f"{end}_{name}" for end in ("low", "high") for name in ("time", "status", "value"))
"""What a plot needs of summaries."""


@dataclass(frozen=True, slots=True)
class Plot:
    """Hold the samples to draw, in order, and how many there are in the span."""

    series: Series
    drawn: Bools
    samples: int


def thin(series: Series, points: int, *, samples: int | None = None, picked: bool = False) -> Plot:
    """Pick at most `points` samples; `picked`: they are extremes of buckets already."""
    drawn = drawable(series)
    gaps = _gaps(drawn, points // GAPS_SHARE)
    places = np.flatnonzero(drawn)
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
    return Plot(chosen, drawn[kept], len(series.time) if samples is None else samples)


def _gaps(drawn: Bools, limit: int) -> Ints:
    """Give the first of each run of samples that cannot be drawn; when there are too many, some of them."""
    begins = ~drawn
    begins[1:] &= drawn[:-1]
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


def bucket_ns(start_ns: int, end_ns: int, points: int) -> int:
    """Give the length of a bucket; from half a period on whole periods, for summaries to stand for their samples."""
    length = max((end_ns - start_ns) // (points * BUCKETS_PER_POINT), 1)
    if length < PERIOD_NS // 2:
        return length
    return max(round(length / PERIOD_NS), 1) * PERIOD_NS


def first_bucket(low_ns: int, start_ns: int, length_ns: int) -> int:
    """Give where the bucket of a time begins: they follow from the start, or from the quarter of an hour it is in."""
    start = start_ns // PERIOD_NS * PERIOD_NS if length_ns % PERIOD_NS == 0 else start_ns
    return start + (low_ns - start) // length_ns * length_ns


def extremes_of(samples: Series, blocks: Blocks, origin_ns: int, length_ns: int) -> Series:
    """Give buckets' least, greatest and first undrawable samples, as EXTREMES does, of samples and blocks."""
    drawn = drawable(samples)
    usable = blocks["severity"] < BAD
    low, high = blocks.where(usable).points("low"), blocks.where(usable).points("high")
    gaps = blocks.where(~usable).points("first")
    parts = (
        (chained(samples.where(drawn), low), 1),
        (chained(samples.where(drawn), high), -1),
        (chained(samples.where(~drawn), gaps), 0),
    )
    picked = []
    for series, sign in parts:
        bucket = (series.time - origin_ns) // length_ns
        order = np.lexsort((series.time, np.nan_to_num(sign * series.value) if sign else series.time, bucket))
        picked.append(series.where(order[firsts(bucket[order])]))
    found = chained(*picked)
    return found.where(np.unique(found.time, return_index=True)[1])


def drawable(series: Series) -> Bools:
    """Mark samples that a line can be drawn to."""
    found: Bools = (series.status >> np.uint32(30) < BAD) & np.isfinite(series.value)
    return found


_PART = pa.schema([("time", pa.int64()), ("status", pa.uint32()), ("value", pa.float64())])
_ROW = "{'time': time, 'status': status, 'value': value}"
_DRAWN = "status < 2147483648 AND isfinite(value)"
EXTREMES = (
    f"SELECT arg_min({_ROW}, value) FILTER (WHERE {_DRAWN}) AS least, "
    f"arg_max({_ROW}, value) FILTER (WHERE {_DRAWN}) AS greatest, "
    f"arg_min({_ROW}, time) FILTER (WHERE NOT coalesce({_DRAWN}, false)) AS gap "
    "FROM ({rows}) GROUP BY (time - $origin) // $width"
)
"""Of rows (time, status, value) the extremes per bucket of time."""
