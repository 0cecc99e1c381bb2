"""Faults of sensors and wires: any tag of any device, through the same words as those of machines."""

import json
import statistics
from pathlib import Path

import pytest

from penstock.core.status import BAD_NO_DATA, GOOD
from penstock.core.values import Value
from penstock.simulators.demo_plant import DEMO_PLANT
from penstock.simulators.device_faults import CYCLE_s
from penstock.simulators.generate import PlannedFault, simulate
from penstock.simulators.models.fault import FaultError, FaultKind, FaultRequest, NotBrokenError
from penstock.simulators.plant import SimulatedPlant
from penstock.simulators.truth.keeper import NotedPlant, TruthKeeper
from penstock.simulators.truth.records import Action
from penstock.simulators.truth.store import TruthStore
from tests.builders.simulators import simulated

S = 1_000_000_000
T0 = 1_795_404_000 * S
DEVICE = """\
version: 1
device: tank
connection: {driver: mqtt, broker: "mqtt://127.0.0.1:1883", topic: plant/tank, time_field: time}
tags:
  level:
    type: float64
    source: {field: level}
    range: {low: 0, high: 10}
    signal: {kind: ramp, end: 10, period_s: 100}
  plain: {type: float64, source: {field: plain}, signal: {kind: constant, value: 40}}
  count: {type: int64, source: {field: count}, signal: {kind: counter, period_s: 1}}
  mode: {type: string, source: {field: mode}, signal: {kind: constant, value: auto}}
"""


def plant() -> SimulatedPlant:
    made = SimulatedPlant(T0)
    made.add(simulated(DEVICE))
    return made


def readings(of: SimulatedPlant, tag: str, seconds: int) -> list[tuple[Value, int]]:
    found = []
    for _ in range(seconds):
        for emission in of.advance(of.now_ns + S):
            found += [(point.value, point.status) for point in emission.points if point.tag == tag]
    return found


def numbers(of: SimulatedPlant, tag: str, seconds: int) -> list[float]:
    return [float(value) for value, _ in readings(of, tag, seconds) if isinstance(value, int | float)]


def test_bias_is_there_at_once_and_stays_by_the_span_of_the_range() -> None:
    broken, sound = plant(), plant()
    broken.inject("tank", FaultRequest("bias:level", severity=0.5, growth_per_h=3600))
    differences = [a - b for a, b in zip(numbers(broken, "level", 30), numbers(sound, "level", 30), strict=True)]
    assert differences == pytest.approx([0.2 * 0.5 * 10] * 30)


def test_drift_grows_with_time_by_the_largest_value_seen() -> None:
    of = plant()
    numbers(of, "plain", 5)
    of.inject("tank", FaultRequest("drift:plain", severity=0.0, growth_per_h=36.0))
    drifting = numbers(of, "plain", 50)
    assert drifting == sorted(drifting)
    assert drifting[-1] == pytest.approx(40 + 0.5 * 0.5 * 40, rel=0.05)


def test_noise_and_spikes_leave_the_mean_and_differ_in_their_tails() -> None:
    noisy, spiky = plant(), plant()
    noisy.inject("tank", FaultRequest("noise:plain", severity=1.0))
    spiky.inject("tank", FaultRequest("spike:plain", severity=1.0))
    noise, spikes = numbers(noisy, "plain", 600), numbers(spiky, "plain", 600)
    assert statistics.mean(noise) == pytest.approx(40, abs=0.6)
    assert statistics.stdev(noise) == pytest.approx(4, rel=0.2)
    far = [value for value in spikes if value != 40]
    assert 0.02 < len(far) / len(spikes) < 0.09
    assert all(abs(value - 40) >= 20 for value in far)


def test_stuck_sensor_sticks_first_and_stands_still_in_the_end() -> None:
    sticky, still = plant(), plant()
    for of, severity in ((sticky, 0.5), (still, 1.0)):
        of.inject("tank", FaultRequest("stuck:level", severity=severity, growth_per_h=0.0))
    assert len(set(numbers(still, "level", 60))) == 1
    assert 3 < len(set(numbers(sticky, "level", 60))) < 12


def test_dropout_is_a_share_of_bad_readings() -> None:
    of = plant()
    of.inject("tank", FaultRequest("dropout:mode", severity=0.4, growth_per_h=0.0))
    said = readings(of, "mode", 300)
    lost = sum(status == BAD_NO_DATA for _, status in said)
    assert 0.3 < lost / 300 < 0.5
    assert {value for value, status in said if status == GOOD} == {"auto"}


