"""Fit an asset's state detection on its healthy stretch, as soon as the history holds all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from penstock.apps.maintenance.assessment import SECOND
from penstock.apps.maintenance.channels import Channel
from penstock.apps.maintenance.detection.fitting import Rows, fit
from penstock.apps.maintenance.detection.model import Model
from penstock.apps.maintenance.judging import Judging, RuleWish
from penstock.apps.maintenance.reading import samples_of
from penstock.apps.maintenance.settings import MaintenanceSettings
from penstock.apps.maintenance.state.artefacts import Artefact, Artefacts
from penstock.apps.maintenance.state.healthy import Healthy
from penstock.apps.maintenance.state.judge import ANOMALY, SCORE, StateJudge, period_of, row_maker
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.models import Asset

PAGE_ROWS = 20_000
ROWS_MAX = 200_000
"""Rows of a healthy stretch that are fitted on, the newest ones: a day at 2 Hz."""


async def is_there(client: AsyncClient, channels: Sequence[Channel], healthy: Healthy) -> bool:
    """Say whether every channel has samples behind all of the healthy stretch."""
    newest = await client.latest([c.tag for c in channels])
    return len(newest) == len(channels) and all((n.time or 0) >= healthy.until_ns for n in newest)


async def rows_between(client: AsyncClient, channels: Sequence[Channel], span: tuple[int, int]) -> Rows:
    """Read the rows of a stretch, in time order."""
    maker = row_maker(len(channels), SECOND, span[0])
    times, values = [np.zeros(0, np.int64)], [np.zeros((0, len(channels)))]
    pages = client.iterate([c.tag for c in channels], start=span[0], end=span[1], chunk=PAGE_ROWS, include_status=True)
    async for page in pages:
        new_times, new_values = maker.on_samples(samples_of(page.table, channels))
        times.append(new_times)
        values.append(new_values)
    return Rows(np.concatenate(times)[-ROWS_MAX:], np.concatenate(values)[-ROWS_MAX:])


async def fitted(
    client: AsyncClient, asset: Asset, channels: Sequence[Channel], *, healthy: Healthy, artefacts: Artefacts,
    now_ns: int,
) -> Artefact:  # fmt: skip
    """Fit and keep a new version; FitError where the stretch holds too little."""
    healthy_rows = await rows_between(client, channels, healthy.fit)
    check = await rows_between(client, channels, healthy.check) if healthy.check else None
    model = await asyncio.to_thread(_fit, healthy_rows, check, [c.name for c in channels], source=asset.id)
    period_ns = period_of(healthy_rows.times_ns)
    return artefacts.keep(asset.id, model, healthy, period_ns=period_ns, fitted_ns=now_ns)


def _fit(healthy: Rows, check: Rows | None, names: Sequence[str], *, source: str) -> Model:
    return fit(healthy, check, channels=names, source=source)


def by_state(channels: tuple[Channel, ...], artefact: Artefact, settings: MaintenanceSettings) -> Judging:
    """Judge by a fitted state detection from behind its healthy stretch on."""

    def make() -> StateJudge:
        return StateJudge(channels, artefact.model, from_ns=artefact.healthy.until_ns, period_ns=artefact.period_ns)

    said = "is not as when healthy: see the evidence in Maintenance"
    wish = RuleWish(ANOMALY, "high", 0.5, 0.1, 0.0, settings.severity, said)
    more = {
        SCORE: ("", "Departure from the healthy state: 1 is the limit"),
        ANOMALY: ("", "1 while the state is not as when healthy"),
    }
    return Judging("state", (channels, artefact.number), channels, make, wish, more)
