"""The ingest door of a real platform process: what is taken, what is refused, what is set aside."""

import struct
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
import zstandard

from penstock.core.batch import Drop, Gap, Record, Reject
from penstock.core.columns import SampleColumns
from penstock.core.values import ValueType
from tests.builders import web
from tests.builders.door import Make, introduce, prefix, problem, read_all, tag_id
from tests.builders.ingest import (
    ARRIVAL_NS,
    FRAMES,
    WireGateway,
    batch_frame,
    dictionary_frame,
    entry,
    float_columns,
)

pytestmark = pytest.mark.integration
SECOND = 1_000_000_000


def quarantined(operator: httpx.Client, gateway_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = operator.get("/v1/ledger/quarantine", params={"gateway": gateway_id}).json()["items"]
    return items


def id_of(operator: httpx.Client, gateway: WireGateway) -> str:
    return str(gateway_item(operator, gateway)["id"])


def gateway_item(operator: httpx.Client, gateway: WireGateway) -> dict[str, Any]:
    items: list[dict[str, Any]] = operator.get("/v1/gateways").json()["items"]
    return next(item for item in items if item["name"] == gateway.name)


def test_a_batch_goes_in_and_is_read_back_over_http(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    [key] = introduce(gateway)
    times = [ARRIVAL_NS + k for k in range(5)]
    values = [1.5, -0.0, float("nan"), float("inf"), 5e-324]
    answer = gateway.send(batch_frame(gateway.epoch, 1, float_columns([0] * 5, times, values)))
    assert answer.status_code == 200
    told = answer.json()
    assert (told["epoch"], told["watermark"], told["above"]) == (gateway.epoch, 1, [])
    assert (told["committed"], told["repeated"], told["quarantined"]) == (1, 0, [])
    tag = tag_id(operator, key)
    assert [value for _, _, value, _ in read_all(operator, tag)] == [1.5, -0.0, "NaN", "Infinity", 5e-324]
    arrow = operator.get(
        "/v1/samples",
        params={"tag": tag, "start": "0", "end": str(2**62)},
        headers={"Accept": "application/vnd.apache.arrow.stream"},
    )
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert table["vf"].to_numpy().view(np.uint64).tolist() == np.array(values).view(np.uint64).tolist()
    [latest] = operator.get("/v1/latest", params={"tag": tag}).json()["items"]
    assert (latest["value"], latest["quality"], latest["future"]) == (5e-324, "good", False)


def test_every_value_type_and_no_value_come_back_as_they_were(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    keys = introduce(gateway, ValueType.FLOAT64, ValueType.INT64, ValueType.BOOL, ValueType.STRING)
    columns = SampleColumns(
        tag=np.array([0, 1, 2, 3, 3], np.uint32),
        time=np.full(5, ARRIVAL_NS) + np.arange(5),
        status=np.array([0, 0, 0, 0, 0x8031_0000], np.uint32),
        kind=np.array([1, 2, 3, 4, 0], np.uint8),
        vf=np.array([0.1, 0, 0, 0, 0]),
        vi=np.array([0, -(2**63), 0, 0, 0], np.int64),
        vb=np.array([False, False, True, False, False]),
        vs=np.array([None, None, None, "läuft", None], np.object_),
    )
    assert gateway.send(batch_frame(gateway.epoch, 1, columns)).status_code == 200
    rows = read_all(operator, *(tag_id(operator, key) for key in keys))
    assert [value for _, _, value, _ in rows] == [0.1, -(2**63), True, "läuft", None]
    assert rows[4][3] == 0x8031_0000


def test_a_repeat_is_answered_as_committed_and_other_content_is_set_aside(
    make_gateway: Make, operator: httpx.Client
) -> None:
    gateway = make_gateway()
    [key] = introduce(gateway)
    first = batch_frame(gateway.epoch, 1, float_columns([0], [ARRIVAL_NS], [1.0]))
    other = batch_frame(gateway.epoch, 1, float_columns([0], [ARRIVAL_NS + 1], [2.0]))
    one, two, three = (gateway.send(frame).json() for frame in (first, first, other))
    assert (one["committed"], two["committed"], two["repeated"]) == (1, 0, 1)
    assert two["position"] == one["position"]
    assert three["quarantined"] == [{"seq": 1, "reason": "seq-conflict"}]
    four = gateway.send(other).json()
    assert (four["committed"], four["repeated"]) == (0, 1)
    assert four == {**three, "committed": 0, "repeated": 1}
    assert [value for _, _, value, _ in read_all(operator, tag_id(operator, key))] == [1.0]
    [kept] = quarantined(operator, id_of(operator, gateway))
    exported = operator.get(f"/v1/ledger/quarantine/{kept['id']}/payload")
    assert exported.content == other
    retried = operator.post(f"/v1/ledger/quarantine/{kept['id']}/retry").json()
    assert retried["stored"] == 1
    assert [value for _, _, value, _ in read_all(operator, tag_id(operator, key))] == [1.0, 2.0]


def test_watermark_and_the_seqs_above_it(make_gateway: Make) -> None:
    gateway = make_gateway()
    introduce(gateway)
    for seq, watermark, above in ((1, 1, []), (3, 1, [3]), (5, 1, [3, 5]), (2, 3, [5])):
        told = gateway.send(batch_frame(gateway.epoch, seq, float_columns([0], [ARRIVAL_NS + seq], [1.0]))).json()
        assert (told["watermark"], told["above"]) == (watermark, above)
    granted = gateway.open_session(head=6)
    assert granted["watermarks"] == {gateway.epoch: {"watermark": 3, "above": [5]}}


def test_the_newest_session_wins(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    introduce(gateway)
    older = gateway.session
    gateway.open_session()
    newer, gateway.session = gateway.session, older
    frame = batch_frame(gateway.epoch, 1, float_columns([0], [ARRIVAL_NS], [1.0]))
    refused = gateway.send(frame)
    assert (refused.status_code, problem(refused)) == (409, "session-superseded")
    told = refused.json()
    assert (told["session"], told["epoch"], told["refused"]) == (newer, gateway.epoch, older)
    assert gateway_item(operator, gateway)["superseded"]["by"] == newer
    audit = [item for item in operator.get("/v1/audit").json()["items"] if "superseded" in item["action"]]
    assert audit[0]["detail"] == {"session": older, "newest": newer}
    assert gateway.send(frame).status_code == 409
    shown = gateway_item(operator, gateway)["superseded"]
    assert (shown["count"], shown["session"], shown["by"]) == (2, older, newer)
    gateway.session = newer
    assert gateway.send(frame).status_code == 200
    gateway.session = newer + 1
    assert problem(gateway.send(frame)) == "session-unknown"


def test_session_and_answers_state_the_newest_commit_position(make_gateway: Make) -> None:
    gateway, other = make_gateway(), make_gateway()
    introduce(gateway)
    introduce(other)
    first = batch_frame(gateway.epoch, 1, float_columns([0], [ARRIVAL_NS], [1.0]))
    early = gateway.send(first).json()["position"]
    late = other.send(batch_frame(other.epoch, 1, float_columns([0], [ARRIVAL_NS], [1.0]))).json()["position"]
    assert late > early
    repeated = gateway.send(first).json()
    assert (repeated["repeated"], repeated["position"]) == (1, late), "not the repeated batch's own, which is lower"
    assert gateway.open_session(head=1)["position"] == late


def test_an_unknown_index_asks_for_the_dictionary_and_then_goes_in(make_gateway: Make) -> None:
    gateway = make_gateway()
    frame = batch_frame(gateway.epoch, 1, float_columns([0], [ARRIVAL_NS], [1.0]))
    asked = gateway.send(frame)
    assert (asked.status_code, problem(asked)) == (409, "dictionary-needed")
    told = gateway.send(dictionary_frame(gateway.epoch, [entry(0, f"{prefix()}/a")]), frame).json()
    assert (told["committed"], told["quarantined"]) == (1, [])


def test_an_index_still_unknown_after_the_dictionary_is_set_aside_and_the_rest_flows(
    make_gateway: Make, operator: httpx.Client
) -> None:
    gateway = make_gateway()
    good = batch_frame(gateway.epoch, 1, float_columns([0], [ARRIVAL_NS], [1.0]))
    bad = batch_frame(gateway.epoch, 2, float_columns([0, 9], [ARRIVAL_NS + 1, ARRIVAL_NS], [2.0, 3.0]))
    names = dictionary_frame(gateway.epoch, [entry(0, f"{prefix()}/a")])
    assert problem(gateway.send(names, good, bad)) == "dictionary-needed"
    told = gateway.send(names, good, bad).json()
    assert told["watermark"] == 2
    assert told["quarantined"] == [{"seq": 2, "reason": "unknown-index"}]
    [kept] = quarantined(operator, id_of(operator, gateway))
    assert (kept["rows"], "index 9" in kept["detail"]) == (1, True)


@pytest.mark.parametrize("at", [5, 60, -1])
def test_a_broken_frame_is_answered_send_again_and_nothing_of_it_is_kept(make_gateway: Make, at: int) -> None:
    gateway = make_gateway()
    introduce(gateway)
    good = batch_frame(gateway.epoch, 1, float_columns([0], [ARRIVAL_NS], [1.0]))
    broken = bytearray(batch_frame(gateway.epoch, 2, float_columns([0], [ARRIVAL_NS + 1], [1.0])))
    broken[at] ^= 0x40
    refused = gateway.send(good, bytes(broken))
    assert (refused.status_code, problem(refused)) == (400, "frame-corrupt")
    assert gateway.open_session()["watermarks"][gateway.epoch]["watermark"] == 0
    assert gateway.send(good).json()["watermark"] == 1


def test_one_poisoned_batch_in_a_thousand_is_quarantined_and_the_rest_delivered(
    make_gateway: Make, operator: httpx.Client
) -> None:
    gateway = make_gateway()
    [key] = introduce(gateway)
    frames = [
        batch_frame(gateway.epoch, seq, float_columns([0], [ARRIVAL_NS + seq], [float(seq)]))
        if seq != 500
        else batch_frame(gateway.epoch, seq, float_columns([0], [0], [0.0]), payload=b"no zstd at all")
        for seq in range(1, 1001)
    ]
    answers = [gateway.send(*frames[start : start + 100]).json() for start in range(0, 1000, 100)]
    assert answers[-1]["watermark"] == 1000
    assert [told["quarantined"] for told in answers if told["quarantined"]] == [
        [{"seq": 500, "reason": "batch-malformed"}]
    ]
    assert len(read_all(operator, tag_id(operator, key))) == 999
    [kept] = quarantined(operator, id_of(operator, gateway))
    assert operator.get(f"/v1/ledger/quarantine/{kept['id']}/payload").content == frames[499]
    refused = operator.post(f"/v1/ledger/quarantine/{kept['id']}/retry")
    assert (refused.status_code, problem(refused)) == (409, "still-quarantined")


def bomb(size: int) -> bytes:
    return zstandard.ZstdCompressor(level=19).compress(bytes(size))


@pytest.mark.parametrize(
    ("payload", "n", "reason"),
    [
        (bomb(65 << 20), 1, "too-large"),
        (bomb(1 << 20), 1, "batch-malformed"),
        (b"", 1, "batch-malformed"),
        (None, 7, "row-count"),
    ],
    ids=["zip bomb", "zeros", "empty", "lying row count"],
)
def test_what_cannot_be_read_is_quarantined(
    make_gateway: Make, operator: httpx.Client, payload: bytes | None, n: int, reason: str
) -> None:
    gateway = make_gateway()
    introduce(gateway)
    columns = float_columns([0], [ARRIVAL_NS], [1.0])
    told = gateway.send(batch_frame(gateway.epoch, 1, columns, payload=payload, n=n)).json()
    assert (told["watermark"], told["quarantined"]) == (1, [{"seq": 1, "reason": reason}])


def test_rows_of_the_wrong_type_are_set_aside_and_a_retry_brings_no_duplicate(
    make_gateway: Make, operator: httpx.Client
) -> None:
    gateway = make_gateway()
    keys = introduce(gateway, ValueType.FLOAT64, ValueType.INT64)
    columns = float_columns([0, 1], [ARRIVAL_NS, ARRIVAL_NS], [1.0, 2.0])
    told = gateway.send(batch_frame(gateway.epoch, 1, columns)).json()
    assert told["quarantined"] == [{"seq": 1, "reason": "wrong-type"}]
    rows = read_all(operator, *(tag_id(operator, key) for key in keys))
    assert [value for _, _, value, _ in rows] == [1.0]
    [kept] = quarantined(operator, id_of(operator, gateway))
    assert (kept["rows"], keys[1] in kept["detail"]) == (1, True)


def test_batches_and_samples_set_aside_are_told_apart(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    introduce(gateway, ValueType.FLOAT64, ValueType.INT64)
    columns = float_columns([0, 1, 1], [ARRIVAL_NS, ARRIVAL_NS, ARRIVAL_NS + 1], [1.0, 2.0, 3.0])
    other = float_columns([0], [ARRIVAL_NS + 9], [4.0])
    metrics = figures_of(operator)
    assert gateway.send(batch_frame(gateway.epoch, 1, columns) + batch_frame(gateway.epoch, 1, other)).is_success
    mine = {"gateway": id_of(operator, gateway)}
    summary = operator.get("/v1/ledger/summary", params=mine).json()
    assert (summary["quarantined_batches"], summary["quarantined_samples"], summary["stored"]) == (2, 3, 1)
    [entry] = operator.get("/v1/ledger/batches", params=mine).json()["items"]
    assert (entry["n"], entry["stored"], entry["quarantined_samples"]) == (3, 1, 2)
    grown = {name: value - metrics[name] for name, value in figures_of(operator).items()}
    assert grown == {"quarantined_batches": 2, "quarantined_samples": 3}


def figures_of(operator: httpx.Client) -> dict[str, int]:
    lines = [line.split() for line in operator.get("/metrics").text.splitlines() if "historian_quarantined" in line]
    return {
        name.removeprefix("penstock_historian_").removesuffix("_total"): int(float(value))
        for name, value in (line for line in lines if line[0].endswith("_total"))
    }


def test_a_tag_of_another_gateway_is_not_written(make_gateway: Make, operator: httpx.Client) -> None:
    owner, thief = make_gateway(), make_gateway()
    [key] = introduce(owner)
    told = thief.send(
        dictionary_frame(thief.epoch, [entry(0, key)]),
        batch_frame(thief.epoch, 1, float_columns([0], [ARRIVAL_NS], [6.66])),
    ).json()
    assert told["quarantined"] == [{"seq": 1, "reason": "not-owner"}]
    assert read_all(operator, tag_id(operator, key)) == []


def test_a_gateway_that_never_enrolled_is_refused(make_gateway: Make, stack: Any) -> None:
    frame = batch_frame("ab" * 16, 1, float_columns([0], [ARRIVAL_NS], [1.0]))
    url = stack.url("platform") + "/v1/ingest"
    for headers in ({}, {"Authorization": "Bearer forged"}, {"Authorization": "Bearer a.b.c"}):
        assert web.post(url, content=frame, headers=FRAMES | headers).status_code == 401
    gateway = make_gateway()
    del gateway.epoch
    answer = web.post(url, content=frame, headers=FRAMES | {"Authorization": f"Bearer {gateway.token}"})
    assert (answer.status_code, problem(answer)) == (409, "session-unknown")


def test_a_body_above_the_limit_is_refused(make_gateway: Make) -> None:
    gateway = make_gateway()
    answer = gateway.send(bytes(8 * 1024 * 1024 + 1))
    assert (answer.status_code, problem(answer)) == (413, "too-large")


def test_records_travel_with_the_batch_into_the_ledger(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    [key] = introduce(gateway)
    tag, gateway_id = tag_id(operator, key), id_of(operator, gateway)
    records: list[Record] = [
        Gap(0, ARRIVAL_NS, None, "link down"),
        Drop(0, ARRIVAL_NS, ARRIVAL_NS + 5, 12, "journal full"),
        Reject(None, "plc", ARRIVAL_NS, "not a number", 3, "abc"),
    ]
    gateway.send(batch_frame(gateway.epoch, 1, float_columns([0], [ARRIVAL_NS - SECOND], [1.0]), records=records))
    params = {"gateway": gateway_id}
    [gap] = operator.get("/v1/ledger/gaps", params=params).json()["items"]
    assert (gap["tag"], gap["key"], gap["to"], gap["cause"]) == (tag, key, None, "link down")
    [drop] = operator.get("/v1/ledger/drops", params=params).json()["items"]
    assert (drop["count"], drop["cause"]) == (12, "journal full")
    [reject] = operator.get("/v1/ledger/rejects", params=params).json()["items"]
    assert (reject["device"], reject["reason"], reject["excerpt"], reject["count"]) == ("plc", "not a number", "abc", 3)
    gateway.open_session(head=4)
    summary = operator.get("/v1/ledger/summary", params=params).json()
    figures = {name: summary[name] for name in ("stored", "open_gaps", "drops", "rejects", "missing_batches")}
    assert figures == {"stored": 1, "open_gaps": 1, "drops": 12, "rejects": 3, "missing_batches": 3}
    assert [each["until"] for each in summary["safe_until"]] == ["2026-09-21T14:13:20.000000000Z"]
    [batch] = operator.get("/v1/ledger/batches", params=params).json()["items"]
    assert (batch["seq"], batch["n"], batch["stored"], batch["epoch"]) == (1, 1, 1, gateway.epoch)


def test_gap_that_was_refilled_says_so(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    introduce(gateway)
    steps = [
        Gap(0, ARRIVAL_NS, None, "link down"),
        Gap(0, ARRIVAL_NS, ARRIVAL_NS + SECOND, "link down"),
        Gap(0, ARRIVAL_NS, ARRIVAL_NS + SECOND, "link down", refilled=True),
    ]
    seen = []
    for seq, gap in enumerate(steps, 1):
        gateway.send(batch_frame(gateway.epoch, seq, float_columns([0], [ARRIVAL_NS + seq], [1.0]), records=[gap]))
        [stated] = operator.get("/v1/ledger/gaps", params={"gateway": id_of(operator, gateway)}).json()["items"]
        seen.append((stated["to"] is not None, stated["refilled"]))
    assert seen == [(False, False), (True, False), (True, True)]


def test_late_samples_are_counted_in_the_ledger_and_marked_at_latest(
    make_gateway: Make, operator: httpx.Client
) -> None:
    gateway = make_gateway()
    key = f"{prefix()}/slow"
    gateway.send(dictionary_frame(gateway.epoch, [entry(0, key, late_after_ns=SECOND)]))
    times = [ARRIVAL_NS - 2 * SECOND, ARRIVAL_NS - SECOND]
    gateway.send(batch_frame(gateway.epoch, 1, float_columns([0, 0], times, [1.0, 2.0])))
    [batch] = operator.get("/v1/ledger/batches", params={"gateway": id_of(operator, gateway)}).json()["items"]
    assert batch["late"] == 1
    [latest] = operator.get("/v1/latest", params={"key": key}).json()["items"]
    assert latest["late"] is False


def test_questions_have_bounds_that_name_themselves(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    [key] = introduce(gateway)
    tag = tag_id(operator, key)
    for path, params in (
        ("/v1/samples", {"tag": tag, "limit": 100_001}),
        ("/v1/samples", {"tag": tag, "start": "yesterday"}),
        ("/v1/samples", {"tag": tag, "start": "now", "end": "1h-ago"}),
        ("/v1/samples", {}),
        ("/v1/latest", {}),
        ("/v1/latest", {"tag": list(range(1, 1002))}),
        ("/v1/since", {"limit": 0}),
    ):
        answer = operator.get(path, params=params)  # type: ignore[arg-type]
        assert answer.status_code == 422, (path, params, answer.text)
    for path in ("/v1/samples", "/v1/latest", "/v1/since", "/v1/stream"):
        answer = operator.get(path, params={"tag": 10**12})
        assert (answer.status_code, problem(answer)) == (404, "not-found"), path
    assert operator.get("/v1/samples", params={"tag": tag, "cursor": "abc"}).status_code == 400
    assert operator.get("/v1/ledger/quarantine/qua_999999/payload").status_code == 404
    assert operator.get("/v1/ledger/quarantine/1/payload").status_code == 404


def test_since_pages_through_every_commit(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    [key] = introduce(gateway)
    start = operator.get("/v1/since").json()["head"]
    for seq in range(1, 21):
        times = [ARRIVAL_NS + seq * 100 + k for k in range(10)]
        gateway.send(batch_frame(gateway.epoch, seq, float_columns([0] * 10, times, [float(seq)] * 10)))
    values: list[float] = []
    position = start
    while True:
        page = operator.get("/v1/since", params={"position": position, "limit": 25, "key": key}).json()
        values += page["columns"]["value"]
        position = page["position"]
        if position == page["head"]:
            break
    assert values == [float(seq) for seq in range(1, 21) for _ in range(10)]


def test_a_position_beyond_the_head_is_told_and_not_waited_for(operator: httpx.Client) -> None:
    head = operator.get("/v1/since").raise_for_status().json()["head"]
    answer = operator.get("/v1/since", params={"position": head + 1_000_000})
    assert (answer.status_code, problem(answer)) == (410, "cursor-expired")
    assert "beyond the head" in answer.json()["detail"]


def test_a_header_only_frame_with_a_giant_length_is_corrupt(make_gateway: Make) -> None:
    gateway = make_gateway()
    header = struct.pack("<4sB3x16sQqIII", b"PSF1", 1, b"\0" * 16, 1, 0, 1, 0xFFFF_FFFF, 0)
    assert problem(gateway.send(header)) == "frame-corrupt"
