"""Bad input from files, devices, disks and credentials, on a real gateway and a real platform: each is answered or
counted where a user looks, and a meter beside it is read all the while.
"""

import json
import resource
import secrets
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.core.times import parse_rfc3339_ns
from tests.builders import web
from tests.builders.edge import OpcUaServer, Process, Publisher, nats_server, started
from tests.builders.gateway import GatewayProcess, wait_until
from tests.builders.platform_process import PlatformProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
DAY_MS = 86_400_000
BAD_SENSOR_FAILURE = 0x808C_0000


class Cloud:
    """Ask the platform as its operator does."""

    def __init__(self, process: PlatformProcess) -> None:
        self.process = process
        bearer = {"Authorization": f"Bearer {process.token()}"}
        self.http = web.Client(base_url=process.url, headers=bearer, timeout=30)

    def enrol_token(self, name: str) -> str:
        answer = self.http.post("/v1/gateways/enrol-tokens", json={"name": name, "expires_s": 600})
        return str(answer.raise_for_status().json()["token"])

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get(path, params=query).raise_for_status().json()["items"]
        return found

    def tag(self, key: str) -> int | None:
        found = self.items("/v1/tags", key=key)
        return int(found[0]["id"]) if found else None

    def rows(self, key: str) -> list[tuple[str, Any, int]]:
        """Give (time, value, status) of everything stored under a key."""
        tag = self.tag(key)
        if tag is None:
            return []
        query: dict[str, Any] = {"tag": tag, "start": "0", "end": str(2**62), "limit": 100_000}
        answer = wait_until(lambda: self.unless_busy("/v1/samples", query), "an answer")
        columns = answer.raise_for_status().json()["columns"]
        return list(zip(columns["time"], columns["value"], columns["status"], strict=True))

    def unless_busy(self, path: str, query: dict[str, Any]) -> httpx.Response | None:
        """Ask once; None for "busy, later", as a disk that is just given back is answered: clients ask again."""
        answer = self.http.get(path, params=query)
        return None if answer.status_code == 503 and "Retry-After" in answer.headers else answer

    def values(self, key: str) -> list[Any]:
        return [value for _, value, _ in self.rows(key)]

    def latest(self, key: str) -> dict[str, Any]:
        return self.items("/v1/latest", tag=self.tag(key))[0]

    def metric(self, name: str) -> float:
        return metric(self.process.url, name)


def metric(url: str, name: str) -> float:
    lines = web.get(f"{url}/metrics", timeout=10).text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    process = PlatformProcess(tmp_path_factory.mktemp("bad") / "cloud")
    process.start()
    with (made := Cloud(process)).http:
        yield made
    process.kill()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Process]:
    server = nats_server(tmp_path / "broker")
    with started(server):
        yield server


@pytest.fixture
def gateway(tmp_path: Path, cloud: Cloud) -> Iterator[GatewayProcess]:
    """Give a gateway of its own name with a good enrolment token, not yet started."""
    name = f"edge-{secrets.token_hex(3)}"
    process = GatewayProcess(tmp_path / name, cloud.process.url, {"PENSTOCK_GATEWAY_NAME": name})
    process.token_file.write_text(cloud.enrol_token(name), encoding="utf-8")
    yield process
    process.kill()


class Meter:
    """A well-behaved meter of a unique name: it must be read whatever its neighbours do."""

    def __init__(self, gateway: GatewayProcess, broker: Process) -> None:
        self.name = f"meter-{secrets.token_hex(3)}"
        self.topic = f"plant/{self.name}"
        self._publisher = Publisher(broker.port)
        self._sent = 0
        gateway.device(self.name, self.file(broker))

    def file(self, broker: Process) -> str:
        return METER.format(name=self.name, topic=self.topic, port=broker.port)

    @property
    def flow(self) -> str:
        return f"{self.name}/flow"

    def send(self, *payloads: str) -> None:
        self._publisher.publish(self.topic, *payloads)

    def is_read(self, cloud: Cloud) -> None:
        """Send one more value and wait until the platform has it."""
        self._sent += 1
        value = float(self._sent)
        self.send(message(value))
        wait_until(lambda: value in cloud.values(self.flow), f"{value} of {self.flow}")


