"""Repairs end runs: what done work orders say of a machine's lives, for its fleet's prognosis. Pure.

Between two repairs a machine has one run. Where an order says that the machine had failed, the run ends then, and in
failure: the prognosis is fitted on it. Where it was repaired before, the run ended by a stop, which says nothing of the
life that was left. The newest run begins with the last repair. Attributes name the first begin and the last end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from penstock.apps.maintenance.life.run import AssetRun
from penstock.apps.maintenance.orders.order import Label


def runs_of(run: AssetRun, labels: Iterable[Label]) -> tuple[AssetRun, tuple[AssetRun, ...]]:
    """Part a run at its repairs: give the newest, and those that ended before, oldest first."""
    ended = []
    newest = run
    for label in sorted(labels, key=lambda each: each.time_ns):
        until_ns = label.time_ns if label.failed_ns is None else label.failed_ns
        outside = until_ns <= newest.from_ns or (run.until_ns is not None and label.time_ns >= run.until_ns)
        if not label.is_fault or outside:
            continue
        ended.append(AssetRun(run.fleet, newest.from_ns, until_ns, failed=label.failed_ns is not None))
        newest = replace(run, from_ns=label.time_ns)
    return newest, tuple(ended)
