"""A play at ×20, ×200 and as fast as it goes raises the alarms of the offline run: event by event, channel by channel.

Through broker, gateway, platform and app as processes, over OPC UA and over MQTT. On MQTT's way each message may be
lost once, so that the broker sends it again behind newer ones, as it does where a gateway is short of time.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.builders.mqtt_proxy import MqttProxy
from tests.builders.stack import BIN, Stack
from tests.builders.studies import FAULTS, write_detection_study

pytestmark = [pytest.mark.full, pytest.mark.timeout(1500)]
LOST_SHARE = 0.04
WAYS = [("opcua", "0"), ("opcua", "20"), ("opcua", "200"), ("mqtt", "0"), ("mqtt", "20"), ("mqtt", "200")]


@dataclass(frozen=True, slots=True)
class Played:
    """A study with its offline findings, and the plays of it that run."""

    study: Path
    offline: Path
    plays: dict[tuple[str, str], tuple[subprocess.Popen[bytes], Path]]
    proxy: MqttProxy


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """All plays at once, through one stack: as short of time as a plant can be."""
    root = tmp_path_factory.mktemp("replay")
    plant, study, offline = root / "plant", root / "study", root / "offline"
    for folder in ("devices", "types"):
        (plant / folder).mkdir(parents=True)
    (plant / "plant.yaml").write_text("version: 1\nenterprise: penstock\n")
    write_detection_study(study)
    subprocess.run([str(BIN / "penstock"), "maintenance", "backtest", str(study), "--out", str(offline)], check=True)
    stack, chance = Stack(root / "run", plant), random.Random(20)
    (root / "ports.json").write_text(json.dumps(stack.ports))
    proxy = MqttProxy(stack.ports["mqtt"], loses=lambda _topic, _payload: chance.random() < LOST_SHARE)
    proxy.start()
    plays: dict[tuple[str, str], tuple[subprocess.Popen[bytes], Path]] = {}
    try:
        for name in ("broker", "platform", "gateway", "maintenance"):
            stack.start(name)
        environment = stack.process_environment("sim") | {"PENSTOCK_MQTT_URL": f"mqtt://127.0.0.1:{proxy.port}"}
        for driver, speed in WAYS:
            out = root / f"{driver}-{speed}"
            words = f"lab play {study} --out {out} --driver {driver} --speed {speed} --run {driver}{speed} --wait 900"
            places = ["--plant", str(plant), "--platform", stack.url("platform")]
            places += ["--credentials", str(stack.folder / "secrets" / "cli.json")]
            with told_of(out).open("wb") as told:
                process = subprocess.Popen(
                    [str(BIN / "penstock"), *words.split(), *places], env=environment, stdout=told, stderr=told
                )
            plays[driver, speed] = process, out
        yield Played(study, offline, plays, proxy)
    finally:
        for process, _ in plays.values():
            process.terminate()
            process.wait(60)
        proxy.stop()
        stack.close()


def told_of(out: Path) -> Path:
    """Name the file with what a play said."""
    return out.with_suffix(".log")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]} x{way[1]}")
def test_a_play_raises_the_alarms_of_the_offline_run(played: Played, way: tuple[str, str]) -> None:
    process, out = played.plays[way]
    assert process.wait(1400) == 0, told_of(out).read_text()
    command = [str(BIN / "penstock"), "lab", "compare", str(played.study), str(played.offline), str(out)]
    compared = subprocess.run(command, check=False, capture_output=True, text=True)
    assert compared.returncode == 0, compared.stdout + told_of(out).read_text()
    assert events(out) == events(played.offline)


def test_the_offline_run_finds_both_faults_of_each_machine_and_their_channels(played: Played) -> None:
    raised = [event for event in events(played.offline) if event[2]]
    assert len(raised) == 3 * len(FAULTS)
    assert len({part for _, _, _, part in raised}) > len(FAULTS)


def test_messages_came_again_behind_newer_ones(played: Played) -> None:
    for driver, speed in WAYS:
        played.plays[driver, speed][0].wait(1400)
    assert played.proxy.lost > 0.5 * LOST_SHARE * 3 * 3 * 900


def events(findings: Path) -> list[tuple[str, int, bool, str | None]]:
    """Give what became of each machine's alarm, in the order told: machine, time, raised, the channel most to blame."""
    told = []
    for asset in json.loads((findings / "findings.json").read_text())["assets"]:
        for alarm in asset["alarms"]:
            shares = alarm["shares"]
            part = max(shares, key=shares.__getitem__) if alarm["raised"] else None
            told.append((asset["name"], alarm["time_ns"], alarm["raised"], part))
    return told
