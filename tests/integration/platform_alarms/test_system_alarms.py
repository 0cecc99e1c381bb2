"""The alarm that two senders with one gateway's identity raise: through the API, by people, over a restart."""

import secrets
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.platform.alarms.system import QUIET_NS
from tests.builders.ingest import ARRIVAL_NS, FRAMES, batch_frame, float_columns
from tests.builders.platform_control import House, browser, furnish, running_platform

pytestmark = pytest.mark.integration


async def open_session(gateway: httpx.AsyncClient, epoch: str) -> int:
    answer = await gateway.post("/v1/gateways/session", json={"epoch": epoch, "head": 0})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["session"])


async def refused(gateway: httpx.AsyncClient, epoch: str, session: int) -> None:
    frame = batch_frame(epoch, 1, float_columns([0], [ARRIVAL_NS], [1.0]))
    headers = FRAMES | {"Penstock-Session": str(session)}
    answer = await gateway.post("/v1/ingest", content=frame, headers=headers)
    assert (answer.status_code, answer.json()["refused"]) == (409, session)


async def alarms(http: httpx.AsyncClient, **params: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await http.get("/v1/alarms", params=params)).raise_for_status().json()["items"]
    return found


async def meet(gateway: httpx.AsyncClient) -> tuple[int, int]:
    """Let two senders with journals of their own meet; give the refused session and the newer one."""
    one, two = secrets.token_hex(16), secrets.token_hex(16)
    older, newer = await open_session(gateway, one), await open_session(gateway, two)
    await refused(gateway, one, older)
    await refused(gateway, one, older)
    return older, newer


def names_both(alarm: dict[str, Any], house: House, pair: tuple[int, int]) -> bool:
    said = alarm["message"]
    return f"session {pair[0]} was refused" in said and f"session {pair[1]} is" in said and house.canary in said


async def test_two_senders_of_one_identity_raise_an_alarm_that_names_both_sessions(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as platform:
        house, other = furnish(platform, "north"), furnish(platform, "south")
        async with (
            browser(platform, house.tokens["gateway"]) as gateway,
            browser(platform, house.tokens["operator"]) as http,
            browser(platform, other.tokens["operator"]) as stranger,
        ):
            pair = await meet(gateway)
            (alarm,) = await alarms(http, active="true")
            assert names_both(alarm, house, pair)
            assert (alarm["rule"], alarm["tag"], alarm["limit"], alarm["value"]) == (None, None, None, None)
            assert (await http.get("/v1/rules")).json()["items"] == await alarms(stranger) == []
            second = await meet(gateway)
            (again,) = await alarms(http)
            assert (again["id"], names_both(again, house, second)) == (alarm["id"], True)
            seen = await http.post(f"/v1/alarms/{alarm['id']}/acknowledge", json={"comment": "the spare one"})
            assert seen.json()["state"] == "acknowledged_active", seen.text
            assert platform.rival_alarms.tick(time.time_ns()) == 0
            assert platform.rival_alarms.tick(time.time_ns() + QUIET_NS) == 1
            assert [each["state"] for each in await alarms(http)] == ["normal"]
            journal = (await http.get(f"/v1/alarms/{alarm['id']}/journal")).json()["items"]
            assert [line["event"] for line in journal] == ["activate", "acknowledge", "clear"]
            assert f"session {pair[0]} was refused" in journal[0]["comment"]


async def test_a_delayed_request_of_the_gateways_own_raises_none(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        epoch = secrets.token_hex(16)
        async with browser(platform, house.tokens["gateway"]) as gateway:
            older, _ = await open_session(gateway, epoch), await open_session(gateway, epoch)
            await refused(gateway, epoch, older)
        async with browser(platform, house.tokens["admin"]) as http:
            assert await alarms(http) == []
            actions = [item["action"] for item in (await http.get("/v1/audit")).json()["items"]]
            assert "gateway.session-superseded" in actions


async def test_a_standing_system_alarm_outlives_a_restart_and_a_new_pair_raises_a_new_one(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        async with browser(platform, house.tokens["gateway"]) as gateway:
            first = await meet(gateway)
    async with (
        running_platform(tmp_path) as platform,
        browser(platform, house.tokens["gateway"]) as gateway,
        browser(platform, house.tokens["operator"]) as http,
    ):
        (alarm,) = await alarms(http, state="unacknowledged_active")
        assert names_both(alarm, house, first)
        assert platform.rival_alarms.tick(time.time_ns() + QUIET_NS) == 1
        (alarm,) = await alarms(http, state="rtn_unacknowledged")
        seen = await http.post(f"/v1/alarms/{alarm['id']}/acknowledge", json={})
        assert seen.json()["state"] == "normal", seen.text
        second = await meet(gateway)
        (fresh,) = await alarms(http, active="true")
        assert (fresh["id"] != alarm["id"], names_both(fresh, house, second)) == (True, True)
