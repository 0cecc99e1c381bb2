"""Sentences of evidence: which channel moved, by how much, since when, and what that fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from penstock.apps.house.figures import number_text, unit_text

LOGARITHMIC: Final = frozenset({"m/s2", "m/s²", "m/s^2", "mm/s2", "g", "gn"})
"""Accelerations are compared in decibels (ISO 13373-1), whatever else in its unit."""
NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Moved:
    """A channel that moved: what it reads and what was expected of it, in its unit, and since when."""

    name: str
    unit: str
    reads: float
    expected: float
    since_ns: int


def spoken(name: str) -> str:
    """Turn a channel's key into words."""
    return name.replace("_", " ").strip()


def clock(time_ns: int) -> str:
    """Write a time in UTC as people say it: Tue 14:10."""
    return f"{datetime.fromtimestamp(time_ns / NS, UTC):%a %d %b %H:%M}"


def moved_text(moved: Moved) -> str:
    """Say how a channel moved: `bearing band +9.2 dB since Tue 24 Nov 14:10, expected 0.31 m/s²`."""
    unit = unit_text(moved.unit)
    expected = f"{number_text(moved.expected, digits=3)} {unit}".strip()
    return f"{spoken(moved.name)} {_change(moved, unit)} since {clock(moved.since_ns)}, expected {expected}"


def _change(moved: Moved, unit: str) -> str:
    if moved.unit in LOGARITHMIC and moved.expected > 0 and moved.reads > 0:
        decibel = 20 * math.log10(moved.reads / moved.expected)
        return f"{decibel:+.1f} dB".replace("-", "−")
    change = moved.reads - moved.expected
    return f"{'+' if change >= 0 else ''}{number_text(change, digits=3)} {unit}".strip()


def follows_text(names: Sequence[str], *, rises: bool) -> str:
    """Say which channels move with the first."""
    verb = ("rises" if rises else "falls") if len(names) == 1 else ("rise" if rises else "fall")
    return f"{listed_words(names)} {verb} with it"


def listed_words(names: Sequence[str]) -> str:
    """List channels: a, b and c."""
    said = [spoken(name) for name in names]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
