"""A *study*: recorded machines in neutral form, as files that any analytics can be run on, without their truth.

A folder with `study.json` and one Parquet file an asset, `ASSET.parquet`: `time` (int64 ns UTC, rising) and the
channels `ch00`, `ch01`, … (float64, null where nothing was read). What is known beforehand stands in *stretches*: which
rows an engineer would name as healthy (fit), as healthy and not to be fitted on (limits), and which are to be judged
(watch). Labels never enter; the adapter that wrote the study keeps them apart, for the score.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.core.errors import reason_of

Family = Literal["detection", "stream", "prognosis"]
"""detection: many channels, healthy rows are known; stream: judged from the first row on; prognosis: a fleet's runs."""
Use = Literal["fit", "limits", "watch"]
Ended = Literal["failure", "running"]
STUDY: Final = "study.json"
VERSION: Final = 1
FORM: Final = (
    'a study holds {"version": 1, "family": …, "assets": [{"name": …, "stretches": [{"use": …, "start_ns": …, '
    '"end_ns": …}, …]}, …]}; `penstock lab detection study` and `penstock lab prognosis study` write one'
)


class StudyError(ValueError):
    """Say what is wrong with a study's folder."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows with start_ns <= time < end_ns."""

    use: Use
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class StudyAsset:
    """`ended`: how the record ends; a run to failure is what a prognosis is fitted on.

    `failure_modes`: what is known beforehand of how the machine fails, as an asset type has it: name → `part`, `signs`
    (channel → rises, falls, departs, unsteady), `action`, `notice_h`. Not a label: it says nothing of this record.
    `signals`: channel → what gives it, of those that no sensor gives: demand, computed.
    """

    name: str
    stretches: tuple[Stretch, ...]
    ended: Ended = "running"
    failure_modes: Mapping[str, Any] = field(default_factory=dict)
    signals: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Study:
    """What is to be done with the assets, all by one configuration of the family."""

    family: Family
    assets: tuple[StudyAsset, ...]


def channel_name(index: int) -> str:
    """Name a channel so that it says nothing."""
    return f"ch{index:02d}"


def write_study(folder: Path, study: Study, rows: Mapping[str, pa.Table]) -> None:
    """Write a study into a folder that is new or empty."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        message = f"{folder} is not empty: name a new folder"
        raise StudyError(message)
    for asset in study.assets:
        pq.write_table(rows[asset.name], folder / f"{asset.name}.parquet", compression="zstd")
    (folder / STUDY).write_text(json.dumps({"version": VERSION, **asdict(study)}, indent=1) + "\n")


def read_study(folder: Path) -> Study:
    """Read a study; StudyError says what is missing or wrong."""
    place = folder / STUDY
    try:
        body = json.loads(place.read_text())
        if body["version"] != VERSION:
            message = f"{place}: version {body['version']}; this lab reads version {VERSION}"
            raise StudyError(message)
        return Study(body["family"], tuple(_asset(each) for each in body["assets"]))
    except (OSError, KeyError, TypeError, AttributeError, UnicodeError, json.JSONDecodeError) as error:
        message = f"{place}: no study: {reason_of(error)}; {FORM}"
        raise StudyError(message) from error


def _asset(body: Mapping[str, object]) -> StudyAsset:
    stretches = body["stretches"]
    if not isinstance(stretches, Sequence):
        message = f"{body['name']}: stretches: a list is needed, not {type(stretches).__name__}"
        raise StudyError(message)
    named = tuple(Stretch(**each) for each in stretches)
    told = {key: body.get(key) or {} for key in ("failure_modes", "signals")}
    for key, value in told.items():
        if not isinstance(value, Mapping):
            message = f"{body['name']}: {key}: a mapping is needed, not {type(value).__name__}"
            raise StudyError(message)
    return StudyAsset(_name(str(body["name"])), named, body.get("ended", "running"), **told)  # type: ignore[arg-type]


def _name(name: str) -> str:
    """Give an asset's name, which names files too; StudyError where it would lead out of a folder."""
    if name in ("", ".", "..") or any(sign in name for sign in "/\\\0"):
        message = f"no name of an asset: {name!r}"
        raise StudyError(message)
    return name


def read_rows(folder: Path, asset: str) -> pa.Table:
    """Read an asset's rows: `time` and the channels."""
    return pq.read_table(folder / f"{asset}.parquet")
