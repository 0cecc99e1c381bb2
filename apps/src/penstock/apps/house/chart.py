"""The options of a trend for ECharts, and how a span of history is cut into points. Pure.

One line of samples (when there are many, those that keep its look), and a strip of markers for quality at the foot: a
Bad or missing stretch is a gap in the line and a mark in the strip, never a line drawn across.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.apps.house.figures import unit_text

RAW_SPAN_S = 20 * 60
"""Up to this span the samples themselves are shown."""
POINTS = 2000
"""Points of a line: about one a pixel."""
REFRESHES = 360
"""A line over a long span is read again when it has moved by this part of it: about three pixels."""
BAD_FROM = 0x80000000
UNCERTAIN_FROM = 0x40000000

Point = list[float | int | str | None]


@dataclass(slots=True)
class Curve:
    """Points of one tag, times in ms: `line` [t, value], `marks` [t, 0, why]."""

    line: list[Point] = field(default_factory=list)
    marks: list[Point] = field(default_factory=list)

    def outside(self, start_ms: float, end_ms: float) -> Curve:
        """Give the points that lie before `start_ms` or from `end_ms` on."""
        return Curve(*([p for p in part if not start_ms <= float(p[0] or 0) < end_ms] for part in self.parts()))

    def since(self, start_ms: float) -> Curve:
        """Give the points from `start_ms` on."""
        return Curve(*([p for p in part if float(p[0] or 0) >= start_ms] for part in self.parts()))

    def joined(self, other: Curve) -> Curve:
        """Give the points of both in time order."""
        pairs = zip(self.parts(), other.parts(), strict=True)
        return Curve(*(sorted([*a, *b], key=lambda p: float(p[0] or 0)) for a, b in pairs))

    def parts(self) -> tuple[list[Point], list[Point]]:
        """Give the lists in the order of the chart's series."""
        return self.line, self.marks


def curve_of_samples(rows: Sequence[tuple[int, float | int | bool | str | None, int]]) -> Curve:
    """Make a curve of (time ns, value, status) rows in time order; Bad rows and rows without value leave a gap."""
    curve = Curve()
    for time_ns, value, status in rows:
        at = time_ns / 1e6
        if status >= BAD_FROM or value is None or value != value:
            curve.line.append([at, None])
            curve.marks.append([at, 0, "Bad"])
            continue
        curve.line.append([at, int(value) if isinstance(value, bool) else value])
        if status >= UNCERTAIN_FROM:
            curve.marks.append([at, 0, "Uncertain"])
    return curve


@dataclass(frozen=True, slots=True)
class Look:
    """Colours of a chart."""

    ink: str
    faint: str
    grid: str
    accent: str
    bad: str
    panel: str


LOOK = Look("#f2f6f9", "#7d8c9b", "rgba(125,140,155,0.22)", "#1789b0", "#d64a3f", "rgba(24,35,46,0.94)")
"""Tones that read on the light and on the dark page, so that a chart need not know which one it stands on."""


def options(
    curve: Curve,
    *,
    start_ms: float,
    end_ms: float,
    unit: str | None,
    zoom: tuple[float, float] = (0.0, 100.0),
    stepped: bool = False,
    categories: Sequence[str] = (),
    limit: float | None = None,
    look: Look = LOOK,
    y_range: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Give the whole options object; `zoom` in percent of the span, `limit` draws a dashed line."""
    value_axis: dict[str, Any] = {
        "type": "category" if categories else "value",
        "scale": True,
        "name": unit_text(unit),
        "nameTextStyle": {"color": look.faint, "align": "right", "padding": [0, 6, 0, 0]},
        "axisLabel": {"color": look.faint, "hideOverlap": True},
        "splitLine": {"lineStyle": {"color": look.grid}},
    }
    if categories:
        value_axis["data"] = list(categories)
    if y_range is None and not categories and not stepped:
        y_range = _about(curve, limit)
    if y_range:
        value_axis |= {"min": y_range[0], "max": y_range[1]}
    return {
        "animation": False,
        "useUTC": True,
        "textStyle": {"fontFamily": "inherit"},
        "grid": {"left": 58, "right": 18, "top": 30, "bottom": 68},
        "tooltip": _tooltip(look),
        "axisPointer": {"lineStyle": {"color": look.faint}},
        "xAxis": {
            "type": "time",
            "min": start_ms,
            "max": end_ms,
            "axisLabel": {"color": look.faint, "hideOverlap": True},
            "axisLine": {"lineStyle": {"color": look.grid}},
            "splitLine": {"show": False},
        },
        "yAxis": [value_axis, {"type": "value", "min": 0, "max": 1, "show": False}],
        "dataZoom": _zooms(look, zoom),
        "series": _series(curve, look, stepped=stepped, limit=limit),
    }


def _about(curve: Curve, limit: float | None) -> tuple[float, float] | None:
    """Give a range for a line that never moves: left alone the axis would end far beyond it; None for one that moves.

    It reaches some twentieth beyond the value, and the limit where there is one, to a round number.
    """
    values = {float(y) for _, y in curve.line if isinstance(y, int | float) and math.isfinite(y)}
    if len(values) != 1:
        return None
    ends = [*values, *([limit] if limit is not None else [])]
    apart = 0.05 * max(abs(end) for end in ends) or 1.0
    step = 10.0 ** math.floor(math.log10(apart))
    low, high = math.floor((min(ends) - apart) / step) * step, math.ceil((max(ends) + apart) / step) * step
    return (float(f"{low:.12g}"), float(f"{high:.12g}")) if low < high else None


def _tooltip(look: Look) -> dict[str, Any]:
    return {
        "trigger": "axis",
        "renderMode": "richText",  # names and values are drawn as text, never as markup
        "backgroundColor": look.panel,
        "borderColor": look.grid,
        "textStyle": {"color": look.ink, "fontSize": 12},
        ":valueFormatter": "v => v == null ? '–' : typeof v === 'number' ? String(+v.toPrecision(5)) : v",
    }


def _zooms(look: Look, zoom: tuple[float, float]) -> list[dict[str, Any]]:
    window = {"start": zoom[0], "end": zoom[1], "filterMode": "none"}
    slider = {
        "type": "slider",
        "height": 22,
        "bottom": 8,
        "borderColor": look.grid,
        "textStyle": {"color": look.faint, "fontSize": 10},
        "brushSelect": False,
    }
    return [{"type": "inside", "zoomOnMouseWheel": True, **window}, {**slider, **window}]


def _series(curve: Curve, look: Look, *, stepped: bool, limit: float | None) -> list[dict[str, Any]]:
    line: dict[str, Any] = {
        "name": "Value",
        "type": "line",
        "data": curve.line,
        "showSymbol": False,
        "connectNulls": False,
        "lineStyle": {"width": 1.6, "color": look.accent},
        "itemStyle": {"color": look.accent},
        "z": 3,
    }
    if stepped:
        line["step"] = "end"
    if limit is not None:
        line["markLine"] = {
            "silent": True,
            "symbol": "none",
            "data": [{"yAxis": limit}],
            "label": {"formatter": "limit {c}", "position": "insideEndTop", "color": look.bad},
            "lineStyle": {"color": look.bad, "type": "dashed"},
        }
    return [
        line,
        {
            "name": "Quality",
            "type": "scatter",
            "yAxisIndex": 1,
            "data": curve.marks,
            "symbol": "rect",
            "symbolSize": [4, 7],
            "itemStyle": {"color": look.bad},
            "tooltip": {"show": False},
        },
    ]
