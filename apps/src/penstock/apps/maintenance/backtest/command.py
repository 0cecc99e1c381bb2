"""`penstock maintenance`: the maintenance app's analytics without a platform."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from penstock.apps.maintenance.backtest import detection
from penstock.apps.maintenance.backtest.study import (
    Asset,
    Study,
    StudyError,
    new_folder,
    read_study,
    write_findings,
)

commands = typer.Typer(help="Run the maintenance analytics on recorded machines.", no_args_is_help=True)

Runner = Callable[[Study, Asset, Path], dict[str, Any]]
ONE_BY_ONE: Final[dict[str, Runner]] = {"detection": detection.detect, "stream": detection.stream}
"""Families whose assets know nothing of one another."""


@commands.callback()
def maintenance() -> None:
    """Run the maintenance analytics on recorded machines."""


@commands.command()
def backtest(
    study: Annotated[Path, typer.Argument(help="folder of a study")],
    out: Annotated[Path, typer.Option(help="folder for the findings, new or empty")],
) -> None:
    """Judge recorded machines by the configuration that judges live ones; write what was found."""
    try:
        found = run(study, out)
    except StudyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{found} assets judged: {out}")


def run(folder: Path, out: Path) -> int:
    """Run the analytics of the study's family; give the number of assets."""
    study = read_study(folder)
    if study.family not in ONE_BY_ONE:
        message = f"{folder}: family {study.family!r}; there is: {', '.join(ONE_BY_ONE)}"
        raise StudyError(message)
    new_folder(out)
    said = [ONE_BY_ONE[study.family](study, asset, out) for asset in study.assets]
    write_findings(out, study.family, said)
    return len(said)
