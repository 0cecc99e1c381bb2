"""One score: all figures of one case, as values and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

from penstock.core.times import format_rfc3339_ns
from penstock.lab.scoring.costs import CostBook
from penstock.lab.scoring.detection import Detection, Finding, Rules, figures, match
from penstock.lab.scoring.health import Health, health
from penstock.lab.scoring.isolation import Isolation, isolation
from penstock.lab.scoring.money import Money, money
from penstock.lab.scoring.prognosis import Prognosis, prognosis
from penstock.lab.scoring.words import Case

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of a case, and the events they were counted from."""

    case: Case
    rules: Rules
    findings: tuple[Finding, ...]
    ignored_alarms: int
    foreign_alarms: int
    detection: Detection
    isolation: Isolation
    health: Health
    prognosis: Prognosis
    money: Money


def score(case: Case, book: CostBook, *, rules: Rules | None = None, cycle_s: float = 3600.0) -> Score:
    """Score what was said against what was true."""
    rules = rules or Rules()
    matched = match(case, rules)
    return Score(
        case,
        rules,
        matched.findings,
        ignored_alarms=len(matched.ignored),
        foreign_alarms=len(matched.foreign),
        detection=figures(matched, case),
        isolation=isolation(matched),
        health=health(case, rules),
        prognosis=prognosis(case, cycle_s=cycle_s),
        money=money(case, matched, book, rules=rules),
    )


def as_json(made: Score) -> dict[str, Any]:
    """Give the score as JSON values; times in RFC 3339, spans in seconds, what is infinite as null."""
    window = made.case.window
    content: dict[str, Any] = {
        "version": VERSION,
        "window": {"start": format_rfc3339_ns(window.start_ns), "end": format_rfc3339_ns(window.end_ns)},
        "assets": dict(made.case.assets),
        "rules": asdict(made.rules),
        "alarms": {"all": len(made.case.alarms), "ignored": made.ignored_alarms, "foreign": made.foreign_alarms},
        "events": [_event(each) for each in made.findings],
        "detection": asdict(made.detection),
        "isolation": asdict(made.isolation),
        "health": asdict(made.health),
        "prognosis": asdict(made.prognosis),
        "money": asdict(made.money),
    }
    found = _finite(content)
    assert isinstance(found, dict), "an object stays one"
    return found


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {name: _finite(each) for name, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


def _event(finding: Finding) -> dict[str, Any]:
    episode = finding.episode
    times = {
        "onset": episode.onset_ns,
        "failed": episode.failed_ns,
        "foretold": episode.foretold_ns,
        "end": episode.end_ns,
        "alarm": finding.first.raised_ns if finding.first is not None else None,
    }
    return {
        "asset": episode.asset,
        "device": episode.device,
        "fault": episode.fault,
        "kind": episode.kind,
        "component": episode.component,
        **{name: None if time_ns is None else format_rfc3339_ns(time_ns) for name, time_ns in times.items()},
        "detected": finding.detected,
        "part": finding.first.part if finding.first is not None else None,
        "alarms": len(finding.alarms),
        "lead_s": finding.lead_s,
        "lead_share": finding.lead_share,
        "delay_s": finding.delay_s,
    }
