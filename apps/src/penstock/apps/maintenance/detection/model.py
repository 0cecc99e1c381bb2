"""What a fit leaves: the artefact that the detector runs on, frozen, versioned, plain JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.detection.habits import Habits
from penstock.apps.maintenance.detection.numbers import Floats
from penstock.apps.maintenance.detection.operating import OperatingPoint
from penstock.apps.maintenance.detection.settings import DetectionSettings

VERSION: Final = 3
STATISTICS: Final = ("T2", "SPE", "channel")
"""Principal space, residual space, the single channel that stands out most."""


class ModelError(ValueError):
    """Say why a kept model or state cannot be used."""


@dataclass(frozen=True, slots=True)
class FittedOn:
    """Which rows a model knows: of what, from when to when, how many; `digest` is the SHA-256 of their bytes."""

    source: str
    channels: tuple[str, ...]
    fit_from_ns: int
    fit_to_ns: int
    fit_rows: int
    limit_from_ns: int
    limit_to_ns: int
    limit_rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Model:
    """Arrays over the `u` used channels, `d` = u × (lags + 1) stacked values, `m` moving averages.

    used (u,): which channels; centre, scale, gain (u,): the level, unit and speed of the moving level of each;
    level_low, level_high (u,): how far a moving level may go, in scales from the centre;
    mean (d,), whiten (d, d): of the stacked deviations, directions by rising variance, the first `residual` of which
    are the residual space; covariance (u, u); lambdas (m,); direction_scale (m, d), channel_scale (m, u);
    operating: what the operating point lets expect;
    limits (m, 3), of the cube roots of T², SPE and the largest squared channel. Rows further apart than gap_ns are
    not neighbours. habits: how channels behave from row to row; None in an artefact that is older than they are.
    """

    settings: DetectionSettings
    fitted_on: FittedOn
    used: NDArray[np.int64]
    centre: Floats
    scale: Floats
    gain: Floats
    level_low: Floats
    level_high: Floats
    gap_ns: int
    mean: Floats
    whiten: Floats
    residual: int
    covariance: Floats
    lambdas: Floats
    direction_scale: Floats
    channel_scale: Floats
    limits: Floats
    operating: OperatingPoint
    habits: Habits | None = None

    @property
    def unjudged(self) -> tuple[str, ...]:
        """Name the channels that never moved while healthy, or only counted, and are therefore not judged."""
        kept = set(self.used.tolist())
        return tuple(name for i, name in enumerate(self.fitted_on.channels) if i not in kept)

    @property
    def wandering(self) -> tuple[str, ...]:
        """Name the channels that are held against a level that follows them."""
        return tuple(self.fitted_on.channels[i] for i, gain in zip(self.used, self.gain, strict=True) if gain > 0)

    @property
    def drivers(self) -> tuple[str, ...]:
        """Name the channels that stand for the operating point."""
        return tuple(self.fitted_on.channels[i] for i in self.used[self.operating.drivers])

    @property
    def modelled(self) -> tuple[str, ...]:
        """Name the channels that are held against what the operating point lets expect."""
        return tuple(self.fitted_on.channels[i] for i in self.used[self.operating.modelled > 0])

    def to_json(self) -> dict[str, Any]:
        """Give the artefact as JSON values."""
        on = self.fitted_on
        body: dict[str, Any] = {"version": VERSION, "settings": self.settings.to_json()}
        body["fitted_on"] = {name: getattr(on, name) for name in FittedOn.__slots__}
        body |= {name: getattr(self, name).tolist() for name in ARRAYS}
        body["operating"] = {name: getattr(self.operating, name).tolist() for name in OperatingPoint.__slots__}
        if self.habits is not None:
            body["habits"] = self.habits.to_json()
        return body | {"gap_ns": self.gap_ns, "residual": self.residual}

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> Model:
        """Take what `to_json` gave; ModelError where it is of another version or broken."""
        if kept.get("version") != VERSION:
            message = f"a model of version {kept.get('version')}; this detection reads version {VERSION}: fit again"
            raise ModelError(message)
        try:
            on = FittedOn(**{**kept["fitted_on"], "channels": tuple(kept["fitted_on"]["channels"])})
            arrays = {name: _array(name, kept[name]) for name in ARRAYS}
            settings = DetectionSettings.of_json(kept["settings"])
            habits = Habits.of_json(kept["habits"]) if "habits" in kept else None
            operating = _operating(kept["operating"], len(arrays["used"]))
            gap_ns, residual = int(kept["gap_ns"]), int(kept["residual"])
            return cls(settings, on, gap_ns=gap_ns, residual=residual, operating=operating, habits=habits, **arrays)
        except (KeyError, TypeError, ValueError) as broken:
            message = f"no model of the detection: {broken!r}"
            raise ModelError(message) from broken


ARRAYS: Final = (
    "used",
    "centre",
    "scale",
    "gain",
    "level_low",
    "level_high",
    "mean",
    "whiten",
    "covariance",
    "lambdas",
    "direction_scale",
    "channel_scale",
    "limits",
)


def _operating(kept: dict[str, list[Any]], channels: int) -> OperatingPoint:
    found = OperatingPoint(
        np.array(kept["drivers"], np.int64),
        np.array(kept["driver_centre"], np.float64),
        np.array(kept["driver_scale"], np.float64),
        np.array(kept["driver_low"], np.float64),
        np.array(kept["driver_high"], np.float64),
        np.array(kept["weights"], np.float64),
        np.array(kept["modelled"], np.int64),
        np.array(kept["unit"], np.float64),
    )
    return found if found.modelled.any() else OperatingPoint.none(channels)


def _array(name: str, kept: list[Any]) -> NDArray[Any]:
    return np.array(kept, np.int64 if name == "used" else np.float64)
