"""Aggregates and the live stream of a real platform process."""

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pyarrow as pa
import pytest

from penstock.core.times import format_rfc3339_ns
from tests.builders import web
from tests.builders.ingest import ARRIVAL_NS, WireGateway, batch_frame, dictionary_frame, entry, float_columns
from tests.builders.stack import Stack

pytestmark = pytest.mark.integration
Make = Callable[[], WireGateway]
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
START = ARRIVAL_NS - ARRIVAL_NS % MINUTE


def float_tag(gateway: WireGateway, operator: httpx.Client) -> int:
    key = f"plc-{secrets.token_hex(4)}/flow"
    assert gateway.send(dictionary_frame(gateway.epoch, [entry(0, key)])).status_code == 200
    [item] = operator.get("/v1/tags", params={"key": key}).json()["items"]
    return int(item["id"])


def send(gateway: WireGateway, seq: int, times: list[int], values: list[float], status: int = 0) -> None:
    frame = batch_frame(gateway.epoch, seq, float_columns([0] * len(times), times, values, status))
    answer = gateway.send(frame)
    assert answer.status_code == 200, answer.text


def test_aggregates_by_duration_with_bounding_values(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    tag = float_tag(gateway, operator)
    send(gateway, 1, [START - 5 * SECOND, START + 15 * SECOND, START + 75 * SECOND], [10.0, 20.0, 30.0])
    send(gateway, 2, [START + 90 * SECOND], [0.0], status=0x8031_0000)
    names = ["Count", "Minimum", "Maximum", "Average", "TimeAverage2", "PercentGood", "StartBound", "EndBound"]
    params: dict[str, Any] = {
        "tag": tag,
        "start": START,
        "end": START + 2 * MINUTE,
        "interval": "1m",
        "aggregate": names,
    }
    [item] = operator.get("/v1/aggregates", params=params).raise_for_status().json()["items"]
    columns = item["columns"]
    assert columns["start"] == [format_rfc3339_ns(START), format_rfc3339_ns(START + MINUTE)]
    assert columns["Count"] == [1.0, 1.0]
    assert columns["TimeAverage2"] == [17.5, 25.0]
    assert columns["PercentGood"] == [100.0, 50.0]
    assert columns["StartBound"] == [10.0, 20.0]
    assert columns["EndBound"] == [20.0, None]
    arrow = operator.get(
        "/v1/aggregates", params=params, headers={"Accept": "application/vnd.apache.arrow.stream"}
    ).raise_for_status()
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert table.column_names == ["tag", "start", *names, "status"]
    assert [table[name].to_pylist() for name in names] == [columns[name] for name in names]
    partial = operator.get("/v1/aggregates", params=params | {"start": START + 1}).json()["items"][0]["columns"][
        "status"
    ]
    assert [status & 0x04 for status in partial] == [0x04, 0]


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"interval": "7y"}, "interval"),
        ({"zone": "Mars/Base"}, "Mars/Base"),
        ({"aggregate": "Median"}, "aggregate"),
        ({"interval": "1s", "start": "0"}, "windows"),
        ({"start": "now", "end": "1h-ago"}, "end must be after start"),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(
    make_gateway: Make, operator: httpx.Client, wrong: dict[str, str], names: str
) -> None:
    tag = float_tag(make_gateway(), operator)
    answer = operator.get("/v1/aggregates", params={"tag": tag, **wrong})
    assert answer.status_code == 422
    assert names in answer.text


def events(response: httpx.Response) -> Iterator[tuple[str, int, Any]]:
    name, position, body = "", 0, None
    for line in response.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "id":
            position = int(value)
        elif field == "data":
            body = json.loads(value)
        elif not line:
            yield name, position, body


def test_a_stream_begins_with_a_heartbeat_and_brings_what_is_committed(
    make_gateway: Make, operator: httpx.Client
) -> None:
    gateway = make_gateway()
    tag, other = float_tag(gateway, operator), make_gateway()
    unseen = float_tag(other, operator)
    with operator.stream("GET", "/v1/stream", params={"tag": tag}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        live = events(response)
        name, head, _ = next(live)
        assert name == "heartbeat"
        send(other, 1, [START], [6.0])
        send(gateway, 1, [START, START + 1], [1.0, 2.0])
        name, position, body = next(live)
        assert (name, body["columns"]["value"], position > head) == ("samples", [1.0, 2.0], True)
        assert unseen not in body["columns"]["tag"]


def test_a_stream_goes_on_from_its_last_event_without_a_hole(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    tag = float_tag(gateway, operator)
    start = operator.get("/v1/since").json()["head"]
    for seq in range(1, 6):
        send(gateway, seq, [START + seq * 1000 + k for k in range(3000)], [float(seq)] * 3000)
    values: list[float] = []
    cursor = start
    for _ in range(30):
        with operator.stream(
            "GET", "/v1/stream", params={"tag": tag}, headers={"Last-Event-ID": str(cursor)}
        ) as response:
            live = events(response)
            assert next(live)[:2] == ("heartbeat", cursor)
            name, cursor, body = next(live)  # one event, then the connection is cut
            assert name == "samples"
            values += body["columns"]["value"]
        if len(values) >= 15_000:
            break
    assert values == [float(seq) for seq in range(1, 6) for _ in range(3000)]


def test_the_stream_needs_its_scope(stack: Stack) -> None:
    answer = web.get(stack.url("platform") + "/v1/stream")
    assert answer.status_code == 401
