"""The whole score: the order of what was said and a shift of all times change no figure; it is always strict JSON."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.lab.scoring.score import Score, as_json, score
from penstock.lab.scoring.table import table
from penstock.lab.scoring.words import Case, HealthSaid
from tests.builders.scoring import BOOK, FAN, PUMP, alarm, at, case, fault, rul

FIGURES = ("detection", "isolation", "health", "prognosis", "money")


def figures(made: Score) -> dict[str, Any]:
    return {name: value for name, value in as_json(made).items() if name in FIGURES}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    chance = Random(draw(st.integers(0, 2**32)))
    kinds = (("bearing", "drive-end bearing", "machine"), ("drift:flow", "sensor of flow", "sensor"))
    episodes = []
    for asset in (PUMP, FAN):
        for name, component, kind in kinds:
            onset_h = chance.uniform(-20, 600)
            ends = sorted(onset_h + chance.uniform(0.1, 150) for _ in range(2))
            failed_h = ends[0] if kind == "machine" and chance.random() < 0.6 else None
            foretold_h = ends[1] + chance.uniform(0, 200) if kind == "machine" and failed_h is None else None
            end_h = ends[1] if chance.random() < 0.7 else None
            episodes.append(
                fault(
                    onset_h,
                    end_h,
                    failed_h=failed_h,
                    foretold_h=foretold_h,
                    asset=asset,
                    name=name,
                    component=component,
                    kind=kind,
                )
            )
    parts = ("", "bearing", "sensor:flow", "impeller")
    said = [
        alarm(chance.uniform(-10, 730), asset=chance.choice((PUMP, FAN)), part=chance.choice(parts), number=i)
        for i in range(chance.randint(0, 15))
    ]
    ruls = [
        rul(chance.uniform(0, 720), chance.uniform(0, 200), low_h=chance.uniform(0, 20), high_h=chance.uniform(20, 300))
        for _ in range(chance.randint(0, 30))
    ]
    health = [HealthSaid(PUMP, at(chance.uniform(0, 720)), chance.uniform(0, 100)) for _ in range(20)]
    made = case(*episodes, alarms=tuple(said), ruls=tuple(ruls))
    return replace(made, health=tuple(health))


@given(cases(), st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_order_of_what_was_said_changes_no_figure(one: Case, chance: Random) -> None:
    def shuffled(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(chance.sample(items, len(items)))

    other = replace(one, alarms=shuffled(one.alarms), ruls=shuffled(one.ruls), health=shuffled(one.health))
    assert rounded(figures(score(one, BOOK))) == rounded(figures(score(other, BOOK)))


@given(cases(), st.integers(-(10**16), 10**16))
@settings(max_examples=60, deadline=None)
def test_a_shift_of_all_times_changes_no_figure(one: Case, by_ns: int) -> None:
    assert figures(score(one, BOOK)) == figures(score(shifted(one, by_ns), BOOK))


def shifted(value: Any, by_ns: int) -> Any:
    """Add to every field that is a time, in whatever dataclass."""
    if isinstance(value, tuple):
        return tuple(shifted(each, by_ns) for each in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    found = {field.name: getattr(value, field.name) for field in fields(value)}
    return replace(
        value,
        **{
            name: each + by_ns if name.endswith("_ns") and each is not None else shifted(each, by_ns)
            for name, each in found.items()
        },
    )


def rounded(value: Any) -> Any:
    """Sums of floats in another order differ in the last digits."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return float(f"{value:.9g}") if isinstance(value, float) else value


@given(cases())
@settings(max_examples=30, deadline=None)
def test_every_score_is_strict_json_and_a_table(one: Case) -> None:
    open_above = replace(one, ruls=(*one.ruls, replace(rul(100, 5, low_h=1), high_s=float("inf"))))
    made = score(open_above, BOOK)
    assert json.loads(json.dumps(as_json(made), allow_nan=False))["version"] == 1
    lines = list(table(made))
    assert any(line.startswith("policy") for line in lines)
    assert all(len(line) < 240 for line in lines)


def test_an_empty_case_has_a_score() -> None:
    made = score(case(), BOOK)
    assert as_json(made)["detection"]["precision"] is None
    assert "\n".join(table(made))
