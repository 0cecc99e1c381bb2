"""Each rule of detection on a truth small enough to be counted by hand, and planted scorers that these would catch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.lab.scoring.detection import Detection, Matched, Rules, figures, match
from penstock.lab.scoring.words import Alarm, Case, Episode, HOUR_ns
from tests.builders.scoring import FAN, PUMP, alarm, at, case, fault


def scored(one: Case) -> Detection:
    return figures(match(one), one)


def test_an_alarm_after_onset_detects_with_lead_and_share() -> None:
    found = scored(case(fault(100, 210, failed_h=200), alarms=(alarm(125),)))
    assert (found.events, found.detected, found.late, found.false_alarms) == (1, 1, 0, 0)
    assert (found.precision, found.recall) == (1.0, 1.0)
    assert found.lead_median_s == 75 * 3600
    assert found.lead_share_median == 0.75
    assert found.delay_median_s == 25 * 3600


def test_an_alarm_at_the_onset_counts_and_one_at_the_end_does_not() -> None:
    found = match(case(fault(100, 200), alarms=(alarm(100), alarm(200))))
    assert [len(each.alarms) for each in found.findings] == [1]
    assert len(found.ignored) == 1


def test_an_alarm_of_another_asset_detects_nothing_and_is_false() -> None:
    found = scored(case(fault(100, 200, failed_h=190), alarms=(alarm(150, asset=FAN),)))
    assert (found.detected, found.false_alarms, found.precision, found.recall) == (0, 1, 0.0, 0.0)


def test_an_alarm_before_the_onset_is_false_even_if_it_still_stands() -> None:
    standing = replace(alarm(99), cleared_ns=at(150))
    found = scored(case(fault(100, 200, failed_h=190), alarms=(standing,)))
    assert (found.detected, found.false_alarms) == (0, 1)


def test_an_alarm_of_an_asset_without_truth_is_left_out() -> None:
    found = match(case(fault(100, 200), alarms=(alarm(150, asset="works/hall/meter"),)))
    assert (len(found.foreign), len(found.false)) == (1, 0)


def test_several_alarms_of_one_event_are_one_detection() -> None:
    one = case(fault(100, 200, failed_h=190), alarms=(alarm(160), alarm(120), alarm(140)))
    found = scored(one)
    assert (found.detected, found.false_alarms, found.precision) == (1, 0, 1.0)
    assert found.lead_median_s == 70 * 3600, "of the first"


@pytest.mark.parametrize("raised_h", [190.0, 195.0])
def test_an_alarm_at_or_after_the_failure_is_late_and_not_false(raised_h: float) -> None:
    found = scored(case(fault(100, 200, failed_h=190), alarms=(alarm(raised_h),)))
    assert (found.detected, found.late, found.false_alarms, found.recall) == (0, 1, 0, 0.0)
    assert found.precision is None
    assert found.lead_median_s is None


def test_after_a_repair_there_is_a_time_of_grace_and_then_none() -> None:
    one = case(fault(100, 200), alarms=(alarm(200.4), alarm(200.6)))
    found = match(one, Rules(after_s=1800, join_s=0))
    assert [len(found.ignored), len(found.false)] == [1, 1]


def test_false_alarms_within_an_hour_of_the_first_are_one() -> None:
    alarms = (alarm(10), alarm(10.9), alarm(11.1), alarm(12.0), alarm(10.5, asset=FAN))
    found = match(case(alarms=alarms))
    assert [[round((each.raised_ns - at(0)) / HOUR_ns, 1) for each in group] for group in found.false] == [
        [10.0, 10.9],
        [10.5],
        [11.1, 12.0],
    ]


def test_false_alarms_are_counted_over_healthy_time() -> None:
    # Two assets for 30 days; the pump's faults cover 10 to 40 and 30 to 82 h: 72 h. 1440 - 72 h = 1.9 asset-months.
    one = case(fault(10, 40), fault(30, 82, name="leak", component="seal"), alarms=(alarm(200), alarm(500)))
    found = scored(one)
    assert found.healthy_asset_months == pytest.approx(1.9)
    assert found.false_per_asset_month == pytest.approx(2 / 1.9)


def test_only_the_time_of_watched_assets_counts() -> None:
    one = replace(case(alarms=(alarm(200),)), watched=frozenset({PUMP, "works/elsewhere"}))
    assert scored(one).false_per_asset_month == 1.0


def test_an_event_that_did_not_fail_leads_to_what_the_law_foretold() -> None:
    found = scored(case(fault(100, 150, foretold_h=200), alarms=(alarm(120),)))
    assert (found.lead_median_s, found.lead_share_median) == (80 * 3600, 0.8)


def test_an_event_without_any_end_has_a_delay_alone() -> None:
    found = scored(case(fault(100, 150), alarms=(alarm(120),)))
    assert (found.detected, found.lead_median_s, found.delay_median_s) == (1, None, 20 * 3600)


def test_a_fault_from_before_the_window_is_no_event_and_its_alarms_are_left_out() -> None:
    found = match(case(fault(-10, 20), alarms=(alarm(5),)))
    assert (len(found.findings), len(found.false), len(found.ignored)) == (0, 0, 1)


def test_alarms_outside_the_window_do_not_exist() -> None:
    found = match(case(fault(100, 1000), alarms=(alarm(-1), alarm(720))))
    assert (len(found.false), len(found.ignored)) == (0, 0)
    assert found.findings[0].first is None


def test_of_two_faults_the_one_that_is_named_is_found() -> None:
    leak = fault(50, 200, name="seal-leak", component="shaft seal")
    found = match(case(leak, fault(100, 200), alarms=(alarm(120, part="Drive-End Bearing"),)))
    assert [each.detected for each in found.findings] == [False, True]


def test_of_two_faults_without_a_name_each_alarm_finds_one() -> None:
    leak = fault(50, 200, name="seal-leak", component="shaft seal")
    found = match(case(leak, fault(100, 200), alarms=(alarm(120), alarm(130), alarm(140))))
    assert [[each.raised_ns for each in one.alarms] for one in found.findings] == [
        [at(120)],
        [at(130), at(140)],
    ]


def test_figures_of_each_fault() -> None:
    one = case(
        fault(100, 200, failed_h=190),
        fault(300, 400, failed_h=390),
        fault(500, 600, name="seal-leak", component="shaft seal"),
        alarms=(
            alarm(150, part="bearing"),  # right
            alarm(350, part="shaft seal"),  # a bearing, named as a seal
            alarm(650, part="bearing"),  # false
        ),
    )
    found = scored(one).per_fault
    bearing, seal = found["bearing"], found["seal-leak"]
    assert (bearing.events, bearing.detected, bearing.recall, bearing.precision) == (2, 2, 1.0, 0.5)
    assert (seal.events, seal.detected, seal.recall, seal.precision) == (1, 0, 0.0, 0.0)
    assert bearing.lead_median_s == 40 * 3600


def test_nothing_to_count_gives_none() -> None:
    found = scored(case())
    assert (found.precision, found.recall, found.lead_median_s, found.false_per_asset_month) == (None, None, None, 0.0)


hour = st.floats(min_value=-50.0, max_value=800.0, allow_nan=False).map(lambda each: round(each, 2))
assets = st.sampled_from([PUMP, FAN])
alarms = st.lists(
    st.builds(lambda h, a, p: alarm(h, asset=a, part=p), hour, assets, st.sampled_from(["", "bearing", "shaft seal"])),
    max_size=12,
    unique_by=lambda each: (each.asset, each.raised_ns),
)


@st.composite
def truths(draw: st.DrawFn) -> tuple[Episode, ...]:
    found: list[Episode] = []
    for asset in (PUMP, FAN):
        for name, component in (("bearing", "drive-end bearing"), ("seal-leak", "shaft seal")):
            moments = sorted(draw(st.lists(hour, min_size=0, max_size=3, unique=True).map(lambda x: x)))
            if len(moments) == 3:
                onset, failed, end = moments
                found.append(fault(onset, end, failed_h=failed, asset=asset, name=name, component=component))
            elif len(moments) == 2:
                found.append(
                    fault(moments[0], None, foretold_h=moments[1], asset=asset, name=name, component=component)
                )
    return tuple(found)


@given(truths(), alarms, st.randoms())
@settings(max_examples=150, deadline=None)
def test_the_order_of_alarms_does_not_matter(episodes: tuple[Episode, ...], said: list[Alarm], chance: object) -> None:
    shuffled = list(said)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert scored(case(*episodes, alarms=tuple(said))) == scored(case(*episodes, alarms=tuple(shuffled)))


@given(truths(), alarms, st.integers(-(10**17), 10**17))
@settings(max_examples=150, deadline=None)
def test_shifting_all_times_changes_nothing(episodes: tuple[Episode, ...], said: list[Alarm], by_ns: int) -> None:
    one = case(*episodes, alarms=tuple(said))
    moved = replace(
        one,
        window=replace(one.window, start_ns=one.window.start_ns + by_ns, end_ns=one.window.end_ns + by_ns),
        episodes=tuple(shifted(each, by_ns) for each in one.episodes),
        alarms=tuple(replace(each, raised_ns=each.raised_ns + by_ns) for each in one.alarms),
    )
    assert scored(one) == scored(moved)


def shifted(one: Episode, by_ns: int) -> Episode:
    times = {name: getattr(one, name) for name in ("onset_ns", "end_ns", "failed_ns", "foretold_ns")}
    return replace(one, **{name: each + by_ns for name, each in times.items() if each is not None})


@given(truths(), alarms, hour, assets)
@settings(max_examples=300, deadline=None)
def test_more_false_alarms_never_raise_precision(
    episodes: tuple[Episode, ...], said: list[Alarm], more_h: float, asset: str
) -> None:
    one = case(*episodes, alarms=tuple(said))
    extra = alarm(more_h, asset=asset, part="bearing", number=1)
    if any(each.asset == asset and each.is_live(extra.raised_ns) for each in episodes):
        return
    before, after = scored(one), scored(replace(one, alarms=(*one.alarms, extra)))
    assert (after.detected, after.recall) == (before.detected, before.recall)
    assert after.false_alarms >= before.false_alarms
    assert after.precision is None or before.precision is None or after.precision <= before.precision


def any_asset(one: Case) -> Matched:
    """A planted bug: an alarm of another asset counts."""
    asset = one.episodes[0].asset
    return match(replace(one, alarms=tuple(replace(each, asset=asset) for each in one.alarms)))


def before_onset(one: Case) -> Matched:
    """A planted bug: an alarm that still stands at the onset counts."""
    onset_ns = one.episodes[0].onset_ns
    return match(replace(one, alarms=tuple(replace(a, raised_ns=max(a.raised_ns, onset_ns)) for a in one.alarms)))


def after_failure(one: Case) -> Matched:
    """A planted bug: an alarm after the failure counts."""
    return match(replace(one, episodes=tuple(replace(each, failed_ns=None) for each in one.episodes)))


def every_alarm_counts(one: Case) -> Matched:
    """A planted bug: nothing is false."""
    return replace(match(one), false=())


@pytest.mark.parametrize("planted", [any_asset, before_onset, after_failure, every_alarm_counts])
def test_a_planted_bug_changes_a_figure_of_this_case(planted: Callable[[Case], Matched]) -> None:
    """What the tests above hold by hand: one case per bug, told apart from the right answer."""
    failed = fault(100, 200, failed_h=190)
    cases = [
        case(failed, alarms=(alarm(150, asset=FAN),)),
        case(failed, alarms=(alarm(99),)),
        case(failed, alarms=(alarm(195),)),
    ]
    by_hand = [(0, 1), (0, 1), (0, 0)]
    told = [(found.detected, found.false_alarms) for found in (scored(one) for one in cases)]
    assert told == by_hand
    wrong = [figures(planted(one), one) for one in cases]
    assert [(found.detected, found.false_alarms) for found in wrong] != by_hand