def test_dead_wire_is_silent_for_its_share_of_a_minute_and_comes_back() -> None:
    of = plant()
    of.inject("tank", FaultRequest("communication-loss", severity=0.5, growth_per_h=0.0))
    assert len(readings(of, "plain", round(4 * CYCLE_s))) == pytest.approx(2 * CYCLE_s, abs=6)
    of.clear("tank", "communication-loss")
    assert len(readings(of, "plain", 30)) == 30


def test_repaired_sensor_tells_the_truth_again() -> None:
    for end in (SimulatedPlant.clear, SimulatedPlant.repair):
        of = plant()
        of.inject("tank", FaultRequest("bias:plain", severity=1.0))
        assert numbers(of, "plain", 1) == [48.0]
        end(of, "tank", "bias:plain")
        assert numbers(of, "plain", 1) == [40.0]
        assert of.faults() == {}


def test_what_is_not_broken_is_not_repaired_and_the_truth_notes_nothing(tmp_path: Path) -> None:
    of = plant()
    keeper = TruthKeeper(TruthStore(tmp_path / "truth.sqlite"))
    noted = NotedPlant(of, keeper)
    with pytest.raises(NotBrokenError, match="bias:plain of device 'tank' is not broken; nothing is broken there"):
        noted.repair("tank", "bias:plain")
    with pytest.raises(FaultError, match="no tag 'plane' in this device"):
        noted.repair("tank", "bias:plane")
    noted.inject("tank", FaultRequest("stuck:level"))
    with pytest.raises(NotBrokenError, match="bias:plain of device 'tank' is not broken; broken there: stuck:level"):
        noted.repair("tank", "bias:plain")
    told = {(event.action, event.fault) for event in keeper.store.last_events()}
    assert told == {(Action.INJECTED, "stuck:level"), (Action.ONSET, "stuck:level")}
    noted.repair("tank", "stuck:level")
    keeper.close()


def test_truth_names_kind_and_component() -> None:
    of = plant()
    of.inject("tank", FaultRequest("stuck:level"))
    of.inject("tank", FaultRequest("communication-loss"))
    told = {state.fault: (state.kind, state.component) for state in of.hidden()["tank"].faults}
    assert told == {
        "stuck:level": (FaultKind.SENSOR, "sensor of level"),
        "communication-loss": (FaultKind.COMMUNICATION, "wire"),
    }


def test_broken_sensor_is_broken_after_a_restart() -> None:
    of, again = plant(), SimulatedPlant(T0)
    numbers(of, "plain", 5)
    of.inject("tank", FaultRequest("bias:plain", severity=0.3))
    again.add(simulated(DEVICE), json.loads(json.dumps(of.save()))["tank"])
    assert numbers(again, "plain", 6)[-1] == pytest.approx(40 + 0.2 * 0.3 * 40)
    assert again.faults() == of.faults()


@pytest.mark.parametrize(
    ("device", "fault", "said"),
    [
        ("tank", "drift:pressure", "no tag 'pressure' in this device .* it has: level, plain, count, mode"),
        ("tank", "noise:mode", "the tag 'mode' can be: dropout, stuck"),
        ("tank", "bearing", "device 'tank' has no fault 'bearing'; devices with faults: none; every tag has some"),
        ("nobody", "drift:level", "device 'nobody' is not simulated here"),
    ],
)
def test_what_cannot_break_is_said(device: str, fault: str, said: str) -> None:
    with pytest.raises(FaultError, match=said):
        plant().inject(device, FaultRequest(fault))


def test_sound_devices_do_not_hear_of_a_neighbours_sensor() -> None:
    def run(*faults: str) -> dict[str, list[Value]]:
        values: dict[str, list[Value]] = {}
        planned = tuple(PlannedFault.parse(text) for text in faults)
        for emission in simulate(DEMO_PLANT, start_ns=T0, until_ns=T0 + 60 * S, step_s=1.0, faults=planned):
            for point in emission.points:
                values.setdefault(f"{emission.device}/{point.tag}", []).append(point.value)
        return values

    sound, broken = run(), run("pump-plc:bias:flow:at=10s,severity=0.5")
    assert {key for key in sound if sound[key] != broken[key]} == {"pump-plc/flow"}
