"""The gateway against the real platform, both killed under load: what the broker acknowledged is there exactly once."""

import json
import sqlite3
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from tests.builders import web
from tests.builders.edge import Publisher, nats_server, started
from tests.builders.gateway import GatewayProcess, wait_until
from tests.builders.platform_process import METER, PlatformProcess, load, read_back

pytestmark = pytest.mark.integration
BEGIN_MS = 1_700_000_000_000


@pytest.mark.timeout(240)
def test_every_acknowledged_publish_is_stored_once_through_kills_of_both(
    platform: PlatformProcess, gateway: GatewayProcess, tmp_path: Path
) -> None:
    broker = nats_server(tmp_path / "broker")
    with started(broker):
        gateway.device("meter", METER.format(port=broker.port))
        gateway.start()
        wait_until(lambda: gateway.health()["uplink"]["state"] == "connected", "connected")
        wait_until(lambda: gateway.health()["devices"]["meter"]["state"] == "connected", "the meter")
        sent: list[int] = []
        loading = threading.Event()
        thread = threading.Thread(target=load, args=(broker.port, sent, loading))
        thread.start()
        try:
            for victim in (gateway, platform):
                time.sleep(0.8)
                victim.kill()
                victim.start()
        finally:
            loading.set()
            thread.join()
        stored = wait_until(lambda: all_stored(platform, sent), "every acknowledged publish", within_s=90)
    assert len(sent) > 200
    assert stored == sorted(set(sent)), "each once, none that was not sent"
    platform.stop()


@pytest.mark.timeout(240)
def test_broken_journal_entry_reaches_the_ledger_as_a_drop_and_the_rest_goes_on(
    platform: PlatformProcess, gateway: GatewayProcess, tmp_path: Path
) -> None:
    broker = nats_server(tmp_path / "broker")
    with started(broker):
        gateway.device("meter", METER.format(port=broker.port))
        gateway.start()
        wait_until(lambda: gateway.health()["uplink"]["state"] == "connected", "connected")
        wait_until(lambda: gateway.health()["devices"]["meter"]["state"] == "connected", "the meter")
        platform.kill()
        for n in range(2):
            Publisher(broker.port).publish("plant/meter", json.dumps({"v": float(n), "ts": BEGIN_MS + n}))
            wait_until(partial(waits_more_than, gateway, n), "journalled")
        first = gateway.health()["journal"]["epoch"]
        gateway.kill()
        lost = spoil_first_waiting(gateway.folder / "gateway" / "journal.sqlite")
        platform.start()
        gateway.start()
        (drop,) = wait_until(lambda: drops(platform), "the drop in the ledger")
        wait_until(lambda: gateway.health()["uplink"]["pending_batches"] == 0, "all delivered")
    assert (drop["cause"], drop["count"], drop["tag"]) == ("journal entry corrupt", lost, None)
    assert read_back(platform) in ([1], [0, 1]), "the broker repeats what it saw no PUBACK of"
    health = gateway.health()
    assert health["journal"]["broken_batches"] == 1
    assert health["journal"]["epoch"] != first, "a fresh one at each start"
    assert "could not be read back" in " ".join(health["problems"])
    platform.stop()


def waits_more_than(gateway: GatewayProcess, batches: int) -> bool:
    """Say whether more batches than that wait in the journal."""
    return bool(gateway.health()["journal"]["waiting_batches"] > batches)


def spoil_first_waiting(journal: Path) -> int:
    """Turn a bit of the first batch that waits; give how many samples it holds."""
    with sqlite3.connect(journal) as plain:
        query = "SELECT rowid, n, frame FROM batch WHERE released_ns IS NULL AND n > 0 ORDER BY epoch, seq LIMIT 1"
        row, n, frame = plain.execute(query).fetchone()
        plain.execute("UPDATE batch SET frame=? WHERE rowid=?", (frame[:-1] + bytes([frame[-1] ^ 1]), row))
    plain.close()
    return int(n)


def drops(platform: PlatformProcess) -> list[dict[str, object]]:
    """List the drops of the ledger."""
    headers = {"Authorization": f"Bearer {platform.token()}"}
    answer = web.get(f"{platform.url}/v1/ledger/drops", headers=headers, timeout=30).raise_for_status()
    found: list[dict[str, object]] = answer.json()["items"]
    return found


def all_stored(platform: PlatformProcess, sent: list[int]) -> list[int] | None:
    """Read back all samples of the tag through the API; None while some are missing."""
    found = read_back(platform)
    return found if set(found) >= set(sent) else None
