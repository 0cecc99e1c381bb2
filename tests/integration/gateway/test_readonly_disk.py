"""The gateway on a disk that becomes read-only under it, and writable again."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.edge import Process, Publisher, nats_server, started
from tests.builders.gateway import FakePlatform, GatewayProcess, wait_until
from tests.faults.switchable import Disk, switchable_disk

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(300)]
METER = """
version: 1
device: meter
connection: {{driver: mqtt, broker: 'mqtt://127.0.0.1:{port}', topic: plant/meter, time_field: ts, time_unit: ms}}
tags:
  flow: {{type: float64, source: {{field: v}}}}
"""


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    fake = FakePlatform()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with switchable_disk(tmp_path / "edge-1" / "gateway") as mounted:
        if mounted is None:
            pytest.skip("no FUSE can be mounted here")
        yield mounted


@pytest.fixture
def gateway(tmp_path: Path, platform: FakePlatform, disk: Disk) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path / "edge-1", platform.url)
    yield process
    process.kill()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Process]:
    server = nats_server(tmp_path / "broker")
    with started(server):
        yield server


def test_a_readonly_disk_holds_the_devices_says_so_and_recovers(
    platform: FakePlatform, gateway: GatewayProcess, broker: Process, disk: Disk
) -> None:
    gateway.device("meter", METER.format(port=broker.port))
    gateway.start()
    wait_until(lambda: gateway.health()["devices"]["meter"]["state"] == "connected", "connected")
    publish = Publisher(broker.port).publish
    publish("plant/meter", json.dumps({"v": 1.0, "ts": 1}))
    wait_until(lambda: len(platform.rows()) == 1, "the first value")
    disk.make_readonly()
    publish("plant/meter", *(json.dumps({"v": float(n), "ts": n}) for n in range(2, 32)))
    blocked = wait_until(lambda: gateway.health()["journal"]["blocked"], "the disk named")
    assert "journal.sqlite cannot be written" in blocked
    assert "its disk is read-only" in blocked
    assert "free space" not in blocked
    assert blocked in gateway.health()["problems"]
    assert len(platform.rows()) == 1
    disk.make_writable()
    wait_until(lambda: not gateway.health()["journal"]["blocked"], "recovered")
    wait_until(lambda: sorted(row.time_ns // 1_000_000 for row in platform.rows()) == [*range(1, 32)], "each once")
