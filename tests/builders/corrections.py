"""Random lives of a historian that corrects, beside a plain dictionary that says what must be there."""

import random
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core.aggregate import Aggregate, AggregateSettings
from penstock.core.windows import Window
from penstock.platform.historian.erasures import Entries
from penstock.platform.historian.ports import CLOCK_SKEW_MAX_NS, Erasing, RowKey, Table
from penstock.platform.historian.processed.aggregates import summarise, wants_more
from penstock.platform.historian.processed.scene import scene_of
from penstock.platform.historian.processed.series import Series, one_lane
from penstock.platform.historian.service import Historian
from tests.builders.historian import NOON_NS, SECOND_NS, Sample, batch_of
from tests.builders.sealing import since_files

TAGS = (1, 2, 3, 5)
MOMENTS = 40
"""So few times that samples meet."""
ALWAYS = (-(2**62), 2**62)
Row = tuple[int, int, int, str, int, int]
"""(tag, time, status, value to the bit, position, row)"""


@dataclass(frozen=True, slots=True)
class Life:
    """What befalls a historian."""

    seed: int
    steps: int = 24
    generation_rows: int = 60
    rewrite_after_ns: int = 0
    asked: float = 0.4
    """After which share of the steps everything is asked."""


class Model:
    """What is visible, by (tag, time): the whole truth in a dictionary of lists."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], list[Row]] = {}
        self.arrival_ns: dict[int, int] = {}

    def ingest(self, samples: list[Sample], position: int) -> tuple[int, int]:
        """Store what is not there; give how many were stored and how many were there."""
        stored = 0
        for place, sample in enumerate(samples):
            there = self.rows.setdefault(sample[:2], [])
            row = (*sample[:3], shown(sample[3]), position, place)
            if row[:4] not in [each[:4] for each in there]:
                there.append(row)
                stored += 1
        return stored, len(samples) - stored

    def replace(self, samples: list[Sample], position: int) -> tuple[int, int]:
        """Put samples in the place of others; give how many were stored and how many went."""
        come = Model()
        come.ingest(samples, position)
        stored = gone = 0
        for key, rows in come.rows.items():
            there = self.rows.get(key, [])
            if {row[:4] for row in rows} != {row[:4] for row in there}:
                gone += len(there)
                stored += len(rows)
                self.rows[key] = rows
        return stored, gone

    def delete(self, tags: tuple[int, ...], start_ns: int, end_ns: int) -> int:
        """Take samples out; give how many went."""
        gone = [key for key in self.rows if key[0] in tags and start_ns <= key[1] < end_ns]
        return sum(len(self.rows.pop(key)) for key in gone)

    def all(self, tags: tuple[int, ...] = TAGS, start_ns: int = ALWAYS[0], end_ns: int = ALWAYS[1]) -> list[Row]:
        """Give what is visible by (time, position, row)."""
        found = [
            row for (tag, at), rows in self.rows.items() if tag in tags and start_ns <= at < end_ns for row in rows
        ]
        return sorted(found, key=lambda row: (row[1], row[4], row[5]))

    def latest(self, tag: int) -> Row | None:
        """Give the newest that is not stamped ahead of its arrival."""
        return max(
            (row for row in self.all((tag,)) if row[1] <= self.arrival_ns[row[4]] + CLOCK_SKEW_MAX_NS),
            key=lambda row: (row[1], row[4], row[5]),
            default=None,
        )


class Follower:
    """Holds what a follower of commits has taken, corrected by the erasures that it was told of."""

    def __init__(self) -> None:
        self.position = 0
        self.rows: list[Row] = []

    def take(self, rows: list[Row], erasures: Entries, position: int) -> None:
        """Take a page: first what was erased, then what came; each by its position."""
        for at, tag, start, end, _ in zip(*(column.tolist() for column in erasures), strict=True):
            self.rows = [row for row in self.rows if not (row[0] == tag and start <= row[1] < end and row[4] < at)]
        self.rows += rows
        self.position = position


class Wrong(AssertionError):
    """The historian and the model tell different things."""


async def live(folder: Path, life: Life) -> None:
    """Let a historian live; raise Wrong as soon as it tells something else than the model."""
    random_ = random.Random(life.seed)
    model, follower = Model(), Follower()
    historian = await opened(folder, life)
    try:
        for step in range(1, life.steps + 1):
            historian = await _step(historian, folder, life, random_, model=model, seq=step)
            if random_.random() < 0.5:
                await _follow(historian, follower, random_)
            if random_.random() < life.asked or step == life.steps:
                await _compare(historian, model, random_)
        await _follow(historian, follower, random_, whole=True)
        _same("follower", sorted(follower.rows), sorted(model.all()))
    finally:
        await historian.stop()


async def opened(folder: Path, life: Life) -> Historian:
    """Start the historian of a life."""
    historian = Historian(
        folder,
        generation_rows=life.generation_rows,
        now_ns=lambda: NOON_NS,
        rewrite_after_ns=life.rewrite_after_ns,
    )
    await historian.start()
    return historian


async def _step(
    historian: Historian, folder: Path, life: Life, random_: random.Random, *, model: Model, seq: int
) -> Historian:
    arrival_ns = NOON_NS + random_.randrange(-200, 20) * SECOND_NS
    match random_.choices(("ingest", "replace", "delete", "seal", "restart"), (8, 4, 4, 3, 2))[0]:
        case "ingest":
            samples = _samples(random_, 30)
            outcome = (await historian.append([batch_of(samples, seq=seq, arrival_ns=arrival_ns)])).outcomes[0]
            model.arrival_ns[outcome.position] = arrival_ns
            _same("stored, duplicates", outcome[2:4], model.ingest(samples, outcome.position))
        case "replace":
            samples = _series(random_) if random_.random() < 0.5 else _samples(random_, 12)
            batch = batch_of(samples, key=f"key-{seq}", writer="app_a", arrival_ns=arrival_ns)
            outcome = (await historian.append([replace(batch, replaces=True)])).outcomes[0]
            model.arrival_ns[outcome.position] = arrival_ns
            _same("stored, erased", (outcome.stored, outcome.erased), model.replace(samples, outcome.position))
        case "delete":
            order = _order(random_)
            batch = batch_of([], key=f"key-{seq}", writer="usr_a", arrival_ns=arrival_ns)
            outcome = (await historian.append([replace(batch, deletes=order)])).outcomes[0]
            _same("erased", outcome.erased, model.delete(order.tags, order.start_ns, order.end_ns))
        case "seal":
            if not await historian.wait_sealed():
                message = "sealing does not end"
                raise Wrong(message)
        case "restart":
            await historian.stop()
            historian = await opened(folder, life)
    return historian


def _samples(random_: random.Random, count: int) -> list[Sample]:
    return [
        (
            random_.choice(TAGS),
            NOON_NS + random_.randrange(MOMENTS) * SECOND_NS,
            0,
            random_.choice((0.0, -0.0, 1.5, float("nan"), None)),
        )
        for _ in range(random_.randrange(1, count))
    ]


def _series(random_: random.Random) -> list[Sample]:
    """One tag at each of many moments: replaced spans are joined."""
    tag, value = random_.choice(TAGS), random_.choice((2.5, 3.5))
    moments = sorted(random_.sample(range(MOMENTS), random_.randrange(20, MOMENTS)))
    return [(tag, NOON_NS + moment * SECOND_NS, 0, value) for moment in moments]


def _order(random_: random.Random) -> Erasing:
    tags = tuple(random_.sample(TAGS, random_.randrange(1, 3)))
    if random_.random() < 0.25:
        return Erasing(tags, *ALWAYS)
    start_ns = NOON_NS + random_.randrange(MOMENTS) * SECOND_NS
    return Erasing(tags, start_ns, start_ns + random_.choice((1, SECOND_NS, 7 * SECOND_NS, 30 * SECOND_NS)))


async def _follow(historian: Historian, follower: Follower, random_: random.Random, *, whole: bool = False) -> None:
    """Read on where the follower is, from memory or from the files."""
    while whole or random_.random() < 0.7:
        if random_.random() < 0.5:
            page = await historian.since(follower.position, limit=20, tags=TAGS)
        else:
            page = await since_files(historian, follower.position, limit=20, tags=list(TAGS))
        follower.take(rows_shown(page.rows), page.erasures, page.position)
        if page.position >= page.head:
            return


async def _compare(historian: Historian, model: Model, random_: random.Random) -> None:
    """Ask everything that there is to ask."""
    _same("range", rows_shown(await historian.range(TAGS, *ALWAYS, limit=10**6)), model.all())
    _same("pages", await _paged(historian, descending=random_.random() < 0.5), model.all())
    for tag in TAGS:
        newest = historian.latest([tag])
        told = (newest[0].time, shown(newest[0].value), newest[0].position, newest[0].row) if newest else None
        row = model.latest(tag)
        _same(f"latest of {tag}", told, row and (row[1], *row[3:]))
    files = await since_files(historian, 0, tags=list(TAGS))
    _same("since", rows_shown(files.rows), sorted(model.all(), key=lambda row: row[4:]))
    await _compare_computed(historian, model, random_)


async def _compare_computed(historian: Historian, model: Model, random_: random.Random) -> None:
    start_ns = NOON_NS + random_.randrange(MOMENTS) * SECOND_NS
    windows = [Window(start_ns + 3 * k * SECOND_NS, start_ns + 3 * (k + 1) * SECOND_NS) for k in range(5)]
    tag = random_.choice(TAGS)
    many = await historian.aggregate_many(
        dict.fromkeys(TAGS, AggregateSettings()), windows, [Aggregate.COUNT, Aggregate.INTERPOLATIVE]
    )
    one = await historian.aggregate(
        tag, windows, [Aggregate.COUNT, Aggregate.INTERPOLATIVE], settings=AggregateSettings()
    )
    _same("aggregates of one and of many", repr(one), repr(many[tag]))
    fresh = await plain_aggregates(model, tag, windows)
    _same(f"aggregates of {tag}", repr(one), fresh)
    plot = await historian.plot(tag, windows[0].start_ns, windows[-1].end_ns, points=1000)
    _same("samples of a plot", plot.samples, len(model.all((tag,), windows[0].start_ns, windows[-1].end_ns)))


async def plain_aggregates(model: Model, tag: int, windows: list[Window]) -> str:
    """Compute from the model's rows what the historian computes from its own."""
    wanted = [Aggregate.COUNT, Aggregate.INTERPOLATIVE]
    low, high = windows[0].start_ns, windows[-1].end_ns

    def series(start_ns: int, end_ns: int) -> Series:
        rows = model.all((tag,))
        first = max((row[1] for row in rows if row[1] < start_ns), default=start_ns)
        last = min((row[1] for row in rows if row[1] >= end_ns), default=end_ns)
        mine = [row for row in rows if first <= row[1] <= last]
        values = [struct.unpack("<d", bytes.fromhex(row[3]))[0] if row[3] != "None" else float("nan") for row in mine]
        return Series(
            np.array([row[1] for row in mine], np.int64),
            np.array([row[2] for row in mine], np.uint32),
            np.array(values),
        )

    found = series(low, high)
    if wants_more(scene_of(one_lane(found), windows, AggregateSettings()), wanted).any():
        reach = max(window.end_ns - window.start_ns for window in windows)
        found = series(low - reach, high + reach)
    return repr(summarise(found, windows, wanted, AggregateSettings()))


async def _paged(historian: Historian, *, descending: bool) -> list[Row]:
    rows: list[Row] = []
    after = None
    while True:
        page = rows_shown(await historian.range(TAGS, *ALWAYS, after=after, limit=17, descending=descending))
        rows += page
        if len(page) < 17:
            return rows[::-1] if descending else rows
        after = RowKey(page[-1][1], *page[-1][4:])


def rows_shown(table: Table) -> list[Row]:
    """Give rows to compare, values to the bit."""
    names = ("tag", "time", "status", "vf", "position", "row")
    columns = [table[name].to_pylist() for name in names]
    columns[3] = [shown(value) for value in columns[3]]
    return list(zip(*columns, strict=True))


def shown(value: Any) -> str:
    """Show a value to the bit."""
    return "None" if value is None else struct.pack("<d", value).hex()


def _same(what: str, told: Any, expected: Any) -> None:
    if told != expected:
        message = f"{what}: the historian tells {told!r:.2000}, the model {expected!r:.2000}"
        raise Wrong(message)
