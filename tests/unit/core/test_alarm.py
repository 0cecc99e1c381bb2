"""The limit alarm: raised once, cleared once, whatever the quality and the order."""

from __future__ import annotations

import json
from itertools import product

import pytest

from penstock.core.alarm import (
    TRANSITIONS,
    Acknowledge,
    AlarmEvent,
    AlarmMemory,
    AlarmSample,
    AlarmState,
    Comparison,
    LimitAlarm,
    LimitRule,
    NotAcknowledgeable,
    Transition,
    alarm_id,
)
from penstock.core.errors import PeerError

HIGH = LimitRule("rul_1", 1, Comparison.HIGH, limit=10.0, deadband=2.0, on_delay_ns=100)
BAD = 0x8031_0000


def _machine(rule: LimitRule = HIGH) -> LimitAlarm:
    return LimitAlarm(rule, "pump")


def _feed(machine: LimitAlarm, *samples: tuple[int, float | None]) -> list[Transition]:
    return [
        moved
        for position, (time_ns, value) in enumerate(samples, 1)
        for moved in machine.on_input(AlarmSample(time_ns, 0, value, position), 0)
    ]


def _short(transitions: list[Transition]) -> list[tuple[str, int]]:
    return [(moved.event.value, moved.time_ns) for moved in transitions]


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        ([(0, 11.0), (99, 11.0)], []),
        ([(0, 11.0), (100, 11.0)], [("activate", 100)]),
        ([(0, 11.0), (250, 12.0)], [("activate", 100)]),
        ([(0, 11.0), (250, 5.0)], [("activate", 100), ("clear", 250)]),
        ([(0, 11.0), (50, 10.0), (160, 11.0)], []),
        ([(0, 11.0), (100, 11.0), (200, 9.0)], [("activate", 100)]),
        ([(0, 11.0), (100, 11.0), (200, 8.0)], [("activate", 100), ("clear", 200)]),
        ([(0, 10.0), (500, 10.0)], []),
    ],
)
def test_delay_and_deadband_run_on_event_time(samples: list[tuple[int, float]], told: list[tuple[str, int]]) -> None:
    assert _short(_feed(_machine(), *samples)) == told


def test_low_limits_mirror_high_ones() -> None:
    machine = _machine(LimitRule("r", 1, Comparison.LOW, limit=2.0, deadband=1.0))
    assert _short(_feed(machine, (0, 2.0), (1, 1.9), (2, 2.9), (3, 3.0))) == [("activate", 1), ("clear", 3)]


def test_a_tick_raises_where_no_sample_comes_with_the_same_words() -> None:
    by_tick, by_sample = _machine(), _machine()
    _feed(by_tick, (0, 11.0))
    assert by_tick.wake_at() == 100
    assert by_tick.on_wake(99) == []
    ticked = by_tick.on_wake(150)
    assert ticked == _feed(by_sample, (0, 11.0), (300, 11.0))
    assert by_tick.on_wake(200) == []
    assert by_tick.wake_at() is None


@pytest.mark.parametrize(("status", "value"), [(BAD, 5.0), (0, None), (0, float("nan"))])
def test_bad_neither_raises_nor_clears(status: int, value: float | None) -> None:
    machine = _machine()
    _feed(machine, (0, 11.0), (100, 11.0))
    assert machine.on_input(AlarmSample(200, status, value, 9), 0) == []
    assert machine.memory.state is AlarmState.UNACKNOWLEDGED_ACTIVE
    fresh = _machine()
    assert fresh.on_input(AlarmSample(0, BAD, 99.0, 1), 0) == []
    assert fresh.wake_at() is None


def test_bad_ends_a_delay_under_way_but_not_one_that_was_over() -> None:
    machine = _machine()
    _feed(machine, (0, 11.0))
    machine.on_input(AlarmSample(50, BAD, None, 2), 0)
    assert machine.wake_at() is None
    machine.on_input(AlarmSample(60, 0, 11.0, 3), 0)
    assert _short(machine.on_input(AlarmSample(170, BAD, None, 4), 0)) == [("activate", 160)]


def test_uncertain_counts() -> None:
    machine = _machine()
    machine.on_input(AlarmSample(0, 0x4090_0000, 11.0, 1), 0)
    assert machine.wake_at() == 100


