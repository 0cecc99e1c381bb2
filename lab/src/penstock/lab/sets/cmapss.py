"""NASA's turbofan run-to-failure sets as studies (A. Saxena, K. Goebel, D. Simon, N. Eklund, PHM 2008).

The folder holds `train_FD001.txt`, `test_FD001.txt`, `RUL_FD001.txt` or the like of another subset, plain or gzipped:
columns unit, cycle, three operating settings, 21 sensors. Training engines run to failure; test engines end somewhere
before it, and the RUL file says how many cycles before. Every engine becomes an asset with a name that says nothing,
one hour a cycle; cycle numbers do not enter, except as a channel of their own where `age` asks for the comparison.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.lab.disguise import disguise
from penstock.lab.study import Stretch, Study, StudyAsset, StudyError, channel_name, write_study
from penstock.lab.truth import AssetTruth, PrognosisTruth, write_truth

Floats = NDArray[np.float64]
CYCLE_NS: Final = 3_600_000_000_000
START_NS: Final = 1_600_000_000_000_000_000 // CYCLE_NS * CYCLE_NS
CAP_CYCLES: Final = 125
"""Where the score caps labels (Heimes 2008); the app does not know it."""
COLUMNS: Final = 26


def make_study(
    folder: Path, study: Path, *, truth: Path, subset: str = "FD001", seed: int | None = None, age: bool = False
) -> None:
    """Write the study of a subset into a new folder and its truth into a file apart; a seed shuffles and rescales.

    StudyError says which file is missing or not as it should be.
    """
    train, test = _engines(folder, f"train_{subset}"), _engines(folder, f"test_{subset}")
    left = _numbers(folder, f"RUL_{subset}").ravel()
    if len(left) != len(test):
        message = f"{folder}: RUL_{subset} has {len(left)} rows for {len(test)} test engines"
        raise StudyError(message)
    if age:
        train, test = [_with_age(rows) for rows in train], [_with_age(rows) for rows in test]
    hide = disguise(np.vstack(train), seed)
    numbers = np.random.default_rng(0 if seed is None else seed).permutation(len(train) + len(test))
    assets, tables, truths = [], {}, {}
    for i, rows in enumerate([*train, *test]):
        name = f"m{numbers[i]:03d}"
        times = START_NS + CYCLE_NS * np.arange(len(rows))
        end_ns = int(times[-1]) + 1
        failed = i < len(train)
        use = Stretch("fit" if failed else "watch", int(times[0]), end_ns)
        assets.append(StudyAsset(name, (use,), "failure" if failed else "running"))
        tables[name] = _table(times, hide.of(rows))
        if not failed:
            truths[name] = AssetTruth(int(times[-1]), int(left[i - len(train)]) * CYCLE_NS)
    assets.sort(key=lambda asset: asset.name)
    write_study(study, Study("prognosis", tuple(assets)), tables)
    write_truth(truth, PrognosisTruth(f"C-MAPSS {subset}", CYCLE_NS, CAP_CYCLES * CYCLE_NS, truths))


def _table(times: NDArray[np.int64], values: Floats) -> pa.Table:
    channels = {channel_name(j): pa.array(values[:, j]) for j in range(values.shape[1])}
    return pa.table({"time": pa.array(times), **channels})


def _with_age(rows: Floats) -> Floats:
    return np.hstack([rows, np.arange(1.0, len(rows) + 1)[:, None]])


def _engines(folder: Path, name: str) -> list[Floats]:
    """Give the settings and sensors (n, 24) of each engine, in the order of the file."""
    rows = _numbers(folder, name)
    if rows.shape[1] != COLUMNS:
        message = f"{folder}/{name}: {rows.shape[1]} columns, not {COLUMNS}"
        raise StudyError(message)
    units = np.unique(rows[:, 0])
    engines = [rows[rows[:, 0] == unit] for unit in units]
    for unit, engine in zip(units, engines, strict=True):
        if not np.array_equal(engine[:, 1], np.arange(1, len(engine) + 1)):
            message = f"{folder}/{name}: the cycles of unit {unit:.0f} are not 1, 2, 3, …"
            raise StudyError(message)
    return [engine[:, 2:] for engine in engines]


def _numbers(folder: Path, name: str) -> Floats:
    for place in (folder / f"{name}.txt", folder / f"{name}.txt.gz"):
        if place.is_file():
            raw = place.read_bytes()
            try:
                text = gzip.decompress(raw) if place.suffix == ".gz" else raw
                return np.loadtxt(io.BytesIO(text), ndmin=2)
            except (OSError, ValueError) as error:
                message = f"{place}: not a table of numbers: {error}"
                raise StudyError(message) from error
    message = f"{folder}: there is no {name}.txt or {name}.txt.gz"
    raise StudyError(message)
