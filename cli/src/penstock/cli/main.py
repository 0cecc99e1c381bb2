"""The command `penstock`: its verbs are loaded when called, those too that installed rooms bring by entry point."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

import typer

from penstock.cli.plugins import PluginGroup

EXPECTED = frozenset(
    {"penstock.core.errors.PenstockError", "penstock.sdk.errors.ClientError", "penstock.platform.kit.problems.Problem"}
)

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
    """Run the command line; an expected error is its own words and exit status 1, all else keeps its traceback."""
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # httpx's own command: it would load rich and pygments
    try:
        cli()
    except Exception as failed:  # boundary: of all commands
        if not is_expected(failed):
            raise
        notes = "".join(f"\n  {note}" for note in getattr(failed, "__notes__", ()))
        sys.stderr.write(f"{failed}{notes}\n")
        raise SystemExit(1) from None


def is_expected(failed: Exception) -> bool:
    """Tell an error that a room raises on purpose, in words for people; by name, since no room is imported here."""
    return any(f"{kind.__module__}.{kind.__qualname__}" in EXPECTED for kind in type(failed).__mro__)
