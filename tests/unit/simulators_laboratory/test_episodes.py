"""A fault's episode begins and ends, and the first alarm of its asset in between is its detection."""

from __future__ import annotations

import pytest

from penstock.simulators.laboratory.episodes import detection, episodes, life_left
from penstock.simulators.truth.records import Action
from tests.builders.laboratory import BEGIN, MINUTE, alarm, event, fault, state


def test_an_episode_goes_from_its_onset_to_its_repair() -> None:
    found = episodes(
        [event(0, Action.INJECTED), event(1, Action.ONSET), event(9, Action.FAILED), event(12, Action.REPAIRED)]
    )
    (one,) = found
    assert (one.onset_ns, one.failed_ns, one.end_ns) == tuple(BEGIN + at * MINUTE for at in (1, 9, 12))
    assert (one.ended, one.lasts) == ("repaired", False)


def test_what_waits_for_its_onset_is_no_episode_yet() -> None:
    assert episodes([event(0, Action.INJECTED, onset_s=60)]) == []


def test_faults_of_one_device_are_kept_apart_and_a_second_injection_begins_anew() -> None:
    found = episodes(
        [
            event(1, Action.ONSET),
            event(2, Action.ONSET, fault="drift:flow"),
            event(3, Action.CLEARED, fault="drift:flow"),
            event(4, Action.INJECTED),
            event(4, Action.ONSET, severity=0.6),
        ]
    )
    assert [(one.fault, one.ended) for one in found] == [
        ("bearing", "injected anew"),
        ("drift:flow", "cleared"),
        ("bearing", ""),
    ]
    assert found[-1].severity == 0.6


def test_the_first_alarm_of_the_asset_after_the_onset_is_the_detection() -> None:
    (one,) = episodes([event(1, Action.ONSET)])
    others = [alarm(2, asset="works/hall/fan-1"), alarm(9), alarm(5), alarm(0.5, 0.9)]
    found = detection(one, others)
    assert found is not None
    assert (found.after_s, found.stood) == (4 * 60.0, False)


@pytest.mark.parametrize(
    "alarms",
    [[], [alarm(0.2, 0.9)], [alarm(7)], [alarm(3, asset="works/hall/pump-1012")]],
    ids=["none", "over before the onset", "after the repair", "of another asset"],
)
def test_no_other_alarm_counts(alarms: list[object]) -> None:
    (one,) = episodes([event(1, Action.ONSET), event(6, Action.REPAIRED)])
    assert detection(one, alarms) is None  # type: ignore[arg-type]


def test_an_alarm_that_stood_before_tells_nothing_of_the_fault_until_another_comes() -> None:
    (one,) = episodes([event(1, Action.ONSET)])
    stood = detection(one, [alarm(0.5)])
    assert stood is not None
    assert stood.stood
    again = detection(one, [alarm(0.5, 2), alarm(3)])
    assert again is not None
    assert (again.stood, again.after_s) == (False, 120.0)


def test_life_left_is_a_share_of_what_the_growth_law_left_at_the_onset() -> None:
    at_onset, at_alarm = state(1, fault(0.2)), state(7, fault(0.4))
    assert life_left("bearing", at_onset=at_onset, at_alarm=at_alarm) == pytest.approx(0.6 / 0.8)
    assert life_left("seal-leak", at_onset=at_onset, at_alarm=at_alarm) is None
    still = state(1, fault(0.2, growth_per_h=0.0))
    assert life_left("bearing", at_onset=still, at_alarm=still) is None, "what does not grow has no end"
