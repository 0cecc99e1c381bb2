"""The ledger: what is missing, duplicated, late, dropped, quarantined, and why. And the gateways it speaks of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.sdk.models import Gateway
from penstock.sdk.times import When, parameter
from penstock.sdk.transport import Transport

Record = Mapping[str, Any]


class AsyncLedger:
    """Proof of delivery."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def summary(
        self, *, start: When | None = None, end: When | None = None, gateway: str | None = None
    ) -> Record:
        """Give the counts of a span: expected, stored, duplicates, late, missing batches, gaps, drops, rejects …"""
        body = await self._transport.json("GET", "/v1/ledger/summary", params=_span(start, end, gateway))
        assert isinstance(body, dict)
        return body

    async def safe(
        self,
        *,
        at: When | None = None,
        start: When | None = None,
        tag: int | str | Sequence[int | str] | None = None,
        device: str | None = None,
        gateway: str | None = None,
    ) -> Record:
        """Ask whether everything up to `at` (absent: a minute ago) is safely stored.

        Of one tag or several (id or key), of a device, of a gateway (id or name), or of all. `answer` is yes, no or
        unknown, `text` says it as a sentence, `reasons` what it rests on. Losses count from `start` on (absent: 24 h
        before `at`).
        """
        params = [(k, parameter(v)) for k, v in (("at", at), ("start", start)) if v is not None]
        params += [(k, v) for k, v in (("device", device), ("gateway", gateway)) if v is not None]
        body = await self._transport.json("GET", "/v1/ledger/safe", params=params + _tags(tag))
        assert isinstance(body, dict)
        return body

    async def accounts(
        self,
        tag: int | str | Sequence[int | str] | None = None,
        *,
        device: str | None = None,
        start: When | None = None,
        end: When | None = None,
    ) -> Sequence[Record]:
        """Account for tags (id or key), or for those of a device, over a span of source time; absent: the last hour.

        Per tag: stored, late, duplicates, gaps, quarantined, thinned, erased, dropped, rejected, and `causes`.
        """
        params = [*_span(start, end, None), *_tags(tag), *([("device", device)] if device is not None else [])]
        body = await self._transport.json("GET", "/v1/ledger/tags", params=params)
        assert isinstance(body, dict)
        items: list[Record] = body["items"]
        return items

    async def batches(self, /, *, limit: int | None = 100, **filters: Any) -> Sequence[Record]:
        """List committed batches."""
        return await self._records("batches", limit, filters)

    async def gaps(self, /, *, limit: int | None = 100, **filters: Any) -> Sequence[Record]:
        """List gap records: tag, from, to, cause, refilled."""
        return await self._records("gaps", limit, filters)

    async def drops(self, /, *, limit: int | None = 100, **filters: Any) -> Sequence[Record]:
        """List declared drops."""
        return await self._records("drops", limit, filters)

    async def rejects(self, /, *, limit: int | None = 100, **filters: Any) -> Sequence[Record]:
        """List rejected readings with their reasons."""
        return await self._records("rejects", limit, filters)

    async def thinned(self, /, *, limit: int | None = 100, **filters: Any) -> Sequence[Record]:
        """List what deadbands left out: tag, from, to, count; `tag=` and `by="time"` narrow it, as of all records."""
        return await self._records("thinned", limit, filters)

    async def erasures(self, /, *, limit: int | None = 100, **filters: Any) -> Sequence[Record]:
        """List what was deleted or replaced on order: tag, from, to, count, cause (the reason given), how."""
        return await self._records("erasures", limit, filters)

    async def duplicates(self, /, *, limit: int | None = 100, **filters: Any) -> Sequence[Record]:
        """List samples that came again and are stored once: tag, from, to, count."""
        return await self._records("duplicates", limit, filters)

    async def quarantine(self, /, *, limit: int | None = 100, **filters: Any) -> Sequence[Record]:
        """List quarantined batches with their reasons."""
        return await self._records("quarantine", limit, filters)

    async def quarantine_payload(self, quarantine_id: int | str) -> bytes:
        """Export the bytes of a quarantined batch."""
        return (await self._transport.request("GET", f"/v1/ledger/quarantine/{quarantine_id}/payload")).content

    async def quarantine_retry(self, quarantine_id: int | str) -> Record:
        """Have a quarantined batch committed again, once its cause is mended."""
        body = await self._transport.json("POST", f"/v1/ledger/quarantine/{quarantine_id}/retry")
        return body if isinstance(body, dict) else {}

    async def _records(self, what: str, limit: int | None, filters: Mapping[str, Any]) -> Sequence[Record]:
        params = _tags(filters.get("tag")) + [
            (k, parameter(v) if k in ("start", "end") else str(v))
            for k, v in filters.items()
            if v is not None and k != "tag"
        ]
        return [item async for item in self._transport.pages(f"/v1/ledger/{what}", params=params, limit=limit)]


class AsyncGateways:
    """Gateways on the plant floor."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self, *, limit: int | None = None) -> Sequence[Gateway]:
        """List the gateways with what the platform last heard of them."""
        return [Gateway.of(item) async for item in self._transport.pages("/v1/gateways", limit=limit)]

    async def enrol_token(self, name: str, *, expires_s: int = 3600) -> str:
        """Make a single-use enrolment token for a gateway."""
        body = {"name": name, "expires_s": expires_s}
        return str((await self._transport.json("POST", "/v1/gateways/enrol-tokens", body=body))["token"])


def _tags(tag: int | str | Sequence[int | str] | None) -> list[tuple[str, str]]:
    """Render tags: ids as they are, anything else as a key."""
    if tag is None:
        return []
    many = [tag] if isinstance(tag, int | str) else tag
    return [("tag" if isinstance(one, int) else "key", str(one)) for one in many]


def _span(start: When | None, end: When | None, gateway: str | None) -> list[tuple[str, str]]:
    span = [(k, parameter(v)) for k, v in (("start", start), ("end", end)) if v is not None]
    return span + ([("gateway", gateway)] if gateway else [])
