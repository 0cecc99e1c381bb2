"""`penstock playback FILE`: play a recording as a device of the running plant."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from penstock.core.demo_ports import PORTS_FILE, demo_ports
from penstock.core.errors import PenstockError
from penstock.simulators.ledger.log import LedgerWriter
from penstock.simulators.playback import Plan, PlaybackError, Played, Player, shift_of, summary
from penstock.simulators.recording import read_recording
from penstock.simulators.recordings import SHIPPED
from penstock.simulators.wires import Wires

playback = typer.Typer(help="Play a recorded file as a device.")
EXCLUDED = ("anomaly", "changepoint")
SHIPPED_FILE = "pump-bearing.csv"
PLANTS = ("penstock-data/plant", "plant")


@playback.command()
def play(
    file: Annotated[str, typer.Argument(help="CSV or Parquet file, below --data if given")] = SHIPPED_FILE,
    data: Annotated[Path | None, typer.Option(help="folder of recordings; default: the one that ships")] = None,
    driver: Annotated[str, typer.Option(help="opcua or mqtt")] = "opcua",
    speed: Annotated[float, typer.Option(min=1.0, max=500.0, help="times real time")] = 50.0,
    stamps: Annotated[
        str, typer.Option(help="original, or shifted: to start now (×1) or end now (faster)")
    ] = "original",
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
        str | None, typer.Option(help="whose /health is asked over MQTT; empty: do not wait; default: the demo's")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="OPC UA port, 0: a free one")] = 0,
    ledger: Annotated[Path | None, typer.Option(help="file of the independent ledger")] = None,
) -> None:
    """Play every row with its own time, wait until the gateway has all of it, leave the device disabled."""
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    try:
        _one_of("--driver", driver, ("opcua", "mqtt"))
        _one_of("--stamps", stamps, ("original", "shifted"))
        folder = _plant(plant)
        ports = _ports_beside(folder)
        gateway = f"http://127.0.0.1:{ports.get('gateway', 8090)}" if gateway is None else gateway
        broker = broker or f"mqtt://127.0.0.1:{ports.get('mqtt', 18830)}"
        whole = read_recording((data or SHIPPED) / file)
        names = [name.strip() for name in columns.split(",")] if columns else None
        recording = whole.only(names, EXCLUDED if exclude is None else exclude)
        plan = Plan(
            recording=recording,
            device=device or device_name(file),
            driver=driver,
            address=f"opc.tcp://127.0.0.1:{port or _free_port()}" if driver == "opcua" else broker,
            speed=speed,
            shift_ns=shift_of(recording, stamps=stamps, speed=speed, now_ns=time.time_ns()),
            plant=folder,
            title=file,
        )
        played = asyncio.run(_play(plan, _Places(folder, trust, mqtt_credentials), gateway=gateway, ledger=ledger))
    except PenstockError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(summary(plan, played))


class _Places:
    """Where trust, state and credentials lie beside a plant folder, as `penstock demo` has them."""

    def __init__(self, plant: Path, trust: Path | None, credentials: Path | None) -> None:
        named = os.environ.get("PENSTOCK_SIM_DATA")
        self.data = Path(named) if named else plant.parent / "simulators"
        self.trust = trust or plant / "trust"
        beside = plant.parent / "secrets" / "mqtt-sim.json"
        self.credentials = credentials or (beside if beside.is_file() else None)


async def _play(plan: Plan, places: _Places, *, gateway: str, ledger: Path | None) -> Played:
    writer = LedgerWriter(ledger) if ledger is not None else None
    try:
        wires = Wires(
            data=places.data,
            trust=places.trust,
            opcua_host="127.0.0.1",
            mqtt_credentials=places.credentials,
            ledger=writer,
            application="playback",
        )
        ready = (lambda: _is_subscribed(gateway, plan.device)) if gateway else None
        return await Player(plan, wires, ledger=writer, say=typer.echo).play(ready)
    finally:
        if writer is not None:
            writer.close()


def _is_subscribed(gateway: str, device: str) -> bool:
    try:
        content: Any = httpx.get(f"{gateway.rstrip('/')}/health", timeout=3.0, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return False
    devices = content.get("devices", {}) if isinstance(content, dict) else {}
    found = devices.get(device) if isinstance(devices, dict) else None
    return isinstance(found, dict) and found.get("state") == "connected"


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


def _one_of(option: str, value: str, words: tuple[str, ...]) -> None:
    if value not in words:
        message = f"{option} {value}: one of {', '.join(words)}"
        raise PlaybackError(message)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
