"""`penstock maintenance`: the app's analytics offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.apps.maintenance.backtest import detection, prognosis
from penstock.apps.maintenance.backtest.study import Study, StudyError, read_study

commands = typer.Typer(help="Run the maintenance analytics offline, on recorded machines.", no_args_is_help=True)


@commands.callback()
def maintenance() -> None:
    """Run the maintenance analytics offline, on recorded machines."""


@commands.command()
def backtest(
    study: Annotated[Path, typer.Argument(help="folder of a study")],
    out: Annotated[Path, typer.Option(help="new or empty folder for the findings")],
    seed: Annotated[int, typer.Option(help="of what is random in a fit", min=0)] = 0,
) -> None:
    """Run a study with its family's one configuration, as the app runs it live, and write the findings."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            message = f"{out} is not empty: name a new folder"
            raise StudyError(message)
        typer.echo(_run(study, read_study(study), out, seed=seed))
    except StudyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _run(folder: Path, study: Study, out: Path, *, seed: int) -> str:
    """Hand a study to the code of its family."""
    match study.family:
        case "detection" | "stream":
            return detection.backtest(folder, study, out)
        case "prognosis":
            return prognosis.backtest(folder, study, out, seed=seed)
        case other:
            message = f"{folder}: this app has no backtest of the family {other!r}"
            raise StudyError(message)
