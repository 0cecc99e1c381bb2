"""Routes of identity below /v1: who am I, users, gateways' enrolment, audit."""

import json
import time
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select

from penstock.core.times import format_rfc3339_ns
from penstock.platform.identity.gateways import GatewayDirectory
from penstock.platform.identity.model import User
from penstock.platform.identity.people import People
from penstock.platform.identity.schemas import (
    AuditItem,
    EnrolInput,
    EnrolOutput,
    EnrolTokenInput,
    EnrolTokenOutput,
    Me,
    UserCreated,
    UserInput,
    UserOutput,
)
from penstock.platform.kit.access import Principal, any_token, public, requires
from penstock.platform.kit.audit import AuditRow
from penstock.platform.kit.db import Database
from penstock.platform.kit.paging import Cursor, Limit, Page, decode_cursor, page_of
from penstock.platform.kit.schemas import PathId

_S = 1_000_000_000


def address_of(request: Request) -> str:
    """Give the peer's address, for throttles and audit."""
    return request.client.host if request.client else "unknown"


class IdentityEndpoints:
    """Who am I, users, enrolment, audit."""

    def __init__(self, db: Database, people: People, gateways: GatewayDirectory, issuer: str) -> None:
        self._db = db
        self._people = people
        self._gateways = gateways
        self._issuer = issuer

    def router(self) -> APIRouter:
        """Give the routes."""
        router = APIRouter(prefix="/v1")
        router.get("/me", tags=["identity"])(self.me)
        router.get("/users", tags=["identity"])(self.users)
        router.post("/users", tags=["identity"], status_code=201)(self.create_user)
        router.delete("/users/{user_id}", tags=["identity"], status_code=204)(self.remove_user)
        router.post("/gateways/enrol-tokens", tags=["gateways"], status_code=201)(self.make_enrol_token)
        enrol = router.post("/gateways/enrol", tags=["gateways"], status_code=201, dependencies=[public("has a token")])
        enrol(self.enrol)
        router.get("/audit", tags=["identity"])(self.audit)
        return router

    def me(self, principal: Annotated[Principal, any_token()]) -> Me:
        """Tell who asks and with which rights."""
        return Me(
            subject=principal.subject,
            kind=principal.kind,
            name=principal.name,
            tenant=principal.tenant,
            client_id=principal.client_id,
            scopes=sorted(principal.scopes),
        )

    def users(
        self, principal: Annotated[Principal, requires("users:admin")], limit: Limit = 100, cursor: Cursor = None
    ) -> Page[UserOutput]:
        """List the users of the tenant."""
        query = select(User).where(User.tenant == principal.tenant).order_by(User.id).limit(limit + 1)
        if cursor:
            query = query.where(User.id > decode_cursor(cursor, str)[0])
        with self._db.reading() as session:
            rows, following = page_of(list(session.execute(query).scalars()), limit, "id")
        return Page(items=[_user(row) for row in rows], next=following)

    def create_user(self, principal: Annotated[Principal, requires("users:admin")], body: UserInput) -> UserCreated:
        """Make a user; without a password the answer has a one-time login link."""
        user = self._people.create(principal, body.name, body.role, body.password)
        link = None
        if body.password is None:
            link = f"{self._issuer}/login/link?token={self._people.login_link(user.id)}"
        return UserCreated(**_user(user).model_dump(), login_link=link)

    def remove_user(self, principal: Annotated[Principal, requires("users:admin")], user_id: PathId) -> Response:
        """Remove a user; their sessions and tokens end at once."""
        self._people.remove(principal, user_id)
        return Response(status_code=204)

    def make_enrol_token(
        self, principal: Annotated[Principal, requires("gateways:admin")], body: EnrolTokenInput
    ) -> EnrolTokenOutput:
        """Make a single-use enrolment token; it is shown this once."""
        token = self._gateways.make_token(principal, body.name, body.expires_s)
        expires = format_rfc3339_ns(time.time_ns() + body.expires_s * _S)
        return EnrolTokenOutput(token=token, name=body.name, expires=expires)

    def enrol(self, request: Request, body: EnrolInput) -> EnrolOutput:
        """Exchange an enrolment token for the gateway's own credential."""
        made = self._gateways.enrol(body.token, body.name, address_of(request), secret=body.client_secret)
        return EnrolOutput(gateway=made.gateway_id, client_id=made.client_id, client_secret=made.client_secret)

    def audit(
        self,
        principal: Annotated[Principal, requires("audit:read")],
        limit: Limit = 100,
        cursor: Cursor = None,
        action: Annotated[str | None, Query(max_length=80)] = None,
    ) -> Page[AuditItem]:
        """List the deeds of the tenant, newest first."""
        query = select(AuditRow).where(AuditRow.tenant == principal.tenant)
        if cursor:
            query = query.where(AuditRow.seq < decode_cursor(cursor, int)[0])
        if action:
            query = query.where(AuditRow.action == action)
        with self._db.reading() as session:
            found = session.execute(query.order_by(AuditRow.seq.desc()).limit(limit + 1)).scalars()
            rows, following = page_of(list(found), limit, "seq")
        return Page(items=[_audit(row) for row in rows], next=following)


def _user(row: User) -> UserOutput:
    return UserOutput.model_validate(
        {"id": row.id, "name": row.name, "role": row.role, "created": format_rfc3339_ns(row.created_ns)}
    )


def _audit(row: AuditRow) -> AuditItem:
    return AuditItem(
        seq=row.seq,
        time=format_rfc3339_ns(row.time_ns),
        actor=row.actor,
        actor_name=row.actor_name,
        client_id=row.client_id,
        action=row.action,
        object=row.object,
        detail=json.loads(row.detail),
        hash=row.hash,
    )
