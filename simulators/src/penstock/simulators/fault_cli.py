"""`penstock fault`: break machines of the running simulation, and repair them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from penstock.simulators.data_folder import folders_of

commands = typer.Typer(help="Inject, clear and repair faults of simulated machines.", no_args_is_help=True)
Device = Annotated[str | None, typer.Option(help="device; may be left out when one device alone has the fault")]
Control = Annotated[Path | None, typer.Option(help="sim-control.json of the running simulators")]
Data = Annotated[Path | None, typer.Option(help="data folder of the running demo, or of the simulators themselves")]
Fault = Annotated[str, typer.Argument(help="name of the fault: bearing, drift:TAG, communication-loss")]
Growth = Annotated[str, typer.Option(help="how it grows: linear, exponential, gamma")]
TIMEOUT_s = 10.0


@commands.command()
def inject(
    fault: Fault,
    device: Device = None,
    severity: Annotated[float, typer.Option(min=0.0, max=1.0, help="damage at the onset, 0 to 1")] = 0.2,
    growth: Annotated[float, typer.Option(min=0.0, max=3600.0, help="growth in severity per hour of running")] = 2.0,
    onset: Annotated[float, typer.Option(min=0.0, help="seconds until it begins")] = 0.0,
    law: Growth = "linear",
    control: Control = None,
    data: Data = None,
) -> None:
    """Break something: the damage begins at the onset and grows while the machine runs."""
    with _asking(control, data) as client:
        name = device or _only_device(client, fault)
        figures = {"severity": severity, "growth_per_h": growth, "onset_s": onset, "law": law}
        _answer(client.post("/faults", json={"device": name, "fault": fault, **figures}))
    typer.echo(f"{name}: {fault} injected, severity {severity:g}, growing {growth:g} an hour, onset in {onset:g} s")


@commands.command()
def clear(fault: Fault, device: Device = None, control: Control = None, data: Data = None) -> None:
    """Take a fault back as if it had never been."""
    with _asking(control, data) as client:
        name = device or _only_device(client, fault)
        _answer(client.delete("/faults", params={"device": name, "fault": fault}))
    typer.echo(f"{name}: {fault} cleared")


@commands.command()
def repair(fault: Fault, device: Device = None, control: Control = None, data: Data = None) -> None:
    """Repair: the machine stops, gets a new part and starts again."""
    with _asking(control, data) as client:
        name = device or _only_device(client, fault)
        _answer(client.post("/faults", json={"device": name, "fault": fault, "action": "repair"}))
    typer.echo(f"{name}: {fault} repaired")


@commands.command("list")
def list_faults(control: Control = None, data: Data = None) -> None:
    """Show every fault that the running machines can have, and the truth about it."""
    with _asking(control, data) as client:
        items = _answer(client.get("/faults"))["items"]
    typer.echo(f"{'device':<20} {'fault':<20} {'active':<7} {'severity':>8} {'growth/h':>9} {'onset s':>8}")
    for item in items:
        active = "yes" if item["active"] else "no"
        typer.echo(
            f"{item['device']:<20} {item['fault']:<20} {active:<7} {item['severity']:>8.3f} "
            f"{item['growth_per_h']:>9.2f} {item['onset_s']:>8.0f}"
        )


@contextmanager
def _asking(control: Path | None, data: Path | None) -> Iterator[httpx.Client]:
    client = _client(control, data)
    try:
        with client:
            yield client
    except httpx.HTTPError as error:
        message = f"no simulators answer at {client.base_url} ({error}); are they running? penstock doctor looks"
        raise _failure(message) from None


def _client(control: Path | None, data: Path | None) -> httpx.Client:
    places = [control] if control is not None else _places(data)
    for place in places:
        if place.is_file():
            return _client_from(place)
    looked = ", ".join(str(place) for place in places)
    message = f"no running simulators found (looked for {looked}); start them, or name the folder with --data"
    raise _failure(message)


def _client_from(place: Path) -> httpx.Client:
    try:
        content = json.loads(place.read_text())
        url, token = str(content["url"]), str(content["token"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{place}: no control file: {error}"
        raise _failure(message) from error
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_s, trust_env=False)


def _places(data: Path | None) -> list[Path]:
    named = os.environ.get("PENSTOCK_SIM_DATA")
    folders = [Path(named)] if named else [Path("penstock-data/simulators")]
    if data is not None:
        folders = folders_of(data)
    return [folder / "sim-control.json" for folder in folders]


def _only_device(client: httpx.Client, fault: str) -> str:
    answer = _answer(client.get("/faults"))
    items = answer["items"]
    kind, _, tag = fault.partition(":")
    if tag and kind in answer["sensor_faults"]:
        devices = [str(name) for name, tags in answer["tags"].items() if tag in tags]
    else:
        devices = [str(item["device"]) for item in items if item["fault"] == fault]
    if len(devices) == 1:
        return devices[0]
    if devices:
        message = f"several devices have a fault {fault}: {', '.join(devices)}; name one with --device"
        raise _failure(message)
    known = ", ".join(sorted({str(item["fault"]) for item in items})) or "none"
    message = (
        f"no running device has a fault {fault!r}; there are: {known}; of a tag: drift:TAG …; of a wire, with --device"
    )
    raise _failure(message)


def _answer(response: httpx.Response) -> dict[str, Any]:
    if response.is_success:
        content: dict[str, Any] = response.json()
        return content
    try:
        detail = str(response.json()["detail"])
    except (ValueError, KeyError):
        detail = response.text[:200]
    message = f"{response.status_code}: {detail}"
    raise _failure(message)


def _failure(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)
