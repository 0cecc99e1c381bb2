"""What apps say of a machine comes from the platform: they repeat no number and no word of the simulators' models.

Imports are the contract "Apps know no simulator" (test_imports.py); here is what an import contract cannot see.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.simulators.models.faults.machine import WearingMachine
from penstock.simulators.models.registry import find_model, model_names
from tests.arch.sources import ROOT, Source, sources
from tests.builders.machines import machine

MODELS = "simulators/src/penstock/simulators/models/"
APPS = "apps/src/penstock/apps/"
ROUND_BELOW = 50
"""Whole numbers below are rows, pixels, hours and counts of anything."""
BREAKS = "simulators/src/penstock/simulators/device_faults.py"
"""How sensors break."""
EXPLAINED = {
    ("house/chart.py", 1.6): "width of a line in pixels",
    ("maintenance/zones.py", 2.3): "a limit of ISO 20816-3, table A.1 and A.2",
    ("maintenance/zones.py", 11.0): "a limit of ISO 20816-3, table A.1",
    ("maintenance/advice/advisor.py", 64.0): "rows, a power of two",
    ("maintenance/detection/rows.py", 64.0): "patterns of missing channels remembered, a power of two",
    ("maintenance/detection/tails.py", 64.0): "peaks of a tail, a power of two",
    ("maintenance/prognosis/regimes.py", 64.0): "regimes at most, a power of two",
    (
        "maintenance/detection/alarms.py",
        1.3,
    ): "how far a level must rise again to be a trouble of its own, chosen with ADR 29",
    ("maintenance/state/drift.py", 0.97): "a quantile of held-out scores, an edge of a bin",
    ("maintenance/life/fleets.py", 1.1): "how much a fleet must have grown before its model is fitted again",
    ("maintenance/advice/matching.py", 1.2): "evidence of a step, the logarithm of 0.85 / 0.25 (ADR 30)",
    ("maintenance/advice/matching.py", 1.6): "evidence of no step, the logarithm of 0.15 / 0.75 (ADR 30)",
    ("maintenance/advice/matching.py", 0.28): "prior of an unknown trouble, without failure modes",
    ("maintenance/fleet_row.py", 0.995): "a share above it is shown as more than 99 %",
}
"""(module, number) that stands in both by chance, and what it is in the app."""


def is_telling(value: float, *, whole: bool) -> bool:
    """Say whether a number is more than a round one: two digits, the second not 5, none of a clock (12, 24, 3600)."""
    digits = f"{abs(value):.12g}".partition("e")[0].replace(".", "").strip("0")
    is_round = len(digits) < 2 or (len(digits) == 2 and digits.endswith("5"))
    return not (is_round or value % 12 == 0 or (whole and value < ROUND_BELOW))


def numbers(tree: ast.AST) -> Iterator[tuple[float, int]]:
    """Give the telling numbers written in a tree, with their lines."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, int | float):
            continue
        if is_telling(float(node.value), whole=isinstance(node.value, int)):
            yield float(node.value), node.lineno


def of_models() -> dict[float, str]:
    found: dict[float, str] = {}
    for source in sources():
        if source.name.startswith(MODELS) or source.name == BREAKS:
            for value, line in numbers(source.tree):
                found.setdefault(value, f"{source.path.name}:{line}")
    return found


def repeated(app: Source, known: dict[float, str]) -> list[str]:
    module = app.name.removeprefix(APPS)
    return [
        f"{app.name}:{line}: {value:g} is {known[value]}"
        for value, line in numbers(app.tree)
        if value in known and (module, value) not in EXPLAINED
    ]


def apps() -> list[Source]:
    return [source for source in sources() if source.name.startswith(APPS)]


def test_apps_repeat_no_constant_of_a_model() -> None:
    known = of_models()
    assert len(known) > 50
    wrong = [each for app in apps() for each in repeated(app, known)]
    assert not wrong, f"learn it from data, or say in EXPLAINED why it is another thing: {wrong}"


def test_every_explanation_is_needed() -> None:
    stands = {(app.name.removeprefix(APPS), value) for app in apps() for value, _ in numbers(app.tree)}
    assert EXPLAINED.keys() <= stands
    assert {value for _, value in EXPLAINED} <= of_models().keys()


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("WORN_mm_s = 7.4", True),
        ("limits = {'band': (1.0, 26.0)}", True),
        ("other = 7.39", False),
        ("x = 0.916 * y", True),
        ("rows = 26", False),
        ("wait_s = 3_600.0", False),
        ("half = 0.5", False),
    ],
)
def test_a_planted_constant_is_found(line: str, is_found: bool) -> None:
    planted = Source(ROOT / APPS / "planted.py", line, ast.parse(line))
    assert bool(repeated(planted, of_models())) is is_found


def words_of_faults() -> set[str]:
    """Give names, parts and trips of all faults, those of more than one word."""
    words: set[str] = set()
    for kind in map(find_model, model_names()):
        if issubclass(kind, WearingMachine):
            made = machine(kind)
            for state in made.faults():
                words |= {state.fault, state.component, made.book.process(state.fault).spec.trip}
    return {word for word in words if " " in word or "-" in word}


def texts(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Give the texts of a module that are no docstrings."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value, node.lineno


def spoken(app: Source, words: set[str]) -> list[str]:
    found = [(text, line, word) for text, line in texts(app.tree) for word in words if word in text]
    return [f"{app.name}:{line}: {word!r}" for _, line, word in found]


def test_apps_know_no_fault_by_name() -> None:
    """Parts and failure modes come with the asset type; a list of them in an app would be a list of our machines."""
    words = words_of_faults()
    assert len(words) > 100
    wrong = [each for app in apps() for each in spoken(app, words)]
    assert not wrong, f"failure modes come from the asset's type: {wrong}"


def test_a_planted_fault_name_is_found() -> None:
    planted = 'PARTS = {"seal_leakage": "shaft seal"}\n'
    assert spoken(Source(Path(ROOT / APPS / "planted.py"), planted, ast.parse(planted)), {"shaft seal"})
    said = '"""As the shaft seal of a pump."""\n'
    assert not spoken(Source(Path(ROOT / APPS / "planted.py"), said, ast.parse(said)), {"shaft seal"})


def test_apps_reach_no_simulator_or_lab_by_a_name_in_a_text() -> None:
    """An entry point or importlib would go past the import contract."""
    wrong = [
        f"{app.name}:{line}"
        for app in apps()
        for text, line in texts(app.tree)
        if "penstock.simulators" in text or "penstock.lab" in text or "penstock.models" in text
    ]
    assert not wrong
