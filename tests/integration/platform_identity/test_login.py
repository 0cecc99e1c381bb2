"""B5, B6, B10: logins are throttled and tell nothing, forms need our own page, inputs are taken literally."""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median

import httpx
import pytest
from sqlalchemy import text

from penstock.platform.bootstrap import Platform
from penstock.platform.kit import audit
from penstock.platform.kit.settings import Settings
from tests.builders.platform_control import ISSUER, PASSWORD, House, browser, furnish, running_platform

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[Platform, House]]:
    async with running_platform(tmp_path) as platform:
        yield platform, furnish(platform, "north")


async def form_of(http: httpx.AsyncClient, path: str = "/login") -> str:
    found = re.search(r'name="form" value="([0-9a-f]{64})"', (await http.get(path)).text)
    assert found is not None
    return found.group(1)


async def log_in(http: httpx.AsyncClient, name: str, password: str, **more: str) -> httpx.Response:
    return await http.post("/login", data={"name": name, "password": password, "form": await form_of(http)} | more)


async def test_eleventh_try_in_a_minute_is_429_even_with_the_right_password(world: tuple[Platform, House]) -> None:
    async with browser(world[0]) as http:
        codes = [(await log_in(http, "north/viewer-canary-north", f"wrong {n}")).status_code for n in range(10)]
        assert codes == [401] * 10
        refused = await log_in(http, "north/viewer-canary-north", PASSWORD)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        other = await log_in(http, "north/operator-canary-north", PASSWORD)
        assert other.status_code == 303


async def test_wrong_password_is_answered_in_words_and_stands_in_the_audit_log(world: tuple[Platform, House]) -> None:
    async with browser(world[0]) as http:
        refused = await log_in(http, "north/viewer-canary-north", "wrong")
        assert refused.status_code == 401
        assert "Name or password is wrong." in refused.text
        assert "penstock_session" not in http.cookies
        admin = {"Authorization": f"Bearer {world[1].tokens['admin']}"}
        newest = (await http.get("/v1/audit", headers=admin)).json()["items"][0]
        assert (newest["action"], newest["detail"]["known"]) == ("login.failed", True)
        assert (await log_in(http, "north/viewer-canary-north", PASSWORD)).status_code == 303


async def test_unknown_user_answers_the_same_in_the_same_time(world: tuple[Platform, House]) -> None:
    people = world[0].people
    taken: dict[str, list[float]] = {"north/viewer-canary-north": [], "north/nobody": [], "nowhere/nobody": []}
    people.log_in("warm/up", "x", "192.0.2.99")
    for round_ in range(9):
        for name, times in taken.items():
            began = time.perf_counter()
            assert people.log_in(name, "wrong", f"192.0.2.{round_}") is None
            times.append(time.perf_counter() - began)
    known = median(taken["north/viewer-canary-north"])
    for name, times in taken.items():
        assert 0.4 < median(times) / known < 2.5, name
    async with browser(world[0]) as http:
        pages = [(await log_in(http, name, "wrong")).text for name in taken]
    assert len({re.sub(r"req_\w+|[0-9a-f]{64}", "", page) for page in pages}) == 1


async def test_guessing_client_secrets_is_throttled(world: tuple[Platform, House]) -> None:
    platform, north = world
    form = {"grant_type": "client_credentials", "client_id": north.ids["client_id"]}
    async with browser(platform) as http:
        codes = [
            (await http.post("/oauth/token", data=form | {"client_secret": f"x{n}"})).status_code for n in range(12)
        ]
    assert codes == [401] * 10 + [429] * 2


async def test_forms_from_elsewhere_are_refused(world: tuple[Platform, House]) -> None:
    async with browser(world[0]) as http:
        form = await form_of(http)
        right = {"name": "north/viewer-canary-north", "password": PASSWORD, "form": form}
        assert (await http.post("/login", data=right | {"form": "0" * 64})).status_code == 403
        for origin in ("http://evil.example", "http://127.0.0.1:8081", "null"):
            refused = await http.post("/login", data=right, headers={"Origin": origin})
            assert refused.status_code == 403, origin
        policy = (await http.get("/login")).headers["referrer-policy"]
        assert policy == "same-origin", "under no-referrer a browser sends Origin: null, which is refused"
        answer = await http.post("/login", data=right, headers={"Origin": ISSUER})
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
    async with browser(world[0]) as other:
        assert (await other.post("/login", data=right)).status_code == 403


async def test_login_redirects_to_this_site_only(world: tuple[Platform, House]) -> None:
    for target in ("http://evil", "//evil", "/\\evil", "https:/evil", "javascript:alert(1)", "/a\nb"):
        async with browser(world[0]) as http:
            answer = await log_in(http, "north/viewer-canary-north", PASSWORD, next=target)
        assert answer.headers["location"] == "/", target


async def test_login_link_works_once_and_logout_ends_the_session(world: tuple[Platform, House], tmp_path: Path) -> None:
    link = (tmp_path / "secrets" / "login-link").read_text().strip().removeprefix(ISSUER)
    async with browser(world[0]) as http:
        assert (await http.get(link)).status_code == 303
        assert not (tmp_path / "secrets" / "login-link").exists()
        start = await http.get("/")
        assert "admin" in start.text
        assert "script" not in start.headers["content-security-policy"]
        session = http.cookies["penstock_session"]
        assert (await http.post("/logout", data={"form": await form_of(http, "/")})).status_code == 303
    async with browser(world[0]) as http:
        assert (await http.get(link)).status_code == 401
        http.cookies.set("penstock_session", session)
        assert (await http.get("/")).headers["location"] == "/login"


