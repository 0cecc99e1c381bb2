"""The evaluator's saved cursor: it may lag behind commits that touch no rule, and a start is right all the same."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from penstock.platform.alarms.model import EvaluatorCursor
from penstock.platform.bootstrap import Platform
from penstock.platform.compute import follower
from tests.builders.historian import batch_of
from tests.builders.platform_control import EPOCH, House, browser, commit, furnish, running_platform

pytestmark = pytest.mark.integration

START = time.time_ns() - 3600 * 10**9
S = 10**9
NEVER_S = 1e9


def saved(platform: Platform) -> int:
    with platform.db.reading() as session:
        return session.get_one(EvaluatorCursor, 1).position


async def wait_for(condition: Callable[[], bool], what: str) -> None:
    for _ in range(400):
        if await asyncio.to_thread(condition):
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"{what} did not come")


async def judged(platform: Platform, position: int) -> None:
    await wait_for(lambda: platform.follower.position >= position, f"position {position}")


async def make_rule(platform: Platform, house: House) -> str:
    body = {"name": "high", "asset": house.ids["path"], "property": "flow", "comparison": "high", "limit": 10}
    async with browser(platform, house.tokens["engineer"]) as http:
        return str((await http.post("/v1/rules", json=body)).raise_for_status().json()["id"])


async def commit_unwatched(platform: Platform, house: House, *, seq: int) -> int:
    """Commit a sample of the house's second tag, which no rule watches."""
    async with browser(platform, house.tokens["engineer"]) as http:
        [tag] = (await http.get("/v1/tags", params={"key": f"{house.canary}/state"})).json()["items"]
    rows = [(int(tag["id"]), START + seq * S, 0, "run")]
    batch = batch_of(
        rows, seq=seq, writer=house.ids["gateway"], epoch=EPOCH, tenant=house.tenant, arrival_ns=time.time_ns()
    )
    return (await platform.historian.append([batch])).outcomes[0].position


async def events(http: httpx.AsyncClient) -> list[list[str]]:
    alarms = (await http.get("/v1/alarms")).json()["items"]
    journals = [(await http.get(f"/v1/alarms/{alarm['id']}/journal")).json()["items"] for alarm in alarms]
    return [[line["event"] for line in journal] for journal in journals]


async def test_commits_that_touch_no_rule_are_not_saved_one_by_one_and_a_start_goes_on_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "SAVE_S", NEVER_S)
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        await make_rule(platform, house)
        await judged(platform, watched := await commit(platform, house, [(START, 0, 20.0)], seq=1))
        assert saved(platform) == watched
        for seq in (2, 3, 4):
            await judged(platform, await commit_unwatched(platform, house, seq=seq))
        assert saved(platform) == watched
    async with running_platform(tmp_path) as platform, browser(platform, house.tokens["engineer"]) as http:
        await judged(platform, watched + 3)
        assert await events(http) == [["activate"]]
        await judged(platform, last := await commit(platform, house, [(START + 9 * S, 0, 1.0)], seq=5))
        assert await events(http) == [["activate", "clear"]]
        assert saved(platform) == last


async def test_the_cursor_is_saved_after_a_while_where_no_rule_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "SAVE_S", 0.0)
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        await make_rule(platform, house)
        position = await commit_unwatched(platform, house, seq=1)
        await wait_for(lambda: saved(platform) == position, "the saved cursor")


async def test_the_cursor_is_saved_before_other_tags_are_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "SAVE_S", NEVER_S)
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        rule = await make_rule(platform, house)
        await judged(platform, await commit(platform, house, [(START, 0, 1.0)], seq=1))
        await judged(platform, position := await commit_unwatched(platform, house, seq=2))
        assert saved(platform) < position
        async with browser(platform, house.tokens["engineer"]) as http:
            (await http.patch(f"/v1/rules/{rule}", json={"enabled": False})).raise_for_status()
        await wait_for(lambda: saved(platform) == position, "the saved cursor")


async def test_a_historian_behind_the_judging_rewinds_also_where_the_saved_cursor_lags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "SAVE_S", NEVER_S)
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        await make_rule(platform, house)
        await judged(platform, watched := await commit(platform, house, [(START, 0, 20.0)], seq=1))
        await judged(platform, await commit_unwatched(platform, house, seq=2))
        head = platform.historian.head
        monkeypatch.setattr(platform.historian, "head", lambda: watched)
        platform.follower.rules_changed()
        await wait_for(lambda: platform.evaluator.counters.rewinds == 1, "the rewind")
        monkeypatch.setattr(platform.historian, "head", head)
        await judged(platform, await commit(platform, house, [(START + 9 * S, 0, 1.0)], seq=3))
        async with browser(platform, house.tokens["engineer"]) as http:
            assert await events(http) == [["activate", "clear"]]
