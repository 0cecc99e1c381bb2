"""The Numenta benchmark's series as a study of the family *stream* (Ahmad, Lavin, Purdy and Agha 2017).

The folder holds the series in folders by source, `timestamp,value`, and `labels/combined_windows.json`. Equal
stamps are pushed apart by a microsecond, which every protocol can carry, so that rows keep their order.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from penstock.core.errors import reason_of
from penstock.lab.sets.recorded import SECOND_NS, Record, read_table, time_ns, write_records
from penstock.lab.study import Stretch, StudyError

WINDOWS = Path("labels/combined_windows.json")


def make_study(folder: Path, study: Path, *, truth: Path, seed: int | None = None) -> None:
    """Write the folder's series as a study, their windows apart; StudyError says what is missing or wrong."""
    try:
        windows = dict(json.loads((folder / WINDOWS).read_text(encoding="utf-8")).items())
    except (OSError, ValueError, AttributeError) as error:
        message = (
            f"{folder / WINDOWS}: no windows: {reason_of(error)}; name the folder of the benchmark that holds its "
            f'series and {WINDOWS} with {{series: [["first stamp", "last stamp"], …], …}}'
        )
        raise StudyError(message) from error
    records = [
        _record(folder / name, name, spans) for name, spans in sorted(windows.items()) if (folder / name).is_file()
    ]
    if not records:
        message = f"{folder}: none of the {len(windows)} series that {WINDOWS} names is there"
        raise StudyError(message)
    write_records(records, study, truth=truth, family="stream", source="NAB", rule="windows", seed=seed)


def _record(place: Path, label: str, spans: list[list[str]]) -> Record:
    _, rows = read_table(place, ",")
    try:
        times = _rising(np.array([time_ns(row[0]) for row in rows]))
        values = np.array([[float(row[1])] for row in rows])
        faults = tuple((time_ns(first), time_ns(last) + SECOND_NS) for first, last in spans)
    except (ValueError, IndexError, TypeError) as error:
        message = f"{place}: no series of this set: {error}"
        raise StudyError(message) from error
    return Record(label, times, values, (Stretch("watch", int(times[0]), int(times[-1]) + 1),), faults)


def _rising(times: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    steps = 1000 * np.arange(len(times))
    return np.maximum.accumulate(times - steps) + steps
