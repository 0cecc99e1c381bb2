"""Failure modes as data: which part, by which signs it is known, what to do (ISO 14224; signs as in ISO 13379-1).

A mode names channels and how each leaves its healthy value, the most telling first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

NOTICE_h: Final = 24.0
"""Of a repair for which nobody has said more."""


class ModesError(ValueError):
    """Say which failure mode cannot be read, and why."""


class Direction(StrEnum):
    """How a channel leaves its healthy value; *unsteady*: its spread or roughness grows."""

    RISES = "rises"
    FALLS = "falls"
    DEPARTS = "departs"
    UNSTEADY = "unsteady"


@dataclass(frozen=True, slots=True)
class FailureMode:
    """One way in which a part fails; `notice_h`: hours that a repair needs from order to done."""

    name: str
    part: str
    signs: tuple[tuple[str, Direction], ...]
    description: str = ""
    action: str = ""
    notice_h: float = NOTICE_h


def read_modes(body: object) -> tuple[FailureMode, ...]:
    """Read modes from JSON or YAML values, name → mode; ModesError says where and what is wrong."""
    if body is None:
        return ()
    if not isinstance(body, Mapping):
        message = f"failure_modes: a mapping of name to mode is needed, not {type(body).__name__}"
        raise ModesError(message)
    return tuple(_mode(str(name), mode) for name, mode in body.items())


def _mode(name: str, body: object) -> FailureMode:
    if not isinstance(body, Mapping) or not isinstance(body.get("signs"), Mapping):
        message = f"failure_modes.{name}: a mapping with `part` and `signs` (property: direction) is needed"
        raise ModesError(message)
    signs = tuple((str(channel), _direction(name, channel, word)) for channel, word in body["signs"].items())
    part = str(body.get("part") or name)
    description, action = (str(body.get(key) or "") for key in ("description", "action"))
    return FailureMode(name, part, signs, description, action, _hours(name, body.get("notice_h")))


def _direction(mode: str, channel: object, word: object) -> Direction:
    try:
        return Direction(str(word))
    except ValueError:
        message = f"failure_modes.{mode}.signs.{channel}: {word!r} is none of {', '.join(Direction)}"
        raise ModesError(message) from None


def _hours(mode: str, given: Any) -> float:
    if given is None:
        return NOTICE_h
    try:
        hours = float(given)
    except (TypeError, ValueError):
        hours = math.nan
    if not 0.0 <= hours < math.inf:
        message = f"failure_modes.{mode}.notice_h: {given!r} is no number of hours"
        raise ModesError(message)
    return hours
