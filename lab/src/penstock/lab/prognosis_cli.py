"""`penstock lab prognosis`: remaining life on public run-to-failure sets, from the study to the table of scores."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from penstock.lab.offline import backtest
from penstock.lab.public_scores.prognosis import PrognosisScore
from penstock.lab.public_scores.prognosis import score as score_of
from penstock.lab.results import Scored, note
from penstock.lab.sets import cmapss
from penstock.lab.study import StudyError
from penstock.lab.truth import read_truth

prognosis = typer.Typer(help="Remaining life on run-to-failure sets.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="folder with the set's files")]
Subset = Annotated[str, typer.Option(help="which set of the folder")]
Disguised = Annotated[int | None, typer.Option(help="seed to shuffle and rescale the channels with; none: as they are")]
HEAD = (
    f"{'set':<7} {'age':<4} {'disguise':>8} {'seed':>4} {'RMSE':>6} {'NASA':>6} {'cover':>6} {'width':>6} {'bias':>6}"
    f" {'RMSE raw':>9} {'NASA raw':>9} {'seconds':>8}"
)


@prognosis.command("study")
def make(
    folder: Folder,
    study: Annotated[Path, typer.Argument(help="new folder for the study")],
    truth: Annotated[Path, typer.Option(help="file for the truth, outside of the study")],
    subset: Subset = "FD001",
    disguise: Disguised = None,
    age: Annotated[bool, typer.Option(help="add the cycle number as a channel, for comparison")] = False,
) -> None:
    """Write a turbofan set as a study without its truth."""
    try:
        cmapss.make_study(folder, study, truth=truth, subset=subset, seed=disguise, age=age)
    except StudyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


@prognosis.command("score")
def score(
    findings: Annotated[Path, typer.Argument(help="folder that `penstock maintenance backtest` wrote")],
    truth: Annotated[Path, typer.Argument(help="file that `penstock lab prognosis study` wrote")],
) -> None:
    """Score findings against the truth."""
    try:
        got = score_of(findings, read_truth(truth))
    except StudyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{got.assets} assets, {got.unanswered} without an estimate")
    typer.echo(f"capped: RMSE {got.rmse:.2f}, NASA {got.nasa:.0f}, bias {got.bias:+.2f}")
    typer.echo(f"interval: coverage {100 * got.coverage:.0f} %, mean width {got.width:.1f}")
    typer.echo(f"raw labels: RMSE {got.rmse_raw:.2f}, NASA {got.nasa_raw:.0f}")


@prognosis.command("table")
def table(
    folder: Folder,
    subset: Annotated[list[str] | None, typer.Option(help="FD001 and FD003 unless told; repeatable")] = None,
    disguise: Annotated[list[int] | None, typer.Option(help="seeds to shuffle and rescale with; repeatable")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="seeds of the fit; 0 unless told; repeatable")] = None,
    age: Annotated[bool, typer.Option(help="also with the cycle number as a channel")] = False,
    results: Annotated[Path | None, typer.Option(help="file of scores to write into, beside what it has")] = None,
) -> None:
    """Make studies, run the app's backtest on each and print the scores: undisguised, disguised, by seed of the fit."""
    typer.echo(HEAD)
    try:
        for name in subset or ["FD001", "FD003"]:
            for hide in [None, *(disguise or [])]:
                for fit_seed in (seed or [0]) if hide is None else (seed or [0])[:1]:
                    typer.echo(_scored(folder, name, hide=hide, seed=fit_seed, age=False, results=results))
            if age:
                typer.echo(_scored(folder, name, hide=None, seed=(seed or [0])[0], age=True, results=results))
    except StudyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _scored(folder: Path, subset: str, *, hide: int | None, seed: int, age: bool, results: Path | None) -> str:
    """Score a set, note it where a file is named, and give its line of the table."""
    got, seconds = run(folder, subset, hide=hide, seed=seed, age=age)
    if results is not None:
        how = "as it is" if hide is None else f"seed {hide}"
        how += f", fit of seed {seed}{', age as a channel' if age else ''}"
        scored = Scored("prognosis", f"C-MAPSS {subset}", how, asdict(got))
        note(results, [scored], command="penstock lab prognosis table", now_ns=time.time_ns())
    return (
        f"{subset:<7} {'with' if age else 'no':<4} {'-' if hide is None else hide:>8} {seed:>4} {got.rmse:>6.2f}"
        f" {got.nasa:>6.0f} {100 * got.coverage:>5.0f}% {got.width:>6.1f} {got.bias:>+6.2f}"
        f" {got.rmse_raw:>9.2f} {got.nasa_raw:>9.0f} {seconds:>8.0f}"
    )


def run(folder: Path, subset: str, *, hide: int | None, seed: int, age: bool) -> tuple[PrognosisScore, float]:
    """Make a study, run the app on it as a process of its own, and give the score and the app's seconds."""
    with tempfile.TemporaryDirectory(prefix="penstock-lab-") as made:
        place = Path(made)
        truth = place / "truth.json"
        cmapss.make_study(folder, place / "study", truth=truth, subset=subset, seed=hide, age=age)
        began = time.monotonic()
        backtest(place / "study", place / "findings", "--seed", str(seed))
        seconds = time.monotonic() - began
        return score_of(place / "findings", read_truth(truth)), seconds
