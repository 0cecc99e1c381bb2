"""A request as the fake platform's routes see it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from penstock.core.times import parse_asked_time
from penstock.sdk.testing.problem import Refused


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: a person or an app, with scopes (None: all)."""

    kind: str
    name: str
    scopes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    request: httpx.Request
    principal: Principal
    now_ns: int
    path: tuple[str, ...]

    def all(self, name: str) -> list[str]:
        """Give every value of a query parameter."""
        return self.request.url.params.get_list(name)

    def one(self, name: str, default: str | None = None) -> str | None:
        """Give one value of a query parameter."""
        value = self.request.url.params.get(name, default)
        return None if value is None else str(value)

    def time(self, name: str, default: str) -> int:
        """Give a time parameter in ns."""
        text = self.one(name, default) or default
        try:
            return parse_asked_time(text, self.now_ns)
        except ValueError as wrong:
            raise Refused(422, "invalid-parameter", f"{name}: {wrong}") from wrong

    def number(self, name: str, default: int) -> int:
        """Give an integer parameter."""
        text = self.one(name)
        try:
            return default if text is None else int(text)
        except ValueError as wrong:
            raise Refused(422, "invalid-parameter", f"{name}: {text!r} is not a whole number") from wrong

    def body(self) -> Any:
        """Give the JSON body."""
        try:
            return json.loads(self.request.content or b"{}")
        except ValueError as wrong:
            raise Refused(400, "not-json", f"the body is not JSON: {wrong}") from wrong


def paged(call: Call, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Cut a list into the page asked for."""
    limit, first = call.number("limit", 100), 0
    if not 1 <= limit <= 1000:
        raise Refused(422, "invalid-parameter", f"limit: {limit} is not between 1 and 1000")
    cursor = call.one("cursor")
    if cursor:
        first = int(open_cursor(cursor)["first"])
    last = first + limit
    return {"items": list(items[first:last]), "next": seal_cursor({"first": last}) if last < len(items) else None}


def seal_cursor(inside: dict[str, Any]) -> str:
    """Make an opaque cursor."""
    return base64.urlsafe_b64encode(json.dumps(inside).encode()).decode()


def open_cursor(cursor: str) -> dict[str, Any]:
    """Read a cursor of ours."""
    try:
        inside = json.loads(base64.urlsafe_b64decode(cursor))
    except ValueError as wrong:
        raise Refused(400, "invalid-cursor", "the cursor is not one of ours") from wrong
    assert isinstance(inside, dict)
    return inside
