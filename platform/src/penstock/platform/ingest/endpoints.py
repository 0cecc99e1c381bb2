"""Routes of ingest: the door itself, uplink sessions, the list of gateways."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from pydantic import ValidationError

from penstock.core.frames import REQUEST_MAX_BYTES
from penstock.platform.ingest.errors import too_large
from penstock.platform.ingest.gateways import Uplinks
from penstock.platform.ingest.schemas import (
    FramesAnswer,
    GatewayItem,
    HoldingInput,
    Samples,
    SessionInput,
    SessionOutput,
    Taken,
    Written,
)
from penstock.platform.ingest.service import Ingest
from penstock.platform.kit.access import Principal, requires
from penstock.platform.kit.paging import Cursor, Limit, Page, page_within
from penstock.platform.kit.problems import Problem, forbidden, invalid

FRAMES = "application/vnd.penstock.frames"
ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
NOT_FINITE = (
    "no finite number: JSON has no NaN and no Infinity, and float64 ends at 1.8e308. Send null for no value, with a "
    'status that says why (2147483648: Bad); where such a value is meant, the text "NaN", "Infinity" or "-Infinity".'
)
WRITING = ("ingest", "samples:write", "samples:import", "samples:replace")

Session = Annotated[int | None, Header(alias="Penstock-Session", ge=0, le=2**63 - 1)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
Import = Annotated[
    bool, Query(alias="import", description="history of tags that others own, as Arrow; needs samples:import")
]
Replace = Annotated[
    bool,
    Query(alias="replace", description="samples take the place of other ones at the same times; needs samples:replace"),
]


class IngestEndpoints:
    """One door for all that writes samples."""

    def __init__(self, ingest: Ingest, uplinks: Uplinks) -> None:
        self._ingest = ingest
        self._uplinks = uplinks

    def router(self) -> APIRouter:
        """Give the routes."""
        router = APIRouter(prefix="/v1")
        body = {
            "required": True,
            "content": {
                FRAMES: {"schema": {"type": "string", "format": "binary"}},
                ARROW: {"schema": {"type": "string", "format": "binary"}},
                JSON: {"schema": Samples.model_json_schema(ref_template="#/components/schemas/{model}")},
            },
        }
        router.post("/ingest", tags=["ingest"], openapi_extra={"requestBody": body})(self.ingest)
        router.post("/gateways/session", tags=["gateways"])(self.session)
        router.post("/gateways/holding", tags=["gateways"])(self.holding)
        router.get("/gateways", tags=["gateways"])(self.gateways)
        return router

    async def ingest(
        self,
        request: Request,
        principal: Annotated[Principal, requires(*WRITING)],
        session: Session = None,
        key: Key = None,
        importing: Import = False,
        replacing: Replace = False,
    ) -> FramesAnswer | Written:
        """Take samples; answered after they are on disk. Frames from gateways, JSON or Arrow from small writers."""
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if importing and kind != ARROW:
            detail = f"Content-Type is {kind[:80] or 'absent'}; import=true takes {ARROW} alone."
            raise Problem(415, "media-type", detail)
        if replacing and kind not in (JSON, ARROW):
            detail = f"Content-Type is {kind[:80] or 'absent'}; replace=true takes {ARROW} or {JSON}."
            raise Problem(415, "media-type", detail)
        if kind == FRAMES:
            _need(principal, "ingest")
            gateway = await self._ingest.check_session(principal, session)
            return await self._ingest.frames(principal, gateway, await read_body(request))
        if kind not in (JSON, ARROW):
            detail = f"Content-Type is {kind[:80] or 'absent'}; send {FRAMES}, {ARROW} or {JSON}."
            raise Problem(415, "media-type", detail)
        for scope in _scopes(importing=importing, replacing=replacing):
            _need(principal, scope)
        if key is None:
            detail = "Send an Idempotency-Key header: a new one with new samples, the same one at a retry."
            raise Problem(400, "idempotency-key-needed", detail)
        content = await read_body(request)
        if kind == ARROW:
            return await self._ingest.arrow(principal, key, content, importing=importing, replacing=replacing)
        return await self._ingest.json(principal, key, _samples(content), body=content, replacing=replacing)

    async def session(self, principal: Annotated[Principal, requires("ingest")], body: SessionInput) -> SessionOutput:
        """Grant the next uplink session to the gateway and say what the historian holds of its epochs."""
        if principal.gateway_id is None:
            msg = "Uplink sessions are for gateways; enrol one."
            raise forbidden(msg)
        return await self._uplinks.grant(principal.gateway_id, body)

    async def holding(
        self, principal: Annotated[Principal, requires("ingest")], body: HoldingInput, session: Session = None
    ) -> Taken:
        """Take what a gateway states of its journal, for who asks whether all is stored; under its newest session."""
        gateway = await self._ingest.check_session(principal, session)
        return self._uplinks.state_holding(gateway, body)

    async def gateways(
        self, principal: Annotated[Principal, requires("gateways:read")], limit: Limit = 100, cursor: Cursor = None
    ) -> Page[GatewayItem]:
        """List the gateways of the tenant by name, and how far the historian is behind each."""
        return page_within(await self._uplinks.states(principal.tenant), limit, cursor)


async def read_body(request: Request) -> bytes:
    """Read the body up to the limit of a request; raise Problem 413 above."""
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > REQUEST_MAX_BYTES:
        msg = "The body"
        raise too_large(msg, REQUEST_MAX_BYTES, "bytes")
    parts, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > REQUEST_MAX_BYTES:
            msg = "The body"
            raise too_large(msg, REQUEST_MAX_BYTES, "bytes")
        parts.append(chunk)
    return b"".join(parts)


def _scopes(*, importing: bool, replacing: bool) -> list[str]:
    """Give all the scopes that a small writer needs: an owner's replacement is a write of another kind."""
    if not (importing or replacing):
        return ["samples:write"]
    return [*(["samples:import"] if importing else []), *(["samples:replace"] if replacing else [])]


def _need(principal: Principal, scope: str) -> None:
    if not principal.allows(scope):
        msg = f"This needs the scope {scope}; ask for it in the token."
        raise forbidden(msg)


def _samples(content: bytes) -> Samples:
    try:
        return Samples.model_validate_json(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        first = found[0]
        if first["type"] == "json_invalid":
            raise Problem(400, "bad-json", f"The body is not JSON: {first['msg']}") from None
        infinite = next((item for item in found if item["type"] == "finite_number"), None)
        if infinite is not None:
            where = ".".join(str(part) for part in infinite["loc"][:3])
            msg = f"{where}: {NOT_FINITE}"
            raise invalid(msg) from None
        where = ".".join(str(part) for part in first["loc"])
        msg = f"{where}: {first['msg']}. {error.error_count()} error(s) in all; /docs has the schema."
        raise invalid(msg) from None
