"""Answers out of summaries are those out of samples, whatever lies in which file."""

import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.aggregate import Aggregate, AggregateSettings
from penstock.core.windows import windows
from penstock.platform.historian.processed.aggregates import Summary
from penstock.platform.historian.processed.blocks import BY_PARTS, BY_PURE_PARTS
from penstock.platform.historian.reading import gather as gathering
from penstock.platform.historian.reading import reader as reading
from penstock.platform.historian.service import Historian
from tests.builders.historian import NOON_NS, SECOND_NS, Sample, batch_of

pytestmark = pytest.mark.integration
HOUR = 3600 * SECOND_NS
BEGIN = NOON_NS // HOUR * HOUR
TAGS = (1, 2, 3, 4, 5, 6)
"""Good; with Bad and Uncertain ones; integers; with equal times; one sample in ten minutes; nothing but late ones."""
WANTED = sorted(BY_PARTS | BY_PURE_PARTS)


def history(rng: random.Random) -> list[list[Sample]]:
    """Make batches of a quarter of an hour each, some of them late, some with samples long before."""
    batches = []
    for quarter in range(46):
        rows: list[Sample] = []
        for second in range(0, 900, 15):
            at = BEGIN + quarter * 900 * SECOND_NS + second * SECOND_NS + rng.randrange(3) * SECOND_NS
            rows.append((1, at, 0, round(rng.uniform(-5, 5), 2)))
            status = rng.choice((0, 0x4000_0000, 0x8031_0000)) if quarter % 3 == 0 else 0
            rows.append((2, at, status, rng.choice((1.0, 2.0, float("nan"))) if status else rng.random()))
            rows.append((3, at + 1, 0, rng.randrange(100)))
            rows.append((4, at, 0, rng.random()))
            if rng.random() < 0.002:
                rows.append((4, at, 0, rng.random()))
            if second % 600 == 0:
                rows.append((5, at, 0, rng.random()))
        if quarter % 9 == 4:
            late = BEGIN + rng.randrange(quarter) * 900 * SECOND_NS
            rows += [(tag, late + rng.randrange(900 * SECOND_NS), 0, 3.0) for tag in (1, 3, 6)]
        batches.append(rows)
    for place in (7, 20, 21):
        batches[place], batches[place + 3] = batches[place + 3], batches[place]
    return batches


@pytest.fixture
async def historian(tmp_path: Path) -> AsyncIterator[Historian]:
    """Runs, merged ones among them, and hot files; the newest hours are hot."""
    historian = Historian(tmp_path / "h", generation_rows=1000, now_ns=lambda: NOON_NS)
    await historian.start()
    for seq, rows in enumerate(history(random.Random(3)), start=1):
        await historian.append([batch_of(rows, seq=seq)])
    rng = random.Random(4)
    late = [BEGIN + rng.randrange(38) * 900 * SECOND_NS + rng.randrange(900 * SECOND_NS) for _ in range(12)]
    await historian.append([batch_of([(tag, at, 0, 7.0) for at in late for tag in (1, 3)], seq=99)])
    assert await historian.wait_sealed()
    assert historian._engine.generations[0].extent.time_min < BEGIN + 38 * 900 * SECOND_NS
    assert len(historian._engine.runs) >= 2
    yield historian
    await historian.stop()


def assert_alike(found: Summary, expected: Summary, said: object) -> None:
    assert found.status.tolist() == expected.status.tolist(), said
    for name, column in expected.columns.items():
        one = found.columns[name]
        for part in ("status", "time", "present"):
            assert getattr(one, part).tolist() == getattr(column, part).tolist(), (name, part, said)
        assert np.allclose(one.value[one.present], column.value[column.present], rtol=1e-9, atol=1e-9), (name, said)


async def asked(
    historian: Historian, tags: Sequence[int], span: tuple[int, int], interval: str, settings: AggregateSettings
) -> dict[int, Summary]:
    over = windows(*span, interval, "UTC")
    wanted = sorted(BY_PARTS) if settings.stepped else WANTED
    return await historian.aggregate_many(dict.fromkeys(tags, settings), over, wanted)


async def compare_both_ways(
    historian: Historian, monkeypatch: pytest.MonkeyPatch, question: tuple[Any, ...], said: object
) -> int:
    """Ask with and without summaries; give how many blocks served."""
    took = 0

    def counted(*args: Any) -> Any:
        nonlocal took
        found = gathering.gather(*args)
        took += len(found.blocks) if found else 0
        return found

    with monkeypatch.context() as told:
        told.setattr(reading, "gather", counted)
        found = await asked(historian, *question)
    with monkeypatch.context() as never:
        never.setattr(reading, "gather", lambda *_: None)
        expected = await asked(historian, *question)
    for tag in question[0]:
        assert_alike(found[tag], expected[tag], (said, tag, question))
    return took


