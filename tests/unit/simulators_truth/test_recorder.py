"""The recorder notes what changed between two looks, once, and the whole state at a slow rate."""

from dataclasses import replace

import pytest

from penstock.core.times import NS_PER_S
from penstock.simulators.truth.recorder import Reading, Recorder
from penstock.simulators.truth.records import Action, Cause, FaultTruth, Told
from penstock.simulators.truth.remaining import remaining_s

BEARING = FaultTruth("bearing", "machine", "drive-end bearing", severity=0.2, growth_per_h=0.5)


def reading(*faults: FaultTruth, failed: str = "") -> Reading:
    return Reading("pump-plc", "works/hall/pump", faults, {"head_m": 30.0}, failed)


def look(recorder: Recorder, at_s: float, *faults: FaultTruth, failed: str = "") -> Told:
    return recorder.on_look([reading(*faults, failed=failed)], round(at_s * NS_PER_S))


def said(told: Told) -> list[tuple[str, str, str]]:
    return [(event.action, event.fault, event.cause) for event in told.events]


def test_a_quiet_machine_is_noted_every_ten_seconds_alone() -> None:
    recorder = Recorder()
    noted = [at_s for at_s in range(60) if look(recorder, at_s).states]
    assert noted == [0, 10, 20, 30, 40, 50]


def test_what_hides_nothing_is_noted_once_an_hour() -> None:
    recorder = Recorder()
    sound = Reading("meter", "works/meter", (), machine=False)
    noted = [at_s for at_s in range(0, 7300, 10) if recorder.on_look([sound], at_s * NS_PER_S).states]
    assert noted == [0, 3600, 7200]


def test_it_is_due_at_the_next_look_only() -> None:
    recorder = Recorder()
    assert recorder.is_due(5 * NS_PER_S)
    look(recorder, 5.3)
    assert not recorder.is_due(round(5.9 * NS_PER_S))
    assert recorder.is_due(6 * NS_PER_S)


def test_a_life_of_wear_is_told_once_each_in_order() -> None:
    recorder = Recorder()
    look(recorder, 0)
    events = list(look(recorder, 1, replace(BEARING, severity=0.05)).events)
    for at_s, severity in ((2, 0.09), (3, 0.11), (4, 0.12), (5, 0.34), (6, 0.99)):
        events += look(recorder, at_s, replace(BEARING, severity=severity)).events
    for at_s in (7, 8):
        events += look(recorder, at_s, replace(BEARING, severity=1.0), failed="bearing").events
    events += look(recorder, 9).events
    events += look(recorder, 10).events
    told = [(event.action, event.time_ns // NS_PER_S, event.cause) for event in events]
    assert told == [
        (Action.ONSET, 1, Cause.WEAR),
        (Action.STEP, 3, Cause.WEAR),
        (Action.STEP, 5, Cause.WEAR),
        (Action.STEP, 6, Cause.WEAR),
        (Action.STEP, 7, Cause.WEAR),
        (Action.FAILED, 7, Cause.WEAR),
        (Action.REPAIRED, 9, Cause.CREW),
    ]
    assert {(event.component, event.kind, event.asset) for event in events} == {
        ("drive-end bearing", "machine", "works/hall/pump")
    }


def test_an_event_brings_the_state_of_its_moment() -> None:
    recorder = Recorder()
    look(recorder, 0)
    told = look(recorder, 1, BEARING)
    assert [state.time_ns for state in told.states] == [NS_PER_S]
    assert told.states[0].rul_s == pytest.approx(0.8 / 0.5 * 3600)


def test_a_request_waits_for_its_onset_and_stays_the_cause() -> None:
    recorder = Recorder()
    look(recorder, 0)
    waiting = replace(BEARING, severity=0.0, onset_s=5.0)
    asked = recorder.on_request(
        Action.INJECTED, "bearing", after=reading(waiting), now_ns=NS_PER_S, detail={"severity": 0.2}
    )
    assert said(asked) == [("injected", "bearing", "request")]
    assert asked.events[0].detail == {"severity": 0.2}
    assert said(look(recorder, 3, replace(waiting, onset_s=2.0))) == []
    assert said(look(recorder, 6, BEARING)) == [("onset", "bearing", "request")]
    assert said(look(recorder, 7, replace(BEARING, severity=1.0), failed="bearing")) == [
        ("step", "bearing", "request"),
        ("failed", "bearing", "request"),
    ]


def test_a_request_without_onset_begins_at_once_and_a_repair_ends_it() -> None:
    recorder = Recorder()
    begun = recorder.on_request(Action.INJECTED, "bearing", after=reading(BEARING), now_ns=0)
    assert said(begun) == [("injected", "bearing", "request"), ("onset", "bearing", "request")]
    ended = recorder.on_request(Action.REPAIRED, "bearing", after=reading(), now_ns=NS_PER_S)
    assert said(ended) == [("repaired", "bearing", "request")]
    assert ended.events[0].severity == 0.2, "of the part that was taken out"
    assert ended.events[0].detail == {"rul_s": pytest.approx(0.8 / 0.5 * 3600)}
    assert said(look(recorder, 2)) == []


def test_a_sensor_fails_without_its_machine() -> None:
    recorder = Recorder()
    look(recorder, 0)
    drift = FaultTruth("drift:flow", "sensor", "flow", severity=1.0, growth_per_h=1.0)
    told = look(recorder, 1, drift)
    assert said(told) == [("onset", "drift:flow", "wear"), ("failed", "drift:flow", "wear")]
    assert told.states[0].rul_s is None, "a sensor's fault is not the machine's life"


def test_after_a_restart_nothing_is_told_twice() -> None:
    recorder = Recorder()
    told = recorder.on_request(Action.INJECTED, "bearing", after=reading(BEARING), now_ns=0)
    again = Recorder({"pump-plc": told.states[-1]})
    assert said(look(again, 60, replace(BEARING, severity=0.25))) == []
    assert said(look(again, 61, replace(BEARING, severity=0.31))) == [("step", "bearing", "request")]


@pytest.mark.parametrize(
    ("severity", "growth", "start", "law", "hours"),
    [
        (0.2, 0.5, 0.2, "linear", 1.6),
        (0.2, 0.5, 0.0, "gamma", 1.6),
        (1.0, 0.5, 0.0, "linear", 0.0),
        (0.1, 0.9, 0.1, "exponential", 1.0),
        (0.1**0.5, 0.9, 0.1, "exponential", 0.5),
    ],
)
def test_what_is_left_follows_the_law(severity: float, growth: float, start: float, law: str, hours: float) -> None:
    left = remaining_s(severity=severity, growth_per_h=growth, start=start, law=law)
    assert left == pytest.approx(hours * 3600)


def test_what_does_not_grow_has_no_end() -> None:
    assert remaining_s(severity=0.5, growth_per_h=0.0) is None
