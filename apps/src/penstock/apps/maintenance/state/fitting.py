"""Fit an asset's state detection on its healthy stretch, as soon as the history holds all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from penstock.apps.maintenance.channels import Channel
from penstock.apps.maintenance.detection.fitting import Rows, fit
from penstock.apps.maintenance.detection.model import Model
from penstock.apps.maintenance.reading import read_in, rows_between
from penstock.apps.maintenance.rows import period_of
from penstock.apps.maintenance.state.artefacts import Artefact, Artefacts
from penstock.apps.maintenance.state.healthy import Healthy
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.models import Asset


async def is_there(client: AsyncClient, channels: Sequence[Channel], healthy: Healthy, now_ns: int) -> bool:
    """Say whether every channel has a Good sample behind all of the healthy stretch."""
    behind = await read_in(client, channels, healthy.until_ns, max(now_ns, healthy.until_ns + 1))
    return len(behind) == len(channels)


async def fitted(
    client: AsyncClient, asset: Asset, channels: Sequence[Channel], *, healthy: Healthy, artefacts: Artefacts,
    now_ns: int,
) -> Artefact:  # fmt: skip
    """Fit and keep a new version; FitError where the stretch holds too little."""
    healthy_rows = Rows(*await rows_between(client, channels, healthy.fit))
    check = Rows(*await rows_between(client, channels, healthy.check)) if healthy.check else None
    model = await asyncio.to_thread(_fit, healthy_rows, check, [c.name for c in channels], source=asset.id)
    period_ns = period_of(healthy_rows.times_ns)
    return artefacts.keep(asset.id, model, healthy, period_ns=period_ns, fitted_ns=now_ns)


def _fit(healthy: Rows, check: Rows | None, names: Sequence[str], *, source: str) -> Model:
    return fit(healthy, check, channels=names, source=source)
