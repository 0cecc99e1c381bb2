"""`penstock doctor`."""

from __future__ import annotations

import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import typer

from penstock.cli.demo.layout import Layout, Ports
from penstock.cli.demo.ports import is_taken
from penstock.cli.doctor.checks import USUAL_DATA, all_checks
from penstock.cli.doctor.findings import Verdict

NOTHING_RUNS = (
    "Nothing is wrong with what was looked at, but nothing runs on these ports: "
    "`penstock demo` starts it; --data and --port NAME=PORT look elsewhere."
)

commands = typer.Typer()


@commands.command()
def doctor(
    data: Path = typer.Option(USUAL_DATA, help="Data folder to look at."),
    port: list[str] = typer.Option(
        [], help="NAME=PORT where a process does not use the port that the demo had last, or its usual one."
    ),
) -> None:
    """Look at Python, packages, disk, secrets, plant folder, ports and each process's health, and say what to do."""
    wrong, layout = 0, Layout(data)
    ports = _ports(port, layout.remembered())
    for finding in all_checks(layout, ports):
        mark = {Verdict.OK: "  ok   ", Verdict.NOTE: "  --   ", Verdict.WRONG: "  WRONG"}[finding.verdict]
        remedy = f"\n          → {finding.remedy}" if finding.remedy else ""
        sys.stdout.write(f"{mark} {finding.what}{remedy}\n")
        wrong += finding.verdict is Verdict.WRONG
    if wrong:
        sys.stdout.write(f"\n{wrong} to mend.\n")
        raise typer.Exit(1)
    runs = any(is_taken(number) for number in asdict(ports).values())
    sys.stdout.write("\nNothing is wrong.\n" if runs else f"\n{NOTHING_RUNS}\n")


def _ports(given: list[str], ports: Ports) -> Ports:
    known = {f.name for f in fields(Ports)}
    for text in given:
        name, _, number = text.partition("=")
        if name not in known or not number.isdigit():
            message = f"{text!r} is not NAME=PORT; names: {', '.join(sorted(known))}"
            raise typer.BadParameter(message)
        ports = replace(ports, **{name: int(number)})
    return ports
