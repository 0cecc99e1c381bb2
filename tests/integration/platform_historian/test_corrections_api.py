"""Deleting and replacing samples through the API: who may, what is told, what is audited, what is refused in words."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from sqlalchemy import select

from penstock.platform.bootstrap import Platform
from penstock.platform.events.stream import SampleStream
from penstock.platform.historian.ports import ROWS
from penstock.platform.kit.audit import AuditRow
from penstock.sdk.frames import write_arrow
from tests.builders.platform_control import House, browser, commit, furnish, running_platform

pytestmark = pytest.mark.integration
S = 1_000_000_000
NOW = time.time_ns() // S * S


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[Platform, House]]:
    async with running_platform(tmp_path) as platform:
        yield platform, furnish(platform, "north")


def audit(platform: Platform, action: str) -> list[tuple[str, dict[str, Any]]]:
    """Give who did it and the detail, oldest first."""
    with platform.db.reading() as session:
        query = select(AuditRow).where(AuditRow.action == action).order_by(AuditRow.seq)
        return [(row.actor_name, json.loads(row.detail)) for row in session.execute(query).scalars()]


async def values(http: httpx.AsyncClient, tag: int | str) -> list[Any]:
    answer = await http.get("/v1/samples", params={"tag": tag, "start": NOW - 100 * S, "end": NOW + 100 * S})
    assert answer.status_code == 200, answer.text
    columns: list[Any] = answer.json()["columns"]["value"]
    return columns


async def own_tag(http: httpx.AsyncClient, house: House) -> int:
    body = {"asset": house.ids["path"], "property": "computed", "type": "float64"}
    return int((await http.post("/v1/tags", json=body)).json()["id"])


def written(tag: int, *values: float) -> dict[str, Any]:
    return {"samples": [{"tag": tag, "time": NOW - 50 * S + k * S, "value": value} for k, value in enumerate(values)]}


async def test_a_deletion_is_counted_audited_and_seen_by_every_reader(world: tuple[Platform, House]) -> None:
    platform, house = world
    tag = house.ids["tag_id"]
    await commit(platform, house, [(NOW - k * S, 0, float(k)) for k in range(10)], seq=1)
    span: dict[str, Any] = {"tag": tag, "start": NOW - 4 * S, "end": NOW + S}
    async with browser(platform, house.tokens["admin"]) as http:
        answer = await http.delete("/v1/samples", params=span | {"reason": "sensor was swapped"})
        assert answer.json() == {"position": 2, "erased": 5}
        assert (await http.delete("/v1/samples", params=span)).json() == {"position": 3, "erased": 0}
        assert await values(http, tag) == [9.0, 8.0, 7.0, 6.0, 5.0]
        latest = (await http.get("/v1/latest", params={"tag": tag})).json()["items"][0]
        assert (latest["value"], latest["position"]) == (5.0, 1)
        since = (await http.get("/v1/since", params={"position": 0, "tag": tag})).json()
        assert len(since["columns"]["tag"]) == 5
        assert since["erasures"]["tag"] == [int(tag)]
        assert since["erasures"]["position"] == [2]
        assert (await http.get("/v1/since", params={"position": 2})).json()["erasures"]["tag"] == []
    await commit(platform, house, [(NOW, 0, 0.0)], seq=2)  # the same sample as one that was deleted
    async with browser(platform, house.tokens["admin"]) as http:
        assert (await values(http, tag))[-1] == 0.0
    asked, done = audit(platform, "samples.delete"), audit(platform, "samples.deleted")
    assert len(asked) == len(done) == 2
    who, detail = done[0]
    assert who.startswith("admin-")
    assert detail["erased"] == 5
    assert detail["tags"] == [int(tag)]
    assert detail["reason"] == "sensor was swapped"
    assert detail["start"].endswith("Z")
    assert asked[0][1].items() < detail.items()


async def test_the_ledger_tells_what_was_erased_by_whom_and_why(world: tuple[Platform, House]) -> None:
    platform, house = world
    tag = int(house.ids["tag_id"])
    await commit(platform, house, [(NOW - k * S, 0, float(k)) for k in range(10)], seq=1)
    span: dict[str, Any] = {"tag": tag, "start": NOW - 4 * S, "end": NOW + S}
    async with browser(platform, house.tokens["admin"]) as http:
        await http.delete("/v1/samples", params=span | {"reason": "sensor was swapped"})
        (listed,) = (await http.get("/v1/ledger/erasures", params={"tag": tag})).json()["items"]
        assert (listed["tag"], listed["count"], listed["cause"], listed["how"]) == (
            tag,
            5,
            "sensor was swapped",
            "delete",
        )
        within = {"tag": tag, "start": NOW - 20 * S, "end": NOW + 20 * S}
        (account,) = (await http.get("/v1/ledger/tags", params=within)).json()["items"]
        assert (account["stored"], account["erased"]) == (5, 5)
        (cause,) = [each for each in account["causes"] if each["kind"] == "erasure"]
        assert (cause["cause"], cause["samples"]) == ("sensor was swapped", 5)
        safe = (await http.get("/v1/ledger/safe", params={"tag": tag, "at": NOW, "start": NOW - 20 * S})).json()
        assert "5 samples are deleted or replaced on order (sensor was swapped)" in safe["text"]
        assert [each["effect"] for each in safe["reasons"] if each["kind"] == "erasure"] == [None]
        summary = (await http.get("/v1/ledger/summary", params={"start": "1h-ago"})).json()
        assert summary["erased"] == 5
        assert sum(each["erased"] for each in summary["writers"]) == 5


async def test_only_the_administrator_deletes_and_what_is_wrong_is_said(world: tuple[Platform, House]) -> None:
    platform, house = world
    other = furnish(platform, "south")
    await commit(platform, house, [(NOW, 0, 1.0)], seq=1)
    good = {"tag": house.ids["tag_id"], "start": "1h-ago", "end": str(NOW + S)}
    for who, token in house.tokens.items():
        if who != "admin":
            async with browser(platform, token) as http:
                assert (await http.delete("/v1/samples", params=good)).status_code == 403, who
    refused: list[tuple[dict[str, Any], int, str]] = [
        (good | {"tag": other.ids["tag_id"]}, 404, "no tag"),
        (good | {"end": good["start"]}, 422, "start does not lie before end"),
        (good | {"end": "2h-ago"}, 422, "start does not lie before end"),
        ({"tag": good["tag"], "start": "1h-ago"}, 422, "Name start and end"),
        ({"start": "1h-ago", "end": "now"}, 422, "Name at least one tag"),
        (good | {"start": "yesterday"}, 422, "yesterday"),
        (good | {"tag": [str(n) for n in range(1, 1002)]}, 422, ""),
    ]
    async with browser(platform, house.tokens["admin"]) as http:
        for params, status, said in refused:
            answer = await http.delete("/v1/samples", params=params)
            assert answer.status_code == status, answer.text
            assert said.lower() in answer.text.lower()
        assert await values(http, good["tag"]) == [1.0]
    assert audit(platform, "samples.deleted") == []


async def test_a_replacement_supersedes_repeats_are_answered_alike_and_it_is_audited(
    world: tuple[Platform, House],
) -> None:
    platform, house = world
    async with browser(platform, house.tokens["app"]) as http:
        tag = await own_tag(http, house)
        plain = await http.post("/v1/ingest", json=written(tag, 1.0, 2.0, 3.0), headers={"Idempotency-Key": "a"})
        assert plain.json() == {"position": 1, "stored": 3, "duplicates": 0, "erased": 0}
        asked: dict[str, Any] = {"params": {"replace": "true"}, "json": written(tag, 1.0, 2.5)}
        first = await http.post("/v1/ingest", **asked, headers={"Idempotency-Key": "b"})
        assert first.json() == {"position": 2, "stored": 1, "duplicates": 1, "erased": 1}
        again = await http.post("/v1/ingest", **asked, headers={"Idempotency-Key": "b"})
        assert again.json() == first.json()
        assert await values(http, tag) == [1.0, 2.5, 3.0]
        reused = await http.post("/v1/ingest", json=written(tag, 1.0, 2.5), headers={"Idempotency-Key": "b"})
        assert reused.status_code == 409, "a plain write under the key of a replacement"
    assert [detail for _, detail in audit(platform, "samples.replace")] == [first.json()] * 2


async def test_a_replacement_needs_its_scope_its_owner_and_a_body_that_fits(world: tuple[Platform, House]) -> None:
    platform, house = world
    foreign = int(house.ids["tag_id"])
    row = pa.table([[foreign], [NOW], [0], [5.0], [None], [None], [None]], schema=ROWS)
    arrow = {"Content-Type": "application/vnd.apache.arrow.stream", "Idempotency-Key": "c"}
    await commit(platform, house, [(NOW, 0, 1.0)], seq=1)
    async with browser(platform, house.tokens["engineer"]) as http:
        body: dict[str, Any] = {"json": written(foreign, 1.0), "headers": {"Idempotency-Key": "d"}}
        answer = await http.post("/v1/ingest", params={"replace": "true"}, **body)
        assert answer.status_code == 403
        assert "samples:replace" in answer.json()["detail"]
    async with browser(platform, house.tokens["admin"]) as http:
        answer = await http.post("/v1/ingest", params={"replace": "true"}, **body)
        assert (answer.status_code, "another writer" in answer.json()["detail"]) == (403, True)
        frames = {"Content-Type": "application/vnd.penstock.frames"}
        answer = await http.post("/v1/ingest", params={"replace": "true"}, content=b"x", headers=frames)
        assert (answer.status_code, "replace=true takes" in answer.json()["detail"]) == (415, True)
        both = {"replace": "true", "import": "true"}
        last = row.set_column(1, "time", pa.array([2**63 - 1], pa.int64()))
        answer = await http.post("/v1/ingest", params=both, content=write_arrow(last), headers=arrow)
        assert (answer.status_code, "largest int64" in answer.json()["detail"]) == (422, True)
        answer = await http.post("/v1/ingest", params=both, content=write_arrow(row), headers=arrow)
        assert answer.json()["erased"] == 1, "an import replaces samples of any owner"
        assert await values(http, foreign) == [5.0]


async def test_a_stream_tells_what_was_erased_before_it_goes_on(world: tuple[Platform, House]) -> None:
    platform, house = world
    tag = int(house.ids["tag_id"])
    await commit(platform, house, [(NOW - S, 0, 1.0), (NOW, 0, 2.0)], seq=1)
    stream = SampleStream(platform.historian, 1, lambda: [tag]).events()
    assert b"event: heartbeat" in await anext(stream)
    async with browser(platform, house.tokens["admin"]) as http:
        await http.delete("/v1/samples", params={"tag": tag, "start": NOW, "end": NOW + S})
    name, at, content = (await anext(stream)).decode().strip().split("\n")
    assert name == "event: erasures"
    assert at == "id: 1", "the samples of the page are not sent yet"
    columns = json.loads(content.removeprefix("data: "))["columns"]
    assert (columns["tag"], columns["position"]) == ([tag], [2])
    await commit(platform, house, [(NOW + S, 0, 3.0)], seq=2)
    assert b"event: samples\nid: 3" in await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
