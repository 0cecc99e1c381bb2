"""The laboratory's pages: the plant, a machine, and the forms that break, clear and repair.

Every route but those of `guard.OPEN` needs a session; every form carries that session's token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from penstock.simulators.laboratory import chart, timeline, view
from penstock.simulators.laboratory.episodes import Alarm, Episode, detection, episodes
from penstock.simulators.laboratory.facts import DeviceFacts, History, Plant
from penstock.simulators.laboratory.forms import DEFAULTS, BODY_MAX_bytes, FormError, read_form, read_injection
from penstock.simulators.laboratory.guard import (
    AGAIN,
    Guard,
    bearer_is,
    cookie_name,
    cookie_of,
    origin_of,
    problem,
    refused,
)
from penstock.simulators.laboratory.platform_alarms import PlatformAlarms
from penstock.simulators.laboratory.rendering import STATIC, render
from penstock.simulators.laboratory.sessions import Session, SESSION_s, Sessions, is_form_of
from penstock.simulators.models.fault import FaultError, Law

THEME_COOKIE: Final = "penstock_laboratory_theme"
THEMES: Final = ("dark", "light")
SEARCH_FROM: Final = 12
"""From so many devices on there is a search."""
Form = Mapping[str, str]
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the pages are made of. `token` opens POST /link alone; `alarms` is None where no platform is named."""

    plant: Plant
    history: History
    sessions: Sessions
    token: str
    public_url: str
    alarms: PlatformAlarms | None = None


