"""Remaining life and named parts, counted by hand."""

from __future__ import annotations

import math

import pytest

from penstock.lab.scoring.detection import match
from penstock.lab.scoring.episodes import episodes_of
from penstock.lab.scoring.isolation import isolation
from penstock.lab.scoring.naming import names
from penstock.lab.scoring.prognosis import nasa_score, prognosis
from penstock.lab.scoring.words import TruthEvent
from tests.builders.scoring import FAN, PUMP, alarm, at, case, fault, rul


def test_errors_of_three_points_by_hand() -> None:
    # Failure at 200 h. True: 100, 50, 10 h; said: 110, 30, 10 h: errors +10, -20, 0.
    ruls = (rul(100, 110, low_h=90, high_h=130), rul(150, 30, low_h=20, high_h=40), rul(190, 10, low_h=5, high_h=15))
    found = prognosis(case(fault(90, 210, failed_h=200), ruls=ruls))
    assert (found.points, found.in_hindsight) == (3, 3)
    assert found.mae_s == pytest.approx(10 * 3600)
    assert found.rmse_s == pytest.approx(math.sqrt(500 / 3) * 3600)
    assert found.bias_s == pytest.approx(-10 / 3 * 3600)
    assert found.nasa_score == pytest.approx((math.e - 1) + (math.exp(20 / 13) - 1) + 0)
    assert found.coverage == pytest.approx(2 / 3)
    assert found.width_median_s == 20 * 3600
    assert found.per_fault["bearing"].points == 3


def test_what_cannot_be_known_does_not_count() -> None:
    ruls = (rul(50, 1), rul(205, 1), rul(250, 1), rul(150, math.inf), rul(150, math.nan))
    assert prognosis(case(fault(100, 210, failed_h=200), ruls=ruls)).points == 0, "before onset, failed, repaired, inf"
    assert prognosis(case(fault(100, 210), ruls=(rul(150, 1),))).points == 0, "no end of life is known"
    assert prognosis(case(fault(100, 210, failed_h=200, asset=FAN), ruls=(rul(150, 1),))).points == 0, "another asset"
    sensor = fault(100, 210, failed_h=200, kind="sensor", name="drift:flow", component="flow")
    assert prognosis(case(sensor, ruls=(rul(150, 1),))).points == 0


def test_the_nearest_end_of_life_is_the_true_one() -> None:
    leak = fault(100, 300, foretold_h=160, name="seal-leak", component="shaft seal")
    found = prognosis(case(fault(90, 300, failed_h=200), leak, ruls=(rul(150, 10),)))
    assert (found.mae_s, found.in_hindsight) == (0.0, 0)
    assert list(found.per_fault) == ["seal-leak"]


def test_a_late_answer_costs_more_than_an_early_one() -> None:
    assert nasa_score(0) == 0
    assert nasa_score(13) > nasa_score(-13) == pytest.approx(math.e - 1)
    assert nasa_score(1e9) < math.inf


def test_the_cycle_of_the_score_can_be_told() -> None:
    one = case(fault(90, 210, failed_h=200), ruls=(rul(100, 110),))
    assert prognosis(one, cycle_s=36_000).nasa_score == pytest.approx(math.exp(0.1) - 1)


def test_parts_by_hand() -> None:
    drift = fault(500, 600, name="drift:flow", component="sensor of flow", kind="sensor")
    one = case(
        fault(100, 200, failed_h=190),
        fault(300, 400, name="seal-leak", component="shaft seal"),
        drift,
        fault(650, 700),
        alarms=(
            alarm(150, part="drive-end bearing"),
            alarm(350, part="drive-end bearing"),
            alarm(550, part="impeller"),
            alarm(660),
        ),
    )
    found = isolation(match(one))
    assert (found.detected, found.named) == (4, 3)
    assert (found.accuracy, found.kind_accuracy) == (0.25, 0.5)
    assert found.accuracy_of_named == pytest.approx(1 / 3)
    assert found.kind_accuracy_of_named == pytest.approx(2 / 3)
    assert found.confusion == {
        "drive-end bearing ← drive-end bearing": 1,
        "drive-end bearing ← nothing": 1,
        "sensor of flow ← impeller": 1,
        "shaft seal ← drive-end bearing": 1,
    }


@pytest.mark.parametrize(
    ("part", "right"),
    [
        ("sensor:flow", True),
        ("sensor", True),
        ("drift:flow", True),
        ("flow", True),
        ("sensor:power", False),
        ("", False),
    ],
)
def test_names_of_a_sensor(part: str, right: bool) -> None:
    assert names(part, fault(0, name="drift:flow", component="sensor of flow", kind="sensor")) is right


@pytest.mark.parametrize(
    ("part", "right"),
    [("Drive-end_bearing", True), ("bearing", True), ("seal", False), ("sensor:bearing", False), ("", False)],
)
def test_names_of_a_machine_part(part: str, right: bool) -> None:
    assert names(part, fault(0)) is right


def event(
    time_h: float, action: str, fault: str = "bearing", *, device: str = "plc", left_h: float | None = None
) -> TruthEvent:
    left_s = None if left_h is None else left_h * 3600
    return TruthEvent(at(time_h), device, PUMP, action, fault, "machine", "drive-end bearing", rul_s=left_s)


def test_episodes_from_events_in_any_order() -> None:
    events = [
        event(90, "injected"),
        event(100, "onset"),
        event(120, "step"),
        event(110, "onset"),
        event(130, "failed"),
        event(140, "repaired", left_h=0),
        event(200, "onset"),
        event(210, "cleared", left_h=7),
        event(300, "onset"),
        event(5, "failed"),
        event(6, "repaired"),
    ]
    found = episodes_of(reversed(events), {("plc", "bearing"): at(999)})
    assert [(e.onset_ns, e.failed_ns, e.end_ns, e.foretold_ns) for e in found] == [
        (at(100), at(130), at(140), None),
        (at(200), None, at(210), at(217)),
        (at(300), None, None, at(999)),
    ]


def test_only_machines_fail() -> None:
    events = [
        TruthEvent(at(time_h), "plc", PUMP, action, "stuck:flow", "sensor", "sensor of flow", rul_s=0.0)
        for time_h, action in ((1, "onset"), (1, "failed"), (9, "repaired"))
    ]
    (found,) = episodes_of(events)
    assert (found.failed_ns, found.foretold_ns, found.end_ns) == (None, None, at(9))


def test_faults_and_devices_are_kept_apart() -> None:
    found = episodes_of(
        [event(1, "onset"), event(2, "onset", "leak"), event(3, "onset", device="other"), event(4, "repaired", "leak")]
    )
    assert [(each.device, each.fault, each.end_ns) for each in found] == [
        ("plc", "bearing", None),
        ("plc", "leak", at(4)),
        ("other", "bearing", None),
    ]
