"""Fit an asset's state detection on its healthy stretch, as soon as the history holds all of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.apps.maintenance.advice.modes import Known
from penstock.apps.maintenance.channels import Channel
from penstock.apps.maintenance.detection.detector import Detector
from penstock.apps.maintenance.detection.fitting import Rows, fit
from penstock.apps.maintenance.detection.model import Model
from penstock.apps.maintenance.detection.settings import DetectionSettings
from penstock.apps.maintenance.reading import read_in, rows_between
from penstock.apps.maintenance.rows import WAIT_NS, may_lack, period_of
from penstock.apps.maintenance.state.artefacts import Artefact, Artefacts
from penstock.apps.maintenance.state.drift import Expected, expected_of
from penstock.apps.maintenance.state.healthy import Healthy
from penstock.apps.maintenance.state.lessons import Lessons, Span, inside
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.models import Asset

NAMED_MAX = 3
"""Channels that are named where some are awaited; each is a request at each look."""


async def lacking_of(
    client: AsyncClient, channels: Sequence[Channel], healthy: Healthy, now_ns: int
) -> tuple[str, ...]:  # fmt: skip
    """Name channels without a Good sample behind all of the healthy stretch; none: the history holds all of it.

    A channel that gives a value now and then is asked for alone: the first rows of all may be those of quicker ones.
    """
    end_ns = max(now_ns, healthy.until_ns + 1)
    behind = await read_in(client, channels, healthy.until_ns, end_ns)
    lacking = []
    for channel in channels:
        if channel.tag not in behind and not await read_in(client, [channel], healthy.until_ns, end_ns):
            lacking.append(channel.name)
            if len(lacking) == NAMED_MAX:
                break
    return tuple(lacking)


@dataclass(frozen=True, slots=True)
class HealthyRows:
    """What was read of the stretches that are known to be healthy; `also`: of each that only gives limits."""

    fit: Rows
    check: Rows | None = None
    also: tuple[Rows, ...] = ()

    def may_lack(self, healthy: Healthy) -> bool:
        """Say whether rows are incomplete or far apart, so that some may still come."""
        checks = (healthy.check,) if healthy.check else ()
        stretches = zip(self._parts(), (healthy.fit, *checks, *healthy.also), strict=True)
        return any(may_lack(rows.times_ns, rows.values, span) for rows, span in stretches)

    @property
    def digest(self) -> str:
        """Tell readings apart."""
        summed = hashlib.sha256()
        for rows in self._parts():
            summed.update(rows.times_ns.tobytes() + rows.values.tobytes())
        return summed.hexdigest()

    def without(self, left_out: Sequence[Span]) -> HealthyRows:
        """Give these without rows of some stretches: those of which an order says that something was at fault."""
        check = _without(self.check, left_out) if self.check is not None else None
        return HealthyRows(_without(self.fit, left_out), check, tuple(_without(rows, left_out) for rows in self.also))

    def _parts(self) -> tuple[Rows, ...]:
        return (self.fit, *((self.check,) if self.check is not None else ()), *self.also)


def _without(rows: Rows, left_out: Sequence[Span]) -> Rows:
    own = ~inside(rows.times_ns, left_out)
    return Rows(rows.times_ns[own], rows.values[own])


async def healthy_rows(client: AsyncClient, channels: Sequence[Channel], healthy: Healthy) -> HealthyRows:
    """Read what the history holds of the stretches."""
    fit_on = Rows(*await rows_between(client, channels, healthy.fit))
    check = Rows(*await rows_between(client, channels, healthy.check)) if healthy.check else None
    also = [Rows(*await rows_between(client, channels, span)) for span in healthy.also]
    return HealthyRows(fit_on, check, tuple(also))


class Settling:
    """Which readings of stretches with holes have stayed as they are for as long as something may still come."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, int]] = {}

    def is_settled(self, asset: Asset, rows: HealthyRows, healthy: Healthy, *, now_ns: int) -> bool:
        """Say whether a fit may begin; a reading without holes is fitted on at once."""
        if not rows.may_lack(healthy):
            self._seen.pop(asset.id, None)
            return True
        digest, since_ns = self._seen.get(asset.id, ("", 0))
        if digest != rows.digest:
            self._seen[asset.id] = (rows.digest, now_ns)
            return False
        return now_ns - since_ns >= WAIT_NS


async def fitted(
    rows: HealthyRows, asset: Asset, channels: Sequence[Channel], *, healthy: Healthy, artefacts: Artefacts,
    now_ns: int, lessons: Lessons | None = None, known: Known | None = None,
) -> Artefact:  # fmt: skip
    """Fit and keep a new version; FitError where the stretch holds too little.

    Rows of which an order says that something was at fault are left out of all that is taken for healthy.
    """
    faulty = lessons.faulty if lessons else ()
    named = (healthy.fit, *((healthy.check,) if healthy.check else ()), *healthy.also)
    left_out = tuple(s for s in faulty if any(s[0] < end and begin < s[1] for begin, end in named))
    sound = rows.without(left_out)
    fit_on, limits = parted(sound.fit, sound.check, joined_rows(sound.also) if sound.also else None)
    names, damage = [c.name for c in channels], known.signs if known else frozenset()
    model, expected = await asyncio.to_thread(_fit, fit_on, limits, names, source=asset.id, damage=damage)
    period_ns = period_of(sound.fit.times_ns)
    return artefacts.keep(
        asset.id, model, healthy, period_ns=period_ns, fitted_ns=now_ns, left_out=left_out, expected=expected
    )  # fmt: skip


def joined_rows(parts: Sequence[Rows]) -> Rows:
    """Give rows in time order; of a time that several parts have, the first one's."""
    times = np.concatenate([part.times_ns for part in parts])
    values = np.concatenate([part.values for part in parts])
    times, first = np.unique(times, return_index=True)
    return Rows(times, values[first])


def parted(rows: Rows, check: Rows | None, also: Rows | None) -> tuple[Rows, Rows | None]:
    """Give the rows to fit on and those for the limits; None: the fit parts the first ones itself.

    Rows that only give limits join those that do anyway; where none are named, the later part of the healthy ones.
    """
    if also is None:
        return rows, check
    if check is None:
        cut = int(len(rows) * DetectionSettings().fit_share)
        rows, check = rows.part(0, cut), rows.part(cut, len(rows))
    return rows, joined_rows([check, also])


def _fit(
    rows: Rows, limits: Rows | None, names: Sequence[str], *, source: str, damage: frozenset[str] = frozenset()
) -> tuple[Model, Expected | None]:  # fmt: skip
    """Fit, and see how the held-out rows score: what newer rows are compared with."""
    model = fit(rows, limits, channels=names, source=source, damage=damage)
    held_out = limits if limits is not None else rows.part(len(rows) - model.fitted_on.limit_rows, len(rows))
    scores = Detector(model).on_rows(held_out.times_ns, held_out.values).scores
    return model, expected_of(scores, model.fitted_on.fit_rows + model.fitted_on.limit_rows)
