"""The gateway as a process: from real device servers through its journal to a platform, killed and restarted."""

import json
import resource
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from penstock.core.batch import Gap, Reject
from penstock.core.status import BAD_NO_COMMUNICATION
from tests.builders import web
from tests.builders.edge import OpcUaServer, Process, Publisher, nats_server, started
from tests.builders.gateway import FakePlatform, GatewayProcess, problem, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    fake = FakePlatform()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def gateway(tmp_path: Path, platform: FakePlatform) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path / "edge-1", platform.url)
    yield process
    process.kill()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Process]:
    server = nats_server(tmp_path / "broker")
    with started(server):
        yield server


def meter(broker: Process, name: str = "meter", topic: str = "plant/meter") -> str:
    return f"""
version: 1
device: {name}
connection: {{driver: mqtt, broker: 'mqtt://127.0.0.1:{broker.port}', topic: {topic}, time_field: ts, time_unit: ms}}
tags:
  flow: {{type: float64, unit: m3/h, source: {{field: v, unit: l/min}}}}
  state: {{type: string, source: {{field: s}}}}
"""


def message(value: float, state: str = "run", time_ms: int | None = None) -> str:
    return json.dumps({"v": value, "s": state, "ts": time_ms or time.time_ns() // 1_000_000})


def device_state(gateway: GatewayProcess, name: str) -> str:
    return str(gateway.health()["devices"].get(name, {}).get("state"))


def connected(gateway: GatewayProcess, *names: str) -> None:
    for name in names:
        wait_until(partial(is_connected, gateway, name), f"{name} connected")


def is_connected(gateway: GatewayProcess, name: str) -> bool:
    return device_state(gateway, name) == "connected"


def test_samples_of_both_protocols_arrive_with_unit_type_and_time(
    platform: FakePlatform, gateway: GatewayProcess, broker: Process, tmp_path: Path
) -> None:
    plc = OpcUaServer("asyncua", tmp_path / "plc")
    with started(plc):
        gateway.device("meter", meter(broker))
        gateway.device("plc", PLC.format(port=plc.port))
        gateway.start()
        connected(gateway, "meter", "plc")
        Publisher(broker.port).publish("plant/meter", message(60.0, time_ms=1_800_000_000_123))
        plc.set("Counter", 77, time_ms=1_800_000_000_456)
        wait_until(lambda: any(row.value == 77 for row in platform.rows()), "the counter")
        wait_until(lambda: any(row.key == "meter/flow" for row in platform.rows()), "the flow")
        flow = next(row for row in platform.rows() if row.key == "meter/flow")
        assert (flow.time_ns, flow.status) == (1_800_000_000_123_000_000, 0)
        assert flow.value == pytest.approx(3.6)
        counter = next(row for row in platform.rows() if row.value == 77)
        assert (counter.key, counter.time_ns) == ("plc/counter", 1_800_000_000_456_000_000)
        wait_until(lambda: gateway.health()["uplink"]["pending_batches"] == 0, "all delivered")
        assert gateway.health()["status"] == "ok"
        wait_until(lambda: gateway.health()["journal"]["waiting_batches"] == 0, "all released")
        stated = wait_until(lambda: [each for each in platform.stated if not each["waiting"]], "its journal is empty")
        assert (stated[-1]["oldest"], stated[-1]["epochs"]) == (None, [])
        assert 0 < time.time_ns() - stated[-1]["as_of"] < 600 * 1_000_000_000
        metrics = web.get(f"http://127.0.0.1:{gateway.port}/metrics").text
        assert 'penstock_gateway_device_up{device="plc",driver="opcua"} 1.0' in metrics
        assert "penstock_gateway_journal_waiting_batches 0.0" in metrics
        assert gateway.stop() == 0


PLC = """
version: 1
device: plc
connection:
  driver: opcua
  endpoint: opc.tcp://127.0.0.1:{port}
  namespace: urn:penstock:test:plc
  security: none, I accept plain text
  publishing_ms: 100
  sampling_ms: 0
tags:
  flow: {{type: float64, source: {{node: Flow}}}}
  counter: {{type: int64, source: {{node: Counter}}}}
"""


def test_nothing_is_lost_or_doubled_by_kills_while_loading(
    platform: FakePlatform, gateway: GatewayProcess, broker: Process
) -> None:
    """Every publish whose PUBACK the broker gave must be at the platform: the session keeps it while nobody listens."""
    gateway.device("meter", meter(broker))
    gateway.start()
    connected(gateway, "meter")
    sent: list[int] = []
    loading = threading.Event()
    loading.set()

    def load() -> None:
        publisher = Publisher(broker.port)
        number = 0
        while loading.is_set():
            burst = range(number, number + 50)
            publisher.publish("plant/meter", *(message(float(n), time_ms=1_700_000_000_000 + n) for n in burst))
            sent.extend(burst)
            number += 50

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for pause_s in (0.7, 1.1):
            time.sleep(pause_s)
            gateway.kill()
            gateway.start()
    finally:
        loading.clear()
        thread.join()
    assert len(sent) > 200

    def numbers() -> list[int]:
        flows = (row for row in platform.rows() if row.key == "meter/flow" and row.value is not None)
        return [row.time_ns // 1_000_000 - 1_700_000_000_000 for row in flows]

    wait_until(lambda: set(numbers()) >= set(sent), "every acknowledged publish")
    assert set(numbers()) == set(sent)
    assert platform.conflicts == 0, "a seq was used for two contents"
    for stored in platform.epochs.values():
        assert stored.above == []
    states = {row.time_ns: row.value for row in platform.rows() if row.key == "meter/state"}
    assert set(states.values()) == {"run"}


def test_platform_that_is_away_loses_nothing_and_learns_of_the_gap(
    platform: FakePlatform, gateway: GatewayProcess, tmp_path: Path
) -> None:
    plc = OpcUaServer("node-opcua", tmp_path / "plc")
    gateway.device("plc", PLC.format(port=plc.port))
    with started(plc):
        gateway.start()
        connected(gateway, "plc")
        plc.set("Flow", 1.25)
        wait_until(lambda: any(row.value == 1.25 for row in platform.rows()), "the first value")
        platform.stop()
        for number in range(20):
            plc.set("Flow", 100.0 + number)
        wait_until(lambda: "no answer" in gateway.health()["uplink"]["problem"], "the problem in words")
        plc.kill()
        wait_until(lambda: device_state(gateway, "plc") == "disconnected", "disconnected")
        plc.start()
        connected(gateway, "plc")
        plc.set("Flow", 200.0)
        platform.start()
        wait_until(lambda: any(row.value == 200.0 for row in platform.rows()), "the last value")
    values = [row.value for row in platform.rows() if row.key == "plc/flow"]
    assert [value for value in values if value is not None and 100 <= float(value) < 120] == [
        100.0 + n for n in range(20)
    ]
    bad = [row for row in platform.rows() if row.status == BAD_NO_COMMUNICATION]
    assert {row.key for row in bad} == {"plc/flow", "plc/counter"}
    gaps = [record for record in platform.records() if isinstance(record, Gap)]
    opened = {gap.tag: gap.from_ns for gap in gaps if gap.to_ns is None}
    closed = {gap.tag: (gap.from_ns, gap.to_ns) for gap in gaps if gap.to_ns is not None}
    assert len(opened) == 2
    assert {tag: began for tag, (began, _) in closed.items()} == opened
    assert all(ended > began for began, ended in closed.values() if ended is not None)


def test_restart_marks_what_the_gateway_could_not_see(
    platform: FakePlatform, gateway: GatewayProcess, tmp_path: Path
) -> None:
    plc = OpcUaServer("node-opcua", tmp_path / "plc")
    gateway.device("plc", PLC.format(port=plc.port))
    with started(plc):
        gateway.start()
        connected(gateway, "plc")
        plc.set("Flow", 5.5)
        wait_until(lambda: any(row.value == 5.5 for row in platform.rows()), "the value")
        gateway.kill()
        plc.set("Flow", 6.5)
        plc.set("Flow", 7.5)
        gateway.start()
        wait_until(lambda: any(row.value == 7.5 for row in platform.rows()), "the value held by the server")
        wait_until(lambda: gateway.health()["intake"]["open_gaps"] == 0, "closed gaps")
        wait_until(lambda: gateway.health()["uplink"]["pending_batches"] == 0, "all delivered")
    gaps = [record for record in platform.records() if isinstance(record, Gap)]
    assert {gap.cause for gap in gaps} == {"gateway was down"}
    assert sorted(gap.to_ns is None for gap in gaps) == [False, False, True, True]
    assert {row.key for row in platform.rows() if row.status == BAD_NO_COMMUNICATION} == {"plc/flow", "plc/counter"}
    counter = [row for row in platform.rows() if row.key == "plc/counter"]
    assert counter[-1].status & 0xFFFF == 0x0402, "an unchanged value ends its gap as held"
    assert counter[-1].value == 1


def test_junk_is_counted_and_recorded_and_the_rest_goes_on(
    platform: FakePlatform, gateway: GatewayProcess, broker: Process
) -> None:
    gateway.device("meter", meter(broker))
    gateway.start()
    connected(gateway, "meter")
    junk = ["{not json", "x" * 1_000_000, json.dumps({"ts": 1, "s": "run"}), message("twelve")]  # type: ignore[arg-type]
    Publisher(broker.port).publish("plant/meter", *junk, message(6.0))
    wait_until(lambda: any(row.key == "meter/flow" for row in platform.rows()), "the good value")
    wait_until(lambda: gateway.health()["intake"]["rejects"] >= 4, "four rejects, more where the broker repeats")
    wait_until(lambda: gateway.health()["uplink"]["pending_batches"] == 0, "all delivered")
    rejects = [record for record in platform.records() if isinstance(record, Reject)]
    reasons = sorted(reject.reason for reject in rejects)
    for part in ("not JSON", "1000000 bytes", "field v is missing", "a number expected, got str"):
        assert any(part in reason for reason in reasons), (part, reasons)
    assert all(reject.device == "meter" and len(reject.excerpt) <= 256 for reject in rejects)
    assert device_state(gateway, "meter") == "connected"
    lines = [line for line in gateway.log_file.read_text().splitlines() if "meter: rejected" in line]
    assert 1 <= len(lines) < len(junk), lines
    assert "plant/meter" in lines[0]
    [problem] = gateway.health()["problems"]
    assert problem.startswith("meter sends what cannot become samples: ")
    assert "plant/meter" in problem
    asked = gateway.command("problems")
    assert (asked.returncode, asked.stdout.splitlines()) == (1, [problem])


def test_device_a_day_ahead_is_kept_as_it_says(
    platform: FakePlatform, gateway: GatewayProcess, broker: Process
) -> None:
    tomorrow_ms = time.time_ns() // 1_000_000 + 86_400_000
    gateway.device("meter", meter(broker))
    gateway.start()
    connected(gateway, "meter")
    Publisher(broker.port).publish("plant/meter", message(1.0, time_ms=tomorrow_ms))
    wait_until(lambda: any(row.time_ns == tomorrow_ms * 1_000_000 for row in platform.rows()), "tomorrow's value")


def test_device_folder_is_followed_and_a_broken_file_stops_nothing(
    platform: FakePlatform, gateway: GatewayProcess, broker: Process
) -> None:
    gateway.device("meter", meter(broker))
    gateway.start()
    connected(gateway, "meter")
    gateway.device(
        "wrong",
        meter(broker, name="wrong").replace("unit: l/min", "unit: degC").replace("driver: mqtt", "driver: mqtr"),
    )
    gateway.device("second", meter(broker, name="second", topic="plant/second"))
    connected(gateway, "second")
    wait_until(lambda: "wrong.yaml" in gateway.health()["files"], "the error of the broken file")
    assert "wrong.yaml:" in gateway.health()["files"]["wrong.yaml"]
    gateway.device(
        "meter",
        meter(broker).replace(
            "flow:",
            "flow: [",
        ),
    )
    wait_until(lambda: "meter.yaml" in gateway.health()["files"], "the error of the edited file")
    Publisher(broker.port).publish("plant/meter", message(60.0))
    wait_until(lambda: any(row.key == "meter/flow" for row in platform.rows()), "the old version still runs")
    gateway.device("meter", meter(broker).replace("flow:", "throughput:"))
    wait_until(lambda: "meter.yaml" not in gateway.health()["files"], "mended")
    connected(gateway, "meter")
    Publisher(broker.port).publish("plant/meter", message(61.0))
    wait_until(lambda: any(row.key == "meter/throughput" for row in platform.rows()), "the new version runs")
    (gateway.folder / "plant" / "devices" / "second.yaml").unlink()
    wait_until(lambda: "second" not in gateway.health()["devices"], "the removed device")
    assert device_state(gateway, "meter") == "connected"


def test_platform_made_anew_gets_the_reserve_after_one_command(
    platform: FakePlatform, gateway: GatewayProcess, broker: Process
) -> None:
    gateway.device("meter", meter(broker))
    gateway.start()
    connected(gateway, "meter")
    Publisher(broker.port).publish(
        "plant/meter", *(message(float(n), time_ms=1_700_000_000_000 + n) for n in range(10))
    )
    wait_until(lambda: len(platform.rows()) == 20, "delivered")
    wait_until(lambda: gateway.health()["uplink"]["pending_batches"] == 0, "released")
    platform.forget_everything()
    platform.refuse = None
    Publisher(broker.port).publish("plant/meter", message(99.0))
    hint = wait_until(lambda: "penstock gateway enrol" in gateway.health()["uplink"]["problem"], "the command to run")
    assert hint
    assert "penstock gateway enrol --token-file" in gateway.log()
    platform.tokens["token-2"] = "edge-1"
    gateway.token_file.write_text("token-2", encoding="utf-8")
    done = gateway.command("enrol", "--token-file", str(gateway.token_file))
    assert done.returncode == 0, done.stderr
    wait_until(lambda: len({(row.key, row.time_ns) for row in platform.rows()}) == 22, "the reserve again")
    wait_until(lambda: gateway.health()["uplink"]["problem"] == "", "no problem left")
    assert all(stored.above == [] for stored in platform.epochs.values()), "no hole that never closes"
    status = gateway.command("journal", "status")
    assert platform.gateway_id in status.stdout


def test_gateway_made_anew_says_what_to_do_and_opens_a_new_epoch(
    platform: FakePlatform, gateway: GatewayProcess, broker: Process
) -> None:
    gateway.device("meter", meter(broker))
    gateway.start()
    connected(gateway, "meter")
    wait_until(lambda: gateway.health()["uplink"]["state"] == "connected", "enrolled")
    first = gateway.health()["journal"]["epoch"]
    assert gateway.stop() == 0
    for path in sorted((gateway.folder / "gateway").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    gateway.start()
    wait_until(
        lambda: "penstock platform enrol-token --name edge-1" in gateway.health()["uplink"]["problem"], "what to do"
    )
    assert gateway.health()["journal"]["epoch"] != first
    platform.tokens["token-2"] = "edge-1"
    gateway.token_file.write_text("token-2", encoding="utf-8")
    wait_until(lambda: gateway.health()["uplink"]["state"] == "connected", "enrolled again")


def is_shown(gateway: GatewayProcess, text: str) -> bool:
    return text in gateway.health()["uplink"]["problem"]


def test_refusals_keep_everything_and_show(platform: FakePlatform, gateway: GatewayProcess, broker: Process) -> None:
    gateway.device("meter", meter(broker))
    gateway.start()
    connected(gateway, "meter")
    wait_until(lambda: gateway.health()["uplink"]["state"] == "connected", "enrolled")
    for status, name in ((503, "busy"), (403, "forbidden"), (500, "error"), (429, "busy")):
        platform.refuse = problem(status, name, "not now", **({"Retry-After": "0"} if status in (429, 503) else {}))
        Publisher(broker.port).publish("plant/meter", message(float(status), time_ms=status))
        wait_until(partial(is_shown, gateway, f"answered {status}"), f"{status} shown")
    platform.refuse = None
    wait_until(
        lambda: {row.time_ns // 1_000_000 for row in platform.rows()} == {503, 403, 500, 429}, "all kept", within_s=30
    )


def test_full_disk_holds_the_devices_and_recovers(
    platform: FakePlatform, gateway: GatewayProcess, broker: Process
) -> None:
    gateway.device("meter", meter(broker))
    gateway.start()
    connected(gateway, "meter")
    Publisher(broker.port).publish("plant/meter", message(0.0, time_ms=1))
    wait_until(lambda: len({(row.key, row.time_ns) for row in platform.rows()}) == 2, "the first value")
    assert gateway.process is not None
    pid, sizes = gateway.process.pid, (gateway.folder / "gateway").glob("journal.sqlite*")
    unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (max(path.stat().st_size for path in sizes), unlimited[1]))
    Publisher(broker.port).publish("plant/meter", *(message(float(n), "x" * 4_000, time_ms=n) for n in range(2, 32)))
    blocked = wait_until(lambda: gateway.health()["journal"]["blocked"], "the disk named")
    assert "cannot be written" in blocked
    assert blocked in gateway.health()["problems"]
    assert len({(row.key, row.time_ns) for row in platform.rows()}) < 62
    resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    wait_until(lambda: not gateway.health()["journal"]["blocked"], "recovered")
    wait_until(lambda: len({(row.key, row.time_ns) for row in platform.rows()}) == 62, "everything")
    assert device_state(gateway, "meter") == "connected"


def test_second_gateway_on_one_folder_is_refused(gateway: GatewayProcess) -> None:
    gateway.start()
    second = gateway.command("run")
    assert second.returncode == 1
    assert "another gateway runs on this data folder" in second.stderr
    adopt = gateway.command("journal", "adopt")
    assert adopt.returncode == 1


def test_plain_http_to_another_machine_is_refused(gateway: GatewayProcess) -> None:
    gateway.platform_url = "http://platform.example:8080"
    refused = gateway.command("run")
    assert refused.returncode == 1
    assert "PENSTOCK_GATEWAY_ALLOW_PLAIN_HTTP" in refused.stderr


def test_no_secret_reaches_log_or_health(platform: FakePlatform, gateway: GatewayProcess) -> None:
    gateway.start()
    wait_until(lambda: gateway.health()["uplink"]["state"] == "connected", "enrolled")
    credential = json.loads((gateway.folder / "gateway" / "credential.json").read_text())
    assert (gateway.folder / "gateway" / "credential.json").stat().st_mode & 0o777 == 0o600
    seen = gateway.log() + json.dumps(gateway.health())
    for secret in (credential["client_secret"], "token-1", *platform.bearers):
        assert secret not in seen