def test_older_samples_are_counted_not_judged() -> None:
    machine = _machine()
    _feed(machine, (0, 11.0), (100, 11.0))
    assert machine.on_input(AlarmSample(99, 0, 1.0, 3), 0) == []
    assert machine.memory.late == 1
    assert _short(machine.on_input(AlarmSample(100, 0, 1.0, 4), 0)) == [("clear", 100)]


def test_the_whole_round_of_acknowledging() -> None:
    machine = _machine()
    [raised] = _feed(machine, (0, 11.0), (100, 11.0))
    [taken] = machine.on_input(Acknowledge("ada", "seen"), 777)
    assert (taken.who, taken.comment, taken.time_ns, taken.alarm) == ("ada", "seen", 777, raised.alarm)
    [cleared] = machine.on_input(AlarmSample(200, 0, 1.0, 3), 0)
    assert (cleared.before, cleared.after) == (AlarmState.ACKNOWLEDGED_ACTIVE, AlarmState.NORMAL)
    assert machine.memory.alarm is None


def test_returned_and_active_again_is_the_same_alarm_until_normal() -> None:
    machine = _machine(LimitRule("r", 1, Comparison.HIGH, limit=10.0))
    told = _feed(machine, (0, 11.0), (1, 5.0), (2, 12.0), (3, 5.0))
    assert len({moved.alarm for moved in told}) == 1
    [normal] = machine.on_input(Acknowledge("ada"), 9)
    assert normal.after is AlarmState.NORMAL
    [again] = machine.on_input(AlarmSample(10, 0, 11.0, 7), 0)
    assert again.alarm != normal.alarm


def test_nothing_to_acknowledge_is_said() -> None:
    with pytest.raises(NotAcknowledgeable, match="normal"):
        _machine().on_input(Acknowledge("ada"), 0)


def test_activation_tells_the_sample_that_began_it() -> None:
    [raised] = _feed(_machine(), (0, 5.0), (10, 11.5), (200, 13.0))
    assert (raised.position, raised.value, raised.time_ns) == (2, 11.5, 110)
    assert raised.alarm == alarm_id(HIGH, "pump", position=2)


def test_alarm_ids_follow_from_their_parts() -> None:
    base = alarm_id(HIGH, "pump", position=2)
    others = {
        alarm_id(HIGH, "pump", position=3),
        alarm_id(HIGH, "pump", position=2, row=1),
        alarm_id(HIGH, "fan", position=2),
        alarm_id(LimitRule("rul_1", 2, Comparison.HIGH, 10.0), "pump", position=2),
    }
    assert base not in others
    assert len(others) == 4
    assert base.startswith("alm_")


def test_memory_goes_through_json_at_any_moment() -> None:
    samples = [(0, 11.0), (50, 11.0), (120, 12.0), (130, 1.0), (140, 12.0), (400, None), (500, 3.0)]
    through, machine = [], _machine()
    for position, (time_ns, value) in enumerate(samples, 1):
        machine = LimitAlarm.from_json(HIGH, "pump", json.loads(json.dumps(machine.to_json())))
        through += machine.on_input(AlarmSample(time_ns, 0, value, position), 0)
    assert through == _feed(_machine(), *samples)
    assert through


@pytest.mark.parametrize("plain", [{}, {"state": "odd"}, {"state": "normal", "more": 1}])
def test_foreign_memory_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(PeerError, match="alarm memory"):
        LimitAlarm.from_json(HIGH, "pump", plain)


@pytest.mark.parametrize(("state", "event"), list(product(AlarmState, AlarmEvent)))
def test_the_table_is_the_machine(state: AlarmState, event: AlarmEvent) -> None:
    machine = LimitAlarm(HIGH, "pump", memory=AlarmMemory(state=state, alarm="alm_x"))
    if (state, event) in TRANSITIONS:
        moved = machine._move(event, 1)
        assert (moved.before, moved.after) == (state, TRANSITIONS[state, event])
        assert machine.memory.state.is_active == (moved.after.value.endswith("_active"))
    else:
        with pytest.raises(KeyError):
            machine._move(event, 1)


@pytest.mark.parametrize("wrong", [{"limit": float("nan")}, {"deadband": -1.0}, {"on_delay_ns": -1}])
def test_impossible_rules_are_not_made(wrong: dict[str, float]) -> None:
    with pytest.raises(AssertionError):
        LimitRule("r", 1, Comparison.HIGH, **{"limit": 1.0, **wrong})  # type: ignore[arg-type]
