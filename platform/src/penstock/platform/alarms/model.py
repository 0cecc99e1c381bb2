"""Tables of the alarms. What an evaluator remembers is saved in the transaction of the transitions it made."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Float, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from penstock.platform.kit.db import Base, BigId

ID = String(40)
NAME = String(256)

SYSTEM_PREFIX = "sys_"
"""What the ids of the platform's own rules begin with; no route gives or takes them."""


class Rule(Base):
    """A limit rule at its newest version; watches a tag, or whatever tag feeds a property of an asset."""

    __tablename__ = "rules"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str] = mapped_column(NAME)
    version: Mapped[int] = mapped_column(Integer)
    enabled: Mapped[bool] = mapped_column(Boolean)
    asset_id: Mapped[str | None] = mapped_column(ID)
    property: Mapped[str | None] = mapped_column(NAME)
    tag_id: Mapped[int | None] = mapped_column(BigInteger)
    comparison: Mapped[str] = mapped_column(String(10))
    limit: Mapped[float] = mapped_column(Float)
    deadband: Mapped[float] = mapped_column(Float)
    on_delay_ns: Mapped[int] = mapped_column(BigInteger)
    severity: Mapped[int] = mapped_column(Integer)
    message: Mapped[str] = mapped_column(String(2000))
    author: Mapped[str] = mapped_column(ID)
    author_name: Mapped[str] = mapped_column(NAME)
    changed_ns: Mapped[int] = mapped_column(BigInteger)
    removed_ns: Mapped[int | None] = mapped_column(BigInteger)


class RuleVersion(Base):
    """What a rule said at a version; alarms point here."""

    __tablename__ = "rule_versions"

    rule_id: Mapped[str] = mapped_column(ForeignKey("rules.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    tenant: Mapped[str] = mapped_column(ID)
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    author: Mapped[str] = mapped_column(ID)
    changed_ns: Mapped[int] = mapped_column(BigInteger)


class Evaluator(Base):
    """What the alarm machine of a rule remembers; `from_position`: commits up to there are not for this version."""

    __tablename__ = "evaluators"

    rule_id: Mapped[str] = mapped_column(ForeignKey("rules.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    tenant: Mapped[str] = mapped_column(ID)
    memory: Mapped[dict[str, Any]] = mapped_column(JSON)
    from_position: Mapped[int] = mapped_column(BigInteger)


class EvaluatorCursor(Base):
    """Up to where the evaluators have followed the historian; one row."""

    __tablename__ = "evaluator_cursor"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger)


class Alarm(Base):
    """One round of a rule from normal to normal; behind a system alarm stands a rule of the platform's own."""

    __tablename__ = "alarms"
    __table_args__ = (Index("ix_alarms_tenant_raised", "tenant", "raised_ns", "id"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    rule_id: Mapped[str] = mapped_column(ForeignKey("rules.id"), index=True)
    rule_name: Mapped[str] = mapped_column(NAME)
    rule_version: Mapped[int] = mapped_column(Integer)
    asset_id: Mapped[str | None] = mapped_column(ID, index=True)
    tag_id: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(30), index=True)
    raised_ns: Mapped[int] = mapped_column(BigInteger)
    activated_ns: Mapped[int] = mapped_column(BigInteger, server_default="0")
    cleared_ns: Mapped[int | None] = mapped_column(BigInteger)
    acknowledged_ns: Mapped[int | None] = mapped_column(BigInteger)
    acknowledged_by: Mapped[str | None] = mapped_column(NAME)
    value: Mapped[float | None] = mapped_column(Float)
    limit: Mapped[float] = mapped_column(Float)
    severity: Mapped[int] = mapped_column(Integer)
    message: Mapped[str] = mapped_column(String(2000))

    @property
    def is_system(self) -> bool:
        """Tell whether the platform raised it of itself: there is no rule to show, no tag, no limit."""
        return self.rule_id.startswith(SYSTEM_PREFIX)


class AlarmRecord(Base):
    """One line of the alarm journal; its number orders all changes of all alarms."""

    __tablename__ = "alarm_journal"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 (SQLAlchemy reads it)

    number: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(ID, index=True)
    alarm_id: Mapped[str] = mapped_column(ForeignKey("alarms.id"), index=True)
    event: Mapped[str] = mapped_column(String(30))
    before: Mapped[str] = mapped_column(String(30))
    after: Mapped[str] = mapped_column(String(30))
    time_ns: Mapped[int] = mapped_column(BigInteger)
    recorded_ns: Mapped[int] = mapped_column(BigInteger)
    position: Mapped[int] = mapped_column(BigInteger)
    row: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[float | None] = mapped_column(Float)
    who: Mapped[str | None] = mapped_column(ID)
    who_name: Mapped[str | None] = mapped_column(NAME)
    comment: Mapped[str] = mapped_column(String(2000))
