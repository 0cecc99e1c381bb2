"""The checks, each a finding with its remedy. They change nothing."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import httpx

from penstock.cli.demo import broker
from penstock.cli.demo.layout import DemoError, Layout, Ports
from penstock.cli.demo.ports import holder, is_taken
from penstock.cli.doctor.findings import Finding, Verdict
from penstock.cli.doctor.plant_folder import plant_folder
from penstock.cli.plugins import plugins

PYTHON_MIN = (3, 11)
DISK_WARN_BYTES = 2 * 1024**3  # a day of the demo is some 100 MB; a full disk stops the gateway's journal
PROBLEMS_MAX = 10
"""Problems of one process that are told; the rest stands in its health answer."""
PROBLEM_MAX_CHARS = 300
HTTP_TIMEOUT_S = 3.0
USUAL_DATA = Path("penstock-data")
ROOMS = ("core", "edge", "gateway", "platform", "sdk", "apps", "simulators", "cli")
HEALTH = {
    "platform": "/health/ready",
    "gateway": "/health",
    "simulators": "/health",
    "laboratory": "/health",
    "monitoring": "/health",
    "maintenance": "/health",
}


def all_checks(layout: Layout, ports: Ports) -> Iterator[Finding]:
    """Look at everything, cheapest first."""
    yield python(sys.version_info[:3])
    yield from versions()
    yield from commands()
    yield nats()
    yield from data_folder(layout.data)
    yield disk(layout.data)
    yield from secrets(layout.secrets)
    yield from hidden_truth(layout.data / "simulators" / "truth")
    yield from plant_folder(layout.plant, os.environ)
    for name in (f.name for f in fields(Ports)):
        yield port(name, getattr(ports, name))


def python(version: Sequence[int]) -> Finding:
    """Look at the Python version."""
    text = ".".join(map(str, version))
    if tuple(version[:2]) < PYTHON_MIN:
        return Finding(Verdict.WRONG, f"Python {text}", "install Python 3.11 or newer and run `make install` again")
    return Finding(Verdict.OK, f"Python {text}")


def versions() -> Iterator[Finding]:
    """Look at the installed rooms; they belong together."""
    found = {d.name: d.version for d in distributions() if d.name and d.name.startswith("penstock-")}
    present = {r: found[f"penstock-{r}"] for r in ROOMS if f"penstock-{r}" in found}
    if len(set(present.values())) > 1:
        listed = ", ".join(f"{r} {v}" for r, v in present.items())
        yield Finding(Verdict.WRONG, f"rooms of different versions: {listed}", "install them from one release")
    else:
        version = next(iter(present.values()), "none")
        yield Finding(Verdict.OK, f"Penstock {version}: {', '.join(present)}")
    absent = [r for r in ROOMS if r not in present]
    if absent:
        yield Finding(
            Verdict.NOTE, f"not installed: {', '.join(absent)}", "`make install` brings all, if you need them"
        )


def commands() -> Iterator[Finding]:
    """Load every plug-in command once, to find broken ones."""
    for plugin in plugins().values():
        try:
            plugin.load()
        except Exception as broken:  # noqa: BLE001 - boundary: a plug-in may fail in any way; it becomes a finding
            package = plugin.dist.name if plugin.dist else "its package"
            what = f"command {plugin.name} cannot be loaded: {type(broken).__name__}: {broken}"
            yield Finding(Verdict.WRONG, what, f"reinstall or remove {package}")


def nats() -> Finding:
    """Look for the embedded broker."""
    try:
        path = broker.binary()
        told = subprocess.run([str(path), "--version"], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (DemoError, OSError, subprocess.SubprocessError) as absent:
        return Finding(Verdict.NOTE, f"no embedded broker: {absent}", "needed by `penstock demo` only")
    return Finding(Verdict.OK, told.stdout.strip())


def data_folder(data: Path) -> Iterator[Finding]:
    """Say where there is no data folder: what answers on the ports is then of another. The usual one may yet come."""
    if data.is_dir():
        return
    told = "is no folder" if data.exists() else "is not there"
    what = f"the data folder {data.absolute()} {told}: what answers on the ports below is not of it"
    if data == USUAL_DATA:
        yield Finding(Verdict.NOTE, what, "`penstock demo` makes it; name another with --data")
    else:
        yield Finding(Verdict.WRONG, what, "name the folder that the demo was started with: --data FOLDER")


def disk(data: Path) -> Finding:
    """Look at the space where the data lies."""
    place = data
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    what = f"{free / 1024**3:.1f} GiB free for {data}"
    if free < DISK_WARN_BYTES:
        return Finding(Verdict.WRONG, what, "make room: on a full disk gateways hold back and machines wait")
    return Finding(Verdict.OK, what)


def secrets(folder: Path) -> Iterator[Finding]:
    """Look at the secrets' modes: nobody but their owner may read them."""
    if not folder.is_dir():
        yield Finding(
            Verdict.NOTE, f"{folder}: no secrets yet", "`penstock demo` or `penstock platform run` makes them"
        )
        return
    exposed = list(_exposed(folder))
    yield from exposed
    if not exposed:
        number = len(list(folder.rglob("*")))
        yield Finding(Verdict.OK, f"{number} secrets in {folder}, readable by their owner alone")


