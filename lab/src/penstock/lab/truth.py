"""What the lab knows of a prognosis study and the app must not: the life left at the end of each watched record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from penstock.core.errors import reason_of
from penstock.lab.study import StudyError

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class AssetTruth:
    """The last row's time, and what was left of its life then."""

    end_ns: int
    rul_ns: int


@dataclass(frozen=True, slots=True)
class PrognosisTruth:
    """horizon_ns: where labels are capped for the score; unit_ns: what scores are counted in, such as a cycle."""

    source: str
    unit_ns: int
    horizon_ns: int
    assets: Mapping[str, AssetTruth]


def write_truth(place: Path, truth: PrognosisTruth) -> None:
    """Write the truth; it belongs outside of the study's folder."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({"version": VERSION, **asdict(truth)}, indent=1) + "\n", encoding="utf-8")


def read_truth(place: Path) -> PrognosisTruth:
    """Read what `write_truth` wrote; StudyError says what is missing or wrong."""
    try:
        body = json.loads(place.read_text(encoding="utf-8"))
        if body["version"] != VERSION:
            message = f"{place}: version {body['version']}; this lab reads version {VERSION}"
            raise StudyError(message)
        assets = {str(name): AssetTruth(**each) for name, each in body["assets"].items()}
        return PrognosisTruth(str(body["source"]), int(body["unit_ns"]), int(body["horizon_ns"]), assets)
    except (OSError, KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        message = f"{place}: no truth of a prognosis: {reason_of(error)}; `penstock lab prognosis study` writes one"
        raise StudyError(message) from error
