"""The OPC UA driver against asyncua's server and node-opcua's: security, namespaces, absent nodes, queues, gaps."""

import asyncio
import base64
import time
from pathlib import Path

import pytest

from penstock.core.errors import ConfigError
from penstock.edge.driver import GOOD_HELD, DriverState
from penstock.edge.opcua.driver import OpcUaDriver
from penstock.edge.opcua.link import LATE_WRITES_NS
from tests.builders.edge import (
    MemorySink,
    OpcUaServer,
    device_file,
    driver_context,
    eventually,
    running,
    started,
)

pytestmark = pytest.mark.integration

PLAIN = "none, I accept plain text"
ENCRYPTED = "Basic256Sha256/SignAndEncrypt"


def device(port: int, security: str = PLAIN, *, more: str = "", sampling_ms: int = 0) -> str:
    return f"""
version: 1
device: plc
connection:
  driver: opcua
  endpoint: opc.tcp://127.0.0.1:{port}
  namespace: urn:penstock:test:plc
  security: {security}
  publishing_ms: 100
  sampling_ms: {sampling_ms}
tags:
  flow: {{type: float64, source: {{node: Flow}}}}
  counter: {{type: int64, source: {{node: 'nsu=urn:penstock:test:plc;s=Counter'}}}}
{more}"""


def opcua(text: str, sink: MemorySink, folder: Path) -> OpcUaDriver:
    return OpcUaDriver(device_file(text), driver_context(sink, folder))


async def connected(driver: OpcUaDriver) -> None:
    await eventually(lambda: driver.health().state is DriverState.CONNECTED, what="connected")


async def test_encrypted_link_needs_the_server_in_the_trust_folder(tmp_path: Path) -> None:
    server = OpcUaServer("node-opcua", tmp_path / "peer")
    sink = MemorySink()
    with started(server):
        driver = opcua(device(server.port, ENCRYPTED), sink, tmp_path)
        async with running(driver):
            await eventually(lambda: "not trusted" in driver.health().detail)
            assert "BadCertificateUntrusted" in driver.health().detail
            assert str(tmp_path / "trust") in driver.health().detail
            assert (tmp_path / "trust" / "gateway-test.der").exists(), "the own certificate is published"
            assert (tmp_path / "pki" / "own" / "key.pem").stat().st_mode & 0o777 == 0o600
            assert sink.readings == []
            (refused,) = (tmp_path / "pki" / "rejected").glob("*.der")
            assert refused.read_bytes() == base64.b64decode(server.certificate)
            (tmp_path / "trust" / "plc.der").write_bytes(refused.read_bytes())
            await eventually(lambda: sink.values("flow") == [0.5])
            await connected(driver)


async def test_changed_namespace_order_is_followed_by_uri(tmp_path: Path) -> None:
    server = OpcUaServer("node-opcua", tmp_path / "peer")
    sink = MemorySink()
    driver = opcua(device(server.port), sink, tmp_path)
    with started(server):
        async with running(driver):
            await connected(driver)
            server.kill()
            server.namespaces = ("urn:one", "urn:two", "urn:three")
            await asyncio.to_thread(server.start)
            await eventually(lambda: sink.recoveries == 2)
            await connected(driver)
            await asyncio.to_thread(server.set, "Flow", 4.25)
            await eventually(lambda: 4.25 in sink.values("flow"))


async def test_absent_node_and_namespace_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    server = OpcUaServer("asyncua", tmp_path / "peer")
    sink = MemorySink()
    more = "  gone: {type: bool, source: {node: Gone}}\n  far: {type: bool, source: {node: 'nsu=urn:far;s=Far'}}\n"
    with started(server):
        driver = opcua(device(server.port, more=more), sink, tmp_path)
        async with running(driver):
            await eventually(lambda: driver.health().state is DriverState.DEGRADED)
            detail = driver.health().detail
            assert "2 of 4 tags of plc are read" in detail
            assert "tag gone: the server has no node" in detail
            assert "BadNodeIdUnknown" in detail
            assert "tag far: the server has no namespace 'urn:far'" in detail
            await eventually(lambda: sink.values("flow") == [0.5])


