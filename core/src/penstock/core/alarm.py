"""The limit alarm: a value over (or under) its limit for long enough, told once, cleared behind a deadband (ISA-18.2).

Theory of operation
-------------------
Samples come in commit order and are judged in event time. The *condition* is `value > limit` (high) or `value < limit`
(low). It must hold for `on_delay_ns` of event time; a value holds until the next sample (stepped), so a sample that
ends the condition late still raises the alarm before it clears it. Where no sample comes, a tick of the event-time
watermark (`on_wake`) raises it: same transition, same id. An active alarm clears when the value is back behind the
deadband.

Quality: a Bad sample, or one without a number, neither raises nor clears; a delay under way ends with it and begins
again with the next usable one, since nobody knows what held in between. Uncertain counts as usable.

Order: a sample older than the newest one seen is not judged, only counted (`late`): an annunciated alarm is never
rewritten. Equal times are judged in commit order.

An alarm is one round from normal to normal. Its id follows from the rule's version, the asset and the position of the
sample at which the condition began, so that replay, and evaluation again after a crash, give the same alarm.

| state                 | activate              | clear            | acknowledge         |
|-----------------------|-----------------------|------------------|---------------------|
| normal                | unacknowledged_active | –                | –                   |
| unacknowledged_active | –                     | rtn_unacknowledged | acknowledged_active |
| acknowledged_active   | –                     | normal           | –                   |
| rtn_unacknowledged    | unacknowledged_active | –                | normal              |
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final, assert_never

from penstock.core import status as codes
from penstock.core.errors import PeerError, PenstockError


class AlarmState(StrEnum):
    """Name the states of ISA-18.2, figure 3, that a limit alarm goes through."""

    NORMAL = "normal"
    UNACKNOWLEDGED_ACTIVE = "unacknowledged_active"
    ACKNOWLEDGED_ACTIVE = "acknowledged_active"
    RTN_UNACKNOWLEDGED = "rtn_unacknowledged"

    @property
    def is_active(self) -> bool:
        """Say whether the process is in alarm."""
        return self in (AlarmState.UNACKNOWLEDGED_ACTIVE, AlarmState.ACKNOWLEDGED_ACTIVE)


class AlarmEvent(StrEnum):
    """Name what moves an alarm."""

    ACTIVATE = "activate"
    CLEAR = "clear"
    ACKNOWLEDGE = "acknowledge"


TRANSITIONS: Final = {
    (AlarmState.NORMAL, AlarmEvent.ACTIVATE): AlarmState.UNACKNOWLEDGED_ACTIVE,
    (AlarmState.UNACKNOWLEDGED_ACTIVE, AlarmEvent.CLEAR): AlarmState.RTN_UNACKNOWLEDGED,
    (AlarmState.UNACKNOWLEDGED_ACTIVE, AlarmEvent.ACKNOWLEDGE): AlarmState.ACKNOWLEDGED_ACTIVE,
    (AlarmState.ACKNOWLEDGED_ACTIVE, AlarmEvent.CLEAR): AlarmState.NORMAL,
    (AlarmState.RTN_UNACKNOWLEDGED, AlarmEvent.ACTIVATE): AlarmState.UNACKNOWLEDGED_ACTIVE,
    (AlarmState.RTN_UNACKNOWLEDGED, AlarmEvent.ACKNOWLEDGE): AlarmState.NORMAL,
}
"""A pair that is not here cannot happen, or (acknowledge) is refused."""


class NotAcknowledgeable(PenstockError):
    """Say that there is nothing to acknowledge in this state."""


class Comparison(StrEnum):
    """Say on which side of the limit the alarm lies."""

    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class LimitRule:
    """Describe a limit rule; a change is a new version. Limit and deadband are in the tag's unit."""

    rule: str
    version: int
    comparison: Comparison
    limit: float
    deadband: float = 0.0
    on_delay_ns: int = 0

    def __post_init__(self) -> None:
        assert math.isfinite(self.limit), f"limit {self.limit} of rule {self.rule}"
        assert 0 <= self.deadband < math.inf, f"deadband {self.deadband} of rule {self.rule}"
        assert self.on_delay_ns >= 0, f"on-delay {self.on_delay_ns} ns of rule {self.rule}"

    def holds(self, value: float) -> bool:
        """Say whether the value is beyond the limit."""
        return value > self.limit if self.comparison is Comparison.HIGH else value < self.limit

    def is_back(self, value: float) -> bool:
        """Say whether the value is back behind the deadband."""
        if self.comparison is Comparison.HIGH:
            return value <= self.limit - self.deadband
        return value >= self.limit + self.deadband


@dataclass(frozen=True, slots=True)
class AlarmSample:
    """Carry one committed sample of the rule's tag; `value` None where it has none."""

    time_ns: int
    status: int
    value: float | None
    position: int
    row: int = 0

    @property
    def is_usable(self) -> bool:
        """Say whether it can raise or clear."""
        return self.value is not None and not math.isnan(self.value) and not codes.is_bad(self.status)


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Carry a person's acknowledgement."""

    who: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """Tell one move of one alarm; `time_ns` is event time (acknowledge: as given), position the sample's."""

    alarm: str
    event: AlarmEvent
    before: AlarmState
    after: AlarmState
    time_ns: int
    position: int
    row: int
    value: float | None
    who: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class AlarmMemory:
    """Hold all that a limit alarm remembers."""

    state: AlarmState = AlarmState.NORMAL
    alarm: str | None = None
    newest_ns: int | None = None
    position: int = 0
    row: int = 0
    value: float | None = None
    since_ns: int | None = None
    """Event time at which a condition under way began; its sample below."""
    since_position: int = 0
    since_row: int = 0
    since_value: float | None = None
    late: int = 0
    """Samples not judged because they came too late."""