METER = """
version: 1
device: {name}
connection: {{driver: mqtt, broker: 'mqtt://127.0.0.1:{port}', topic: {topic}, time_field: ts, time_unit: ms}}
tags:
  flow: {{type: float64, unit: m3/h, source: {{field: v}}}}
  state: {{type: string, source: {{field: s}}}}
"""


def message(value: object, *, time_ms: int | None = None) -> str:
    return json.dumps({"v": value, "s": "run", "ts": time_ms or time.time_ns() // 1_000_000})


def connected(gateway: GatewayProcess, *names: str) -> None:
    for name in names:
        wait_until(partial(is_in_state, gateway, name, "connected"), f"{name} connected")


def is_in_state(gateway: GatewayProcess, name: str, state: str) -> bool:
    return bool(gateway.health()["devices"].get(name, {}).get("state") == state)


def test_each_wrong_device_file_is_named_and_the_right_one_is_read(
    cloud: Cloud, gateway: GatewayProcess, broker: Process
) -> None:
    meter = Meter(gateway, broker)
    right = meter.file(broker)

    def spoil(name: str, old: str, new: str) -> None:
        text = right.replace(f"device: {meter.name}", f"device: {name}")
        assert old in text
        gateway.device(name, text.replace(old, new, 1))

    spoil("key", "unit: m3/h", "unti: m3/h")
    spoil("driver", "driver: mqtt", "driver: mqtr")
    spoil("port", f"127.0.0.1:{broker.port}", "127.0.0.1:99999")
    spoil("tag", "  state:", "  flow:")
    spoil("unit", "{field: v}", "{field: v, unit: kg}")
    gateway.device("twice", right)
    gateway.start()
    connected(gateway, meter.name)
    wait_until(lambda: len(gateway.health()["files"]) == 5 and "driver" in gateway.health()["devices"], "the errors")
    health = gateway.health()
    said = {**health["files"], "driver": health["devices"]["driver"]["detail"]}
    assert said == {
        "key.yaml": "key.yaml:6: tags.flow.unti: key 'unti' is not known here; did you mean 'unit'? "
        "(valid: deadband, description, late_after_s, range, rate_hz, signal, source, type, unit)",
        "port.yaml": "port.yaml:4: connection.broker: 'mqtt://127.0.0.1:99999' is no broker address: "
        "its port is no number from 1 to 65535; write mqtt://host:port",
        "tag.yaml": "tag.yaml:7: tags.flow: tag 'flow' stands twice, first in line 6; remove one",
        "unit.yaml": "unit.yaml:6: tags.flow.source.unit: unit 'kg' does not convert to 'm3/h'",
        "twice.yaml": f"twice.yaml: device: {meter.name!r} is already the name in {meter.name}.yaml: "
        "a device's name is unique in the plant",
        "driver": "driver.yaml:4: connection.driver: driver 'mqtr' is not installed; did you mean 'mqtt'? "
        "(valid: mqtt, opcua)",
    }
    assert health["devices"]["driver"]["state"] == "not taken"
    for text in said.values():
        assert text in gateway.log()
        assert any(text in shown for shown in health["problems"])
    meter.is_read(cloud)


def test_opcua_server_that_is_absent_bad_and_changed_is_named_and_the_rest_is_read(
    cloud: Cloud, gateway: GatewayProcess, broker: Process, tmp_path: Path
) -> None:
    plc = OpcUaServer("node-opcua", tmp_path / "plc")
    meter, name = Meter(gateway, broker), f"plc-{secrets.token_hex(3)}"
    gateway.device(name, PLC.format(name=name, port=plc.port))
    gateway.start()
    wait_until(partial(is_in_state, gateway, name, "disconnected"), "absent")
    absent = gateway.health()["devices"][name]["detail"]
    assert f"{name}: {absent}" in gateway.health()["problems"]
    assert absent == f"nothing listens at opc.tcp://127.0.0.1:{plc.port}: is the server running?"
    meter.is_read(cloud)
    with started(plc):
        connected(gateway, name)
        plc.set("Flow", 1.25)
        wait_until(lambda: 1.25 in cloud.values(f"{name}/flow"), "a value")
        plc.set("Flow", 99.0, status="BadSensorFailure")
        wait_until(lambda: cloud.rows(f"{name}/flow")[-1][2] == BAD_SENSOR_FAILURE, "the Bad one")
        assert cloud.latest(f"{name}/flow")["quality"] == "bad"
        plc.kill()
        wait_until(partial(is_in_state, gateway, name, "disconnected"), "lost")
        meter.is_read(cloud)
        plc.namespaces = ("urn:one", "urn:two")
        plc.start()
        connected(gateway, name)
        plc.set("Flow", 2.5)
        wait_until(lambda: 2.5 in cloud.values(f"{name}/flow"), "read on under another index")
        assert gateway.health()["devices"][name]["counters"]["disconnects"] == 1
    assert cloud.latest(f"{name}/flow")["quality"] == "good"
    gaps = wait_until(lambda: cloud.items("/v1/ledger/gaps", tag=cloud.tag(f"{name}/flow")), "the gap")
    assert all(gap["cause"] for gap in gaps)


PLC = """
version: 1
device: {name}
connection:
  driver: opcua
  endpoint: opc.tcp://127.0.0.1:{port}
  namespace: urn:penstock:test:plc
  security: none, I accept plain text
  publishing_ms: 100
  sampling_ms: 0
tags:
  flow: {{type: float64, source: {{node: Flow}}}}
"""


def test_wrong_payloads_are_rejects_in_the_ledger_with_their_reasons(
    cloud: Cloud, gateway: GatewayProcess, broker: Process
) -> None:
    meter = Meter(gateway, broker)
    gateway.start()
    connected(gateway, meter.name)
    lacks = json.dumps({"s": "run", "ts": time.time_ns() // 1_000_000 - 1_000})
    meter.send("{not json", "x" * 1_000_000, lacks, message("twelve"))
    meter.is_read(cloud)
    wanted = {
        f"payload on {meter.topic} is not JSON: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)",
        f"payload of 1000000 bytes on {meter.topic}, at most 65536 are taken",
        f"field v is missing on {meter.topic}",
        "a number expected, got str",
    }

    def rejects() -> list[dict[str, Any]]:
        return [each for each in cloud.items("/v1/ledger/rejects") if each["device"] == meter.name]

    wait_until(lambda: {each["reason"] for each in rejects()} >= wanted, "all four in the ledger")
    assert {each["reason"] for each in rejects()} == wanted
    excerpts = {each["reason"]: each["excerpt"] for each in rejects()}
    assert excerpts["a number expected, got str"] == "twelve"
    assert all(len(excerpt) <= 256 for excerpt in excerpts.values())
    counted = metric(f"http://127.0.0.1:{gateway.port}", "penstock_gateway_rejects_total")
    assert counted == gateway.health()["devices"][meter.name]["rejects"] >= 4
    assert cloud.values(f"{meter.name}/state").count("run") >= 3, "the good field of a half-wrong message is kept"


def test_clock_a_day_ahead_is_stored_and_counted_and_never_latest(
    cloud: Cloud, gateway: GatewayProcess, broker: Process
) -> None:
    meter = Meter(gateway, broker)
    gateway.start()
    connected(gateway, meter.name)
    meter.is_read(cloud)
    before = cloud.metric("penstock_historian_future_total")
    ahead_ms = time.time_ns() // 1_000_000 + DAY_MS
    meter.send(message(777.0, time_ms=ahead_ms))
    wait_until(lambda: 777.0 in cloud.values(meter.flow), "the value of tomorrow")
    ((stored_at, status),) = [(at, status) for at, value, status in cloud.rows(meter.flow) if value == 777.0]
    assert (parse_rfc3339_ns(stored_at), status) == (ahead_ms * 1_000_000, 0)
    latest = cloud.latest(meter.flow)
    assert (latest["value"], latest["future"]) == (1.0, True)
    assert cloud.metric("penstock_historian_future_total") == before + 2, "flow and state"
    meter.is_read(cloud)
    assert cloud.latest(meter.flow)["value"] == 2.0


def test_forged_enrolment_and_credential_are_refused_in_words_and_the_journal_keeps_all(
    cloud: Cloud, gateway: GatewayProcess, broker: Process
) -> None:
    good = gateway.token_file.read_text(encoding="utf-8")
    gateway.token_file.write_text("forged", encoding="utf-8")
    meter = Meter(gateway, broker)
    gateway.start()
    connected(gateway, meter.name)
    meter.send(message(41.0))
    wait_until(lambda: gateway.health()["journal"]["waiting_batches"] >= 1, "the first journalled")
    wait_until(lambda: "token" in gateway.health()["uplink"]["problem"], "refused")
    name = gateway.extra["PENSTOCK_GATEWAY_NAME"]
    assert gateway.health()["uplink"]["problem"].startswith(
        f"the platform at {cloud.process.url} refused to enrol {name!r}: The enrolment "
        f"token is not good for {name}: unknown, expired, or made for another name. "
        "Make a token where the platform runs: `penstock platform enrol-token --name "
    )
    gateway.kill()
    forged = {"gateway": "gtw_forged", "client_id": "cli_forged", "client_secret": "forged"}
    credential = gateway.folder / "gateway" / "credential.json"
    credential.write_text(json.dumps(forged), encoding="utf-8")
    credential.chmod(0o600)
    gateway.start()
    wait_until(lambda: "does not know" in gateway.health()["uplink"]["problem"], "unknown")
    meter.send(message(42.0))
    wait_until(lambda: gateway.health()["journal"]["waiting_batches"] >= 2, "journalled")
    gateway.token_file.write_text(good, encoding="utf-8")
    done = gateway.command("enrol", "--token-file", str(gateway.token_file))
    assert done.returncode == 0, done.stderr
    wait_until(lambda: {41.0, 42.0} <= set(cloud.values(meter.flow)), "all that was journalled")
    meter.is_read(cloud)


def test_broker_that_refuses_the_password_is_named_and_the_other_broker_is_read(
    cloud: Cloud, gateway: GatewayProcess, broker: Process, tmp_path: Path
) -> None:
    guarded = nats_server(tmp_path / "guarded", user="gateway", password="right")
    meter = Meter(gateway, broker)
    locked = Meter(gateway, guarded)
    credentials = tmp_path / "mqtt.json"
    credentials.write_text(json.dumps({"username": "gateway", "password": "wrong"}), encoding="utf-8")
    gateway.extra["PENSTOCK_GATEWAY_MQTT_CREDENTIALS"] = str(credentials)
    with started(guarded):
        gateway.start()
        connected(gateway, meter.name)
        wait_until(lambda: "refused" in gateway.health()["devices"][locked.name]["detail"], "the refusal")
        assert gateway.health()["devices"][locked.name]["detail"] == "the broker refused the connection: Not authorized"
        assert any(locked.name in shown for shown in gateway.health()["problems"])
        meter.is_read(cloud)


def test_full_disk_of_the_historian_is_answered_later_and_nothing_is_lost(
    cloud: Cloud, gateway: GatewayProcess, broker: Process
) -> None:
    meter = Meter(gateway, broker)
    gateway.start()
    connected(gateway, meter.name)
    meter.is_read(cloud)
    assert cloud.process.process is not None
    pid, historian = cloud.process.process.pid, cloud.process.folder / "platform" / "historian"
    unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    begin_ms = time.time_ns() // 1_000_000 - 60_000
    largest = max(path.stat().st_size for path in historian.rglob("*") if path.is_file())
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, unlimited[1]))
    sent = 0

    def more() -> bool:
        nonlocal sent
        numbers = range(sent, sent + 100)
        texts = [json.dumps({"v": 1000.0 + n, "s": secrets.token_hex(2000), "ts": begin_ms + n}) for n in numbers]
        meter.send(*texts)
        sent += 100
        return "could not be written" in gateway.health()["uplink"]["problem"]

    try:
        wait_until(more, "a refusal")
        assert (
            "answered 503 busy: the historian's disk could not be written (File too large); keep what you have"
            in (gateway.health()["uplink"]["problem"])
        )
        assert cloud.metric("penstock_historian_failed_groups_total") >= 1
        assert web.get(f"{cloud.process.url}/health").status_code == 200
        assert cloud.latest(meter.flow)["value"] is not None, "reading goes on"
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    wanted = {1000.0 + n for n in range(sent)}
    wait_until(lambda: set(cloud.values(meter.flow)) >= wanted, "everything")
    values = [value for value in cloud.values(meter.flow) if value >= 1000.0]
    assert len(values) == sent, "each once"
    meter.is_read(cloud)
