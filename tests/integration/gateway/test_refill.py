"""What a simulated PLC recorded while the gateway was away is fetched from its history, and the gap record says so."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from penstock.core.status import BAD_NO_COMMUNICATION, GOOD
from penstock.core.values import ValueType
from penstock.edge.driver import GOOD_HELD, DriverState
from penstock.edge.opcua.driver import OpcUaDriver
from penstock.simulators.emission import Emission, Point
from penstock.simulators.pki import own_certificate
from penstock.simulators.servers.opcua import PLAIN, NodeSpec, OpcUaEndpoint
from tests.builders.edge import device_file, driver_context, eventually, free_port, running
from tests.builders.journalled import Journalled, Sample

pytestmark = pytest.mark.integration

NAMESPACE = "urn:penstock:test:plc"
NODES = [NodeSpec("flow", "Flow", ValueType.FLOAT64, ""), NodeSpec("open", "Open", ValueType.BOOL, "")]


@pytest.fixture
async def plc(tmp_path: Path) -> AsyncIterator[OpcUaEndpoint]:
    own = own_certificate(tmp_path / "plc", name="simulators", hosts=set(), trust=tmp_path / "trust")
    url = f"opc.tcp://127.0.0.1:{free_port()}"
    endpoint = OpcUaEndpoint(url, security=PLAIN, own=own, trust=tmp_path / "trust", bind_host=None)
    await endpoint.build()
    await endpoint.add("plc", NAMESPACE, NODES)
    await endpoint.listen()
    yield endpoint
    await endpoint.stop()


async def offer(plc: OpcUaEndpoint, number: int, *, opened: bool = False) -> int:
    """Let the PLC have a value now; give its time."""
    points = [Point("flow", float(number), GOOD), *([Point("open", True, GOOD)] if opened else [])]
    time_ns = time.time_ns() // 1000 * 1000
    await plc.offer(Emission("plc", time_ns, tuple(points)))
    await asyncio.sleep(0.01)
    return time_ns


async def run_once(plc: OpcUaEndpoint, folder: Path, *, first: int, was_down: bool) -> None:
    """Start a gateway on the journal, let it hear two values, and stop it."""
    device = device_file(f"""
version: 1
device: plc
connection:
  driver: opcua
  endpoint: {plc.url}
  namespace: {NAMESPACE}
  security: {PLAIN}
  publishing_ms: 100
  sampling_ms: 0
tags:
  flow: {{type: float64, source: {{node: Flow}}}}
  open: {{type: bool, source: {{node: Open}}}}
""")
    gateway = Journalled(folder / "journal.sqlite3")
    async with gateway.running(device, was_down=was_down):
        driver = OpcUaDriver(device, driver_context(gateway.intake, folder))
        async with running(driver):
            await eventually(lambda: driver.health().state is DriverState.CONNECTED)
            await offer(plc, first)
            newest_ns = await offer(plc, first + 1)
            await eventually(lambda: (gateway.intake.newest_source_time_ns("plc") or 0) >= newest_ns)
            await eventually(lambda: not gateway.intake.gaps.open and not gateway.intake.closed_gaps("plc"))
    gateway.store.close()


def journal(folder: Path) -> Journalled:
    return Journalled(folder / "journal.sqlite3")


def flow_of(samples: list[Sample]) -> list[float]:
    own = {(s.time_ns, float(s.value or 0)) for s in samples if s.tag == "flow" and s.status == GOOD}
    return [value for _, value in sorted(own)]


async def test_values_of_a_gateways_outage_are_fetched_from_the_plcs_history(
    plc: OpcUaEndpoint, tmp_path: Path
) -> None:
    await offer(plc, 0, opened=True)
    await run_once(plc, tmp_path, first=1, was_down=False)
    for number in range(3, 8):
        await offer(plc, number)
    await run_once(plc, tmp_path, first=8, was_down=True)
    gateway = journal(tmp_path)
    samples, gaps = gateway.read()
    assert flow_of(samples) == list(range(10)), "the values of the outage among them"
    assert {gateway.name_of(gap.tag) for gap in gaps} == {"flow", "open"}
    assert all(gap.refilled for gap in gaps), "the tag that did not change as well: its history proves it"
    marks = [s for s in samples if s.status == BAD_NO_COMMUNICATION]
    held = [s for s in samples if s.status & 0xFFFF == GOOD_HELD]
    for mark in marks:
        after = [s for s in held if s.tag == mark.tag and s.time_ns == mark.time_ns + 1]
        assert len(after) == 1, "what held before the outage holds until the next value"
    gateway.store.close()


async def test_history_that_does_not_reach_back_leaves_the_gap_as_long_as_what_is_missing(
    plc: OpcUaEndpoint, tmp_path: Path
) -> None:
    await offer(plc, 0, opened=True)
    await run_once(plc, tmp_path, first=1, was_down=False)
    lost_ns = await offer(plc, 3)
    await plc.remove("plc")  # the PLC starts anew and has forgotten what it recorded
    await plc.add("plc", NAMESPACE, NODES)
    there_ns = await offer(plc, 5, opened=True)
    for number in range(6, 8):
        await offer(plc, number)
    await run_once(plc, tmp_path, first=8, was_down=True)
    gateway = journal(tmp_path)
    samples, gaps = gateway.read()
    assert flow_of(samples) == [0, 1, 2, 5, 6, 7, 8, 9]
    (gap,) = (gap for gap in gaps if gateway.name_of(gap.tag) == "flow")
    assert not gap.refilled
    assert gap.from_ns <= lost_ns
    assert gap.to_ns == there_ns
    gateway.store.close()