def laboratory_app(parts: Parts) -> Starlette:
    """Make the pages behind their guard."""
    door, pages, deeds = Door(parts), Pages(parts), Deeds(parts)
    routes = [
        Route("/health", door.health),
        Route("/link", door.link, methods=["POST"]),
        Route("/login", door.login),
        Route("/logout", _posted(door.logout), methods=["POST"]),
        Route("/", pages.overview),
        Route("/asset", pages.asset),
        Route("/machines/{device}", pages.machine),
        Route("/machines/{device}/inject", _posted(deeds.inject), methods=["POST"]),
        Route("/machines/{device}/clear", _posted(deeds.clear), methods=["POST"]),
        Route("/machines/{device}/repair", _posted(deeds.repair), methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    guard = Middleware(Guard, sessions=parts.sessions, public_url=parts.public_url)
    return Starlette(routes=routes, middleware=[guard])


def _posted(act: Callable[[Request, Session, Form], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Read a form and hand it on only where it was made for the session that sends it."""

    async def endpoint(request: Request) -> Response:
        session = _session(request)
        try:
            form = read_form(await _body(request))
        except FormError as error:
            return refused(400, "That form is not understood", str(error))
        if not is_form_of(session, form.get("form", "")):
            return refused(
                403, "This form is not from here", "It is too old, or of another session: load the page again."
            )
        return await act(request, session, form)

    return endpoint


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_MAX_bytes:
            break
    return body


def _session(request: Request) -> Session:
    session = request.state.session
    assert isinstance(session, Session), "the guard lets nobody in without one"
    return session


class Door:
    """Let people in and out."""

    def __init__(self, parts: Parts) -> None:
        self._sessions, self._token, self._url = parts.sessions, parts.token, parts.public_url

    async def health(self, request: Request) -> Response:
        """Say that the page is there."""
        return JSONResponse({"status": "ok"})

    async def link(self, request: Request) -> Response:
        """Make a one-time link, for who can read laboratory.json."""
        if "authorization" not in request.headers:
            return problem(401, "the token stands in truth/laboratory.json in the simulators' data folder")
        if not bearer_is(request, self._token):
            return problem(403, "this is not the laboratory's token; it stands in truth/laboratory.json")
        return JSONResponse({"link": f"{origin_of(self._url)}/login?token={self._sessions.new_link()}"}, 201)

    async def login(self, request: Request) -> Response:
        """Use a link up."""
        cookie = self._sessions.enter(request.query_params.get("token", ""))
        if cookie is None:
            return refused(403, "The link is used up", f"It was used, or is too old. {AGAIN}")
        answer = RedirectResponse("/", 303)
        name = cookie_name(self._url)
        answer.set_cookie(
            name, cookie, max_age=int(SESSION_s), httponly=True, samesite="lax", secure=name.startswith("__Host-")
        )
        return answer

    async def logout(self, request: Request, session: Session, form: Form) -> Response:
        """End the session."""
        name = cookie_name(self._url)
        self._sessions.leave(cookie_of(request, name))
        answer = render("message.html", title="You are logged out", why=AGAIN, theme="")
        answer.delete_cookie(name, httponly=True, samesite="lax", secure=name.startswith("__Host-"))
        return answer


class Pages:
    """Show the plant and its machines."""

    def __init__(self, parts: Parts) -> None:
        self._plant, self._history, self._alarms = parts.plant, parts.history, parts.alarms

    async def overview(self, request: Request) -> Response:
        """Show all machines, what the platform saw of their faults, and all that happened."""
        devices, now_ns = self._plant.devices(), self._plant.now_ns()
        wanted = request.query_params.get("q", "")[:100]
        alarms = self._known_alarms()

        def read() -> Values:
            events = self._history.last_events()
            found = episodes(events)
            return {
                "tiles": view.tiles(view.sorted_cards(devices), _seen(found, alarms)),
                "moments": timeline.moments(found, alarms, self._history, now_ns=now_ns),
                "entries": timeline.entries(events, alarms or (), now_ns=now_ns),
            }

        values = await asyncio.to_thread(read)
        cards = view.sorted_cards(devices, wanted)
        return render(
            "overview.html",
            **self._frame(request),
            **values,
            cards=cards[: view.CARDS_MAX],
            more=len(cards) - view.CARDS_MAX,
            q=wanted,
            search=len(devices) >= SEARCH_FROM or bool(wanted),
        )

    async def asset(self, request: Request) -> Response:
        """Go to the machine of an asset, by its path: where the maintenance app leads to."""
        path = request.query_params.get("path", "")
        found = [one for one in self._plant.devices() if one.asset == path]
        machine = next((one for one in found if one.is_machine), found[0] if found else None)
        if machine is None:
            return RedirectResponse(f"/?q={quote(path[:100])}", 303)
        return RedirectResponse(f"/machines/{quote(machine.device)}", 303)

    async def machine(self, request: Request) -> Response:
        """Show one device."""
        return await self.show(request)

    async def show(
        self, request: Request, *, given: Form | None = None, error: str = "", status: int = 200
    ) -> Response:
        """Show a device with its form; `given` is what was typed in before, `error` what was wrong with it."""
        name = request.path_params["device"]
        facts = next((one for one in self._plant.devices() if one.device == name), None)
        if facts is None:
            return refused(404, "No such device runs here", f"{name[:63]!r} is not simulated, or not any more.")
        typed = {**DEFAULTS, "fault": "", "tag": "", **request.query_params, **(given or {})}
        values = await asyncio.to_thread(self._read, facts, self._plant.now_ns(), self._known_alarms())
        return render(
            "machine.html",
            status=status,
            **self._frame(request),
            **values,
            card=view.card(facts),
            rows=view.fault_rows(facts),
            choices=view.choices(facts),
            sensors=facts.sensors,
            hidden=view.hidden(facts),
            laws=list(Law),
            typed=typed,
            error=error,
        )

    def _read(self, facts: DeviceFacts, now_ns: int, alarms: Sequence[Alarm] | None) -> Values:
        events = self._history.last_events(device=facts.device)
        found = episodes(events)
        span = chart.window(found, now_ns)
        states = (
            self._history.thinned(facts.device, start_ns=span[0], end_ns=span[1], points=chart.POINTS) if span else []
        )
        if facts.truth is not None and states:
            states.append(facts.truth)  # newer than what was noted last
        return {
            "moments": timeline.moments(found, alarms, self._history, now_ns=now_ns),
            "entries": timeline.entries(events, alarms or (), now_ns=now_ns, assets=frozenset({facts.asset})),
            "chart": chart.chart(found, states, alarms or (), now_ns=now_ns),
        }

    def _known_alarms(self) -> Sequence[Alarm] | None:
        if self._alarms is None:
            return None
        self._alarms.look()
        return self._alarms.alarms

    def _frame(self, request: Request) -> Values:
        session = _session(request)
        notice, session.notice = session.notice, None
        theme = request.cookies.get(THEME_COOKIE, "")
        return {
            "theme": theme if theme in THEMES else "",
            "form": session.form,
            "notice": notice,
            "platform_url": self._alarms.url if self._alarms is not None else "",
            "platform_problem": self._alarms.problem if self._alarms is not None else "",
        }


def _seen(found: Sequence[Episode], alarms: Sequence[Alarm] | None) -> tuple[int, int] | None:
    if alarms is None:
        return None
    lasting = [one for one in found if one.lasts]
    seen = [detection(one, alarms) for one in lasting]
    return sum(one is not None and not one.stood for one in seen), len(lasting)


class Deeds:
    """Break, clear, repair."""

    def __init__(self, parts: Parts) -> None:
        self._plant, self._pages = parts.plant, Pages(parts)

    async def inject(self, request: Request, session: Session, form: Form) -> Response:
        """Start a fault."""
        device = request.path_params["device"]
        try:
            wanted = read_injection(form)
            self._plant.inject(device, wanted)
        except (FormError, FaultError) as error:
            said = error.message if isinstance(error, FaultError) else str(error)
            return await self._pages.show(request, given=form, error=said, status=422)
        when = f", it begins in {wanted.onset_s:g} s" if wanted.onset_s else ""
        return _back(session, device, f"{wanted.fault} is injected{when}.")

    async def clear(self, request: Request, session: Session, form: Form) -> Response:
        """Take a fault back."""
        return await self._end(request, session, form, act=self._plant.clear, said="cleared, as if it had never been")

    async def repair(self, request: Request, session: Session, form: Form) -> Response:
        """Put a new part in."""
        return await self._end(request, session, form, act=self._plant.repair, said="repaired")

    async def _end(
        self, request: Request, session: Session, form: Form, *, act: Callable[[str, str], None], said: str
    ) -> Response:
        device, fault = request.path_params["device"], form.get("fault", "")[:160]
        try:
            act(device, fault)
        except FaultError as error:
            return await self._pages.show(request, error=error.message, status=422)
        return _back(session, device, f"{fault} is {said}.")


def _back(session: Session, device: str, said: str) -> Response:
    session.notice = ("good", said)
    return RedirectResponse(f"/machines/{quote(device)}", 303)
