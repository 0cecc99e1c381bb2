"""Fitted models on disk: each fit is a version that stays, one of them is in use. Nothing is overwritten."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penstock.apps.maintenance.detection.model import Model, ModelError
from penstock.apps.maintenance.state.drift import Expected
from penstock.apps.maintenance.state.healthy import Healthy

USED = "used.json"
NUMBER = re.compile(r"[0-9]{4,9}")
log = logging.getLogger("penstock.apps.maintenance")


class ArtefactError(ValueError):
    """Say why a kept model cannot be used."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """Version `number` of an asset's model: when it was fitted, on which stretch, with which time between rows.

    `left_out`: stretches of it that were not fitted on, since an order found a fault in them; `expected`: how the
    held-out healthy rows score, None where they were too few, or nobody looked yet.
    """

    number: int
    fitted_ns: int
    healthy: Healthy
    period_ns: int
    model: Model
    left_out: tuple[tuple[int, int], ...] = ()
    expected: Expected | None = None


class Artefacts:
    """A folder an asset; safe against crashes: a version is whole or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[tuple[str, int], Artefact] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def keep(
        self,
        asset: str,
        model: Model,
        healthy: Healthy,
        *,
        period_ns: int,
        fitted_ns: int,
        left_out: tuple[tuple[int, int], ...] = (),
        expected: Expected | None = None,
    ) -> Artefact:
        """Keep a new version and use it."""
        number = max(self.numbers(asset), default=0) + 1
        made = Artefact(number, fitted_ns, healthy, period_ns, model, left_out, expected)
        body = {
            "number": number,
            "fitted_ns": fitted_ns,
            "healthy": asdict(healthy),
            "period_ns": period_ns,
            "model": model.to_json(),
            "left_out": left_out,
            "expected": asdict(expected) if expected else None,
        }
        text = json.dumps(body)
        sealed = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "artefact": text}
        _write(self._of(asset) / f"{number:04d}.json", json.dumps(sealed))
        self.use(asset, number)
        return made

    def use(self, asset: str, number: int) -> None:
        """Take a version into use: a promotion, or the way back."""
        if number not in self.numbers(asset):
            message = f"there is no version {number} of the model of {asset}: {self.numbers(asset) or 'none is kept'}"
            raise ArtefactError(message)
        _write(self._of(asset) / USED, json.dumps({"number": number}))

    def used(self, asset: str) -> Artefact | None:
        """Give the version in use; None where nothing was fitted; ArtefactError for a file that was changed."""
        try:
            number = int(json.loads((self._of(asset) / USED).read_text())["number"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self._of(asset) / USED} does not say which version is used: {error!r}"
            raise ArtefactError(message) from error
        return self.version(asset, number)

    def suits(self, asset: str, healthy: Healthy, channels: Sequence[str]) -> bool:
        """Say whether some version was fitted on this stretch of these channels; a broken one suits nothing."""
        return any(
            each.healthy == healthy and each.model.fitted_on.channels == tuple(channels) for each in self.whole(asset)
        )

    def whole(self, asset: str) -> Iterator[Artefact]:
        """Give the versions that can be used, the newest first."""
        for number in reversed(self.numbers(asset)):
            try:
                yield self.version(asset, number)
            except (ArtefactError, ModelError) as broken:
                log.warning("version %d of the model of %s is left out: %s", number, asset, broken)

    def version(self, asset: str, number: int) -> Artefact:
        """Give one version; ArtefactError where its bytes are not those that were kept."""
        known = self._read.get((asset, number))
        if known is None:
            known = self._read[asset, number] = self._load(self._of(asset) / f"{number:04d}.json")
        return known

    def _load(self, place: Path) -> Artefact:
        try:
            sealed = json.loads(place.read_text())
            text = str(sealed["artefact"])
            if hashlib.sha256(text.encode()).hexdigest() != sealed["sha256"]:
                message = f"{place} was changed after it was written: fit the model anew"
                raise ArtefactError(message)
            return _artefact(json.loads(text))
        except (ArtefactError, ModelError):
            raise
        except (OSError, KeyError, TypeError, ValueError) as error:
            message = f"{place} is no model: {error!r}"
            raise ArtefactError(message) from error

    def numbers(self, asset: str) -> list[int]:
        """List the versions that are kept, oldest first."""
        return sorted(int(file.stem) for file in self._of(asset).glob("[0-9]*.json") if NUMBER.fullmatch(file.stem))

    def _of(self, asset: str) -> Path:
        safe = "".join(c if c.isalnum() or c in "_-" else "_" for c in asset)
        return self._folder / safe


def _artefact(body: dict[str, Any]) -> Artefact:
    kept = body["healthy"]
    check = tuple(kept["check"]) if kept["check"] else None
    healthy = Healthy(tuple(kept["fit"]), check, _spans(kept.get("also", ())))
    model, expected = Model.of_json(body["model"]), Expected.of_json(body.get("expected"))
    number, fitted_ns, period_ns = (int(body[name]) for name in ("number", "fitted_ns", "period_ns"))
    return Artefact(number, fitted_ns, healthy, period_ns, model, _spans(body.get("left_out", ())), expected)


def _spans(kept: Sequence[Sequence[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((int(begin), int(end)) for begin, end in kept)


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = place.with_suffix(".draft")
    with draft.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(place)
