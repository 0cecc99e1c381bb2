"""Logging out of one app logs out of the platform and of every app in that browser, and of nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from penstock.platform.apps.service import Manifest
from penstock.platform.bootstrap import Platform
from penstock.platform.identity.model import Client
from penstock.platform.identity.people import Login
from penstock.platform.kit.audit import Actor
from tests.builders.platform_control import CHALLENGE, PASSWORD, VERIFIER, House, browser, furnish, running_platform

pytestmark = pytest.mark.integration
CALLBACK = "http://127.0.0.1:9001/oauth/callback"
SCOPES = ("assets:read",)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[Platform, House]]:
    async with running_platform(tmp_path) as platform:
        yield platform, furnish(platform, "north")


class OneApp:
    """A registered app that logs people in by the code flow."""

    def __init__(self, platform: Platform, north: House, name: str) -> None:
        manifest = Manifest(name, name, "http://127.0.0.1:9001", "", (CALLBACK,), SCOPES, SCOPES)
        actor = Actor(north.tenant, "test", "test")
        made = platform.apps.register(actor, manifest)
        self.client: Client = made[1]
        self.form = {"client_id": made[1].id, "client_secret": made[2]}
        self._platform = platform

    async def log_in(self, http: httpx.AsyncClient, login: Login) -> tuple[str, str]:
        """Give the access and refresh tokens that the app gets through a browser's login."""
        found = self._platform.people.of_session(login.cookie)
        assert found is not None
        code = self._platform.tokens.authorize(
            self.client, *found, redirect_uri=CALLBACK, scope="assets:read", challenge=CHALLENGE
        )
        grant = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code": code, "code_verifier": VERIFIER}
        tokens = (await http.post("/oauth/token", data=self.form | grant)).raise_for_status().json()
        return tokens["access_token"], tokens["refresh_token"]

    async def revoke(self, http: httpx.AsyncClient, refresh: str, **more: str) -> None:
        answer = await http.post("/oauth/revoke", data=self.form | {"token": refresh} | more)
        assert answer.status_code == 200


def logged_in(platform: Platform) -> Login:
    login = platform.people.log_in("north/viewer-canary-north", PASSWORD, "192.0.2.9")
    assert login is not None
    return login


async def status(http: httpx.AsyncClient, token: str) -> int:
    return (await http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})).status_code


async def test_logout_of_one_app_ends_the_login_of_its_browser_everywhere(world: tuple[Platform, House]) -> None:
    platform, north = world
    one, two = OneApp(platform, north, "one"), OneApp(platform, north, "two")
    here, elsewhere = logged_in(platform), logged_in(platform)
    async with browser(platform) as http:
        mine, refresh = await one.log_in(http, here)
        other, _ = await two.log_in(http, here)
        far, _ = await one.log_in(http, elsewhere)
        await two.revoke(http, refresh, end_session="true")
        assert await status(http, mine) == 200, "another app's token is none of its business"
        assert platform.people.of_session(here.cookie) is not None
        await one.revoke(http, refresh, end_session="true")
        assert [await status(http, token) for token in (mine, other, far)] == [401, 401, 200]
        assert platform.people.of_session(here.cookie) is None
        assert platform.people.of_session(elsewhere.cookie) is not None
        http.cookies.set("penstock_session", here.cookie)
        assert (await http.get("/")).headers["location"] == "/login"
        admin = {"Authorization": f"Bearer {north.tokens['admin']}"}
        newest = (await http.get("/v1/audit", headers=admin)).json()["items"][0]
        assert (newest["action"], newest["actor_name"], newest["detail"]) == (
            "logout", "viewer-canary-north", {"by": "one"},
        )  # fmt: skip
        await one.revoke(http, refresh, end_session="true")


async def test_revoking_a_token_alone_leaves_the_login(world: tuple[Platform, House]) -> None:
    platform, north = world
    one = OneApp(platform, north, "one")
    here = logged_in(platform)
    async with browser(platform) as http:
        token, refresh = await one.log_in(http, here)
        await one.revoke(http, refresh)
        assert await status(http, token) == 401
        assert platform.people.of_session(here.cookie) is not None


async def test_login_page_says_that_one_is_logged_out_only_after_a_logout(world: tuple[Platform, House]) -> None:
    async with browser(world[0]) as http:
        words = "You are logged out of Penstock and its apps."
        assert words not in (await http.get("/login")).text
        assert words in (await http.get("/login?out=true")).text
