"""nats-server sends again on a live connection what is not acknowledged within its `ack_wait` of 2 s."""

import asyncio
import json
from pathlib import Path

import pytest

from penstock.edge.mqtt.driver import MqttDriver
from tests.builders.edge import MemorySink, Publisher, device_file, driver_context, eventually, nats_server, running

pytestmark = pytest.mark.integration
MESSAGES = 300
DEVICE = """
version: 1
device: meter
connection: {{driver: mqtt, broker: 'mqtt://127.0.0.1:{port}', topic: plant/flow, time_field: ts, time_unit: ms}}
tags:
  flow: {{type: float64, source: {{field: v}}}}
"""


async def test_a_journal_that_is_slow_is_not_filled_with_copies(tmp_path: Path) -> None:
    broker = nats_server(tmp_path / "broker")
    broker.start()
    try:
        device = device_file(DEVICE.format(port=broker.port))
        slow, after = MemorySink(hold_receipts=True), MemorySink()
        wanted = [float(number) for number in range(MESSAGES)]
        driver = MqttDriver(device, driver_context(slow, tmp_path))
        async with running(driver):
            await eventually(lambda: slow.recoveries)
            payloads = [json.dumps({"v": value, "ts": 1_000 + int(value)}) for value in wanted]
            await asyncio.to_thread(Publisher(broker.port).publish, "plant/flow", *payloads)
            await eventually(lambda: len(slow.of("flow")) >= MESSAGES)
            await eventually(lambda: _copies(driver, broker.port) >= MESSAGES, what="the broker has sent all again")
            assert slow.values("flow")[:MESSAGES] == wanted
            assert set(slow.values("flow")[MESSAGES:]) <= {-1.0}
            slow.sync()
            await asyncio.sleep(0.5)
        async with running(MqttDriver(device, driver_context(after, tmp_path, heard_before=True))):
            await eventually(lambda: after.recoveries)
            await asyncio.sleep(3)
        assert after.of("flow") == []
    finally:
        broker.kill()


def _copies(driver: MqttDriver, port: int) -> int:
    """Read the counter, which moves with the next message that is none."""
    Publisher(port).publish("plant/flow", json.dumps({"v": -1.0, "ts": 999_999}))
    return driver.health().counters["copies"]
