"""`penstock app`: make an app, register and run it."""

from __future__ import annotations

import os
import runpy
import socket
import sys
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import typer

from penstock.sdk.client import Client
from penstock.sdk.credentials import CREDENTIALS_VARIABLE
from penstock.sdk.data_folder import PLATFORM_HELP, platform_of
from penstock.sdk.errors import ClientError
from penstock.sdk.manifest import MANIFEST_NAME, Manifest, ManifestError, load_manifest
from penstock.sdk.registration import Registration
from penstock.sdk.scaffold import write_app

BUILT_IN = "penstock.apps"

commands = typer.Typer(no_args_is_help=True, help="Make, register and run apps.")


@commands.command()
def new(
    name: str = typer.Argument(help="Name, such as pump-report."), folder: Path = typer.Option(Path(), "--in")
) -> None:
    """Write a runnable app: manifest, page, test."""
    try:
        made = write_app(name, folder)
    except ClientError as failed:
        _fail(failed)
    files = ", ".join(sorted(f.name for f in made.iterdir()))
    penstock, python = _as_typed(Path(sys.argv[0])), _as_typed(Path(sys.executable))
    _say(f"{made}/ has {files}.\nNext:  {penstock} app run {made}\nTest:  {python} -m pytest {made}")


def _as_typed(program: Path) -> Path:
    """Give a program's path as a user here would type it."""
    try:
        return program.absolute().relative_to(Path.cwd())
    except ValueError:
        return program


@commands.command()
def run(
    app: str = typer.Argument(help="A built-in app's name, or the folder of one."),
    platform: str | None = typer.Option(None, envvar="PENSTOCK_APP_PLATFORM_URL", help=PLATFORM_HELP),
    data: Path = typer.Option(Path("penstock-data"), help="Data folder, with the secrets of the platform."),
    credentials: Path | None = typer.Option(None, help="Operator's credentials file; else <data>/secrets/cli.json."),
    host: str = typer.Option("127.0.0.1", envvar="PENSTOCK_APP_HOST", help="Address to listen on."),
    port: int | None = typer.Option(None, envvar="PENSTOCK_APP_PORT", help="Port; else the manifest's."),
    url: str | None = typer.Option(None, envvar="PENSTOCK_APP_PUBLIC_URL", help="How a browser reaches the app."),
) -> None:
    """Register an app where needed, and serve it until Ctrl-C."""
    platform = platform_of(platform, data)
    try:
        place = find(app)
        manifest = load_manifest(place if isinstance(place, Path) else module_folder(place))
        listen = port or manifest.port
        check_port(host, listen, manifest)
        public = (url or f"http://127.0.0.1:{listen}").rstrip("/")
        kept = Path(os.environ.get(CREDENTIALS_VARIABLE) or data / "secrets" / f"{manifest.id}.json")
        if isinstance(place, Path):
            operator = credentials or data / "secrets" / "cli.json"
            registration = Registration(manifest, public, kept)
            done = registration.ensure(lambda: Client(platform, credentials=operator))
            _say(f"{manifest.name} {done}.")
    except ClientError as failed:
        _fail(failed)
    settings = {"PLATFORM_URL": platform, "HOST": host, "PORT": str(listen), "PUBLIC_URL": public}
    settings |= {"CREDENTIALS": str(kept.absolute())}
    os.environ.update({f"PENSTOCK_APP_{name}": value for name, value in settings.items()})
    os.environ.setdefault("PENSTOCK_APP_DATA", str((data / "apps" / manifest.id).absolute()))
    _say(f"{manifest.name}: {public}   (Ctrl-C stops it)")
    serve(place)


@commands.command(name="list")
def list_apps() -> None:
    """List the built-in apps."""
    for plugin in entry_points(group=BUILT_IN):
        manifest = load_manifest(module_folder(plugin))
        _say(f"{plugin.name:<16} port {manifest.port}  {manifest.description}")


def find(app: str) -> Path | EntryPoint:
    """Find a folder with a manifest, or a built-in app by name; an app of one's own comes first."""
    folder = Path(app)
    if (folder / MANIFEST_NAME).exists():
        return folder
    built_in = {plugin.name: plugin for plugin in entry_points(group=BUILT_IN)}
    if app in built_in:
        return built_in[app]
    if folder.is_dir():
        message = f"{folder} has no {MANIFEST_NAME}; `penstock app new NAME` writes a whole app"
    else:
        message = f"no app {app!r}: neither a folder with {MANIFEST_NAME}, nor one of: {', '.join(sorted(built_in))}"
    raise ManifestError(message)


def module_folder(plugin: EntryPoint) -> Path:
    """Give the folder of a built-in app's module, without importing it."""
    spec = find_spec(plugin.module)
    if spec is None or spec.origin is None:
        message = f"the built-in app {plugin.name} names {plugin.module}, which is not installed"
        raise ManifestError(message)
    return Path(spec.origin).parent


def check_port(host: str, port: int, manifest: Manifest) -> None:
    """Say in words when the port is taken."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as taken:
            change = f"give --port, or change {MANIFEST_NAME} of {manifest.id}"
            message = f"port {port} of {host} cannot be used ({taken.strerror}): {change}"
            raise ClientError(message) from None


def serve(place: Path | EntryPoint) -> None:
    """Run an app in this process."""
    if isinstance(place, EntryPoint):
        import_module(place.module).main()
        return
    main = place / "main.py"
    sys.path.insert(0, str(place.absolute()))
    sys.argv = [str(main)]
    runpy.run_path(str(main), run_name="__main__")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _fail(failed: ClientError) -> NoReturn:
    sys.stderr.write(f"penstock app: {failed}\n")
    raise typer.Exit(1) from None
