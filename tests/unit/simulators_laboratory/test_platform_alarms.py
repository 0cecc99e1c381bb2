"""Alarms of a platform are read with a token that may only read, and nothing of the truth goes there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from penstock.core.errors import ConfigError
from penstock.simulators.laboratory.platform_alarms import PlatformAlarms
from penstock.simulators.serving import alarms_of
from penstock.simulators.settings import SimSettings
from tests.builders.laboratory import ASSET, BEGIN, MINUTE, Clock

ALARM = {
    "id": "alm_1",
    "rule": "rul_1",
    "rule_name": "health of the pump",
    "asset": "ast_1",
    "severity": 700,
    "raised": "2026-11-27T10:07:00.000000000Z",
    "activated": "2026-11-27T10:07:00.000000000Z",
    "acknowledged": None,
    "cleared": None,
    "message": '{"part": "drive-end bearing", "kind": "machine"}',
}
JOURNAL = [
    {"event": event, "after": after, "time": f"2026-11-27T10:{minute:02d}:00.000000000Z"}
    for event, after, minute in (
        ("activate", "unacknowledged_active", 7),
        ("clear", "rtn_unacknowledged", 9),
        ("activate", "unacknowledged_active", 12),
        ("acknowledge", "acknowledged_active", 13),
        ("clear", "normal", 15),
        ("activate", "unacknowledged_active", 20),
    )
]
SYSTEM = {**ALARM, "id": "alm_2", "asset": None, "message": "two senders", "cleared": "2026-11-27T10:08:00Z"}


class FakePlatform(httpx.AsyncBaseTransport):
    """Answer as the public API does, and note every request."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.items: list[dict[str, Any]] = [ALARM]
        self.status = 200
        self.gone = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.asked.append(request)
        if self.gone:
            message = "refused"
            raise httpx.ConnectError(message)
        match request.url.path:
            case "/oauth/token":
                return httpx.Response(
                    200, json={"access_token": f"t{len(self.asked)}", "expires_in": 900}, request=request
                )
            case "/v1/assets":
                return httpx.Response(
                    200, json={"items": [{"id": "ast_1", "path": ASSET}], "next": None}, request=request
                )
            case "/v1/alarms/alm_1/journal":
                return httpx.Response(self.status, json={"items": JOURNAL, "next": None}, request=request)
            case "/v1/alarms" if "cursor" not in request.url.params:
                body = {"items": self.items[:1], "next": "more" if self.items[1:] else None}
                return httpx.Response(self.status, json=body, request=request)
            case _:
                return httpx.Response(self.status, json={"items": self.items[1:], "next": None}, request=request)


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "reader.json"
    path.write_text(json.dumps({"client_id": "cla_1", "client_secret": "s"}))
    return path


async def read(reader: PlatformAlarms, platform: FakePlatform, times: int = 1) -> None:
    async with httpx.AsyncClient(base_url=reader.url, transport=platform) as http:
        for _ in range(times):
            await reader.read(http)


async def test_alarms_come_with_the_path_of_their_asset(credentials: Path) -> None:
    platform, reader = FakePlatform(), PlatformAlarms("http://platform/", credentials)
    assert reader.problem, "before the first answer nothing is known, and that is said"
    platform.items = [ALARM, SYSTEM]
    await read(reader, platform)
    first, second = reader.alarms
    assert (first.asset, first.raised_ns, first.cleared_ns) == (ASSET, BEGIN + 7 * MINUTE, None)
    assert first.message == "part drive-end bearing, kind machine"
    assert (second.asset, second.cleared_ns) == ("", BEGIN + 8 * MINUTE)
    assert reader.problem == ""


async def test_an_alarm_that_came_again_is_as_many_as_it_was_active(credentials: Path) -> None:
    platform, reader = FakePlatform(), PlatformAlarms("http://platform", credentials)
    platform.items = [{**ALARM, "activated": "2026-11-27T10:20:00.000000000Z"}]
    await read(reader, platform, times=3)
    spans = [(one.raised_ns, one.cleared_ns) for one in reader.alarms]
    minutes = ((7, 9), (12, 15), (20, None))
    assert spans == [(BEGIN + a * MINUTE, None if b is None else BEGIN + b * MINUTE) for a, b in minutes]
    journals = [one for one in platform.asked if one.url.path.endswith("/journal")]
    assert len(journals) == 1, "it is read again when the alarm has changed"


async def test_only_reading_is_asked_for_and_the_questions_never_change(credentials: Path) -> None:
    platform, reader = FakePlatform(), PlatformAlarms("http://platform", credentials)
    await read(reader, platform, times=3)
    token, *questions = platform.asked
    assert parse_qs(token.content.decode())["scope"] == ["alarms:read assets:read"]
    assert {one.method for one in questions} == {"GET"}
    assert [str(one.url) for one in questions if one.url.path == "/v1/alarms"] == [
        "http://platform/v1/alarms?start=7d-ago&limit=1000"
    ] * 3
    assert len([one for one in questions if one.url.path == "/v1/assets"]) == 1, "paths are asked for when one is new"
    assert all(one.content == b"" for one in questions)


async def test_a_token_is_renewed_before_it_ends(credentials: Path) -> None:
    clock = Clock()
    platform, reader = FakePlatform(), PlatformAlarms("http://platform", credentials, now_s=clock)
    await read(reader, platform)
    clock.now_s += 860
    await read(reader, platform)
    assert len([one for one in platform.asked if one.url.path == "/oauth/token"]) == 1
    clock.now_s += 20
    await read(reader, platform)
    assert len([one for one in platform.asked if one.url.path == "/oauth/token"]) == 2


async def test_trouble_is_said_in_words_and_what_was_known_stays(credentials: Path, tmp_path: Path) -> None:
    platform, reader = FakePlatform(), PlatformAlarms("http://platform", credentials)
    await read(reader, platform)
    platform.status = 403
    await read(reader, platform)
    assert reader.problem == "the platform answers 403 to /v1/alarms"
    assert len(reader.alarms) == 1
    platform.gone = True
    await read(reader, platform)
    assert "does not answer" in reader.problem
    platform.gone, platform.status, platform.items = False, 200, [{"id": "alm_3"}]
    await read(reader, platform)
    assert "not understood" in reader.problem
    absent = PlatformAlarms("http://platform", tmp_path / "absent.json")
    await read(absent, platform)
    assert "credential cannot be read" in absent.problem


def test_address_and_credential_belong_together(tmp_path: Path) -> None:
    both = {"laboratory_platform_url": "http://127.0.0.1:8080", "laboratory_platform_credentials": tmp_path / "c.json"}
    assert alarms_of(SimSettings(laboratory_port=0)) is None
    assert alarms_of(SimSettings.model_validate(both)) is None, "without a page nothing is read"
    assert alarms_of(SimSettings.model_validate({"laboratory_port": 0, **both})) is not None
    with pytest.raises(ConfigError, match="LABORATORY_PLATFORM_CREDENTIALS"):
        alarms_of(SimSettings(laboratory_port=0, laboratory_platform_url="http://127.0.0.1:8080"))
