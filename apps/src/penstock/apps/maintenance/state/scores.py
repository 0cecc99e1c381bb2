"""Scores of this app's analytics as the lab wrote them: on public data (ships), and on truth where given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

SHIPPED: Final = Path(__file__).with_name("scores.json")
FILE_MAX_bytes: Final = 10_000_000


class ScoresError(ValueError):
    """Say why a file of scores cannot be shown."""


class PublicScore(BaseModel):
    """Figures of one public set: `how` it was given, the day, and the command that makes them."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    family: str = Field(max_length=40)
    set: str = Field(max_length=80)
    how: str = Field(max_length=80)
    scored: str = Field(max_length=40)
    command: str = Field(max_length=200)
    figures: dict[str, float] = Field(max_length=100)


class _Public(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    version: Literal[1]
    scores: list[PublicScore] = Field(max_length=1000)


@dataclass(frozen=True, slots=True)
class TruthScore:
    """What `penstock score` counted on a plant with a hidden truth; None: nothing to count."""

    window: str
    events: int
    detected: int
    recall: float | None
    precision: float | None
    false_per_asset_month: float | None
    lead_s: float | None
    parts_right: float | None
    coverage: float | None


def read_public(place: Path = SHIPPED) -> tuple[PublicScore, ...]:
    """Read what `penstock lab … table --results FILE` wrote; ScoresError says what is wrong."""
    try:
        return tuple(_Public.model_validate(_read(place)).scores)
    except ValidationError as error:
        first = error.errors()[0]
        message = f"{place}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        raise ScoresError(message) from error


def read_truth(place: Path) -> TruthScore:
    """Read what `penstock score` stored; ScoresError says what is wrong."""
    body = _read(place)
    try:
        window, found = body["window"], body["detection"]
        return TruthScore(
            " to ".join(str(window[end])[:16].replace("T", " ") for end in ("start", "end")) + " UTC",
            int(found["events"]),
            int(found["detected"]),
            recall=_figure(found, "recall"),
            precision=_figure(found, "precision"),
            false_per_asset_month=_figure(found, "false_per_asset_month"),
            lead_s=_figure(found, "lead_median_s"),
            parts_right=_figure(body["isolation"], "accuracy"),
            coverage=_figure(body["prognosis"], "coverage"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"{place}: no score of `penstock score`: {error!r}"
        raise ScoresError(message) from error


def _figure(of: Mapping[str, Any], name: str) -> float | None:
    value = of.get(name)
    return None if value is None else float(value)


def _read(place: Path) -> Any:
    try:
        if place.stat().st_size > FILE_MAX_bytes:
            message = f"{place} is too large for a file of scores"
            raise ScoresError(message)
        return json.loads(place.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, json.JSONDecodeError) as error:
        message = f"{place} cannot be read: {error}"
        raise ScoresError(message) from error
