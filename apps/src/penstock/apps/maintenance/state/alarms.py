"""When the alarm that the app makes of a machine's health stood, as the platform's journal has it."""

from __future__ import annotations

from typing import Final

from penstock.apps.maintenance.judging import HEALTH
from penstock.apps.maintenance.rowjudge import ANOMALY
from penstock.apps.maintenance.state.lessons import Span, joined, spans_of
from penstock.sdk.async_client import AsyncClient

OWN: Final = (HEALTH, ANOMALY)
"""Properties that the app's own rules watch."""
ALARMS_MAX: Final = 100
"""Alarms of one machine that are read, the newest; each journal is a request."""


async def alarm_spans(client: AsyncClient, asset_id: str, until_ns: int) -> tuple[Span, ...]:
    """Give the spans in time order, joined; an alarm that still stands ends at `until_ns`."""
    tags = {tag.id for tag in await client.tags.list(asset=asset_id) if tag.property in OWN}
    alarms = await client.alarms.list(asset=asset_id, limit=ALARMS_MAX)
    spans: list[Span] = []
    for alarm in alarms:
        if alarm.tag in tags:
            spans += spans_of(await client.alarms.journal(alarm.id), until_ns)
    return joined(spans)
