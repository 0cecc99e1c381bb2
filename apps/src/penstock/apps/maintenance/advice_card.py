"""The card "What to do" on a machine's page: part suspected, how sure, action, urgency, evidence.

Where a machine is not well and no part is named, the step that its risk asks for, and the channel that costs most.
"""

from __future__ import annotations

from nicegui import ui

from penstock.apps.house.figures import NARROW, words
from penstock.apps.house.widgets import chip, toned
from penstock.apps.maintenance.advice.diagnosis import Diagnosis, Kind, Urgency
from penstock.apps.maintenance.advice.telling import PART
from penstock.apps.maintenance.assessment import Finding
from penstock.apps.maintenance.fleet_row import TONE, suspect_text
from penstock.apps.maintenance.frame import evidence_text
from penstock.apps.maintenance.judging import Judging
from penstock.apps.maintenance.risk.rank import URGENT, Step

URGENCY_TONE = {Urgency.NOW: "bad", Urgency.WEEK: "warn", Urgency.PLAN: "mute"}
URGENCY_TEXT = {Urgency.NOW: "Act now", Urgency.WEEK: "This week", Urgency.PLAN: "Plan it"}
KIND_TEXT = {
    Kind.MACHINE: "The machine",
    Kind.SENSOR: "A sensor, not the machine",
    Kind.COMMUNICATION: "The wire, not the machine",
}
NOTHING_SUSPECTED = "Nothing is suspected"
NO_PART = "No part is named: no failure mode of its type fits so far, or its type has none"
NO_ALARM = "No part is named yet: that is done once its health is below the limit"
NO_BASELINE = "No part is named yet: there is no baseline to compare with"
NO_MODEL = "No part is named: that takes a stretch in which the machine was healthy, named under Models"


class AdviceCard:
    """Made inside a card; `show` sets what is known."""

    def __init__(self) -> None:
        with ui.element("div").classes("ps-row ps-wrap"):
            self._part = ui.label(NOTHING_SUSPECTED).classes("ps-value")
            self._urgency = chip("")
        self._sure = ui.label("").classes("ps-sub")
        self._action = ui.label("")
        self._evidence = ui.label("").classes("ps-sub")
        self.show(None)

    def show(
        self, diagnosis: Diagnosis | None, worst: Finding | None = None, step: Step = Step.WATCH, *, unnamed: str = ""
    ) -> None:  # fmt: skip
        """Set the newest. `worst`: the channel that costs most, `step`: what the risk asks for; for want of a part.

        `unnamed`: why no part is named.
        """
        acts = diagnosis is None and step in URGENT
        for element in (self._urgency, self._action, self._evidence):
            element.set_visibility(diagnosis is not None or acts)
        self._sure.set_visibility(diagnosis is not None or acts or unnamed == NO_BASELINE)
        if diagnosis is not None:
            self._say(suspect_text(diagnosis.part), sure_text(diagnosis), diagnosis.action, evidence_line(diagnosis))
            self._chip(URGENCY_TEXT[diagnosis.urgency], URGENCY_TONE[diagnosis.urgency])
        elif acts:
            channel, why = (words(worst.channel.name), evidence_text(worst)) if worst else ("Unknown", "")
            self._say(channel, unnamed, "", why)
            self._chip(step.value, TONE[step])
        else:
            self._say(NOTHING_SUSPECTED, unnamed, "", "")

    def _say(self, part: str, sure: str, action: str, evidence: str) -> None:
        for element, text in (
            (self._part, part),
            (self._sure, sure),
            (self._action, action),
            (self._evidence, evidence),
        ):
            element.set_text(text)

    def _chip(self, text: str, tone: str) -> None:
        self._urgency.set_text(text)
        toned(self._urgency, tone)


def unnamed_text(judging: Judging, *, compares: bool) -> str:
    """Say why no part is named of a machine so judged; `compares`: it has a baseline."""
    if judging.unnamed:
        return f"No part is named: {judging.unnamed}"
    if PART not in judging.more:
        return NO_MODEL
    if not judging.by_health:
        return NO_PART
    return NO_ALARM if compares else NO_BASELINE


def sure_text(diagnosis: Diagnosis) -> str:
    """Say what is broken and how sure that is."""
    return f"{KIND_TEXT[diagnosis.kind]} · {100 * diagnosis.certainty:.0f}{NARROW}% sure"


def evidence_line(diagnosis: Diagnosis) -> str:
    """Join the sentences of evidence."""
    said = "; ".join(diagnosis.evidence)
    return said[:1].upper() + said[1:]
