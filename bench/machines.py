"""How much faster than real time a machine runs on one core: steps of a second, alone and read once a second.

CPU time of this process, not wall clock, so that other work on the machine counts little. *step* is the physics with
wear and two faults that grow; *read* adds all outputs once a second, with their noise. Each figure is the median of
turns in which the machines take turns.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from random import Random

from bench._results import store
from penstock.simulators.models.fault import FaultRequest, Law
from penstock.simulators.models.faults.machine import WearingMachine
from penstock.simulators.models.model import ModelContext, Parameters
from penstock.simulators.models.registry import find_model, model_names
from penstock.simulators.models.world import World

GOAL = 1000


def main(arguments: Sequence[str]) -> int:
    """Run every machine that wears, print a table, store it; 1 where one is slower than GOAL times real time."""
    parser = argparse.ArgumentParser(prog="python -m bench machines")
    parser.add_argument("--hours", type=float, default=2.0, help="simulated, each turn")
    parser.add_argument("--turns", type=int, default=5)
    asked = parser.parse_args(arguments)
    names = [name for name in model_names() if issubclass(find_model(name), WearingMachine)]
    seconds = round(asked.hours * 3600)
    taken = {name: [turn(name, seconds) for _ in range(asked.turns)] for name in names}
    print(f"{'machine':<20} {'step µs':>8} {'read µs':>8} {'× real time':>12}")
    figures: dict[str, dict[str, float]] = {}
    for name, turns in taken.items():
        step_s, read_s = (statistics.median(each[kind] for each in turns) / seconds for kind in (0, 1))
        figures[name] = {"step_us": step_s * 1e6, "read_us": read_s * 1e6, "times_real": 1.0 / read_s}
        print(f"{name:<20} {step_s * 1e6:>8.1f} {read_s * 1e6:>8.1f} {1.0 / read_s:>12,.0f}")
    slowest = min(each["times_real"] for each in figures.values())
    print(f"slowest {slowest:,.0f} times real time, goal {GOAL:,}")
    print(f"stored {store('machines', {**vars(asked), 'machines': figures}, 'penstock-simulators')}")
    return 0 if slowest >= GOAL else 1


def turn(name: str, seconds: int) -> tuple[float, float]:
    """Give CPU seconds for so many steps of a second: without reading, and with."""
    alone, read = made(name), made(name)
    begun = time.process_time()
    for _ in range(seconds):
        alone.step(1.0)
    between = time.process_time()
    for _ in range(seconds):
        read.step(1.0)
        read.outputs()
    return between - begun, time.process_time() - between


def made(name: str) -> WearingMachine:
    """Make a machine that wears, two of its faults growing."""
    model = find_model(name)(ModelContext(name, Parameters({"wear": 1.0}), Random(1), World()))
    assert isinstance(model, WearingMachine)
    for state in model.faults()[:2]:
        model.inject(FaultRequest(state.fault, 0.05, growth_per_h=0.1, law=Law.GAMMA))
    return model
