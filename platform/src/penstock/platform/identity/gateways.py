"""Gateways: enrolment by single-use token, the credential they own from then on, and uplink sessions."""

import threading
import time
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from penstock.platform.identity.clients import make_client, renew_secret
from penstock.platform.identity.model import Client, EnrolToken, Gateway
from penstock.platform.identity.passwords import digest, new_secret, secret_matches
from penstock.platform.identity.roles import GATEWAY_SCOPES
from penstock.platform.identity.throttle import Throttle
from penstock.platform.kit.access import Principal
from penstock.platform.kit.audit import Actor, record
from penstock.platform.kit.db import Database
from penstock.platform.kit.ids import new_id
from penstock.platform.kit.problems import Problem

ENROL_TOKEN_S = 3600
_S = 1_000_000_000
_USED_TOKENS_KEPT_NS = 30 * 24 * 3600 * _S  # so that a second use is told apart from an unknown token


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The credential of a gateway; the secret is shown this once."""

    gateway_id: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """What the relational store knows of a gateway."""

    id: str
    name: str
    session: int
    session_ns: int | None
    epoch: str | None
    head: int | None
    enrolled_ns: int


class GatewayDirectory:
    """Enrol gateways and grant them uplink sessions. `current_...` are memory only, the rest needs a thread."""

    def __init__(self, db: Database, throttle: Throttle) -> None:
        self._db = db
        self._throttle = throttle
        self._lock = threading.Lock()
        self._sessions: dict[str, tuple[int, str]] = {}

    def reload(self) -> None:
        """Read the newest session of each gateway; at start."""
        with self._db.reading() as session:
            rows = session.execute(select(Gateway.id, Gateway.session, Gateway.epoch)).all()
        with self._lock:
            self._sessions = {gateway: (number, epoch or "") for gateway, number, epoch in rows}

    def make_token(self, by: Principal | Actor, name: str, lifetime_s: int = ENROL_TOKEN_S) -> str:
        """Make a single-use enrolment token for the gateway of that name.

        For a name that is enrolled already it is a re-enrolment: same gateway, new credential, the old one ends.
        """
        token, now = new_secret(), time.time_ns()
        with self._db.session() as session:
            session.execute(delete(EnrolToken).where(EnrolToken.expires_ns <= now - _USED_TOKENS_KEPT_NS))
            row = EnrolToken(token_hash=digest(token), tenant=by.tenant, name=name, expires_ns=now + lifetime_s * _S)
            session.add(row)
            record(session, by, "gateway.enrol-token", object=name, detail={"expires_s": lifetime_s})
        return token

    def enrol(self, token: str, name: str, address: str, *, secret: str | None = None) -> Enrolled:
        """Give the gateway its credential; Problem 401 for a token that is not good for it.

        A gateway that chose its `secret` may ask again with the used token: it did not hear the answer, or was killed
        before it was on its disk. Whoever has the token but not the secret is refused.
        """
        self._throttle.check("enrol", address)
        now = time.time_ns()
        try:
            with self._db.session() as session:
                row = session.get(EnrolToken, digest(token), with_for_update=True)
                enrolled = _enrolled_before(session, row, name, secret)
                if enrolled is None:
                    enrolled = _enrol(session, _usable(row, name, now), now, secret)
        except Problem:
            self._throttle.count("enrol", address)
            raise
        with self._lock:
            self._sessions.setdefault(enrolled.gateway_id, (0, ""))
        return enrolled

    def is_enrolled(self, tenant: str, name: str) -> bool:
        """Tell whether a gateway of that name has enrolled."""
        with self._db.reading() as session:
            query = select(Gateway.id).where(Gateway.tenant == tenant, Gateway.name == name)
            return session.execute(query).first() is not None

    def token_is_good(self, token: str) -> bool:
        """Tell whether an enrolment token may still be used."""
        with self._db.reading() as session:
            row = session.get(EnrolToken, digest(token))
            return row is not None and row.used_ns is None and row.expires_ns > time.time_ns()

    def grant_session(self, gateway_id: str, epoch: str, head: int, now_ns: int) -> int:
        """Grant the next uplink session of the gateway; the newest wins."""
        with self._db.session() as session:
            gateway = session.get_one(Gateway, gateway_id, with_for_update=True)
            gateway.session += 1
            gateway.session_ns, gateway.epoch, gateway.head = now_ns, epoch, head
            granted = gateway.session
        with self._lock:
            self._sessions[gateway_id] = max((granted, epoch), self._sessions.get(gateway_id, (0, "")))
        return granted

    def current_session(self, gateway_id: str) -> int:
        """Give the newest session granted to the gateway, 0 before the first."""
        with self._lock:
            return self._sessions.get(gateway_id, (0, ""))[0]

    def current_epoch(self, gateway_id: str) -> str:
        """Give the epoch that the newest session was asked for with, empty before the first."""
        with self._lock:
            return self._sessions.get(gateway_id, (0, ""))[1]

    def all(self, tenant: str) -> list[GatewayRow]:
        """Give the tenant's gateways by name."""
        with self._db.reading() as session:
            query = select(Gateway).where(Gateway.tenant == tenant).order_by(Gateway.name)
            rows = session.execute(query).scalars().all()
        return [
            GatewayRow(
                id=row.id,
                name=row.name,
                session=row.session,
                session_ns=row.session_ns,
                epoch=row.epoch,
                head=row.head,
                enrolled_ns=row.enrolled_ns,
            )
            for row in rows
        ]


def _usable(row: EnrolToken | None, name: str, now: int) -> EnrolToken:
    if row is not None and row.used_ns is not None:
        raise Problem(
            401,
            "enrolment-token-used",
            "This enrolment token was used before; it works once. `penstock platform enrol-token` makes a new one.",
        )
    if row is None or row.expires_ns <= now or row.name != name:
        raise Problem(
            401,
            "enrolment-token-unknown",
            f"The enrolment token is not good for {name}: unknown, expired, or made for another name.",
        )
    return row


def _enrolled_before(session: Session, token: EnrolToken | None, name: str, secret: str | None) -> Enrolled | None:
    """Give what was answered before to a gateway that asks again with the secret it chose."""
    if token is None or token.used_ns is None or token.name != name or secret is None:
        return None
    query = select(Gateway.id, Client.id, Client.secret_hash).join(Client, Client.id == Gateway.client_id)
    found = session.execute(query.where(Gateway.tenant == token.tenant, Gateway.name == name)).one_or_none()
    if found is None or not secret_matches(found[2], secret):
        return None
    return Enrolled(found[0], found[1], secret)


def _enrol(session: Session, token: EnrolToken, now: int, chosen: str | None) -> Enrolled:
    token.used_ns = now
    query = select(Gateway).where(Gateway.tenant == token.tenant, Gateway.name == token.name)
    gateway = session.execute(query).scalar_one_or_none()
    if gateway is None:
        client, secret = make_client(session, token.tenant, "gateway", token.name, scopes=GATEWAY_SCOPES, secret=chosen)
        gateway = Gateway(id=new_id("gtw"), tenant=token.tenant, name=token.name, client_id=client.id)
        gateway.enrolled_ns, gateway.session = now, 0
        session.add(gateway)
        session.flush()
    else:
        client = session.get_one(Client, gateway.client_id)
        secret = renew_secret(client, chosen)
        gateway.enrolled_ns = now
    actor = Actor(token.tenant, gateway.id, gateway.name, client.id)
    record(session, actor, "gateway.enrol", object=gateway.id, detail={"name": gateway.name})
    return Enrolled(gateway.id, client.id, secret)
