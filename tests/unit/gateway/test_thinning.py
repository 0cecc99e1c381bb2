"""What a deadband leaves out is counted on disk in the commit that stands for it, and told once a minute."""

import asyncio
from pathlib import Path

from penstock.core.batch import Record, Thinned, decode_batch
from penstock.core.frames import iter_frames
from penstock.core.reading import Reading
from penstock.core.status import BAD_NO_COMMUNICATION, GOOD
from penstock.gateway.journal.store import JournalStore
from penstock.gateway.journal.thinned import TAGS_PER_PAGE, ThinnedCounts
from penstock.gateway.thinning import TOLD_EACH_NS, Thinning
from tests.builders.core import make_columns
from tests.builders.edge import device_file
from tests.builders.journalled import EPOCH, Journalled

S = 1_000_000_000
T0 = 1_795_406_400 * S
PLC = device_file("""
version: 1
device: plc
connection: {driver: opcua, endpoint: 'opc.tcp://a:1', security: x}
tags:
  flow: {type: float64, source: {node: F}, deadband: {absolute: 0.5}}
  mode: {type: string, source: {node: M}}
""")


def flows(*rows: tuple[int, float]) -> list[Reading]:
    return [Reading("flow", T0 + at * S, GOOD, value) for at, value in rows]


async def put(gateway: Journalled, *rows: tuple[int, float]) -> None:
    """Hand readings over and wait for their receipt, as a driver does before it acknowledges."""
    await (await gateway.intake.put("plc", flows(*rows)))


def records(store: JournalStore) -> list[Record]:
    found: list[Record] = []
    for _, octets in store.frames(EPOCH, range(1, 100)):
        (frame,) = iter_frames(octets)
        found += decode_batch(frame.payload)[1]
    return found


async def test_thinned_samples_are_not_journalled_and_told_with_their_times(tmp_path: Path) -> None:
    gateway = Journalled(tmp_path / "j")
    async with gateway.running(PLC):
        await put(gateway, (1, 5.0), (2, 5.1), (3, 5.2))
        await put(gateway, (4, 5.3), (5, 6.0))
        gateway.intake.tell_thinned(now=True)
    samples, _ = gateway.read()
    assert [(s.time_ns - T0, s.value) for s in samples] == [(1 * S, 5.0), (5 * S, 6.0)]
    assert records(gateway.store) == [Thinned(0, T0 + 2 * S, T0 + 4 * S, 3, "deadband of 0.5")]
    assert not len(gateway.store.thinned().tag), "what is told is not told again"
    assert gateway.intake.thinning.count == 3


async def test_counts_are_on_disk_when_the_receipt_is_done_and_survive_a_kill(tmp_path: Path) -> None:
    gateway = Journalled(tmp_path / "j")
    async with gateway.running(PLC):
        await put(gateway, (1, 5.0))
        await put(gateway, (2, 5.1))
        await put(gateway, (3, 5.2))
    gateway.store.close()  # nothing was told: as after a kill
    again = Journalled(tmp_path / "j")
    assert again.intake.newest_source_time_ns("plc") is None, "the device is not taken in yet"
    async with again.running(PLC):
        assert again.intake.newest_source_time_ns("plc") == T0 + 3 * S, "a thinned sample was heard"
        await put(again, (4, 5.2), (5, 5.2))
        again.intake.tell_thinned(now=True)
    samples, _ = again.read()
    assert [s.value for s in samples] == [5.0, 5.2], "the deadband's memory went with the process: the first one passes"
    assert records(again.store) == [Thinned(0, T0 + 2 * S, T0 + 5 * S, 3, "deadband of 0.5")]


async def test_the_first_value_after_a_gap_passes_and_closes_it(tmp_path: Path) -> None:
    gateway = Journalled(tmp_path / "j")
    async with gateway.running(PLC):
        await put(gateway, (1, 5.0), (2, 5.1))
        await gateway.intake.gap("plc", "pulled plug", None)
        await put(gateway, (4, 5.0), (5, 5.0))
    samples, (gap,) = gateway.read()
    assert [(s.time_ns - T0, s.status) for s in samples] == [
        (1 * S, GOOD),
        (2 * S + 1, BAD_NO_COMMUNICATION),
        (4 * S, GOOD),
    ], "the mark stands behind the thinned sample, which was heard"
    assert (gap.from_ns, gap.to_ns) == (T0 + 2 * S + 1, T0 + 4 * S)


async def test_put_of_nothing_but_thinned_samples_is_acknowledged_after_its_commit(tmp_path: Path) -> None:
    gateway = Journalled(tmp_path / "j")
    async with gateway.running(PLC):
        await put(gateway, (1, 5.0))
        head = gateway.store.epochs()[-1].head
        await asyncio.wait_for(put(gateway, (2, 5.0)), 10)
        assert gateway.store.epochs()[-1].head == head, "no batch is made of it"
        assert gateway.store.thinned().count.tolist() == [1]


def test_records_are_due_once_a_minute() -> None:
    thinning = Thinning()
    thinning.set_rule(0, PLC.tags["flow"].thinning)
    assert thinning.tell(0) is None
    thinning.apply(make_columns([(0, 1, 0, 1.0), (0, 2, 0, 1.0)]))
    assert thinning.tell(TOLD_EACH_NS - 1) is None
    told = thinning.tell(TOLD_EACH_NS)
    assert told is not None
    assert [record.count for record in told[0]] == [1]
    assert told[1].count.tolist() == [0], "the commit of the record takes the count off"
    assert thinning.tell(2 * TOLD_EACH_NS) is None


def test_counts_of_many_tags_come_back_from_the_journal(tmp_path: Path) -> None:
    store = JournalStore(tmp_path / "j")
    store.open_epoch(EPOCH, 1)
    tags = [0, TAGS_PER_PAGE - 1, TAGS_PER_PAGE, 5 * TAGS_PER_PAGE + 3]
    thinning = Thinning()
    thinning.restore(store.thinned())
    for tag in tags:
        thinning.set_rule(tag, PLC.tags["flow"].thinning)
    first = make_columns([(tag, at, 0, 1.0) for tag in tags for at in (1, 2, 3)])
    _, counts = thinning.apply(first)
    assert counts is not None
    store.append([], [], thinned=[ThinnedCounts(counts.tag, counts.count * 9, counts.from_ns, counts.to_ns), counts])
    store.close()
    found = JournalStore(tmp_path / "j").thinned()
    assert found.tag.tolist() == tags
    assert (found.count.tolist(), found.from_ns.tolist(), found.to_ns.tolist()) == ([2] * 4, [2] * 4, [3] * 4)
