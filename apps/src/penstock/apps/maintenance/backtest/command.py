"""`penstock maintenance`: the app's analytics offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.apps.maintenance.backtest.study import Study, StudyError, read_study
from penstock.apps.maintenance.fanout.executor import Executor, ExecutorError
from penstock.apps.maintenance.fanout.place import Place

commands = typer.Typer(help="Run the maintenance analytics offline, on recorded machines.", no_args_is_help=True)


@commands.callback()
def maintenance() -> None:
    """Run the maintenance analytics offline, on recorded machines."""


@commands.command()
def backtest(
    study: Annotated[Path, typer.Argument(help="folder of a study")],
    out: Annotated[Path, typer.Option(help="new or empty folder for the findings")],
    seed: Annotated[int, typer.Option(help="of what is random in a fit", min=0)] = 0,
    jobs: Annotated[int, typer.Option(help="processes of this machine", min=1, max=256)] = 1,
    dask: Annotated[str, typer.Option(help="address of a Dask scheduler; none: no cluster is connected to")] = "",
    dask_ca: Annotated[Path | None, typer.Option(help="for tls://: the authority's certificate, PEM")] = None,
    dask_cert: Annotated[Path | None, typer.Option(help="for tls://: our own certificate, PEM")] = None,
    dask_key: Annotated[Path | None, typer.Option(help="for tls://: its key, PEM")] = None,
) -> None:
    """Run a study with its family's one configuration, as the app runs it live, and write the findings."""
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            message = f"{out} is a file, or a folder that is not empty: name a new folder"
            raise StudyError(message)
        out.mkdir(parents=True, exist_ok=True)
        place = Place(jobs, dask, dask_ca, dask_cert, dask_key)
        with place.executor() as executor:
            typer.echo(_run(study, read_study(study), out, seed=seed, executor=executor))
    except (StudyError, ExecutorError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _run(folder: Path, study: Study, out: Path, *, seed: int, executor: Executor) -> str:
    """Hand a study to the code of its family."""
    match study.family:
        case "detection" | "stream":
            from penstock.apps.maintenance.backtest import detection

            return detection.backtest(folder, study, out, executor=executor)
        case "prognosis":
            from penstock.apps.maintenance.backtest import prognosis  # it brings scikit-learn

            return prognosis.backtest(folder, study, out, seed=seed, executor=executor)
        case other:
            message = f"{folder}: this app has no backtest of the family {other!r}"
            raise StudyError(message)
