"""Paging: opaque cursors and the shape of every list."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from penstock.platform.kit.problems import Problem

LIMIT_DEFAULT = 100
LIMIT_MAX = 1000
CURSOR_LENGTH_MAX = 512

Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="items a page")]
Cursor = Annotated[
    str | None,
    Query(max_length=CURSOR_LENGTH_MAX, pattern=r"^[A-Za-z0-9_-]*$", description="`next` of the page before"),
]


class Page(BaseModel, Generic[Item]):
    """Hold one page of a list; `next` is null at its end."""

    items: list[Item] = Field(max_length=LIMIT_MAX)
    next: str | None = Field(None, max_length=CURSOR_LENGTH_MAX)


def encode_cursor(*keys: int | float | str | None) -> str:
    """Pack the sort keys of the last item of a page."""
    raw = json.dumps(keys, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_cursor(cursor: str, *kinds: type) -> tuple[Any, ...]:
    """Unpack a cursor; Problem 400 when it is not one made by `encode_cursor` with keys of these kinds.

    A cursor is not a right: queries filter by tenant whatever it says.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        keys = json.loads(base64.b64decode(padded.encode(), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise _broken() from None
    if not isinstance(keys, list) or len(keys) != len(kinds):
        raise _broken()
    if any(type(key) is not kind for key, kind in zip(keys, kinds, strict=True)):
        raise _broken()
    if any(isinstance(key, int) and abs(key) >= 2**63 for key in keys):
        raise _broken()
    return tuple(keys)


def page_of(rows: list[Any], limit: int, *keys: str) -> tuple[list[Any], str | None]:
    """Cut `limit + 1` fetched rows to a page and its next cursor, made of the last row's attributes `keys`."""
    if len(rows) <= limit:
        return rows, None
    shown = rows[:limit]
    return shown, encode_cursor(*(getattr(shown[-1], key) for key in keys))


def page_within(items: Sequence[Item], limit: int, cursor: str | None) -> Page[Item]:
    """Give a page of a list that is whole in memory, in its order; Problem 400 where the cursor's `id` is not in it."""
    first = 0
    if cursor:
        behind = decode_cursor(cursor, str)[0]
        first = next((place + 1 for place, item in enumerate(items) if _id(item) == behind), -1)
        if first < 0:
            raise _broken()
    shown = items[first : first + limit]
    return Page(items=list(shown), next=encode_cursor(_id(shown[-1])) if first + limit < len(items) else None)


def _id(item: object) -> str:
    return str(getattr(item, "id"))  # noqa: B009 (items of any model)


def _broken() -> Problem:
    return Problem(
        400, "bad-cursor", "The cursor is not one of this list. Take `next` of a page as it is, or leave it out."
    )
