"""SIGKILLs over gateway, broker and platform under load, judged by the devices' own ledger through the public API.

Must arrive: every MQTT publish whose PUBACK from the gateway the proxy saw, every OPC UA value outside a marked gap.
"""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from penstock.core.times import parse_rfc3339_ns
from penstock.simulators.ledger import Ledger, Row, judge, read_ledger
from tests.builders.mqtt_proxy import MqttProxy
from tests.builders.stack import Stack, free_port, wait_for

KILLS = 30
SAMPLES_MIN = 200_000
TAGS, RATE_Hz = 60, 20
PAGE_ROWS = 100_000
DRAIN_S = 120.0
RESULTS = Path(__file__).resolve().parents[2] / "test-results"

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


def device_file(name: str, connection: str, source: str) -> str:
    """Write a device of ``TAGS`` doubles, all at ``RATE_Hz``."""
    head = f"version: 1\ndevice: {name}\nasset: penstock/test/load/cell/{name}\n{connection}"
    head += "simulate: {model: load}\ntags:\n"
    tag = "  t{i:03d}: {{type: float64, rate_hz: {rate}, source: {source}, signal: {{output: value}}}}\n"
    return head + "".join(tag.format(i=i, rate=RATE_Hz, source=source.format(i=i)) for i in range(TAGS))


@pytest.fixture
def proxy_and_stack(tmp_path: Path) -> Iterator[tuple[MqttProxy, Stack]]:
    plant = tmp_path / "plant"
    (plant / "devices").mkdir(parents=True)
    (plant / "types").mkdir()
    (plant / "plant.yaml").write_text("version: 1\nenterprise: penstock\n")
    mqtt = "connection: {driver: mqtt, broker: '${PENSTOCK_MQTT_URL}', topic: load/mqtt, time_field: time}\n"
    opcua = (
        f"connection: {{driver: opcua, endpoint: 'opc.tcp://127.0.0.1:{free_port()}',"
        " namespace: 'urn:penstock:sim:load-opcua',"
        " security: Basic256Sha256/SignAndEncrypt, publishing_ms: 250, sampling_ms: 50}\n"
    )
    (plant / "devices" / "load-mqtt.yaml").write_text(device_file("load-mqtt", mqtt, "{{field: t{i:03d}}}"))
    (plant / "devices" / "load-opcua.yaml").write_text(device_file("load-opcua", opcua, "{{node: t{i:03d}}}"))
    stack = Stack(tmp_path / "run", plant, environment={"PENSTOCK_SIM_LEDGER": str(tmp_path / "ledger")})
    proxy = MqttProxy(stack.ports["mqtt"])
    proxy.start()
    stack.mqtt_port_of_gateway = proxy.port
    try:
        yield proxy, stack
    finally:
        stack.close()
        proxy.stop()


def test_thirty_kills_under_load_lose_and_double_nothing(
    proxy_and_stack: tuple[MqttProxy, Stack], tmp_path: Path
) -> None:
    proxy, stack = proxy_and_stack
    for name in ("broker", "platform", "gateway", "sim"):
        stack.start(name)
    with stack.client() as client:
        wait_for(lambda: len(list(all_tags(client))) == 2 * TAGS, "all tags are known")
    seed = random.SystemRandom().randrange(2**32)
    kills = kill_under_load(stack, random.Random(seed), tmp_path / "ledger")
    stack.stop("sim")
    with stack.client() as client:
        wait_for(lambda: drained(stack), "the gateway has delivered everything", timeout_s=DRAIN_S)
        outcome = Outcome.of(read_ledger(tmp_path / "ledger"), list(read_back(client)), proxy, list(gaps(client)))
    RESULTS.mkdir(exist_ok=True)
    report = f"seed {seed}, kills {kills}\n{outcome}\n"
    (RESULTS / "kills.txt").write_text(report)
    assert sum(kills.values()) >= KILLS
    assert outcome.offered >= SAMPLES_MIN, report
    assert outcome.failures == 0, report
    assert outcome.matched > 0.5 * outcome.offered, report


def kill_under_load(stack: Stack, random_source: random.Random, ledger: Path) -> dict[str, int]:
    """Kill and restart until both the kills and the samples are enough; give the kills by process."""
    kills = {"gateway": 0, "broker": 0, "platform": 0}
    while sum(kills.values()) < KILLS or ledger.read_bytes().count(b"\n") < SAMPLES_MIN:
        name = random_source.choice(sorted(kills))
        time.sleep(random_source.uniform(0.5, 3.0))
        stack.kill(name)
        kills[name] += 1
        time.sleep(random_source.uniform(0.0, 1.5))
        stack.start(name)
    return kills


