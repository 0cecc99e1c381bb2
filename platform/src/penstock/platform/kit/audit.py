"""The audit log: who did what, when, to what; each row holds the hash of the row before.

A row is written in the transaction of the deed it tells of, so neither is there without the other. The head row
serialises writers and makes a cut tail visible.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Integer, String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from penstock.platform.kit.access import Principal
from penstock.platform.kit.db import Base, BigId

HASH_OF_NOTHING = "0" * 64
_HEAD = 1


class AuditRow(Base):
    """One deed."""

    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    tenant: Mapped[str] = mapped_column(String(40), index=True)
    time_ns: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(80))
    actor_name: Mapped[str] = mapped_column(String(200))
    client_id: Mapped[str | None] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(80))
    object: Mapped[str] = mapped_column(String(600))
    detail: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditHead(Base):
    """The newest row's number and hash: one row, locked by whoever appends."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))


@dataclass(frozen=True, slots=True)
class Actor:
    """Name who did it where there is no Principal: a login that failed, the platform itself."""

    tenant: str
    subject: str
    name: str
    client_id: str | None = None


def record(
    session: Session, who: Principal | Actor, action: str, *, object: str = "", detail: Mapping[str, Any] | None = None
) -> None:
    """Append one row to the log, in the caller's transaction. Never give it a secret."""
    record_all(session, who, action, [(object, detail or {})])


def record_all(
    session: Session, who: Principal | Actor, action: str, deeds: Sequence[tuple[str, Mapping[str, Any]]]
) -> None:
    """Append a row for each deed, of its object and detail; see record()."""
    if not deeds:
        return
    head = session.execute(select(AuditHead).where(AuditHead.id == _HEAD).with_for_update()).scalar_one_or_none()
    if head is None:
        head = AuditHead(id=_HEAD, seq=0, hash=HASH_OF_NOTHING)
        session.add(head)
    now_ns = time.time_ns()
    for object, detail in deeds:
        row = AuditRow(
            seq=head.seq + 1,
            tenant=who.tenant,
            time_ns=now_ns,
            actor=who.subject,
            actor_name=who.name[:200],
            client_id=who.client_id,
            action=action,
            object=object[:600],
            detail=json.dumps(dict(detail), sort_keys=True, default=str),
            previous=head.hash,
        )
        row.hash = _hash(row)
        head.seq, head.hash = row.seq, row.hash
        session.add(row)
    session.flush()


def verify(session: Session) -> int | None:
    """Walk the whole log; give the number of the first row that was edited, removed or put in, else None."""
    previous, seq = HASH_OF_NOTHING, 0
    for row in session.execute(select(AuditRow).order_by(AuditRow.seq).execution_options(yield_per=1000)).scalars():
        seq += 1
        if row.seq != seq or row.previous != previous or row.hash != _hash(row):
            return seq
        previous = row.hash
    head = session.get(AuditHead, _HEAD)
    expected = (head.seq, head.hash) if head else (0, HASH_OF_NOTHING)
    return None if expected == (seq, previous) else seq + 1


def _hash(row: AuditRow) -> str:
    told = [
        row.seq, row.tenant, row.time_ns, row.actor, row.actor_name, row.client_id,
        row.action, row.object, row.detail, row.previous,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(told, separators=(",", ":")).encode()).hexdigest()
