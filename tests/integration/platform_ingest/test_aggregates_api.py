"""Aggregates and values at given times through the API of a real platform process."""

import json
import math
import secrets
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from penstock.core import status as codes
from penstock.core.aggregate import ACTUAL_TIME, BY_STATE, BY_STATUS, Aggregate, AggregateSettings, Point, aggregate
from penstock.core.times import format_rfc3339_ns, parse_time
from penstock.core.values import ValueType
from penstock.core.windows import windows
from tests.builders.ingest import ARRIVAL_NS, WireGateway, batch_frame, dictionary_frame, entry, float_columns

pytestmark = pytest.mark.integration
Make = Callable[[], WireGateway]
S = 1_000_000_000
MINUTE = 60 * S
START = ARRIVAL_NS - ARRIVAL_NS % (60 * MINUTE)
ARROW = {"Accept": "application/vnd.apache.arrow.stream"}
EVERY = [name.value for name in Aggregate]


def make_tags(gateway: WireGateway, operator: httpx.Client, **types: str) -> dict[str, int]:
    stem = f"plc-{secrets.token_hex(4)}"
    entries = [entry(place, f"{stem}/{name}", ValueType(kind)) for place, (name, kind) in enumerate(types.items())]
    assert gateway.send(dictionary_frame(gateway.epoch, entries)).status_code == 200
    found = {}
    for name in types:
        [item] = operator.get("/v1/tags", params={"key": f"{stem}/{name}"}).json()["items"]
        found[name] = int(item["id"])
    return found


def send(gateway: WireGateway, seq: int, points: list[Point], alias: int = 0) -> None:
    for status in {point.status for point in points}:
        own = [point for point in points if point.status == status]
        values = [0.0 if point.value is None else point.value for point in own]
        columns = float_columns([alias] * len(own), [point.time_ns for point in own], values, status)
        answer = gateway.send(batch_frame(gateway.epoch, seq, columns))
        assert answer.status_code == 200, answer.text
        seq += 1


