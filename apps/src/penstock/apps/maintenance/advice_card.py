"""The card "What to do" on a machine's page: part suspected, how sure, action, urgency, evidence."""

from __future__ import annotations

from nicegui import ui

from penstock.apps.house.figures import NARROW
from penstock.apps.house.widgets import chip, toned
from penstock.apps.maintenance.advice.diagnosis import Diagnosis, Kind, Urgency
from penstock.apps.maintenance.fleet_row import suspect_text

URGENCY_TONE = {Urgency.NOW: "bad", Urgency.WEEK: "warn", Urgency.PLAN: "mute"}
URGENCY_TEXT = {Urgency.NOW: "Act now", Urgency.WEEK: "This week", Urgency.PLAN: "Plan it"}
KIND_TEXT = {
    Kind.MACHINE: "The machine",
    Kind.SENSOR: "A sensor, not the machine",
    Kind.COMMUNICATION: "The wire, not the machine",
}
NOTHING_SUSPECTED = "Nothing is suspected"


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

    def show(self, diagnosis: Diagnosis | None) -> None:
        """Set the newest; None: nothing is suspected."""
        for element in (self._urgency, self._sure, self._action, self._evidence):
            element.set_visibility(diagnosis is not None)
        if diagnosis is None:
            self._part.set_text(NOTHING_SUSPECTED)
            return
        self._part.set_text(suspect_text(diagnosis.part))
        self._urgency.set_text(URGENCY_TEXT[diagnosis.urgency])
        toned(self._urgency, URGENCY_TONE[diagnosis.urgency])
        self._sure.set_text(sure_text(diagnosis))
        self._action.set_text(diagnosis.action)
        self._evidence.set_text(evidence_line(diagnosis))


def sure_text(diagnosis: Diagnosis) -> str:
    """Say what is broken and how sure that is."""
    return f"{KIND_TEXT[diagnosis.kind]} · {100 * diagnosis.certainty:.0f}{NARROW}% sure"


def evidence_line(diagnosis: Diagnosis) -> str:
    """Join the sentences of evidence."""
    said = "; ".join(diagnosis.evidence)
    return said[:1].upper() + said[1:]
