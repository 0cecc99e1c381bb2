"""The SKAB water-circulation test bed as a study (Katser and Kozitsin 2020).

The folder holds valve1, other and the like with one CSV file a run: `datetime` (read as UTC), eight channels, `anomaly`
and `changepoint`, which are kept apart. The first 400 rows of a run are healthy; it is watched from there on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from penstock.lab.detection_truth import Span
from penstock.lab.sets.recorded import Record, read_table, span_of, time_ns, write_records
from penstock.lab.study import Stretch, StudyError

HEALTHY_ROWS: Final = 400
LABELS: Final = ("anomaly", "changepoint")
CLEAN: Final = "anomaly-free"


def make_study(folder: Path, study: Path, *, truth: Path, seed: int | None = None) -> None:
    """Write all labelled runs of the folder as a study, their truth apart; StudyError says what is missing or wrong."""
    places = sorted(place for place in folder.glob("*/*.csv") if place.parent.name != CLEAN)
    if not places:
        message = f"{folder}: there is no */*.csv"
        raise StudyError(message)
    records = [_record(place) for place in places]
    write_records(records, study, truth=truth, family="detection", source="SKAB", rule="events", seed=seed)


def _record(place: Path) -> Record:
    heading, rows = read_table(place, ";")
    channels = [j for j, name in enumerate(heading) if name not in ("datetime", *LABELS)]
    try:
        times = np.array([time_ns(row[heading.index("datetime")]) for row in rows])
        values = np.array([[float(row[j]) for j in channels] for row in rows])
        faulty = np.array([float(row[heading.index("anomaly")]) > 0 for row in rows])
    except (ValueError, IndexError) as error:
        message = f"{place}: no run of this set: {error}"
        raise StudyError(message) from error
    if len(rows) <= HEALTHY_ROWS:
        message = f"{place}: {len(rows)} rows; the first {HEALTHY_ROWS} are to be fitted on"
        raise StudyError(message)
    watched_ns = int(times[HEALTHY_ROWS])
    stretches = (Stretch("fit", int(times[0]), watched_ns), Stretch("watch", watched_ns, int(times[-1]) + 1))
    return Record(f"{place.parent.name}/{place.stem}", times, values, stretches, _spans(times, faulty))


def _spans(
    times: np.ndarray[tuple[int], np.dtype[np.int64]], faulty: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> tuple[Span, ...]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], faulty.astype(int), [0]])))
    return tuple(span_of(times, int(a), int(b) - 1) for a, b in edges.reshape(-1, 2))
