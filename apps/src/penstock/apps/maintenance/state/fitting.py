"""Fit an asset's state detection on its healthy stretch, as soon as the history holds all of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from penstock.apps.maintenance.channels import Channel
from penstock.apps.maintenance.detection.fitting import Rows, fit
from penstock.apps.maintenance.detection.model import Model
from penstock.apps.maintenance.reading import read_in, rows_between
from penstock.apps.maintenance.rows import WAIT_NS, may_lack, period_of
from penstock.apps.maintenance.state.artefacts import Artefact, Artefacts
from penstock.apps.maintenance.state.healthy import Healthy
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
    """What was read of the stretches that are known to be healthy."""

    fit: Rows
    check: Rows | None

    def may_lack(self, healthy: Healthy) -> bool:
        """Say whether rows are incomplete or far apart, so that some may still come."""
        if may_lack(self.fit.times_ns, self.fit.values, healthy.fit):
            return True
        return bool(self.check and healthy.check and may_lack(self.check.times_ns, self.check.values, healthy.check))

    @property
    def digest(self) -> str:
        """Tell readings apart."""
        summed = hashlib.sha256()
        for rows in (self.fit, self.check):
            if rows is not None:
                summed.update(rows.times_ns.tobytes() + rows.values.tobytes())
        return summed.hexdigest()


async def healthy_rows(client: AsyncClient, channels: Sequence[Channel], healthy: Healthy) -> HealthyRows:
    """Read what the history holds of the stretches."""
    fit_on = Rows(*await rows_between(client, channels, healthy.fit))
    return HealthyRows(fit_on, Rows(*await rows_between(client, channels, healthy.check)) if healthy.check else None)


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
    now_ns: int,
) -> Artefact:  # fmt: skip
    """Fit and keep a new version; FitError where the stretch holds too little."""
    model = await asyncio.to_thread(_fit, rows.fit, rows.check, [c.name for c in channels], source=asset.id)
    period_ns = period_of(rows.fit.times_ns)
    return artefacts.keep(asset.id, model, healthy, period_ns=period_ns, fitted_ns=now_ns)


def _fit(healthy: Rows, check: Rows | None, names: Sequence[str], *, source: str) -> Model:
    return fit(healthy, check, channels=names, source=source)
