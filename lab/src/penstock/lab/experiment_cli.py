"""`penstock lab experiment`: machines drawn at random, simulated, judged by the app, scored against the truth."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from penstock.core.errors import PenstockError
from penstock.lab.experiment.machines import SHIPPED, read_kinds
from penstock.lab.experiment.plan import Draw
from penstock.lab.experiment.report import report
from penstock.lab.experiment.run import DRAWN, draw_experiment, judge_all, read_experiment, simulate_all
from penstock.lab.parts import PARTS, read_parts
from penstock.lab.scoring.costs import SHIPPED as COSTS
from penstock.lab.scoring.costs import read_costs
from penstock.lab.scoring.score import score
from penstock.lab.scoring.table import table
from penstock.lab.study import StudyError

SPEED = 60.0


def experiment(
    place: Annotated[Path, typer.Argument(help="folder of the experiment; one that is there goes on")],
    machines: Annotated[int, typer.Option(min=1, max=99, help="machines of each kind")] = 20,
    kind: Annotated[list[str] | None, typer.Option(help="only these kinds; repeatable")] = None,
    kinds_file: Annotated[Path, typer.Option(help="YAML file of the kinds")] = SHIPPED,
    seed: Annotated[int | None, typer.Option(help="draw from this seed; default: drawn now, and written down")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="processes at a time")] = 2,
    costs: Annotated[Path, typer.Option(help="cost file; default: the one that ships")] = COSTS,
    parts: Annotated[Path, typer.Option(help="channel or part as said: part; default: what ships")] = PARTS,
    speed: Annotated[float, typer.Option(min=0.001, help="machines wear so many times as fast as in life")] = SPEED,
    *,
    life: Annotated[bool, typer.Option(help="estimate remaining lives too, which takes most of the time")] = True,
    rough_types: Annotated[
        bool, typer.Option("--rough-types", help="tell the app failure modes that are incomplete, misordered, too many")
    ] = False,
    events: Annotated[bool, typer.Option("--events", help="also each kind's score, event by event")] = False,
) -> None:
    """Draw machines, simulate them, let the app judge, and score what it said."""
    try:
        if (place / DRAWN).is_file() and seed is None:
            drawn = read_experiment(place, kinds_file, kind or [])
        else:
            kinds = read_kinds(kinds_file, kind or [])
            chosen = secrets.randbelow(2**32) if seed is None else seed
            drawn = draw_experiment(place, kinds, machines=machines, seed=chosen, by=Draw())
        typer.echo(f"seed {drawn.seed}: {sum(len(own) for own in drawn.plans.values())} machines")
        simulate_all(place, drawn, jobs=jobs, say=typer.echo)
        cases = judge_all(place, drawn, jobs=jobs, parts=read_parts(parts), life=life, rough_types=rough_types)
        book = read_costs(costs).sped_up(speed)
        named = [(kind.model, case) for kind, case in zip(drawn.kinds, cases, strict=True)]
        for model, case in named if events else []:
            typer.echo(f"\n== {model}")
            for line in table(score(case, book)):
                typer.echo(line)
        typer.echo("")
        for line in report(named, book):
            typer.echo(line)
    except (StudyError, PenstockError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
