"""How the analytics score on data that nobody here made, and on truth where a file is named."""

from __future__ import annotations

from typing import Final

from nicegui import ui

from penstock.apps.house.figures import NARROW, NOTHING, duration_text, number_text
from penstock.apps.house.tables import Cell, Row, Table
from penstock.apps.house.widgets import card
from penstock.apps.maintenance.settings import MaintenanceSettings
from penstock.apps.maintenance.state.scores import PublicScore, ScoresError, TruthScore, read_public, read_truth

FIGURES_MAX: Final = 6
"""Figures of a set that are shown; the others where one hovers."""


def scores_card(settings: MaintenanceSettings) -> None:
    """Show both; what cannot be read says why."""
    with card("Scores of these analytics"):
        ui.label("One configuration for all sets, fixed before scoring; your machines are other machines.").classes(
            "ps-sub"
        )
        table = Table(["Set", "Figures", "·Given", "·Scored"])
        try:
            table.show([_row(each) for each in read_public(settings.scores)])
        except ScoresError as wrong:
            ui.label(str(wrong)).classes("ps-sub ps-caution")
        if settings.truth_score is not None:
            try:
                ui.label(truth_text(read_truth(settings.truth_score))).classes("ps-sub")
            except ScoresError as wrong:
                ui.label(str(wrong)).classes("ps-sub ps-caution")


def _row(score: PublicScore) -> Row:
    said = [f"{name.replace('_', ' ')} {_number(value)}" for name, value in score.figures.items()]
    cells = (
        Cell(f"{score.set.upper()}, {score.family}"),
        Cell(" · ".join(said[:FIGURES_MAX]), tip=" · ".join(said)),
        Cell(score.how, "sub"),
        Cell(score.scored, "time", tip=score.command),
    )
    return Row(f"{score.family}/{score.set}/{score.how}", cells)


def _number(value: float) -> str:
    """Write a count as one."""
    return f"{value:.0f}" if value.is_integer() else number_text(value)


def truth_text(score: TruthScore) -> str:
    """Say what was counted against a hidden truth."""
    rate = NOTHING if score.false_per_asset_month is None else number_text(score.false_per_asset_month, digits=2)
    lead = NOTHING if score.lead_s is None else duration_text(score.lead_s)
    return (
        f"On the hidden truth of simulated machines, {score.window}: {score.detected} of {score.events} faults found "
        f"(recall {_share(score.recall)}, precision {_share(score.precision)}), {rate} false alarms an asset-month, "
        f"median lead {lead}, part named right {_share(score.parts_right)}, interval of the remaining life covers "
        f"{_share(score.coverage)}."
    )


def _share(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.0f}{NARROW}%"
