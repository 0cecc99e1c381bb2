"""The app's word on the experiment: studies without truth, judged by `penstock maintenance backtest`.

State detection fits each machine on its commissioning. Prognosis needs runs to failure, which a fleet gives: the
machines are dealt into groups, and each group's lives are estimated by what was fitted on the runs of all the others. A
run begins with the watch, or with the repair that a work order would name, and ends with the machine's trip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from penstock.lab.experiment.machines import Kind
from penstock.lab.experiment.plan import HOUR_NS, WATCH_FROM_NS, MachinePlan
from penstock.lab.offline import backtest
from penstock.lab.scoring.episodes import episodes_of
from penstock.lab.scoring.words import Episode
from penstock.lab.study import Stretch, Study, StudyAsset, write_study
from penstock.lab.truth_source import read_file

FIT_SHARE: Final = 0.6
"""Of the commissioning; the rest gives the limits."""
GROUPS: Final = 4


def judge_state(kind: Kind, plans: Sequence[MachinePlan], place: Path, *, study_name: str = "state") -> Path:
    """Write the study of all machines and let the app judge it; give the folder of its findings."""
    study, findings = place / study_name, place / f"{study_name}-findings"
    if not (findings / "findings.json").is_file():
        tables = {plan.name: pq.read_table(place / f"{plan.name}.parquet") for plan in plans}
        write_study(study, Study("detection", tuple(_watched(kind, plan, tables[plan.name]) for plan in plans)), tables)
        backtest(study, findings)
    return findings


def _watched(kind: Kind, plan: MachinePlan, rows: pa.Table) -> StudyAsset:
    start = WATCH_FROM_NS - round(plan.commissioned_h * HOUR_NS)
    cut = start + round(FIT_SHARE * (WATCH_FROM_NS - start))
    end = int(pc.max(rows["time"]).as_py()) + 1
    uses = (
        Stretch("fit", start, cut),
        Stretch("limits", cut, WATCH_FROM_NS),
        Stretch("watch", WATCH_FROM_NS, end),
    )
    return StudyAsset(plan.name, uses, failure_modes=kind.failure_modes, signals=kind.signals)


@dataclass(frozen=True, slots=True)
class LifeRun:
    """Rows of one machine from start to a failure, start <= time <= end."""

    name: str
    machine: str
    start_ns: int
    end_ns: int


def runs_of(machine: str, episodes: Sequence[Episode]) -> tuple[LifeRun, ...]:
    """Give a machine's runs to failure: each begins where the one before was repaired."""
    failures = sorted((e for e in episodes if e.failed_ns is not None), key=lambda e: e.failed_ns or 0)
    runs, start = [], WATCH_FROM_NS
    for i, each in enumerate(failures):
        runs.append(LifeRun(f"{machine}r{i:02d}", machine, start, each.failed_ns or 0))
        start = (each.end_ns or each.failed_ns or 0) + 1
    return tuple(runs)


def judge_life(plans: Sequence[MachinePlan], place: Path) -> list[Path]:
    """Estimate the lives of each group of machines by the runs of the others; give the folders of the findings.

    None where there are too few machines for groups.
    """
    if len(plans) < GROUPS:
        return []
    runs = {plan.name: runs_of(plan.name, truth_of(place, plan.name)) for plan in plans}
    tables = {plan.name: pq.read_table(place / f"{plan.name}.parquet") for plan in plans}
    done = []
    for group in range(GROUPS):
        study, findings = place / f"life-{group}", place / f"life-{group}-findings"
        done.append(findings)
        if (findings / "findings.json").is_file():
            continue
        assets, rows = [], {}
        for i, plan in enumerate(plans):
            for run in runs[plan.name]:
                use = "watch" if i % GROUPS == group else "fit"
                rows[run.name] = _within(tables[plan.name], run)
                stretch = Stretch(use, run.start_ns, run.end_ns + 1)  # type: ignore[arg-type]
                assets.append(StudyAsset(run.name, (stretch,), "failure"))
        write_study(study, Study("prognosis", tuple(assets)), rows)
        backtest(study, findings)
    return done


def _within(rows: pa.Table, run: LifeRun) -> pa.Table:
    times = rows["time"].to_numpy()
    return rows.filter(pa.array((times >= run.start_ns) & (times <= run.end_ns)))


def truth_of(place: Path, machine: str) -> tuple[Episode, ...]:
    """Read what really happened to a machine."""
    truth = read_file(place / f"{machine}.truth")
    left = {(one.device, fault): ends for one in truth.devices for fault, ends in one.left_ns.items()}
    return episodes_of([event for event in truth.events if event.device == machine], left)
