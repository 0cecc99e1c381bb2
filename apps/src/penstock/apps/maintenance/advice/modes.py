"""What is known of a machine beforehand, as data: how it fails, and which of its readings come from no sensor.

Failure modes: which part, by which signs it is known, what to do (ISO 14224; signs as in ISO 13379-1). A mode names
channels and how each leaves its healthy value, the most telling first. `read_known` takes them as a study has them,
`known_of_types` as the platform's asset types do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from penstock.core.failure_modes import SignDirection
from penstock.core.plant import Signal
from penstock.sdk.models import AssetType
from penstock.sdk.models import FailureMode as TypesMode

SIGNALS: Final = tuple(Signal)
SENSORLESS: Final = (Signal.DEMAND, Signal.COMPUTED)
NOTICE_h: Final = 24.0
"""Of a repair for which nobody has said more."""


class ModesError(ValueError):
    """Say which failure mode cannot be read, and why."""


@dataclass(frozen=True, slots=True)
class FailureMode:
    """One way in which a part fails; `notice_h`: hours that a repair needs from order to done."""

    name: str
    part: str
    signs: tuple[tuple[str, SignDirection], ...]
    description: str = ""
    action: str = ""
    notice_h: float = NOTICE_h


@dataclass(frozen=True, slots=True)
class Known:
    """`sensorless`: channels that are asked for, or computed by a controller: no sensor of theirs can break."""

    modes: tuple[FailureMode, ...] = ()
    sensorless: frozenset[str] = frozenset()

    @property
    def signs(self) -> frozenset[str]:
        """Give the channels by which any failure is known."""
        return frozenset(channel for mode in self.modes for channel, _ in mode.signs)


NOTHING: Final = Known()


def read_known(modes: object, signals: object) -> Known:
    """Read it from JSON or YAML values: name → mode, channel → signal; ModesError says where and what is wrong."""
    return Known(read_modes(modes), _sensorless(signals))


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


def _direction(mode: str, channel: object, word: object) -> SignDirection:
    try:
        return SignDirection(str(word))
    except ValueError:
        message = f"failure_modes.{mode}.signs.{channel}: {word!r} is none of {', '.join(SignDirection)}"
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


def _sensorless(body: object) -> frozenset[str]:
    if body is None:
        return frozenset()
    if not isinstance(body, Mapping):
        message = f"signals: a mapping of channel to signal is needed, not {type(body).__name__}"
        raise ModesError(message)
    for channel, word in body.items():
        if word not in SIGNALS:
            message = f"signals.{channel}: {word!r} is none of {', '.join(SIGNALS)}"
            raise ModesError(message)
    return frozenset(str(channel) for channel, word in body.items() if word != Signal.SENSOR)


def known_of_types(types: Iterable[AssetType]) -> dict[tuple[str, int], Known]:
    """Give what each revision of each asset type says, (name, revision) → known.

    A signal of a newer platform that this app does not know is taken for a sensor's.
    """
    return {
        (each.name, each.revision): Known(
            tuple(_told(*mode) for mode in each.failure_modes.items()),
            frozenset(name for name, spec in each.properties.items() if spec.get("signal") in SENSORLESS),
        )
        for each in types
    }


def _told(name: str, mode: TypesMode) -> FailureMode:
    signs = tuple((channel, _direction(name, channel, word)) for channel, word in mode.signs.items())
    return FailureMode(name, mode.part, signs, mode.description, mode.action, _hours(name, mode.notice_h))
