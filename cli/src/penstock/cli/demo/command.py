"""`penstock demo`."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import typer

from penstock.cli.demo.layout import DemoError, Layout, Ports
from penstock.cli.demo.plan import Parts, check_ports, environment, ignored, penstock, plan
from penstock.cli.demo.reader import make_reader
from penstock.cli.demo.readiness import delivery_problem
from penstock.cli.demo.supervisor import Supervisor

LOGIN_LINK_WITHIN_S = 30.0
DEFAULT = Ports()

commands = typer.Typer()


@commands.command()
def demo(
    data: Path = typer.Option(Path("penstock-data"), help="Folder that keeps everything."),
    no_browser: bool = typer.Option(False, "--no-browser", help="Do not open a browser."),
    no_simulators: bool = typer.Option(False, "--no-simulators", help="Run without the simulated machines."),
    no_apps: bool = typer.Option(False, "--no-apps", help="Run without the apps."),
    platform_port: int = typer.Option(DEFAULT.platform, min=1, max=65535, help="Platform: start page and API."),
    platform_tls_port: int = typer.Option(
        DEFAULT.platform_tls, min=1, max=65535, help="Platform: the gateway's door, TLS."
    ),
    monitoring_port: int = typer.Option(DEFAULT.monitoring, min=1, max=65535, help="App monitoring."),
    maintenance_port: int = typer.Option(DEFAULT.maintenance, min=1, max=65535, help="App maintenance."),
    gateway_port: int = typer.Option(DEFAULT.gateway, min=1, max=65535, help="Gateway's health and metrics."),
    simulators_port: int = typer.Option(DEFAULT.simulators, min=1, max=65535, help="Simulators' control."),
    laboratory_port: int = typer.Option(
        DEFAULT.laboratory, min=1, max=65535, help="Fault laboratory, a page of the simulators."
    ),
    mqtt_port: int = typer.Option(DEFAULT.mqtt, min=1, max=65535, help="MQTT broker."),
    broker_port: int = typer.Option(DEFAULT.broker, min=1, max=65535, help="The broker's own protocol."),
    pump_plc_port: int = typer.Option(
        DEFAULT.pump_plc, min=1, max=65535, envvar="PENSTOCK_OPCUA_PUMP_PORT", help="OPC UA of the simulated pump."
    ),
    filling_plc_port: int = typer.Option(
        DEFAULT.filling_plc,
        min=1,
        max=65535,
        envvar="PENSTOCK_OPCUA_FILLING_PORT",
        help="OPC UA of the simulated filling line.",
    ),
) -> None:
    """Run the whole stack here, embedded: machines, gateway, platform, apps. Ctrl-C stops it; the data stays."""
    ports = Ports(
        platform=platform_port,
        platform_tls=platform_tls_port,
        monitoring=monitoring_port,
        maintenance=maintenance_port,
        gateway=gateway_port,
        simulators=simulators_port,
        laboratory=laboratory_port,
        mqtt=mqtt_port,
        broker=broker_port,
        pump_plc=pump_plc_port,
        filling_plc=filling_plc_port,
    )
    parts = Parts(simulators=not no_simulators, apps=not no_apps)
    try:
        run_demo(Layout(data), ports, parts, browser=not no_browser)
    except DemoError as failed:
        sys.stderr.write(f"penstock demo: {failed}\n")
        raise typer.Exit(1) from None


def run_demo(layout: Layout, ports: Ports, parts: Parts, *, browser: bool) -> None:
    """Prepare, start, wait for the end, stop."""
    fresh = not layout.plant.exists()
    try:
        layout.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = (
            f"the data folder {layout.data.absolute()} cannot be made: {error.strerror}; choose another with --data"
        )
        raise DemoError(message) from None
    with only_one(layout.data):
        check_ports(ports, parts)
        layout.prepare()
        layout.remember(ports)
        say(f"Penstock demo; everything is kept in {layout.data.absolute()}" + ("" if fresh else ", going on with it"))
        if names := ignored(layout, ports):
            say(f"Not taken from the environment, the demo decides: {', '.join(names)}")
        asyncio.run(_supervise(layout, ports, parts, browser=browser))


async def _supervise(layout: Layout, ports: Ports, parts: Parts, *, browser: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    supervisor = Supervisor(plan(layout, ports, parts), say)
    running = asyncio.create_task(_run(supervisor, layout, ports, parts, browser=browser))
    stopping = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        if stopped.is_set():
            say("\nStopping; the data stays. Ctrl-C again does not hurry it: journals are being closed.")
    finally:
        stopping.cancel()
        failure = running.exception() if running.done() else None
        running.cancel()
        with suppress(asyncio.CancelledError, DemoError):
            await running
        await supervisor.stop()
    if failure is not None:
        raise failure


async def _run(supervisor: Supervisor, layout: Layout, ports: Ports, parts: Parts, *, browser: bool) -> None:
    await supervisor.start()
    link = await asyncio.to_thread(login_link, layout, ports)
    say(f"\nAll is up. Log in once with this link:\n\n    {link}\n")
    if parts.simulators:
        await asyncio.to_thread(_open_laboratory, layout, ports)
    say(f"Plant folder: {layout.plant.absolute()}: drop a device file into devices/ and it appears.")
    say("Ctrl-C stops everything.")
    if problem := await delivery_problem(ports.url("gateway") + "/health"):
        say(f"\nBut nothing reaches the platform yet. The gateway says: {problem}")
    if browser and _has_screen():
        webbrowser.open(link)
    await supervisor.watch()


def _open_laboratory(layout: Layout, ports: Ports) -> None:
    if problem := make_reader(layout, ports):
        say(f"The fault laboratory shows no alarms of the platform: {problem}")
    link = _asked_for_link("sim", "laboratory-link", environ=environment(layout, ports)) or ports.laboratory_url
    say(f"The fault laboratory, where machines are broken, has a login of its own, once with:\n\n    {link}\n")


def login_link(layout: Layout, ports: Ports) -> str:
    """Give the one-time link that the platform left, or have it make a new one; else the start page."""
    file = layout.secret("login-link")
    if file.exists():
        return file.read_text(encoding="utf-8").strip()
    return _asked_for_link("platform", "login-link", environ=environment(layout, ports)) or ports.url("platform")


def _asked_for_link(*words: str, environ: Mapping[str, str]) -> str:
    """Give the link that a command of ours prints; empty where it prints none."""
    try:
        made = subprocess.run(  # noqa: S603 - our own command
            penstock(*words),
            env=environ,
            capture_output=True,
            text=True,
            timeout=LOGIN_LINK_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    lines = [line.strip() for line in made.stdout.splitlines() if "http" in line]
    return lines[-1] if made.returncode == 0 and lines else ""


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold the folder: two demos on one would fight for its files."""
    lock = (data / ".demo.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        message = f"another demo is running on {data.absolute()}: stop it, or give --data another folder"
        raise DemoError(message) from None
    with lock:
        yield


def say(line: str) -> None:
    """Print a line at once; a closed pipe does not stop the demo."""
    with suppress(BrokenPipeError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _has_screen() -> bool:
    shown = sys.platform in ("darwin", "win32") or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return sys.stdout.isatty() and shown
