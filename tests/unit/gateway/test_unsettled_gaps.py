"""A closed gap that waits for its device's history is still asked for after a kill, and only until it is settled."""

from pathlib import Path

from penstock.core.reading import Reading
from penstock.edge.driver import ClosedGap
from tests.builders.edge import device_file
from tests.builders.journalled import Journalled

T0 = 1_795_406_400 * 1_000_000_000
PLC = device_file("""
version: 1
device: plc
connection: {driver: opcua, endpoint: 'opc.tcp://a:1', security: x}
tags:
  flow: {type: float64, source: {node: F}}
""")
WAITING = ClosedGap("flow", T0, T0 + 1, T0 + 900)


async def put(gateway: Journalled, time_ns: int) -> None:
    await (await gateway.intake.put("plc", [Reading("flow", time_ns, 0, 1.0)]))


async def broken_and_killed(folder: Path) -> None:
    """Let a gap close, and stop before the device's history was read."""
    gateway = Journalled(folder / "j")
    async with gateway.running(PLC):
        gateway.intake.closed_gaps("plc")
        await put(gateway, T0)
        await gateway.intake.gap("plc", "cut", None)
        await put(gateway, T0 + 900)
        assert gateway.intake.closed_gaps("plc") == [WAITING]
    gateway.store.close()


async def test_closed_gap_is_still_asked_for_after_a_kill_and_refilled(tmp_path: Path) -> None:
    await broken_and_killed(tmp_path)
    again = Journalled(tmp_path / "j")
    async with again.running(PLC):
        assert again.intake.closed_gaps("plc") == [WAITING]
        await again.intake.settle("plc", WAITING, missing_to_ns=None)
    assert [(gap.from_ns, gap.refilled) for gap in again.read()[1]] == [(T0 + 1, True)]
    again.store.close()
    third = Journalled(tmp_path / "j")
    async with third.running(PLC):
        assert not third.intake.closed_gaps("plc")


async def test_gap_of_which_nothing_more_can_be_had_is_not_asked_for_again(tmp_path: Path) -> None:
    await broken_and_killed(tmp_path)
    again = Journalled(tmp_path / "j")
    async with again.running(PLC):
        await again.intake.settle("plc", WAITING, missing_to_ns=WAITING.to_ns)
    assert again.store.unsettled() == []


async def test_overflow_of_a_queue_is_remembered_too(tmp_path: Path) -> None:
    gateway = Journalled(tmp_path / "j")
    async with gateway.running(PLC):
        gateway.intake.closed_gaps("plc")
        await put(gateway, T0)
        await gateway.intake.overflow("plc", "flow", from_ns=T0, to_ns=T0 + 50)
    assert [(gap.from_ns, gap.to_ns) for gap in gateway.store.unsettled()] == [(T0, T0 + 50)]
