"""Routes of rules and alarms."""

import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from penstock.core.alarm import AlarmState
from penstock.core.times import format_rfc3339_ns, parse_asked_time
from penstock.platform.alarms.log import AlarmFilter, AlarmLog
from penstock.platform.alarms.model import Alarm, AlarmRecord
from penstock.platform.alarms.schemas import (
    AcknowledgeInput,
    AlarmOutput,
    AlarmRecordOutput,
    RuleChange,
    RuleInput,
    RuleOutput,
)
from penstock.platform.alarms.service import RuleContent, RuleService, RuleView
from penstock.platform.kit.access import Principal, requires
from penstock.platform.kit.paging import Cursor, Limit, Page
from penstock.platform.kit.problems import invalid
from penstock.platform.kit.schemas import PRINTABLE, PathId

Reader = Annotated[Principal, requires("alarms:read")]
Writer = Annotated[Principal, requires("rules:write")]
Moment = Annotated[str | None, Query(max_length=40, pattern=PRINTABLE, description="RFC 3339, ns, now, 2h-ago")]


class RuleEndpoints:
    """Limit rules."""

    def __init__(self, rules: RuleService) -> None:
        self._rules = rules

    def router(self) -> APIRouter:
        """Give the routes."""
        router = APIRouter(prefix="/v1/rules", tags=["alarms"])
        router.get("")(self.rules)
        router.post("", status_code=201)(self.create)
        router.get("/{rule_id}")(self.rule)
        router.patch("/{rule_id}")(self.change)
        router.delete("/{rule_id}", status_code=204)(self.remove)
        return router

    def rules(self, principal: Reader, limit: Limit = 100, cursor: Cursor = None) -> Page[RuleOutput]:
        """List the rules."""
        rows, following = self._rules.page(principal.tenant, limit, cursor)
        return Page(items=[_rule(row) for row in rows], next=following)

    def rule(self, principal: Reader, rule_id: PathId) -> RuleOutput:
        """Give a rule."""
        return _rule(self._rules.get(principal.tenant, rule_id))

    def create(self, principal: Writer, body: RuleInput) -> RuleOutput:
        """Make a limit rule; it judges the tag's newest sample at once, then every commit."""
        return _rule(self._rules.create(principal, RuleContent(**body.model_dump())))

    def change(self, principal: Writer, rule_id: PathId, body: RuleChange) -> RuleOutput:
        """Change a rule: a new version that begins in normal; a standing alarm of the old one ends."""
        return _rule(self._rules.change(principal, rule_id, body.model_dump(exclude_unset=True, exclude_none=True)))

    def remove(self, principal: Writer, rule_id: PathId) -> Response:
        """Remove a rule; its alarms and their journal stay."""
        self._rules.remove(principal, rule_id)
        return Response(status_code=204)


class AlarmEndpoints:
    """Alarms and their journal."""

    def __init__(self, log: AlarmLog, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._log = log
        self._now_ns = now_ns

    def router(self) -> APIRouter:
        """Give the routes."""
        router = APIRouter(prefix="/v1/alarms", tags=["alarms"])
        router.get("")(self.alarms)
        router.get("/{alarm_id}")(self.alarm)
        router.get("/{alarm_id}/journal")(self.journal)
        router.post("/{alarm_id}/acknowledge")(self.acknowledge)
        return router

    def alarms(
        self,
        principal: Reader,
        limit: Limit = 100,
        cursor: Cursor = None,
        state: AlarmState | None = None,
        asset: Annotated[str | None, Query(max_length=64, pattern=PRINTABLE)] = None,
        active: bool | None = None,
        start: Moment = None,
        end: Moment = None,
    ) -> Page[AlarmOutput]:
        """List alarms, newest first; `start` and `end` bound the time of raising."""
        wanted = AlarmFilter(state, asset, active, self._moment("start", start), self._moment("end", end))
        rows, following = self._log.page(principal.tenant, wanted, limit=limit, cursor=cursor)
        return Page(items=[alarm_output(row) for row in rows], next=following)

    def alarm(self, principal: Reader, alarm_id: PathId) -> AlarmOutput:
        """Give an alarm."""
        return alarm_output(self._log.get(principal.tenant, alarm_id))

    def journal(
        self, principal: Reader, alarm_id: PathId, limit: Limit = 100, cursor: Cursor = None
    ) -> Page[AlarmRecordOutput]:
        """List what happened to an alarm, oldest first."""
        rows, following = self._log.journal(principal.tenant, alarm_id, limit=limit, cursor=cursor)
        return Page(items=[_record(row) for row in rows], next=following)

    def acknowledge(
        self,
        principal: Annotated[Principal, requires("alarms:ack", kind="person")],
        alarm_id: PathId,
        body: AcknowledgeInput,
    ) -> AlarmOutput:
        """Acknowledge an alarm in the person's own name."""
        return alarm_output(self._log.acknowledge(principal, alarm_id, body.comment))

    def _moment(self, name: str, text: str | None) -> int | None:
        if text is None:
            return None
        try:
            return parse_asked_time(text, self._now_ns())
        except ValueError as error:
            raise invalid(detail=f"{name}: {error}") from None


def alarm_output(row: Alarm) -> AlarmOutput:
    """Give an alarm as the API shows it."""
    return AlarmOutput(
        id=row.id,
        rule=None if row.is_system else row.rule_id,
        rule_name=row.rule_name,
        rule_version=None if row.is_system else row.rule_version,
        asset=row.asset_id,
        tag=None if row.is_system else row.tag_id,
        state=AlarmState(row.state),
        raised=format_rfc3339_ns(row.raised_ns),
        activated=format_rfc3339_ns(row.activated_ns),
        acknowledged=_time(row.acknowledged_ns),
        acknowledged_by=row.acknowledged_by,
        cleared=_time(row.cleared_ns),
        value=row.value,
        limit=None if row.is_system else row.limit,
        severity=row.severity,
        message=row.message,
    )


def alarm_json(row: Alarm) -> dict[str, Any]:
    """Give an alarm as an item of the live stream: the same as in /v1/alarms."""
    return alarm_output(row).model_dump(mode="json")


def _rule(view: RuleView) -> RuleOutput:
    row = view.row
    return RuleOutput.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "version": row.version,
            "enabled": row.enabled,
            "asset": row.asset_id,
            "property": row.property,
            "tag": view.tag_id,
            "comparison": row.comparison,
            "limit": row.limit,
            "deadband": row.deadband,
            "on_delay_s": row.on_delay_ns / 1e9,
            "severity": row.severity,
            "message": row.message,
            "changed": format_rfc3339_ns(row.changed_ns),
            "changed_by": row.author_name,
        }
    )


def _record(row: AlarmRecord) -> AlarmRecordOutput:
    return AlarmRecordOutput(
        number=row.number,
        event=row.event,
        before=AlarmState(row.before),
        after=AlarmState(row.after),
        time=format_rfc3339_ns(row.time_ns),
        recorded=format_rfc3339_ns(row.recorded_ns),
        position=row.position,
        value=row.value,
        who=row.who,
        who_name=row.who_name,
        comment=row.comment,
    )


def _time(value: int | None) -> str | None:
    return None if value is None else format_rfc3339_ns(value)
