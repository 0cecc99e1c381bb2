"""An app that the platform no longer knows says so once, with the cure."""

import logging
from pathlib import Path

import httpx
import pytest

from penstock.sdk import ClientCredentials
from penstock.sdk.app.standing import Standing, cure_of
from penstock.sdk.manifest import load_manifest
from penstock.sdk.scaffold import write_app

KNOWN = httpx.Response(200, json={"access_token": "t", "expires_in": 900})
UNKNOWN = httpx.Response(401, json={"error": "invalid_client", "error_description": "wrong"})
BUSY = httpx.Response(503, json={"title": "busy"})


async def said(answers: list[httpx.Response | Exception], caplog: pytest.LogCaptureFixture) -> list[str]:
    """Check once an answer; give what was logged."""
    waiting = iter(answers)

    def answer(_: httpx.Request) -> httpx.Response:
        given = next(waiting)
        if isinstance(given, Exception):
            raise given
        return given

    standing = Standing(ClientCredentials("cla_1", "s"), platform_url="http://p", cure="Run `penstock app run hello`")
    caplog.set_level(logging.INFO, logger="penstock.sdk.app")
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://p") as http:
        for _ in answers:
            await standing.check(http)
    return [record.getMessage() for record in caplog.records if record.name == "penstock.sdk.app"]


async def test_a_refused_credential_is_said_once_with_its_cure(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await said([KNOWN, UNKNOWN, UNKNOWN, httpx.ConnectError("away"), BUSY, UNKNOWN], caplog)
    assert "refuses this app's credential" in line
    assert "`penstock app run hello`" in line


async def test_a_platform_that_is_away_or_busy_says_nothing_of_the_credential(caplog: pytest.LogCaptureFixture) -> None:
    assert await said([httpx.ConnectError("away"), BUSY], caplog) == []


async def test_a_credential_that_is_taken_again_is_said(caplog: pytest.LogCaptureFixture) -> None:
    first, second, third = await said([UNKNOWN, KNOWN, UNKNOWN], caplog)
    assert "takes this app's credential again" in second
    assert first == third


def test_the_cure_names_the_folder_of_an_app_of_ones_own_and_the_name_of_a_built_in_one(tmp_path: Path) -> None:
    made = write_app("hello", tmp_path)
    manifest = load_manifest(made)
    assert cure_of(manifest, made / "main.py") == cure_of(manifest, made)
    assert f"`penstock app run {made}`" in cure_of(manifest, made)
    (made / "main.py").unlink()
    assert cure_of(manifest, made / "bootstrap.py").startswith("Start the platform again with hello in")
