"""The same samples on two ways: in order, and as a bad network brings them; then random questions about them.

No tag has two samples at one time, so every answer but positions is settled by the samples alone. Tags share times, as
those of one scan do: where several tags are asked, rows of one time may stand in either order.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from penstock.core.aggregate import Aggregate, AggregateSettings
from penstock.core.windows import Window, windows
from penstock.platform.historian.ports import ROWS, RowKey, Table, WriterBatch
from penstock.platform.historian.processed.columns_by_count import Column
from penstock.platform.historian.service import Historian
from tests.builders.historian import NOON_NS, SECOND_NS, batch_of

TAGS = range(1, 13)
"""A quarter each of floats, integers, booleans and texts."""
SPAN_NS = 6 * 3600 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS
LATE_SHARE, COPIED_SHARE, RESENT_SHARE = 0.1, 0.05, 0.1
STATUSES = np.array([0, 0, 0, 0, 0, 0, 0x4000_0000, 0x8031_0000], np.uint32)
WORDS = pa.array(["open", "shut", "läuft", ""])
PAGES_MAX = 3
END_NS = NOON_NS + SPAN_NS


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Hold the batches in the order in which they come; `copies` of their rows are equal to a row of another batch."""

    batches: Sequence[WriterBatch]
    rows: int
    copies: int = 0
    late: int = 0


