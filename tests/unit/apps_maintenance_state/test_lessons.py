"""What done orders teach: which rows are no example of health, which are one, and how often a visit found something."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.apps.maintenance.life.repairs import runs_of
from penstock.apps.maintenance.life.run import AssetRun
from penstock.apps.maintenance.orders.order import Found, Label
from penstock.apps.maintenance.state.healthy import Healthy, HealthyError, healthy_of, intervals_text
from penstock.apps.maintenance.state.lessons import (
    JOIN_NS,
    Lessons,
    inside,
    joined,
    lessons_of,
    overlap_ns,
    precision_of,
    spans_of,
    without,
)
from penstock.core.times import format_rfc3339_ns
from penstock.sdk.models import Property

DAY = JOIN_NS


def label(number: int, opened: int, done: int, found: Found = Found.AS_SUSPECTED, failed: int | None = None) -> Label:
    return Label("ast_a", done, found, "bearing" if found is Found.AS_SUSPECTED else "", opened, number, failed)


def test_from_the_alarm_to_the_repair_nothing_is_healthy() -> None:
    alarms = [(10 * DAY, 11 * DAY)]
    assert lessons_of([label(1, 11 * DAY, 15 * DAY)], alarms).faulty == ((10 * DAY, 15 * DAY),)


def test_an_order_without_an_alarm_counts_from_its_opening() -> None:
    assert lessons_of([label(1, 30 * DAY, 31 * DAY)], [(10 * DAY, 11 * DAY)]).faulty == ((30 * DAY, 31 * DAY),)
    assert lessons_of([label(1, 30 * DAY, 31 * DAY)], [(40 * DAY, 41 * DAY)]).faulty == ((30 * DAY, 31 * DAY),)


def test_alarms_that_come_and_go_are_one_trouble_but_not_across_a_visit() -> None:
    alarms = [(1 * DAY, 2 * DAY), (10 * DAY, 10 * DAY + 5), (10 * DAY + 9, 11 * DAY), (11 * DAY + 9, 12 * DAY)]
    assert lessons_of([label(1, 12 * DAY, 13 * DAY)], alarms).faulty == ((10 * DAY, 13 * DAY),)
    visits = [label(1, 10 * DAY + 2, 10 * DAY + 7, Found.NOTHING), label(2, 12 * DAY, 13 * DAY)]
    taught = lessons_of(visits, alarms)
    assert taught.faulty == ((10 * DAY + 9, 13 * DAY),)
    assert taught.sound == ((10 * DAY - 7, 10 * DAY + 7),)
    assert taught.nothing_found == (1,)


def test_a_broken_sensor_makes_rows_that_are_no_example_either() -> None:
    taught = lessons_of([label(1, 5, 9, Found.SENSOR_FAULT)], [])
    assert taught == Lessons(faulty=((5, 9),))


def test_rows_that_turned_out_sound_come_with_some_before_them() -> None:
    assert lessons_of([label(1, 700, 760, Found.NOTHING)], []).sound == ((640, 760),)
    assert lessons_of([label(1, 5 * DAY, 9 * DAY, Found.NOTHING)], []).sound == ((4 * DAY, 9 * DAY),)


def test_what_somebody_found_faulty_is_not_sound_by_another_order() -> None:
    taught = lessons_of([label(1, 0, 20, Found.NOTHING), label(2, 10, 30)], [])
    assert (taught.faulty, taught.sound) == (((10, 30),), ((0, 10),))
    swallowed = lessons_of([label(1, 16, 20, Found.NOTHING), label(2, 10, 30)], [])
    assert (swallowed.sound, swallowed.nothing_found) == ((), ())


def test_precision_counts_visits() -> None:
    kinds = (Found.AS_SUSPECTED, Found.NOTHING, Found.SENSOR_FAULT, Found.OTHER_FAULT)
    some = precision_of(label(n, n, n + 1, found) for n, found in enumerate(kinds))
    assert (some.found, some.done, some.share) == (3, 4, 0.75)
    assert precision_of([]).share is None


def test_spans_are_read_from_an_alarms_journal() -> None:
    entries = [
        ("activate", 1),
        ("acknowledge", 2),
        ("clear", 5),
        ("activate", 8),
        ("activate", 9),
        ("rule-changed", 11),
    ]
    journal = [{"event": event, "time": format_rfc3339_ns(t * 10**9)} for event, t in entries]
    assert spans_of(journal, 99) == [(1 * 10**9, 5 * 10**9), (8 * 10**9, 11 * 10**9)]
    assert spans_of(journal[:4], 20 * 10**9) == [(1 * 10**9, 5 * 10**9), (8 * 10**9, 20 * 10**9)]


def test_spans_are_joined_taken_away_and_measured() -> None:
    assert joined([(5, 7), (1, 3), (3, 4), (6, 9), (9, 9)]) == ((1, 4), (5, 9))
    assert without([(0, 10)], [(2, 3), (8, 20)]) == ((0, 2), (3, 8))
    assert overlap_ns([(0, 10)], [(2, 3), (8, 20)]) == 3
    assert inside(np.arange(6), [(1, 3), (5, 9)]).tolist() == [False, True, True, False, False, True]


RUN = AssetRun("pumps", 100)


def test_a_repair_ends_a_run_in_failure_only_where_the_machine_had_failed() -> None:
    newest, ended = runs_of(RUN, [label(1, 190, 220, failed=200), label(2, 300, 310)])
    assert ended == (AssetRun("pumps", 100, 200, failed=True), AssetRun("pumps", 220, 310, failed=False))
    assert newest == AssetRun("pumps", 310)


def test_visits_that_repaired_nothing_or_lie_outside_the_run_end_none() -> None:
    visits = [label(1, 150, 160, Found.NOTHING), label(2, 50, 60), label(3, 150, 170, Found.SENSOR_FAULT)]
    assert runs_of(RUN, visits) == (RUN, ())
    over = AssetRun("pumps", 100, 400, failed=True)
    newest, ended = runs_of(over, [label(1, 190, 220), label(2, 390, 400)])
    assert newest == AssetRun("pumps", 220, 400, failed=True)
    assert ended == (AssetRun("pumps", 100, 220, failed=False),)


def attributes(**given: str) -> list[Property]:
    return [Property(name, "attribute", "string", value=value) for name, value in given.items()]


NAMED = {"healthy_from": "1970-01-01T00:00:00Z", "healthy_until": "1970-01-01T00:00:01Z"}


def test_more_rows_for_the_limits_are_named_as_intervals() -> None:
    spans = ((3 * 10**9, 4 * 10**9), (7 * 10**9, 9 * 10**9))
    found = healthy_of(attributes(**NAMED, check_also=intervals_text(spans)))
    assert found == Healthy((0, 10**9), None, spans)
    assert found is not None
    assert found.until_ns == 10**9


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yesterday", "check_also has 'yesterday'"),
        ("1970-01-01T00:00:02Z/1970-01-01T00:00:01Z", "must begin before it ends"),
        (" ".join(["1970-01-01T00:00:01Z/1970-01-01T00:00:02Z"] * 51), "names 51 stretches: 50 are taken"),
    ],
)
def test_intervals_named_wrongly_are_told(text: str, said: str) -> None:
    with pytest.raises(HealthyError, match=said):
        healthy_of(attributes(**NAMED, check_also=text))
