"""`penstock ca …`: the platform's own certificate authority, at the command line beside a running platform."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from penstock.core.errors import PenstockError
from penstock.core.settings import settings_of
from penstock.platform.kit.authority import ADOPTION, Authority, fingerprint, utc_now
from penstock.platform.kit.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="The platform's certificate authority, which gateways trust.")

Data = Annotated[Path | None, typer.Option(help="data folder of the platform (PENSTOCK_PLATFORM_DATA)")]


@commands.command()
def export(
    out: Annotated[Path | None, typer.Option(help="file to write; absent: print it")] = None, data: Data = None
) -> None:
    """Give the certificates that a gateway must trust (PEM); there is no secret in them."""
    bundle = _authority(data).bundle()
    if out is None:
        typer.echo(bundle, nl=False)
        return
    try:
        out.write_text(bundle, encoding="ascii")
    except OSError as error:
        _stop(f"{out} cannot be written: {error.strerror}")
    typer.echo(f"{out}: give it to a gateway as PENSTOCK_GATEWAY_PLATFORM_CA")


@commands.command()
def show(data: Data = None) -> None:
    """List the authorities and the server's certificate: names, ends, fingerprints."""
    authority = _authority(data)
    for certificate in authority.certificates():
        name, ends = certificate.subject.rfc4514_string(), certificate.not_valid_after_utc
        typer.echo(f"{name}  until {_day(ends)}  SHA-256 {fingerprint(certificate)}")
    if authority.server.exists():
        typer.echo(f"the TLS door's certificate  until {_day(authority.server_ends())}, renewed before that by itself")


@commands.command()
def renew(data: Data = None) -> None:
    """Make the next authority now; gateways learn it from the platform, and it signs after some days."""
    authority = _authority(data)
    try:
        certificate = authority.add_authority()
    except (PenstockError, OSError) as error:
        _stop(str(error))
    name = certificate.subject.rfc4514_string()
    typer.echo(f"{name} is trusted from now on and signs in {ADOPTION.days} days; gateways that are")
    typer.echo("connected meanwhile fetch it by themselves, for others: penstock ca export")


def _authority(data: Path | None) -> Authority:
    settings = settings_of(Settings, data=data)
    authority = Authority(settings.authority, settings.tls_alternatives, now=utc_now)
    try:
        known = authority.certificates()
    except PenstockError as error:
        _stop(str(error))
    if not known:
        _stop(
            f"There is no authority in {settings.authority}: the platform makes one at its first start with "
            "PENSTOCK_PLATFORM_TLS_PORT set. Give its folder with --data or PENSTOCK_PLATFORM_DATA."
        )
    return authority


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def _stop(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