def hidden_truth(folder: Path) -> Iterator[Finding]:
    """Look at the modes of the simulators' hidden truth, where there is one: a score is worth what it stays hidden."""
    if not folder.is_dir():
        return
    exposed = list(_exposed(folder))
    yield from exposed or [Finding(Verdict.OK, f"hidden truth in {folder}, readable by its owner alone")]


def _exposed(folder: Path) -> Iterator[Finding]:
    for path in [folder, *sorted(folder.rglob("*"))]:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except FileNotFoundError:  # the log of a database, folded into it meanwhile
            continue
        if mode & 0o077:
            wanted = "700" if path.is_dir() else "600"
            yield Finding(Verdict.WRONG, f"{path} is open to others (mode {mode:o})", f"chmod {wanted} {path}")


def port(name: str, number: int) -> Finding:
    """Look at a port: free, ours and healthy, ours and ailing, or somebody else's."""
    label = f"{name.replace('_', ' ')}, port {number}"
    if not is_taken(number):
        return Finding(Verdict.NOTE, f"{label}: not running")
    if name not in HEALTH:
        return Finding(Verdict.OK, f"{label}: in use by {holder(number)}")
    url = f"http://127.0.0.1:{number}{HEALTH[name]}"
    try:
        answer = httpx.get(url, timeout=HTTP_TIMEOUT_S, trust_env=False)
    except httpx.HTTPError as failed:
        what = f"{label}: {holder(number)} does not answer {url} ({type(failed).__name__})"
        return Finding(Verdict.WRONG, what, "if it is ours, see its log in logs/; else stop it or choose another port")
    if _said(answer) is None:
        what = f"{label}: held by {holder(number)}, which is not Penstock's {name.replace('_', ' ')}"
        return Finding(Verdict.WRONG, what, f"stop it, or choose another port with --{name.replace('_', '-')}-port")
    if not answer.is_success:
        what = f"{label}: {url} says {answer.status_code}: {answer.text[:200]}"
        return Finding(Verdict.WRONG, what, f"see {name}.log in logs/")
    return judged(label, name, answer)


def _said(answer: httpx.Response) -> dict[str, Any] | None:
    """Give the JSON object that a process of ours answers with."""
    try:
        said = answer.json()
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def judged(label: str, name: str, answer: httpx.Response) -> Finding:
    """Read what a process says of itself: a gateway that waits answers 200, and names its problems."""
    said = _said(answer) or {}
    problems = said.get("problems")
    if not problems and said.get("status") == "starting":
        coming = ", ".join(map(str, said.get("starting") or ())) or "reading the plant folder"
        return Finding(Verdict.NOTE, f"{label}: starting: {coming}", "ask again in some seconds")
    if not problems:
        return Finding(Verdict.OK, f"{label}: healthy")
    journal = said.get("journal", {})
    waiting = journal.get("waiting_batches", 0) if isinstance(journal, dict) else 0
    backlog = f"; {waiting} batches wait for the platform" if waiting else ""
    lines = [str(problem)[:PROBLEM_MAX_CHARS] for problem in problems[:PROBLEMS_MAX]]
    if len(problems) > PROBLEMS_MAX:
        lines.append(f"and {len(problems) - PROBLEMS_MAX} more")
    told = lines[0] if len(lines) == 1 else "".join(f"\n        - {line}" for line in lines)
    return Finding(Verdict.WRONG, f"{label}: {told}{backlog}", f"see {name}.log in logs/")
