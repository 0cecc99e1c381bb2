"""What every driver must do, on every server that it is tested with."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from penstock.core.status import BAD, is_bad
from penstock.edge.discovery import find_driver
from penstock.edge.driver import Driver, DriverState
from tests.builders.edge import (
    MemorySink,
    OpcUaServer,
    Process,
    Publisher,
    device_file,
    driver_context,
    eventually,
    mosquitto,
    nats_server,
    running,
)

pytestmark = pytest.mark.integration


@dataclass
class Rig:
    """One driver, its device and the server behind it, in the driver-independent words of the contract."""

    folder: Path
    text: str
    start: Callable[[], None]
    kill: Callable[[], None]
    send: Callable[[float, int], None]
    """Make the device say `flow`, with its source time in ms."""
    send_bad: Callable[[], None]
    send_junk: Callable[[], None]
    """Make the device say something that is no number."""

    def driver(self, sink: MemorySink) -> Driver:
        device = device_file(self.text)
        return find_driver(device)(device, driver_context(sink, self.folder))


def mqtt_rig(folder: Path, broker: Process) -> Rig:
    publisher = Publisher(broker.port)

    def send(value: float, time_ms: int, quality: str = "good") -> None:
        publisher.publish("plant/flow", json.dumps({"v": value, "ts": time_ms, "q": quality}))

    text = f"""
version: 1
device: meter
connection:
  driver: mqtt
  broker: mqtt://127.0.0.1:{broker.port}
  topic: plant/flow
  time_field: ts
  time_unit: ms
  quality_field: q
tags:
  flow: {{type: float64, source: {{field: v}}}}
"""
    return Rig(
        folder,
        text,
        broker.start,
        broker.kill,
        send,
        lambda: send(1.0, now_ms(), "bad"),
        lambda: publisher.publish("plant/flow", "{not json"),
    )


def opcua_rig(folder: Path, kind: Literal["asyncua", "node-opcua"]) -> Rig:
    server = OpcUaServer(kind, folder / "peer")
    text = f"""
version: 1
device: plc
connection:
  driver: opcua
  endpoint: opc.tcp://127.0.0.1:{server.port}
  namespace: urn:penstock:test:plc
  security: none, I accept plain text
  publishing_ms: 100
  sampling_ms: 0
tags:
  flow: {{type: float64, source: {{node: Flow}}}}
  name: {{type: float64, source: {{node: Name}}}}