def plant_samples(rng: np.random.Generator, rows: int) -> Table:
    """Make rows of all tags over six hours, by time; a scan reads some of the tags, one sample of a tag at a time."""
    scans = np.sort(rng.choice(SPAN_NS // 1_000_000, max(rows // 4, 1), replace=False)) * 1_000_000 + NOON_NS
    read = rng.random((len(scans), len(TAGS))) < 4 / len(TAGS)
    scan, place = np.nonzero(read)
    tag, n = place + TAGS[0], len(place)
    kind, bare = tag % 4, rng.random(n) < 0.02
    floats = np.where(rng.random(n) < 0.01, np.nan, np.round(rng.normal(20, 5, n), 2))
    columns = [
        pa.array(floats, mask=(kind != 0) | bare, from_pandas=False),
        pa.array(rng.integers(-3, 2**40, n), mask=(kind != 1) | bare),
        pa.array(rng.random(n) < 0.5, mask=(kind != 2) | bare),
        pc.if_else(pa.array((kind == 3) & ~bare), WORDS.take(pa.array(rng.integers(0, len(WORDS), n))), None),
    ]
    return pa.table([tag, scans[scan], rng.choice(STATUSES, n), *columns], schema=ROWS)


def in_order(samples: Table, rows: int) -> Arrivals:
    """Cut the samples into batches as they were made, each there a little after its newest sample."""
    arrival = samples["time"].to_numpy() + SECOND_NS // 5
    return Arrivals(_batches(samples, arrival, rows), samples.num_rows)


def out_of_order(samples: Table, rows: int, chance: random.Random, reach: int) -> Arrivals:
    """Let a tenth of the samples come an hour late, some twice in other batches; shuffle the batches, repeat some.

    A batch moves by at most `reach` places; a repeated one follows its first in one group, or comes somewhere later.
    """
    rng = np.random.default_rng(chance.randrange(2**63))
    late = rng.random(samples.num_rows) < LATE_SHARE
    copied = np.flatnonzero(rng.random(samples.num_rows) < COPIED_SHARE)
    again = rng.integers(0, 2 * HOUR_NS, len(copied))
    time = samples["time"].to_numpy()
    arrival = np.concatenate([time + np.where(late, HOUR_NS, SECOND_NS // 5), time[copied] + again])
    both = pa.concat_tables([samples, samples.take(pa.array(copied))])
    order = np.argsort(arrival, kind="stable")
    batches = _batches(both.take(pa.array(order)), arrival[order], rows)
    places = [number + chance.uniform(0, reach) for number in range(len(batches))]
    coming = list(zip(places, batches, strict=True))
    for place, batch in chance.sample(coming, k=round(RESENT_SHARE * len(coming))):
        coming.append((place + chance.choice((0.0, chance.uniform(0, len(batches)))), batch))
    coming.sort(key=lambda each: each[0])
    return Arrivals([batch for _, batch in coming], samples.num_rows, len(copied), int(late.sum()))


def _batches(samples: Table, arrival: NDArray[np.int64], rows: int) -> list[WriterBatch]:
    return [
        batch_of(
            samples.slice(start, rows),
            seq=start // rows + 1,
            crc=start,
            arrival_ns=int(arrival[start : start + rows].max()),
        )
        for start in range(0, samples.num_rows, rows)
    ]


async def deliver(historian: Historian, arrivals: Arrivals, chance: random.Random, *, seal_every: int) -> None:
    """Append in small groups; after every `seal_every` batches wait until all that is full is sealed and merged."""
    at, sealed = 0, 0
    while at < len(arrivals.batches):
        group = arrivals.batches[at : at + chance.randint(1, 5)]
        await historian.append(group)
        at += len(group)
        if at - sealed >= seal_every:
            sealed = at
            assert await historian.wait_sealed()


async def differences(one: Historian, other: Historian, chance: random.Random, questions: int) -> list[tuple[int, str]]:
    """Ask both the same random questions; give number and kind of those with different answers."""
    found = []
    for number in range(questions):
        kind, ask = chance.choice(QUESTIONS)
        state = chance.getstate()
        answer = await ask(one, chance)
        chance.setstate(state)
        if not same(answer, await ask(other, chance)):
            found.append((number, kind))
    return found


Answer = list[NDArray[np.generic]]


def same(one: Answer, other: Answer) -> bool:
    """Compare column by column: whole numbers and texts exactly, computed floats to 9 digits."""
    return len(one) == len(other) and all(_same(*pair) for pair in zip(one, other, strict=True))


def _same(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype == np.float64:
        return bool(np.allclose(one, other, rtol=1e-9, atol=1e-9, equal_nan=True))
    return bool((one == other).all())


async def _raw(historian: Historian, chance: random.Random) -> Answer:
    """Some pages of one tag, in either direction, each read on from the last row of the one before."""
    tag, (start, end) = chance.choice(TAGS), _span(chance)
    limit, descending = chance.choice((1, 7, 300, 10**6)), chance.random() < 0.5
    after: RowKey | None = None
    answer: Answer = []
    for _ in range(PAGES_MAX):
        rows = await historian.range([tag], start, end, after=after, limit=limit, descending=descending)
        answer += _columns(rows)
        if rows.num_rows < limit:
            break
        last = rows.slice(rows.num_rows - 1).to_pylist()[0]
        after = RowKey(last["time"], last["position"], last["row"])
    return answer


async def _raw_of_many(historian: Historian, chance: random.Random) -> Answer:
    (start, end), tags = _span(chance), _some_tags(chance)
    rows = await historian.range(tags, start, end, limit=10**7)
    assert pc.all(pc.greater_equal(rows["time"][1:], rows["time"][:-1])).as_py() is not False, "rows not by time"
    return _columns(rows.sort_by([("time", "ascending"), ("tag", "ascending")]))


async def _latest(historian: Historian, chance: random.Random) -> Answer:
    return _columns(historian.latest_table(_some_tags(chance)))


async def _aggregates(historian: Historian, chance: random.Random) -> Answer:
    tag, (over, wanted) = chance.choice(TAGS), _windows(chance)
    found = await historian.aggregate(tag, over, wanted, settings=_settings(chance, tag))
    return [found.status, *(part for column in found.columns.values() for part in _parts(column))]


async def _aggregates_of_many(historian: Historian, chance: random.Random) -> Answer:
    (over, wanted), tags = _windows(chance), _some_tags(chance)
    settings = {tag: _settings(chance, tag) for tag in tags}
    found = await historian.aggregate_many(settings, over, wanted)
    answer: Answer = [np.array(list(found))]
    for summary in found.values():
        answer += [summary.status, *(part for column in summary.columns.values() for part in _parts(column))]
    return answer


async def _at_times(historian: Historian, chance: random.Random) -> Answer:
    tag, (start, end) = chance.choice(TAGS), _span(chance)
    times = np.unique(np.array([chance.randrange(start, end) for _ in range(chance.randint(1, 50))], np.int64))
    return _parts(await historian.at_times(tag, times, settings=_settings(chance, tag), simple=chance.random() < 0.3))


async def _plot(historian: Historian, chance: random.Random) -> Answer:
    tag, (start, end) = chance.choice(TAGS), _span(chance)
    plot = await historian.plot(tag, start, end, points=chance.choice((10, 100, 1000)))
    series = plot.series
    return [series.time, series.status, series.value, plot.drawn, np.array([plot.samples])]


QUESTIONS = (
    ("raw", _raw),
    ("raw of many tags", _raw_of_many),
    ("latest", _latest),
    ("aggregates", _aggregates),
    ("aggregates of many tags", _aggregates_of_many),
    ("interpolated", _at_times),
    ("plot", _plot),
)


def _span(chance: random.Random) -> tuple[int, int]:
    """Give a span that may begin before the samples and end after them."""
    start = NOON_NS + chance.randrange(-HOUR_NS // 2, SPAN_NS)
    return start, start + chance.choice((SECOND_NS, 60 * SECOND_NS, HOUR_NS, HOUR_NS, SPAN_NS)) + chance.randrange(
        SECOND_NS
    )


def _some_tags(chance: random.Random) -> list[int]:
    return chance.sample(list(TAGS), k=chance.randint(1, len(TAGS)))


def _windows(chance: random.Random) -> tuple[list[Window], list[Aggregate]]:
    start, end = _span(chance)
    fine = ("1s", "7s") if end - start < 2 * HOUR_NS else ("7m",)
    return windows(start, end, chance.choice(("1m", "13m", "1h", "1d", *fine))), chance.sample(list(Aggregate), k=6)


def _settings(chance: random.Random, tag: int) -> AggregateSettings:
    plain = AggregateSettings(stepped=tag % 4 > 1, textual=tag % 4 == 3, covered_until_ns=chance.choice((None, END_NS)))
    return replace(
        plain,
        treat_uncertain_as_bad=chance.random() < 0.5,
        use_sloped_extrapolation=chance.random() < 0.3,
        percent_data_good=chance.choice((100.0, 60.0)),
        percent_data_bad=chance.choice((100.0, 60.0)),
    )


def _parts(column: Column) -> Answer:
    return [np.where(column.present, column.value, np.nan), column.present, column.status, column.time]


def _columns(rows: Table) -> Answer:
    """Give tag, time, status and value of rows, floats by their bits."""
    plain = [rows[name].to_numpy() for name in ("tag", "time", "status")]
    floats = rows["vf"].combine_chunks()
    bits = floats.fill_null(0.0).to_numpy(zero_copy_only=False).view(np.int64)
    values = [rows[name].to_numpy(zero_copy_only=False) for name in ("vi", "vb", "vs")]
    return [*plain, bits, floats.is_null().to_numpy(zero_copy_only=False), *(each.astype(str) for each in values)]
