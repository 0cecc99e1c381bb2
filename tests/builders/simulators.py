"""Builders for the simulators' tests: small device files, a real broker, a secure OPC UA client."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import asyncua
import httpx
import paho.mqtt.client as paho
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from paho.mqtt.enums import CallbackAPIVersion

from penstock.core.device_file import DeviceFile, parse_device_file
from penstock.simulators.device import SimulatedDevice
from penstock.simulators.models.model import ModelContext, Parameters
from penstock.simulators.models.world import World
from penstock.simulators.pki import own_certificate
from penstock.simulators.recording import Recording
from penstock.simulators.recordings import SHIPPED
from penstock.simulators.signals.spec import reader_below
from tests.builders import web
from tests.builders.ports import free_port as free_port

BIN = Path(sys.executable).parent
ua: Any = asyncua.ua  # type: ignore[attr-defined, unused-ignore]
Client: Any = asyncua.Client  # type: ignore[attr-defined, unused-ignore]

SIGNALS_ONLY = """\
version: 1
device: tank
connection: {driver: mqtt, broker: "mqtt://127.0.0.1:1883", topic: plant/tank, time_field: time}
tags:
  level: {type: float64, unit: m, source: {field: level}, rate_hz: 2, signal: {kind: sine, amplitude: 1, period_s: 60}}
  fills: {type: int64, source: {field: fills}, signal: {kind: counter, period_s: 1}, rate_hz: 1}
"""


def parse(text: str, **environ: str) -> DeviceFile:
    return parse_device_file(text, file="devices/test.yaml", environ=environ)


def no_recordings(name: str) -> Recording:
    raise AssertionError(name)


def simulated(text: str, *, world: World | None = None, plant: Path | None = None) -> SimulatedDevice:
    read = reader_below(plant, SHIPPED) if plant is not None else no_recordings
    return SimulatedDevice(parse(text), world=world or World(), read=read)


def context(name: str = "dut", *, world: World | None = None, seed: int = 1, **parameters: object) -> ModelContext:
    return ModelContext(name, Parameters(parameters), Random(seed), world or World())


def opcua_device(port: int, *, device: str = "plc", rate_hz: float = 10.0, security: str | None = None) -> str:
    return f"""\
version: 1
device: {device}
connection:
  driver: opcua
  endpoint: opc.tcp://127.0.0.1:{port}
  namespace: urn:test:{device}
  security: {security or "Basic256Sha256/SignAndEncrypt"}
tags:
  level: {{type: float64, source: {{node: Level}}, signal: {{kind: ramp, end: 100, period_s: 10}}, rate_hz: {rate_hz}}}
  count: {{type: int64, source: {{node: Count}}, signal: {{kind: counter, period_s: 0.1}}, rate_hz: {rate_hz}}}
  open: {{type: bool, source: {{node: Open}}, signal: {{kind: formula, expression: level > 50}}, rate_hz: {rate_hz}}}
  mode: {{type: string, source: {{node: Mode}}, signal: {{kind: constant, value: auto}}, rate_hz: {rate_hz}}}