async def test_summaries_answer_as_samples_do(historian: Historian, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(5)
    took = 0
    for turn in range(25):
        tags = rng.sample(TAGS, k=rng.randrange(1, len(TAGS) + 1))
        start = BEGIN + rng.randrange(-4, 24) * 900 * SECOND_NS + rng.choice((0, 0, 1, 7 * SECOND_NS + 5))
        end = start + rng.randrange(6, 36) * 900 * SECOND_NS + rng.choice((0, 0, 11 * SECOND_NS))
        settings = AggregateSettings(
            stepped=rng.random() < 0.6,
            treat_uncertain_as_bad=rng.random() < 0.5,
            covered_until_ns=rng.choice((None, BEGIN + 5 * HOUR, NOON_NS + 48 * HOUR)),
        )
        question = (tags, (start, end), rng.choice(("15m", "1h", "2h", "1d")), settings)
        took += await compare_both_ways(historian, monkeypatch, question, turn)
    assert took > 800


def test_what_is_summed_up_is_what_part_13_names() -> None:
    assert BY_PARTS.isdisjoint(BY_PURE_PARTS)
    assert Aggregate.WORST_QUALITY not in BY_PARTS | BY_PURE_PARTS


async def test_a_plot_out_of_summaries_is_that_out_of_samples(
    historian: Historian, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PLOT_ROWS_MAX", 100)
    rng, told = random.Random(8), 0
    for turn in range(20):
        tag = rng.choice((1, 2, 3, 4))
        start = BEGIN + rng.randrange(8) * 900 * SECOND_NS + rng.choice((0, 1, 77 * SECOND_NS))
        end = start + rng.randrange(10, 40) * 900 * SECOND_NS + rng.choice((0, 13 * SECOND_NS))
        found = await historian.plot(tag, start, end, points=10)
        with monkeypatch.context() as never:
            never.setattr(reading, "gather", lambda *_: None)
            expected = await historian.plot(tag, start, end, points=10)
        assert found.samples == expected.samples, (turn, tag)
        drawn = [(plot.series.where(plot.drawn)) for plot in (found, expected)]
        if tag in (1, 4):  # values that are all different: the same samples are picked
            assert drawn[0].time.tolist() == drawn[1].time.tolist(), (turn, tag, start, end)
            assert drawn[0].value.tolist() == drawn[1].value.tolist()
        for best in (np.min, np.max):
            assert best(drawn[0].value) == best(drawn[1].value), (turn, tag)
        assert (~found.drawn).any() == (~expected.drawn).any()
        told += found.samples
    assert told > 10_000


async def test_too_many_summaries_together_are_read_tag_by_tag(
    historian: Historian, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = AggregateSettings(covered_until_ns=NOON_NS + 48 * HOUR)
    question = (TAGS, (BEGIN, BEGIN + 9 * HOUR), "1h", settings)
    expected = await asked(historian, *question)
    tags: list[int] = []

    def counted(*args: Any) -> object:
        found = gathering.gather(*args)
        tags.append(len(found.tags) if found else 0)
        return found

    monkeypatch.setattr(reading, "gather", counted)
    monkeypatch.setattr(gathering, "BLOCK_ROWS_MAX", 60)
    found = await asked(historian, *question)
    assert max(tags) == 1
    for tag in TAGS:
        assert_alike(found[tag], expected[tag], tag)


async def test_a_period_that_a_summary_tells_is_not_counted_against_the_limit(tmp_path: Path) -> None:
    """The span ends in a period behind its last sample, as one that ends now does: its samples are not needed."""
    historian = Historian(tmp_path / "h", generation_rows=5 * 900, now_ns=lambda: NOON_NS)
    await historian.start()
    times = [BEGIN + k * SECOND_NS for k in range(5 * 900 - 300)]
    await historian.append([batch_of([(1, at, 0, 1.0) for at in times] + [(2, BEGIN + k, 0, 1.0) for k in range(300)])])
    assert await historian.wait_sealed()
    over = windows(BEGIN, BEGIN + (5 * 900 - 100) * SECOND_NS, "1h")
    asked_for = {1: AggregateSettings(covered_until_ns=NOON_NS + HOUR)}
    found = historian._reader.aggregate_many(asked_for, over, [Aggregate.COUNT], 500)
    assert found[1].columns[Aggregate.COUNT].value.sum() == len(times)
    await historian.stop()
