"""The fake's rules and alarms: limit rules evaluated as samples arrive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from penstock.core import status as opcua
from penstock.core.times import format_rfc3339_ns
from penstock.sdk.testing.call import Call, paged
from penstock.sdk.testing.problem import Refused
from penstock.sdk.testing.state import Row, State

ACTIVE = frozenset({"unacknowledged_active", "acknowledged_active"})


@dataclass(slots=True)
class Watch:
    """How a rule stands: since when the limit is passed, and the alarm that is open."""

    passed_since: int | None = None
    alarm: str | None = None


@dataclass(slots=True)
class AlarmState:
    """Rules, alarms and their journals."""

    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    watches: dict[str, Watch] = field(default_factory=dict)
    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)
    journals: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    made: int = 0

    def on_rows(self, rows: list[Row]) -> list[dict[str, Any]]:
        """Evaluate all rules on new rows and give the alarms that changed."""
        changed: dict[str, dict[str, Any]] = {}
        for row in rows:
            if row.value is None or isinstance(row.value, str) or opcua.is_bad(row.status):
                continue
            for rule in self.rules.values():
                if rule["tag"] == row.tag:
                    for alarm in self._evaluate(rule, float(row.value), row):
                        changed[alarm["id"]] = alarm
        return list(changed.values())

    def _evaluate(self, rule: dict[str, Any], value: float, row: Row) -> list[dict[str, Any]]:
        watch = self.watches.setdefault(rule["id"], Watch())
        sign = 1.0 if rule["comparison"] == "high" else -1.0
        above = sign * (value - rule["limit"])
        if watch.alarm is not None:
            if above <= -rule["deadband"]:
                alarm, watch.alarm, watch.passed_since = self.alarms[watch.alarm], None, None
                returned = "normal" if alarm["acknowledged"] else "rtn_unacknowledged"
                alarm |= {"cleared": format_rfc3339_ns(row.time)}
                return [self._move(alarm, returned, row.time, "")]
            return []
        if above <= 0:
            watch.passed_since = None
            return []
        watch.passed_since = row.time if watch.passed_since is None else watch.passed_since
        if row.time - watch.passed_since < rule["on_delay_s"] * 1e9:
            return []
        return [self._raise(rule, value, row, watch)]

    def _raise(self, rule: dict[str, Any], value: float, row: Row, watch: Watch) -> dict[str, Any]:
        self.made += 1
        watch.alarm = f"alm_{self.made}"
        kept = {k: rule[k] for k in ("asset", "tag", "limit", "severity", "message")}
        alarm = {"id": watch.alarm, "rule": rule["id"], "value": value, "raised": format_rfc3339_ns(row.time), **kept}
        alarm |= {"acknowledged": None, "acknowledged_by": None, "cleared": None, "state": "normal"}
        self.alarms[watch.alarm] = alarm
        self.journals[watch.alarm] = []
        return self._move(alarm, "unacknowledged_active", row.time, "")

    def _move(self, alarm: dict[str, Any], to: str, time: int, who: str, comment: str = "") -> dict[str, Any]:
        entry = {"from": alarm["state"], "to": to, "time": format_rfc3339_ns(time), "who": who, "comment": comment}
        self.journals[alarm["id"]].append(entry)
        alarm["state"] = to
        return alarm

    def acknowledge(self, alarm_id: str, *, who: str, comment: str, now_ns: int) -> dict[str, Any]:
        """Acknowledge in a person's name; an alarm acknowledged already stays as it is."""
        alarm = self.find(alarm_id)
        if alarm["acknowledged"] is None:
            alarm |= {"acknowledged": format_rfc3339_ns(now_ns), "acknowledged_by": who}
            self._move(alarm, "acknowledged_active" if alarm["state"] in ACTIVE else "normal", now_ns, who, comment)
        return alarm

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


def create_rule(state: State, alarms: AlarmState, call: Call) -> tuple[int, dict[str, Any]]:
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
    alarms.rules[rule_id] = {"id": rule_id, "version": 1, **defaults, **body, **watched}
    return 201, alarms.rules[rule_id]


def change_rule(alarms: AlarmState, call: Call) -> dict[str, Any]:
    """Answer `PATCH /v1/rules/{id}`: a new version."""
    rule = alarms.rule(call.path[0])
    rule |= call.body()
    rule["version"] += 1
    return rule


def list_alarms(state: State, alarms: AlarmState, call: Call) -> dict[str, Any]:
    """Answer `GET /v1/alarms`, newest first."""
    found = list(reversed(alarms.alarms.values()))
    wanted_state, asset, active = call.one("state"), call.one("asset"), call.one("active")
    if asset:
        asset = state.asset(asset)["id"]
    found = [a for a in found if not wanted_state or a["state"] == wanted_state]
    found = [a for a in found if not asset or a["asset"] == asset]
    found = [a for a in found if active is None or (a["state"] in ACTIVE) == (active == "true")]
    return paged(call, found)


def acknowledge(alarms: AlarmState, call: Call) -> dict[str, Any]:
    """Answer the acknowledge route; only a person may."""
    if call.principal.kind != "person":
        raise Refused(403, "person-needed", "an alarm is acknowledged by a person: use the token of who is logged in")
    comment = str(call.body().get("comment", ""))
    return alarms.acknowledge(call.path[0], who=call.principal.name, comment=comment, now_ns=call.now_ns)
