"""Import contracts hold, and a planted violation of each is caught."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.arch.sources import ROOT, source_roots, sources

CORE_MAY = {"numpy", "pyarrow", "zstandard", "yaml", "pydantic", "pydantic_core", "pint", "penstock"}
CORE_MAY_NOT = {"asyncio", "socket", "sqlite3", "time", "random", "logging", "secrets", "threading", "subprocess", "os"}
CONTRACTS = [
    c["name"] for c in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]
PLANTED = {
    "Rooms are layered": ("core/src/penstock/core/planted.py", "penstock.gateway"),
    "edge is for the gateway only": ("platform/src/penstock/platform/planted.py", "penstock.edge"),
    "sdk is for apps and lab only": ("gateway/src/penstock/gateway/planted.py", "penstock.sdk"),
    "cli imports no other room": ("cli/src/penstock/cli/planted.py", "penstock.core"),
    "core is pure": ("core/src/penstock/core/planted.py", "time"),
    "Drivers do not know one another": ("edge/src/penstock/edge/mqtt/planted.py", "penstock.edge.opcua"),
    "Platform features are layered": (
        "platform/src/penstock/platform/identity/store.py",
        "penstock.platform.identity.endpoints",
    ),
    "The historian's rooms are layered": (
        "platform/src/penstock/platform/historian/files/planted.py",
        "penstock.platform.historian.writing.store",
    ),
    "Apps know no simulator": ("apps/src/penstock/apps/maintenance/planted.py", "penstock.simulators.models.pump"),
    "Apps do not know one another": ("apps/src/penstock/apps/monitoring/planted.py", "penstock.apps.maintenance"),
}


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    roots = [str(folder / root.relative_to(ROOT)) for root in source_roots()]
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(roots), "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture(scope="module")
def copy_of_the_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the Python sources and the contracts in a folder of their own."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for root in source_roots():
        ignored = shutil.ignore_patterns("__pycache__", "*.parquet", "*.csv", "static", "assets")
        shutil.copytree(root, folder / root.relative_to(ROOT), ignore=ignored)
    return folder


def test_contracts_hold(copy_of_the_house: Path) -> None:
    done = _lint(copy_of_the_house)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CONTRACTS)} kept, 0 broken" in done.stdout


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_planted_violation_is_caught(contract: str, copy_of_the_house: Path) -> None:
    assert contract in PLANTED, f"plant a violation of the new contract {contract!r} here"
    place, imported = PLANTED[contract]
    planted = copy_of_the_house / place
    planted.write_text(f"import {imported}\n")
    try:
        done = _lint(copy_of_the_house)
    finally:
        planted.unlink()
    assert done.returncode != 0
    assert f"{contract} BROKEN" in done.stdout
    module = ".".join(planted.relative_to(copy_of_the_house).with_suffix("").parts).split(".src.")[1]
    assert f"{module} -> {imported}" in done.stdout


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def test_core_imports_only_the_standard_library_and_pure_parsers() -> None:
    wrong = [
        f"{source.name}: {name}"
        for source in sources()
        if "/penstock/core/" in source.name
        for name in _imported(source.tree)
        if _is_wrong_for_core(name)
    ]
    assert not wrong, f"core has no I/O, clock, randomness or logging: {wrong}"


def _is_wrong_for_core(name: str) -> bool:
    top = name.split(".")[0]
    if top == "penstock":
        return not name.startswith("penstock.core")
    return top in CORE_MAY_NOT or (top not in CORE_MAY and top not in sys.stdlib_module_names)


def test_rooms_form_no_cycle_of_packages() -> None:
    declared = {
        root.parent.name: tomllib.loads((root.parent / "pyproject.toml").read_text())["project"].get("dependencies", [])
        for root in source_roots()
    }
    core = [need for need in declared["core"] if need.startswith("penstock")]
    assert not core, f"core depends on no room: {core}"
