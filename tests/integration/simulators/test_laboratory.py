"""The fault laboratory of a real `penstock sim run`: off unless asked for, let in by a link, and without a script."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.builders import web
from tests.builders.laboratory import FORM
from tests.builders.simulators import SimProcess, free_port, plant_folder, wait_until

pytestmark = pytest.mark.integration
PUMP = """\
version: 1
device: pump-plc
description: PLC of a pump
asset: works/hall/pump-101
connection: {{driver: opcua, endpoint: "opc.tcp://127.0.0.1:{port}", namespace: "urn:pump"}}
simulate: {{model: centrifugal-pump, seed: 7}}
tags:
  running: {{type: bool, source: {{node: Running}}, signal: {{output: running}}, rate_hz: 2}}
  flow: {{type: float64, unit: m3/h, source: {{node: Flow}}, signal: {{output: flow_m3h}}, rate_hz: 2}}
"""


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    return plant_folder(tmp_path / "plant", pump=PUMP.format(port=free_port()))


@pytest.fixture
def sim(tmp_path: Path, plant: Path) -> Iterator[SimProcess]:
    with SimProcess(plant, tmp_path / "sim", {"PENSTOCK_SIM_LABORATORY_PORT": "0"}) as process:
        wait_until(lambda: "pump-plc" in process.status()["devices"], "the pump")
        yield process


@contextmanager
def browser_of(sim: SimProcess) -> Iterator[httpx.Client]:
    """Give a client that the link of the command let in. Where `localhost` leads is the resolver's business: a browser
    asks it, here the port on 127.0.0.1 is called under that name."""
    told = sim.command("sim", "laboratory-link")
    assert told.returncode == 0, told.stderr
    link = urlsplit(told.stdout.strip())
    assert link.hostname == "localhost"
    address, host = f"http://127.0.0.1:{link.port}", {"Host": link.netloc}
    with web.Client(base_url=address, headers=host, timeout=30, trust_env=False) as client:
        entered = client.get(f"{link.path}?{link.query}")
        assert entered.status_code == 303, entered.text
        client.headers["Cookie"] = entered.headers["set-cookie"].partition(";")[0]
        yield client


def test_there_is_no_page_unless_one_is_asked_for(tmp_path: Path, plant: Path) -> None:
    with SimProcess(plant, tmp_path / "sim") as process:
        assert (process.data / "truth" / "truth.json").exists()
        assert not (process.data / "truth" / "laboratory.json").exists()
        told = process.command("sim", "laboratory-link")
        assert told.returncode == 1
        assert "--laboratory-port" in told.stderr


def test_a_fault_is_injected_seen_and_repaired_on_the_page(sim: SimProcess) -> None:
    with browser_of(sim) as browser:
        overview = browser.get("/").raise_for_status().text
        assert "pump-plc" in overview
        assert "No fault has begun yet." in overview
        found = FORM.search(browser.get("/machines/pump-plc").text)
        assert found is not None
        form = {"form": found.group(1), "fault": "bearing"}
        injected = browser.post("/machines/pump-plc/inject", data={**form, "severity": "0.3", "growth": "60"})
        assert injected.status_code == 303
        wait_until(lambda: "severity 0.5" in browser.get("/machines/pump-plc").text, "it grows, and that is seen")
        page = browser.get("/machines/pump-plc").text
        assert "bearing begins" in page
        assert "<polyline" in page
        assert "no platform named" in page
        assert browser.post("/machines/pump-plc/repair", data=form).status_code == 303
        assert "bearing repaired" in browser.get("/machines/pump-plc").text
    actions = [one["action"] for one in sim.truth("events")]
    assert actions[:2] == ["injected", "onset"]
    assert actions[-1] == "repaired", "the page and the truth's door tell of one store"


def test_its_secret_is_the_owner_s_alone_and_ends_with_the_process(sim: SimProcess) -> None:
    place = sim.data / "truth" / "laboratory.json"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    token = json.loads(place.read_text())["token"]
    assert token not in sim.log.read_text()
    sim.stop()
    assert not place.exists()
