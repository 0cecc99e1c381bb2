"""The app framework: a NiceGUI app with the platform's login, a client per person and one of its own.

Theory of operation. A page asks for the session of the browser's cookie; without one the browser goes to the platform's
authorize endpoint and returns with a code, which is exchanged server-side. Tokens never reach the browser. What a
person does goes with that person's token; background tasks use the app's client credentials.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

import httpx
from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from nicegui import app as nicegui_app
from nicegui import ui
from nicegui.storage import Storage

from penstock.core.settings import settings_of, unknown_settings
from penstock.sdk.app.context import Context
from penstock.sdk.app.headers import SecurityHeaders
from penstock.sdk.app.login import LoginError, Logins
from penstock.sdk.app.pages import PageBody, bind
from penstock.sdk.app.sessions import SESSION_AGE_MAX_S, Session, Sessions
from penstock.sdk.app.settings import AppSettings
from penstock.sdk.app.standing import Standing, cure_of
from penstock.sdk.app.supervision import Supervisor
from penstock.sdk.app.theme import Theme
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.authorities import trust_for
from penstock.sdk.credentials import ClientCredentials, PersonToken
from penstock.sdk.errors import ApiError, ClientError, CredentialError, UnauthorizedError
from penstock.sdk.manifest import CALLBACK_PATH, Manifest, load_manifest
from penstock.sdk.private_files import storage_secret
from penstock.sdk.simulated import SimulatedPlatform, simulated_platform

log = logging.getLogger("penstock.sdk.app")

LOGIN_PATH = "/oauth/login"
LOGGED_OUT = "/login?out=true"
"""The platform's login page, which says that the person is logged out; its start page where that failed."""
PAGE_TIMEOUT_S = 20.0  # a page may wait for a busy platform's retries before it is drawn
TaskFunction = TypeVar("TaskFunction", bound=Callable[[AsyncClient], Awaitable[None]])


