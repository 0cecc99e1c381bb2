"""Communication loss on real wires: an OPC UA server that stops answering, an MQTT device that falls silent."""

import contextlib
import itertools
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.builders.simulators import (
    SimProcess,
    Subscriber,
    broker,
    free_port,
    opcua_device,
    plant_folder,
    secure_client,
    ua,
    wait_until,
)

pytestmark = pytest.mark.integration

MQTT_DEVICE = """\
version: 1
device: sensor
connection: {{driver: mqtt, broker: "mqtt://127.0.0.1:{port}", topic: plant/sensor, time_field: time}}
tags:
  level: {{type: float64, source: {{field: level}}, rate_hz: 10, signal: {{kind: sine, amplitude: 1, period_s: 60}}}}
"""


@pytest.fixture
def mqtt(tmp_path: Path) -> Iterator[tuple[int, Subscriber]]:
    with broker(tmp_path / "broker") as port:
        subscriber = Subscriber(port)
        yield port, subscriber
        subscriber.close()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2):
        return True
    return False


def inject(sim: SimProcess, device: str) -> None:
    done = sim.command("fault", "inject", "communication-loss", "--device", device, "--severity", "1")
    assert done.returncode == 0, done.stderr


async def test_opcua_server_stops_answering_and_its_history_fills_the_gap(tmp_path: Path) -> None:
    port, began = free_port(), datetime.now(UTC)
    plant = plant_folder(tmp_path / "plant", plc=opcua_device(port))
    with SimProcess(plant, tmp_path / "sim") as sim:
        wait_until(lambda: "plc" in sim.status()["devices"], "device")
        assert answers(port)
        inject(sim, "plc")
        wait_until(lambda: not answers(port), "silence")
        offered = sim.status()["devices"]["plc"]["offered"]
        wait_until(lambda: sim.status()["devices"]["plc"]["offered"] > offered + 80, "values behind the dead wire")
        assert not answers(port)
        assert sim.command("fault", "repair", "communication-loss", "--device", "plc").returncode == 0
        wait_until(lambda: answers(port), "the wire again")
        url, pki, trust = f"opc.tcp://127.0.0.1:{port}", tmp_path / "pki", plant / "trust"
        async with secure_client(url, pki=pki, trust=trust) as client:
            index = await client.get_namespace_index("urn:test:plc")
            past = await client.get_node(ua.NodeId("Level", index)).read_raw_history(began, datetime.now(UTC))
        stamps = sorted(row.SourceTimestamp.timestamp() for row in past)
        assert max(b - a for a, b in itertools.pairwise(stamps)) < 1.0


def test_mqtt_device_falls_silent_and_its_truth_is_noted(tmp_path: Path, mqtt: tuple[int, Subscriber]) -> None:
    port, subscriber = mqtt
    plant = plant_folder(tmp_path / "plant", sensor=MQTT_DEVICE.format(port=port))
    with SimProcess(plant, tmp_path / "sim") as sim:
        wait_until(lambda: len(subscriber.of("plant/sensor")) > 5, "messages")
        inject(sim, "sensor")
        wait_until(lambda: sim.status()["devices"]["sensor"]["waiting"] == 0, "outbox empty")
        assert "communication-loss" in sim.command("fault", "list").stdout
        said = len(subscriber.of("plant/sensor"))
        wait_until(lambda: sim.command("fault", "list").returncode == 0, "some seconds")
        assert len(subscriber.of("plant/sensor")) <= said + 1
        assert sim.command("fault", "clear", "communication-loss", "--device", "sensor").returncode == 0
        wait_until(lambda: len(subscriber.of("plant/sensor")) > said + 10, "messages again")
        assert [event["action"] for event in sim.truth("events")][:2] == ["injected", "onset"]


def test_schedule_breaks_what_it_says_and_tells_what_it_cannot(tmp_path: Path, mqtt: tuple[int, Subscriber]) -> None:
    port, subscriber = mqtt
    plant = plant_folder(tmp_path / "plant", sensor=MQTT_DEVICE.format(port=port))
    schedule = tmp_path / "faults.yaml"
    schedule.write_text(
        "version: 1\nfaults:\n"
        '  - {device: sensor, fault: "bias:level", at: 1s, severity: 1}\n'
        "  - {device: sensor, fault: bearing, at: 1s}\n"
    )
    with SimProcess(plant, tmp_path / "sim", {"PENSTOCK_SIM_SCHEDULE": str(schedule)}) as sim:
        wait_until(lambda: "bias:level" in sim.command("fault", "list").stdout, "fault of the schedule")
        wait_until(lambda: sim.status()["schedule"]["errors"], "what cannot be")
        (error,) = sim.status()["schedule"]["errors"]
        assert "faults.yaml:4: faults[1].fault: device 'sensor' has no fault 'bearing'" in error
        assert subscriber.of("plant/sensor")
    wrong = sim.command("sim", "run", "--schedule", str(tmp_path / "none.yaml"))
    assert wrong.returncode == 2
    assert "none.yaml" in wrong.stdout + wrong.stderr
