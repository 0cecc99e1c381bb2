"""`penstock lab detection`: labelled public sets, from the study to the table of scores."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from penstock.lab.detection_truth import read_truth
from penstock.lab.offline import backtest
from penstock.lab.public_scores.detection import Figures
from penstock.lab.public_scores.detection import score as score_of
from penstock.lab.results import Scored, note
from penstock.lab.sets import nab, skab, tep
from penstock.lab.study import StudyError, read_study

detection = typer.Typer(help="State detection on labelled sets.", no_args_is_help=True)
Maker = Callable[..., None]
SETS: Final[dict[str, Maker]] = {"tep": tep.make_study, "skab": skab.make_study, "nab": nab.make_study}
Results = Annotated[Path | None, typer.Option(help="file of scores to write into, beside what it has")]
SetName = Annotated[str, typer.Argument(help="tep, skab or nab")]
Disguised = Annotated[int | None, typer.Option(help="seed to shuffle and rescale the channels with; none: as they are")]


@detection.command("study")
def make(
    name: SetName,
    folder: Annotated[Path, typer.Argument(help="folder with the set's files")],
    study: Annotated[Path, typer.Argument(help="new folder for the study")],
    truth: Annotated[Path, typer.Option(help="file for the truth, outside of the study")],
    disguise: Disguised = None,
) -> None:
    """Write a labelled set as a study without its truth."""
    try:
        _maker(name)(folder, study, truth=truth, seed=disguise)
    except StudyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


@detection.command("score")
def score(
    study: Annotated[Path, typer.Argument(help="folder of the study")],
    findings: Annotated[Path, typer.Argument(help="folder that `penstock maintenance backtest` wrote")],
    truth: Annotated[Path, typer.Argument(help="file that `penstock lab detection study` wrote")],
) -> None:
    """Score findings against the truth, of each asset and of all."""
    try:
        total, each = score_of(findings, read_study(study), read_truth(truth))
    except StudyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    for label, figures in each:
        typer.echo(f"{label:<56} {_line(figures)}")
    typer.echo(f"{'all':<56} {_line(total)}")


@detection.command("table")
def table(
    folder: Annotated[Path, typer.Argument(help="folder with one folder a set: tep, skab, nab")],
    of: Annotated[list[str] | None, typer.Option(help="sets; all unless told; repeatable")] = None,
    disguise: Annotated[list[int] | None, typer.Option(help="seeds to shuffle and rescale with; repeatable")] = None,
    results: Results = None,
) -> None:
    """Make studies, run the app's backtest on each, and print the scores: as they are, and disguised."""
    try:
        for name in of or list(SETS):
            for seed in [None, *(disguise or [])]:
                total = run(name, folder / name, seed=seed)
                how = "as it is" if seed is None else f"seed {seed}"
                typer.echo(f"{name:<5} {how:<9} {_line(total)}")
                if results is not None:
                    scored = Scored("detection", name, how, total)
                    note(results, [scored], command="penstock lab detection table", now_ns=time.time_ns())
    except StudyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def run(name: str, folder: Path, *, seed: int | None) -> Figures:
    """Make a study, run the app on it as a process of its own, and give the figures over all assets."""
    with tempfile.TemporaryDirectory(prefix="penstock-lab-") as made:
        place = Path(made)
        _maker(name)(folder, place / "study", truth=place / "truth.json", seed=seed)
        backtest(place / "study", place / "findings")
        total, _ = score_of(place / "findings", read_study(place / "study"), read_truth(place / "truth.json"))
        return total


def _maker(name: str) -> Maker:
    if name not in SETS:
        message = f"no set {name!r}; there is: {', '.join(SETS)}"
        raise StudyError(message)
    return SETS[name]


def _line(figures: Figures) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
