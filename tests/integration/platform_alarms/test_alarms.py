"""Alarms on committed samples: raised once, acknowledged by a person, cleared; over restarts and restores."""

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.core.status import BAD_NO_COMMUNICATION
from penstock.core.times import format_rfc3339_ns
from penstock.platform.bootstrap import Platform
from tests.builders.platform_control import House, browser, commit, furnish, running_platform

pytestmark = pytest.mark.integration

START = time.time_ns() - 3600 * 10**9
S = 10**9


async def until(http: httpx.AsyncClient, state: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait until so many alarms are in the state."""
    found: list[dict[str, Any]] = []
    for _ in range(200):
        found = (await http.get("/v1/alarms", params={"state": state})).json()["items"]
        if len(found) == count:
            return found
        await asyncio.sleep(0.05)
    pytest.fail(f"{count} alarms in {state} did not come, there are {found}")


async def make_rule(http: httpx.AsyncClient, house: House, **fields: Any) -> dict[str, Any]:
    body = {"name": "high flow", "asset": house.ids["path"], "property": "flow", "comparison": "high", "limit": 10}
    answer = await http.post("/v1/rules", json=body | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def judged(platform: Platform, position: int) -> None:
    """Wait until the rules have judged everything up to the position."""
    for _ in range(200):
        if platform.follower.position >= position:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"judged up to {platform.follower.position} only, not {position}")


async def test_alarm_is_raised_acknowledged_and_cleared_with_its_journal(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        async with browser(platform, house.tokens["operator"]) as http:
            async with browser(platform, house.tokens["engineer"]) as engineer:
                rule = await make_rule(engineer, house, deadband=2, severity=700, message="too much")
            await commit(platform, house, [(START, 0, 5.0), (START + S, 0, 11.0)], seq=1)
            (alarm,) = await until(http, "unacknowledged_active")
            assert (alarm["rule"], alarm["value"], alarm["limit"]) == (rule["id"], 11.0, 10.0)
            assert (alarm["asset"], alarm["severity"]) == (house.ids["asset_id"], 700)
            for refused in ("app", "viewer", "gateway"):
                async with browser(platform, house.tokens[refused]) as other:
                    answer = await other.post(f"/v1/alarms/{alarm['id']}/acknowledge", json={"comment": "x"})
                assert answer.status_code == 403, refused
            answer = await http.post(f"/v1/alarms/{alarm['id']}/acknowledge", json={"comment": "seen"})
            assert answer.status_code == 200, answer.text
            assert answer.json()["state"] == "acknowledged_active"
            assert answer.json()["acknowledged_by"] == "operator-canary-north"
            again = await http.post(f"/v1/alarms/{alarm['id']}/acknowledge", json={})
            assert again.status_code == 409
            await commit(platform, house, [(START + 2 * S, 0, 9.0), (START + 3 * S, 0, 8.0)], seq=2)
            await until(http, "normal")
            journal = (await http.get(f"/v1/alarms/{alarm['id']}/journal")).json()["items"]
            assert [line["event"] for line in journal] == ["activate", "acknowledge", "clear"]
            assert journal[1]["who_name"] == "operator-canary-north"
            assert journal[1]["comment"] == "seen"


async def test_restart_neither_loses_nor_doubles(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        async with browser(platform, house.tokens["engineer"]) as http:
            await make_rule(http, house)
            await commit(platform, house, [(START, 0, 20.0)], seq=1)
            (alarm,) = await until(http, "unacknowledged_active")
    async with running_platform(tmp_path) as platform, browser(platform, house.tokens["engineer"]) as http:
        position = await commit(platform, house, [(START + S, 0, 21.0)], seq=2)
        await judged(platform, position)
        assert [a["id"] for a in (await http.get("/v1/alarms")).json()["items"]] == [alarm["id"]]
        await commit(platform, house, [(START + 2 * S, 0, 1.0)], seq=3)
        await until(http, "rtn_unacknowledged")
        journal = (await http.get(f"/v1/alarms/{alarm['id']}/journal")).json()["items"]
        assert [line["event"] for line in journal] == ["activate", "clear"]
        await commit(platform, house, [(START + 3 * S, 0, 25.0)], seq=4)
        (again,) = await until(http, "unacknowledged_active")
    assert (again["id"], again["raised"], again["cleared"]) == (alarm["id"], alarm["raised"], None)
    assert alarm["activated"] == alarm["raised"]
    assert again["activated"] == format_rfc3339_ns(START + 3 * S), "it came again before anybody acknowledged it"


async def test_commits_made_while_nobody_judged_are_judged_at_start(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        async with browser(platform, house.tokens["engineer"]) as http:
            await make_rule(http, house)
            await judged(platform, await commit(platform, house, [(START, 0, 1.0)], seq=1))
        platform.follower.rules_changed()
        platform.evaluator.step = lambda samples, position: (_ for _ in ()).throw(OSError("disk"))  # type: ignore[method-assign]
        await commit(platform, house, [(START + S, 0, 50.0), (START + 2 * S, 0, 1.0)], seq=2)
        await asyncio.sleep(0.3)
    async with running_platform(tmp_path) as platform, browser(platform, house.tokens["engineer"]) as http:
        (alarm,) = await until(http, "rtn_unacknowledged")
        assert alarm["value"] == 50.0


async def test_restored_historian_rewinds_and_doubles_nothing(tmp_path: Path) -> None:
    historian = tmp_path / "platform" / "historian"
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        async with browser(platform, house.tokens["engineer"]) as http:
            await make_rule(http, house)
            await judged(platform, await commit(platform, house, [(START, 0, 1.0)], seq=1))
    shutil.copytree(historian, tmp_path / "backup")
    async with running_platform(tmp_path) as platform, browser(platform, house.tokens["engineer"]) as http:
        position = await commit(platform, house, [(START + S, 0, 30.0)], seq=2)
        (alarm,) = await until(http, "unacknowledged_active")
        await judged(platform, position)
    shutil.rmtree(historian)
    shutil.copytree(tmp_path / "backup", historian)
    async with running_platform(tmp_path) as platform, browser(platform, house.tokens["engineer"]) as http:
        await judged(platform, await commit(platform, house, [(START + S, 0, 30.0)], seq=2))
        assert platform.evaluator.counters.rewinds == 1
        assert [a["id"] for a in (await http.get("/v1/alarms")).json()["items"]] == [alarm["id"]]
        await commit(platform, house, [(START + 2 * S, 0, 1.0)], seq=3)
        await until(http, "rtn_unacknowledged")


async def test_bad_quality_and_far_future_judge_nothing(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        async with browser(platform, house.tokens["engineer"]) as http:
            await make_rule(http, house)
            ahead = time.time_ns() + 86400 * S
            rows = [(START, BAD_NO_COMMUNICATION, 99.0), (ahead, 0, 99.0)]
            await judged(platform, await commit(platform, house, rows, seq=1))
            assert (await http.get("/v1/alarms")).json()["items"] == []
            await commit(platform, house, [(START + S, 0, 99.0)], seq=2)
            await until(http, "unacknowledged_active")


async def test_on_delay_ends_by_the_clock_when_no_sample_comes(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        async with browser(platform, house.tokens["engineer"]) as http:
            await make_rule(http, house, on_delay_s=1)
            began = time.time_ns()
            await commit(platform, house, [(began, 0, 99.0)], seq=1)
            (alarm,) = await until(http, "unacknowledged_active")
            assert time.time_ns() - began >= S
            assert alarm["value"] == 99.0


async def test_new_rule_judges_what_stands_and_a_changed_one_begins_anew(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        async with browser(platform, house.tokens["engineer"]) as http:
            await commit(platform, house, [(START, 0, 99.0)], seq=1)
            rule = await make_rule(http, house)
            (alarm,) = await until(http, "unacknowledged_active")
            changed = await http.patch(f"/v1/rules/{rule['id']}", json={"limit": 200})
            assert changed.json()["version"] == 2
            await until(http, "normal")
            journal = (await http.get(f"/v1/alarms/{alarm['id']}/journal")).json()["items"]
            assert [line["event"] for line in journal] == ["activate", "rule-changed"]
            await http.patch(f"/v1/rules/{rule['id']}", json={"limit": 50})
            (second,) = await until(http, "unacknowledged_active")
            assert second["id"] != alarm["id"]
            assert (await http.delete(f"/v1/rules/{rule['id']}")).status_code == 204
            await until(http, "normal", 2)
