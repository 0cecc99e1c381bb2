"""The Tennessee Eastman process as a study (Downs and Vogel 1993; Chiang, Russell and Braatz 2001).

The folder holds d00 … d12 and d00_te … d12_te, plain or gzipped, 52 columns, a row every three minutes. Each faulty run
becomes an asset: healthy rows d00 to fit on, d00_te for the limits, then the run itself, healthy up to row 160. Between
the three the record is interrupted for a day.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.lab.sets.recorded import Record, span_of, write_records
from penstock.lab.study import Stretch, StudyError

Floats = NDArray[np.float64]
STEP_NS: Final = 180_000_000_000
DAY_NS: Final = 86_400_000_000_000
START_NS: Final = 1_600_000_000_000_000_000 // STEP_NS * STEP_NS
COLUMNS: Final = 52
ONSET_ROW: Final = 160
HIDDEN: Final = (3, 9)
"""Faults that leave no trace in the measurements; their healthy rows still count for the false alarms."""


def make_study(folder: Path, study: Path, *, truth: Path, seed: int | None = None) -> None:
    """Write the runs with faults as a study and their truth apart; StudyError says which file is missing or wrong."""
    healthy, limits = _run(folder, "d00"), _run(folder, "d00_te")
    records = [_record(healthy, limits, _run(folder, f"d{fault:02d}_te"), fault=fault) for fault in range(1, 13)]
    write_records(records, study, truth=truth, family="detection", source="TEP", rule="rows", seed=seed)


def _record(healthy: Floats, limits: Floats, run: Floats, *, fault: int) -> Record:
    parts = (healthy, limits, run)
    starts = START_NS + np.cumsum([0, *(len(part) * STEP_NS + DAY_NS for part in parts[:-1])])
    times = [start + STEP_NS * np.arange(len(part)) for start, part in zip(starts, parts, strict=True)]
    spans = [span_of(own, 0, len(own) - 1) for own in times]
    stretches = (Stretch("fit", *spans[0]), Stretch("limits", *spans[1]), Stretch("watch", *spans[2]))
    faulty = span_of(times[2], ONSET_ROW, len(run) - 1)
    return Record(f"fault {fault}", np.concatenate(times), np.vstack(parts), stretches, (faulty,), fault not in HIDDEN)


def _run(folder: Path, name: str) -> Floats:
    for place in (folder / f"{name}.dat", folder / f"{name}.dat.gz"):
        if place.is_file():
            raw = place.read_bytes()
            try:
                rows = np.loadtxt(io.BytesIO(gzip.decompress(raw) if place.suffix == ".gz" else raw), ndmin=2)
            except (OSError, ValueError) as error:
                message = f"{place}: not a table of numbers: {error}"
                raise StudyError(message) from error
            rows = rows.T if rows.shape[0] == COLUMNS != rows.shape[1] else rows  # d00 is stored transposed
            if rows.shape[1] != COLUMNS or len(rows) <= ONSET_ROW:
                message = f"{place}: {rows.shape[0]} rows and {rows.shape[1]} columns, not {COLUMNS} columns"
                raise StudyError(message)
            return rows
    message = f"{folder}: there is no {name}.dat or {name}.dat.gz"
    raise StudyError(message)
