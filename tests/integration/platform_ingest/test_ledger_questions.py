"""The ledger's two questions, of a real platform: what became of a tag's samples, and is all of it safely stored?"""

from typing import Any

import httpx
import pytest

from penstock.core.batch import Drop, Gap, Record, Reject, Thinned
from penstock.core.times import format_rfc3339_ns
from penstock.core.values import ValueType
from tests.builders.door import Make, introduce, prefix, problem, tag_id
from tests.builders.ingest import ARRIVAL_NS, WireGateway, batch_frame, dictionary_frame, entry, float_columns

pytestmark = pytest.mark.integration
S = 1_000_000_000
SPAN = {"start": str(ARRIVAL_NS - 3600 * S), "end": str(ARRIVAL_NS + 3600 * S)}


def put(gateway: WireGateway, seq: int, *rows: tuple[int, float], records: list[Record] | None = None) -> None:
    """Deliver a batch of tag 0 that was journalled `seq` seconds after ARRIVAL_NS; times in s after ARRIVAL_NS."""
    columns = float_columns([0] * len(rows), [ARRIVAL_NS + at * S for at, _ in rows], [value for _, value in rows])
    frame = batch_frame(gateway.epoch, seq, columns, records=records or [], arrival_ns=ARRIVAL_NS + seq * S)
    assert gateway.send(frame).status_code == 200


