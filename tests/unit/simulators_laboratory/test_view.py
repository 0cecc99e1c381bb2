"""The pages' words: a machine, its faults, what can be injected, the timeline, the picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.times import NS_PER_S
from penstock.simulators.laboratory import chart, timeline, view
from penstock.simulators.laboratory.episodes import episodes
from penstock.simulators.laboratory.forms import FormError, read_form, read_injection
from penstock.simulators.laboratory.words import growth, moment, quantity, severity, share, span
from penstock.simulators.models.fault import FaultRequest, Law
from penstock.simulators.truth.records import Action, Told
from tests.builders.laboratory import BEGIN, MINUTE, alarm, event, facts, fault, state, store_in

NARROW = "\u202f"


def plain(text: str) -> str:
    return text.replace(NARROW, " ")


def test_a_machine_says_whether_it_runs_stands_or_tripped() -> None:
    assert (view.card(facts()).state, view.card(facts()).tone) == ("running", "good")
    assert view.card(facts(running=False)).state == "stands"
    assert view.card(facts(running=None, state="EXECUTE")).state == "execute"
    assert view.card(facts(running=None, possible=())).state == "measures"
    failed = view.card(facts(fault(1.0), failed="bearing", trip="bearing temperature high", running=False))
    assert (failed.state, failed.tone) == ("tripped: bearing temperature high", "bad")


def test_every_fault_of_a_machine_is_listed_with_its_part_and_what_it_has_with_severity_and_life() -> None:
    rows = {row.fault: row for row in view.fault_rows(facts(fault(0.5), fault(0.1, name="drift:flow")))}
    assert list(rows) == ["bearing", "seal-leak", "drift:flow"]
    assert (rows["bearing"].active, plain(rows["bearing"].severity_text), plain(rows["bearing"].life)) == (
        True,
        "50 %",
        "15 min",
    )
    assert (rows["seal-leak"].active, rows["seal-leak"].component) == (False, "shaft seal")
    assert rows["drift:flow"].life == "–", "a sensor has no life that ends in a failure of the machine"


def test_a_fault_that_waits_says_when_it_begins() -> None:
    (row, *_) = view.fault_rows(facts(fault(0.0, onset_s=30.0)))
    assert (row.active, plain(row.note), row.severity_text) == (True, "begins in 30 s", "–")


def test_what_can_be_injected_is_grouped_and_sensors_faults_are_marked() -> None:
    groups = dict(view.choices(facts()))
    assert [one.value for one in groups["Machine"]] == ["bearing", "seal-leak"]
    assert {one.value: one.of_sensor for one in groups["Sensor of a tag"]} == {
        "bias": True,
        "drift": True,
        "stuck": True,
    }
    assert [one.value for one in groups["Wire"]] == ["communication-loss"]
    assert "Machine" not in dict(view.choices(facts(possible=())))


def test_tiles_count_machines_and_faults_and_say_what_the_platform_saw() -> None:
    cards = [
        view.card(facts(fault(0.4))),
        view.card(facts(device="fan", running=False)),
        view.card(facts(device="air", possible=())),
    ]
    running, active, tripped, seen = view.tiles(cards, (1, 2))
    assert (running.figure, active.figure, tripped.figure, seen.figure) == ("1 of 2", "1", "0", "1 of 2")
    assert view.tiles(cards, None)[-1].note == "no platform named"
    assert view.tiles(cards, (0, 0))[-1].note == "no fault lasts"


def test_a_search_finds_by_name_asset_or_model_and_machines_come_first() -> None:
    devices = [
        facts(device="air", possible=(), model="ambient-air", asset="works/air", description=""),
        facts(device="pump"),
    ]
    assert [one.device for one in view.sorted_cards(devices)] == ["pump", "air"]
    assert [one.device for one in view.sorted_cards(devices, "AMBIENT")] == ["air"]
    assert view.sorted_cards(devices, "turbine") == []


def test_the_moment_of_detection_stands_beside_the_onset_with_the_life_that_was_left(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.write(Told((event(2, Action.ONSET),), (state(2, fault(0.2)), state(9.4, fault(0.35)))))
    (one,) = timeline.moments(episodes(store.last_events()), [alarm(9.5)], store, now_ns=BEGIN + 20 * MINUTE)
    assert (one.onset, one.alarm, plain(one.after)) == ("10:02:00", "10:09:30", "7 min 30 s later")
    assert (plain(one.left), one.said, one.standing) == ("81 %", "severity 0.35", "lasts")
    store.close()


def test_what_was_never_seen_is_said_and_so_is_that_no_platform_is_named(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    found = episodes([event(2, Action.ONSET), event(5, Action.REPAIRED), event(6, Action.ONSET)])
    told = timeline.moments(found, [], store, now_ns=BEGIN + 7 * MINUTE)
    assert [(one.alarm, plain(one.after)) for one in told] == [
        ("not yet", "1 min so far"),
        ("none", "it was never seen"),
    ]
    assert {one.after for one in timeline.moments(found, None, store, now_ns=BEGIN)} == {"no platform named"}
    store.close()


def test_the_timeline_mixes_truth_and_alarms_newest_first_and_names_no_other_asset() -> None:
    events = [
        event(1, Action.INJECTED, severity=0.0, growth_per_h=4.0, onset_s=60, law="linear"),
        event(2, Action.ONSET),
        event(3, Action.STEP, severity=0.301),
        event(8, Action.REPAIRED, rul_s=600.0),
    ]
    alarms = [alarm(5, 9), alarm(6, asset="works/hall/fan-1")]
    assets = frozenset({"works/hall/pump-101"})
    line = timeline.entries(events, alarms, now_ns=BEGIN + 10 * MINUTE, assets=assets)
    assert [(one.lane, one.what) for one in line] == [
        ("platform", "platform: cleared"),
        ("truth", "bearing repaired"),
        ("platform", "platform's alarm"),
        ("truth", "bearing grows"),
        ("truth", "bearing begins"),
        ("truth", "bearing injected"),
    ]
    assert "10 min of life were left" in plain(line[1].detail)
    assert line[3].detail == "severity 0.3"
    assert len(timeline.entries(events, alarms, now_ns=BEGIN)) == 7, "the plant's own line has every asset's alarms"


def test_what_happened_at_one_moment_keeps_its_order() -> None:
    line = timeline.entries([event(1, Action.INJECTED), event(1, Action.ONSET)], [], now_ns=BEGIN)
    assert [one.what for one in line] == ["bearing begins", "bearing injected"]


def test_the_picture_draws_severity_between_onset_and_now_with_its_marks() -> None:
    found = episodes([event(0, Action.ONSET)])
    now_ns = BEGIN + 12 * MINUTE
    states = [state(minute, fault(0.2 + minute / 30)) for minute in range(13)]
    drawn = chart.chart(found, states, [alarm(6)], now_ns=now_ns)
    assert drawn is not None
    (line,) = drawn.lines
    corners = [tuple(map(float, pair.split(","))) for pair in line.points.split()]
    assert corners == sorted(corners, key=lambda one: one[0])
    assert corners[0][1] == 100.0
    assert corners[-1] == pytest.approx((1000.0, 40.0))
    onset, seen = drawn.marks
    assert (onset.text, onset.tone, seen.text, seen.tone) == ("bearing begins", "truth", "platform's alarm", "platform")
    assert seen.x == pytest.approx(100 * (1 + 6) / 13, abs=0.1), "a twelfth of the span lies before the onset"
    assert chart.chart([], [], [], now_ns=now_ns) is None


def test_a_long_past_is_cut_and_what_is_over_ends_a_little_after() -> None:
    lasting = episodes([event(0, Action.ONSET)])
    late_ns = BEGIN + 30 * 24 * 60 * MINUTE
    assert chart.window(lasting, late_ns) == (late_ns - chart.WINDOW_MAX_ns, late_ns)
    over = episodes([event(0, Action.ONSET), event(6, Action.CLEARED)])
    assert chart.window(over, late_ns - 1) is not None
    assert chart.window(over, BEGIN + 9 * MINUTE) == (BEGIN - 30 * NS_PER_S, BEGIN + 6 * MINUTE + 30 * NS_PER_S)


def test_a_form_becomes_a_request_and_says_what_is_wrong_with_it() -> None:
    body = b"form=x&fault=drift&tag=flow&severity=0.1&growth=4&onset=5&law=gamma"
    assert read_injection(read_form(body)) == FaultRequest("drift:flow", 0.1, 4.0, 5.0, Law.GAMMA)
    assert read_injection({"fault": "bearing", "tag": "flow"}).fault == "bearing", "a machine's fault has no tag"
    with pytest.raises(FormError, match="severity: input should be less than or equal to 1"):
        read_injection({"fault": "bearing", "severity": "2"})
    with pytest.raises(FormError, match="choose the tag"):
        read_injection({"fault": "drift", "tag": ""})
    with pytest.raises(FormError, match="fits in 16384 bytes"):
        read_form(b"a" * 16_385)


def test_words_are_short_and_have_units() -> None:
    assert [plain(span(one)) for one in (7, 449, 3600, 100_000)] == ["7 s", "7 min 29 s", "1 h", "1 d 3 h"]
    assert (plain(share(0.816)), share(None), severity(0.401), growth(0.0)) == ("82 %", "–", "0.4", "does not grow")
    assert moment(BEGIN, now_ns=BEGIN + 24 * 60 * MINUTE) == "2026-11-27 10:00:00"
    assert [
        quantity(one)
        for one in ("shaft_power_kW", "flow_m3h", "heater_share", "npsh_margin_m", "winding_degC", "choked")
    ] == [
        ("shaft power", "kW"),
        ("flow", "m³/h"),
        ("heater", "of 1"),
        ("npsh margin", "m"),
        ("winding temperature", "°C"),
        ("choked", ""),
    ]