def drained(stack: Stack) -> bool:
    """Say whether the gateway's journal holds nothing that the platform has not committed."""
    health = httpx.get(stack.url("gateway") + "/health", timeout=5).json()
    return bool(health["journal"]["waiting_batches"] == 0)


def all_tags(client: httpx.Client) -> Iterator[tuple[int, str]]:
    cursor: str | None = None
    while True:
        page = (
            client.get("/v1/tags", params={"limit": 1000, **({"cursor": cursor} if cursor else {})})
            .raise_for_status()
            .json()
        )
        yield from ((tag["id"], tag["key"]) for tag in page["items"])
        cursor = page["next"]
        if cursor is None:
            return


def read_back(client: httpx.Client) -> Iterator[Row]:
    """Read every sample of every tag, in the order of the answers."""
    for tag, key in all_tags(client):
        cursor: str | None = None
        while True:
            params: dict[str, str | int] = {"tag": tag, "start": "1d-ago", "end": "now", "limit": PAGE_ROWS}
            if cursor:
                params["cursor"] = cursor
            page = client.get("/v1/samples", params=params).raise_for_status().json()
            columns = page["columns"]
            for time_text, value, status, position, row in zip(
                columns["time"], columns["value"], columns["status"], columns["position"], columns["row"], strict=True
            ):
                yield Row(key, parse_rfc3339_ns(time_text), status, value, position, row)
            cursor = page["next"]
            if cursor is None:
                break


def gaps(client: httpx.Client) -> Iterator[tuple[str, int, int]]:
    """Give (tag key, from, to) of every gap record; an open one ends never."""
    cursor: str | None = None
    keys = dict(all_tags(client))
    while True:
        page = (
            client.get("/v1/ledger/gaps", params={"limit": 1000, **({"cursor": cursor} if cursor else {})})
            .raise_for_status()
            .json()
        )
        for gap in page["items"]:
            end = parse_rfc3339_ns(gap["to"]) if gap["to"] else 2**63 - 1
            yield keys[gap["tag"]], parse_rfc3339_ns(gap["from"]), end
        cursor = page["next"]
        if cursor is None:
            return


@dataclass(slots=True)
class Outcome:
    """Hold the judge's verdict with the missing values told apart."""

    offered: int
    matched: int
    lost: int
    dup: int
    ooo: int
    corrupt: int
    phantom: int
    in_marked_gap: int
    not_acknowledged: int
    not_held: int
    acknowledged: int
    examples: list[str] = field(default_factory=list)

    @property
    def failures(self) -> int:
        return self.lost + self.dup + self.ooo + self.corrupt + self.phantom

    @classmethod
    def of(
        cls, ledger: Ledger, rows: list[Row], proxy: MqttProxy, gap_records: list[tuple[str, int, int]]
    ) -> "Outcome":
        verdict = judge(ledger, rows)
        returned = {(row.key, row.time_ns) for row in rows}
        acknowledged = {parse_rfc3339_ns(json.loads(payload)["time"]) for _topic, payload in proxy.acknowledged}
        by_key: dict[str, list[tuple[int, int]]] = {}
        for key, start, end in gap_records:
            by_key.setdefault(key, []).append((start, end))
        in_gap = unacknowledged = 0
        lost: list[str] = []
        for entry in ledger.entries:
            at = (entry.device, entry.n)
            if (entry.key, entry.time_ns) in returned or at in ledger.not_held or at in ledger.dropped:
                continue
            if entry.device == "load-mqtt":
                if entry.time_ns in acknowledged:
                    lost.append(f"{entry.key} at {entry.time_ns}: acknowledged by the gateway, no query returned it")
                else:
                    unacknowledged += 1
            elif any(start <= entry.time_ns <= end for start, end in by_key.get(entry.key, ())):
                in_gap += 1
            else:
                lost.append(f"{entry.key} at {entry.time_ns}: in no marked gap, no query returned it")
        assert len(lost) + in_gap + unacknowledged == verdict.lost
        return cls(
            offered=verdict.offered,
            matched=verdict.matched,
            lost=len(lost),
            dup=verdict.dup,
            ooo=verdict.ooo,
            corrupt=verdict.corrupt,
            phantom=verdict.phantom,
            in_marked_gap=in_gap,
            not_acknowledged=unacknowledged,
            not_held=verdict.not_held,
            acknowledged=len(acknowledged),
            examples=[*lost[:10], *(text for text in verdict.examples if not text.startswith("lost"))],
        )
