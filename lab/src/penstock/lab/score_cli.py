"""`penstock score`: what the platform said, scored against the hidden truth."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from penstock.core.errors import PenstockError
from penstock.core.times import format_rfc3339_ns, parse_asked_time
from penstock.lab.parts import PARTS, read_parts
from penstock.lab.platform_source import HEALTH, PART, RUL, Said, Wanted, read_said, unknown_assets
from penstock.lab.scoring.costs import SHIPPED, read_costs
from penstock.lab.scoring.detection import Rules
from penstock.lab.scoring.episodes import episodes_of
from penstock.lab.scoring.score import Score, as_json, score
from penstock.lab.scoring.table import table
from penstock.lab.scoring.words import Case, Window
from penstock.lab.truth_source import Truth, TruthError, read_door, read_file
from penstock.sdk.client import Client
from penstock.sdk.data_folder import PLATFORM_HELP, platform_of
from penstock.sdk.errors import ClientError
from penstock.sdk.private_files import write_private
from penstock.sdk.times import spoken

commands = typer.Typer(help="Score what the platform said against the hidden truth of the simulated machines.")


@commands.command()
def run(
    truth: Annotated[
        Path | None, typer.Option(help="truth.json of running simulators; default: <data>/simulators/truth/truth.json")
    ] = None,
    truth_file: Annotated[
        Path | None, typer.Option(help="a truth file instead: of sim generate --truth, or sim truth")
    ] = None,
    start: Annotated[str | None, typer.Option(help="from this time on; default: where the truth begins")] = None,
    end: Annotated[str | None, typer.Option(help="up to before this time; default: where the truth ends")] = None,
    costs: Annotated[Path, typer.Option(help="cost file; default: the one that ships")] = SHIPPED,
    speed: Annotated[
        float, typer.Option(min=0.001, max=1e6, help="machines wore so many times as fast as in life")
    ] = 1.0,
    after_s: Annotated[float, typer.Option(min=0.0, help="alarms so soon after a repair count for nothing")] = 1800.0,
    join_s: Annotated[float, typer.Option(min=0.0, help="false alarms within this time of the first are one")] = 3600.0,
    cycle_s: Annotated[float, typer.Option(min=1e-3, help="unit of the NASA score")] = 3600.0,
    health: Annotated[str, typer.Option(help="property that holds the health index")] = HEALTH,
    rul: Annotated[str, typer.Option(help="property of the remaining life; _low and _high beside it")] = RUL,
    part: Annotated[str, typer.Option(help="text property that names the part suspected")] = PART,
    parts: Annotated[
        Path, typer.Option(help="YAML: channel, property of an alarm or part as said: part; default: what ships")
    ] = PARTS,
    asset: Annotated[list[str] | None, typer.Option(help="only these assets, by path")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="only alarms of rules with this text in their name")] = None,
    *,
    every_alarm: Annotated[bool, typer.Option("--every-alarm", help="also alarms of the machines' own tags")] = False,
    platform: Annotated[str | None, typer.Option(envvar="PENSTOCK_APP_PLATFORM_URL", help=PLATFORM_HELP)] = None,
    data: Annotated[Path, typer.Option(help="data folder, with the secrets of the platform")] = Path("penstock-data"),
    credentials: Annotated[Path | None, typer.Option(help="credentials; default: <data>/secrets/cli.json")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write; default: <data>/lab/score-<time>.json")] = None,
) -> None:
    """Join truth and alarms, count, print a table, store JSON."""
    try:
        wanted = Wanted(health, rul, part, read_parts(parts), rules=tuple(rule or ()), every_alarm=every_alarm)
        book = read_costs(costs).sped_up(speed)
        told = read_file(truth_file) if truth_file else read_door(truth or data / "simulators/truth/truth.json")
        window = _window(told, start, end)
        with Client(platform_of(platform, data), credentials=credentials or data / "secrets" / "cli.json") as client:
            said = read_said(client, window, wanted)
        told = only(placed(told, said.devices), asset or [])
        made = score(case_of(told, said, window), book, rules=Rules(after_s, join_s), cycle_s=cycle_s)
        for line in table(made):
            _say(line)
        place = out or data / "lab" / f"score-{_stamp()}.json"
        store(made, place)
    except (PenstockError, ClientError, OSError) as failed:
        _fail(failed)
    for missing in unknown_assets(list(made.case.assets), said):
        _say(f"note: the platform has no asset {missing}; nothing could be said of it")
    _say(f"{place}: all figures")


def only(truth: Truth, assets: list[str]) -> Truth:
    """Keep some assets of the truth; all where none is named."""
    known = {one.asset for one in truth.devices}
    for missing in set(assets) - known:
        message = f"the truth has no asset {missing!r}; it has: {', '.join(sorted(known))}"
        raise TruthError(message)
    wanted = set(assets) or known
    devices = tuple(one for one in truth.devices if one.asset in wanted)
    return Truth(devices, tuple(each for each in truth.events if each.asset in wanted))


def case_of(truth: Truth, said: Said, window: Window) -> Case:
    """Join the two sides by the asset's path."""
    left_now = {(one.device, fault): ends_ns for one in truth.devices for fault, ends_ns in one.left_ns.items()}
    return Case(
        window,
        {one.asset: said.types.get(one.asset, "") for one in truth.devices},
        episodes_of(truth.events, left_now),
        said.alarms,
        said.ruls,
        said.health,
        machines=frozenset(one.asset for one in truth.devices if one.machine),
        watched=said.watched,
    )


def placed(truth: Truth, devices: Mapping[str, str]) -> Truth:
    """Give devices whose file names no asset the one that the platform binds them to; leave out those without any."""

    def asset(device: str, named: str) -> str:
        return named or devices.get(device, "")

    found = [replace(one, asset=asset(one.device, one.asset)) for one in truth.devices]
    events = [replace(each, asset=asset(each.device, each.asset)) for each in truth.events]
    return Truth(tuple(one for one in found if one.asset), tuple(each for each in events if each.asset))


def store(made: Score, place: Path) -> None:
    """Write the score as JSON, whole or not at all, mode 0600: it tells of the truth."""
    place.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps(as_json(made), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_private(place, content)


def _window(truth: Truth, start: str | None, end: str | None) -> Window:
    if not truth.devices:
        message = "the truth watches no machine yet: is a plant with machines running?"
        raise TruthError(message)
    now_ns = time.time_ns()
    try:
        first_ns = _time(start, now_ns) if start else min(one.first_ns for one in truth.devices)
        last_ns = _time(end, now_ns) if end else max(one.last_ns for one in truth.devices) + 1
    except ValueError as error:
        raise TruthError(str(error)) from error
    if first_ns >= last_ns:
        message = f"the window is empty: {format_rfc3339_ns(first_ns)} to {format_rfc3339_ns(last_ns)}"
        raise TruthError(message)
    return Window(first_ns, last_ns)


def _time(text: str, now_ns: int) -> int:
    return parse_asked_time(spoken(text, now_ns), now_ns)


def _stamp() -> str:
    return format_rfc3339_ns(time.time_ns())[:19].replace(":", "")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _fail(failed: Exception) -> NoReturn:
    sys.stderr.write(f"penstock score: {failed}\n")
    raise typer.Exit(1) from None
