"""Processes of damage and the book of a machine: known answers, scatter, trips, repairs, states that go on."""

import json
import math
import statistics

import pytest

from penstock.simulators.models.fault import FaultError, FaultRequest, FaultState, Law
from penstock.simulators.models.faults.book import FaultBook, REPAIR_s
from penstock.simulators.models.faults.growth import SCATTER, Growth
from penstock.simulators.models.faults.process import L10_TO_CHARACTERISTIC, FaultProcess, FaultSpec
from tests.builders.simulators import context

HOUR = 3600


def process(*, wear: float = 0.0, key: str = "part", **spec: object) -> FaultProcess:
    return FaultProcess(FaultSpec("bearing", "bearing", **spec), key=key, wear=wear)  # type: ignore[arg-type]


def run(one: FaultProcess | FaultBook, seconds: float, *, dt_s: float = 1.0, load: float = 1.0) -> None:
    for _ in range(round(seconds / dt_s)):
        one.step(dt_s, load)


def book(**parameters: float) -> FaultBook:
    made = FaultBook(context("dut", world=None, seed=1, **parameters))
    made.fault("bearing", component="bearing", trip="hot", life_h=1000.0, progress_h=100.0)
    made.fault("belt", component="belt", trip="slip", life_h=500.0, progress_h=50.0, law=Law.LINEAR)
    return made


def test_healthy_part_does_not_wear_and_counts_its_hours() -> None:
    one = process(life_h=1.0)
    run(one, 24 * HOUR, dt_s=10)
    assert one.severity == 0.0
    assert not one.active
    assert one.running_h == pytest.approx(24.0)


def test_injection_waits_for_its_onset_and_grows_to_its_end() -> None:
    one = process()
    one.inject(FaultRequest("bearing", severity=0.1, growth_per_h=0.9, onset_s=60))
    run(one, 59)
    assert one.severity == 0.0
    assert one.active
    run(one, 1801)
    assert one.severity == pytest.approx(0.55, abs=0.001)
    run(one, HOUR)
    assert one.severity == 1.0


def test_part_at_rest_does_not_get_worse_but_a_calendar_fault_does() -> None:
    for calendar, severity in ((False, 0.3), (True, 0.8)):
        one = process(calendar=calendar)
        one.inject(FaultRequest("bearing", severity=0.3, growth_per_h=1.0))
        run(one, HOUR / 2, load=0.0)
        assert one.severity == pytest.approx(severity)


@pytest.mark.parametrize("law", list(Law))
def test_laws_agree_in_the_mean_time_to_failure(law: Law) -> None:
    """(1 − start) of dose leads to 1: exactly for linear and exponential, on average for the gamma process."""
    ends = []
    for part in range(200 if law is Law.GAMMA else 1):
        growth = Growth(law, 0.2, f"part-{part}")
        while growth.severity < 1.0 - 1e-9:
            growth.add(0.005)
        ends.append(growth.dose)
    assert statistics.mean(ends) == pytest.approx(0.8, abs=0.02)


def test_gamma_process_has_its_mean_and_variance() -> None:
    """Van Noortwijk 2009: mean = dose, variance = θ · dose."""
    ends = []
    for part in range(400):
        growth = Growth(Law.GAMMA, 0.0, f"part-{part}")
        growth.add(0.4)
        ends.append(growth.severity)
    assert statistics.mean(ends) == pytest.approx(0.4, abs=0.01)
    assert statistics.stdev(ends) == pytest.approx(math.sqrt(SCATTER * 0.4), rel=0.12)


def test_gamma_process_never_falls_and_does_not_depend_on_steps() -> None:
    fine, coarse = Growth(Law.GAMMA, 0.1, "part"), Growth(Law.GAMMA, 0.1, "part")
    before = 0.1
    for _ in range(60):
        for _ in range(100):
            fine.add(0.0001)
            assert fine.severity >= before
            before = fine.severity
        coarse.add(0.01)
        assert coarse.severity == pytest.approx(fine.severity, abs=1e-6)


def test_exponential_growth_is_slow_first() -> None:
    growth = Growth(Law.EXPONENTIAL, 0.05, "part")
    growth.add(0.475)
    assert growth.severity == pytest.approx(math.sqrt(0.05), rel=1e-6)


def test_natural_lives_follow_weibull_and_the_basic_life_of_a_bearing() -> None:
    """ISO 281: a tenth is damaged at L10; the characteristic life is 4.48 times as long for a slope of 1.5."""
    assert pytest.approx(4.48, abs=0.01) == L10_TO_CHARACTERISTIC
    spec = FaultSpec("bearing", "bearing", life_h=100.0 * L10_TO_CHARACTERISTIC, shape=1.5, progress_h=1.0)
    early = sum(_worn_at(FaultProcess(spec, key=f"bearing-{n}", wear=1.0), 100.0) for n in range(2000))
    assert early / 2000 == pytest.approx(0.1, abs=0.02)