async def test_bodies_cannot_set_what_they_should_not(world: tuple[Platform, House]) -> None:
    platform, north = world
    bodies: dict[str, dict[str, object]] = {
        "/v1/users": {"name": "mallory", "role": "viewer"},
        "/v1/apps": {"id": "x", "name": "x", "url": "http://127.0.0.1:1"},
        "/v1/assets": {"path": "a/b"},
        "/v1/asset-types": {"name": "t", "properties": {}},
        "/v1/tags": {"asset": north.ids["path"], "property": "p"},
        "/v1/rules": {"name": "r", "comparison": "high", "limit": 1, "tag": int(north.ids["tag_id"])},
        "/v1/gateways/enrol-tokens": {"name": "g"},
    }
    async with browser(platform, north.tokens["admin"]) as http:
        for path, body in bodies.items():
            for extra in (
                "tenant",
                "tenant_id",
                "owner",
                "id_",
                "role_",
                "version",
                "origin",
                "generation",
                "client_id",
            ):
                answer = await http.post(path, json=body | {extra: "x"})
                assert answer.status_code == 422, f"{path} {extra}: {answer.text}"
            assert (await http.post(path, json=body)).status_code == 201, path
        me = (await http.get("/v1/me")).json()
    assert me["tenant"] == north.tenant


INJECTIONS = ["' OR '1'='1", "%", "_", "a'; DROP TABLE tags; --", "\\", "${jndi:ldap://x}", "{{7*7}}", "<script>", "🙂"]


async def test_filters_and_names_are_taken_literally(world: tuple[Platform, House]) -> None:
    platform, north = world
    async with browser(platform, north.tokens["admin"]) as http:
        for number, attack in enumerate(INJECTIONS):
            for path in ("/v1/assets", "/v1/tags"):
                answer = await http.get(path, params={"q": attack})
                assert answer.status_code == 200
                items = (await http.get(path)).json()["items"]
                texts = [(i, i["path"] + i["name"] + i.get("key", "") + i["description"]) for i in items]
                assert answer.json()["items"] == [i for i, text in texts if attack.lower() in text.lower()], attack
            for path in ("/v1/assets/", "/v1/rules/", "/v1/alarms/", "/v1/apps/", "/v1/asset-types/"):
                assert (await http.get(path + attack.replace("/", "%2F"))).status_code in (404, 422)
            made = await http.post("/v1/apps", json={"id": f"a{number}", "name": attack, "url": "http://127.0.0.1:1"})
            assert made.status_code == 201
            assert (await http.get(f"/v1/apps/a{number}")).json()["name"] == attack


WRONG_PATHS = ["../../etc/passwd", "/etc/passwd", "a/../b", "a//b", "A/B", "a\x00b", "", "a/b/", "x" * 600]


async def test_asset_paths_are_isa_paths_or_refused(world: tuple[Platform, House]) -> None:
    async with browser(world[0], world[1].tokens["admin"]) as http:
        for path in WRONG_PATHS:
            answer = await http.post("/v1/assets", json={"path": path})
            assert answer.status_code == 422, path
            assert answer.headers["content-type"] == "application/problem+json"


async def test_giant_deep_and_broken_bodies_are_refused_and_nothing_falls(world: tuple[Platform, House]) -> None:
    async with browser(world[0], world[1].tokens["admin"]) as http:
        json_type = {"Content-Type": "application/json"}
        deep = b'{"name":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        for content, status in ((b"{", 400), (b"\xff\xfe", 400), (deep, 400), (b"x" * 2_000_000, 413), (b"[]", 422)):
            answer = await http.post("/v1/assets", content=content, headers=json_type)
            assert answer.status_code == status, answer.text[:200]
            assert answer.headers["content-type"] == "application/problem+json"
        for method, path, status in (("GET", "/nope", 404), ("PUT", "/v1/assets", 405), ("GET", "/static/../x", 404)):
            answer = await http.request(method, path)
            assert answer.status_code == status
            assert answer.json()["instance"] == answer.headers["penstock-request-id"]


async def test_audit_is_complete_and_every_edit_is_seen(world: tuple[Platform, House]) -> None:
    platform, north = world
    async with browser(platform, north.tokens["admin"]) as http:
        await http.post("/v1/assets", json={"path": "a/b"})
        actions = {item["action"] for item in (await http.get("/v1/audit?limit=1000")).json()["items"]}
    assert {"asset.create", "login", "user.create", "app.create", "gateway.enrol", "token.authorize"} <= actions
    with platform.db.reading() as session:
        assert audit.verify(session) is None
    edits = [
        "UPDATE audit SET detail = '{}' WHERE seq = 5",
        "UPDATE audit SET actor = 'x' WHERE seq = 2",
        "UPDATE audit SET time_ns = time_ns + 1 WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 4",
        "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
    ]
    for edit in edits:
        with platform.db._writing() as session:
            session.execute(text(edit))
            assert audit.verify(session) is not None, edit
            session.rollback()


async def test_an_unused_login_link_follows_the_public_address(tmp_path: Path) -> None:
    file, moved = tmp_path / "secrets" / "login-link", "http://127.0.0.1:9080"
    async with running_platform(tmp_path):
        link = file.read_text().strip()
    for address in (moved, ISSUER):
        settings = Settings(data=tmp_path / "platform", secrets=tmp_path / "secrets", public_url=address)
        platform = Platform(settings)
        async with platform.running():
            assert file.read_text().strip() == address + link.removeprefix(ISSUER), "the same link, where it is reached"
    async with browser(platform) as http:
        assert (await http.get(link.removeprefix(ISSUER))).status_code == 303
    file.write_text(link + "\n")
    async with running_platform(tmp_path):
        assert file.read_text().strip() not in ("", link), "a spent one is made anew while there is no password"