"""


def plant_folder(folder: Path, **devices: str) -> Path:
    (folder / "devices").mkdir(parents=True, exist_ok=True)
    for name, text in devices.items():
        (folder / "devices" / f"{name}.yaml").write_text(text)
    return folder


@contextlib.contextmanager
def broker(folder: Path, *, port: int | None = None) -> Iterator[int]:
    """Run nats-server with its MQTT listener; give the port."""
    mqtt_port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nats.conf").write_text(
        f'port: {free_port()}\nhost: 127.0.0.1\nserver_name: test\njetstream {{ store_dir: "{folder}/store" }}\n'
        f"mqtt {{ host: 127.0.0.1, port: {mqtt_port} }}\n"
    )
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([str(BIN / "nats-server"), "-c", str(folder / "nats.conf")], stdout=log, stderr=log)
    try:
        wait_until(lambda: _listens(mqtt_port), "broker")
        yield mqtt_port
    finally:
        process.kill()
        process.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def wait_until(check: Any, what: str, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


async def until(check: Any, what: str, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def secure_client(
    url: str, *, pki: Path, trust: Path, publish: bool = True, name: str = "tester"
) -> AsyncIterator[Any]:
    """Connect with Basic256Sha256/SignAndEncrypt; `publish` puts the own certificate into the trust folder first."""
    own = own_certificate(pki, name=name, hosts=set(), trust=trust if publish else pki / "elsewhere")
    client = Client(url, timeout=10)
    client.application_uri = own.uri
    client.session_timeout = 60_000
    await client.set_security(
        SecurityPolicyBasic256Sha256, str(own.certificate), str(own.key), mode=ua.MessageSecurityMode.SignAndEncrypt
    )
    async with client:
        yield client


class Collector:
    """Take data changes as the gateway does: status, value and source time."""

    def __init__(self) -> None:
        self.values: dict[str, list[Any]] = {}

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.values.setdefault(node.nodeid.Identifier, []).append(data.monitored_item.Value)


async def subscribe(
    client: Any, namespace: str, nodes: list[str], *, publishing_ms: int = 50, queue: int = 1000
) -> Collector:
    """Monitor nodes with StatusValueTimestamp and a queue."""
    collector = Collector()
    subscription = await client.create_subscription(publishing_ms, collector, queue_maxsize=1_000_000)
    index = await client.get_namespace_index(namespace)
    change = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)
    await subscription._subscribe(
        [client.get_node(ua.NodeId(node, index)) for node in nodes],
        ua.AttributeIds.Value,
        mfilter=change,
        queuesize=queue,
    )
    return collector


class Subscriber:
    """A persistent QoS 1 session that keeps every message, in the order in which it came."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self._subscribed = threading.Event()
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="test-subscriber", clean_session=False)
        client.on_message = self._take
        client.on_connect = lambda client, *_: client.subscribe("plant/#", 1)
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.reconnect_delay_set(1, 1)
        client.connect("127.0.0.1", port)
        client.loop_start()
        self._client = client
        assert self._subscribed.wait(10)

    def _take(self, _client: object, _userdata: object, message: Any) -> None:
        self.messages.append((message.topic, json.loads(message.payload)))

    def of(self, topic: str) -> list[dict[str, Any]]:
        return [payload for name, payload in list(self.messages) if name == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class SimProcess:
    """Run `penstock sim run` as a user does."""

    def __init__(
        self, plant: Path, folder: Path, environ: Mapping[str, str] | None = None, ledger: Path | None = None
    ) -> None:
        self.data = folder
        self.log = folder.parent / f"{folder.name}.log"
        self._environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PENSTOCK_")},
            "PENSTOCK_SIM_PLANT": str(plant),
            "PENSTOCK_SIM_DATA": str(folder),
            "PENSTOCK_SIM_CONTROL_PORT": "0",
            **({"PENSTOCK_SIM_LEDGER": str(ledger)} if ledger else {}),
            **(environ or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "SimProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(BIN / "penstock"), "sim", "run"], env=self._environ, stdout=log, stderr=log
            )
        wait_until((self.data / "sim-control.json").is_file, "control file")
        wait_until(self._answers, "control API")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        with contextlib.suppress(httpx.HTTPError):
            return web.get(self.control["url"] + "/health", timeout=2, trust_env=False).is_success
        return False

    @property
    def control(self) -> dict[str, str]:
        content: dict[str, str] = json.loads((self.data / "sim-control.json").read_text())
        return content

    def truth(self, what: str) -> list[dict[str, Any]]:
        """Ask the truth's own door for events, states or devices."""
        place = json.loads((self.data / "truth" / "truth.json").read_text())
        bearer = {"Authorization": f"Bearer {place['token']}"}
        answer = web.get(f"{place['url']}/truth/{what}", headers=bearer, timeout=10, trust_env=False)
        items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return items

    def status(self) -> dict[str, Any]:
        control = self.control
        headers = {"Authorization": f"Bearer {control['token']}"}
        answer: dict[str, Any] = web.get(control["url"] + "/status", headers=headers, timeout=5, trust_env=False).json()
        return answer

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(BIN / "penstock"), *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def kill(self) -> None:
        assert self._process is not None
        (self.data / "sim-control.json").unlink()
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        return self._process.wait(20)
