from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from penstock.apps.maintenance.assessment import UNCERTAIN_SUBNORMAL, Assessment, Phase
from penstock.apps.maintenance.channels import Role
from penstock.apps.maintenance.health import HealthModel, ModelSettings
from penstock.apps.maintenance.windows import Samples
from penstock.apps.maintenance.zones import ISO_20816_3, Zone
from tests.builders.apps import PUMP, SECOND, START_NS, join, pump_samples, take

SETTINGS = ModelSettings(zones=ISO_20816_3["group-2-flexible"], baseline_windows=60)
LIMIT = 60.0


def model() -> HealthModel:
    return HealthModel(PUMP, SETTINGS)


def loss(assessment: Assessment, name: str) -> float:
    return next(f.loss for f in assessment.findings if f.channel.name == name)


def test_a_healthy_pump_stays_near_100_at_any_load() -> None:
    m = model()
    assessed = m.on_samples(pump_samples(1200, load=1.0))
    for step, load in enumerate((0.6, 0.8, 0.5, 1.0, 0.7)):
        assessed += m.on_samples(pump_samples(600, start_s=1200 + 600 * step, load=load, seed=step))
    assert len(assessed) > 400
    assert min(a.health for a in assessed) > 90


def test_wear_drops_health_below_the_limit_and_the_repair_brings_it_back() -> None:
    m = model()
    m.on_samples(pump_samples(1200))
    worn = m.on_samples(pump_samples(300, start_s=1200, wear=0.5))
    repaired = m.on_samples(pump_samples(300, start_s=1500))
    assert worn[-1].health < LIMIT
    assert repaired[-1].health > 95


def test_contributions_add_up_to_what_was_lost() -> None:
    m = model()
    for assessment in m.on_samples(join(pump_samples(900), pump_samples(600, start_s=900, wear=0.12))):
        assert sum(f.loss for f in assessment.findings) == pytest.approx(100 - assessment.health)


def test_early_wear_shows_in_the_bearing_band_first() -> None:
    m = model()
    m.on_samples(pump_samples(1200))
    early = m.on_samples(pump_samples(300, start_s=1200, wear=0.1))[-1]
    assert early.health < 90
    assert loss(early, "bearing_band") > loss(early, "vibration_rms")
    assert early.zone is Zone.A


def test_without_a_baseline_the_zones_alone_judge() -> None:
    assessed = model().on_samples(pump_samples(120, wear=0.9))
    assert {a.phase for a in assessed} == {Phase.LEARNING}
    assert assessed[-1].zone is Zone.C
    assert assessed[-1].health < LIMIT


def test_a_worn_machine_teaches_nothing() -> None:
    m = model()
    m.on_samples(pump_samples(3000, wear=0.9))
    assert m.learned == 0.0


def test_damage_that_begins_while_it_learns_is_not_learned() -> None:
    m = HealthModel(PUMP, replace(SETTINGS, baseline_windows=1440))
    (before,) = (f.expected for f in m.on_samples(pump_samples(400))[-1].findings if f.channel.name == "bearing_band")
    worn = [m.on_samples(pump_samples(10, start_s=s, wear=0.1 + 0.05 * (s - 400) / 600)) for s in range(400, 1000, 10)]
    (after,) = (f.expected for f in worn[-1][-1].findings if f.channel.name == "bearing_band")
    assert after == pytest.approx(before, rel=0.02)
    assert worn[-1][-1].health < 75


def test_baseline_is_learned_once_and_then_stays() -> None:
    m = model()
    m.on_samples(pump_samples(1200))
    assert m.phase is Phase.WATCHING
    before = m.to_json()["tracks"]["0"]["baseline"]
    m.on_samples(pump_samples(600, start_s=1200, wear=0.02))
    assert m.to_json()["tracks"]["0"]["baseline"] == before


def test_a_machine_first_seen_at_rest_learns_from_its_running_alone() -> None:
    m = model()
    m.on_samples(pump_samples(900, running=False))  # its power meter hums: that is no rest to who knows no load yet
    started = m.on_samples(pump_samples(1200, start_s=900, seed=2))
    assert min(a.health for a in started) > 90
    assert m.operating(started[-1]).points[0].low > 10


def test_a_run_up_teaches_nothing_so_early_wear_shows_after_it() -> None:
    m = model()
    run_up = [pump_samples(10, start_s=10 * i, load=0.02 + 0.2 * i, seed=i) for i in range(5)]
    m.on_samples(join(*run_up, pump_samples(1200, start_s=50)))
    early = m.on_samples(pump_samples(300, start_s=1250, wear=0.1))[-1]
    assert loss(early, "bearing_band") > 10
    assert m.operating(early).points[0].low > 10