@pytest.mark.parametrize("kind", ["asyncua", "node-opcua"])
async def test_burst_faster_than_publishing_arrives_whole(kind: str, tmp_path: Path) -> None:
    server = OpcUaServer("asyncua" if kind == "asyncua" else "node-opcua", tmp_path / "peer")
    sink = MemorySink()
    with started(server):
        driver = opcua(device(server.port), sink, tmp_path)
        async with running(driver):
            await connected(driver)
            await eventually(lambda: sink.values("flow") == [0.5])
            server.begin_burst("Flow", 300, 2)
            times_ms = await asyncio.to_thread(server.end_burst)
            await eventually(lambda: len(sink.of("flow")) >= 301)
    assert sink.values("flow")[1:] == [float(n) for n in range(300)]
    assert [(reading.time_ns or 0) // 1_000_000 for reading in sink.of("flow")[1:]] == times_ms
    assert driver.health().counters["overflows"] == 0


async def test_queue_overflow_at_the_server_is_counted_and_becomes_a_gap(tmp_path: Path) -> None:
    server = OpcUaServer("node-opcua", tmp_path / "peer")
    sink = MemorySink()
    with started(server):
        driver = opcua(device(server.port), sink, tmp_path)
        async with running(driver):
            await connected(driver)
            await eventually(lambda: sink.values("flow") == [0.5])
            sink.room.clear()
            server.begin_burst("Flow", 8_000, 0)
            await asyncio.to_thread(server.end_burst)
            sink.room.set()
            await eventually(lambda: 7999.0 in sink.values("flow"), within_s=60)
    lost = 8_001 - len(sink.values("flow"))
    assert lost > 0, "the queue that the server grants is shorter than that"
    assert sink.overflows, "every overflow is marked"
    assert driver.health().counters["overflows"] == len(sink.overflows)
    for tag, from_ns, to_ns in sink.overflows:
        assert tag == "flow"
        assert from_ns <= to_ns


async def test_gap_is_stamped_by_keep_alives_where_nothing_changes(tmp_path: Path) -> None:
    server = OpcUaServer("node-opcua", tmp_path / "peer")
    sink = MemorySink()
    with started(server):
        driver = opcua(device(server.port), sink, tmp_path)
        async with running(driver):
            await connected(driver)
            await asyncio.sleep(2.5 + LATE_WRITES_NS / 1e9)
            cut_ns = time.time_ns()
            server.kill()
            await eventually(lambda: sink.gaps)
    ((_, stamp_ns),) = sink.gaps
    assert stamp_ns is not None
    not_vouched_ns = cut_ns - stamp_ns - LATE_WRITES_NS
    assert 0 <= not_vouched_ns < 2_400_000_000, "not the stamp of the connect, 2.5 s before"


async def test_unchanged_value_is_repeated_as_held_after_a_break(tmp_path: Path) -> None:
    server = OpcUaServer("node-opcua", tmp_path / "peer")
    sink = MemorySink()
    with started(server):
        driver = opcua(device(server.port), sink, tmp_path)
        await asyncio.sleep(0.2)
        async with running(driver):
            await eventually(lambda: len(sink.readings) >= 4)
    held = [reading for reading in sink.readings if reading.status & 0xFFFF == GOOD_HELD]
    assert {reading.tag for reading in held} == {"flow", "counter"}
    own = {reading.tag: reading for reading in sink.readings if reading.status == 0}
    for reading in held:
        assert reading.raw == own[reading.tag].raw
        assert reading.time_ns is not None
        assert reading.time_ns > (own[reading.tag].time_ns or 0)


async def test_hung_server_is_found_by_the_watchdog(tmp_path: Path) -> None:
    """Half-open: the server's process stands still, its sockets stay open."""
    server = OpcUaServer("node-opcua", tmp_path / "peer")
    sink = MemorySink()
    with started(server):
        driver = opcua(device(server.port), sink, tmp_path)
        async with running(driver):
            await connected(driver)
            server.freeze()
            await eventually(lambda: sink.gaps, what="a gap while the server stands still")
            server.thaw()
            await eventually(lambda: sink.recoveries == 2)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("  security: None", "none, I accept plain text"),
        ("  endpoint: http://plc:4840", "write opc.tcp://host:port"),
        ("  publishing_ms: 5", "publishing_ms"),
        ("  sampling: 5", "'sampling' is not known here; did you mean 'sampling_ms'"),
    ],
)
def test_wrong_connection_key_is_named(line: str, wanted: str, tmp_path: Path) -> None:
    key = line.split(":")[0]
    kept = [text for text in device(4840).splitlines() if not text.startswith(key + ":")]
    kept.insert(kept.index("  driver: opcua") + 1, line)
    with pytest.raises(ConfigError) as error:
        opcua("\n".join(kept), MemorySink(), tmp_path)
    everything = "; ".join(str(one) for one in (error.value, *error.value.others))
    assert wanted in everything
    assert "device.yaml:" in everything
