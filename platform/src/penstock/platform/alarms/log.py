"""Alarms as people see them: the list, one with its journal, acknowledging."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from penstock.core.alarm import Acknowledge, AlarmState, NotAcknowledgeable
from penstock.platform.alarms.model import Alarm, AlarmRecord, Evaluator, Rule
from penstock.platform.alarms.store import Target, apply, machine
from penstock.platform.kit.access import Principal
from penstock.platform.kit.audit import record
from penstock.platform.kit.db import Database
from penstock.platform.kit.paging import decode_cursor, page_of
from penstock.platform.kit.problems import Problem, not_found

ACTIVE = tuple(str(state) for state in AlarmState if state.is_active)


@dataclass(frozen=True, slots=True)
class AlarmFilter:
    """Which alarms of a tenant; times are of raising, start inclusive, end exclusive."""

    state: str | None = None
    asset: str | None = None
    active: bool | None = None
    start_ns: int | None = None
    end_ns: int | None = None


class AlarmLog:
    """Read alarms and acknowledge them; `on_change` tells the live stream."""

    def __init__(self, db: Database, on_change: Callable[[], None]) -> None:
        self._db = db
        self._on_change = on_change

    def page(
        self, tenant: str, wanted: AlarmFilter, *, limit: int, cursor: str | None
    ) -> tuple[list[Alarm], str | None]:
        """Give a page of alarms, newest first."""
        query = select(Alarm).where(Alarm.tenant == tenant)
        if wanted.state is not None:
            query = query.where(Alarm.state == wanted.state)
        if wanted.asset is not None:
            query = query.where(Alarm.asset_id == wanted.asset)
        if wanted.active is not None:
            query = query.where(Alarm.state.in_(ACTIVE) if wanted.active else Alarm.state.not_in(ACTIVE))
        if wanted.start_ns is not None:
            query = query.where(Alarm.raised_ns >= wanted.start_ns)
        if wanted.end_ns is not None:
            query = query.where(Alarm.raised_ns < wanted.end_ns)
        if cursor:
            raised, alarm = decode_cursor(cursor, int, str)
            query = query.where((Alarm.raised_ns < raised) | ((Alarm.raised_ns == raised) & (Alarm.id < alarm)))
        query = query.order_by(Alarm.raised_ns.desc(), Alarm.id.desc()).limit(limit + 1)
        with self._db.reading() as session:
            return page_of(list(session.execute(query).scalars()), limit, "raised_ns", "id")

    def get(self, tenant: str, alarm_id: str) -> Alarm:
        """Give an alarm, or Problem 404."""
        with self._db.reading() as session:
            return _find(session, tenant, alarm_id)

    def journal(
        self, tenant: str, alarm_id: str, *, limit: int, cursor: str | None
    ) -> tuple[list[AlarmRecord], str | None]:
        """Give what happened to an alarm, oldest first."""
        query = select(AlarmRecord).where(AlarmRecord.alarm_id == alarm_id).order_by(AlarmRecord.number)
        if cursor:
            query = query.where(AlarmRecord.number > decode_cursor(cursor, int)[0])
        with self._db.reading() as session:
            _find(session, tenant, alarm_id)
            return page_of(list(session.execute(query.limit(limit + 1)).scalars()), limit, "number")

    def acknowledge(self, by: Principal, alarm_id: str, comment: str) -> Alarm:
        """Acknowledge in the person's name; Problem 409 when there is nothing to acknowledge."""
        assert by.kind == "person", "the guard lets persons through only"
        with self._db.session() as session:
            alarm = _find(session, by.tenant, alarm_id)
            rule = session.get_one(Rule, alarm.rule_id)
            evaluator = session.get(Evaluator, rule.id, with_for_update=True)
            target = Target(alarm.tag_id, alarm.asset_id)
            limit_alarm = machine(rule, target, evaluator)
            if evaluator is None or limit_alarm.memory.alarm != alarm_id:
                raise _nothing(alarm)
            try:
                moved = limit_alarm.on_input(Acknowledge(by.subject, comment), time.time_ns())
            except NotAcknowledgeable:
                raise _nothing(alarm) from None
            for transition in moved:
                alarm = apply(session, rule, target, transition, who=(by.subject, by.name))
            evaluator.memory = limit_alarm.to_json()
            record(session, by, "alarm.acknowledge", object=alarm_id, detail={"comment": comment})
        self._on_change()
        return alarm

    def standing(self, tenant: str) -> Sequence[Alarm]:
        """Give the alarms that are not normal."""
        query = select(Alarm).where(Alarm.tenant == tenant, Alarm.state != AlarmState.NORMAL)
        with self._db.reading() as session:
            return session.execute(query.order_by(Alarm.raised_ns)).scalars().all()

    def changed(self, tenant: str, after: int, limit: int) -> tuple[list[Alarm], int]:
        """Give the tenant's alarms with a journal line beyond `after`, and the newest line looked at."""
        with self._db.reading() as session:
            query = select(AlarmRecord.number, AlarmRecord.alarm_id).where(
                AlarmRecord.tenant == tenant, AlarmRecord.number > after
            )
            found = session.execute(query.order_by(AlarmRecord.number).limit(limit)).all()
            ids = {alarm for _, alarm in found}
            alarms = session.execute(select(Alarm).where(Alarm.id.in_(sorted(ids)))).scalars().all()
            newest = found[-1][0] if len(found) == limit else _newest(session)
        return list(alarms), max(after, newest)

    def newest(self) -> int:
        """Give the number of the newest journal line, 0 before the first."""
        with self._db.reading() as session:
            return _newest(session)

    def counts(self, tenant: str | None = None) -> tuple[int, int]:
        """Count the active alarms and those nobody acknowledged, of a tenant or of all."""
        query = select(Alarm.state, func.count()).where(Alarm.state != AlarmState.NORMAL).group_by(Alarm.state)
        if tenant is not None:
            query = query.where(Alarm.tenant == tenant)
        with self._db.reading() as session:
            found = {state: count for state, count in session.execute(query)}
        active = sum(found.get(state, 0) for state in ACTIVE)
        waiting = (AlarmState.UNACKNOWLEDGED_ACTIVE, AlarmState.RTN_UNACKNOWLEDGED)
        return active, sum(found.get(str(state), 0) for state in waiting)


def _find(session: Session, tenant: str, alarm_id: str) -> Alarm:
    query = select(Alarm).where(Alarm.tenant == tenant, Alarm.id == alarm_id)
    alarm = session.execute(query).scalar_one_or_none()
    if alarm is None:
        raise not_found(what="alarm", identifier=alarm_id)
    return alarm


def _newest(session: Session) -> int:
    return session.execute(select(func.max(AlarmRecord.number))).scalar_one() or 0


def _nothing(alarm: Alarm) -> Problem:
    detail = f"The alarm is {alarm.state.replace('_', ' ')}: there is nothing to acknowledge."
    return Problem(409, "nothing-to-acknowledge", detail, state=alarm.state)
