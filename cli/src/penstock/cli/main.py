"""The command `penstock`: its verbs are loaded when called, those too that installed rooms bring by entry point."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

import typer

from penstock.cli.plugins import PluginGroup

cli = typer.Typer(
    cls=PluginGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Penstock: an open industrial IoT platform that you run whole. Start with `penstock demo`.",
    epilog="`penstock COMMAND --help` says more about each.",
)


@cli.callback(invoke_without_command=True)
def root(show_version: bool = typer.Option(False, "--version", help="Print the version and end.")) -> None:
    """Handle options before a command."""
    if show_version:
        try:
            sys.stdout.write(f"penstock {version('penstock-cli')}\n")
        except PackageNotFoundError:
            sys.stdout.write("penstock, not installed as a package\n")
        raise typer.Exit


def main() -> None:
    """Run the command line."""
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # httpx's own command: it would load rich and pygments
    cli()
