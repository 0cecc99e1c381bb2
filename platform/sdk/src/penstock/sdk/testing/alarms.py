"""The fake's rules and alarms: limit rules evaluated as samples arrive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from penstock.core.alarm import (
    Acknowledge,
    AlarmSample,
    AlarmState,
    Comparison,
    LimitAlarm,
    LimitRule,
    NotAcknowledgeable,
    Transition,
)
from penstock.core.times import format_rfc3339_ns
from penstock.sdk.testing.call import Call, paged
from penstock.sdk.testing.problem import Refused
from penstock.sdk.testing.state import Row, State

ACTIVE = frozenset(str(state) for state in AlarmState if state.is_active)


@dataclass(slots=True)
class Alarms:
    """Rules, their machines (the platform's own: penstock.core.alarm), alarms and journals."""

    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    machines: dict[str, LimitAlarm] = field(default_factory=dict)
    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)
    journals: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def on_rows(self, rows: list[Row]) -> list[dict[str, Any]]:
        """Evaluate all rules on new rows and give the alarms that changed."""
        changed: dict[str, dict[str, Any]] = {}
        for row in rows:
            for rule_id, machine in self.machines.items():
                if self.rules[rule_id]["tag"] == row.tag:
                    value = None if row.value is None or isinstance(row.value, str) else float(row.value)
                    sample = AlarmSample(row.time, row.status, value, row.position, row.row)
                    for moved in machine.on_input(sample, row.arrival):
                        changed[moved.alarm] = self._take(moved, rule_id)
        return list(changed.values())

    def arm(self, rule: dict[str, Any]) -> None:
        """Begin to watch by a rule, or by its new version."""
        delay_ns = int(rule["on_delay_s"] * 1e9)
        limits = LimitRule(
            rule["id"],
            rule["version"],
            Comparison(rule["comparison"]),
            rule["limit"],
            deadband=rule["deadband"],
            on_delay_ns=delay_ns,
        )
        self.rules[rule["id"]] = rule
        self.machines[rule["id"]] = LimitAlarm(limits, rule["asset"] or "")

    def disarm(self, rule_id: str) -> None:
        """End a rule; its alarms stay."""
        del self.rules[self.rule(rule_id)["id"]]
        del self.machines[rule_id]

    def _take(self, moved: Transition, rule_id: str) -> dict[str, Any]:
        time, rule = format_rfc3339_ns(moved.time_ns), self.rules[rule_id]
        if moved.alarm not in self.alarms:
            kept = {k: rule[k] for k in ("asset", "tag", "limit", "severity", "message")}
            fresh = {"acknowledged": None, "acknowledged_by": None, "raised": time, "value": moved.value}
            self.alarms[moved.alarm] = {"id": moved.alarm, "rule": rule_id, **kept, **fresh, "cleared": None}
            self.journals[moved.alarm] = []
        alarm = self.alarms[moved.alarm]
        alarm["state"] = str(moved.after)
        if moved.event == "activate":
            alarm |= {"activated": time, "cleared": None, "value": moved.value}
        if moved.event == "clear":
            alarm["cleared"] = time
        if moved.event == "acknowledge":
            alarm |= {"acknowledged": time, "acknowledged_by": moved.who}
        entry = {"event": str(moved.event), "before": str(moved.before), "after": str(moved.after), "time": time}
        self.journals[moved.alarm].append(
            entry | {"position": moved.position, "value": moved.value, "who": moved.who, "comment": moved.comment}
        )
        return alarm

    def acknowledge(self, alarm_id: str, *, who: str, comment: str, now_ns: int) -> dict[str, Any]:
        """Acknowledge in a person's name; where there is nothing to, refuse."""
        alarm = self.find(alarm_id)
        machine = self.machines.get(alarm["rule"])
        if machine is None or machine.memory.alarm != alarm_id:
            raise Refused(409, "not-acknowledgeable", f"alarm {alarm_id} is {alarm['state']}: nothing to acknowledge")
        try:
            (moved,) = machine.on_input(Acknowledge(who, comment), now_ns)
        except NotAcknowledgeable as refused:
            raise Refused(409, "not-acknowledgeable", str(refused)) from refused
        return self._take(moved, alarm["rule"])

    def find(self, alarm_id: str) -> dict[str, Any]:
        """Give an alarm."""
        if alarm_id not in self.alarms:
            raise Refused(404, "not-found", f"no alarm {alarm_id}")
        return self.alarms[alarm_id]

    def rule(self, rule_id: str) -> dict[str, Any]:
        """Give a rule."""
        if rule_id not in self.rules:
            raise Refused(404, "not-found", f"no rule {rule_id}")
        return self.rules[rule_id]


def create_rule(state: State, alarms: Alarms, call: Call) -> tuple[int, dict[str, Any]]:
    """Answer `POST /v1/rules`."""
    body = call.body()
    if body.get("comparison") not in ("high", "low"):
        raise Refused(422, "invalid-parameter", f"comparison: {body.get('comparison')!r} is neither high nor low")
    tag = body.get("tag")
    stands = state.asset(body["asset"])["id"] if body.get("asset") else None
    if tag is None:
        named = [t for t in state.tags.values() if t["asset"] == stands and t["property"] == body["property"]]
        if not named:
            raise Refused(422, "invalid-parameter", f"property: {body['asset']} has no tag for {body['property']}")
        tag = named[0]["id"]
    rule_id = f"rul_{len(alarms.rules) + 1}"
    defaults = {"deadband": 0.0, "on_delay_s": 0.0, "severity": 500, "message": "", "enabled": True}
    watched = {"tag": tag, "asset": stands or state.tags[tag]["asset"], "property": state.tags[tag]["property"]}
    alarms.arm({"id": rule_id, "version": 1, **defaults, **body, **watched})
    return 201, alarms.rules[rule_id]


def change_rule(alarms: Alarms, call: Call) -> dict[str, Any]:
    """Answer `PATCH /v1/rules/{id}`: a new version."""
    rule = alarms.rule(call.path[0])
    alarms.arm({**rule, **call.body(), "version": rule["version"] + 1})
    return alarms.rules[rule["id"]]


def list_alarms(state: State, alarms: Alarms, call: Call) -> dict[str, Any]:
    """Answer `GET /v1/alarms`, newest first."""
    found = list(reversed(alarms.alarms.values()))
    wanted_state, asset, active = call.one("state"), call.one("asset"), call.one("active")
    if asset:
        asset = state.asset(asset)["id"]
    found = [a for a in found if not wanted_state or a["state"] == wanted_state]
    found = [a for a in found if not asset or a["asset"] == asset]
    found = [a for a in found if active is None or (a["state"] in ACTIVE) == (active == "true")]
    return paged(call, found)


def acknowledge(alarms: Alarms, call: Call) -> dict[str, Any]:
    """Answer the acknowledge route; only a person may."""
    if call.principal.kind != "person":
        raise Refused(403, "person-needed", "an alarm is acknowledged by a person: use the token of who is logged in")
    comment = str(call.body().get("comment", ""))
    return alarms.acknowledge(call.path[0], who=call.principal.name, comment=comment, now_ns=call.now_ns)
