"""What the experiment draws: reproducible from its seed, every fault once, nothing over another."""

from random import Random

import pytest

from penstock.lab.experiment.plan import SENSOR_FAULTS, Draw, MachinePlan, draw

FAULTS = ["bearing", "imbalance", "clogging"]
SENSORS = ["flow", "power", "current", "temperature"]


def drawn(seed: int, duties: list[str] | None = None) -> tuple[MachinePlan, ...]:
    return draw(
        Random(seed),
        machines=20,
        faults=FAULTS,
        sensors=SENSORS,
        duties=["steady", "regimes", "shifts"] if duties is None else duties,
        by=Draw(),
    )


def test_equal_seeds_draw_alike_and_others_do_not() -> None:
    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)
    assert [plan.name for plan in drawn(3)] == [f"m{i:02d}" for i in range(20)]


def test_every_machine_has_each_fault_once_in_an_order_of_its_own_and_some_of_its_sensors() -> None:
    plans = drawn(1)
    for plan in plans:
        names = [each.fault for each in plan.faults]
        machine = [name for name in names if ":" not in name]
        assert sorted(machine) == sorted(FAULTS)
        broken = [name.partition(":") for name in names if ":" in name]
        assert 2 <= len(broken) <= 3
        assert all(kind in SENSOR_FAULTS and tag in SENSORS for kind, _, tag in broken)
        assert len({tag for _, _, tag in broken}) == len(broken)
    assert len({tuple(each.fault for each in plan.faults) for plan in plans}) > 10


def test_a_fault_has_its_time_before_the_next_one_comes() -> None:
    for plan in drawn(2):
        for one, following in zip(plan.faults, plan.faults[1:], strict=False):
            ends = one.clear_h if one.clear_h is not None else one.at_h + (1 - one.severity) / one.growth_per_h
            assert following.at_h > ends + Draw().gap_h[0]
        assert plan.watched_h > plan.faults[-1].at_h


def test_a_drift_grows_from_nothing_and_a_bias_is_there_at_once() -> None:
    sensors = [each for seed in range(10) for plan in drawn(seed) for each in plan.faults if ":" in each.fault]
    for each in sensors:
        assert each.clear_h is not None
        grows = each.fault.startswith("drift:")
        assert (each.severity == 0.0) == grows
        assert (each.growth_per_h > 0.0) == grows


@pytest.mark.parametrize("duty", ["steady", "shifts"])
def test_what_works_in_shifts_is_commissioned_over_a_weekend(duty: str) -> None:
    for plan in drawn(5, [duty]):
        assert plan.parameters == {"duty": duty}
        assert plan.commissioned_h == (72.0 if duty == "shifts" else 48.0)


def test_what_follows_the_wind_is_asked_nothing() -> None:
    assert all(plan.parameters == {} for plan in drawn(5, []))