def noisy(count: int, *, seed: int = 7) -> list[Point]:
    rng = np.random.default_rng(seed)
    times = START + np.cumsum(rng.integers(S // 2, 20 * S, count))
    statuses = rng.choice([0, 0, 0, codes.UNCERTAIN_SUB_NORMAL, codes.BAD_NO_COMMUNICATION], count)
    return [
        Point(int(t), int(s), float(v))
        for t, s, v in zip(times, statuses, np.round(rng.normal(20, 5, count), 2), strict=True)
    ]


@pytest.mark.parametrize("asked", [{}, {"stepped": False}, {"treat_uncertain_as_bad": True, "percent_data_good": 70}])
def test_every_aggregate_is_the_references(make_gateway: Make, operator: httpx.Client, asked: dict[str, Any]) -> None:
    gateway = make_gateway()
    tag = make_tags(gateway, operator, flow="float64")["flow"]
    points = noisy(300)
    send(gateway, 1, points)
    span: dict[str, Any] = {
        "start": START + 5 * MINUTE,
        "end": START + 31 * MINUTE,
        "interval": "7m",
        "zone": "Europe/Berlin",
    }
    question: dict[str, Any] = {"tag": tag, "aggregate": EVERY, "statuses": True, **span, **asked}
    [item] = operator.get("/v1/aggregates", params=question).raise_for_status().json()["items"]
    table = pa.ipc.open_stream(operator.get("/v1/aggregates", params=question, headers=ARROW).content).read_all()
    over = windows(span["start"], span["end"], "7m", "Europe/Berlin")
    expected = aggregate(points, over, list(Aggregate), settings=AggregateSettings(covered_until_ns=2**62, **asked))
    columns = item["columns"]
    assert columns["start"] == [format_rfc3339_ns(window.start_ns) for window in over]
    assert columns["status"] == table["status"].to_pylist() == [one.status for one in expected]
    for name in Aggregate:
        results = [one.results[name] for one in expected]
        assert columns[f"{name}.status"] == table[f"{name}.status"].to_pylist() == [r.status for r in results], name
        assert columns[name] == table[name].to_pylist(), name
        for value, result in zip(columns[name], results, strict=True):
            assert (value is None) == (result.value is None), name
            assert result.value is None or math.isclose(value, result.value, rel_tol=1e-9, abs_tol=1e-9), name
        if name in ACTUAL_TIME:
            assert table[f"{name}.time"].to_pylist() == [result.time_ns for result in results]
            assert columns[f"{name}.time"] == [format_rfc3339_ns(result.time_ns) for result in results]


def test_days_across_a_change_of_the_clocks_have_23_and_25_hours(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    tag = make_tags(gateway, operator, flow="float64")["flow"]
    spring, autumn = "2025-03-29T23:00:00Z", "2025-10-25T22:00:00Z"
    send(gateway, 1, [Point(parse_time("2025-01-01T00:00:00Z", 0), 0, 1.0)])
    lengths = []
    for day in (spring, autumn):
        start = parse_time(day, 0)
        question: dict[str, Any] = {"tag": tag, "aggregate": "DurationGood", "interval": "1d", "zone": "Europe/Berlin"}
        span: dict[str, Any] = {"start": start, "end": start + 49 * 60 * MINUTE}
        [item] = operator.get("/v1/aggregates", params=question | span).raise_for_status().json()["items"]
        lengths.append([value / 3_600_000 for value in item["columns"]["DurationGood"]])
        assert [status & 0x04 for status in item["columns"]["status"]][:2] == [0, 0]
    assert lengths == [[23.0, 24.0, 2.0], [25.0, 24.0]]


def test_types_get_what_suits_them_or_words(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    tags = make_tags(gateway, operator, flow="float64", text="string", valve="bool", steps="int64")
    for kind, suit in (("text", BY_STATUS), ("valve", BY_STATE), ("steps", frozenset(Aggregate))):
        for name in Aggregate:
            answer = operator.get("/v1/aggregates", params={"tag": tags[kind], "aggregate": name})
            assert answer.status_code == (200 if name in suit else 422), answer.text
            if name not in suit:
                problem = answer.json()
                assert problem["tag"] == tags[kind]
                assert f"{name} has no meaning" in problem["detail"]
                assert "Count" in problem["detail"]
    mixed = operator.get("/v1/aggregates", params={"tag": [tags["flow"], tags["text"]], "aggregate": "Average"})
    assert mixed.json()["tag"] == tags["text"]
    for path in ("interpolated", "plot"):
        assert operator.get(f"/v1/{path}", params={"tag": tags["text"]}).status_code == 422
        assert operator.get(f"/v1/{path}", params={"tag": tags["valve"]}).status_code == 200


def test_tags_in_one_answer_have_what_each_has_alone(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    tags = make_tags(gateway, operator, none="float64", few="float64", text="string", many="float64", valve="bool")
    send(gateway, 1, noisy(9), alias=1)
    send(gateway, 11, noisy(300, seed=8), alias=3)
    told = {"none": 0, "few": 9, "many": 300}
    span: dict[str, Any] = {"start": START, "end": START + 90 * MINUTE}
    numbers = [tags[name] for name in told]
    questions: list[tuple[str, list[int], dict[str, Any]]] = [
        ("aggregates", numbers, {"interval": "7m", "aggregate": EVERY, "statuses": True}),
        ("aggregates", list(tags.values()), {"interval": "1h", "aggregate": ["Count", "PercentBad"]}),
        ("interpolated", numbers, {"step": "3m"}),
        ("plot", numbers, {"points": 100}),
    ]
    for path, asked, more in questions:
        question = span | more
        together = operator.get(f"/v1/{path}", params=question | {"tag": asked}).raise_for_status().json()
        alone = [operator.get(f"/v1/{path}", params=question | {"tag": tag}).json()["items"] for tag in asked]
        assert together["items"] == [item for [item] in alone]
        answer = operator.get(f"/v1/{path}", params=question | {"tag": asked}, headers=ARROW)
        table = pa.ipc.open_stream(answer.content).read_all()
        first = table.column_names[1]
        rows = [(item["tag"], time) for item in together["items"] for time in item["columns"][first]]
        times = [format_rfc3339_ns(time) for time in table[first].to_pylist()]
        assert list(zip(table["tag"].to_pylist(), times, strict=True)) == rows
    assert together["samples"] == {str(tags[name]): count for name, count in told.items()}


def test_values_at_given_times(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    tag = make_tags(gateway, operator, flow="float64")["flow"]
    bad = Point(START + 20 * S, codes.BAD_NO_COMMUNICATION, None)
    send(gateway, 1, [Point(START, 0, 0.0), Point(START + 10 * S, 0, 10.0), bad, Point(START + 40 * S, 0, 40.0)])
    question: dict[str, Any] = {"tag": tag, "start": START, "end": START + 50 * S, "step": "5s", "stepped": False}
    table = pa.ipc.open_stream(operator.get("/v1/interpolated", params=question, headers=ARROW).content).read_all()
    assert table.column_names == ["tag", "time", "value", "status"]
    assert table["value"].to_pylist() == pytest.approx([0, 5, 10, 15, 20, 25, 30, 35, 40, 40])
    assert [s >> 30 for s in table["status"].to_pylist()] == [0, 0, 0, 1, 1, 1, 1, 1, 0, 0]
    simple = operator.get("/v1/interpolated", params=question | {"simple": True}).json()["items"][0]["columns"]
    assert simple["value"] == [0, 5, 10, 10, None, None, None, None, 40, 40]
    named: dict[str, Any] = {"tag": tag, "time": [str(START + 25 * S), format_rfc3339_ns(START + 5 * S)]}
    held = operator.get("/v1/interpolated", params=named).json()["items"][0]["columns"]
    assert held["time"] == [format_rfc3339_ns(START + 5 * S), format_rfc3339_ns(START + 25 * S)]
    assert held["value"] == [0, 10]
    far = operator.get("/v1/interpolated", params={"tag": tag, "time": str(START + 39 * S)}).json()["items"][0]
    assert far["columns"]["value"] == [10.0], "the sample before is Bad: it is looked for further out"


def test_a_plot_has_fewer_points_and_says_of_how_many(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    tag = make_tags(gateway, operator, flow="float64")["flow"]
    points = noisy(3000)
    send(gateway, 1, points)
    question: dict[str, Any] = {"tag": tag, "start": START, "end": points[-1].time_ns + 1, "points": 200}
    answer = operator.get("/v1/plot", params=question).raise_for_status().json()
    table = pa.ipc.open_stream(operator.get("/v1/plot", params=question, headers=ARROW).content).read_all()
    assert (
        table.schema.metadata[b"penstock"] == json.dumps({"samples": {str(tag): 3000}}, separators=(",", ":")).encode()
    )
    columns = answer["items"][0]["columns"]
    assert answer["samples"] == {str(tag): 3000}
    assert 150 <= len(columns["time"]) == table.num_rows <= 200
    known = {format_rfc3339_ns(point.time_ns): point for point in points}
    for time, value, status in zip(columns["time"], columns["value"], columns["status"], strict=True):
        assert known[time].status == status
        assert value == (None if codes.is_bad(status) else known[time].value)
    whole = operator.get("/v1/plot", params=question | {"points": 10_000}).json()["items"][0]["columns"]
    drawable = [point for point in points if not codes.is_bad(point.status)]
    assert [value for value in whole["value"] if value is not None] == [point.value for point in drawable]


@pytest.mark.parametrize(
    ("path", "wrong", "told"),
    [
        ("aggregates", {"percent_data_good": 20, "percent_data_bad": 70}, "4.2.1.2"),
        ("aggregates", {"percent_data_good": 101}, "percent_data_good"),
        ("aggregates", {"aggregate": "AnnotationCount"}, "aggregate"),
        ("aggregates", {"aggregate": EVERY, "statuses": True, "interval": "1s", "start": "6h-ago"}, "fewer aggregates"),
        ("interpolated", {"step": "1d"}, "elapsed time"),
        ("interpolated", {"step": "1ms"}, "10000 steps"),
        ("interpolated", {"start": "now", "end": "1h-ago"}, "after start"),
        ("interpolated", {"time": "yesterday"}, "yesterday"),
        ("plot", {"points": 9}, "points"),
        ("plot", {"start": "now", "end": "1h-ago"}, "end lies before start"),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(
    make_gateway: Make, operator: httpx.Client, path: str, wrong: dict[str, Any], told: str
) -> None:
    tag = make_tags(make_gateway(), operator, flow="float64")["flow"]
    answer = operator.get(f"/v1/{path}", params={"tag": tag, **wrong})
    assert answer.status_code == 422
    assert told in answer.text


def test_a_thousand_tags_come_in_one_answer(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    stem = f"plc-{secrets.token_hex(4)}"
    frame = dictionary_frame(gateway.epoch, [entry(place, f"{stem}/t{place}") for place in range(1000)])
    assert gateway.send(frame).status_code == 200
    columns = float_columns(list(range(1000)), [START] * 1000, [float(place) for place in range(1000)], 0)
    assert gateway.send(batch_frame(gateway.epoch, 1, columns)).status_code == 200
    ids: list[int] = []
    cursor = None
    while cursor is not None or not ids:
        following: dict[str, str] = {"cursor": cursor} if cursor else {}
        page = operator.get("/v1/tags", params={"q": stem, "limit": "1000", **following}).json()
        ids += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert len(ids) == 1000
    question: dict[str, Any] = {
        "tag": ids,
        "start": START,
        "end": START + MINUTE,
        "interval": "1m",
        "aggregate": ["StartBound", "Count"],
    }
    answer = operator.get("/v1/aggregates", params=question, headers=ARROW, timeout=60).raise_for_status()
    table = pa.ipc.open_stream(answer.content).read_all()
    assert sorted(table["StartBound"].to_pylist()) == [float(place) for place in range(1000)]
    assert set(table["Count"].to_pylist()) == {1.0}
    more: dict[str, Any] = {"tag": [*ids, 1]}
    over = operator.get("/v1/aggregates", params=more)
    assert over.status_code == 422
