"""A door that is quicker than the sealer: bounded, nothing lost; and a sealer that fails holds nobody up."""

import logging
import threading
from pathlib import Path

import pytest

from penstock.platform.historian.errors import NotNow
from penstock.platform.historian.service import Historian
from tests.builders.edge import eventually
from tests.builders.historian import EPOCH, NOON_NS, batch_of

pytestmark = pytest.mark.integration
ALWAYS = (-(2**62), 2**62)
ROWS, FULL_MAX = 10, 3


async def append(historian: Historian, seq: int) -> bool:
    """Append a batch that fills a generation; say whether it was taken."""
    rows = [(1, NOON_NS + seq * 100 + k, 0, float(k)) for k in range(ROWS)]
    refused = None
    try:
        await historian.append([batch_of(rows, seq=seq)])
    except NotNow as error:
        refused = error
    assert refused is None or (refused.after_ms >= 1000 and "wait for their seal" in refused.message)
    return refused is None


async def test_a_slow_sealer_makes_the_door_wait_and_nothing_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    may_seal = threading.Semaphore(0)
    historian = Historian(
        tmp_path / "h",
        generation_rows=ROWS,
        full_max=FULL_MAX,
        sealing_step=lambda step: None if step != "written" else _ignore(may_seal.acquire(timeout=30)),
    )
    await historian.start()
    last, refused, most = 0, 0, 0.0
    while last < 40:
        if await append(historian, last + 1):
            last += 1
        else:  # as a gateway: keep it, and send it again
            refused += 1
            may_seal.release()
            sealed = historian.counters()["seals"]
            await eventually(lambda sealed=sealed: historian.counters()["seals"] > sealed)  # type: ignore[misc]
        most = max(most, historian.counters()["generations"])
    assert most <= FULL_MAX + 3, "full ones, the one that went over the bound, and the one that is filled"
    assert refused
    assert historian.counters()["refused_unsealed"] == refused
    for _ in range(100):
        may_seal.release()
    assert await historian.wait_sealed()
    assert historian.watermark("gtw_a", EPOCH).watermark == 40
    assert (await historian.range([1], *ALWAYS, limit=10_000)).num_rows == 40 * ROWS
    told = [record.getMessage() for record in caplog.records if "wait for their seal" in record.getMessage()]
    assert len(told) % 2 == 0
    assert all("ingest waits" in line for line in told[::2])
    assert all("ingest goes on" in line for line in told[1::2])
    assert len(told) < refused * 2, "not a line for each refusal"
    await historian.stop()


def _ignore(_: object) -> None:
    return None


async def test_a_sealer_that_fails_does_not_stop_ingest_and_goes_on_when_it_can(tmp_path: Path) -> None:
    is_broken = True

    def step(name: str) -> None:
        if is_broken and name == "written":
            raise OSError(5, "Input/output error")

    historian = Historian(tmp_path / "h", generation_rows=ROWS, full_max=FULL_MAX, sealing_step=step)
    await historian.start()
    for seq in range(1, 31):
        failures = historian.counters()["seal_failures"]
        assert await append(historian, seq)
        await eventually(lambda failures=failures: historian.counters()["seal_failures"] > failures)  # type: ignore[misc]
    assert historian.counters()["generations"] == 31
    assert historian.counters()["refused_unsealed"] == 0
    is_broken = False
    seq = 31
    while seq <= 60:
        seq += await append(historian, seq)
        assert historian.counters()["generations"] <= 31 + FULL_MAX + 3, "what had gathered is the bound, and no more"
    assert await historian.wait_sealed()
    assert (await historian.range([1], *ALWAYS, limit=100_000)).num_rows == (seq - 1) * ROWS
    await historian.stop()


async def test_sealer_outlives_files_that_are_closed_under_it(tmp_path: Path) -> None:
    """After a failed write the committer closes all files, and may fail to open them again: then nothing is open."""
    seals = 0

    def step(name: str) -> None:
        nonlocal seals
        seals += name == "begun"
        if name == "begun" and seals == 1:
            historian._engine.close()
            raise OSError(28, "No space left on device")

    historian = Historian(tmp_path / "h", generation_rows=ROWS, sealing_step=step)
    await historian.start()
    assert await append(historian, 1)
    await eventually(lambda: historian.counters()["seal_failures"] == 1)
    historian._sealer.wake()  # a round with nothing open
    await eventually(lambda: historian.counters()["seal_failures"] == 2)
    historian._engine.reopen()
    historian._sealer.wake()
    assert await historian.wait_sealed()
    assert (await historian.range([1], *ALWAYS, limit=100)).num_rows == ROWS
    await historian.stop()
