"""Alarms that the platform raises of itself, with no tag behind them: two senders with one gateway's identity.

They go through the machine, the journal and the acknowledgement of every alarm. Behind each gateway stands a rule of
the platform's own, which no list shows and no sample reaches: its value is 1 when two sessions met, and 0 when none
have for `QUIET_NS`. What it remembers is saved with its transitions, so a restart goes on where it was.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from penstock.core.alarm import AlarmSample, Comparison
from penstock.platform.alarms.model import SYSTEM_PREFIX, Alarm, Evaluator, Rule
from penstock.platform.alarms.store import Target, apply, machine
from penstock.platform.ingest.rivals import Meeting
from penstock.platform.kit.db import Database

QUIET_NS = 600 * 1_000_000_000
"""The alarm clears when no two sessions met for so long: the refused sender backs off for a minute at the most."""

SEVERITY = 900
NAME = "Two senders with one gateway's identity"
NO_TAG = 0
_SYSTEM = "system"


class RivalAlarms:
    """Raise and clear the alarm of each gateway; from worker threads."""

    def __init__(self, db: Database, on_change: Callable[[], None]) -> None:
        self._db = db
        self._on_change = on_change
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[Meeting | None, int]] = {}

    def load(self, now_ns: int) -> None:
        """Take up the alarms that stand; the quiet time begins anew."""
        with self._db.reading() as session:
            query = select(Evaluator).where(Evaluator.rule_id.startswith(SYSTEM_PREFIX))
            rules = {row.rule_id: row for row in session.execute(query).scalars()}
            for rule_id, row in rules.items():
                rule = session.get_one(Rule, rule_id)
                if machine(rule, _TARGET, row).memory.state.is_active:
                    self._seen[rule_id] = (None, now_ns)

    def on_rivals(self, meeting: Meeting) -> None:
        """Raise the alarm of the gateway, or tell of another pair; the same pair again only keeps it standing."""
        rule_id = _rule_id(meeting.gateway)
        with self._lock:
            before = self._seen.get(rule_id, (None, 0))[0]
            self._seen[rule_id] = (meeting, meeting.at_ns)
        if before is not None and (before.refused, before.newest) == (meeting.refused, meeting.newest):
            return
        try:
            with self._db.session() as session:
                self._raise(session, rule_id, meeting)
        except Exception:
            with self._lock:
                self._seen.pop(rule_id, None)  # not told yet: the next refusal tells it
            raise
        self._on_change()

    def tick(self, now_ns: int) -> int:
        """Clear the alarms of gateways that were quiet for long enough; give how many."""
        with self._lock:
            over = [rule_id for rule_id, (_, at_ns) in self._seen.items() if now_ns - at_ns >= QUIET_NS]
        for rule_id in over:
            with self._db.session() as session:
                rule = session.get_one(Rule, rule_id)
                _judge(session, rule, AlarmSample(now_ns, 0, 0.0, 0), "no two sessions met any more")
            with self._lock:
                self._seen.pop(rule_id, None)
        if over:
            self._on_change()
        return len(over)

    def _raise(self, session: Session, rule_id: str, meeting: Meeting) -> None:
        rule = session.get(Rule, rule_id)
        if rule is None:
            rule = _rule(rule_id, meeting)
            session.add(rule)
            session.flush()
        rule.message = _message(meeting)
        sample = AlarmSample(meeting.at_ns, 0, 1.0, meeting.newest, meeting.refused)
        alarm_id = _judge(session, rule, sample, rule.message)
        if alarm_id is not None:
            session.get_one(Alarm, alarm_id).message = rule.message


_TARGET = Target(NO_TAG, None)


def _judge(session: Session, rule: Rule, sample: AlarmSample, comment: str) -> str | None:
    """Take a sample by the machine; give the alarm that stands then."""
    evaluator = session.get(Evaluator, rule.id, with_for_update=True)
    alarm = machine(rule, _TARGET, evaluator)
    if evaluator is None:
        evaluator = Evaluator(rule_id=rule.id, version=rule.version, tenant=rule.tenant, memory={}, from_position=0)
        session.add(evaluator)
    time_ns = max(sample.time_ns, alarm.memory.newest_ns or 0)  # a clock that was set back hides no alarm
    for moved in alarm.on_input(replace(sample, time_ns=time_ns), time_ns):
        apply(session, rule, _TARGET, replace(moved, position=0, row=0, value=None, comment=comment))
    evaluator.memory = alarm.to_json()
    return alarm.memory.alarm


def _rule_id(gateway: str) -> str:
    return SYSTEM_PREFIX + hashlib.sha256(gateway.encode()).hexdigest()[:24]


def _rule(rule_id: str, meeting: Meeting) -> Rule:
    """Make the rule behind the alarm: disabled and removed for those who list or evaluate rules."""
    return Rule(
        id=rule_id,
        tenant=meeting.tenant,
        name=NAME,
        version=1,
        enabled=False,
        comparison=Comparison.HIGH,
        limit=0.5,
        deadband=0.0,
        on_delay_ns=0,
        severity=SEVERITY,
        message="",
        author=_SYSTEM,
        author_name=_SYSTEM,
        changed_ns=meeting.at_ns,
        removed_ns=meeting.at_ns,
    )


def _message(meeting: Meeting) -> str:
    return (
        f"Gateway {meeting.name[:200]} ({meeting.gateway}): a request under session {meeting.refused} was refused, "
        f"session {meeting.newest} is newer. Two senders run with one identity, and only the newer one is heard: stop "
        "one of them, or enrol it under a name of its own."
    )
