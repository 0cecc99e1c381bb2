"""`penstock sim laboratory-link`: a one-time link into the running fault laboratory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import httpx
import typer

from penstock.simulators.data_folder import folders_of, found_in

LABORATORY_FILE = Path("truth") / "laboratory.json"
TIMEOUT_s = 10.0


def laboratory_link(
    data: Annotated[
        Path, typer.Option(envvar="PENSTOCK_SIM_DATA", help="data folder of the running demo, or of the simulators")
    ] = Path("penstock-data/simulators"),
) -> None:
    """Print a link that lets a browser into the fault laboratory, once."""
    place = found_in(data, LABORATORY_FILE)
    try:
        content = json.loads(place.read_text())
        url, token = str(content["url"]), str(content["token"])
    except FileNotFoundError:
        looked = ", ".join(str(folder / LABORATORY_FILE) for folder in folders_of(data))
        message = (
            f"no fault laboratory runs there (looked for {looked}); start the simulators with --laboratory-port "
            "(PENSTOCK_SIM_LABORATORY_PORT), or name their data folder with --data"
        )
        raise _failure(message) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{place}: no file of the laboratory: {error}"
        raise _failure(message) from None
    try:
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.post(f"{url}/link", headers=headers, timeout=TIMEOUT_s, trust_env=False)
        link = str(answer.raise_for_status().json()["link"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        message = f"the fault laboratory at {url} gives no link ({error}); do the simulators run?"
        raise _failure(message) from None
    typer.echo(link)


def _failure(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)