def _worn_at(one: FaultProcess, hours: float) -> bool:
    one.step(hours * HOUR, 1.0)
    return one.worn


def test_wear_is_spent_by_load_speed_of_wear_and_stress() -> None:
    ends = {}
    for name, wear, load, stress in (("plain", 100.0, 1.0, 1.0), ("load", 100.0, 0.5, 1.0), ("stress", 50.0, 1.0, 2.0)):
        one = process(wear=wear, life_h=100.0, progress_h=50.0, duty=3.0, law=Law.LINEAR)
        one.stress = stress
        seconds = 0
        while not one.worn:
            one.step(60.0, load)
            seconds += 60
        ends[name] = seconds
        start = one.severity
        one.step(360.0, load)
        assert one.severity - start == pytest.approx(0.1 * wear * stress * load**3 / 50.0, rel=0.01)
    assert ends["load"] == pytest.approx(8 * ends["plain"], rel=0.01)
    assert ends["stress"] == pytest.approx(ends["plain"], rel=0.01)


def test_new_part_has_a_life_of_its_own() -> None:
    one = process(wear=1000.0, life_h=100.0)
    lives = []
    for _ in range(3):
        run(one, 3 * HOUR, dt_s=10)
        assert one.worn
        lives.append(one.save()["growth"])
        one.repair()
        assert not one.active
        assert one.severity == one.running_h == 0.0
    assert len({json.dumps(life) for life in lives}) == 3


def test_second_injection_keeps_what_clear_goes_back_to() -> None:
    one = process()
    one.inject(FaultRequest("bearing", severity=0.3, growth_per_h=1.0))
    run(one, 360)
    one.inject(FaultRequest("bearing", severity=0.7, growth_per_h=0.0))
    assert one.severity == 0.7
    one.clear()
    assert one.severity == 0.0
    assert not one.active


def test_state_goes_on_as_it_would_have() -> None:
    one, other = process(wear=500.0, life_h=1.0), process(wear=500.0, life_h=1.0)
    run(one, 1800)
    assert 0.0 < one.severity < 1.0
    one.inject(FaultRequest("bearing", severity=0.5, growth_per_h=0.3, law=Law.GAMMA))
    run(one, 600)
    other.load(json.loads(json.dumps(one.save())))
    assert other.severity == one.severity
    for both in (one, other):
        run(both, 300)
    assert other.severity == one.severity
    assert other.save() == one.save()
    one.clear()
    other.clear()
    assert other.severity == one.severity


def test_complete_fault_trips_the_machine_until_it_is_repaired() -> None:
    faults = book()
    faults.inject(FaultRequest("belt", severity=0.9, growth_per_h=1.0))
    run(faults, 400)
    assert (faults.standing, faults.trip, faults.failed) == (True, "slip", "belt")
    assert [(event.action, event.fault) for event in faults.take_events()] == [("failure", "belt")]
    run(faults, HOUR, load=0.0)
    assert faults.standing
    faults.repair("belt")
    assert (faults.standing, faults.trip) == (True, "")
    run(faults, REPAIR_s + 1, load=0.0)
    standing: bool = faults.standing
    assert not standing
    assert faults.faults()[1] == FaultState("belt", False, 0.0, 0.0, 0.0, component="belt")


def test_machine_with_two_complete_faults_needs_two_repairs() -> None:
    faults = book()
    for name in ("belt", "bearing"):
        faults.inject(FaultRequest(name, severity=1.0))
    run(faults, 1)
    first = faults.failed
    faults.clear(first)
    assert faults.standing
    faults.clear(faults.failed)
    assert not faults.standing


def test_crew_repairs_what_wore_out_and_the_next_part_wears_too() -> None:
    faults = book(wear=1000.0, repair_after_h=1.0)
    events = []
    for _ in range(6 * HOUR):
        faults.step(1.0, 0.0 if faults.standing else 1.0)
        events += [event.action for event in faults.take_events() if event.fault == "belt"]
    assert events[:6] == ["onset", "failure", "repair", "onset", "failure", "repair"]


def test_book_names_its_faults_and_keeps_them_over_a_restart() -> None:
    faults, again = book(), book()
    with pytest.raises(FaultError, match="it has: bearing, belt"):
        faults.inject(FaultRequest("rotor"))
    faults.inject(FaultRequest("belt", severity=1.0))
    run(faults, 10)
    again.load(json.loads(json.dumps(faults.save())))
    assert again.save() == faults.save()
    assert again.trip == "slip"
