"""Pages of identity: login, one-time link, logout, password."""

from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, urlencode, urlsplit

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from penstock.platform.identity.endpoints import address_of
from penstock.platform.identity.passwords import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN
from penstock.platform.identity.people import SESSION_S, Login, People
from penstock.platform.identity.rights import cookie_name
from penstock.platform.kit import pages
from penstock.platform.kit.access import Principal, public, session
from penstock.platform.kit.files import secret_path
from penstock.platform.kit.problems import Problem

Next = Annotated[str, Query(max_length=4000)]
FormText = Annotated[str, Form(max_length=4000)]
Password = Annotated[str, Form(max_length=PASSWORD_LENGTH_MAX)]
NO_STORE = {"Cache-Control": "no-store"}


class IdentityPages:
    """Log people in and out by the browser."""

    def __init__(self, people: People, forms: pages.FormGuard, *, issuer: str, secrets: Path) -> None:
        self._people = people
        self._forms = forms
        self._issuer = issuer
        self._secrets = secrets

    def router(self) -> APIRouter:
        """Give the routes; none of them is part of the API."""
        router = APIRouter(include_in_schema=False)
        door = [public("a login form must be seen by who is not logged in")]
        router.get("/login", dependencies=door)(self.login_form)
        router.post("/login", dependencies=door)(self.login)
        router.get("/login/link", dependencies=door)(self.link)
        router.post("/logout")(self.logout)
        router.get("/account")(self.account_form)
        router.post("/account")(self.account)
        return router

    def login_form(self, request: Request, next: Next = "/", out: Annotated[bool, Query()] = False) -> Response:
        """Show the login form; `out` says that a logout led here."""
        return self._form(request, next, done="You are logged out of Penstock and its apps." if out else "")

    def login(
        self, request: Request, name: FormText = "", password: Password = "", next: FormText = "/", form: FormText = ""
    ) -> Response:
        """Log in by name and password."""
        self._forms.check(request, form)
        try:
            login = self._people.log_in(name[:200], password, address_of(request))
        except Problem as problem:
            page = self._form(request, next, error=problem.detail, status=problem.status)
            page.headers.update(problem.headers)
            return page
        if login is None:
            return self._form(request, next, error="Name or password is wrong.", status=401)
        return self._enter(login, next)

    def link(self, request: Request, token: Annotated[str, Query(max_length=100)] = "", next: Next = "/") -> Response:
        """Log in by a one-time link."""
        login = self._people.log_in_by_link(token, address_of(request))
        if login is None:
            message = "This login link was used or is too old. `penstock platform login-link` makes a new one."
            return pages.render(request, "message.html", status=401, title="The link is used up", message=message)
        file = secret_path(self._secrets, "operator", "login-link")
        if file.exists() and token in file.read_text(encoding="utf-8"):
            file.unlink(missing_ok=True)
        return self._enter(login, next)

    def logout(self, request: Request, who: Annotated[Principal | None, session()], form: FormText = "") -> Response:
        """End the session and the tokens that apps got through it."""
        self._forms.check(request, form)
        name = cookie_name(self._issuer)
        if who is not None:
            self._people.log_out(request.cookies[name])
        answer = RedirectResponse("/login?out=true", 303, headers=NO_STORE)
        answer.delete_cookie(name, path="/", secure=name.startswith("__Host-"), httponly=True, samesite="lax")
        return answer

    def account_form(self, request: Request, who: Annotated[Principal | None, session()]) -> Response:
        """Show the form that sets a password."""
        if who is None:
            return RedirectResponse("/login?next=/account", 303, headers=NO_STORE)
        return self._account(request, who)

    def account(
        self,
        request: Request,
        who: Annotated[Principal | None, session()],
        password: FormText = "",
        again: FormText = "",
        form: FormText = "",
    ) -> Response:
        """Set the password of the person who is logged in."""
        self._forms.check(request, form)
        if who is None:
            return RedirectResponse("/login?next=/account", 303, headers=NO_STORE)
        if password != again:
            return self._account(request, who, error="The two are not the same.", status=422)
        try:
            self._people.set_password(who.subject, password, keep_cookie=request.cookies[cookie_name(self._issuer)])
        except Problem as problem:
            return self._account(request, who, error=problem.detail, status=problem.status)
        return self._account(request, who, done="The password is set. Other sessions have ended.")

    def _form(self, request: Request, next: str, *, error: str = "", done: str = "", status: int = 200) -> Response:
        after = _local(next)
        cookie, field = self._forms.field(request)
        page = pages.render(
            request, "login.html", status=status, form_targets=_targets(after), next=after, form=field,
            error=error, done=done,
        )  # fmt: skip
        self._forms.set_cookie(page, cookie)
        return page

    def _account(
        self, request: Request, who: Principal, *, error: str = "", done: str = "", status: int = 200
    ) -> Response:
        cookie, field = self._forms.field(request)
        page = pages.render(
            request, "account.html", status=status, who=who, form=field, error=error, done=done,
            length_min=PASSWORD_LENGTH_MIN, length_max=PASSWORD_LENGTH_MAX,
        )  # fmt: skip
        self._forms.set_cookie(page, cookie)
        return page

    def _enter(self, login: Login, next: str) -> Response:
        answer = RedirectResponse(_local(next), 303, headers=NO_STORE)
        name = cookie_name(self._issuer)
        answer.set_cookie(
            name,
            login.cookie,
            max_age=SESSION_S,
            path="/",
            httponly=True,
            samesite="lax",
            secure=name.startswith("__Host-"),
        )
        return answer


def _local(target: str) -> str:
    """Give the target when it is a path of this site, else `/`: no open redirect."""
    parts = urlsplit(target)
    plain = target.startswith("/") and not target.startswith("//") and "\\" not in target
    if not plain or parts.scheme or parts.netloc or any(ord(letter) < 33 for letter in target):
        return "/"
    return parts.path + (f"?{urlencode(parse_qs(parts.query), doseq=True)}" if parts.query else "")


def _targets(after: str) -> tuple[str, ...]:
    """Give the app's origin when the login goes on to it; browsers check form-action over redirects too."""
    if not after.startswith("/oauth/authorize?"):
        return ()
    found = pages.origin(parse_qs(urlsplit(after).query).get("redirect_uri", [""])[0])
    safe = found and not set(found) & set(" ;,'\"")
    return (found,) if safe else ()
