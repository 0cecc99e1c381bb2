"""`penstock lab play` and `penstock lab compare`: a study through the running stack, and beside the offline run."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Annotated

import typer

from penstock.lab.play.compare import compare
from penstock.lab.play.play import Way, play
from penstock.lab.study import StudyError, read_study
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.data_folder import PLATFORM_HELP, platform_of
from penstock.sdk.errors import ClientError

StudyFolder = Annotated[Path, typer.Argument(help="folder of a study")]


def play_study(
    study: StudyFolder,
    out: Annotated[Path, typer.Option(help="new or empty folder for the findings")],
    data: Annotated[Path, typer.Option(help="data folder of the running demo")] = Path("penstock-data"),
    plant: Annotated[Path | None, typer.Option(help="plant folder that the gateway follows; else <data>/plant")] = None,
    driver: Annotated[str, typer.Option(help="opcua or mqtt")] = "opcua",
    speed: Annotated[float, typer.Option(min=0.0, help="times real time; 0: as fast as the gateway takes it")] = 0.0,
    run: Annotated[str | None, typer.Option(help="name of this play, in every device and asset; else random")] = None,
    played: Annotated[bool, typer.Option("--played", help="--run was played before: only wait and read back")] = False,
    platform: Annotated[str | None, typer.Option(envvar="PENSTOCK_APP_PLATFORM_URL", help=PLATFORM_HELP)] = None,
    credentials: Annotated[Path | None, typer.Option(help="credentials; else <data>/secrets/cli.json")] = None,
    wait: Annotated[float, typer.Option(min=1.0, help="seconds that the app may take at most")] = 900.0,
    limit: Annotated[
        float | None, typer.Option(min=1.0, help="seconds that the playback may take at most; else by its rows")
    ] = None,
    clean: Annotated[bool, typer.Option(help="remove device files at the end; else they stay, disabled")] = False,
) -> None:
    """Play a study as neutral devices through the running stack, and read back what the maintenance app said."""

    async def work() -> str:
        found = credentials or data / "secrets" / "cli.json"
        name = run or f"run{secrets.token_hex(3)}"
        way = Way(
            name,
            plant or data / "plant",
            driver,
            speed,
            wait,
            limit_s=limit,
            clean=clean,
            is_played=played,
        )
        async with AsyncClient(platform_of(platform, data), credentials=found) as client:
            return await play(client, study, out, way=way, say=typer.echo)

    try:
        if played and run is None:
            message = "--played needs the name that the play said, as --run"
            raise StudyError(message)
        if out.exists() and any(out.iterdir()):
            message = f"{out} is not empty: name a new folder"
            raise StudyError(message)
        typer.echo(asyncio.run(work()))
    except (StudyError, ClientError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def compare_findings(
    study: StudyFolder,
    one: Annotated[Path, typer.Argument(help="findings, of the offline run say")],
    other: Annotated[Path, typer.Argument(help="findings, of the stack say")],
) -> None:
    """Compare two findings of a study, row by row and alarm by alarm; exit status 2 where they differ."""
    try:
        found = compare(read_study(study), one, other)
    except StudyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    for each in found:
        equal = "equal" if each.is_none else "DIFFERENT"
        typer.echo(
            f"{each.asset:<16} {equal:<10} {each.rows:>8} rows in both, {each.alone} in one only, "
            f"values differ by at most {each.worst:.1e}, {each.alarms} alarms in one only"
        )
    if not all(each.is_none for each in found):
        raise typer.Exit(2)
