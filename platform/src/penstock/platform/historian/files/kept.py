"""What stays of a run whose samples retention has removed: the summary of all its tags, in a folder of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penstock.platform.historian.files.durable import sync_file
from penstock.platform.historian.files.generation import UNBORN_SUFFIX
from penstock.platform.historian.files.run import SUMMARY_FILE, Run, RunFile, write_summary_file
from penstock.platform.kit.files import sync_folder

KEPT_FOLDER = "kept"


@dataclass(frozen=True, slots=True)
class Kept:
    """Name the summary that stands for the samples of a removed run."""

    first: int
    last: int
    rows: int
    """Samples that it stands for."""
    time_min: int
    time_max: int
    file: RunFile
    rows_by_tenant: Mapping[str, int]
    kept_ns: int
    """When the samples were removed."""
    parquet: Path
    """The folder of its file."""
    erased_to: int
    """Erasures up to this position were carried out in the samples that it was made of, or did not concern them."""

    @property
    def name(self) -> str:
        """Give the name that no run has."""
        return f"{KEPT_FOLDER}-{self.parquet.name}"

    def holds_time(self, start_ns: int, end_ns: int) -> bool:
        """Say whether it may tell of a sample with start <= time < end."""
        return self.time_min < end_ns and self.time_max >= start_ns


def write_kept(cursor: Any, run: Run, folder: Path, rows_by_tenant: Mapping[str, int], now_ns: int) -> Kept:
    """Write what is to stay of a run under its unborn name, synced; raise SealingFailed where it reads back else."""
    unborn = folder / (run.name + UNBORN_SUFFIX)
    unborn.mkdir()
    file = write_summary_file(
        cursor, run.parquet, unborn / SUMMARY_FILE, np.ones(len(run.tags.tag), np.bool_), run.tags
    )
    sync_file(unborn / SUMMARY_FILE)
    sync_folder(unborn)
    extent = run.extent
    return Kept(
        run.first, run.last, extent.rows, extent.time_min, extent.time_max, file, rows_by_tenant, now_ns,
        folder / run.name, max(run.erased_to, extent.position_min),
    )  # fmt: skip


def expired_kept(kept: Sequence[Kept], now_ns: int, retention_ns: int) -> list[Kept]:
    """Give the summaries that are all older than their retention; a stamp after the removal counts as that."""
    return [each for each in kept if min(each.time_max, each.kept_ns) < now_ns - retention_ns]
