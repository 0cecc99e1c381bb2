"""The assets that the app judges in a play: each bound to its device's tags, with what is known of it beforehand.

What is known goes into attributes, as an engineer would set them: the healthy stretches of a detection, the fleet and
how a run ended; of a stream nothing is known. Labels never enter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from penstock.core.times import format_rfc3339_ns
from penstock.lab.study import Family, Stretch, StudyAsset, StudyError
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.models import Asset

KEYS_A_REQUEST: Final = 50
"""Keys asked for at once, at most: keeps the address of a request below 8 KiB."""
AT_ONCE: Final = 8
"""Requests under way at once, of those that change the plant."""


@dataclass(frozen=True, slots=True)
class Cast:
    """An asset of the study in its part: the platform's asset, the device that plays it, its channels' tags."""

    studied: StudyAsset
    device: str
    asset: Asset
    tags: Mapping[str, int]

    @property
    def watched(self) -> Stretch | None:
        """Give the stretch that is judged, None for an asset that is only learned from."""
        return next((s for s in self.studied.stretches if s.use == "watch"), None)


def attributes_of(family: Family, asset: StudyAsset, fleet: str) -> dict[str, str]:
    """Give the attributes that say what is known of an asset beforehand."""
    known = {use: _only(asset, use) for use in ("fit", "limits", "watch")}
    match family:
        case "detection":
            fit, check = known["fit"], known["limits"]
            if fit is None:
                message = f"{asset.name}: no row is named healthy (use: fit)"
                raise StudyError(message)
            named = _span(fit, "healthy_from", "healthy_until")
            return named | (_span(check, "check_from", "check_until") if check else {})
        case "prognosis":
            whole = known["fit"] or known["watch"]
            if whole is None:
                message = f"{asset.name}: no row is named, neither to fit on nor to watch"
                raise StudyError(message)
            told = _span(whole, "run_from", "run_until")
            if asset.ended == "failure":
                return {"fleet": fleet, **told, "run_ended": "failure"}
            return {"fleet": fleet, "run_from": told["run_from"]}
        case "stream":
            return {"judged_by": "stream"}
        case _:
            assert_never(family)


def _only(asset: StudyAsset, use: str) -> Stretch | None:
    found = [stretch for stretch in asset.stretches if stretch.use == use]
    if len(found) > 1:
        message = f"{asset.name}: {len(found)} stretches to {use}; an asset's attributes name one"
        raise StudyError(message)
    return found[0] if found else None


def _span(stretch: Stretch, begin: str, end: str) -> dict[str, str]:
    return {begin: format_rfc3339_ns(stretch.start_ns), end: format_rfc3339_ns(stretch.end_ns)}


async def heard_of(client: AsyncClient, names: Mapping[str, str]) -> set[str]:
    """Give which of these names have their tag by now, by its key: asked in few requests, however many there are."""
    keys, found = list(names), set()
    for first in range(0, len(keys), KEYS_A_REQUEST):
        found |= {names[tag.key] for tag in await client.tags.list(key=keys[first : first + KEYS_A_REQUEST])}
    return found


async def tags_of(client: AsyncClient, device: str, channels: Sequence[str]) -> dict[str, int] | None:
    """Give the tag of each channel of a device; None while the gateway has not told of all of them."""
    keys = {f"{device}/{channel}": channel for channel in channels}
    found = await client.tags.list(key=list(keys))
    return {keys[tag.key]: tag.id for tag in found} if len(found) == len(keys) else None


async def cast(client: AsyncClient, studied: StudyAsset, *, device: str, path: str, tags: Mapping[str, int]) -> Cast:
    """Make the asset, or take the one that stands there, and bind its channels."""
    known = await client.assets.list(path=path, limit=1)
    asset = known[0] if known else await client.assets.create(path, name=f"{studied.name} ({path.split('/')[1]})")
    asset = await client.assets.update(asset.id, bind=dict(tags))
    return Cast(studied, device, asset, tags)


async def tell(client: AsyncClient, casts: Sequence[Cast], family: Family, fleet: str) -> None:
    """Say of the assets what is known beforehand, at once: the app fits a fleet on the failures that it was told of."""
    several = asyncio.Semaphore(AT_ONCE)

    async def one(each: Cast) -> None:
        async with several:
            await client.assets.update(each.asset.id, attributes=attributes_of(family, each.studied, fleet))

    async with asyncio.TaskGroup() as telling:
        for each in casts:
            telling.create_task(one(each))
