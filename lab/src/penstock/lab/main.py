"""`penstock lab`: studies of recorded machines, and their scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.lab.detection_cli import detection
from penstock.lab.experiment_cli import experiment
from penstock.lab.play_cli import compare_findings, play_study
from penstock.lab.prognosis_cli import prognosis
from penstock.lab.study import StudyError, read_rows, read_study

commands = typer.Typer(
    help="Score the maintenance analytics: public data and simulated machines.", no_args_is_help=True
)
commands.add_typer(detection, name="detection")
commands.add_typer(prognosis, name="prognosis")


@commands.callback()
def lab() -> None:
    """Score the maintenance analytics: public data and simulated machines."""


commands.command("play")(play_study)
commands.command("compare")(compare_findings)
commands.command("experiment")(experiment)


@commands.command()
def show(study: Annotated[Path, typer.Argument(help="folder of a study")]) -> None:
    """Show what a study holds."""
    try:
        found = read_study(study)
    except StudyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{found.family}: {len(found.assets)} assets")
    for asset in found.assets:
        rows = read_rows(study, asset.name)
        uses = ", ".join(each.use for each in asset.stretches)
        typer.echo(
            f"{asset.name:<16} {rows.num_rows:>9,} rows {rows.num_columns - 1:>3} channels  {asset.ended:<8} {uses}"
        )