def test_what_was_before_a_break_does_not_speak_of_the_machine_behind_it() -> None:
    m = model()
    m.on_samples(pump_samples(1200))
    worn = m.on_samples(pump_samples(300, start_s=1200, wear=0.8))
    assert worn[-1].health < LIMIT
    repaired = m.on_samples(pump_samples(100, start_s=1800))
    behind = [a.health for a in repaired if a.time_ns > START_NS + 1800 * SECOND]
    assert len(behind) > 5
    assert min(behind) > 90


def test_a_start_after_a_short_rest_teaches_nothing_either() -> None:
    m = model()
    m.on_samples(pump_samples(200))
    rest = pump_samples(20, start_s=200, running=False)
    run_up = [pump_samples(10, start_s=220 + 10 * i, load=0.2 + 0.2 * i, seed=i) for i in range(4)]
    after = m.on_samples(join(rest, *run_up, pump_samples(600, start_s=260)))[-1]
    assert m.operating(after).points[0].low > 14


def test_damage_that_begins_while_the_baseline_is_refined_is_not_learned() -> None:
    m = model()
    m.on_samples(pump_samples(500))
    worn = m.on_samples(pump_samples(3600, start_s=500, wear=0.1))
    assert worn[20].phase is Phase.REFINING
    assert loss(worn[-1], "bearing_band") == pytest.approx(loss(worn[20], "bearing_band"), abs=2)
    assert loss(worn[-1], "bearing_band") > 10


def test_another_load_is_learned_while_the_baseline_is_refined() -> None:
    m = model()
    m.on_samples(pump_samples(500, load=1.0))
    other = m.on_samples(pump_samples(600, start_s=500, load=0.4, seed=2))
    assert m.operating(other[-1]).points[0].low < 7
    assert other[-1].learned == 1.0


def test_a_machine_at_rest_gives_no_assessment() -> None:
    m = model()
    m.on_samples(pump_samples(900))
    stopped = m.on_samples(pump_samples(300, start_s=900, running=False))
    assert [a.time_ns for a in stopped] == [START_NS + 900 * SECOND]  # the last running window, closed by later rows


def test_a_missing_channel_makes_the_health_uncertain() -> None:
    m = model()
    part = pump_samples(600)
    present = m.on_samples(take(part, part.channel != 1))
    assert {a.status for a in present} == {UNCERTAIN_SUBNORMAL}


def test_bad_vibration_gives_no_health_at_all() -> None:
    part = pump_samples(300)
    bad = Samples(part.channel, part.time, part.value, part.good & (part.channel != 0))
    assert model().on_samples(bad) == []


def test_a_single_knock_is_not_wear() -> None:
    m = model()
    m.on_samples(pump_samples(900))
    knock = pump_samples(120, start_s=900)
    value = knock.value.copy()
    value[(knock.channel == 0) & (knock.time < START_NS + 910 * SECOND)] = 30.0
    assert min(a.health for a in m.on_samples(replace(knock, value=value))) > 90


def test_evidence_names_since_when_a_channel_stands_out() -> None:
    m = model()
    m.on_samples(pump_samples(900))
    worn = m.on_samples(pump_samples(300, start_s=900, wear=0.5))
    finding = worn[-1].findings[0]
    assert finding.channel.role is Role.VELOCITY
    assert finding.since_ns is not None
    assert START_NS + 900 * SECOND < finding.since_ns < START_NS + 960 * SECOND
    assert finding.expected == pytest.approx(1.5, abs=0.1)
    assert m.on_samples(pump_samples(300, start_s=1200))[-1].findings[0].since_ns is None


def test_state_goes_on_where_it_was_written() -> None:
    whole, first, second = model(), model(), model()
    samples = join(pump_samples(700), pump_samples(400, start_s=700, wear=0.3))
    cut = 2203
    expected = whole.on_samples(samples)
    given = first.on_samples(take(samples, slice(0, cut)))
    assert second.restore(json.loads(json.dumps(first.to_json())))
    given += second.on_samples(take(samples, slice(cut, None)))
    assert given == expected


def test_state_of_other_channels_is_refused() -> None:
    m = model()
    other = HealthModel(PUMP[:1], SETTINGS)
    assert not m.restore(other.to_json())
    assert not m.restore({})


def test_devices_that_deliver_in_turns_are_awaited() -> None:
    m = model()
    part = pump_samples(50)
    in_turns = join(*(take(part, part.channel == i) for i in (1, 0, 3, 2)))
    assert len(m.on_samples(in_turns)) == 4  # the fifth waits for its lateness
    assert m.late == 0


def test_a_silent_channel_is_awaited_no_longer_than_patience() -> None:
    m = model()
    part = pump_samples(300)
    assessed = m.on_samples(take(part, (part.channel != 2) | (part.time < START_NS + 60 * SECOND)))
    assert assessed[-1].time_ns == START_NS + 290 * SECOND


def test_late_rows_are_counted_not_taken() -> None:
    m = model()
    m.on_samples(pump_samples(300))
    m.on_samples(take(pump_samples(10), np.arange(40) < 12))
    assert m.late == 12
