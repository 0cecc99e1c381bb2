"""Writes the machine's transitions into alarms and journal, in the caller's transaction."""

import time
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from penstock.core.alarm import AlarmEvent, AlarmState, Comparison, LimitAlarm, LimitRule, Transition
from penstock.platform.alarms.model import Alarm, AlarmRecord, Evaluator, Rule

RULE_CHANGED = "rule-changed"
"""Event of the journal when a standing alarm ends because its rule was changed, disabled or removed."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a rule watches at this moment."""

    tag_id: int
    asset_id: str | None

    @property
    def identity(self) -> str:
        """Give what stands for the asset in the alarm's id."""
        return self.asset_id or f"tag:{self.tag_id}"


def limit_rule(rule: Rule) -> LimitRule:
    """Give the rule as core's machine takes it."""
    return LimitRule(
        rule=rule.id,
        version=rule.version,
        comparison=Comparison(rule.comparison),
        limit=rule.limit,
        deadband=rule.deadband,
        on_delay_ns=rule.on_delay_ns,
    )


def machine(rule: Rule, target: Target, evaluator: Evaluator | None) -> LimitAlarm:
    """Give the rule's machine as it was saved, or a new one."""
    if evaluator is None or evaluator.version != rule.version or not evaluator.memory:
        return LimitAlarm(limit_rule(rule), target.identity)
    return LimitAlarm.from_json(limit_rule(rule), target.identity, evaluator.memory)


def apply(
    session: Session, rule: Rule, target: Target, transition: Transition, *, who: tuple[str, str] | None = None
) -> Alarm:
    """Write a transition; `who` is the person's id and name of an acknowledgement."""
    alarm = session.get(Alarm, transition.alarm)
    if alarm is None:
        alarm = _new_alarm(rule, target, transition)
        session.add(alarm)
        session.flush()
    alarm.state = str(transition.after)
    match transition.event:
        case AlarmEvent.ACTIVATE:
            alarm.activated_ns, alarm.cleared_ns, alarm.value = transition.time_ns, None, transition.value
        case AlarmEvent.CLEAR:
            alarm.cleared_ns = transition.time_ns
        case AlarmEvent.ACKNOWLEDGE:
            alarm.acknowledged_ns = transition.time_ns
            alarm.acknowledged_by = who[1] if who else None
    session.add(
        AlarmRecord(
            tenant=rule.tenant,
            alarm_id=alarm.id,
            event=str(transition.event),
            before=str(transition.before),
            after=str(transition.after),
            time_ns=transition.time_ns,
            recorded_ns=time.time_ns(),
            position=transition.position,
            row=transition.row,
            value=transition.value,
            who=who[0] if who else None,
            who_name=who[1] if who else None,
            comment=transition.comment,
        )
    )
    return alarm


def close_standing(session: Session, rule: Rule, *, now_ns: int, who: tuple[str, str], comment: str) -> None:
    """End the rule's standing alarms and let its machine forget: its next version begins anew."""
    query = select(Alarm).where(Alarm.rule_id == rule.id, Alarm.state != AlarmState.NORMAL)
    for alarm in session.execute(query).scalars():
        record = AlarmRecord(
            tenant=rule.tenant,
            alarm_id=alarm.id,
            event=RULE_CHANGED,
            before=alarm.state,
            after=str(AlarmState.NORMAL),
            time_ns=now_ns,
            recorded_ns=now_ns,
            position=0,
            row=0,
            who=who[0],
            who_name=who[1],
            comment=comment,
        )
        session.add(record)
        alarm.state = str(AlarmState.NORMAL)
        alarm.cleared_ns = alarm.cleared_ns or now_ns
    evaluator = session.get(Evaluator, rule.id, with_for_update=True)
    if evaluator is not None:
        session.delete(evaluator)
    session.flush()


def _new_alarm(rule: Rule, target: Target, transition: Transition) -> Alarm:
    return Alarm(
        id=transition.alarm,
        tenant=rule.tenant,
        rule_id=rule.id,
        rule_name=rule.name,
        rule_version=rule.version,
        asset_id=target.asset_id,
        tag_id=target.tag_id,
        state=str(transition.after),
        raised_ns=transition.time_ns,
        activated_ns=transition.time_ns,
        value=transition.value,
        limit=rule.limit,
        severity=rule.severity,
        message=rule.message,
    )
