"""The whole stack as processes under load, with everything between and below them in the harness's hand."""

import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from penstock.core.status import BAD_NO_COMMUNICATION
from penstock.core.times import parse_rfc3339_ns
from penstock.simulators.ledger import Ledger, Row, read_ledger
from tests.builders import web
from tests.builders.mqtt_proxy import MqttProxy
from tests.builders.stack import Stack, free_port, wait_for
from tests.faults.campaign import RESULTS, Options, Result
from tests.faults.outcome import Outcome, all_tags, gaps, read_back
from tests.faults.switchable import Disk, switchable_disk
from tests.faults.wire import Wire

DRAIN_S = 300.0
READY_S = 300.0
GENERATION_ROWS = 20_000
"""So that kills fall into rotation, sealing and merging as well."""
PROCESSES = ("broker", "platform", "gateway", "sim")


@dataclass(frozen=True, slots=True)
class Load:
    """Say how many doubles change how often, over MQTT and over OPC UA each."""

    tags: int
    rate_Hz: int


class FaultStack(Stack):
    """A stack whose platform and gateway have a clock to step, and a platform with small generations."""

    __slots__ = ()

    def _command(self, name: str) -> list[str]:
        if name in ("platform", "gateway"):
            return [sys.executable, "-m", "tests.faults.launch", str(self.clock_of(name)), name, "run"]
        return super()._command(name)

    def wait_ready(self, name: str) -> None:
        """Wait longer than a test does: campaigns run beside other work."""
        wait_for(lambda: self._is_ready(name), f"{name} ready", timeout_s=READY_S)

    def clock_of(self, name: str) -> Path:
        """Name the file with the nanoseconds to add to a process's clock."""
        return self.folder / f"clock-{name}"


@dataclass(slots=True)
class Live:
    """A running stack: its processes, the two ways out of the gateway, the devices' ledger."""

    stack: FaultStack
    mqtt: MqttProxy
    wire: Wire
    ledger: Path
    disks: dict[str, Disk] = field(default_factory=dict)
    """Those of processes that have one to switch."""
    counts: Counter[str] = field(default_factory=Counter)
    """What disturbances count beside what the judge does."""

    def offered(self) -> int:
        """Count the values that the devices have offered."""
        return self.ledger.read_bytes().count(b"\n") if self.ledger.exists() else 0

    def revive(self) -> None:
        """Heal the ways, the disks and the clocks, start what is down."""
        self.wire.heal()
        for disk in self.disks.values():
            disk.make_writable()
        for name in ("broker", "platform", "gateway"):
            self.stack.clock_of(name).write_text("0")
            if self.stack.processes[name].poll() is not None:
                self.stack.start(name)


@contextmanager
def live(options: Options, load: Load, *, on_disks: Sequence[str] = ()) -> Iterator[Live]:
    """Start everything and wait until all tags are known; end everything at the end.

    The data of processes named by `on_disks` lies on disks that can be made read-only, where such can be mounted.
    """
    folder = options.folder / "stack"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with ExitStack() as mounted:
            disks = {name: mounted.enter_context(switchable_disk(folder / "run" / name)) for name in on_disks}
            with _running(options, load, folder) as running:
                running.disks.update({name: disk for name, disk in disks.items() if disk})
                yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(options: Options, load: Load, folder: Path) -> Iterator[Live]:
    plant = folder / "plant"
    _write_plant(plant, load)
    ledger = folder / "ledger"
    stack = FaultStack(folder / "run", plant, environment={"PENSTOCK_SIM_LEDGER": str(ledger)})
    stack.environment["PENSTOCK_PLATFORM_GENERATION_ROWS"] = str(GENERATION_ROWS)
    mqtt, wire = MqttProxy(stack.ports["mqtt"]), Wire(stack.ports["platform"], options.seed)
    mqtt.start()
    wire.start()
    stack.mqtt_port_of_gateway = mqtt.port
    stack.environment["PENSTOCK_GATEWAY_PLATFORM_URL"] = f"http://127.0.0.1:{wire.port}"
    try:
        for name in PROCESSES:
            stack.start(name)
        with stack.client() as client:
            wait_for(lambda: len(list(all_tags(client))) == 2 * load.tags, "all tags are known", timeout_s=READY_S)
        yield Live(stack, mqtt, wire, ledger)
    except (TimeoutError, AssertionError, httpx.HTTPError) as error:
        error.add_note(keep_logs(stack))
        raise
    finally:
        wire.heal()
        stack.close()
        mqtt.stop()
        wire.stop()