def alarm_id(rule: LimitRule, asset: str, *, position: int, row: int = 0) -> str:
    """Give `alm_` and 24 hex digits: a function of the rule's version, the asset and the activating sample."""
    text = json.dumps([rule.rule, rule.version, asset, position, row])
    return "alm_" + hashlib.sha256(text.encode()).hexdigest()[:24]


class LimitAlarm:
    """Judge the samples of one tag for one asset by one rule."""

    def __init__(self, rule: LimitRule, asset: str, *, memory: AlarmMemory | None = None) -> None:
        self.rule = rule
        self.asset = asset
        self.memory = memory or AlarmMemory()

    def on_input(self, item: AlarmSample | Acknowledge, now_ns: int) -> list[Transition]:
        """Judge a sample, or take an acknowledgement at `now_ns`; NotAcknowledgeable where there is nothing to."""
        match item:
            case AlarmSample():
                return self._on_sample(item)
            case Acknowledge():
                return self._on_acknowledge(item, now_ns)
            case _:
                assert_never(item)

    def wake_at(self) -> int | None:
        """Give the event time at which a condition under way has held long enough."""
        since = self.memory.since_ns
        return None if since is None else since + self.rule.on_delay_ns

    def on_wake(self, now_ns: int) -> list[Transition]:
        """Take a tick of the event-time watermark; harmless when early."""
        due = self.wake_at()
        return self._activate(due) if due is not None and now_ns >= due else []

    def to_json(self) -> dict[str, Any]:
        """Give the memory in plain values."""
        return asdict(self.memory)

    @classmethod
    def from_json(cls, rule: LimitRule, asset: str, plain: dict[str, Any]) -> LimitAlarm:
        """Go on where `to_json` left off; PeerError where the values are none of its."""
        known = {field.name for field in fields(AlarmMemory)}
        try:
            memory = AlarmMemory(**{**plain, "state": AlarmState(plain["state"])})
        except (KeyError, TypeError, ValueError) as error:
            message = f"alarm memory must have the keys {sorted(known)}: {error}"
            raise PeerError(message) from None
        return cls(rule, asset, memory=memory)

    def _on_sample(self, sample: AlarmSample) -> list[Transition]:
        memory = self.memory
        if memory.newest_ns is not None and sample.time_ns < memory.newest_ns:
            self.memory = replace(memory, late=memory.late + 1)
            return []
        matured = self.on_wake(sample.time_ns)
        self.memory = replace(self.memory, newest_ns=sample.time_ns, position=sample.position, row=sample.row)
        if not sample.is_usable:
            self._forget()
            return matured
        assert sample.value is not None, "a usable sample has a value"
        self.memory = replace(self.memory, value=sample.value)
        return [*matured, *self._judge(sample, sample.value)]

    def _judge(self, sample: AlarmSample, value: float) -> list[Transition]:
        if self.memory.state.is_active:
            return [self._move(AlarmEvent.CLEAR, sample.time_ns)] if self.rule.is_back(value) else []
        if not self.rule.holds(value):
            self._forget()
        elif self.memory.since_ns is None:
            self.memory = replace(
                self.memory,
                since_ns=sample.time_ns,
                since_position=sample.position,
                since_row=sample.row,
                since_value=value,
            )
        return self.on_wake(sample.time_ns)

    def _activate(self, time_ns: int) -> list[Transition]:
        memory = self.memory
        identity = memory.alarm or alarm_id(self.rule, self.asset, position=memory.since_position, row=memory.since_row)
        began = replace(
            memory, alarm=identity, position=memory.since_position, row=memory.since_row, value=memory.since_value
        )
        self.memory = began
        moved = self._move(AlarmEvent.ACTIVATE, time_ns)
        self.memory = replace(self.memory, position=memory.position, row=memory.row, value=memory.value)
        self._forget()
        return [moved]

    def _forget(self) -> None:
        self.memory = replace(self.memory, since_ns=None, since_position=0, since_row=0, since_value=None)

    def _on_acknowledge(self, item: Acknowledge, now_ns: int) -> list[Transition]:
        if (self.memory.state, AlarmEvent.ACKNOWLEDGE) not in TRANSITIONS:
            message = f"alarm is {self.memory.state}: there is nothing to acknowledge"
            raise NotAcknowledgeable(message, state=self.memory.state, alarm=self.memory.alarm)
        moved = self._move(AlarmEvent.ACKNOWLEDGE, now_ns)
        return [replace(moved, who=item.who, comment=item.comment)]

    def _move(self, event: AlarmEvent, time_ns: int) -> Transition:
        memory = self.memory
        before, after = memory.state, TRANSITIONS[memory.state, event]
        identity = memory.alarm
        assert identity is not None, f"{event} of an alarm without id"
        self.memory = replace(memory, state=after, alarm=None if after is AlarmState.NORMAL else identity)
        return Transition(
            alarm=identity,
            event=event,
            before=before,
            after=after,
            time_ns=time_ns,
            position=memory.position,
            row=memory.row,
            value=memory.value,
        )
