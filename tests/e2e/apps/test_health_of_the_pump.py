"""A day of a healthy pump raises no alarm; a worn bearing raises one, which a person acknowledges and the repair ends.

Machines by the simulators' accelerated generator, brought in by the gateways' door of the real platform, judged by the
real maintenance app, alarms read back through the API.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.builders.apps_history import Importer
from tests.builders.stack import BIN, Stack, wait_for

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]
PLANT = Path(__file__).parents[3] / "plant"
DAY_H = 24.0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path, PLANT)
    stack.start("platform")
    yield stack
    stack.close()


def generate(out: Path, *, hours: float, until: datetime, fault: str = "") -> Path:
    command = [str(BIN / "penstock"), "sim", "generate", "--out", str(out), "--hours", str(hours)]
    command += ["--until", until.isoformat().replace("+00:00", "Z"), "--plant", str(PLANT)]
    command += ["--device", "pump-plc", "--device", "pump-vibration", *(["--fault", fault] if fault else [])]
    subprocess.run(command, check=True, timeout=500, capture_output=True)
    return out


def importer(stack: Stack) -> Importer:
    token = (stack.folder / "secrets" / "enrol-edge-1.token").read_text().strip()
    return Importer(stack.url("platform"), token, PLANT, "edge-1")


def health(client: httpx.Client) -> tuple[int, list[float]]:
    """Give tag and all values of the health index."""
    tags = client.get("/v1/tags", params={"q": "health_index"}).raise_for_status().json()["items"]
    (tag,) = [t["id"] for t in tags if t["property"] == "health_index"]
    values: list[float] = []
    cursor = None
    while True:
        params = {"tag": tag, "start": "7d-ago", "end": "now", "limit": 100_000} | (
            {"cursor": cursor} if cursor else {}
        )
        page = client.get("/v1/samples", params=params).raise_for_status().json()
        values += page["columns"]["value"]
        cursor = page["next"]
        if cursor is None:
            return tag, values


def parts(client: httpx.Client) -> list[str]:
    """Give what was suspected, as it changed."""
    tags = client.get("/v1/tags", params={"q": "suspected_part"}).raise_for_status().json()["items"]
    (tag,) = [t["id"] for t in tags if t["property"] == "suspected_part"]
    params = {"tag": tag, "start": "7d-ago", "end": "now", "limit": 1000}
    said: list[str] = client.get("/v1/samples", params=params).raise_for_status().json()["columns"]["value"]
    return said


def is_judged_until(client: httpx.Client, until: datetime) -> bool:
    """Say whether health has been written up to shortly before `until`."""
    tags = client.get("/v1/tags", params={"q": "health_index"}).raise_for_status().json()["items"]
    for tag in tags:
        item = client.get("/v1/latest", params={"tag": tag["id"]}).raise_for_status().json()["items"][0]
        if tag["property"] == "health_index" and item.get("time"):
            return datetime.fromisoformat(item["time"][:26] + "+00:00") > until - timedelta(seconds=60)
    return False


def alarms(client: httpx.Client) -> list[dict[str, object]]:
    items: list[dict[str, object]] = client.get("/v1/alarms").raise_for_status().json()["items"]
    return items


def test_a_healthy_pump_raises_no_alarm_in_24_simulated_hours(stack: Stack, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    source = importer(stack)
    sent = source.deliver(generate(tmp_path / "day.parquet", hours=DAY_H, until=now))
    source.close()
    assert sent > 1_500_000
    stack.start("maintenance")
    with stack.client() as client:
        wait_for(lambda: is_judged_until(client, now), "the whole day judged", 360, pause_s=1)
        (rule,) = client.get("/v1/rules").json()["items"]
        _, values = health(client)
        assert len(values) > DAY_H * 3600 / 10 - 20
        assert min(values) > rule["limit"]
        assert alarms(client) == []


def test_a_worn_bearing_raises_one_alarm_and_the_repair_ends_it(stack: Stack, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    source = importer(stack)
    worn = "pump-plc:bearing:at=50m,severity=0.1,growth=2.6"  # 0.97 in the end: at 1 the pump trips and stands
    middle = now - timedelta(minutes=40)
    source.deliver(generate(tmp_path / "worn.parquet", hours=70 / 60, until=middle, fault=worn))
    stack.start("maintenance")
    with stack.client() as client:
        wait_for(lambda: is_judged_until(client, middle), "the worn pump judged", 120, pause_s=0.5)
        raised = wait_for(lambda: alarms(client), "an alarm", 30)
        assert [a["state"] for a in raised] == ["unacknowledged_active"]
        _, values = health(client)
        assert values[-1] < 60 < values[100]
        assert parts(client) == ["", "drive-end bearing"]
        # The new bearing: the same pump, as new, goes on.
        source.deliver(generate(tmp_path / "repaired.parquet", hours=39 / 60, until=now))
        source.close()
        wait_for(lambda: is_judged_until(client, now), "the repaired pump judged", 120, pause_s=0.5)
        (ended,) = wait_for(lambda: [a for a in alarms(client) if a["cleared"]], "the alarm's end", 30)
        assert ended["state"] == "rtn_unacknowledged"
        assert health(client)[1][-1] > 80
        assert parts(client) == ["", "drive-end bearing", ""]
        journal = client.get(f"/v1/alarms/{ended['id']}/journal").json()["items"]
        assert [entry["after"] for entry in journal] == ["unacknowledged_active", "rtn_unacknowledged"], json.dumps(
            journal
        )
