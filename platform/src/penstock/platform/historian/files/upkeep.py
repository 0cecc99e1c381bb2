"""What becomes of runs with time: which are merged into a larger one, which are old enough to go. Pure decisions."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.platform.historian.erasures import ALWAYS
from penstock.platform.historian.files.run import Run
from penstock.platform.historian.files.view import Source, View

FAN_IN = 4
"""Runs merged at once: a question over four runs costs about twice that over one, a merge rewrites each row once."""
BUSY_FAN_IN = 6
"""Runs merged at once while samples come quickly: a few seconds' work, in which few files become full."""
BUSY_ROWS_S = 200_000
"""From this pace on samples come quickly: below, two cores have time for all merges."""
BUSY_ROWS = 4 * BUSY_ROWS_S
"""So many of the newest rows tell how quickly they come."""
BUSY_RUNS_MAX = 200
"""With more runs than that larger ones are merged even so: a question looks at each."""
MERGES_MAX = 3
"""A row is merged so often in its life: into runs of 64 generations' rows, 32 million by default."""
MERGE_BYTES_A_ROW = 100
"""Disk that a merge may need for a row while it sorts: rows spilled, and the run beside those it replaces."""
KEPT_AFTER_ARRIVAL_NS = 7 * 24 * 3600 * 1_000_000_000
"""However old its source times, a run stays so long: commits can be followed, and repeats are known, in that window."""
REWRITE_AFTER_NS = 3600 * 1_000_000_000
"""How long erased rows may stay in a run's files, hidden: many corrections in an hour are one rewriting."""
SEAL_AFTER_NS = 24 * 3600 * 1_000_000_000
"""How long erased rows may stay in the hot file, hidden; then it is sealed though it is not full."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """Tell of a run that retention removes: rows by tenant, and the span of their source times."""

    folder: str
    rows_by_tenant: dict[str, int]
    time_min: int
    time_max: int
    what: str = "samples"
    """`samples`; `samples, summaries stay`; or `summaries`."""


def mergeable(runs: Sequence[Run], generation_rows: int, *, busy: bool = False) -> Sequence[Run]:
    """Give runs to merge into one: neighbours of one level, small ones first; none when all is well.

    A larger run is never written again for the sake of small ones behind it. While it is busy only the smallest are
    merged: seals wait for a merge, and what waits for its seal costs memory.
    """
    fan_in = BUSY_FAN_IN if busy else FAN_IN
    levels = _levels(runs, generation_rows)
    for level in range(1 if busy and len(runs) <= BUSY_RUNS_MAX else MERGES_MAX):
        for start in range(len(runs) - fan_in + 1):
            chosen = runs[start : start + fan_in]
            small = _rows(chosen) <= 2 * FAN_IN**MERGES_MAX * generation_rows
            if small and {*levels[start : start + fan_in]} == {level} and _adjoin(chosen):
                return chosen
    return ()


def _levels(runs: Sequence[Run], generation_rows: int) -> list[int]:
    """Say how often the rows of runs of these sizes have been merged: they are at most twice as large as planned.

    A small run before a larger one counts as that does: nothing small will ever stand beside it again.
    """
    levels: list[int] = []
    behind = 0
    for run in reversed(runs):
        planned = (2 * FAN_IN**level * generation_rows for level in range(MERGES_MAX))
        level = sum(run.extent.rows > rows for rows in planned)
        behind = max(behind, min(level, MERGES_MAX - 1))
        levels.append(max(level, behind))
    return levels[::-1]


def busy_until_ns(sources: Sequence[Source]) -> int:
    """Give until when samples count as coming quickly, by when the newest ones arrived."""
    rows, first_ns = 0, 2**63 - 1
    for source in reversed(sources):
        if source.extent.rows:
            rows, first_ns = rows + source.extent.rows, min(first_ns, source.extent.arrival_min)
        if rows >= BUSY_ROWS:
            return first_ns + rows * 1_000_000_000 // BUSY_ROWS_S
    return 0


def bytes_to_merge(runs: Sequence[Run]) -> int:
    """Give the room on the disk that a merge may need."""
    return MERGE_BYTES_A_ROW * _rows(runs)


def expired(runs: Sequence[Run], now_ns: int, retention_ns: int) -> list[Run]:
    """Give the runs whose rows are all older than the retention.

    A run is as old as its newest source time; a stamp that lies after the arrival counts as the arrival.
    """
    return [
        run
        for run in runs
        if min(run.extent.time_max, run.extent.arrival_max) < now_ns - retention_ns
        and run.extent.arrival_max < now_ns - KEPT_AFTER_ARRIVAL_NS
    ]


def rewrite_due_ns(view: View, source: Source, after_ns: int) -> int | None:
    """Give when a file is to be written again without its erased rows, None where it has none."""
    touched = view.touched(source, None, *ALWAYS)
    if not touched:
        return None
    log = view.erasures.log
    pending = (log.position > max(source.erased_to, source.extent.position_min)) & np.isin(log.tag, touched)
    return int(log.made_ns[pending].min()) + after_ns


def spent(view: View, before_ns: int) -> int | None:
    """Give the position of the last of the oldest erasures that are older and hide nothing in any file; None for none.

    A hot file keeps its erasures until it is sealed, whatever they hide.
    """
    log = view.erasures.log
    kept = log.made_ns >= before_ns
    for source in view.sources:
        if isinstance(source, Run):
            pending = np.isin(log.tag, view.touched(source, None, *ALWAYS))
            kept |= pending & (log.position > max(source.erased_to, source.extent.position_min))
        else:
            kept |= log.position > source.extent.position_min
    for summary in view.kept:
        kept |= (log.position > summary.erased_to) & (log.from_ns <= summary.time_max) & (log.to_ns > summary.time_min)
    gone = log.position[log.position < log.position[kept][0]] if kept.any() else log.position
    return int(gone[-1]) if len(gone) else None


def _adjoin(runs: Sequence[Run]) -> bool:
    """A merged run's name tells of all generations between: none of them may be elsewhere."""
    return all(run.last + 1 == after.first for run, after in itertools.pairwise(runs))


def _rows(runs: Sequence[Run]) -> int:
    return sum(run.extent.rows for run in runs)