class App:
    """An app of the platform; `source` is its manifest, the folder of it, or `__file__` of a module beside it."""

    def __init__(self, source: str | Path, *, settings: AppSettings | None = None, theme: Theme | None = None) -> None:
        self.manifest: Manifest = load_manifest(source)
        self._source = source
        self.settings = settings or settings_of(AppSettings)
        self.theme = theme or Theme()
        self.supervisor = Supervisor()
        self._sessions = Sessions()
        self._simulated: SimulatedPlatform | None = simulated_platform()
        self._background: AsyncClient | None = None
        self._logins: Logins | None = None
        self._client_credentials: ClientCredentials | None = None
        self._routes()

    @property
    def background(self) -> AsyncClient:
        """Give the app's own client, with its client credentials."""
        if self._background is None:
            self._background = self._simulated.client() if self._simulated else self._connect(self.credentials)
        return self._background

    @property
    def credentials(self) -> ClientCredentials:
        """Give the app's own credential, from the file that PENSTOCK_APP_CREDENTIALS names."""
        if self._client_credentials is None:
            if self.settings.credentials is None:
                message = (
                    f"{self.manifest.id} has no credential: start it with `penstock app run {self.manifest.id}`, "
                    "or set PENSTOCK_APP_CREDENTIALS to the file that the platform made"
                )
                raise CredentialError(message)
            self._client_credentials = ClientCredentials.from_file(self.settings.credentials)
        return self._client_credentials

    def page(self, path: str, **options: Any) -> Callable[[PageBody], PageBody]:
        """Make a page of a function whose first parameter is the Context; options go to NiceGUI's `ui.page`."""

        def decorate(function: PageBody) -> PageBody:
            options.setdefault("response_timeout", PAGE_TIMEOUT_S)
            options.setdefault("title", self.manifest.name)
            ui.page(path, **options)(bind(function, self._enter))
            return function

        return decorate

    def task(self, function: TaskFunction) -> TaskFunction:
        """Run `async def function(client)` in the background with the app's own client; restarted when it fails."""

        async def body() -> None:
            await function(self.background)

        self.supervisor.add(function.__name__, body)
        return function

    def run(self) -> None:
        """Serve until stopped."""
        if unknown := unknown_settings(AppSettings, os.environ):
            log.warning("%s", unknown)
        folder = Path(mkdtemp(prefix="penstock-app-")) if self._simulated else self.settings.data_of(self.manifest)
        Storage.path = folder / "ui"
        if not self._simulated:
            self._prepare_logins()
        nicegui_app.add_middleware(SecurityHeaders)
        nicegui_app.on_startup(self.supervisor.start)
        nicegui_app.on_shutdown(self._shutdown)
        ui.run(
            host=self.settings.host,
            port=self.settings.port_of(self.manifest),
            title=self.manifest.name,
            dark=None,
            reload=False,
            show=False,
            show_welcome_message=False,
            storage_secret=storage_secret(folder),
            session_middleware_kwargs={"session_cookie": self._cookie("ui"), "same_site": "lax"},
        )

    def _prepare_logins(self) -> None:
        self._logins = Logins(
            self.credentials,
            authorize_url=f"{self.settings.browser_platform_url}/oauth/authorize",
            callback_url=self.settings.callback_of(self.manifest),
            scope=" ".join(self.manifest.user_scopes),
        )
        cure = cure_of(self.manifest, self._source)
        standing = Standing(self.credentials, platform_url=self.settings.platform_url, cure=cure)
        self.supervisor.add("credential check", standing.run)

    def _routes(self) -> None:
        nicegui_app.get("/health")(self._health)
        nicegui_app.get(LOGIN_PATH)(self._begin_login)
        nicegui_app.get(CALLBACK_PATH)(self._finish_login)
        nicegui_app.get("/logout")(self._logout)

    async def _enter(self, request: Request, body: Callable[[Context], Awaitable[Any]]) -> Any:
        session = await self._session(request)
        if session is None:
            return self._to_login(request)
        try:
            return await body(self._context(session))
        except (CredentialError, UnauthorizedError):
            self._sessions.drop(request.cookies.get(self._cookie("session")))
            return self._to_login(request)

    async def _session(self, request: Request) -> Session | None:
        if self._simulated:
            client = self._simulated.client()
            return Session(client, await client.me(), time.time())
        return self._sessions.get(request.cookies.get(self._cookie("session")), time.time())

    def _context(self, session: Session) -> Context:
        return Context(
            client=session.client,
            background=self.background,
            me=session.me,
            theme=self.theme,
            app_name=self.manifest.name,
            platform_url=self.settings.browser_platform_url,
        )

    def _to_login(self, request: Request) -> RedirectResponse:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        query = httpx.QueryParams({"next": wanted})
        return RedirectResponse(f"{self.settings.url_of(self.manifest)}{LOGIN_PATH}?{query}", status_code=303)

    async def _begin_login(self, next: str = "/") -> Response:
        assert self._logins is not None, "login routes are served after run()"
        state, address = self._logins.begin(next, time.time())
        answer = RedirectResponse(address, status_code=303)
        self._set_cookie(answer, "login", state, max_age_s=600)
        return answer

    async def _finish_login(
        self, request: Request, state: str = "", code: str = "", error: str = "", error_description: str = ""
    ) -> Response:
        assert self._logins is not None, "login routes are served after run()"
        try:
            pending = self._logins.finish(state, request.cookies.get(self._cookie("login")), time.time())
            if error or not code:
                message = f"the platform declined the login: {error_description or error or 'no code came back'}"
                raise LoginError(message)
            key = await self._open_session(code, pending.verifier)
        except (LoginError, ApiError) as failed:
            return self._login_failed(failed)
        answer = RedirectResponse(pending.next_path, status_code=303)
        self._set_cookie(answer, "session", key, max_age_s=int(SESSION_AGE_MAX_S))
        answer.delete_cookie(self._cookie("login"), path="/")
        return answer

    async def _open_session(self, code: str, verifier: str) -> str:
        assert self._logins is not None
        url = self.settings.platform_url
        async with httpx.AsyncClient(base_url=url, timeout=30.0, verify=trust_for(url)) as http:
            tokens = await self._logins.exchange(http, code, verifier, time.time())
        client = self._connect(PersonToken(tokens, self.credentials))
        return await self._sessions.add(Session(client, await client.me(), time.time()))

    def _login_failed(self, failed: ClientError) -> Response:
        text = failed.detail if isinstance(failed, ApiError) else str(failed)
        return Response(
            f"{self.manifest.name}: the login failed: {text}\n\nTry again: {self.settings.url_of(self.manifest)}/\n",
            status_code=400,
            media_type="text/plain",
        )

    async def _logout(self, request: Request) -> Response:
        """End the app's session and the platform's behind it: who logs out here is logged out of every app."""
        if request.headers.get("sec-fetch-site") == "cross-site":  # a link elsewhere must not log people out
            return RedirectResponse(f"{self.settings.url_of(self.manifest)}/", status_code=303)
        session = self._sessions.drop(request.cookies.get(self._cookie("session")))
        ended = session is not None and await self._end_login(session)
        answer = RedirectResponse(self.settings.browser_platform_url + (LOGGED_OUT if ended else "/"), status_code=303)
        answer.delete_cookie(self._cookie("session"), path="/")
        return answer

    async def _end_login(self, session: Session) -> bool:
        """Revoke the person's tokens with the platform session behind them; False where the platform did not say so."""
        credential = session.client.transport.credential
        tokens = credential.tokens if isinstance(credential, PersonToken) else None
        ended = False
        if tokens is not None and tokens.refresh:
            client_id, client_secret = self.credentials.basic
            form = {"token": tokens.refresh, "client_id": client_id, "client_secret": client_secret}
            with suppress(httpx.TransportError):  # platform away: the tokens end by their own age
                answer = await session.client.transport.http.post("/oauth/revoke", data=form | {"end_session": "true"})
                ended = answer.is_success
        await session.client.aclose()
        return ended

    async def _health(self) -> JSONResponse:
        tasks = {
            name: {"state": s.state, "restarts": s.restarts, "failure": s.failure}
            for name, s in self.supervisor.states.items()
        }
        return JSONResponse({"status": "ok", "app": self.manifest.id, "tasks": tasks})

    async def _shutdown(self) -> None:
        await self.supervisor.stop()
        await self._sessions.aclose()
        if self._background is not None:
            await self._background.aclose()

    def _connect(self, credential: ClientCredentials | PersonToken) -> AsyncClient:
        return AsyncClient(self.settings.platform_url, credentials=credential)

    def _cookie(self, what: str) -> str:
        return f"penstock_{self.manifest.id}_{what}"

    def _set_cookie(self, answer: Response, what: str, value: str, *, max_age_s: int) -> None:
        set_cookie = partial(answer.set_cookie, self._cookie(what), value, max_age=max_age_s, path="/")
        set_cookie(httponly=True, samesite="lax", secure=self.settings.url_of(self.manifest).startswith("https:"))
