"""How numbers, units, times and ages are written, everywhere the same."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from enum import StrEnum

SECOND_NS = 1_000_000_000
NARROW = "\u202f"
"""Narrow no-break space: between thousands, and between a number and its unit."""
NOTHING = "–"
STALE_MIN_S = 30.0
"""Nothing is called stale before: the slowest ordinary publishing interval, twice."""

_UNITS = {
    "degC": "°C",
    "celsius": "°C",
    "degF": "°F",
    "rpm": "rpm",
    "1/min": "min⁻¹",
    "percent": "%",
    "count": "",
    "dimensionless": "",
    "1": "",
    "ohm": "Ω",
    "degree": "°",
}
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_POWER = re.compile(r"(?<=[a-zA-Z])(?:\*\*|\^)?(-?\d)")


class Freshness(StrEnum):
    """How far a shown value can be trusted."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"
    STALE = "stale"
    NONE = "none"


def unit_text(unit: str | None) -> str:
    """Write a unit as people do: m3/h → m³/h, degC → °C."""
    if not unit:
        return ""
    if unit in _UNITS:
        return _UNITS[unit]
    return _POWER.sub(lambda m: m.group(1).translate(_SUPERSCRIPT), unit).replace("*", "·")


def number_text(value: float, *, digits: int = 4) -> str:
    """Write a number with about `digits` significant figures, at most three decimals, thousands apart."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if not size:
        return "0"
    if size >= 1e9 or size < 0.0005:
        mantissa, exponent = f"{value:.3e}".split("e")
        return f"{mantissa.replace('-', '−')}·10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    before = len(str(int(size)))
    decimals = max(0, min(3, digits - before))
    return f"{value:,.{decimals}f}".replace(",", NARROW).replace("-", "−")


def value_text(value: float | int | bool | str | None, unit: str | None = None) -> str:
    """Write a value of any type with its unit."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str):
        return value or "“”"
    text = f"{value:,d}".replace(",", NARROW).replace("-", "−") if isinstance(value, int) else number_text(value)
    said = unit_text(unit)
    return f"{text}{NARROW}{said}" if said else text


def count_text(count: float | int | None) -> str:
    """Write a count; nothing known is a dash."""
    return NOTHING if count is None else value_text(int(count))


def age_text(age_s: float | None) -> str:
    """Write an age in one unit: now, 12 s, 3 min, 5 h, 2 d."""
    if age_s is None:
        return NOTHING
    if age_s < -1:
        return f"{age_text(-age_s)} ahead"
    if age_s < 2:
        return "now"
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if age_s >= 2 * size or (size != 86_400 and age_s >= size):
            return f"{int(age_s // size)}{NARROW}{name}"
    return f"{int(age_s)}{NARROW}s"


def duration_text(seconds: float) -> str:
    """Write a span of time: 45 s, 12 min, 3.5 h, 2 d."""
    if seconds < 120:
        return f"{seconds:.0f}{NARROW}s"
    if seconds < 7200:
        return f"{seconds / 60:.0f}{NARROW}min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f}".removesuffix(".0") + f"{NARROW}h"
    return f"{seconds / 86_400:.1f}".removesuffix(".0") + f"{NARROW}d"


def moment_text(time_ns: int | None, *, now_ns: int) -> str:
    """Write a time in UTC: the clock alone today, with the date otherwise."""
    if time_ns is None:
        return NOTHING
    at, now = (datetime.fromtimestamp(t / SECOND_NS, UTC) for t in (time_ns, now_ns))
    clock = at.strftime("%H:%M:%S")
    return clock if at.date() == now.date() else f"{at:%Y-%m-%d} {clock}"


def day_text(time_ns: int | None) -> str:
    """Write the day of a time, in UTC."""
    return NOTHING if time_ns is None else f"{datetime.fromtimestamp(time_ns / SECOND_NS, UTC):%Y-%m-%d}"


def stale_after_s(rate_hz: float | None, late_after_ns: int | None, *, on_change: bool = False) -> float:
    """Give the age above which a tag's newest value is stale: five of its periods, or twice what counts as late.

    `on_change`: it is written when it changes, so where no period is known no age makes it stale.
    """
    if on_change and not rate_hz and not late_after_ns:
        return math.inf
    of_rate = 5 / rate_hz if rate_hz else 0.0
    of_lateness = 2 * late_after_ns / SECOND_NS if late_after_ns else 0.0
    return max(STALE_MIN_S, of_rate, of_lateness)


def freshness(quality: str, age_s: float | None, stale_s: float) -> Freshness:
    """Judge a newest value: Bad before stale, since a Bad value says more; nothing yet is *none*."""
    if age_s is None:
        return Freshness.NONE
    if quality == "bad":
        return Freshness.BAD
    if age_s > stale_s:
        return Freshness.STALE
    return Freshness.UNCERTAIN if quality == "uncertain" else Freshness.GOOD


def shortened(text: str, most: int = 160) -> str:
    """Cut a text that is not ours at some length, with an ellipsis."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def words(name: str) -> str:
    """Turn a key such as bearing_temperature into words."""
    text = name.replace("_", " ").replace("-", " ").strip()
    return text[:1].upper() + text[1:]
