"""The card "Vibration by frequency": a waterfall of a machine's bands, each against what it reads when healthy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from nicegui import ui

from penstock.apps.house.chart import LOOK, Look
from penstock.apps.house.figures import duration_text
from penstock.apps.house.shell import Shell
from penstock.apps.house.widgets import Segments
from penstock.apps.maintenance.assessment import SECOND, Assessment
from penstock.apps.maintenance.condition.bands import Band, Waterfall, cell_text, grid_of, labels_of, waterfall

SPANS: Final = {"1 h": (3600, 60), "6 h": (21_600, 300), "24 h": (86_400, 1200), "7 d": (604_800, 7200)}
"""Seconds, and those of a window."""
REFRESH_S: Final = 15.0
FIRST_SPAN: Final = "1 h"
LABEL_PX: Final = {0: 128, 640: 240}
"""From this width of the chart on, a band's label has this width at most."""
SIGN_PX: Final = 7
LOW_DB, HIGH_DB = -6.0, 24.0
COLOURS: Final = ("rgba(23,137,176,0.10)", "rgba(23,137,176,0.30)", "#e0a02e", "#e5483d", "#9c2430")
"""From `LOW_DB` to `HIGH_DB`; 6 dB, twice the healthy amplitude, is where amber nears."""


class SpectrumCard:
    """Made inside a card; reads the historian with the rights of who looks."""

    def __init__(self, shell: Shell, bands: Sequence[Band]) -> None:
        self._shell, self._bands = shell, bands
        self._healthy: list[float | None] = [None] * len(bands)
        self._span = FIRST_SPAN
        with ui.element("div").classes("ps-row ps-wrap"):
            Segments(list(SPANS), FIRST_SPAN, self._on_span)
            self._caption = ui.label("").classes("ps-sub ps-grow")
        self.chart = ui.echart({}).classes("ps-chart").mark("spectrum")
        shell.every(REFRESH_S, self._read)

    def take(self, newest: Assessment | None) -> None:
        """Take the healthy levels, as they are known now."""
        expected = {f.channel.name: f.expected for f in newest.findings} if newest else {}
        self._healthy = [expected.get(band.channel.name) for band in self._bands]

    def _on_span(self, span: str) -> None:
        self._span = span

        async def again() -> None:
            await self._shell.attempt(self._read.__qualname__, self._read)

        ui.timer(0, again, once=True)

    async def _read(self) -> None:
        span = self._span
        seconds, width = SPANS[span]
        tags = [band.channel.tag for band in self._bands]
        end = self._shell.now_ns
        found = await self._shell.ctx.client.aggregates(
            tags, aggregates=["Average"], interval=f"{width}s", start=end - seconds * SECOND, end=end
        )
        if span != self._span:
            return  # another one was chosen meanwhile
        columns = (found.table.column(name).to_pylist() for name in ("tag", "start", "Average"))
        rows = list(zip(*columns, strict=True))
        starts = sorted({start for _, start, _ in rows})
        factors = np.array([band.channel.factor for band in self._bands])
        fall = waterfall(grid_of(rows, tags, starts) * factors[:, None], self._healthy)
        against = "its healthy level" if fall.healthy else "its healthy level, or its median here where none is known"
        self._caption.set_text(f"Mean of each {duration_text(width)} against {against}; 6 dB is twice as much. UTC")
        self.chart.options.clear()
        self.chart.options.update(options(self._bands, starts, fall, long=seconds > 86_400))
        self.chart.update()


def cells_of(bands: Sequence[Band], fall: Waterfall) -> list[list[Any]]:
    """Give window, band, dB held within the colours, and the words of each cell in which something was read."""
    levels, means = fall.levels.tolist(), fall.means.tolist()
    return [
        [t, b, min(max(level, LOW_DB), HIGH_DB), cell_text(band, means[b][t], level)]
        for b, band in enumerate(bands)
        for t, level in enumerate(levels[b])
        if math.isfinite(level)
    ]


def options(
    bands: Sequence[Band], starts: Sequence[int], fall: Waterfall, *, long: bool, look: Look = LOOK
) -> dict[str, Any]:  # fmt: skip
    """Give the options of the chart: time across, the lowest frequency at the foot, colour by dB."""
    written = "%d %b %H:%M" if long else "%H:%M"
    times = [datetime.fromtimestamp(start / SECOND, UTC).strftime(written) for start in starts]
    label = {"color": look.faint, "hideOverlap": True}
    names = labels_of(bands)
    longest_px = SIGN_PX * max(map(len, names), default=0)
    return {
        "animation": False,
        "textStyle": {"fontFamily": "inherit"},
        "grid": {"left": 8, "right": 12, "top": 8, "bottom": 62, "containLabel": True},
        "tooltip": {
            "renderMode": "richText",  # names are drawn as text, never as markup
            "backgroundColor": look.panel,
            "borderColor": look.grid,
            "textStyle": {"color": look.ink, "fontSize": 12},
            ":formatter": "p => p.name + '\\n' + p.value[3]",
        },
        "xAxis": {"type": "category", "data": times, "axisLabel": label, "axisTick": {"show": False}},
        "yAxis": {
            "type": "category",
            "data": names,
            "axisLabel": label | {"overflow": "break", "lineHeight": 12, "interval": 0},
            "axisTick": {"show": False},
        },
        "visualMap": {
            "dimension": 2, "min": LOW_DB, "max": HIGH_DB, "calculable": False, "orient": "horizontal",
            "left": "center", "bottom": 0, "itemHeight": 160, "itemWidth": 10,
            "text": [f"+{HIGH_DB:.0f} dB", f"−{-LOW_DB:.0f} dB"], "textStyle": {"color": look.faint},
            "inRange": {"color": list(COLOURS)},
        },
        "series": [{"type": "heatmap", "data": cells_of(bands, fall), "progressive": 0}],
        "media": [
            {"query": {"minWidth": least}, "option": {"yAxis": {"axisLabel": {"width": min(most, longest_px)}}}}
            for least, most in LABEL_PX.items()
        ],
    }  # fmt: skip
