"""What the questions of the API have in common: which tags, which span, and bounds that name themselves."""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from penstock.core.times import parse_asked_time
from penstock.platform.kit.problems import Problem, invalid, not_found
from penstock.platform.kit.schemas import INT64_MAX
from penstock.platform.registry.service import TagDirectory, TagRef

TAGS_MAX = 1000
"""Tags of one question: what a page of an app shows at once."""

TagNumber = Annotated[int, Field(ge=1, le=INT64_MAX)]
KeyText = Annotated[str, Field(min_length=1, max_length=700)]
Tags = Annotated[list[TagNumber] | None, Query(alias="tag", max_length=TAGS_MAX, description="tag id, may be repeated")]
Keys = Annotated[list[KeyText] | None, Query(alias="key", max_length=TAGS_MAX, description="tag key, may be repeated")]
_ASSET_ID = r"ast_[A-Za-z0-9_-]+"


def _asset_id(text: str | None) -> str | None:
    if text is None or re.fullmatch(_ASSET_ID, text):
        return text
    kind = "asset_id"
    told = "{text} is no asset id, which looks like ast_k3v…; GET /v1/assets?path=… gives the one of a path"
    raise PydanticCustomError(kind, told, {"text": repr(text)[:120]})


AssetId = Annotated[
    str | None,
    Query(
        alias="asset",
        max_length=512,
        description="all tags of an asset",
        json_schema_extra={"pattern": f"^{_ASSET_ID}$"},
    ),
    AfterValidator(_asset_id),
]
Moment = Annotated[
    str | None, Query(max_length=64, description="RFC 3339, integer ns, `now` or relative such as `2h-ago`")
]


def tags_asked(
    directory: TagDirectory,
    tenant: str,
    tags: Iterable[int] | None,
    *,
    keys: Iterable[str] | None = None,
    asset: str | None = None,
    limit: int = TAGS_MAX,
) -> Mapping[int, TagRef]:
    """Give the tags that were asked for; Problem 404 for one that the tenant does not have, 422 above `limit`."""
    asked = list(dict.fromkeys(tags or ()))
    found = directory.by_id(tenant, asked)
    for tag in asked:
        if tag not in found:
            msg = "tag"
            raise not_found(msg, tag)
    for key in keys or ():
        known = directory.by_key(tenant, key)
        if known is None:
            msg = "tag"
            raise not_found(msg, key)
        found[known.id] = known
    if asset is not None:
        found |= {tag.id: tag for tag in directory.of_asset(tenant, asset)}
    if len(found) > limit:
        msg = f"{len(found)} tags in one question; the limit is {limit}. Ask in parts."
        raise invalid(msg, limit=limit)
    return found


def need_some(tags: Mapping[int, TagRef], asset: str | None = None, *, or_else: str = "") -> None:
    """Raise Problem 422 when nothing was named; `or_else` says what the route takes instead of tags."""
    if not tags and asset is None:
        msg = f"Name at least one tag (tag=, key=){f' or {or_else}' if or_else else ''}."
        raise invalid(msg)


AN_ASSET = "an asset (asset=)"


def moment(text: str | None, default: str, now_ns: int | None = None) -> int:
    """Read a time parameter; Problem 422 that shows the forms."""
    try:
        return parse_asked_time(text if text is not None else default, time.time_ns() if now_ns is None else now_ns)
    except ValueError as error:
        raise invalid(str(error)) from None


def span(start_ns: int, end_ns: int) -> None:
    """Raise Problem 422 when a span ends before it starts."""
    if end_ns < start_ns:
        msg = "end lies before start; a span runs from start (inclusive) to end (exclusive)."
        raise invalid(msg)


def need_reached(position: int, head: int) -> None:
    """Raise Problem 410 for a position that the history has not come to: it is of another one."""
    if position > head:
        message = f"position {position} lies beyond the head, {head}: the history was restored or made anew"
        raise expired(message, 0)


def expired(message: str, oldest: int) -> Problem:
    """Make the 410 of a position that can no longer be followed."""
    return Problem(410, "cursor-expired", message, oldest=oldest)
