"""`penstock gateway`: run it, enrol it, look at its journal."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import httpx
import typer

from penstock.core.demo_ports import PORTS_FILE, demo_ports
from penstock.core.errors import ConfigError, PenstockError
from penstock.core.settings import settings_of, unknown_settings
from penstock.gateway.bootstrap import Gateway, hold_data_folder
from penstock.gateway.credential import load_credential
from penstock.gateway.delivery import NotEnrolled, enrol, new_epoch_id
from penstock.gateway.journal.store import JournalStore
from penstock.gateway.logs import configure_logging
from penstock.gateway.settings import Settings, check_platform_url

commands = typer.Typer(help="Run the edge gateway; enrol it, look at its journal.", no_args_is_help=True)
journal = typer.Typer(help="Look at the journal, or hand it to another platform.", no_args_is_help=True)
commands.add_typer(journal, name="journal")

HEALTH_TIMEOUT_S = 5.0
log = logging.getLogger("penstock.gateway")

Data = Annotated[Path | None, typer.Option(help="data folder of the gateway (PENSTOCK_GATEWAY_DATA)")]


@commands.command()
def run(
    data: Data = None,
    plant: Annotated[Path | None, typer.Option(help="plant folder with devices/ (PENSTOCK_GATEWAY_PLANT)")] = None,
    platform_url: Annotated[str | None, typer.Option(help="platform (PENSTOCK_GATEWAY_PLATFORM_URL)")] = None,
    health_port: Annotated[int | None, typer.Option(help="port of /health (PENSTOCK_GATEWAY_HEALTH_PORT)")] = None,
) -> None:
    """Run the gateway until Ctrl-C or SIGTERM."""
    configure_logging()
    settings = _settings(data=data, plant=plant, platform_url=platform_url, health_port=health_port)
    if unknown := unknown_settings(Settings, os.environ):
        log.warning("%s", unknown)
    try:
        asyncio.run(_run(settings))
    except ConfigError as error:
        _stop(str(error))


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Gateway(settings, os.environ).run(stop)


@commands.command("enrol")
def enrol_command(
    token_file: Annotated[Path, typer.Option(help="file with the single-use token")],
    data: Data = None,
    platform_url: Annotated[str | None, typer.Option(help="platform (PENSTOCK_GATEWAY_PLATFORM_URL)")] = None,
    platform_ca: Annotated[
        Path | None, typer.Option(help="authorities to know it by, PEM (PENSTOCK_GATEWAY_PLATFORM_CA)")
    ] = None,
) -> None:
    """Enrol this gateway, or enrol it again; the journal is kept, and a running gateway takes the credential up."""
    settings = _settings(data=data, platform_url=platform_url, platform_ca=platform_ca)
    try:
        url = check_platform_url(settings.platform_url, allow_plain_http=settings.allow_plain_http)
        token = token_file.read_text(encoding="utf-8").strip()
        credential = asyncio.run(enrol(settings, url, token))
    except (ConfigError, NotEnrolled) as error:
        _stop(str(error))
    except (OSError, UnicodeDecodeError) as error:
        _stop(f"{token_file} cannot be read: {error}")
    typer.echo(f"enrolled at {url} as {credential.gateway}; the journal is kept and delivered to it")


@commands.command()
def problems(
    health_port: Annotated[int | None, typer.Option(help="port of /health (PENSTOCK_GATEWAY_HEALTH_PORT)")] = None,
) -> None:
    """Ask the running gateway what is wrong: one problem a line, exit code 1 where there is any."""
    settings = _settings(health_port=health_port)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.health_host, settings.health_host)  # noqa: S104
    url = f"http://{f'[{host}]' if ':' in host else host}:{_port_of(settings)}/health"
    try:
        said = httpx.get(url, timeout=HEALTH_TIMEOUT_S).raise_for_status().json()
        found = [str(problem) for problem in said["problems"]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        _stop(f"no gateway answers at {url}: {error}")
    for problem in found:
        typer.echo("".join(c if c.isprintable() else "�" for c in problem))
    if found:
        raise typer.Exit(1)
    typer.echo(f"{said.get('gateway', 'the gateway')}: no problem")


def _port_of(settings: Settings) -> int:
    """Give the port of /health: as told, else the demo's whose folder this is, else the usual one."""
    if "health_port" not in settings.model_fields_set:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            said = (settings.data.parent / PORTS_FILE).read_text(encoding="utf-8")
            return demo_ports(said).get("gateway", settings.health_port)
    return settings.health_port


@journal.command("status")
def journal_status(data: Data = None) -> None:
    """Say what the journal holds; works beside a running gateway."""
    settings = _settings(data=data)
    with _opened(settings) as store:
        sizes = store.sizes()
        typer.echo(f"journal      {settings.journal_file}")
        typer.echo(f"delivered as {store.meta('gateway') or 'nobody yet: not enrolled'}")
        for epoch in store.epochs():
            held = f"holds {epoch.trimmed + 1} to {epoch.head}" if epoch.head > epoch.trimmed else "holds nothing"
            typer.echo(f"epoch        {epoch.id}: head {epoch.head}, released {epoch.released}, {held}")
        typer.echo(f"waiting      {sizes.waiting} batches, {sizes.waiting_bytes} bytes")
        typer.echo(f"reserve      {sizes.reserve} batches, {sizes.reserve_bytes} bytes")
        tags = store.tags()
        typer.echo(f"tags         {len(tags)}, {sum(tag.gap_from_ns is not None for tag in tags)} in a gap")


@journal.command("adopt")
def journal_adopt(data: Data = None) -> None:
    """Number all that the journal holds anew, to be delivered again: for a platform that knows nothing of it.

    `penstock gateway enrol` does this by itself where the platform gives the gateway another id. Equal samples that the
    platform has already are stored once.
    """
    settings = _settings(data=data)
    with _opened(settings) as store:
        try:
            lock = hold_data_folder(settings)
        except ConfigError as error:
            _stop(str(error))
        moved = store.adopt(new_epoch_id(), time.time_ns())
        os.close(lock)
    known = load_credential(settings.credential_file)
    to = f"to {settings.platform_url} as {known.gateway}" if known else "once this gateway is enrolled"
    typer.echo(f"{moved} batches are delivered again {to}")


@contextlib.contextmanager
def _opened(settings: Settings) -> Iterator[JournalStore]:
    if not settings.journal_file.exists():
        _stop(f"{settings.journal_file} does not exist: give the gateway's data folder with --data")
    try:
        store = JournalStore(settings.journal_file)
    except ConfigError as error:
        _stop(str(error))
    try:
        yield store
    finally:
        store.close()


def _settings(**given: object) -> Settings:
    try:
        return settings_of(Settings, **given)
    except PenstockError as error:
        _stop(str(error))


def _stop(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    commands()
