"""The compose stack as a user starts it: up, look, kill the gateway, drop a device file, down."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.builders import web
from tests.builders.stack import free_port, wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = "penstock-test"
UP_S = 600

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


class Compose:
    """``docker compose`` on a project of its own, with free ports and a copy of the plant folder."""

    def __init__(self, plant: Path) -> None:
        self.ports = {name: free_port() for name in ("platform", "monitoring", "maintenance")}
        self.environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "PENSTOCK_PLANT_DIR": str(plant),
            **{f"PENSTOCK_{name.upper()}_PORT": str(port) for name, port in self.ports.items()},
        }

    def __call__(self, *words: str, timeout_s: float = UP_S) -> str:
        done = subprocess.run(
            ["docker", "compose", *words],
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"docker compose {' '.join(words)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def client(self) -> httpx.Client:
        token = self("exec", "-T", "platform", "penstock", "platform", "token").strip().splitlines()[-1]
        return web.Client(base_url=self.url("platform"), headers={"Authorization": f"Bearer {token}"}, timeout=30)


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    plant = tmp_path_factory.mktemp("compose") / "plant"
    shutil.copytree(REPOSITORY / "plant", plant)
    for path in (plant, *plant.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for folder in plant.parents:
        if folder == Path("/tmp"):  # the containers' user must be able to walk down to the plant folder
            break
        folder.chmod(folder.stat().st_mode | 0o055)
    stack = Compose(plant)
    stack("down", "-v", "--remove-orphans")
    try:
        stack("up", "-d", "--wait", "--build")
        yield stack
    finally:
        logs = stack("logs", "--no-color", "--tail", "200")
        (REPOSITORY / "test-results").mkdir(exist_ok=True)
        (REPOSITORY / "test-results" / "compose.log").write_text(logs)
        stack("down", "-v", "--remove-orphans")


def newest(client: httpx.Client, key: str) -> dict[str, Any]:
    """Return the newest sample of the tag with this key."""
    tag = client.get("/v1/tags", params={"key": key}).raise_for_status().json()["items"][0]["id"]
    sample: dict[str, Any] = client.get("/v1/latest", params={"tag": tag}).raise_for_status().json()["items"][0]
    return sample


def test_values_of_both_protocols_arrive_with_good_quality(compose: Compose) -> None:
    with compose.client() as client:
        for key in ("pump-plc/flow", "pump-vibration/velocity_rms"):
            sample = wait_for(partial(newest, client, key), f"latest of {key}")
            assert sample["quality"] == "good"
            assert isinstance(sample["value"], float)


def test_both_apps_and_the_start_page_answer(compose: Compose) -> None:
    assert "Penstock" in web.get(compose.url("platform"), follow_redirects=True).text
    for app in ("monitoring", "maintenance"):
        assert web.get(compose.url(app) + "/health").status_code == 200
        login = web.get(compose.url(app) + "/", follow_redirects=True)
        assert login.status_code == 200
        assert str(login.url).startswith(compose.url("platform")), "an app sends strangers to the platform's login"


def test_only_the_documented_ports_are_published_and_on_loopback(compose: Compose) -> None:
    published = compose("ps", "--format", "{{.Ports}}")
    for line in published.split():
        if "->" in line:
            assert line.startswith("127.0.0.1:"), published
    assert published.count("->") == 3


def test_no_container_runs_as_root(compose: Compose) -> None:
    for service in ("broker", "simulators", "gateway", "postgres", "platform", "monitoring", "maintenance"):
        assert compose("exec", "-T", service, "id", "-u").strip() != "0", service


def test_images_bring_compiled_modules(compose: Compose) -> None:
    """Compiled anew at each start, the standard library alone costs as much as all else that a probe does."""
    look = "import json, pathlib, httpx; print(all(pathlib.Path(m.__cached__).exists() for m in (json, httpx)))"
    assert compose("exec", "-T", "platform", "python", "-c", look).strip() == "True"


def test_an_app_cannot_read_the_operators_secret(compose: Compose) -> None:
    for app in ("monitoring", "maintenance"):
        listing = compose("exec", "-T", app, "find", "/secrets", "-type", "f").split()
        assert listing == [f"/secrets/{app}/{app}.json"]


def test_a_dropped_device_file_appears(compose: Compose) -> None:
    plant = Path(compose.environment["PENSTOCK_PLANT_DIR"])
    (plant / "devices" / "newcomer.yaml").write_text(NEWCOMER)
    with compose.client() as client:
        wait_for(lambda: newest(client, "newcomer/level"), "the newcomer's first value", timeout_s=60)


def test_a_killed_gateway_loses_nothing_of_what_the_broker_kept(compose: Compose) -> None:
    with compose.client() as client:
        newest(client, "newcomer/count")
        compose("kill", "-s", "SIGKILL", "gateway")
        time.sleep(8)
        compose("up", "-d", "--wait", "--no-recreate", "gateway")
        before = newest(client, "newcomer/count")["value"]
        assert isinstance(before, int)
        wait_for(lambda: newest(client, "newcomer/count")["value"] > before + 10, "the stream goes on")
        tag = client.get("/v1/tags", params={"key": "newcomer/count"}).json()["items"][0]["id"]
        page = client.get("/v1/samples", params={"tag": tag, "start": "1h-ago", "end": "now", "limit": 100000})
        counted = [value for value in page.raise_for_status().json()["columns"]["value"] if value is not None]
        assert counted == list(range(counted[0], counted[0] + len(counted))), "a hole or a double in the counter"
        summary = client.get("/v1/ledger/summary").raise_for_status().json()
        assert summary["missing_batches"] == 0
        assert summary["quarantined_batches"] == 0


NEWCOMER = """\
version: 1
device: newcomer
description: A tank that somebody dropped in
asset: penstock/riverside/utilities/storage/tank-9
connection:
  driver: mqtt
  broker: ${PENSTOCK_MQTT_URL:-mqtt://127.0.0.1:18830}
  topic: plant/newcomer
  time_field: time
simulate:
  seed: 3
tags:
  level:
    type: float64
    unit: "%"
    source: {field: level}
    signal: {kind: sine, mean: 50, amplitude: 20, period_s: 60}
  count:
    type: int64
    rate_hz: 5
    source: {field: count}
    signal: {kind: counter, period_s: 0.2}
"""
