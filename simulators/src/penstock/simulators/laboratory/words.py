"""How the laboratory writes times, spans, shares and numbers."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from penstock.core.times import NS_PER_S

NARROW: Final = "\u202f"
"""Narrow no-break space: between a number and its unit."""
NOTHING: Final = "–"


def moment(time_ns: int, *, now_ns: int) -> str:
    """Write a time in UTC: the clock alone today, the date before it otherwise."""
    at, now = (datetime.fromtimestamp(one // NS_PER_S, UTC) for one in (time_ns, now_ns))
    clock = at.strftime("%H:%M:%S")
    return clock if at.date() == now.date() else f"{at:%Y-%m-%d} {clock}"


def span(seconds: float | None) -> str:
    """Write a span of time in its two largest units: 45 s, 7 min 29 s, 3 h 5 min, 12 d 4 h."""
    if seconds is None:
        return NOTHING
    whole = max(0, round(seconds))
    for size, name, smaller, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            first, rest = divmod(whole, size)
            second = rest // smaller
            return f"{first}{NARROW}{name}" + (f" {second}{NARROW}{small}" if second else "")
    return f"{whole}{NARROW}s"


def share(value: float | None) -> str:
    """Write a share of 1 in percent."""
    return NOTHING if value is None else f"{100 * value:.0f}{NARROW}%"


def severity(value: float) -> str:
    """Write a severity, 0 to 1."""
    return f"{min(1.0, value):.2g}"


def number(value: float) -> str:
    """Write a number with some three figures."""
    if not math.isfinite(value):
        return NOTHING
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}".replace(",", NARROW)
    return text.replace("-", "−")


def growth(per_h: float) -> str:
    """Write a growth of severity."""
    return f"+{number(per_h)} per h" if per_h else "does not grow"


_UNITS: Final = {
    "degC": "°C",
    "percent": "%",
    "m_s2": "m/s²",
    "mm_s": "mm/s",
    "m_s": "m/s",
    "m3h": "m³/h",
    "l_h": "l/h",
    "m3": "m³",
    "um": "µm",
    "count": "",
    "share": "of 1",
    **{unit: unit for unit in ("bar", "rpm", "kWh", "kW", "mm", "min", "g", "h", "m", "s", "A", "V", "K")},
}


def quantity(name: str) -> tuple[str, str]:
    """Take the name of a hidden state apart: `shaft_power_kW` gives ("shaft power", "kW")."""
    for suffix in sorted(_UNITS, key=len, reverse=True):
        if name.endswith(f"_{suffix}"):
            what = name.removesuffix(f"_{suffix}").replace("_", " ")
            return (f"{what} temperature" if suffix == "degC" else what), _UNITS[suffix]
    return name.replace("_", " "), ""
