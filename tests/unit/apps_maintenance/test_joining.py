"""Looks joined: what was said stays until something else is clearly more probable, and rivals are named."""

from __future__ import annotations

import json

from penstock.apps.maintenance.advice.joining import Joined
from penstock.apps.maintenance.advice.matching import Ranked
from penstock.apps.maintenance.advice.modes import FailureMode


def look(**probabilities: float) -> list[Ranked]:
    """Give a ranking of failure modes; `sensor`: of channel 0."""
    made = []
    for name, probability in sorted(probabilities.items(), key=lambda each: -each[1]):
        is_sensor = name == "sensor"
        mode = None if is_sensor else FailureMode(name, name, ())
        made.append(Ranked("sensor" if is_sensor else "machine", probability, mode, 0 if is_sensor else -1))
    return made


def name_of(ranked: Ranked) -> str:
    return ranked.mode.name if ranked.mode else ranked.kind


def test_what_was_said_stays_while_it_is_about_as_probable() -> None:
    joined = Joined()
    assert name_of(joined.on_look(look(a=0.6, b=0.4))) == "a"
    assert name_of(joined.on_look(look(a=0.4, b=0.6))) == "a"
    assert name_of(joined.on_look(look(a=0.01, b=0.99))) == "b"


def test_later_looks_count_more_where_earlier_ones_keep_less() -> None:
    for keep, expected in ((1, "a"), (0.1, "b")):
        joined = Joined(keep)
        for _ in range(4):
            joined.on_look(look(a=0.9, b=0.1))
        assert name_of(joined.on_look(look(a=0.1, b=0.9))) == expected


def test_rivals_are_modes_within_the_factor_and_no_sensors() -> None:
    joined = Joined()
    joined.on_look(look(a=0.4, b=0.25, c=0.05, sensor=0.3))
    assert [name_of(each) for each in joined.rivals()] == ["b"]
    assert 0.2 < joined.rivals()[0].probability < 0.3


def test_what_is_no_hypothesis_any_more_is_not_said() -> None:
    joined = Joined()
    assert name_of(joined.on_look(look(sensor=0.9, a=0.1))) == "sensor"
    assert name_of(joined.on_look(look(a=0.9, b=0.1))) == "a"


def test_after_an_alarm_it_begins_anew() -> None:
    joined = Joined()
    for _ in range(5):
        joined.on_look(look(a=0.9, b=0.1))
    joined.reset()
    assert name_of(joined.on_look(look(a=0.45, b=0.55))) == "b"


def test_the_state_goes_through_json() -> None:
    joined, again = Joined(0.5), Joined(0.5)
    joined.on_look(look(a=0.7, b=0.3))
    joined.on_look(look(a=0.3, b=0.7))
    again.restore(json.loads(json.dumps(joined.to_json())))
    assert again.on_look(look(a=0.2, b=0.8)) == joined.on_look(look(a=0.2, b=0.8))
