"""Summaries and erasures: what was erased counts in no answer, whether samples are read, summaries, or what is left."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penstock.core.aggregate import AggregateSettings
from penstock.platform.historian.ports import Erasing
from penstock.platform.historian.reading import gather as gathering
from penstock.platform.historian.service import Historian
from tests.builders.historian import NOON_NS, SECOND_NS, batch_of
from tests.integration.platform_historian.test_summaries import BEGIN, HOUR, compare_both_ways, history
from tests.integration.platform_historian.test_summary_retention import DAY_NS, filled, hours, opened

pytestmark = pytest.mark.integration
QUARTER = 900 * SECOND_NS
NEVER_REWRITTEN = 10**18


async def erase(historian: Historian, tag: int, start_ns: int, end_ns: int) -> int:
    key = f"{tag}-{start_ns}-{end_ns}-{historian.head()}"
    batch = batch_of([], key=key, writer="usr_a", arrival_ns=historian._now_ns())
    order = Erasing((tag,), start_ns, end_ns)
    return (await historian.append([replace(batch, deletes=order)])).outcomes[0].erased


@pytest.fixture
async def corrected(tmp_path: Path) -> AsyncIterator[Historian]:
    """Runs with summaries, of which hours, a few seconds and single samples were taken back or replaced."""
    historian = Historian(
        tmp_path / "h", generation_rows=1000, now_ns=lambda: NOON_NS, rewrite_after_ns=NEVER_REWRITTEN
    )
    await historian.start()
    for seq, rows in enumerate(history(random.Random(3)), start=1):
        await historian.append([batch_of(rows, seq=seq)])
    assert await historian.wait_sealed()
    assert await erase(historian, 1, BEGIN + 9 * QUARTER + 5 * SECOND_NS, BEGIN + 10 * QUARTER) > 50
    assert await erase(historian, 1, BEGIN + 20 * QUARTER, BEGIN + 20 * QUARTER + 30 * SECOND_NS) > 0
    assert await erase(historian, 2, BEGIN + 3 * QUARTER, BEGIN + 6 * QUARTER) > 100
    found = await historian.range([3], BEGIN + 12 * QUARTER, BEGIN + 16 * QUARTER, limit=1000)
    at = found["time"].to_pylist()[::7]
    other = batch_of([(3, time, 0, 1000 + k) for k, time in enumerate(at)], key="r", writer="app_a")
    assert (await historian.append([replace(other, replaces=True)])).outcomes[0].erased == len(at)
    yield historian
    await historian.stop()


async def compare(historian: Historian, monkeypatch: pytest.MonkeyPatch, turns: int) -> int:
    """Ask with and without summaries; give how many blocks served."""
    rng, took = random.Random(6), 0
    for turn in range(turns):
        tags = rng.sample((1, 2, 3), k=rng.randrange(1, 4))
        start = BEGIN + rng.randrange(-2, 10) * QUARTER + rng.choice((0, 1, 7 * SECOND_NS))
        end = start + rng.randrange(16, 40) * QUARTER
        question = (tags, (start, end), rng.choice(("15m", "1h")), AggregateSettings(stepped=rng.random() < 0.6))
        took += await compare_both_ways(historian, monkeypatch, question, turn)
    return took


async def test_summaries_answer_as_samples_do_where_samples_were_erased(
    corrected: Historian, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await compare(corrected, monkeypatch, 12) > 150


async def test_a_summary_that_is_trusted_though_samples_were_erased_is_caught(
    corrected: Historian, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "_erased_keys", lambda *_: np.zeros(0, np.int64))
    with pytest.raises(AssertionError):
        await compare(corrected, monkeypatch, 12)


async def test_a_run_that_is_written_again_is_summed_up_again(
    corrected: Historian, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrected._sealer._upkeep = replace(corrected._sealer._upkeep, rewrite_after_ns=0)
    corrected._sealer.wake()
    assert await corrected.wait_sealed()
    assert corrected.counters()["rewritten_runs"] > 0
    assert not any(
        corrected._engine.views.current.erased([1, 2, 3], -(2**62), 2**62, source=run) for run in corrected._engine.runs
    )
    assert await compare(corrected, monkeypatch, 6) > 150


async def test_what_is_left_of_removed_samples_forgets_what_was_erased_before_and_after(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    await filled(folder)
    early = await opened(folder, NOON_NS + DAY_NS, [])
    whole = await hours(early)
    assert await erase(early, 1, BEGIN + HOUR, BEGIN + 2 * HOUR) == 720
    expected = await hours(early)
    assert expected[1][1] == [*whole[1][1][:1], 0.0, *whole[1][1][2:]], "counts"
    await early.stop()

    late = await opened(folder, NOON_NS + 40 * DAY_NS, [])  # the run is written again, then its summary kept
    assert await late.wait_sealed()
    assert late.counters()["rewritten_runs"] > 0
    assert late._engine.runs == []
    assert await hours(late) == expected
    assert await erase(late, 1, BEGIN + 2 * HOUR, BEGIN + 2 * HOUR + 600 * SECOND_NS) == 0, "no sample is left"
    assert await hours(late) == expected, "a quarter of an hour of which a part was erased stays"
    await erase(late, 1, BEGIN + 2 * HOUR + 600 * SECOND_NS, BEGIN + 3 * HOUR)
    counts = (await hours(late))[1][1]
    assert counts == [*whole[1][1][:1], 0.0, 0.0, *whole[1][1][3:]]
    assert (await hours(late))[2] == expected[2], "another tag"
    await late.stop()

    again = await opened(folder, NOON_NS + 50 * DAY_NS, [])
    assert await again.wait_sealed()
    assert (await hours(again))[1][1] == counts, "as long as the summary is there its erasures are"
    await again.stop()
    last = await opened(folder, NOON_NS + 80 * DAY_NS, [])
    assert await last.wait_sealed()
    assert last._engine.kept == []
    await last.stop()
