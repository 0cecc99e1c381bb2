"""The embedded broker with the configuration of the demo: two users with opposite rights, and nobody else."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from penstock.cli.demo import broker
from penstock.cli.demo.layout import Layout, Ports
from penstock.cli.demo.readiness import mqtt_login
from tests.builders.stack import free_port

pytestmark = pytest.mark.integration
User = tuple[str, str]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[int, User, User]]:
    layout, ports = Layout(tmp_path), Ports(mqtt=free_port(), broker=free_port())
    for name in ("secrets", "broker"):
        layout.folder(name).mkdir(mode=0o700)
    command = [str(broker.binary()), "-c", str(broker.configure(layout, ports))]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    yield ports.mqtt, layout.mqtt_user("mqtt-gateway", "gateway"), layout.mqtt_user("mqtt-sim", "simulators")
    process.terminate()
    process.wait(10)


async def ready(port: int, user: User) -> None:
    deadline = time.monotonic() + 15
    while not await mqtt_login(port, *user)():
        assert time.monotonic() < deadline


class Client:
    def __init__(self, port: int, user: User, name: str) -> None:
        self.got: list[bytes] = []
        self.mqtt = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
        self.mqtt.username_pw_set(*user)
        self.mqtt.on_message = lambda _c, _u, message: self.got.append(bytes(message.payload))
        self.mqtt.connect("127.0.0.1", port)
        self.mqtt.loop_start()

    def wait_for(self, count: int, within_s: float) -> list[bytes]:
        deadline = time.monotonic() + within_s
        while len(self.got) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.got

    def close(self) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


async def test_simulators_publish_and_the_gateway_listens_and_not_the_reverse(running: tuple[int, User, User]) -> None:
    port, gateway_user, sim_user = running
    await ready(port, sim_user)
    gateway, sim = Client(port, gateway_user, "gateway"), Client(port, sim_user, "sim")
    try:
        gateway.mqtt.subscribe("plant/#", qos=1)
        sim.mqtt.subscribe("plant/#", qos=1)
        await asyncio.sleep(0.5)
        sim.mqtt.publish("plant/pump", b"from sim", qos=1).wait_for_publish(5)
        assert gateway.wait_for(1, 5) == [b"from sim"]
        gateway.mqtt.publish("plant/pump", b"from gateway", qos=0)
        assert gateway.wait_for(2, 1) == [b"from sim"]
        assert sim.got == []
    finally:
        gateway.close()
        sim.close()


async def test_nobody_enters_without_the_password(running: tuple[int, User, User]) -> None:
    port, gateway_user, sim_user = running
    await ready(port, sim_user)
    assert await mqtt_login(port, *gateway_user)()
    assert not await mqtt_login(port, gateway_user[0], "wrong")()
    assert not await mqtt_login(port, "nobody", "")()
