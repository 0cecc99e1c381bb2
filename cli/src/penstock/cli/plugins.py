"""Commands, our own and by entry point (group `penstock.commands`), loaded only when called.

`penstock --help` imports no room: the short texts below stand for known commands. A plug-in that cannot be loaded is
named with its error when it is called, and the others work.
"""

from __future__ import annotations

import gc
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

GROUP = "penstock.commands"
OWN = {"demo": "penstock.cli.demo.command:commands", "doctor": "penstock.cli.doctor.command:commands"}
"""Late like the others: they load an HTTP client, which a platform would wait for at each start."""
SHORT_HELP = {
    "demo": "Run the whole stack here, embedded: machines, gateway, platform, apps.",
    "doctor": "Look at what is installed and at each process's health, and say what to do.",
    "ca": "The platform's certificate authority: export, show, renew.",
    "app": "Make, register and run apps.",
    "fault": "Inject, clear and repair faults of simulated machines.",
    "gateway": "Run the edge gateway; enrol it, look at its journal.",
    "history": "Move history in and out (Parquet, CSV), delete it, ask what is safely stored.",
    "lab": "Score the maintenance analytics: public data and simulated machines.",
    "maintenance": "Run the maintenance analytics offline, on recorded machines.",
    "platform": "Run the platform; tokens, users, login links.",
    "playback": "Play recorded files as devices.",
    "sim": "Run the simulated machines.",
}


class PluginGroup(TyperGroup):
    """A group whose commands are found by name and loaded when called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name own commands first, then those of plug-ins."""
        return [*OWN, *sorted(name for name in plugins() if name not in OWN)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Give the stand-in of a command, which suffices for the help text."""
        plugin = plugins().get(cmd_name)
        return _named(plugin) if plugin else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Load the one command that is called."""
        plugin = plugins().get(args[0])
        return (args[0], load(plugin), args[1:]) if plugin else super().resolve_command(ctx, args)


def plugins() -> dict[str, EntryPoint]:
    """Find our own and the installed commands; the first of two with one name wins."""
    found = {name: EntryPoint(name, value, GROUP) for name, value in OWN.items()}
    for plugin in entry_points(group=GROUP):
        found.setdefault(plugin.name, plugin)
    return found


def load(plugin: EntryPoint) -> Any:
    """Import a plug-in's command; a broken one becomes a command that says so and ends with status 1."""
    gc.disable()  # what an import makes stays; to look for garbage in it takes a tenth of a process's start
    try:
        made = plugin.load()
        if not isinstance(made, typer.Typer):
            message = f"{plugin.value} is {type(made).__name__}, not a typer.Typer"
            raise TypeError(message)
        command = typer.main.get_command(made)
    except Exception as broken:  # noqa: BLE001 - boundary: a plug-in may fail in any way; it is named, the rest works
        return _broken(plugin, broken)
    finally:
        gc.enable()
    command.name = plugin.name
    if not command.short_help and not command.help:
        command.short_help = SHORT_HELP.get(plugin.name)
    return command


def _named(plugin: EntryPoint) -> TyperCommand:
    package = plugin.dist.name if plugin.dist else plugin.value
    return TyperCommand(name=plugin.name, help=SHORT_HELP.get(plugin.name, f"From {package}."))


def _broken(plugin: EntryPoint, broken: Exception) -> TyperCommand:
    def fail(**_: Any) -> None:
        package = plugin.dist.name if plugin.dist else "an unknown package"
        sys.stderr.write(
            f"penstock {plugin.name}: the plug-in {plugin.value} of {package} cannot be loaded: "
            f"{type(broken).__name__}: {broken}\nThe other commands work; reinstall or remove {package}.\n"
        )
        raise SystemExit(1)

    settings: dict[str, Any] = {"ignore_unknown_options": True, "allow_extra_args": True}
    return TyperCommand(
        name=plugin.name, callback=fail, help="(cannot be loaded)", context_settings=settings, add_help_option=False
    )
