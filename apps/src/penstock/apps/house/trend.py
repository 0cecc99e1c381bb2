"""The zoomable trend: reads what the zoom asks for (all samples when near, those to draw when far), goes on live."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from nicegui import events, ui

from penstock.apps.house import chart
from penstock.apps.house.chart import Curve
from penstock.apps.house.figures import duration_text
from penstock.apps.house.shell import Shell
from penstock.apps.house.widgets import Segments
from penstock.sdk.models import Tag
from penstock.sdk.samples import Samples

SPANS = {"5 min": 300, "15 min": 900, "1 h": 3600, "6 h": 21_600, "24 h": 86_400, "7 d": 604_800}
RAW_ROWS = 20_000
"""More raw rows than this are not sent to a browser; those to draw are picked."""
REFRESH_S = 1.0
THROTTLE_S = 0.35
ZOOM_ENDS_S = 2 * THROTTLE_S
"""So long after Live a zoom may still come that was made before: the browser holds back the last of several."""


class Trend:
    """One tag over time. `show` changes the tag, `take` adds committed rows, the buttons and the zoom the span."""

    def __init__(self, shell: Shell, *, span: str = "15 min", limit: float | None = None) -> None:
        self._shell = shell
        self._span_s = SPANS[span]
        self._tag: Tag | None = None
        self._limit = limit
        self._y_range: tuple[float, float] | None = None
        self._coarse = Curve()
        self._zoom = (0.0, 100.0)
        self._start_ms, self._end_ms = 0.0, 1.0
        self._categories: list[str] = []
        self._fresh = False
        self._failed = False
        self._reads = self._zooms = 0
        self._live_s = float("-inf")
        with ui.element("div").classes("ps-row ps-wrap"):
            self._segments = Segments(list(SPANS), span, self._on_span)
            self._live = ui.button("Live", icon="play_arrow", on_click=self._on_live, color=None)
            self._live.props("flat dense no-caps").classes("ps-action")
            self._caption = ui.label("").classes("ps-sub ps-grow")
        self.chart = ui.echart(self._options()).classes("ps-chart")
        self.chart.on(
            "chart:datazoom", self._on_zoom, ["start", "end", "batch"], throttle=THROTTLE_S, leading_events=False
        )
        ui.timer(REFRESH_S, self._follow)

    async def show(self, tag: Tag, *, limit: float | None = None, y_range: tuple[float, float] | None = None) -> None:
        """Show another tag, over the span that is chosen; `limit` draws a dashed line."""
        self._tag, self._limit, self._y_range = tag, limit, y_range
        await self._reload()

    def take(self, samples: Samples) -> None:
        """Add rows of the stream; rows of other tags are left alone."""
        if self._tag is None or not self._shows_samples(self._span_s):
            return
        rows = [(s.time, s.value, s.status) for s in samples if s.tag == self._tag.id]
        if rows:
            self._coarse = self._coarse.joined(self._curve(sorted(rows, key=lambda r: r[0])))
            self._fresh = True

    @property
    def _is_live(self) -> bool:
        return self._zoom == (0.0, 100.0)

    async def _reload(self) -> None:
        now_ms = time.time() * 1000
        self._start_ms, self._end_ms = now_ms - self._span_s * 1000, now_ms
        self._zoom, self._categories = (0.0, 100.0), []
        self._reads += 1
        asked = self._reads

        async def read() -> None:
            curve, said = await self._read(self._start_ms, self._end_ms)
            if asked != self._reads:
                return  # something else was asked since
            self._coarse = curve
            if self._is_live:
                self._caption.set_text(said)

        done = await self._shell.attempt("trend", read)
        if asked == self._reads:
            self._failed = not done
            self._draw()

    async def _read(self, start_ms: float, end_ms: float) -> tuple[Curve, str]:
        """Read a span: all samples when it is near or the tag is no number, otherwise those to draw; and say what."""
        tag = self._tag
        if tag is None:
            return Curve(), ""
        start, end = int(start_ms * 1e6), int(end_ms * 1e6)
        span_s = (end_ms - start_ms) / 1000
        client = self._shell.ctx.client
        if self._shows_samples(span_s):
            found = await client.samples(tag, start=start, end=end, limit=RAW_ROWS, include_status=True)
            curve = self._curve([(s.time, s.value, s.status) for s in found])
            return curve, _caption(f"{len(found)} samples", span_s)
        plot = await client.plot(tag, start=start, end=end, points=chart.POINTS)
        count = plot.samples.get(tag.id, 0)
        said = f"{len(plot)} of {count} samples" if count > len(plot) else f"{count} samples"
        return self._curve(plot.rows(tag.id)), _caption(said, span_s)

    def _shows_samples(self, span_s: float) -> bool:
        assert self._tag is not None
        rate_hz = self._tag.rate_hz or 2.0
        return self._tag.type in ("string", "bool") or span_s <= chart.RAW_SPAN_S or span_s * rate_hz <= chart.POINTS

    def _curve(self, rows: Sequence[tuple[int, Any, int]]) -> Curve:
        if self._tag is not None and self._tag.type == "string":
            self._categories += sorted({r[1] for r in rows if isinstance(r[1], str)} - set(self._categories))
        return chart.curve_of_samples(rows)

    async def _follow(self) -> None:
        """Move on with the time while nothing is zoomed; wide spans are read again now and then."""
        self._live.set_visibility(not self._is_live)
        if self._tag is None or not self._is_live:
            return
        now_ms = time.time() * 1000
        if self._failed:
            await self._reload()
        elif self._shows_samples(self._span_s):
            if self._fresh or now_ms - self._end_ms > 5000:
                self._fresh = False
                self._start_ms, self._end_ms = now_ms - self._span_s * 1000, now_ms
                self._coarse = self._coarse.since(self._start_ms)
                self._draw()
        elif now_ms - self._end_ms > 1000 * max(5, self._span_s / chart.REFRESHES):
            await self._reload()

    async def _on_zoom(self, event: events.GenericEventArguments) -> None:
        if time.monotonic() - self._live_s < ZOOM_ENDS_S:
            return
        zoomed = (event.args.get("batch") or [event.args])[0]
        start, end = float(zoomed.get("start") or 0.0), float(zoomed.get("end") or 100.0)
        self._zoom = (0.0, 100.0) if end - start > 99.5 else (start, end)
        self._zooms += 1
        if self._is_live:
            self._draw()
            return
        width_ms = self._end_ms - self._start_ms
        low, high = self._start_ms + width_ms * start / 100, self._start_ms + width_ms * end / 100
        if self._tag is None or self._shows_samples(self._span_s):
            return  # everything is there already
        asked = self._reads, self._zooms

        async def read() -> None:
            fine, said = await self._read(low, high)
            if asked == (self._reads, self._zooms):
                self._coarse = self._coarse.outside(low, high).joined(fine)
                self._caption.set_text(said)
                self._draw()

        await self._shell.attempt("trend", read)

    async def _on_live(self) -> None:
        self._live_s = time.monotonic()
        await self._reload()

    def _on_span(self, span: str) -> None:
        self._span_s = SPANS[span]
        ui.timer(0, self._reload, once=True)

    def _options(self) -> dict[str, Any]:
        tag = self._tag
        return chart.options(
            self._coarse,
            start_ms=self._start_ms,
            end_ms=self._end_ms,
            unit=tag.unit if tag else None,
            zoom=self._zoom,
            stepped=tag is not None and tag.type in ("bool", "string"),
            categories=self._categories,
            limit=self._limit,
            y_range=self._y_range,
        )

    def _draw(self) -> None:
        self.chart.options.clear()
        self.chart.options.update(self._options())
        self.chart.update()


def _caption(what: str, span_s: float) -> str:
    return f"{what} over {duration_text(span_s)}, UTC"
