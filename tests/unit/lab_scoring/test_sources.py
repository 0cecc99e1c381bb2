"""Truth from a file and what a platform said meet in one score, table and JSON: the command, on a fake platform."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from penstock.core.times import format_rfc3339_ns
from penstock.lab import score_cli
from penstock.lab.parts import PARTS
from penstock.lab.platform_source import Wanted, read_said, thinned
from penstock.lab.scoring.health import auc, health
from penstock.lab.scoring.words import HealthSaid, HOUR_ns, Window
from penstock.lab.scoring.words import TruthEvent as TruthSaid
from penstock.lab.truth_source import Truth, TruthError, Watched, read_file
from penstock.sdk.testing import FakePlatform
from penstock.simulators.models.fault import Faulty
from penstock.simulators.models.registry import find_model, model_names
from penstock.simulators.truth.records import Action, Cause, FaultTruth, Told, TruthEvent, TruthState
from penstock.simulators.truth.store import TruthStore
from tests.builders.scoring import FAN, PUMP, at, case, fault
from tests.builders.simulators import context

END_H = 300.0


def truth_file(path: Path) -> Path:
    """A pump whose bearing fails at 200 h and whose seal is worn at the end, and a healthy fan."""

    def event(time_h: float, action: Action, name: str, component: str) -> TruthEvent:
        return TruthEvent(at(time_h), "pump-plc", PUMP, action, name, "machine", component, 0.5, Cause.WEAR)

    def state(time_h: float, device: str, asset: str, *faults: FaultTruth) -> TruthState:
        return TruthState(at(time_h), device, asset, "", {}, faults)

    seal = FaultTruth("seal-leak", "machine", "shaft seal", severity=0.5, growth_per_h=0.005, rul_s=100 * 3600.0)
    store = TruthStore(path)
    store.write(
        Told(
            (
                event(100, Action.ONSET, "bearing", "drive-end bearing"),
                event(200, Action.FAILED, "bearing", "drive-end bearing"),
                event(210, Action.REPAIRED, "bearing", "drive-end bearing"),
                event(250, Action.ONSET, "seal-leak", "shaft seal"),
            ),
            (
                state(0, "pump-plc", PUMP),
                state(END_H, "pump-plc", PUMP, seal),
                state(0, "fan-plc", FAN),
                state(END_H, "fan-plc", FAN),
                state(END_H, "nobody", ""),
            ),
        )
    )
    store.close()
    return path


@pytest.fixture
def platform() -> FakePlatform:
    """Health falls under its limit at 150 h (rightly) and 280 h (the seal), and the fan's at 50 h (falsely)."""
    fake = FakePlatform(now_ns=lambda: at(END_H + 1))
    with fake.sync_client() as client:
        for path, kind, low in ((PUMP, "centrifugal-pump", (150, 280)), (FAN, "fan", (50,))):
            asset = fake.add_asset(path, type=kind)
            tag = client.declare_tag(asset=asset, property="health_index", unit="%")
            client.rules.create(f"Health of {path}", comparison="low", limit=60.0, tag=tag)
            hours = [float(each) for each in range(0, 300, 2)]
            client.write(tag, [(at(each), 40.0 if any(h <= each < h + 10 for h in low) else 95.0) for each in hours])
        life = client.declare_tag(asset=PUMP, property="remaining_useful_life", unit="h")
        client.write(life, [(at(100), 90.0), (at(150), 60.0)])
        for end, by in (("low", -5.0), ("high", 20.0)):
            tag = client.declare_tag(asset=PUMP, property=f"remaining_useful_life_{end}", unit="h")
            client.write(tag, [(at(100), 90.0 + by), (at(150), 60.0 + by)][: 1 if end == "high" else 2])
        part = client.declare_tag(asset=PUMP, property="suspected_part", type="string")
        client.write(part, [(at(149.9), "drive-end bearing"), (at(279.9), "impeller")])
        for channel, lost in (("bearing_temperature_degC", 12.0), ("flow", 10.0)):
            tag = client.declare_tag(asset=FAN, property=f"loss_{channel}", unit="%")
            client.write(tag, [(at(49), 0.0), (at(50), lost)])
        fake.add_tag("fan-plc/speed", asset=FAN, property="speed")
        client.rules.create("Speed", comparison="high", limit=1.0, tag="fan-plc/speed")
        fake.feed("fan-plc/speed", [(at(20), 2.0)])
    return fake


