"""Read a study and write findings: the files that are exchanged with whoever scores the analytics.

A study is a folder with `study.json` and one Parquet file an asset; findings are a folder with `findings.json` and one
Parquet file an asset. Both formats stand in docs/guide/lab.md. Which family a study is of says which analytics run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penstock.apps.maintenance.detection.fitting import Rows

VERSION: Final = 1
Span = tuple[int, int]
"""Rows with start_ns <= time < end_ns."""


class StudyError(ValueError):
    """Say what is wrong with a study's folder, or with where the findings should go."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One recorded machine: its stretches by use (fit, limits, watch), and how its record ends."""

    name: str
    stretches: dict[str, tuple[Span, ...]]
    ended: str


@dataclass(frozen=True, slots=True)
class Study:
    """What is to be done with the assets."""

    folder: Path
    family: str
    assets: tuple[Asset, ...]

    def rows(self, asset: Asset) -> tuple[Rows, tuple[str, ...]]:
        """Read an asset's rows and the names of its channels."""
        place = self.folder / f"{asset.name}.parquet"
        try:
            table = pq.read_table(place)
            times = table.column("time").to_numpy().astype(np.int64)
        except (OSError, KeyError, pa.ArrowException) as error:
            message = f"{place}: no rows of a study: {error}"
            raise StudyError(message) from error
        names = tuple(name for name in table.column_names if name != "time")
        columns = [table.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False) for name in names]
        values = np.column_stack(columns) if columns else np.zeros((len(times), 0))
        return Rows(times, values), names


def read_study(folder: Path) -> Study:
    """Read what is to be done; StudyError says what is missing or wrong."""
    place = folder / "study.json"
    try:
        body = json.loads(place.read_text())
        if body["version"] != VERSION:
            message = f"{place}: version {body['version']}; this backtest reads version {VERSION}"
            raise StudyError(message)
        return Study(folder, str(body["family"]), tuple(_asset(each) for each in body["assets"]))
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        message = f"{place}: no study: {error!r}"
        raise StudyError(message) from error


def _asset(body: dict[str, Any]) -> Asset:
    spans: dict[str, tuple[Span, ...]] = {}
    for each in body["stretches"]:
        spans[each["use"]] = (*spans.get(each["use"], ()), (int(each["start_ns"]), int(each["end_ns"])))
    return Asset(str(body["name"]), spans, str(body.get("ended", "running")))


def within(rows: Rows, spans: Sequence[Span]) -> Rows:
    """Give the rows that lie in one of the spans."""
    inside = np.zeros(len(rows), np.bool_)
    for start_ns, end_ns in spans:
        inside |= (rows.times_ns >= start_ns) & (rows.times_ns < end_ns)
    return Rows(rows.times_ns[inside], rows.values[inside])


def new_folder(folder: Path) -> None:
    """Make a folder for findings, new or empty."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        message = f"{folder} is not empty: name a new folder"
        raise StudyError(message)


def write_findings(folder: Path, family: str, assets: Sequence[dict[str, Any]]) -> None:
    """Write what was found of all assets, last, so that findings without it are known to be broken off."""
    (folder / "findings.json").write_text(
        json.dumps({"version": VERSION, "family": family, "assets": list(assets)}, indent=1) + "\n"
    )
