"""Who may see the page: one-time links become sessions; each session has a token that its forms carry.

Nothing else opens the page. Secrets are kept as SHA-256 alone, in memory: who starts the simulators anew needs a new
link.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

LINK_s: Final = 24 * 3600.0
SESSION_s: Final = 12 * 3600.0
LINKS_MAX: Final = 20
SESSIONS_MAX: Final = 20
"""The oldest goes first."""


@dataclass(slots=True)
class Session:
    """A browser that is logged in. `notice` is what its next page says once: (tone, text)."""

    until_s: float
    form: str = field(repr=False)
    notice: tuple[str, str] | None = None


class Sessions:
    """Hold links that wait and sessions that last. `now_s` is a clock that never goes back."""

    def __init__(
        self, now_s: Callable[[], float], random_text: Callable[[], str] = lambda: secrets.token_urlsafe(32)
    ) -> None:
        self._now_s, self._random_text = now_s, random_text
        self._links: OrderedDict[bytes, float] = OrderedDict()
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def new_link(self) -> str:
        """Make the token of a one-time link."""
        token = self._random_text()
        self._links[_hashed(token)] = self._now_s() + LINK_s
        while len(self._links) > LINKS_MAX:
            self._links.popitem(last=False)
        return token

    def enter(self, token: str) -> str | None:
        """Use a link up; give the cookie of a new session, None where the link is unknown, used or too old."""
        until_s = self._links.pop(_hashed(token), None)
        if until_s is None or until_s <= self._now_s():
            return None
        cookie = self._random_text()
        self._sessions[_hashed(cookie)] = Session(self._now_s() + SESSION_s, self._random_text())
        while len(self._sessions) > SESSIONS_MAX:
            self._sessions.popitem(last=False)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """Give the session of a cookie while it lasts."""
        session = self._sessions.get(_hashed(cookie))
        if session is None or session.until_s <= self._now_s():
            return None
        return session

    def leave(self, cookie: str) -> None:
        """End a session."""
        self._sessions.pop(_hashed(cookie), None)


def is_form_of(session: Session, given: str) -> bool:
    """Say whether a form was made for this session."""
    return hmac.compare_digest(session.form.encode(), given.encode())


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