def test_what_was_said_is_read_by_asset_part_and_unit(platform: FakePlatform) -> None:
    with platform.sync_client() as client:
        said = read_said(client, Window(at(0), at(END_H)), Wanted())
        every = read_said(client, Window(at(0), at(END_H)), Wanted(every_alarm=True))
        named = read_said(client, Window(at(0), at(END_H)), Wanted(rules=("speed",)))
        parts = {"impeller": "shaft seal", "bearing_temperature": "bearing", "bearing": "another"}
        mapped = read_said(client, Window(at(0), at(END_H)), Wanted(parts=parts))
    assert sorted((each.asset, (each.raised_ns - at(0)) // HOUR_ns, each.part) for each in said.alarms) == [
        (FAN, 50, ""),
        (PUMP, 150, "drive-end bearing"),
        (PUMP, 280, "impeller"),
    ]
    assert len({each.id.partition("#")[0] for each in said.alarms}) == 2, "nobody acknowledged the pump's first"
    assert len(every.alarms) == 4
    assert [each.rule for each in named.alarms] == ["Speed"]
    assert {each.part for each in mapped.alarms} == {"bearing", "drive-end bearing", "shaft seal"}
    assert said.types == {PUMP: "centrifugal-pump", FAN: "fan"}
    assert [(each.rul_s, each.low_s, each.high_s) for each in said.ruls] == [
        (90 * 3600, 85 * 3600, 110 * 3600),
        (60 * 3600, 55 * 3600, math.inf),
    ]
    assert len(said.health) == 300
    assert said.devices["fan-plc"] == FAN


def test_a_device_without_an_asset_stands_where_the_platform_binds_it() -> None:
    nameless = Watched("pump-plc", "", machine=True, first_ns=0, last_ns=1, left_ns={})
    event = TruthSaid(0, "pump-plc", "", "onset", "bearing")
    elsewhere = replace(nameless, device="nobody")
    found = score_cli.placed(Truth((nameless, elsewhere), (event,)), {"pump-plc": PUMP})
    assert [(one.device, one.asset) for one in found.devices] == [("pump-plc", PUMP)]
    assert found.events[0].asset == PUMP


def test_every_shipped_part_is_a_fault_of_some_machine() -> None:
    faults = set()
    for name in model_names():
        made: object = find_model(name)(context())
        faults |= {state.fault for state in made.faults()} if isinstance(made, Faulty) else set()
    named = set(yaml.safe_load(PARTS.read_text()).values())
    assert named <= faults, named - faults


def run(monkeypatch: pytest.MonkeyPatch, platform: FakePlatform, *words: str) -> tuple[int, str]:
    monkeypatch.setattr(score_cli, "Client", lambda *_, **__: platform.sync_client())
    done = CliRunner().invoke(score_cli.commands, list(words))
    return done.exit_code, done.output


def test_the_command_prints_the_table_and_stores_all_figures(
    monkeypatch: pytest.MonkeyPatch, platform: FakePlatform, tmp_path: Path
) -> None:
    truth = truth_file(tmp_path / "truth.sqlite")
    code, told = run(monkeypatch, platform, "--truth-file", str(truth), "--out", str(tmp_path / "s" / "score.json"))
    assert code == 0, told
    assert (tmp_path / "s" / "score.json").stat().st_mode & 0o777 == 0o600, "it tells of the truth"
    made = json.loads((tmp_path / "s" / "score.json").read_text())
    assert made["window"] == {"start": format_rfc3339_ns(at(0)), "end": format_rfc3339_ns(at(END_H) + 1)}
    found = made["detection"]
    assert (found["events"], found["detected"], found["false_alarms"]) == (2, 2, 1)
    assert found["precision"] == pytest.approx(2 / 3)
    assert [each["lead_s"] for each in made["events"]] == [50 * 3600, 120 * 3600], "the seal's end is foretold at 400 h"
    assert made["isolation"]["accuracy"] == 0.5
    # True 100 and 50 h, said 90 and 60 h, within 85 to 110 and not above 55.
    assert made["prognosis"]["mae_s"] == pytest.approx(10 * 3600)
    assert made["prognosis"]["coverage"] == 0.5
    assert made["money"]["events"] == 1, "the seal ends after the window"
    assert made["money"]["bills"]["condition-based"]["total"] == 2000 + 3 * 120 - 120
    assert re.search(r"pump +bearing .* 2\.1 d +50 % +drive-end bearing", told), told
    assert "order by cost: " in told
    assert "missed_failure ÷ 3" in told


def test_assets_and_spans_can_be_chosen(
    monkeypatch: pytest.MonkeyPatch, platform: FakePlatform, tmp_path: Path
) -> None:
    truth, out = truth_file(tmp_path / "truth.sqlite"), tmp_path / "score.json"
    words = ["--truth-file", str(truth), "--out", str(out)]
    assert run(monkeypatch, platform, *words, "--asset", FAN)[0] == 0
    assert list(json.loads(out.read_text())["assets"]) == [FAN]
    assert run(monkeypatch, platform, *words, "--end", format_rfc3339_ns(at(90)))[0] == 0
    assert json.loads(out.read_text())["detection"]["events"] == 0
    assert "no asset 'x'" in run(monkeypatch, platform, *words, "--asset", "x")[1]
    assert "window is empty" in run(monkeypatch, platform, *words, "--end", format_rfc3339_ns(at(-90)))[1]


def test_what_is_missing_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, platform: FakePlatform, tmp_path: Path
) -> None:
    code, told = run(monkeypatch, platform, "--data", str(tmp_path))
    assert (code, "no truth to read" in told) == (1, True), told
    with pytest.raises(TruthError, match="no such truth file"):
        read_file(tmp_path / "none.sqlite")
    (tmp_path / "text.sqlite").write_text("no database, but long enough to be looked at as one" * 3)
    with pytest.raises(TruthError, match="no truth file"):
        read_file(tmp_path / "text.sqlite")


def test_points_are_thinned_by_time() -> None:
    points = [(0, 1.0), (5, 2.0), (10, 3.0), (19, 4.0), (21, 5.0)]
    assert list(thinned(points, 10)) == [(0, 1.0), (10, 3.0), (21, 5.0)]


def test_health_by_hand() -> None:
    # Life from 100 to 200 h: late from 150 on. Repaired at 210 h, half an hour of grace.
    said = [(90, 98.0), (120, 50.0), (150, 70.0), (190, 95.0), (210.2, 10.0), (211, 95.0), (-1, 0.0)]
    one = case(fault(100, 210, failed_h=200))
    points = tuple(HealthSaid(PUMP, at(time_h), value) for time_h, value in said)
    found = health(type(one)(one.window, one.assets, one.episodes, health=points))
    assert (found.healthy_points, found.faulty_points) == (2, 2)
    assert (found.healthy_median, found.faulty_median) == (96.5, 82.5)
    assert found.auc == (1 + 1 + 1 + 0.5) / 4
    assert auc([], [1.0]) is None
