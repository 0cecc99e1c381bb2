"""What the lab knows of a detection study and the app must not: when each asset was not as when healthy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from penstock.core.errors import reason_of
from penstock.lab.study import StudyError

VERSION: Final = 1
Span = tuple[int, int]
"""start_ns <= time < end_ns."""


@dataclass(frozen=True, slots=True)
class AssetTruth:
    """`label`: what the record was called; `faults`: when it was not healthy; `scored`: whether its faults count."""

    label: str
    faults: tuple[Span, ...]
    scored: bool = True


@dataclass(frozen=True, slots=True)
class DetectionTruth:
    """`rule`: how the source is scored: rows, events or windows."""

    source: str
    rule: str
    assets: Mapping[str, AssetTruth]


def write_truth(place: Path, truth: DetectionTruth) -> None:
    """Write the truth; it belongs outside of the study's folder."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({"version": VERSION, **asdict(truth)}, indent=1) + "\n", encoding="utf-8")


def read_truth(place: Path) -> DetectionTruth:
    """Read what `write_truth` wrote; StudyError says what is missing or wrong."""
    try:
        body = json.loads(place.read_text(encoding="utf-8"))
        if body["version"] != VERSION:
            message = f"{place}: version {body['version']}; this lab reads version {VERSION}"
            raise StudyError(message)
        assets = {
            str(name): AssetTruth(
                str(each["label"]), tuple((int(a), int(b)) for a, b in each["faults"]), each["scored"]
            )
            for name, each in body["assets"].items()
        }
        return DetectionTruth(str(body["source"]), str(body["rule"]), assets)
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        message = f"{place}: no truth of a detection: {reason_of(error)}; `penstock lab detection study` writes one"
        raise StudyError(message) from error