def settle(running: Live, result: Result) -> tuple[Ledger, list[Row]]:
    """Heal all, stop the devices, wait until the gateway has delivered, read back and judge into the result.

    Give what was judged.
    """
    running.revive()
    began, healed_ns = time.monotonic(), time.time_ns()
    with running.stack.client() as client:
        wait_for(lambda: all(ns > healed_ns for ns, _ in _latest(client)), "every tag is live again", timeout_s=DRAIN_S)
        result.figures["live_again_s"] = round(time.monotonic() - began, 1)
        running.stack.stop("sim")
        wait_for(
            lambda: BAD_NO_COMMUNICATION in _latest_of(client, "load-opcua"), "the end is marked", timeout_s=DRAIN_S
        )
    began = time.monotonic()
    wait_for(lambda: _drained(running.stack), "the gateway has delivered everything", timeout_s=DRAIN_S)
    result.figures["drained_s"] = round(time.monotonic() - began, 1)
    with running.stack.client() as client:
        rows = list(read_back(client))
        ledger = read_ledger(running.ledger)
        outcome = Outcome.of(ledger, rows, running.mqtt, list(gaps(client)))
    for name in ("offered", "matched", "lost", "dup", "ooo", "corrupt", "phantom", "in_marked_gap", "not_acknowledged"):
        result.figures[name] = int(getattr(outcome, name))
    result.figures["not_held"] = outcome.not_held
    if outcome.failures:
        result.failures += outcome.examples
        result.failures.append(keep_logs(running.stack))
    if outcome.matched < 0.3 * outcome.offered:
        result.failures.append(f"only {outcome.matched} of {outcome.offered} came through: nothing was tried")
    return ledger, rows


def keep_logs(stack: Stack) -> str:
    """Copy the logs of the processes to where results are; say where."""
    kept = RESULTS / "logs"
    shutil.copytree(stack.folder / "logs", kept, dirs_exist_ok=True)
    return f"the logs are kept in {kept}"


def _latest(client: httpx.Client) -> list[tuple[int, int]]:
    """Give time and status of each tag's newest sample; 0 where there is none."""
    items = client.get("/v1/latest", params={"all": "true"}).raise_for_status().json()["items"]
    return [(parse_rfc3339_ns(item["time"]) if item["time"] else 0, item["status"]) for item in items]


def _latest_of(client: httpx.Client, device: str) -> set[int]:
    """Give the statuses of a device's newest samples, if they are all the same one."""
    items = client.get("/v1/latest", params={"all": "true"}).raise_for_status().json()["items"]
    statuses = {item["status"] for item in items if item["key"].startswith(f"{device}/")}
    return statuses if len(statuses) == 1 else set()


def _drained(stack: Stack) -> bool:
    health = web.get(stack.url("gateway") + "/health", timeout=5).json()
    return bool(health["journal"]["waiting_batches"] == 0)


def _write_plant(plant: Path, load: Load) -> None:
    (plant / "devices").mkdir(parents=True)
    (plant / "types").mkdir()
    (plant / "plant.yaml").write_text("version: 1\nenterprise: penstock\n")
    mqtt = "connection: {driver: mqtt, broker: '${PENSTOCK_MQTT_URL}', topic: load/mqtt, time_field: time}\n"
    opcua = (
        f"connection: {{driver: opcua, endpoint: 'opc.tcp://127.0.0.1:{free_port()}',"
        " namespace: 'urn:penstock:sim:load-opcua',"
        " security: Basic256Sha256/SignAndEncrypt, publishing_ms: 250, sampling_ms: 50}\n"
    )
    (plant / "devices" / "load-mqtt.yaml").write_text(_device("load-mqtt", mqtt, "{{field: t{i:03d}}}", load))
    (plant / "devices" / "load-opcua.yaml").write_text(_device("load-opcua", opcua, "{{node: t{i:03d}}}", load))


def _device(name: str, connection: str, source: str, load: Load) -> str:
    """Write a device of doubles, all at the same rate."""
    head = f"version: 1\ndevice: {name}\nasset: penstock/test/load/cell/{name}\n{connection}"
    head += "simulate: {model: load}\ntags:\n"
    tag = "  t{i:03d}: {{type: float64, rate_hz: {rate}, source: {source}, signal: {{output: value}}}}\n"
    return head + "".join(tag.format(i=i, rate=load.rate_Hz, source=source.format(i=i)) for i in range(load.tags))
