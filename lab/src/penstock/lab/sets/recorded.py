"""What the adapters of labelled recordings share: a record with its truth becomes an asset that says nothing of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.core.errors import reason_of
from penstock.lab.detection_truth import AssetTruth, DetectionTruth, Span, write_truth
from penstock.lab.disguise import disguise
from penstock.lab.study import Family, Stretch, Study, StudyAsset, StudyError, channel_name, write_study

Floats = NDArray[np.float64]
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled recording: what it was called, rising times (n,), values (n, c), stretches, and the faults."""

    label: str
    times_ns: NDArray[np.int64]
    values: Floats
    stretches: tuple[Stretch, ...]
    faults: tuple[Span, ...]
    scored: bool = True


def write_records(
    records: Sequence[Record], study: Path, *, truth: Path, family: Family, source: str, rule: str, seed: int | None
) -> None:
    """Write records as a study with names that say nothing, and their truth apart.

    A seed shuffles the assets, and shuffles and rescales the channels, of each asset in its own way.
    """
    order = np.arange(len(records)) if seed is None else np.random.default_rng(seed).permutation(len(records))
    assets, tables, truths = [], {}, {}
    for number, place in enumerate(order):
        record, name = records[place], f"m{number:03d}"
        hidden = disguise(record.values, None if seed is None else seed + 1000 * number).of(record.values)
        channels = {channel_name(j): pa.array(hidden[:, j], from_pandas=True) for j in range(hidden.shape[1])}
        tables[name] = pa.table({"time": pa.array(record.times_ns), **channels})
        assets.append(StudyAsset(name, record.stretches))
        truths[name] = AssetTruth(record.label, record.faults, record.scored)
    write_study(study, Study(family, tuple(assets)), tables)
    write_truth(truth, DetectionTruth(source, rule, truths))


def read_table(place: Path, delimiter: str) -> tuple[list[str], list[list[str]]]:
    """Read a delimited file: its heading and its rows; StudyError where it is not there or empty."""
    try:
        with place.open(newline="", encoding="utf-8") as lines:
            heading, *rows = csv.reader(lines, delimiter=delimiter)
    except (OSError, ValueError) as error:
        message = f"{place}: no table: {reason_of(error)}"
        raise StudyError(message) from error
    return heading, rows


def time_ns(text: str) -> int:
    """Read a stamp without a zone as UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_NS


def span_of(times_ns: NDArray[np.int64], first: int, last: int) -> Span:
    """Give the span of rows first … last."""
    return int(times_ns[first]), int(times_ns[last]) + 1
