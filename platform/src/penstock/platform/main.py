"""`penstock platform …`: run it, and what its operator needs when locked out."""

import gc
import json
import logging
import os
import re
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from sqlalchemy.exc import SQLAlchemyError

from penstock.core.errors import PenstockError
from penstock.core.settings import settings_of, unknown_settings
from penstock.platform.kit.lean import leave_out
from penstock.platform.kit.listen import bind, own
from penstock.platform.kit.problems import Problem
from penstock.platform.kit.schemas import SLUG_PATTERN
from penstock.platform.kit.serving import Server
from penstock.platform.kit.settings import Settings, is_loopback
from penstock.platform.operator import Operator, remember_issuer

commands = typer.Typer(no_args_is_help=True, help="The platform: ingest, historian, assets, alarms, API.")
log = logging.getLogger("penstock.platform")

Data = Annotated[Path | None, typer.Option(help="data folder (PENSTOCK_PLATFORM_DATA)")]
Secrets = Annotated[Path | None, typer.Option(help="folder of secrets (PENSTOCK_PLATFORM_SECRETS)")]


@commands.command()
def run(
    data: Data = None,
    secrets: Secrets = None,
    host: Annotated[str | None, typer.Option(help="address to listen on (PENSTOCK_PLATFORM_HOST)")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on (PENSTOCK_PLATFORM_PORT)")] = None,
    plant: Annotated[Path | None, typer.Option(help="plant folder (PENSTOCK_PLATFORM_PLANT)")] = None,
    tls_port: Annotated[int | None, typer.Option(help="port of the TLS door (PENSTOCK_PLATFORM_TLS_PORT)")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning, error")] = "info",
) -> None:
    """Run the platform until Ctrl-C or SIGTERM."""
    logging.basicConfig(
        level=log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    os.umask(0o077)  # files of the stores are the owner's alone, those that libraries make too
    settings = _settings(data=data, secrets=secrets, host=host, port=port, plant=plant, tls_port=tls_port)
    if unknown := unknown_settings(Settings, os.environ):
        log.warning("%s", unknown)
    if not is_loopback(settings.host) and not settings.allow_plain_http:
        _stop(
            f"{settings.host} is not loopback, and this door is plain HTTP. Listen on 127.0.0.1 and let gateways in by "
            "the TLS door (PENSTOCK_PLATFORM_TLS_PORT, PENSTOCK_PLATFORM_TLS_HOST), or say "
            "PENSTOCK_PLATFORM_ALLOW_PLAIN_HTTP=true where the network is yours (inside compose)."
        )
    try:
        with own(settings.data), bind(settings.host, settings.port) as listener, ExitStack() as doors:
            tls = None
            if settings.tls_port is not None:
                tls = doors.enter_context(bind(settings.tls_host, settings.tls_port, option="--tls-port"))
            leave_out("pandas")
            gc.disable()
            from penstock.platform.bootstrap import Platform

            platform = Platform(settings)
            gc.freeze()  # all that stays: looked through while it was made, it cost a tenth of the start
            gc.enable()
            remember_issuer(settings)
            server = Server(platform.app, certificate=platform.certificate, tls=tls)
            log.info("penstock platform listens on %s", settings.issuer)
            if tls is not None:
                log.info("gateways come in by https://%s:%d", *tls.getsockname()[:2])
            server.run(sockets=[listener])
            if not server.started:
                _stop("The platform did not start; the lines above say why.")
    except (PenstockError, Problem, SQLAlchemyError, OSError) as error:
        _stop(str(error))


@commands.command("login-link")
def login_link(data: Data = None, secrets: Secrets = None) -> None:
    """Print a link that logs the first admin in, once."""
    typer.echo(_operator(data, secrets).login_link())


@commands.command("reset-admin")
def reset_admin(data: Data = None, secrets: Secrets = None) -> None:
    """Take away the first admin's password, sessions and tokens; print a new one-time login link."""
    typer.echo(_operator(data, secrets).reset_admin())


@commands.command()
def token(
    scope: Annotated[str, typer.Option(help="scopes, one space between; absent: all of the operator")] = "",
    minutes: Annotated[int, typer.Option(min=1, max=60, help="how long it lasts")] = 15,
    data: Data = None,
    secrets: Secrets = None,
) -> None:
    """Print an access token of the operator, for curl and scripts."""
    typer.echo(_operator(data, secrets).token(scope, minutes))


@commands.command("enrol-token")
def enrol_token(
    name: Annotated[str, typer.Option(help="the gateway's name")],
    minutes: Annotated[int, typer.Option(min=1, max=7 * 24 * 60)] = 60,
    data: Data = None,
    secrets: Secrets = None,
) -> None:
    """Print a single-use enrolment token; for a name that is enrolled already: same gateway, new credential."""
    if re.fullmatch(SLUG_PATTERN, name) is None:
        _stop(f"{name!r} is no name of a gateway: a-z, 0-9, - and _, at most 63, a letter or digit first")
    typer.echo(_operator(data, secrets).enrol_token(name, minutes))


@commands.command("audit-verify")
def audit_verify(data: Data = None) -> None:
    """Check the hash chain of the audit log."""
    wrong = _operator(data, None).verify_audit()
    if wrong is not None:
        _stop(f"The audit log was edited: row {wrong} does not follow from the row before.")
    typer.echo("The audit log is whole.")


@commands.command()
def openapi(data: Data = None) -> None:
    """Print the OpenAPI file."""
    from penstock.platform.bootstrap import build

    typer.echo(json.dumps(build(_settings(data=data)).openapi(), indent=2))


def _operator(data: Path | None, secrets: Path | None) -> Operator:
    settings = _settings(data=data, secrets=secrets)
    try:
        return Operator(settings, now_s=lambda: int(time.time()))
    except (PenstockError, SQLAlchemyError, OSError) as error:
        _stop(str(error))


def _settings(**given: Any) -> Settings:
    try:
        return settings_of(Settings, **given)
    except PenstockError as error:
        _stop(str(error))


def _stop(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
