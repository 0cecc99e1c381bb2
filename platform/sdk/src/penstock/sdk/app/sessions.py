"""Browser sessions of an app, in memory: a restart asks the platform again, which answers without a form."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from penstock.sdk.async_client import AsyncClient
from penstock.sdk.models import Me

SESSIONS_MAX = 1000  # each holds a client with its connections; the longest unused ends first
SESSION_AGE_MAX_S = 12 * 3600.0  # a shift; the platform's own rights are checked at each request anyway


@dataclass(slots=True)
class Session:
    """A logged-in person in one browser."""

    client: AsyncClient
    me: Me
    begun_s: float


class Sessions:
    """Find the session of a cookie; bounded in number and age."""

    def __init__(self, *, random_text: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> None:
        self._random_text = random_text
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    async def add(self, session: Session) -> str:
        """Keep a session and give the secret for its cookie."""
        key = self._random_text()
        self._sessions[key] = session
        while len(self._sessions) > SESSIONS_MAX:
            _, oldest = self._sessions.popitem(last=False)
            await oldest.client.aclose()
        return key

    def get(self, key: str | None, now_s: float) -> Session | None:
        """Give the session of a cookie, None where there is none or it is too old."""
        session = self._sessions.get(key) if key else None
        if session is None or key is None:
            return None
        if now_s - session.begun_s > SESSION_AGE_MAX_S:
            del self._sessions[key]
            return None
        self._sessions.move_to_end(key)
        return session

    def drop(self, key: str | None) -> Session | None:
        """End a session."""
        return self._sessions.pop(key, None) if key else None

    async def aclose(self) -> None:
        """End all."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.client.aclose()
