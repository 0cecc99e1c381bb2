"""Read a study: `study.json` names the family, the assets and what is known of their rows; one Parquet file an asset.

The lab writes studies (`penstock lab`); this is the app's own reader, since the two rooms do not know each other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from penstock.apps.maintenance.advice.modes import NOTHING, Known, ModesError, read_known
from penstock.core.errors import reason_of

STUDY: Final = "study.json"
VERSION: Final = 1
FORM: Final = (
    'a study holds {"version": 1, "family": …, "assets": [{"name": …, "stretches": [{"use": …, "start_ns": …, '
    '"end_ns": …}, …]}, …]}; `penstock lab detection study` and `penstock lab prognosis study` write one'
)
TIME: Final = "time"


class StudyError(ValueError):
    """Say what is wrong with a study's folder."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows with start_ns <= time < end_ns, and their use: fit, limits or watch."""

    use: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class StudyAsset:
    """One machine; `ended`: "failure" where its record ends with one, otherwise "running".

    `known`: of its type, the failure modes' signs being channels; nothing where the study names none.
    """

    name: str
    stretches: tuple[Stretch, ...]
    ended: str
    known: Known = NOTHING


@dataclass(frozen=True, slots=True)
class Study:
    """What is to be done with the assets, all by one configuration of the family."""

    family: str
    assets: tuple[StudyAsset, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """Rows of one asset: times (n,) ns, values (n, c), NaN where nothing was read."""

    channels: tuple[str, ...]
    times_ns: NDArray[np.int64]
    values: NDArray[np.float64]


def read_study(folder: Path) -> Study:
    """Read what the study is; StudyError says what is missing or wrong."""
    place = folder / STUDY
    try:
        body = json.loads(place.read_text(encoding="utf-8"))
        if body["version"] != VERSION:
            message = f"{place}: version {body['version']}; this app reads version {VERSION}"
            raise StudyError(message)
        return Study(str(body["family"]), tuple(_asset(each) for each in body["assets"]))
    except (OSError, KeyError, TypeError, AttributeError, UnicodeError, json.JSONDecodeError) as error:
        message = f"{place}: no study: {reason_of(error)}; {FORM}"
        raise StudyError(message) from error


def _asset(body: dict[str, Any]) -> StudyAsset:
    name, ended = _name(str(body["name"])), str(body.get("ended", "running"))
    stretches = tuple(_stretch(each, name) for each in body["stretches"])
    try:
        known = read_known(body.get("failure_modes"), body.get("signals"))
    except ModesError as error:
        message = f"{STUDY}: {name}: {error}"
        raise StudyError(message) from error
    return StudyAsset(name, stretches, ended, known)


def _stretch(body: dict[str, Any], name: str) -> Stretch:
    try:
        return Stretch(body["use"], int(body["start_ns"]), int(body["end_ns"]))
    except ValueError as error:
        message = f"{STUDY}: {name}: a stretch begins and ends at whole nanoseconds"
        raise StudyError(message) from error


def _name(name: str) -> str:
    """Give an asset's name, which names files too; StudyError where it would lead out of a folder."""
    if name in ("", ".", "..") or any(sign in name for sign in "/\\\0"):
        message = f"no name of an asset: {name!r}"
        raise StudyError(message)
    return name


def read_rows(folder: Path, asset: str) -> Recording:
    """Read an asset's rows; StudyError where the file is not there or no table with a time."""
    place = folder / f"{asset}.parquet"
    try:
        table = pq.read_table(place)
    except (OSError, pa.ArrowException) as error:
        message = f"{place}: cannot be read: {error}"
        raise StudyError(message) from error
    if TIME not in table.column_names:
        message = f"{place}: no column {TIME!r}"
        raise StudyError(message)
    channels = tuple(name for name in table.column_names if name != TIME)
    columns = [table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in channels]
    times = table[TIME].to_numpy().astype(np.int64)
    return Recording(channels, times, np.stack(columns, axis=1) if columns else np.empty((len(times), 0)))
