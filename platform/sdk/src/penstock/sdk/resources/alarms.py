"""Alarms and the limit rules that raise them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from penstock.sdk.models import Alarm, Asset, Rule, Tag
from penstock.sdk.resources.tags import AsyncTags
from penstock.sdk.times import When, parameter
from penstock.sdk.transport import Transport

Comparison = Literal["high", "low"]


class AsyncAlarms:
    """Alarms by ISA-18.2."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self,
        *,
        state: str | None = None,
        asset: str | Asset | None = None,
        active: bool | None = None,
        start: When | None = None,
        end: When | None = None,
        limit: int | None = None,
    ) -> Sequence[Alarm]:
        """List alarms, newest first; `active=True` keeps those whose condition still holds."""
        params = [("state", state)] if state else []
        if asset is not None:
            params.append(("asset", asset.id if isinstance(asset, Asset) else asset))
        if active is not None:
            params.append(("active", "true" if active else "false"))
        params += [(k, parameter(v)) for k, v in (("start", start), ("end", end)) if v is not None]
        return [Alarm.of(item) async for item in self._transport.pages("/v1/alarms", params=params, limit=limit)]

    async def retrieve(self, alarm_id: str) -> Alarm:
        """Give one alarm."""
        return Alarm.of(await self._transport.json("GET", f"/v1/alarms/{alarm_id}"))

    async def journal(self, alarm_id: str) -> Sequence[Mapping[str, Any]]:
        """Give an alarm's transitions with position, time and who."""
        return [item async for item in self._transport.pages(f"/v1/alarms/{alarm_id}/journal")]

    async def acknowledge(self, alarm_id: str, comment: str = "") -> Alarm:
        """Acknowledge in the name of the person whose token this client carries; an app's own token is refused."""
        body = {"comment": comment}
        return Alarm.of(await self._transport.json("POST", f"/v1/alarms/{alarm_id}/acknowledge", body=body))


class AsyncRules:
    """Limit rules: created here, evaluated by the platform on committed samples."""

    def __init__(self, transport: Transport, tags: AsyncTags) -> None:
        self._transport = transport
        self._tags = tags

    async def list(self, *, limit: int | None = None) -> Sequence[Rule]:
        """List the rules."""
        return [Rule.of(item) async for item in self._transport.pages("/v1/rules", limit=limit)]

    async def retrieve(self, rule_id: str) -> Rule:
        """Give one rule."""
        return Rule.of(await self._transport.json("GET", f"/v1/rules/{rule_id}"))

    async def create(
        self,
        name: str,
        *,
        comparison: Comparison,
        limit: float,
        tag: int | str | Tag | None = None,
        asset: str | Asset | None = None,
        property: str | None = None,
        deadband: float = 0.0,
        on_delay_s: float = 0.0,
        severity: int = 500,
        message: str = "",
    ) -> Rule:
        """Create a limit rule on a tag, or on a property of an asset."""
        if (tag is None) == (asset is None or property is None):
            said = "name what the rule watches: either tag=… or both asset=… and property=…"
            raise ValueError(said)
        body: dict[str, Any] = {
            "name": name,
            "comparison": comparison,
            "limit": limit,
            "deadband": deadband,
            "on_delay_s": on_delay_s,
            "severity": severity,
            "message": message,
        }
        if tag is not None:
            (known,) = await self._tags.resolve([tag])
            body["tag"] = known.id
        else:
            assert asset is not None
            body |= {"asset": asset.id if isinstance(asset, Asset) else asset, "property": property}
        return Rule.of(await self._transport.json("POST", "/v1/rules", body=body))

    async def update(self, /, rule_id: str, **changes: Any) -> Rule:
        """Change fields of a rule, which makes a new version of it."""
        return Rule.of(await self._transport.json("PATCH", f"/v1/rules/{rule_id}", body=changes))

    async def delete(self, rule_id: str) -> None:
        """Delete a rule; its alarms and their journal stay."""
        await self._transport.json("DELETE", f"/v1/rules/{rule_id}")
