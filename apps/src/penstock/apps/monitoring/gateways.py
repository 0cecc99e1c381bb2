"""The gateways page: what each gateway last said, and how far the historian has followed its journal."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from penstock.apps.house.figures import age_text, count_text, value_text
from penstock.apps.house.shell import Shell
from penstock.apps.house.widgets import chip, empty, loading, title, toned
from penstock.apps.monitoring.frame import frame
from penstock.apps.monitoring.states import Live
from penstock.sdk.app import Context
from penstock.sdk.models import Gateway

READ_S = 2.0
LAG_BAD = 100
"""Batches behind that are called many: some minutes of an ordinary gateway."""


async def page(ctx: Context) -> None:
    """Show the gateways."""
    with frame(ctx, here="/gateways", title="Gateways") as shell:
        GatewaysPage(shell)


class GatewaysPage:
    """A card a gateway."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._cards: dict[str, GatewayCard] | None = None
        title("Gateways")
        self._holder = ui.element("div").classes("ps-grid")
        with self._holder:
            loading(2)
        shell.every(READ_S, self._read)

    async def _read(self) -> None:
        found = await self._shell.ctx.client.gateways.list()
        if self._cards is None or set(self._cards) != {g.id for g in found}:
            self._build(found)
        for gateway in found:
            assert self._cards is not None
            self._cards[gateway.id].show(gateway, self._shell.now_ns)

    def _build(self, found: Sequence[Gateway]) -> None:
        self._holder.clear()
        self._cards = {}
        with self._holder:
            if not found:
                empty("router", "No gateway is enrolled", "A gateway enrols itself with a single-use token.")
            for gateway in found:
                self._cards[gateway.id] = GatewayCard(gateway.name or gateway.id)


FACTS = ("Last seen", "Waiting batches", "Journal head", "Committed up to", "Session", "Journal")


class GatewayCard:
    """One gateway."""

    def __init__(self, name: str) -> None:
        with ui.element("section").classes("ps-card"):
            with ui.element("div").classes("ps-row"):
                ui.label(name).classes("ps-name ps-grow")
                self._state = chip("")
            self._facts: dict[str, ui.label] = {}
            with ui.element("dl").classes("ps-values"):
                for fact in FACTS:
                    with ui.element("div"):
                        ui.label(fact).classes("ps-sub")
                        self._facts[fact] = ui.label("").classes("ps-value")

    def show(self, gateway: Gateway, now_ns: int) -> None:
        """Set what the platform last heard."""
        live = Live.of(gateway.state)
        self._state.set_text(live.word)
        toned(self._state, live.tone)
        age_s = None if gateway.last_seen is None else (now_ns - gateway.last_seen) / 1e9
        lag = gateway.lag_batches
        said = {
            "Last seen": "never" if age_s is None else age_text(age_s) if age_s < 2 else f"{age_text(age_s)} ago",
            "Waiting batches": count_text(lag),
            "Journal head": count_text(gateway.head),
            "Committed up to": count_text(gateway.watermark),
            "Session": value_text(gateway.session),
            "Journal": (gateway.epoch or "–")[:8],
        }
        for fact, text in said.items():
            self._facts[fact].set_text(text)
        toned(self._facts["Waiting batches"], "bad" if (lag or 0) > LAG_BAD else "mute")
