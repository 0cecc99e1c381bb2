"""Bills by hand: failure 1000, needless stop 100, inspection 10, planned repair 200, notice 2 h, overhaul each 30 h."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from penstock.core.errors import ConfigError
from penstock.lab.scoring.costs import SHIPPED, CostBook, read_costs
from penstock.lab.scoring.detection import match
from penstock.lab.scoring.money import Money, money
from penstock.lab.scoring.policies import Bill
from penstock.lab.scoring.words import Case
from tests.builders.scoring import BOOK, COSTS, FAN, alarm, case, fault, rul


def billed(one: Case) -> Money:
    return money(one, match(one), BOOK)


def test_run_to_failure_pays_for_each_end_of_life_in_the_window() -> None:
    one = case(fault(10, 25, failed_h=20), fault(40, 45, foretold_h=50), fault(60, 61, foretold_h=130), hours=100)
    found = billed(one)
    assert found.bills["run to failure"] == Bill(failures=2, total=2000)
    assert (found.events, found.undecided) == (2, 1)


def test_periodic_saves_what_an_overhaul_meets() -> None:
    # Overhauls at 30, 60, 90 h of both assets: six. Met: 25 to 35. Not met: 40 to 50; 31 to 60, since at 60 it is over.
    one = case(fault(25, 36, failed_h=35), fault(40, 51, failed_h=50), fault(31, 61, failed_h=60, asset=FAN), hours=100)
    assert billed(one).bills["periodic"] == Bill(failures=2, planned=6, total=2 * 1000 + 6 * 200)


def test_an_overhaul_at_the_onset_saves_and_one_at_the_windows_start_is_none() -> None:
    one = case(fault(30, 36, failed_h=35), fault(0, 6, failed_h=5, asset=FAN), hours=31)
    assert billed(one).bills["periodic"] == Bill(failures=1, planned=2, total=1400)


def test_what_cannot_fail_is_not_overhauled() -> None:
    one = replace(case(hours=100), machines=frozenset({FAN}))
    assert billed(one).bills["periodic"] == Bill(planned=3, total=600)


def test_condition_based_needs_an_alarm_two_hours_ahead() -> None:
    one = case(
        fault(10, 25, failed_h=20),
        fault(40, 55, failed_h=50),
        fault(70, 85, failed_h=80),
        fault(60, 64, name="drift:flow", component="flow", kind="sensor"),
        alarms=(alarm(18), alarm(49), alarm(62), alarm(90), alarm(90.5), alarm(5, asset=FAN)),
        hours=100,
    )
    # In time 18, too late 49, none for the third; inspections: 18, 49, the sensor's 62, the false ones at 90 and 5.
    assert billed(one).bills["condition-based"] == Bill(failures=2, planned=1, inspections=5, total=2000 + 200 + 50)


def test_predictive_orders_what_does_not_last_until_the_next_schedule() -> None:
    ruls = (
        rul(5, 1),
        rul(12, 8),
        rul(15, 4),
        rul(16, 3),
        rul(45, 9),
        rul(48.5, 4),
        rul(60, 4),
        rul(61, 1),
        rul(90, 50),
    )
    one = case(fault(10, 25, failed_h=20), fault(40, 55, failed_h=50), alarms=(alarm(11),), ruls=ruls, hours=100)
    # 5 h: no alarm. 15 h: ordered, done at 17 < 20. 48.5 h: done at 50.5 > 50, too late. 60 h: nothing there, and from
    # then on the alarm is not believed.
    assert billed(one).bills["predictive"] == Bill(failures=1, planned=1, needless=1, total=1000 + 200 + 100)


def test_predictive_looks_further_ahead_where_work_is_scheduled_for_longer() -> None:
    one = case(fault(10, 25, failed_h=20), alarms=(alarm(11),), ruls=(rul(12, 8),), hours=100)
    assert billed(one).bills["predictive"] == Bill(failures=1, total=1000)
    weekly = CostBook("EUR", replace(COSTS, schedule_h=6.0), {})
    assert money(one, match(one), weekly).bills["predictive"] == Bill(planned=1, total=200)


def test_predictive_follows_the_lower_bound() -> None:
    bounded = case(fault(10, 25, failed_h=20), alarms=(alarm(11),), ruls=(rul(12, 50, low_h=4),), hours=100)
    assert billed(bounded).bills["predictive"] == Bill(planned=1, total=200)


def test_predictive_believes_no_life_while_no_alarm_stands() -> None:
    low = tuple(rul(each, 1) for each in range(10))
    assert billed(case(ruls=low, hours=100)).bills["predictive"] == Bill()
    standing = case(alarms=(alarm(3, cleared_h=5), alarm(7)), ruls=low, hours=100)
    assert billed(standing).bills["predictive"] == Bill(needless=2, total=200), "once for each alarm"


def test_predictive_inspects_where_an_alarm_names_a_sensor() -> None:
    ruls = (rul(12, 3), rul(60, 3))
    one = case(
        fault(10, 25, failed_h=20),
        fault(50, 70, name="drift:flow", component="flow", kind="sensor"),
        alarms=(alarm(11, part="sensor:flow", cleared_h=25), alarm(55, part="sensor:flow")),
        ruls=ruls,
        hours=100,
    )
    # Both are looked at: the first is the bearing's after all, whose repair is ordered; the second is the sensor's.
    assert billed(one).bills["predictive"] == Bill(planned=1, inspections=2, total=200 + 20)


def test_predictive_pays_the_failure_that_no_alarm_told() -> None:
    one = case(fault(10, 25, failed_h=20), ruls=(rul(12, 3),), hours=100)
    assert billed(one).bills["predictive"] == Bill(failures=1, total=1000)


def test_the_time_just_after_a_repair_orders_nothing() -> None:
    one = case(fault(10, 25, foretold_h=200), alarms=(alarm(11),), ruls=(rul(25.2, 1),), hours=100)
    assert billed(one).bills["predictive"] == Bill()


def test_without_a_life_said_there_is_no_predictive_policy() -> None:
    assert "predictive" not in billed(case(fault(10, 25, failed_h=20), hours=100)).bills


def test_the_order_and_what_turns_it() -> None:
    # One event of 100 h: failure 1000; three overhauls of two assets 1200; alarm 210.
    found = billed(case(fault(25, 36, failed_h=35), alarms=(alarm(28),), hours=100))
    assert found.order == (("condition-based",), ("run to failure",), ("periodic",))
    assert found.sensitivity["missed_failure × 3"] == (("condition-based",), ("periodic",), ("run to failure",))
    assert found.sensitivity["planned_repair ÷ 3"] == (("condition-based",), ("periodic",), ("run to failure",))
    assert found.sensitivity["inspection × 3"] == found.order
    assert len(found.sensitivity) == 8


def test_policies_that_cost_the_same_stand_together() -> None:
    assert billed(case(hours=20)).order == (("condition-based", "periodic", "run to failure"),)


def test_the_shipped_costs_are_read_and_every_type_has_all() -> None:
    book = read_costs()
    assert book.of("centrifugal-pump").missed_failure < book.of("packml-line").missed_failure
    assert book.of("never heard of") == book.default
    assert book.sped_up(24).default.notice_h == 1.0
    assert (book.default.schedule_h, book.sped_up(24).default.schedule_h) == (168.0, 7.0)
    assert "Mobley" in SHIPPED.read_text(), "costs have a reason"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("version: 1\ncurrency: EUR\n", "default"),
        (SHIPPED.read_text().replace("inspection: 120", "inspection: -1", 1), "default.inspection"),
        (SHIPPED.read_text().replace("version: 1", "version: 2"), "version"),
        ("- [", ""),
    ],
)
def test_a_wrong_cost_file_is_told_by_its_key(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "costs.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"costs\.yaml") as told:
        read_costs(tmp_path / "costs.yaml")
    assert told.value.key == key