"""
    return Rig(
        folder,
        text,
        server.start,
        server.kill,
        lambda value, time_ms: server.set("Flow", value, time_ms=time_ms),
        lambda: server.set("Flow", 1.0, time_ms=now_ms(), status="BadSensorFailure"),
        lambda: server.set("Name", "text where a number is declared", time_ms=now_ms()),
    )


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(
    params=["opcua-asyncua", "opcua-node-opcua", "mqtt-nats", pytest.param("mqtt-mosquitto", marks=pytest.mark.full)]
)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    match request.param:
        case "mqtt-nats":
            made = mqtt_rig(tmp_path, nats_server(tmp_path / "broker"))
        case "mqtt-mosquitto":
            made = mqtt_rig(tmp_path, mosquitto(tmp_path / "broker"))
        case "opcua-asyncua":
            made = opcua_rig(tmp_path, "asyncua")
        case _:
            made = opcua_rig(tmp_path, "node-opcua")
    await asyncio.to_thread(made.start)
    try:
        yield made
    finally:
        made.kill()


@contextlib.asynccontextmanager
async def connected(rig: Rig, sink: MemorySink) -> AsyncIterator[Driver]:
    driver = rig.driver(sink)
    async with running(driver):
        await eventually(lambda: driver.health().state is DriverState.CONNECTED, what="connected")
        yield driver
    assert driver.health().state is DriverState.STOPPED


async def send(rig: Rig, value: float) -> int:
    time_ms = now_ms()
    await asyncio.to_thread(rig.send, value, time_ms)
    return time_ms


async def test_value_quality_and_source_time_arrive(rig: Rig) -> None:
    sink = MemorySink()
    async with connected(rig, sink):
        sent_ms = await send(rig, 12.25)
        await eventually(lambda: 12.25 in sink.values("flow"))
        await asyncio.to_thread(rig.send_bad)
        await eventually(lambda: any(is_bad(reading.status) for reading in sink.of("flow")))
    good = next(reading for reading in sink.of("flow") if reading.raw == 12.25)
    assert (good.time_ns, good.status) == (sent_ms * 1_000_000, 0)
    bad = next(reading for reading in sink.of("flow") if is_bad(reading.status))
    assert bad.status & BAD
    assert sink.recoveries == 1
    assert sink.gaps == []


async def test_every_value_of_a_burst_arrives_in_order(rig: Rig) -> None:
    sink = MemorySink()
    wanted = [float(number) for number in range(40)]
    async with connected(rig, sink):
        for number in wanted:
            await send(rig, number)
            await asyncio.sleep(0.002)
        await eventually(lambda: wanted[-1] in sink.values("flow"))
    assert [value for value in sink.values("flow") if value in wanted and value != 0.5] == wanted


async def test_killed_server_marks_one_gap_and_reading_resumes(rig: Rig) -> None:
    sink = MemorySink()
    async with connected(rig, sink) as driver:
        sent_ms = await send(rig, 1.0)
        await eventually(lambda: 1.0 in sink.values("flow"))
        await asyncio.to_thread(rig.kill)
        await eventually(lambda: sink.breaks, what="a gap")
        assert driver.health().state is DriverState.DISCONNECTED
        assert driver.health().detail
        await asyncio.sleep(1.0)
        await asyncio.to_thread(rig.start)
        await eventually(lambda: sink.recoveries == 2, what="connected again")
        await send(rig, 2.0)
        await eventually(lambda: 2.0 in sink.values("flow"))
        assert driver.health().counters["disconnects"] == 1
    ((cause, newest_ns),) = sink.breaks
    assert cause
    assert newest_ns >= sent_ms * 1_000_000


async def test_absent_server_is_named_and_found_when_it_comes(rig: Rig) -> None:
    await asyncio.to_thread(rig.kill)
    sink = MemorySink()
    driver = rig.driver(sink)
    async with running(driver):
        await eventually(lambda: driver.health().state is DriverState.DISCONNECTED)
        assert "is the" in driver.health().detail
        assert sink.gaps == []
        await asyncio.to_thread(rig.start)
        await eventually(lambda: driver.health().state is DriverState.CONNECTED)


async def test_bad_input_is_handed_over_and_the_rest_goes_on(rig: Rig) -> None:
    sink = MemorySink()
    async with connected(rig, sink):
        await asyncio.to_thread(rig.send_junk)
        await send(rig, 3.0)
        await eventually(lambda: 3.0 in sink.values("flow"))
    junk = [reading.raw for reading in sink.of("name") if "number" in str(reading.raw)]
    assert len(sink.rejects) + len(junk) == 1


async def test_full_gateway_holds_the_driver_and_loses_nothing(rig: Rig) -> None:
    sink = MemorySink()
    wanted = [float(number) for number in range(100, 130)]
    async with connected(rig, sink):
        await eventually(lambda: "opcua" not in rig.text or sink.readings)
        sink.room.clear()
        before = len(sink.readings)
        for number in wanted:
            await send(rig, number)
        await asyncio.sleep(0.5)
        assert len(sink.readings) == before
        sink.room.set()
        await eventually(lambda: wanted[-1] in sink.values("flow"))
    assert [value for value in dict.fromkeys(sink.values("flow")) if value in wanted] == wanted


async def test_nothing_is_acknowledged_before_the_journal_has_it(rig: Rig) -> None:
    """Stop with open receipts: MQTT gets the messages again; OPC UA has not acknowledged the notification."""
    first, second = MemorySink(hold_receipts=True), MemorySink()
    async with connected(rig, first):
        await send(rig, 41.0)
        await eventually(lambda: 41.0 in first.values("flow"))
    async with connected(rig, second):
        await eventually(lambda: 41.0 in second.values("flow"))
