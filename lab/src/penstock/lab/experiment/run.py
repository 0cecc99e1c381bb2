"""The whole experiment in a folder: drawn, simulated, judged and scored, each kind of machine on its own.

What is there already is not made again, so that a run that was cut goes on, and a new judgement of the same machines
costs no new simulation. `experiment.json` holds what was drawn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from penstock.lab.experiment.case import case_of
from penstock.lab.experiment.judge import judge_life, judge_state
from penstock.lab.experiment.knowledge import rough
from penstock.lab.experiment.machines import Kind, read_kinds
from penstock.lab.experiment.plan import Draw, MachinePlan, PlannedFault, draw
from penstock.lab.experiment.simulate import simulate
from penstock.lab.scoring.words import Case
from penstock.lab.study import StudyError

DRAWN: Final = "experiment.json"
VERSION: Final = 1
PAUSE_H: Final = 2.0
"""Healthy hours at the end of the watch, at least."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Experiment:
    """What was drawn: for each kind its machines, and how long they are watched."""

    seed: int
    kinds: tuple[Kind, ...]
    plans: dict[str, tuple[MachinePlan, ...]]

    def watched_h(self, model: str) -> float:
        """Give how long the machines of a kind are watched: as long as the busiest needs."""
        return max(plan.watched_h for plan in self.plans[model]) + PAUSE_H


def draw_experiment(place: Path, kinds: tuple[Kind, ...], *, machines: int, seed: int, by: Draw) -> Experiment:
    """Draw, and write down what was drawn; StudyError where the folder holds another experiment."""
    plans = {
        kind.model: draw(
            Random(f"{seed}/{kind.model}"),  # noqa: S311  physics, not secrets
            machines=machines,
            faults=list(kind.faults),
            sensors=kind.sensors,
            duties=kind.duties,
            by=by if kind.commissioned_h is None else replace(by, commissioned_h=kind.commissioned_h),
        )
        for kind in kinds
    }
    if place.is_dir() and not (place / DRAWN).exists() and any(place.iterdir()):
        message = f"{place} holds other things: name a new folder, or one that holds an experiment ({DRAWN})"
        raise StudyError(message)
    body = {"version": VERSION, "seed": seed, "drawn_from": asdict(by)}
    body["machines"] = {model: [asdict(plan) for plan in own] for model, own in plans.items()}
    place.mkdir(parents=True, exist_ok=True)
    file = place / DRAWN
    if file.exists():
        message = f"{file}: an experiment is here already; go on with it (without --seed), or name a new folder"
        raise StudyError(message)
    file.write_text(json.dumps(body, indent=1) + "\n")
    return Experiment(seed, kinds, plans)


def read_experiment(place: Path, machines_file: Path, wanted: Sequence[str] = ()) -> Experiment:
    """Read what was drawn, of all kinds or of those that are wanted; StudyError where there is no such."""
    file = place / DRAWN
    try:
        body = json.loads(file.read_text())
        named = {model: body["machines"][model] for model in wanted or body["machines"]}
        plans = {model: tuple(_plan(each) for each in own) for model, own in named.items()}
        return Experiment(int(body["seed"]), read_kinds(machines_file, list(plans)), plans)
    except (OSError, KeyError, TypeError, ValueError) as error:
        message = f"{file}: no experiment: {error!r}"
        raise StudyError(message) from error


def _plan(body: dict[str, Any]) -> MachinePlan:
    return MachinePlan(**{**body, "faults": tuple(PlannedFault(**each) for each in body["faults"])})


def simulate_all(place: Path, experiment: Experiment, *, jobs: int, say: Say) -> None:
    """Simulate every machine, so many at a time."""
    todo = [(kind, plan) for kind in experiment.kinds for plan in experiment.plans[kind.model]]

    def one(work: tuple[Kind, MachinePlan]) -> None:
        kind, plan = work
        simulate(kind, plan, watched_h=experiment.watched_h(kind.model), place=folder_of(place, kind.model))

    for kind in experiment.kinds:
        folder_of(place, kind.model).mkdir(exist_ok=True)
    with ThreadPoolExecutor(jobs) as pool:
        for number, _ in enumerate(pool.map(one, todo), start=1):
            if number % 10 == 0 or number == len(todo):
                say(f"simulated {number} of {len(todo)} machines")


def judge_all(
    place: Path,
    experiment: Experiment,
    *,
    jobs: int,
    parts: dict[str, str],
    life: bool = True,
    rough_types: bool = False,
) -> list[Case]:
    """Let the app judge, and join what it says with the truth: one case a kind, in their order.

    `life`: whether remaining lives are estimated too, which takes most of the time. `rough_types`: the app is told
    failure modes as `knowledge.rough` gives them, drawn from the experiment's seed.
    """

    def one(kind: Kind) -> Case:
        own, folder = experiment.plans[kind.model], folder_of(place, kind.model)
        if rough_types:
            random = Random(f"{experiment.seed}/{kind.model}/types")  # noqa: S311  not for secrets
            kind = replace(kind, failure_modes=rough(kind.failure_modes, kind.sensors, random))
        state = judge_state(kind, own, folder, study_name="rough-state" if rough_types else "state")
        lives = judge_life(own, folder) if life else []
        watched_h = experiment.watched_h(kind.model)
        return case_of(kind.model, own, folder, state=state, lives=lives, parts=parts, watched_h=watched_h)

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, experiment.kinds))


def folder_of(place: Path, model: str) -> Path:
    """Give the folder of one kind of machine."""
    return place / model
