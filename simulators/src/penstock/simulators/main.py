"""`penstock sim`: run the simulated plant, generate history, write load devices."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Annotated

import typer

from penstock.core.device_file import TAGS_MAX
from penstock.core.errors import ConfigError, PenstockError
from penstock.core.settings import settings_of, unknown_settings
from penstock.core.times import NS_PER_S, parse_duration_ns, parse_time
from penstock.simulators.data_folder import found_in
from penstock.simulators.demo_plant import DEMO_PLANT
from penstock.simulators.device import STEP_MAX_s
from penstock.simulators.folder import write_whole
from penstock.simulators.generate import PlannedFault, simulate, write_parquet
from penstock.simulators.laboratory.link_cli import laboratory_link
from penstock.simulators.load import load_device_file
from penstock.simulators.machine_file import faults_of, machine_device_file, tag_names
from penstock.simulators.machine_plant import place_machine
from penstock.simulators.models.model import ParameterError
from penstock.simulators.models.registry import UnknownModelError, find_model
from penstock.simulators.schedule import read_schedule
from penstock.simulators.settings import SimSettings
from penstock.simulators.truth.keeper import TruthKeeper
from penstock.simulators.truth.store import TruthStore

commands = typer.Typer(help="Simulated machines.", no_args_is_help=True)
commands.command("laboratory-link")(laboratory_link)
log = logging.getLogger("penstock.simulators")


@commands.command()
def run(
    plant: Annotated[Path | None, typer.Option(help="plant folder; devices/*.yaml are followed")] = None,
    data: Annotated[Path | None, typer.Option(help="state, outboxes, certificate, control token")] = None,
    trust: Annotated[Path | None, typer.Option(help="folder of trusted OPC UA certificates")] = None,
    ledger: Annotated[Path | None, typer.Option(help="file of the independent ledger")] = None,
    control_port: Annotated[int | None, typer.Option(help="port of the control API, 0: any")] = None,
    laboratory_port: Annotated[
        int | None, typer.Option(help="port of the fault laboratory's page on loopback, 0: any; absent: no page")
    ] = None,
    schedule: Annotated[Path | None, typer.Option(help="YAML file of faults and when they come")] = None,
) -> None:
    """Serve the simulated devices of a plant folder until stopped."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    given = {
        "plant": plant,
        "data": data,
        "trust": trust,
        "ledger": ledger,
        "control_port": control_port,
        "laboratory_port": laboratory_port,
        "schedule": schedule,
    }
    settings = settings_of(SimSettings, **given)
    if unknown := unknown_settings(SimSettings, os.environ):
        log.warning("%s", unknown)
    if not (settings.plant / "devices").is_dir():
        typer.echo(
            f"{settings.plant}: no plant folder (it needs devices/); make one: penstock sim init {settings.plant}"
        )
        raise typer.Exit(2)
    from penstock.simulators.serving import serve  # late: it brings OPC UA's stack, and only who serves needs that

    try:
        asyncio.run(serve(settings))
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


