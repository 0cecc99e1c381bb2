"""The maintenance app's shell and navigation, and the words and tones of health."""

from __future__ import annotations

from contextlib import AbstractContextManager

from penstock.apps.house.figures import number_text, unit_text, words
from penstock.apps.house.shell import Place, Shell, shell
from penstock.apps.maintenance.assessment import Assessment, Finding, Phase
from penstock.apps.maintenance.channels import Role
from penstock.apps.maintenance.judging import Judge
from penstock.apps.maintenance.zones import Zone
from penstock.sdk.app import Context

APP_WORD = "Maintenance"
PLACES = (
    Place("Fleet", "/"),
    Place("Work orders", "/orders"),
    Place("Models", "/models"),
    Place("How it judges", "/model"),
)
ZONE_TONE = {Zone.A: "good", Zone.B: "good", Zone.C: "warn", Zone.D: "bad"}
NEAR = 15.0
"""Points above the limit within which a machine is shown as near it."""

NO_CHANGE = 0.005
"""Of what is read: a smaller change is written as none."""
LEAST_SHOWN = 0.0005
"""In the channel's unit, likewise: three decimals would show none of it."""


def frame(ctx: Context, *, here: str, title: str) -> AbstractContextManager[Shell]:
    """Lay out a page of this app."""
    return shell(ctx, app_word=APP_WORD, places=PLACES, here=here, title=title)


def health_tone(health: float | None, limit: float) -> str:
    """Give the tone of a health: bad below the limit, warn near it."""
    if health is None:
        return "mute"
    return "bad" if health < limit else "warn" if health < limit + NEAR else "good"


def phase_text(judge: Judge) -> str:
    """Say what the model is doing."""
    if not judge.needed_s:
        return "Judged by all channels"
    match judge.phase:
        case Phase.LEARNING:
            return "Learning: zones alone judge"
        case Phase.REFINING:
            return f"Baseline in use, {100 * judge.learned:.0f} % learned"
        case Phase.WATCHING:
            return "Baseline learned"


def worst_of(assessment: Assessment | None) -> Finding | None:
    """Give the channel that costs most, where one costs anything worth saying."""
    if assessment is None or not assessment.findings:
        return None
    worst = max(assessment.findings, key=lambda f: f.loss)
    return worst if worst.loss >= 1.0 else None


def change_text(finding: Finding) -> str:
    """Say how much a channel has risen: times for a band, otherwise the difference in its unit."""
    if finding.expected is None:
        return "against a moving level" if finding.channel.role is Role.OTHER else "no baseline yet"
    unit = unit_text(finding.channel.unit)
    if finding.channel.role is Role.BAND and finding.expected > 0:
        return f"× {number_text(finding.value / finding.expected, digits=2)}"
    change = finding.value - finding.expected
    if abs(change) < max(NO_CHANGE * max(abs(finding.value), abs(finding.expected)), LEAST_SHOWN):
        return f"±0 {unit}".strip()
    sign = "+" if change >= 0 else ""
    return f"{sign}{number_text(change, digits=2 if abs(change) >= 1 else 3)} {unit}".strip()


def evidence_text(finding: Finding) -> str:
    """Say in a few words what stands out."""
    if finding.expected is None:
        return f"{words(finding.channel.name)} {number_text(finding.value, digits=3)} {unit_text(finding.channel.unit)}"
    return f"{words(finding.channel.name)} {change_text(finding)}"
