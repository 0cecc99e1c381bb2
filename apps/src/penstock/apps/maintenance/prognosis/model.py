"""What a fit leaves: the artefact that prognoses are made with, frozen, versioned, in plain arrays."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.prognosis.ensemble import Member
from penstock.apps.maintenance.prognosis.intervals import Margins
from penstock.apps.maintenance.prognosis.regimes import Regimes
from penstock.apps.maintenance.prognosis.runs import Pace
from penstock.apps.maintenance.prognosis.scaling import Scaling
from penstock.apps.maintenance.prognosis.settings import PrognosisSettings

VERSION: Final = 1
MANIFEST: Final = "prognosis.json"
ARRAYS: Final = "prognosis.npz"


class ModelError(ValueError):
    """Say why a kept model cannot be used."""


@dataclass(frozen=True, slots=True)
class FittedOn:
    """Which runs a model knows; `digest` is the SHA-256 of their names, times and values."""

    source: str
    channels: tuple[str, ...]
    runs: tuple[str, ...]
    rows: int
    from_ns: int
    to_ns: int
    digest: str


@dataclass(frozen=True, slots=True)
class Rung:
    """The estimator for rows whose history fills a window of so many steps."""

    window: int
    members: tuple[Member, ...]
    margins: Margins


@dataclass(frozen=True, slots=True)
class Model:
    """Rungs by rising window; horizon in steps; `out_of_fold`: root mean square error on strangers, per rung."""

    settings: PrognosisSettings
    fitted_on: FittedOn
    pace: Pace
    horizon: float
    scaling: Scaling
    rungs: tuple[Rung, ...]
    out_of_fold: tuple[float, ...]

    @property
    def used(self) -> tuple[str, ...]:
        """Name the channels that are used, the most telling first."""
        return tuple(self.fitted_on.channels[i] for i in self.scaling.used)

    @property
    def horizon_ns(self) -> float:
        """Give how far the estimate looks ahead."""
        return self.horizon * self.pace.step_ns


def save(model: Model, folder: Path) -> str:
    """Write a manifest and one file of arrays into a folder; give the SHA-256 of the arrays, which the manifest names.

    Equal models give equal bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **_arrays(model))
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    (folder / ARRAYS).write_bytes(packed.getvalue())
    body = {
        "version": VERSION,
        "sha256": digest,
        "settings": model.settings.to_json(),
        "fitted_on": asdict(model.fitted_on),
        "pace": asdict(model.pace),
        "horizon": model.horizon,
        "reach": model.scaling.regimes.reach if len(model.scaling.regimes.channels) else None,
        "windows": [rung.window for rung in model.rungs],
        "members": [len(rung.members) for rung in model.rungs],
        "out_of_fold": model.out_of_fold,
    }
    (folder / MANIFEST).write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    return digest


def load(folder: Path) -> Model:
    """Read what `save` wrote; ModelError where it is missing, of another version or not what its manifest names.

    Nothing is unpickled: the arrays are numbers.
    """
    try:
        body = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        packed = (folder / ARRAYS).read_bytes()
        if body["version"] != VERSION:
            message = f"{folder}: a model of version {body['version']}; this prognosis reads {VERSION}: fit again"
            raise ModelError(message)
        if (found := hashlib.sha256(packed).hexdigest()) != body["sha256"]:
            message = f"{folder}/{ARRAYS}: SHA-256 is {found}, the manifest names {body['sha256']}"
            raise ModelError(message)
        with np.load(io.BytesIO(packed), allow_pickle=False) as opened:
            arrays = {name: opened[name] for name in opened.files}
        return _model(body, arrays)
    except (OSError, KeyError, TypeError, json.JSONDecodeError, BadZipFile) as broken:
        message = f"{folder}: no model of the prognosis: {broken!r}"
        raise ModelError(message) from broken


def _arrays(model: Model) -> dict[str, NDArray[Any]]:
    scaling, regimes = model.scaling, model.scaling.regimes
    arrays: dict[str, NDArray[Any]] = {
        "regime_channels": regimes.channels,
        "regime_span": regimes.span,
        "regime_centres": regimes.centres,
        "used": scaling.used,
        "turn": scaling.turn,
        "centre": scaling.centre,
        "scale": scaling.scale,
    }
    for i, rung in enumerate(model.rungs):
        for m, member in enumerate(rung.members):
            arrays |= member.to_arrays(f"rung{i}_member{m}_")
        arrays |= {f"rung{i}_margin_{name}": getattr(rung.margins, name) for name in Margins.__slots__}
    return arrays


def _model(body: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Model:
    on = body["fitted_on"]
    reach = np.inf if body["reach"] is None else float(body["reach"])
    regimes = Regimes(arrays["regime_channels"], arrays["regime_span"], arrays["regime_centres"], reach)
    scaling = Scaling(regimes, arrays["used"], arrays["turn"], arrays["centre"], arrays["scale"])
    rungs = []
    for i, (window, count) in enumerate(zip(body["windows"], body["members"], strict=True)):
        margins = Margins(*(arrays[f"rung{i}_margin_{name}"] for name in Margins.__slots__))
        members = tuple(Member.of_arrays(arrays, f"rung{i}_member{m}_") for m in range(count))
        rungs.append(Rung(int(window), members, margins))
    return Model(
        PrognosisSettings.of_json(body["settings"]),
        FittedOn(**{**on, "channels": tuple(on["channels"]), "runs": tuple(on["runs"])}),
        Pace(**body["pace"]),
        float(body["horizon"]),
        scaling,
        tuple(rungs),
        tuple(body["out_of_fold"]),
    )
