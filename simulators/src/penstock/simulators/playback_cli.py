"""`penstock playback FILE|FOLDER`: play a recording, or a folder of them, as devices of the running plant."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from penstock.core.demo_ports import PORTS_FILE, demo_ports
from penstock.core.errors import PenstockError
from penstock.simulators.ledger.log import LedgerWriter
from penstock.simulators.playback import (
    AS_FAST_AS_TAKEN,
    Plan,
    PlaybackError,
    Played,
    check_past,
    shift_of,
    summary,
)
from penstock.simulators.playback_fleet import Fleet
from penstock.simulators.playback_folder import (
    SUFFIXES,
    Entry,
    Outcome,
    find_recordings,
    folder_summary,
    look_at,
    name_devices,
    plan_folder,
)
from penstock.simulators.playback_gateway import EVERY_s, GatewayWatch, SELDOM_s
from penstock.simulators.playback_player import Player
from penstock.simulators.recording import Recording, read_recording
from penstock.simulators.recordings import SHIPPED
from penstock.simulators.wires import Wires

playback = typer.Typer(help="Play recorded files as devices.")
EXCLUDED = ("anomaly", "changepoint")
SHIPPED_FILE = "pump-bearing.csv"
SPEED_MAX: Final = 100_000.0
PLANTS = ("penstock-data/plant", "plant")


@playback.command()
def play(
    file: Annotated[
        str, typer.Argument(help="CSV or Parquet file, or a folder of them, below --data if given")
    ] = SHIPPED_FILE,
    data: Annotated[Path | None, typer.Option(help="folder of recordings")] = None,
    driver: Annotated[str, typer.Option(help="opcua or mqtt")] = "opcua",
    speed: Annotated[
        float, typer.Option(min=0.0, max=SPEED_MAX, help="times real time, from 1; 0: as fast as the gateway takes it")
    ] = 50.0,
    stamps: Annotated[
        str, typer.Option(help="original, or shifted: to start now (×1) or end now (faster); a folder by one amount")
    ] = "original",
    at_once: Annotated[int, typer.Option(min=1, max=200, help="devices of a folder that are played at a time")] = 8,
    clean: Annotated[bool, typer.Option(help="remove device files at the end; else they stay, disabled")] = False,
    plant: Annotated[Path | None, typer.Option(help="the running plant's folder")] = None,
    device: Annotated[str | None, typer.Option(help="name of the device; default: made of the file's name")] = None,
    columns: Annotated[str | None, typer.Option(help="only these columns, separated by commas")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="leave a column out [anomaly, changepoint]")] = None,
    trust: Annotated[Path | None, typer.Option(help="trusted OPC UA certificates", envvar="PENSTOCK_SIM_TRUST")] = None,
    broker: Annotated[
        str | None, typer.Option(envvar="PENSTOCK_MQTT_URL", help="MQTT broker; default: the demo's")
    ] = None,
    mqtt_credentials: Annotated[Path | None, typer.Option(envvar="PENSTOCK_SIM_MQTT_CREDENTIALS")] = None,
    gateway: Annotated[
        str | None, typer.Option(help="whose /health is asked; empty: over MQTT do not wait; default: the demo's")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="OPC UA port, 0: a free one")] = 0,
    ledger: Annotated[Path | None, typer.Option(help="file of the independent ledger")] = None,
) -> None:
    """Play every row with its own time, wait until the gateway has all of it, leave the device files disabled."""
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    try:
        _check_words(driver=driver, stamps=stamps, speed=speed)
        folder = _plant(plant)
        ports = _ports_beside(folder)
        broker = broker or f"mqtt://127.0.0.1:{ports.get('mqtt', 18830)}"
        order = Order(
            driver=driver,
            address=f"opc.tcp://127.0.0.1:{port or _free_port()}" if driver == "opcua" else broker,
            speed=speed,
            stamps=stamps,
            plant=folder,
            columns=[name.strip() for name in columns.split(",")] if columns else None,
            exclude=EXCLUDED if exclude is None else exclude,
            clean=clean,
        )
        gateway = f"http://127.0.0.1:{ports.get('gateway', 8090)}" if gateway is None else gateway
        watch = GatewayWatch(gateway, EVERY_s if driver == "mqtt" else SELDOM_s) if gateway else None
        run = partial(_with_wires, _Places(folder, trust, mqtt_credentials), watch=watch, ledger=ledger)
        source = _source(file, data)
        if source.is_dir():
            done = _play_folder(source, order, run, device=device, at_once=at_once)
        else:
            done = _play_file(source, order, run, device=device or device_name(file), title=file)
    except PenstockError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if not done:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Order:
    """Hold what holds for every recording that is played."""

    driver: str
    address: str
    speed: float
    stamps: str
    plant: Path
    columns: Sequence[str] | None
    exclude: Sequence[str]
    clean: bool

    def plan(self, recording: Recording, *, device: str, title: str, shift_ns: int) -> Plan:
        """Make the plan of one of them."""
        return Plan(
            recording=recording.only(self.columns, self.exclude),
            device=device,
            driver=self.driver,
            address=self.address,
            speed=self.speed,
            shift_ns=shift_ns,
            plant=self.plant,
            title=title,
            clean=self.clean,
        )


@dataclass(frozen=True, slots=True)
class _Stage:
    """Hold what plays over."""

    wires: Wires
    watch: GatewayWatch | None
    ledger: LedgerWriter | None


_Result = TypeVar("_Result")
_Run = Callable[[Callable[[_Stage], Awaitable[Any]]], Any]


def _play_file(path: Path, order: Order, run: _Run, *, device: str, title: str) -> bool:
    recording, now_ns = read_recording(path), time.time_ns()
    shift_ns = shift_of([recording.span], stamps=order.stamps, speed=order.speed, now_ns=now_ns)
    check_past(recording.span, shift_ns=shift_ns, speed=order.speed, now_ns=now_ns)
    plan = order.plan(recording, device=device, title=title, shift_ns=shift_ns)

    async def play_it(stage: _Stage) -> Played:
        player = Player(plan, stage.wires, watch=stage.watch, ledger=stage.ledger, say=typer.echo)
        try:
            return await player.play()
        finally:
            await player.leave()

    typer.echo(summary(plan, run(play_it)))
    return True


def _play_folder(folder: Path, order: Order, run: _Run, *, device: str | None, at_once: int) -> bool:
    if device is not None:
        message = f"--device names one device, and {folder} is a folder: its devices are named after their files"
        raise PlaybackError(message)
    began = time.monotonic()
    entries = [look_at(folder, entry) for entry in name_devices(find_recordings(folder))]
    planned = plan_folder(entries, stamps=order.stamps, speed=order.speed, now_ns=time.time_ns())
    typer.echo(f"{len(entries)} recordings of {folder} over {order.driver}, {at_once} at a time")
    for entry in planned.refused:
        typer.echo(f"{entry.device}: {entry.path} is not played: {entry.refused}", err=True)

    def plan_of(entry: Entry) -> Plan:
        recording = read_recording(folder / entry.path)
        if recording.span != entry.span:
            message = "it changed since its times were read"
            raise PlaybackError(message)
        return order.plan(recording, device=entry.device, title=entry.path, shift_ns=planned.shift_ns)

    async def play_all(stage: _Stage) -> list[Outcome]:
        fleet = Fleet(stage.wires, stage.watch, at_once, plan_of, stage.ledger, say=typer.echo, warn=_warn)
        return await fleet.play(planned.entries)

    outcomes = [Outcome(entry.device, None, entry.refused) for entry in planned.refused]
    if planned.entries:
        outcomes += run(play_all)
    typer.echo(folder_summary(outcomes, seconds=time.monotonic() - began))
    return all(outcome.played is not None for outcome in outcomes)


def _warn(line: str) -> None:
    typer.echo(line, err=True)


class _Places:
    """Where trust, state and credentials lie beside a plant folder, as `penstock demo` has them."""

    def __init__(self, plant: Path, trust: Path | None, credentials: Path | None) -> None:
        named = os.environ.get("PENSTOCK_SIM_DATA")
        self.data = Path(named) if named else plant.parent / "simulators"
        self.trust = trust or plant / "trust"
        beside = plant.parent / "secrets" / "mqtt-sim.json"
        self.credentials = credentials or (beside if beside.is_file() else None)


def _with_wires(
    places: _Places, play: Callable[[_Stage], Awaitable[_Result]], *, watch: GatewayWatch | None, ledger: Path | None
) -> _Result:
    """Run what plays with wires, a watch of the gateway and a ledger, and close them whatever happens."""
    return asyncio.run(_on_stage(places, play, watch=watch, ledger=ledger))


async def _on_stage(
    places: _Places, play: Callable[[_Stage], Awaitable[_Result]], *, watch: GatewayWatch | None, ledger: Path | None
) -> _Result:
    writer = LedgerWriter(ledger) if ledger is not None else None
    wires = Wires(
        data=places.data,
        trust=places.trust,
        opcua_host="127.0.0.1",
        mqtt_credentials=places.credentials,
        ledger=writer,
        application="playback",
        keeps=False,  # what one play has left, another would send as its own
    )
    watching = asyncio.create_task(watch.follow(), name="gateway") if watch is not None else None
    try:
        return await play(_Stage(wires, watch, writer))
    finally:
        if watching is not None:
            watching.cancel()
        await wires.close()
        if writer is not None:
            writer.close()


def _source(file: str, data: Path | None) -> Path:
    """Find what is to be played: below --data; without it here, or among those that ship; else say where it looked."""
    if data is not None:
        return data / file
    here, shipped = Path(file), SHIPPED / file
    if here.exists() or shipped.exists():
        return here if here.exists() else shipped
    listed = ", ".join(sorted(path.name for path in SHIPPED.iterdir() if path.suffix in SUFFIXES))
    message = f"no file or folder {here.absolute()}, and no recording of that name ships with Penstock ({listed})"
    raise PlaybackError(message)


def device_name(file: str) -> str:
    """Make a device's name of a file's: `valve1/0.csv` → `playback-valve1-0`."""
    stem = re.sub(r"\.[a-z0-9]+$", "", file.lower())
    return f"playback-{re.sub(r'[^a-z0-9]+', '-', stem).strip('-')}"[:63].rstrip("-")


def _plant(named: Path | None) -> Path:
    if named is not None and not (named / "devices").is_dir():
        message = f"--plant {named}: no plant folder (no {named / 'devices'}); name the running one"
        raise PlaybackError(message)
    if named is not None:
        return named
    chosen = os.environ.get("PENSTOCK_SIM_PLANT")
    for place in [chosen] if chosen else PLANTS:
        if (Path(place) / "devices").is_dir():
            return Path(place)
    message = f"no plant folder here (looked for {chosen or ', '.join(PLANTS)}); name the running one with --plant"
    raise PlaybackError(message)


def _ports_beside(plant: Path) -> dict[str, int]:
    """Give the ports of the demo that keeps the plant folder, if it is one's."""
    try:
        return demo_ports((plant.parent / PORTS_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return {}


def _check_words(*, driver: str, stamps: str, speed: float) -> None:
    _one_of("--driver", driver, ("opcua", "mqtt"))
    _one_of("--stamps", stamps, ("original", "shifted"))
    if speed != AS_FAST_AS_TAKEN and speed < 1.0:
        message = f"--speed {speed:g}: 1 or more, or 0 for as fast as the gateway takes it"
        raise PlaybackError(message)


def _one_of(option: str, value: str, words: tuple[str, ...]) -> None:
    if value not in words:
        message = f"{option} {value}: one of {', '.join(words)}"
        raise PlaybackError(message)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
