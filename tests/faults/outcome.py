"""Read everything back through the public API and judge it by the devices' own ledger.

Must arrive: every MQTT publish whose PUBACK from the gateway the proxy saw, every OPC UA value outside a marked gap.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

from penstock.core.times import format_rfc3339_ns, parse_rfc3339_ns
from penstock.simulators.ledger import Ledger, Row, judge
from tests.builders.mqtt_proxy import MqttProxy

PAGE_ROWS = 100_000
SPELL_NS = 1_000_000_000
"""Lost values that lie nearer to one another are told of as one spell."""


def all_tags(client: httpx.Client) -> Iterator[tuple[int, str]]:
    cursor: str | None = None
    while True:
        page = (
            client.get("/v1/tags", params={"limit": 1000, **({"cursor": cursor} if cursor else {})})
            .raise_for_status()
            .json()
        )
        yield from ((tag["id"], tag["key"]) for tag in page["items"])
        cursor = page["next"]
        if cursor is None:
            return


def read_back(client: httpx.Client) -> Iterator[Row]:
    """Read every sample of every tag, in the order of the answers."""
    for tag, key in all_tags(client):
        cursor: str | None = None
        while True:
            params: dict[str, str | int] = {"tag": tag, "start": "1d-ago", "end": "now", "limit": PAGE_ROWS}
            if cursor:
                params["cursor"] = cursor
            page = client.get("/v1/samples", params=params).raise_for_status().json()
            columns = page["columns"]
            for time_text, value, status, position, row in zip(
                columns["time"], columns["value"], columns["status"], columns["position"], columns["row"], strict=True
            ):
                yield Row(key, parse_rfc3339_ns(time_text), status, value, position, row)
            cursor = page["next"]
            if cursor is None:
                break


def gaps(client: httpx.Client) -> Iterator[tuple[str, int, int]]:
    """Give (tag key, from, to) of every gap whose values did not come after all; an open one ends never."""
    cursor: str | None = None
    keys = dict(all_tags(client))
    while True:
        page = (
            client.get("/v1/ledger/gaps", params={"limit": 1000, **({"cursor": cursor} if cursor else {})})
            .raise_for_status()
            .json()
        )
        for gap in page["items"]:
            if gap["refilled"]:
                continue
            end = parse_rfc3339_ns(gap["to"]) if gap["to"] else 2**63 - 1
            yield keys[gap["tag"]], parse_rfc3339_ns(gap["from"]), end
        cursor = page["next"]
        if cursor is None:
            return


@dataclass(slots=True)
class Outcome:
    """Hold the judge's verdict with the missing values told apart."""

    offered: int
    matched: int
    lost: int
    dup: int
    ooo: int
    corrupt: int
    phantom: int
    in_marked_gap: int
    not_acknowledged: int
    not_held: int
    acknowledged: int
    examples: list[str] = field(default_factory=list)

    @property
    def failures(self) -> int:
        return self.lost + self.dup + self.ooo + self.corrupt + self.phantom

    @classmethod
    def of(
        cls, ledger: Ledger, rows: list[Row], proxy: MqttProxy, gap_records: list[tuple[str, int, int]]
    ) -> "Outcome":
        verdict = judge(ledger, rows)
        returned = {(row.key, row.time_ns) for row in rows}
        acknowledged = {parse_rfc3339_ns(json.loads(payload)["time"]) for _topic, payload in proxy.acknowledged}
        by_key: dict[str, list[tuple[int, int]]] = {}
        for key, start, end in gap_records:
            by_key.setdefault(key, []).append((start, end))
        in_gap = unacknowledged = 0
        lost: list[tuple[str, str, int]] = []
        for entry in ledger.entries:
            at = (entry.device, entry.n)
            if (entry.key, entry.time_ns) in returned or at in ledger.not_held or at in ledger.dropped:
                continue
            if entry.device == "load-mqtt":
                if entry.time_ns in acknowledged:
                    lost.append(("acknowledged by the gateway", entry.key, entry.time_ns))
                else:
                    unacknowledged += 1
            elif any(start <= entry.time_ns <= end for start, end in by_key.get(entry.key, ())):
                in_gap += 1
            else:
                lost.append(("in no marked gap", entry.key, entry.time_ns))
        assert len(lost) + in_gap + unacknowledged == verdict.lost
        return cls(
            offered=verdict.offered,
            matched=verdict.matched,
            lost=len(lost),
            dup=verdict.dup,
            ooo=verdict.ooo,
            corrupt=verdict.corrupt,
            phantom=verdict.phantom,
            in_marked_gap=in_gap,
            not_acknowledged=unacknowledged,
            not_held=verdict.not_held,
            acknowledged=len(acknowledged),
            examples=[*spells(lost), *(text for text in verdict.examples if not text.startswith("lost"))],
        )


def spells(lost: list[tuple[str, str, int]]) -> list[str]:
    """Tell of what is lost by spell: tags and values between times that lie near one another."""
    told: list[str] = []
    spell: list[tuple[str, str, int]] = []
    for one in [*sorted(lost, key=lambda each: each[2]), ("", "", 2**63)]:
        if spell and one[2] - spell[-1][2] > SPELL_NS:
            tags = {key for _, key, _ in spell}
            first, last = (format_rfc3339_ns(at) for at in (spell[0][2], spell[-1][2]))
            told.append(
                f"lost: {len(spell)} values of {len(tags)} tags, {spell[0][1]} …, {first} to {last}, {spell[0][0]}"
            )
            spell = []
        spell.append(one)
    return told
