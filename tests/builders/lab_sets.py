"""Small made sets in the files and forms of the public ones, so that their adapters can be tested without them."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from tests.builders.made_machines import Floats, values

START = datetime(2020, 3, 9, 10, 0, tzinfo=UTC)
SKAB_ROWS, SKAB_FAULT = 900, range(600, 750)
NAB_ROWS, NAB_FAULT = 1500, range(1000, 1100)


def make_tep(folder: Path) -> None:
    """Write d00, transposed, and test runs of 52 channels; every run departs at row 160 but those of faults 3 and 9."""
    folder.mkdir(parents=True)
    _write_matrix(folder / "d00.dat.gz", values(300, 52, seed=100).T)
    for fault in range(13):
        made = values(200 if fault else 300, 52, seed=fault)
        if fault not in (0, 3, 9):
            made[160:, fault % 5] += 5.0
        _write_matrix(folder / f"d{fault:02d}_te.dat.gz", made)


def _write_matrix(place: Path, made: Floats) -> None:
    lines = "\n".join("  ".join(f"{value:.9e}" for value in row) for row in made)
    place.write_bytes(gzip.compress((lines + "\n").encode()))


def make_skab(folder: Path, runs: int = 2) -> None:
    """Write runs of eight channels with a shift in the fault, and a clean run that is no labelled one."""
    (folder / "valve1").mkdir(parents=True)
    (folder / "anomaly-free").mkdir()
    (folder / "anomaly-free" / "anomaly-free.csv").write_text("datetime;a\n2020-01-01 00:00:00;1\n")
    for run in range(runs):
        made = values(SKAB_ROWS, 8, seed=run)
        made[SKAB_FAULT.start : SKAB_FAULT.stop, 5] += 5.0
        lines = ["datetime;" + ";".join(f"c{j}" for j in range(8)) + ";anomaly;changepoint"]
        for i, row in enumerate(made):
            label = 1.0 if i in SKAB_FAULT else 0.0
            lines.append(";".join([_stamp(i), *(f"{value:.9g}" for value in row), f"{label}", "0.0"]))
        (folder / "valve1" / f"{run}.csv").write_text("\n".join(lines) + "\n")


def make_nab(folder: Path) -> None:
    """Write one series with a jump in its window and one without; two rows of the second share a stamp."""
    (folder / "labels").mkdir(parents=True)
    (folder / "made").mkdir()
    windows = {"made/jump.csv": [[_stamp(NAB_FAULT.start), _stamp(NAB_FAULT.stop - 1)]], "made/calm.csv": []}
    windows["made/away.csv"] = []
    (folder / "labels" / "combined_windows.json").write_text(json.dumps(windows))
    for name, seed in (("jump", 1), ("calm", 2)):
        made = np.random.default_rng(seed).normal(size=NAB_ROWS)
        if name == "jump":
            made[NAB_FAULT.start + 10 :] += 10.0
        stamps = [_stamp(i - (name == "calm" and i == 700)) for i in range(NAB_ROWS)]
        lines = ["timestamp,value", *(f"{stamp},{value:.9g}" for stamp, value in zip(stamps, made, strict=True))]
        (folder / "made" / f"{name}.csv").write_text("\n".join(lines) + "\n")


def _stamp(row: int) -> str:
    return (START + timedelta(seconds=row)).strftime("%Y-%m-%d %H:%M:%S")
