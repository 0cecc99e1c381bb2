"""The page is closed to everything but a session of its own, and does nothing on a form from elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.routing import Route
from typer.testing import CliRunner

from penstock.simulators.laboratory.guard import OPEN, cookie_name
from penstock.simulators.laboratory.sessions import LINKS_MAX, SESSIONS_MAX, LINK_s, SESSION_s, Sessions
from penstock.simulators.laboratory.view import CARDS_MAX
from penstock.simulators.main import commands
from penstock.simulators.models.fault import FaultRequest
from tests.builders.laboratory import ASSET, TOKEN, URL, Clock, Laboratory, facts, form_of, store_in

OWN = {"Authorization": f"Bearer {TOKEN}"}
FORM = {"fault": "bearing", "severity": "0.3", "growth": "4", "onset": "0", "law": "linear"}


@pytest.fixture
async def laboratory(tmp_path: Path) -> AsyncIterator[Laboratory]:
    store = store_in(tmp_path)
    yield Laboratory(store)
    store.close()


def closed_routes(laboratory: Laboratory) -> list[tuple[str, str]]:
    found = [
        (method, route.path.replace("{device}", "pump"))
        for route in laboratory.app.routes
        if isinstance(route, Route) and route.path not in OPEN
        for method in sorted(route.methods or ())
    ]
    assert len(found) >= 10
    return found


async def test_without_a_session_every_page_and_deed_is_refused(laboratory: Laboratory) -> None:
    async with laboratory.client() as client:
        for method, path in closed_routes(laboratory):
            none = await client.request(method, path, content="fault=bearing")
            assert none.status_code == 401, (method, path)
            for headers in (OWN, {"Authorization": "Basic YTpi"}):
                wrong = await client.request(method, path, headers=headers)
                assert wrong.status_code == 403, (method, path)
            cookie = await client.request(method, path, headers={"Cookie": f"{cookie_name(URL)}={TOKEN}"})
            assert cookie.status_code == 401, (method, path)
            assert "bearing" not in none.text + cookie.text
        assert (await client.get("/no-such-page")).status_code == 401, "nothing is told of what there is"
        assert (await client.get("/health")).json() == {"status": "ok"}
        assert (await client.get("/static/laboratory.css")).status_code == 200
        for escape in ("/static/../pages.py", "/static/%2e%2e/pages.py"):
            assert (await client.get(escape)).status_code in (401, 404)
    assert laboratory.plant.done == []


async def test_a_link_is_made_for_the_file_s_token_alone_and_lets_in_once(laboratory: Laboratory) -> None:
    async with laboratory.client("http://127.0.0.1:22") as program:
        assert (await program.post("/link")).status_code == 401
        assert (await program.post("/link", headers={"Authorization": "Bearer of-the-platform"})).status_code == 403
        assert (await program.get("/link", headers=OWN)).status_code == 405
        link = (await program.post("/link", headers=OWN)).json()["link"]
    assert link.startswith(f"{URL}/login?token=")
    async with laboratory.client() as browser, laboratory.client() as late:
        entered = await browser.get(link)
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert (await browser.get("/")).status_code == 200
        assert (await late.get(link)).status_code == 403
        assert (await late.get("/")).status_code == 401


async def test_the_cookie_is_for_one_host_name_http_only_and_under_tls_bound_to_it(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async with laboratory.client() as client:
        answer = await client.get("/login", params={"token": laboratory.sessions.new_link()})
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=lax" in said
    assert "domain=" not in said
    outside = Laboratory(laboratory.store, url="https://laboratory.works")
    async with outside.client() as client:
        answer = await client.get("/login", params={"token": outside.sessions.new_link()})
    said = answer.headers["set-cookie"]
    assert said.startswith("__Host-")
    assert "secure" in said.lower()


async def test_another_host_name_is_sent_on_and_may_do_nothing(laboratory: Laboratory) -> None:
    """Pages on 127.0.0.1 would share the cookie with the platform and its apps; a foreign name is a rebound one."""
    async with laboratory.client("http://127.0.0.1:8092") as client:
        sent = await client.get("/machines/pump?fault=bearing")
        assert (sent.status_code, sent.headers["location"]) == (307, f"{URL}/machines/pump?fault=bearing")
        token = laboratory.sessions.new_link()
        assert (await client.get("/login", params={"token": token})).status_code == 307
        assert (await client.post("/machines/pump/inject", data=FORM)).status_code == 421
        assert "set-cookie" not in sent.headers
    assert laboratory.sessions.enter(token) is not None, "the link is not used up by being sent on"


async def test_a_form_injects_clears_and_repairs(laboratory: Laboratory) -> None:
    async with laboratory.logged_in() as client:
        form = {"form": await form_of(client, "/machines/pump")}
        answer = await client.post("/machines/pump/inject", data={**form, **FORM})
        assert (answer.status_code, answer.headers["location"]) == (303, "/machines/pump")
        page = (await client.get("/machines/pump")).text
        assert "bearing is injected." in page
        assert "bearing is injected." not in (await client.get("/machines/pump")).text, "said once"
        for deed in ("clear", "repair"):
            assert (await client.post(f"/machines/pump/{deed}", data={**form, "fault": "bearing"})).status_code == 303
    assert laboratory.plant.done == [
        ("inject", "pump", FaultRequest("bearing", 0.3, 4.0)),
        ("clear", "pump", "bearing"),
        ("repair", "pump", "bearing"),
    ]


async def test_a_form_from_elsewhere_does_nothing(laboratory: Laboratory) -> None:
    posts = [path for method, path in closed_routes(laboratory) if method == "POST"]
    assert len(posts) == 4
    async with laboratory.logged_in() as client, laboratory.logged_in() as other:
        own, foreign = await form_of(client), await form_of(other)
        for path in posts:
            for form in ({}, {"form": ""}, {"form": "guessed"}, {"form": foreign}):
                answer = await client.post(path, data={**FORM, **form})
                assert answer.status_code == 403, (path, form)
            for origin in ("http://127.0.0.1:8082", "http://localhost:8082", "null"):
                answer = await client.post(path, data={**FORM, "form": own}, headers={"Origin": origin})
                assert answer.status_code == 403, (path, origin)
        good = await client.post("/machines/pump/inject", data={**FORM, "form": own}, headers={"Origin": URL})
        assert good.status_code == 303, "the same from here is done, so that the refusals mean something"
        assert (await client.get("/")).status_code == 200, "and a refused logout did not log out"
    assert len(laboratory.plant.done) == 1


async def test_what_is_wrong_with_a_form_stands_above_it_and_what_was_typed_stays(laboratory: Laboratory) -> None:
    async with laboratory.logged_in() as client:
        form = {"form": await form_of(client)}
        answer = await client.post("/machines/pump/inject", data={**form, **FORM, "severity": "7"})
        assert answer.status_code == 422
        assert "severity: input should be less than or equal to 1" in answer.text
        assert 'value="7"' in answer.text
        assert (await client.post("/machines/fan/inject", data={**form, **FORM})).status_code == 404
        assert (await client.get("/machines/fan")).status_code == 404
        long = await client.post("/machines/pump/inject", content=b"a=" + b"x" * 20_000)
        assert long.status_code == 400
    assert laboratory.plant.done == []


async def test_names_from_a_plant_are_text_and_never_markup(laboratory: Laboratory) -> None:
    laboratory.plant.found = [facts(description="<script>alert(1)</script>", asset='works/"><img src=x>')]
    async with laboratory.logged_in() as client:
        for path in ("/", "/machines/pump", "/?q=%3Cscript%3E"):
            page = await client.get(path)
            assert "<script>alert" not in page.text, path
            assert "<img" not in page.text, path
            assert "script-src 'self'" in page.headers["content-security-policy"]
            assert "unsafe" not in page.headers["content-security-policy"]
            assert page.headers["cache-control"] == "no-store"


async def test_an_asset_s_path_leads_to_its_machine(laboratory: Laboratory) -> None:
    laboratory.plant.found = [facts(device="a-sensor", possible=()), facts(device="pump")]
    async with laboratory.logged_in() as client:
        answer = await client.get("/asset", params={"path": ASSET})
        assert answer.headers["location"] == "/machines/pump"
        unknown = await client.get("/asset", params={"path": "works/fan"})
        assert unknown.headers["location"] == "/?q=works/fan"


async def test_a_large_plant_is_cut_and_the_rest_is_found_by_name(laboratory: Laboratory) -> None:
    laboratory.plant.found = [facts(device=f"pump-{number:03}") for number in range(CARDS_MAX + 7)]
    async with laboratory.logged_in() as client:
        page = (await client.get("/")).text
        assert page.count('class="card link"') == CARDS_MAX
        assert "7 more: find them by name." in page
        assert f"{CARDS_MAX + 7} of {CARDS_MAX + 7}" in page, "the figures are of all"
        found = (await client.get("/", params={"q": f"pump-{CARDS_MAX + 6}"})).text
        assert found.count('class="card link"') == 1


async def test_logging_out_ends_the_session(laboratory: Laboratory) -> None:
    async with laboratory.logged_in() as client:
        cookie = client.cookies[cookie_name(URL)]
        answer = await client.post("/logout", data={"form": await form_of(client)})
        assert "You are logged out" in answer.text
        assert (await client.get("/")).status_code == 401
    assert laboratory.sessions.find(cookie) is None


def test_links_and_sessions_end_by_time_and_number() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    link = sessions.new_link()
    clock.now_s += LINK_s
    assert sessions.enter(link) is None
    cookie = sessions.enter(sessions.new_link())
    assert cookie is not None
    assert sessions.find(cookie) is not None
    clock.now_s += SESSION_s
    assert sessions.find(cookie) is None
    first = sessions.new_link()
    links = [sessions.new_link() for _ in range(LINKS_MAX)]
    assert sessions.enter(first) is None, "the oldest goes"
    cookies = [sessions.enter(one) for one in links] + [sessions.enter(sessions.new_link())]
    assert len(cookies) == SESSIONS_MAX + 1
    assert [sessions.find(one or "") is not None for one in cookies] == [False, *[True] * SESSIONS_MAX]


def test_no_secret_is_kept_as_it_is() -> None:
    sessions = Sessions(Clock())
    link = sessions.new_link()
    cookie = sessions.enter(sessions.new_link())
    assert cookie is not None
    held = repr(vars(sessions))
    assert link not in held
    assert cookie not in held


async def test_the_link_command_says_what_is_missing(tmp_path: Path) -> None:
    told = CliRunner().invoke(commands, ["laboratory-link", "--data", str(tmp_path)])
    assert told.exit_code == 1
    assert "PENSTOCK_SIM_LABORATORY_PORT" in told.output
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "laboratory.json").write_text('{"url": "http://127.0.0.1:9"}')
    told = CliRunner().invoke(commands, ["laboratory-link", "--data", str(tmp_path)])
    assert told.exit_code == 1
    assert "no file of the laboratory" in told.output
    (tmp_path / "truth" / "laboratory.json").write_text('{"url": "http://127.0.0.1:9", "token": "t"}')
    told = CliRunner().invoke(commands, ["laboratory-link", "--data", str(tmp_path)])
    assert "gives no link" in told.output
