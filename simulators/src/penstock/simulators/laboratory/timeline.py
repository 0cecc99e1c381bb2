"""What happened, and when: moments of onset and detection, and the line of all events with the platform's alarms. Pure.

The truth store is asked through `History` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from penstock.simulators.laboratory.episodes import Alarm, Detection, Episode, detection, life_left, severity_in
from penstock.simulators.laboratory.facts import History
from penstock.simulators.laboratory.words import growth, moment, share, span
from penstock.simulators.laboratory.words import severity as severity_text
from penstock.simulators.truth.records import Action, Cause, TruthEvent

MOMENTS_MAX: Final = 12
ENTRIES_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Moment:
    """One episode beside the platform's word on it, in words."""

    device: str
    fault: str
    component: str
    onset: str
    began: str
    alarm: str
    after: str
    left: str
    said: str
    tone: str
    standing: str
    standing_tone: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the timeline; `lane` is truth or platform."""

    time: str
    lane: str
    tone: str
    what: str
    detail: str
    device: str


def moments(
    found: Sequence[Episode], alarms: Sequence[Alarm] | None, history: History, *, now_ns: int
) -> tuple[Moment, ...]:
    """Tell the newest episodes, newest first; `alarms` is None where no platform is known."""
    newest = sorted(found, key=lambda one: one.onset_ns, reverse=True)[:MOMENTS_MAX]
    return tuple(_moment(one, alarms, history, now_ns=now_ns) for one in newest)


def _moment(one: Episode, alarms: Sequence[Alarm] | None, history: History, *, now_ns: int) -> Moment:
    seen = detection(one, alarms) if alarms is not None else None
    standing, standing_tone = _standing(one, now_ns)
    alarm, after, tone = _seen(one, seen, known=alarms is not None, now_ns=now_ns)
    left, said = _left(one, seen, history) if seen is not None and not seen.stood else ("–", "")
    began = "worn" if one.cause is Cause.WEAR else f"severity {severity_text(one.severity)}"
    return Moment(
        one.device, one.fault, one.component, moment(one.onset_ns, now_ns=now_ns), began,
        alarm, after, left, said, tone, standing, standing_tone,
    )  # fmt: skip


def _seen(one: Episode, seen: Detection | None, *, known: bool, now_ns: int) -> tuple[str, str, str]:
    if seen is not None:
        at = moment(seen.alarm.raised_ns, now_ns=now_ns)
        return (at, "stood before", "mute") if seen.stood else (at, f"{span(seen.after_s)} later", "good")
    if not known:
        return "–", "no platform named", "mute"
    if not one.asset:
        return "–", "names no asset", "mute"
    if one.lasts:
        return "not yet", f"{span((now_ns - one.onset_ns) / 1e9)} so far", "warn"
    return "none", "it was never seen", "bad"


def _left(one: Episode, seen: Detection, history: History) -> tuple[str, str]:
    at_alarm = history.state_at(one.device, seen.alarm.raised_ns)
    left = life_left(one.fault, at_onset=history.state_at(one.device, one.onset_ns), at_alarm=at_alarm)
    severity = severity_in(at_alarm, one.fault)
    return share(left), f"severity {severity_text(severity)}" if severity is not None else ""


def _standing(one: Episode, now_ns: int) -> tuple[str, str]:
    if one.end_ns is not None:
        return f"{one.ended} {moment(one.end_ns, now_ns=now_ns)}", "mute"
    if one.failed_ns is not None:
        return f"complete since {moment(one.failed_ns, now_ns=now_ns)}", "bad"
    return "lasts", "warn"


def entries(
    events: Sequence[TruthEvent], alarms: Sequence[Alarm], *, now_ns: int, assets: frozenset[str] | None = None
) -> tuple[Entry, ...]:
    """Give the line of all that happened, newest first; of the alarms only those of `assets`, where they are named."""
    named = [one for one in alarms if one.asset and (assets is None or one.asset in assets)]
    line = [(one.time_ns, _of_event(one, now_ns)) for one in events[-ENTRIES_MAX:]]
    for alarm in named:
        line.append((alarm.raised_ns, _of_alarm(alarm, alarm.raised_ns, "alarm", now_ns=now_ns)))
        if alarm.acknowledged_ns is not None:
            line.append((alarm.acknowledged_ns, _of_alarm(alarm, alarm.acknowledged_ns, "acknowledged", now_ns=now_ns)))
        if alarm.cleared_ns is not None:
            line.append((alarm.cleared_ns, _of_alarm(alarm, alarm.cleared_ns, "cleared", now_ns=now_ns)))
    line = sorted(line, key=lambda pair: pair[0])[::-1]
    return tuple(entry for _, entry in line[:ENTRIES_MAX])


_WORDS: Final = {
    Action.INJECTED: ("injected", "truth"),
    Action.ONSET: ("begins", "warn"),
    Action.STEP: ("grows", "truth"),
    Action.FAILED: ("is complete", "bad"),
    Action.CLEARED: ("cleared", "good"),
    Action.REPAIRED: ("repaired", "good"),
}


def _of_event(one: TruthEvent, now_ns: int) -> Entry:
    word, tone = _WORDS[one.action]
    return Entry(moment(one.time_ns, now_ns=now_ns), "truth", tone, f"{one.fault} {word}", _detail(one), one.device)


def _detail(one: TruthEvent) -> str:
    match one.action:
        case Action.INJECTED:
            return _asked(one)
        case Action.ONSET:
            by = "worn" if one.cause is Cause.WEAR else "as asked"
            return f"{by}, severity {severity_text(one.severity)}"
        case Action.STEP:
            return f"severity {severity_text(one.severity)}"
        case Action.FAILED:
            return "the machine stands" if one.kind == "machine" else "it tells nothing more"
        case Action.CLEARED | Action.REPAIRED:
            by = "by the machine's own crew, " if one.cause is Cause.CREW else ""
            rul_s = one.detail.get("rul_s")
            left = (
                f"; {span(rul_s)} of life were left"
                if isinstance(rul_s, int | float) and rul_s > 0 and one.severity > 0
                else ""
            )
            return f"{by}at severity {severity_text(one.severity)}{left}"


def _asked(one: TruthEvent) -> str:
    asked = one.detail
    severity, per_h, onset_s = (_number(asked.get(name)) for name in ("severity", "growth_per_h", "onset_s"))
    said = f"severity {severity_text(severity)}, {growth(per_h)}"
    if per_h:
        said += f", {asked.get('law', 'linear')}"
    return said + (f", in {span(onset_s)}" if onset_s else "")


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _of_alarm(alarm: Alarm, time_ns: int, word: str, *, now_ns: int) -> Entry:
    what = "platform's alarm" if word == "alarm" else f"platform: {word}"
    tone = "platform" if word == "alarm" else "mute"
    where = alarm.asset.rpartition("/")[2]
    return Entry(moment(time_ns, now_ns=now_ns), "platform", tone, what, alarm.message or alarm.name, where)
