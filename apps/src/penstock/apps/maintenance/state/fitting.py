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
