"""`penstock sim run` as a process: demo plant, files that come and go, faults, ledger, kills; a real broker."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.core.times import parse_rfc3339_ns
from penstock.simulators.demo_plant import DEMO_PLANT
from penstock.simulators.ledger import Row, judge, read_ledger
from tests.builders import web
from tests.builders.simulators import SimProcess, Subscriber, broker, free_port, opcua_device, plant_folder, wait_until

pytestmark = pytest.mark.integration
RATE_HZ = 20


def mqtt_device(port: int, *, device: str = "sensor") -> str:
    return f"""\
version: 1
device: {device}
connection: {{driver: mqtt, broker: "mqtt://127.0.0.1:{port}", topic: plant/{device}, time_field: time}}
tags:
  level: {{type: float64, source: {{field: a.level}}, signal: {{kind: noise, mean: 5, std: 1}}, rate_hz: {RATE_HZ}}}
  count: {{type: int64, source: {{field: count}}, signal: {{kind: counter, period_s: 0.05}}, rate_hz: {RATE_HZ}}}
"""


@pytest.fixture
def mqtt(tmp_path: Path) -> Iterator[tuple[int, Subscriber]]:
    with broker(tmp_path / "broker") as port:
        subscriber = Subscriber(port)
        yield port, subscriber
        subscriber.close()


def test_demo_plant_is_served_whole(tmp_path: Path, mqtt: tuple[int, Subscriber]) -> None:
    port, subscriber = mqtt
    plant = tmp_path / "plant"
    shutil.copytree(DEMO_PLANT, plant)
    environ = {
        "PENSTOCK_MQTT_URL": f"mqtt://127.0.0.1:{port}",
        "PENSTOCK_OPCUA_PUMP_PORT": str(free_port()),
        "PENSTOCK_OPCUA_FILLING_PORT": str(free_port()),
    }
    with SimProcess(plant, tmp_path / "sim", environ) as sim:
        wait_until(lambda: len(sim.status()["devices"]) == 6, "six devices")
        wait_until(lambda: len(subscriber.of("plant/riverside/pump-101/vibration")) > 2, "vibration")
        wait_until(lambda: len(subscriber.of("plant/riverside/main-meter/energy")) > 2, "energy")
        status = sim.status()
        assert status["errors"] == {}
        listed = sim.command("fault", "list").stdout
        assert "pump-plc" in listed
        payload = subscriber.of("plant/riverside/pump-101/vibration")[-1]
        assert set(payload) == {"velocity", "acceleration", "envelope", "temperature", "time"}
        assert parse_rfc3339_ns(payload["time"]) > 0
        assert "severity" not in json.dumps([message for _, message in subscriber.messages])
    assert (plant / "trust" / "simulators.der").is_file()
    assert (tmp_path / "sim" / "pki" / "simulators.pem").stat().st_mode & 0o777 == 0o600


def test_fault_is_injected_seen_in_the_truth_and_kept_over_a_kill(tmp_path: Path, mqtt: tuple[int, Subscriber]) -> None:
    port, subscriber = mqtt
    plant = tmp_path / "plant"
    for part in ("pump-plc", "pump-vibration"):
        (plant / "devices").mkdir(parents=True, exist_ok=True)
        shutil.copy(DEMO_PLANT / "devices" / f"{part}.yaml", plant / "devices")
    environ = {"PENSTOCK_MQTT_URL": f"mqtt://127.0.0.1:{port}", "PENSTOCK_OPCUA_PUMP_PORT": str(free_port())}
    topic = "plant/riverside/pump-101/vibration"
    with SimProcess(plant, tmp_path / "sim", environ) as sim:
        wait_until(lambda: "pump-plc" in sim.status()["devices"], "pump")
        wait_until(lambda: len(subscriber.of(topic)) > 8, "vibration")
        healthy = subscriber.of(topic)[-1]["acceleration"]["bearing_band"]
        done = sim.command("fault", "inject", "bearing", "--severity", "0.7", "--growth", "0")
        assert "pump-plc: bearing injected" in done.stdout, done.stderr
        wait_until(
            lambda: subscriber.of(topic)[-1]["acceleration"]["bearing_band"] > 4 * healthy, "fault in the sensor"
        )
        wrong = sim.command("fault", "inject", "bearing", "--device", "pump-vibration")
        assert wrong.returncode == 1
        assert "devices with faults: pump-plc;" in wrong.stderr
        assert "it has: bearing" in sim.command("fault", "clear", "rotor", "--device", "pump-plc").stderr
        sim.kill()
        sim.start()
        wait_until(lambda: "pump-plc" in sim.status()["devices"], "pump")
        assert "0.700" in sim.command("fault", "list").stdout
        assert "repaired" in sim.command("fault", "repair", "bearing").stdout
        sound = sim.command("fault", "repair", "drift:flow", "--device", "pump-plc")
        assert (sound.returncode, sound.stdout) == (1, "")
        assert "drift:flow of device 'pump-plc' is not broken; nothing is broken there" in sound.stderr
        assert "cleared" in sim.command("fault", "clear", "bearing").stdout
        assert [one["action"] for one in sim.truth("events")] == ["injected", "onset", "repaired", "cleared"]
        assert {(one["device"], one["fault"], one["cause"]) for one in sim.truth("events")} == {
            ("pump-plc", "bearing", "request")
        }
        noted = sim.truth("states")
        assert any(fault["severity"] == 0.7 for state in noted for fault in state["faults"])
        assert {state["asset"] for state in noted if state["device"] == "pump-plc"} == {
            "penstock/riverside/utilities/cooling/pump-101"
        }


def test_truth_has_a_door_and_a_token_of_its_own(tmp_path: Path) -> None:
    plant = plant_folder(tmp_path / "plant")
    with SimProcess(plant, tmp_path / "sim") as sim:
        folder = tmp_path / "sim" / "truth"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        own = json.loads((folder / "truth.json").read_text())
        assert own["token"] != sim.control["token"]
        for url, token in ((own["url"], sim.control["token"]), (sim.control["url"], own["token"])):
            for path in ("/truth/events", "/truth/states", "/truth/devices", "/faults", "/status"):
                answer = web.get(url + path, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
                assert answer.status_code in (401, 404), (url, path)
        assert web.get(sim.control["url"] + "/truth/events", trust_env=False).status_code == 404
        assert sim.truth("events") == []
        copied = sim.command("sim", "truth", str(tmp_path / "copy.sqlite"), "--data", str(tmp_path / "sim"))
        assert copied.returncode == 0, copied.stderr
        assert sim.stop() == 0
    assert not (folder / "truth.json").exists()


def test_control_asks_for_its_token(tmp_path: Path) -> None:
    plant = plant_folder(tmp_path / "plant")
    with SimProcess(plant, tmp_path / "sim") as sim:
        url = sim.control["url"]
        assert (tmp_path / "sim" / "sim-control.json").stat().st_mode & 0o777 == 0o600
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": sim.control["token"]}):
            for method, path in (("GET", "/status"), ("GET", "/faults"), ("POST", "/faults"), ("DELETE", "/faults")):
                answer = web.request(method, url + path, headers=headers, trust_env=False)
                assert answer.status_code == 401, (method, path)
        bearer = {"Authorization": f"Bearer {sim.control['token']}"}
        bad = web.post(url + "/faults", json={"device": "x", "severity": 3}, headers=bearer, trust_env=False)
        assert bad.status_code == 422
        assert bad.headers["content-type"] == "application/problem+json"
        assert sim.stop() == 0
    assert not (tmp_path / "sim" / "sim-control.json").exists()


def test_device_files_come_change_and_go_while_running(tmp_path: Path, mqtt: tuple[int, Subscriber]) -> None:
    port, subscriber = mqtt
    plant = plant_folder(tmp_path / "plant")
    with SimProcess(plant, tmp_path / "sim") as sim:
        plant_folder(plant, sensor=mqtt_device(port))
        wait_until(lambda: len(subscriber.of("plant/sensor")) > 5, "new device")
        plant_folder(plant, sensor=mqtt_device(port).replace("a.level", "b"))
        wait_until(lambda: "b" in subscriber.of("plant/sensor")[-1], "changed device")
        plant_folder(plant, sensor=mqtt_device(port).replace("kind: noise", "kind: nose"))
        wait_until(lambda: sim.status()["errors"], "error")
        (message,) = sim.status()["errors"].values()
        assert "sensor.yaml:5: tags.level.signal" in message
        assert "nose" in message
        count = len(subscriber.of("plant/sensor"))
        wait_until(lambda: len(subscriber.of("plant/sensor")) > count + 5, "the old device goes on")
        (plant / "devices" / "sensor.yaml").unlink()
        wait_until(lambda: not sim.status()["devices"], "gone")
        assert sim.status()["errors"] == {}


def test_port_that_is_taken_is_said_and_tried_again(tmp_path: Path) -> None:
    import socket

    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as taken:
        plant = plant_folder(tmp_path / "plant", plc=opcua_device(port))
        with SimProcess(plant, tmp_path / "sim") as sim:
            wait_until(lambda: "plc" in sim.status()["errors"], "error")
            assert f"cannot listen on 127.0.0.1:{port}" in sim.status()["errors"]["plc"]
            assert "Traceback" not in sim.log.read_text(), "a line is enough"
            taken.close()
            wait_until(lambda: "plc" in sim.status()["devices"], "second try", 60)
            assert sim.status()["errors"] == {}


def test_nothing_is_lost_over_kills_of_simulators_and_broker(tmp_path: Path) -> None:
    """Every value of the ledger reaches a persistent session, whatever is killed; what comes twice is equal."""
    ledger = tmp_path / "ledger"
    port = free_port()
    with broker(tmp_path / "broker", port=port):
        subscriber = Subscriber(port)
        plant = plant_folder(tmp_path / "plant", sensor=mqtt_device(port))
        sim = SimProcess(plant, tmp_path / "sim", ledger=ledger)
        sim.start()
        for _ in range(2):
            seen = len(subscriber.messages)
            wait_until(lambda seen=seen: len(subscriber.messages) > seen + 20, "messages")
            sim.kill()
            sim.start()
        wait_until(lambda: sim.status()["devices"], "device again")
    with broker(tmp_path / "broker", port=port):
        wait_until(lambda: sim.status()["devices"]["sensor"]["waiting"] == 0, "outbox empty", 60)
        sim.stop()
        said = read_ledger(ledger)
        last = said.entries[-1]
        sim.start()  # what the broker had not acknowledged stayed in the outbox
        wait_until(lambda: any(_time(m) == last.time_ns for m in subscriber.of("plant/sensor")), "the last value", 60)
        sim.stop()
        subscriber.close()
    rows: dict[tuple[str, int], Row] = {}
    for payload in (each for each in subscriber.of("plant/sensor") if _time(each) <= last.time_ns):
        for tag, value in (("level", payload["a"]["level"]), ("count", payload["count"])):
            row = Row(f"sensor/{tag}", _time(payload), 0, value, 0, 0)
            assert rows.setdefault((row.key, row.time_ns), row) == row
    verdict = judge(said, sorted(rows.values(), key=lambda row: (row.key, row.time_ns)))
    assert verdict.ok, verdict.examples
    assert verdict.matched == len(said.entries) > 80


def _time(payload: dict[str, Any]) -> int:
    return parse_rfc3339_ns(payload["time"])


def test_missing_plant_folder_is_said(tmp_path: Path) -> None:
    sim = SimProcess(tmp_path / "nowhere", tmp_path / "sim", {"PATH": os.environ["PATH"]})
    answer = sim.command("sim", "run")
    assert answer.returncode == 2
    assert "penstock sim init" in answer.stdout + answer.stderr