def safe(operator: httpx.Client, **asked: Any) -> dict[str, Any]:
    answer = operator.get("/v1/ledger/safe", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def at(seconds: float) -> str:
    return str(ARRIVAL_NS + int(seconds * S))


def effects(said: dict[str, Any]) -> dict[str, str | None]:
    return {reason["kind"]: reason["effect"] for reason in said["reasons"]}


def account(operator: httpx.Client, key: str, **more: str) -> dict[str, Any]:
    [found] = operator.get("/v1/ledger/tags", params={"key": key, **SPAN, **more}).raise_for_status().json()["items"]
    return dict(found)


def test_all_that_was_delivered_is_safe_and_what_came_since_is_not_known(
    make_gateway: Make, operator: httpx.Client
) -> None:
    gateway = make_gateway()
    [key] = introduce(gateway)
    assert safe(operator, gateway=gateway.name, at=at(1))["reasons"][0]["kind"] == "never-delivered"
    put(gateway, 1, (0, 1.0))
    put(gateway, 2, (1, 2.0))
    said = safe(operator, gateway=gateway.name, at=at(2))
    assert (said["answer"], said["gateways"][0]["delivered"]) == ("yes", "yes")
    assert said["text"].startswith(f"Yes: the data of {gateway.name} is safely stored up to 2026-09-21 14:13:22 UTC.")
    later = safe(operator, key=key, at=at(3))
    assert (later["answer"], effects(later)) == ("unknown", {"not-stated": "unknown"})
    assert "what it journalled since is not known here" in later["text"]
    [tag] = later["tags"]
    assert (tag["key"], tag["answer"], tag["newest"]) == (key, "unknown", format_rfc3339_ns(ARRIVAL_NS + S))


def test_statement_of_an_empty_journal_makes_a_quiet_gateway_safe_up_to_it(
    make_gateway: Make, operator: httpx.Client
) -> None:
    gateway = make_gateway()
    introduce(gateway)
    put(gateway, 1, (0, 1.0))
    gateway.state(as_of=ARRIVAL_NS + 60 * S, waiting=0)
    assert safe(operator, gateway=gateway.name, at=at(60))["answer"] == "yes"
    assert safe(operator, gateway=gateway.name, at=at(61))["answer"] == "unknown"


def test_backlog_of_a_gateway_that_went_offline_is_not_safe(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    introduce(gateway)
    put(gateway, 1, (0, 1.0))
    gateway.state(as_of=ARRIVAL_NS + 60 * S, waiting=5, oldest=ARRIVAL_NS + 30 * S, heads={gateway.epoch: 6})
    assert safe(operator, gateway=gateway.name, at=at(29))["answer"] == "yes", "before the oldest that waits"
    said = safe(operator, gateway=gateway.name, at=at(40))
    assert (said["answer"], effects(said)) == ("no", {"batches-missing": "no"})
    [state] = said["gateways"]
    assert (state["missing_batches"], state["waiting_batches"], state["delivered"]) == (5, 5, "no")
    assert "5 batches of" in said["text"]
    for seq in range(2, 7):
        put(gateway, seq, (28 + seq, 1.0 * seq))
    assert safe(operator, gateway=gateway.name, at=at(6))["answer"] == "yes", "delivered after all"


def test_hole_below_the_head_is_named_and_filled(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    [key] = introduce(gateway)
    put(gateway, 1, (0, 1.0))
    put(gateway, 3, (2, 3.0))
    said = safe(operator, key=key, at=at(3))
    assert (said["answer"], said["gateways"][0]["until"]) == ("no", format_rfc3339_ns(ARRIVAL_NS + S))
    assert account(operator, key)["missing_batches"] == 1
    put(gateway, 2, (1, 2.0))
    assert safe(operator, key=key, at=at(3))["answer"] == "yes"


def test_open_gap_is_not_safe_until_it_is_refilled(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    [key] = introduce(gateway)
    opened = ARRIVAL_NS + 2 * S
    put(gateway, 1, (1, 1.0), records=[Gap(0, opened, None, "link down")])
    said = safe(operator, key=key, at=at(1), start=at(-60))
    assert said["answer"] == "yes", "the gap is later"
    put(gateway, 9, (8, 2.0), records=[Gap(0, opened, opened + 5 * S, "link down")])
    for seq in range(2, 9):
        put(gateway, seq, (-seq, 0.0))
    closed = safe(operator, key=key, at=at(9))
    assert (closed["answer"], effects(closed)) == ("no", {"delivered": None, "gap": "no"})
    assert "1 gap in the data, 5 s in all (link down)" in closed["text"]
    assert account(operator, key)["gap_s"] == 5.0
    put(gateway, 10, (3, 2.5), records=[Gap(0, opened, opened + 5 * S, "link down", refilled=True)])
    assert safe(operator, key=key, at=at(9))["answer"] == "yes"
    assert account(operator, key)["gaps"] == 0


def test_gap_that_is_still_open_lasts_up_to_the_time_asked_for(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    [key] = introduce(gateway)
    put(gateway, 1, (1, 1.0), records=[Gap(0, ARRIVAL_NS + 2 * S, None, "link down")])
    put(gateway, 2)
    put(gateway, 50)
    for seq in range(3, 50):
        put(gateway, seq)
    said = safe(operator, device=key.partition("/")[0], at=at(12))
    assert (said["answer"], effects(said)["open-gap"]) == ("no", "no")
    assert "10 s in all, 1 still open" in said["text"]
    assert said["text"].startswith(f"No: not all of the data of device {key.partition('/')[0]}")


def test_quarantined_samples_are_not_safe_until_their_retry(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    keys = introduce(gateway, ValueType.FLOAT64, ValueType.INT64)
    mixed = float_columns([0, 1, 1], [ARRIVAL_NS - 2, ARRIVAL_NS - 1, ARRIVAL_NS], [1.0, 2.0, 3.0])
    assert gateway.send(batch_frame(gateway.epoch, 1, mixed)).json()["quarantined"]
    wrong = safe(operator, key=keys[1], at=at(0))
    assert (wrong["answer"], effects(wrong)) == ("no", {"delivered": None, "quarantined": "no"})
    assert safe(operator, key=keys[0], at=at(0))["answer"] == "yes", "the other tag's row is stored"
    told = account(operator, keys[1])
    assert (told["quarantined"], [cause["cause"] for cause in told["causes"]]) == (2, ["wrong-type"])
    [kept] = operator.get("/v1/ledger/quarantine", params={"tag": tag_id(operator, keys[1])}).json()["items"]
    assert operator.get("/v1/ledger/quarantine", params={"tag": tag_id(operator, keys[0])}).json()["items"] == []
    assert kept["rows"] == 2


def test_retry_of_a_conflict_takes_it_off_the_account(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    [key] = introduce(gateway)
    put(gateway, 1, (0, 1.0))
    drop = Drop(0, ARRIVAL_NS, ARRIVAL_NS + 5, 7, "journal full")
    other = float_columns([0, 0], [ARRIVAL_NS - 2, ARRIVAL_NS - 1], [2.0, 3.0])
    gateway.send(batch_frame(gateway.epoch, 1, other, records=[drop]))
    before = account(operator, key)
    assert (before["stored"], before["quarantined"], before["dropped"]) == (1, 2, 0)
    assert safe(operator, key=key, at=at(0))["answer"] == "no"
    [kept] = operator.get("/v1/ledger/quarantine", params={"tag": tag_id(operator, key)}).json()["items"]
    operator.post(f"/v1/ledger/quarantine/{kept['id']}/retry").raise_for_status()
    after = account(operator, key)
    assert (after["stored"], after["quarantined"], after["dropped"]) == (3, 0, 7), "its records come with the retry"


def test_retry_of_rows_does_not_count_the_records_of_their_batch_again(
    make_gateway: Make, operator: httpx.Client
) -> None:
    gateway = make_gateway()
    keys = introduce(gateway, ValueType.FLOAT64, ValueType.FLOAT64)
    other = make_gateway()
    records: list[Record] = [Reject(0, "plc", ARRIVAL_NS, "not a number", 3, "abc")]
    columns = float_columns([0, 2], [ARRIVAL_NS, ARRIVAL_NS], [1.0, 2.0])
    frame = batch_frame(gateway.epoch, 1, columns, records=records)
    assert problem(gateway.send(frame)) == "dictionary-needed"
    gateway.send(dictionary_frame(gateway.epoch, [entry(index, key) for index, key in enumerate(keys)]))
    assert gateway.send(frame).json()["quarantined"] == [{"seq": 1, "reason": "unknown-index"}]
    unknown = account(operator, keys[0])
    assert [(cause["cause"], cause["tag_known"]) for cause in unknown["causes"] if cause["kind"] == "quarantined"] == [
        ("unknown-index: 2", False)
    ]
    doubtful = safe(operator, key=keys[0], at=at(0))
    assert (doubtful["answer"], effects(doubtful)["quarantined"]) == ("unknown", "unknown")
    late = entry(2, f"{keys[0]}x")
    gateway.send(dictionary_frame(gateway.epoch, [*(entry(i, k) for i, k in enumerate(keys)), late]))
    [kept] = operator.get("/v1/ledger/quarantine", params={"gateway": gateway_id(operator, gateway)}).json()["items"]
    operator.post(f"/v1/ledger/quarantine/{kept['id']}/retry").raise_for_status()
    told = account(operator, keys[0])
    assert (told["rejected"], told["duplicates"]) == (3, 1)
    assert safe(operator, key=keys[0], at=at(0))["answer"] == "yes"
    assert other.name != gateway.name


def gateway_id(operator: httpx.Client, gateway: WireGateway) -> str:
    items = operator.get("/v1/gateways").json()["items"]
    return str(next(item["id"] for item in items if item["name"] == gateway.name))


def test_each_kind_of_loss_is_counted_per_tag_and_range_with_its_cause(
    make_gateway: Make, operator: httpx.Client
) -> None:
    gateway = make_gateway()
    name = prefix()
    keys = [f"{name}/a", f"{name}/b"]
    gateway.send(dictionary_frame(gateway.epoch, [entry(i, k, late_after_ns=S) for i, k in enumerate(keys)]))
    records: list[Record] = [
        Drop(0, ARRIVAL_NS, ARRIVAL_NS + S, 12, "journal full"),
        Drop(None, ARRIVAL_NS, ARRIVAL_NS + S, 5, "journal entry corrupt"),
        Reject(0, name, ARRIVAL_NS, "not a number", 3, "abc"),
        Thinned(0, ARRIVAL_NS - 9 * S, ARRIVAL_NS - 8 * S, 40, "deadband of 0.5"),
        Thinned(1, ARRIVAL_NS - 9 * S, ARRIVAL_NS - 8 * S, 2, "deadband of 3"),
        Gap(0, ARRIVAL_NS - 20 * S, ARRIVAL_NS - 18 * S, "gateway was down"),
    ]
    put(gateway, 1, (0, 1.0), (-10, 2.0), (1, 3.0), records=records)
    put(gateway, 2, (-10, 2.0), (1, 3.0), (1, 3.0))
    found = account(operator, keys[0])
    counted = {k: found[k] for k in ("stored", "late", "worst_s", "duplicates", "gaps")}
    assert counted == {"stored": 3, "late": 1, "worst_s": 11.0, "duplicates": 3, "gaps": 1}
    assert (found["dropped"], found["rejected"], found["thinned"]) == (12, 3, 40)
    causes = {(c["kind"], c["cause"], c["tag_known"]): c["samples"] for c in found["causes"]}
    assert causes["drop", "journal entry corrupt", False] == 5
    assert causes["duplicate", "equal sample came again", True] == 3
    assert causes["thinned", "deadband of 0.5", True] == 40
    assert account(operator, keys[1])["thinned"] == 2
    early = {"end": str(ARRIVAL_NS - 15 * S)}
    assert {k: account(operator, keys[0], **early)[k] for k in ("stored", "gaps", "thinned", "duplicates")} == {
        "stored": 0, "gaps": 1, "thinned": 0, "duplicates": 0,
    }  # fmt: skip
    summary = operator.get("/v1/ledger/summary", params={"gateway": gateway_id(operator, gateway)}).json()
    assert (summary["thinned"], summary["duplicates"], summary["late"]) == (42, 3, 1)


def test_records_are_listed_by_tag_and_by_source_time(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    keys = introduce(gateway, ValueType.FLOAT64, ValueType.FLOAT64)
    put(
        gateway,
        1,
        (0, 1.0),
        records=[
            Thinned(tag, ARRIVAL_NS + at * S, ARRIVAL_NS + (at + 1) * S, 1 + at, "x")
            for tag in (0, 1)
            for at in (0, 100)
        ],
    )
    put(gateway, 2, (0, 1.0))

    def counts(what: str, **asked: Any) -> list[int]:
        params = {"tag": tag_id(operator, keys[0]), **asked}
        return [item["count"] for item in operator.get(f"/v1/ledger/{what}", params=params).json()["items"]]

    assert sorted(counts("thinned")) == [1, 101]
    by_time = {"by": "time", "start": at(99), "end": at(200)}
    assert counts("thinned", **by_time) == [101]
    assert counts("duplicates") == [1]
    assert counts("duplicates", **by_time) == []
    assert counts("duplicates", by="time", start=at(0), end=at(1)) == [1]


def test_questions_that_name_nothing_or_nobody_are_refused(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    [key] = introduce(gateway)
    for path, params, status in (
        ("tags", {}, 422),
        ("tags", {"device": "nobody"}, 404),
        ("safe", {"gateway": "nobody"}, 404),
        ("safe", {"key": "nobody/x"}, 404),
        ("safe", {"at": "half past ten"}, 422),
        ("safe", {"gateway": gateway.name, "key": key}, 422),
        ("safe", {"at": at(1), "start": at(2)}, 422),
        ("gaps", {"by": "mood"}, 422),
    ):
        answer = operator.get(f"/v1/ledger/{path}", params=params)
        assert answer.status_code == status, (path, params, answer.text)


def test_statement_under_an_older_session_is_refused(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    introduce(gateway)
    old = gateway.session
    gateway.open_session()
    refused = gateway.state(as_of=ARRIVAL_NS, waiting=0, session=old)
    assert (refused.status_code, problem(refused)) == (409, "session-superseded")