@commands.command()
def init(folder: Annotated[Path, typer.Argument(help="folder to make")]) -> None:
    """Copy the demo plant into a folder that does not exist yet; it is yours to change."""
    if folder.exists() and any(folder.iterdir()):
        typer.echo(f"{folder} is not empty; name another folder", err=True)
        raise typer.Exit(2)
    shutil.copytree(DEMO_PLANT, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__*"))
    typer.echo(f"{folder}: the demo plant")


@commands.command()
def generate(
    out: Annotated[Path, typer.Option(help="Parquet file to write: key, time, status, vf, vi, vb, vs")],
    hours: Annotated[float, typer.Option(min=0.001, max=24 * 366, help="simulated hours")] = 24.0,
    step: Annotated[str, typer.Option(help="step of the models, 10ms to 5s")] = "1s",
    until: Annotated[str, typer.Option(help="last stamp: now, or RFC 3339")] = "now",
    fault: Annotated[list[str] | None, typer.Option(help="DEVICE:FAULT[:at=6h,severity=0.2,growth=0.5]")] = None,
    schedule: Annotated[Path | None, typer.Option(help="YAML file of faults and when they come")] = None,
    device: Annotated[list[str] | None, typer.Option(help="only these devices' samples")] = None,
    plant: Annotated[Path | None, typer.Option(help="plant folder; default: the demo plant as shipped")] = None,
    truth: Annotated[Path | None, typer.Option(help="new file for the hidden truth of the run (SQLite)")] = None,
    truth_every: Annotated[str, typer.Option(help="how often hidden states are noted, 1s to 1d")] = "10s",
) -> None:
    """Run the plant's models faster than real time and write what they would have said."""
    try:
        until_ns = parse_time(until, time.time_ns())
        step_s = parse_duration_ns(step) / NS_PER_S
        if not 0.01 <= step_s <= STEP_MAX_s:
            typer.echo(f"--step {step}: 10ms to 5s", err=True)
            raise typer.Exit(2)
        began = time.monotonic()
        keeper = _truth_of_a_run(truth, parse_duration_ns(truth_every)) if truth is not None else None
        start_ns = until_ns - round(hours * 3600 * NS_PER_S)
        emissions = simulate(
            plant or DEMO_PLANT,
            start_ns=start_ns,
            until_ns=until_ns,
            step_s=step_s,
            faults=tuple(PlannedFault.parse(text) for text in fault or ()),
            schedule=read_schedule(schedule, start_ns=start_ns, environ=os.environ) if schedule is not None else None,
            devices=frozenset(device) if device else None,
            environ=os.environ,
            truth=keeper,
        )
        rows = write_parquet(emissions, out)
        if keeper is not None:
            keeper.close()
    except (PenstockError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    typer.echo(f"{out}: {rows} samples of {hours:g} h in {time.monotonic() - began:.1f} s")


def _truth_of_a_run(path: Path, every_ns: int) -> TruthKeeper:
    if path.exists():
        message = f"{path} exists; every run has a truth of its own: name a new file"
        raise PenstockError(message)
    if not NS_PER_S <= every_ns <= 86_400 * NS_PER_S:
        message = "--truth-every: 1s to 1d"
        raise PenstockError(message)
    return TruthKeeper(TruthStore(path), every_ns=every_ns, look_ns=min(every_ns, 10 * NS_PER_S))


@commands.command()
def truth(
    out: Annotated[Path, typer.Argument(help="file to write")],
    data: Annotated[
        Path, typer.Option(envvar="PENSTOCK_SIM_DATA", help="data folder of the demo or the simulators, running or not")
    ] = Path("penstock-data/simulators"),
) -> None:
    """Copy the hidden truth into a file, for `penstock score --truth-file`."""
    place = found_in(data, Path("truth") / "truth.sqlite")
    if not place.is_file():
        typer.echo(f"{place}: no truth; name the data folder of the demo or of the simulators with --data", err=True)
        raise typer.Exit(1)
    store = TruthStore(place)
    store.copy_to(out)
    typer.echo(f"{out}: {sum(int(one['states']) for one in store.devices())} states")


@commands.command()
def load(
    tags: Annotated[int, typer.Option(min=1, max=TAGS_MAX, help="number of tags")] = 100,
    rate: Annotated[float, typer.Option(min=0.001, max=1000.0, help="readings a second of each tag")] = 1.0,
    driver: Annotated[str, typer.Option(help="mqtt or opcua")] = "mqtt",
    device: Annotated[str, typer.Option(help="name of the device")] = "load",
    port: Annotated[int, typer.Option(help="OPC UA port")] = 4850,
    plant: Annotated[Path | None, typer.Option(help="running plant folder; default: write to standard output")] = None,
) -> None:
    """Write a device file that makes load; running simulators take it up."""
    if driver not in ("mqtt", "opcua"):
        typer.echo(f"--driver {driver}: mqtt or opcua", err=True)
        raise typer.Exit(2)
    text = load_device_file(device=device, tags=tags, rate_hz=rate, driver=driver, port=port)
    if plant is None:
        typer.echo(text, nl=False)
        return
    path = plant / "devices" / f"{device}.yaml"
    try:
        write_whole(path, text)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{path}: {tags} tags at {rate:g} Hz, {tags * rate:g} values/s over {driver}")


@commands.command()
def machine(
    model: Annotated[str, typer.Argument(help="model, such as fan; see docs/reference/machines.md")],
    device: Annotated[str | None, typer.Option(help="name of the device; default: the model's with -1")] = None,
    wear: Annotated[float, typer.Option(min=0.0, help="speed of natural wear: 0 none, 1 real, 1000 a demo")] = 0.0,
    driver: Annotated[str, typer.Option(help="mqtt or opcua")] = "mqtt",
    asset: Annotated[str, typer.Option(help="ISA-95 path above the asset, which is named as the device")] = (
        "penstock/riverside/utilities/machines"
    ),
    port: Annotated[int, typer.Option(help="OPC UA port")] = 4870,
    seed: Annotated[int, typer.Option(min=0, help="another seed, another machine")] = 0,
    plant: Annotated[Path | None, typer.Option(help="running plant folder; default: write to standard output")] = None,
) -> None:
    """Write a device file for a machine, with every output as a tag; running simulators take it up.

    Into a plant folder come its asset type, too, where it is not there yet, and its asset in plant.yaml.
    """
    if driver not in ("mqtt", "opcua"):
        typer.echo(f"--driver {driver}: mqtt or opcua", err=True)
        raise typer.Exit(2)
    name = device or f"{model}-1"
    try:
        text = machine_device_file(
            model,
            device=name,
            driver=driver,
            asset=f"{asset}/{name}",
            port=port,
            parameters={"wear": wear} if wear else {},
            seed=seed,
        )
        if plant is None:
            typer.echo(text, nl=False)
            return
        outputs = tag_names(find_model(model).OUTPUTS).values()
        for told in place_machine(plant, text, model=model, device=name, asset=f"{asset}/{name}", outputs=set(outputs)):
            typer.echo(told)
    except UnknownModelError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    except (ConfigError, ParameterError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


@commands.command()
def faults(model: Annotated[str, typer.Argument(help="model, such as fan; see docs/reference/machines.md")]) -> None:
    """List what can break in a machine: a fault and its component a line, with a tab between."""
    try:
        found = faults_of(model)
    except UnknownModelError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    for fault, component in found.items():
        typer.echo(f"{fault}\t{component}")
