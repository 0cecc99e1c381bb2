"""A play at ×20, ×200 and as fast as it goes raises the alarms of the offline run: event by event, channel by channel.

Through broker, gateway, platform and app as processes, over OPC UA and over MQTT. On MQTT's way each message may be
lost once, so that the broker sends it again behind newer ones, as it does where a gateway is short of time.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.builders.mqtt_proxy import MqttProxy
from tests.builders.stack import BIN, Stack
from tests.builders.studies import FAULTS, write_detection_study

pytestmark = [pytest.mark.full, pytest.mark.timeout(1000)]
LOST_SHARE = 0.04
WAYS = [("opcua", "20"), ("opcua", "200"), ("mqtt", "20"), ("mqtt", "200")]


@dataclass(slots=True)
class Stage:
    """A stack, a study with its offline findings, and the plays of it, all at once."""

    root: Path
    stack: Stack
    proxy: MqttProxy
    plays: dict[tuple[str, str], subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def study(self) -> Path:
        return self.root / "study"

    @property
    def offline(self) -> Path:
        return self.root / "offline"

    def out(self, way: tuple[str, str]) -> Path:
        return self.root / "-".join(way)

    def play(self) -> None:
        """Start the plays, unless they have been."""
        environment = self.stack.process_environment("sim")
        environment |= {"PENSTOCK_MQTT_URL": f"mqtt://127.0.0.1:{self.proxy.port}"}
        for way in [way for way in WAYS if way not in self.plays]:
            words = f"lab play {self.study} --out {self.out(way)} --driver {way[0]} --speed {way[1]} --clean"
            places = ["--run", "".join(way), "--plant", str(self.stack.plant), "--platform", self.stack.url("platform")]
            places += ["--credentials", str(self.stack.folder / "secrets" / "cli.json")]
            with told_of(self.out(way)).open("wb") as told:
                self.plays[way] = subprocess.Popen(
                    [str(BIN / "penstock"), *words.split(), *places], env=environment, stdout=told, stderr=told
                )

    def close(self) -> None:
        for process in self.plays.values():
            process.terminate()
            process.wait(60)
        self.proxy.stop()
        self.stack.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    root = tmp_path_factory.mktemp("replay")
    for folder in ("devices", "types"):
        (root / "plant" / folder).mkdir(parents=True)
    (root / "plant" / "plant.yaml").write_text("version: 1\nenterprise: penstock\n")
    stack, chance = Stack(root / "run", root / "plant"), random.Random(20)
    (root / "ports.json").write_text(json.dumps(stack.ports))
    proxy = MqttProxy(stack.ports["mqtt"], loses=lambda _topic, _payload: chance.random() < LOST_SHARE)
    proxy.start()
    stage = Stage(root, stack, proxy)
    write_detection_study(stage.study)
    command = [str(BIN / "penstock"), "maintenance", "backtest", str(stage.study), "--out", str(stage.offline)]
    subprocess.run(command, check=True)
    try:
        for name in ("broker", "platform", "gateway", "maintenance"):
            stack.start(name)
        yield stage
    finally:
        stage.close()


def told_of(out: Path) -> Path:
    """Name the file with what a play said."""
    return out.with_suffix(".log")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]} x{way[1]}")
def test_a_play_raises_the_alarms_of_the_offline_run(stage: Stage, way: tuple[str, str]) -> None:
    stage.play()
    assert stage.plays[way].wait(900) == 0, told_of(stage.out(way)).read_text()
    command = [str(BIN / "penstock"), "lab", "compare", str(stage.study), str(stage.offline), str(stage.out(way))]
    compared = subprocess.run(command, check=False, capture_output=True, text=True)
    assert compared.returncode == 0, compared.stdout + told_of(stage.out(way)).read_text()
    assert events(stage.out(way)) == events(stage.offline)


def test_the_offline_run_finds_both_faults_of_each_machine_and_their_channels(stage: Stage) -> None:
    raised = [event for event in events(stage.offline) if event[2]]
    assert len(raised) == 3 * len(FAULTS)
    assert len({part for _, _, _, part in raised}) > len(FAULTS)


def test_messages_came_again_behind_newer_ones_and_no_device_file_is_left(stage: Stage) -> None:
    stage.play()
    for process in stage.plays.values():
        assert process.wait(900) == 0
    assert stage.proxy.lost > 0.5 * LOST_SHARE * 2 * 3 * 900
    assert list((stage.stack.plant / "devices").iterdir()) == []


def events(findings: Path) -> list[tuple[str, int, bool, str | None]]:
    """Give what became of each machine's alarm, in the order told: machine, time, raised, the channel most to blame."""
    told = []
    for asset in json.loads((findings / "findings.json").read_text())["assets"]:
        for alarm in asset["alarms"]:
            shares = alarm["shares"]
            part = max(shares, key=shares.__getitem__) if alarm["raised"] else None
            told.append((asset["name"], alarm["time_ns"], alarm["raised"], part))
    return told
