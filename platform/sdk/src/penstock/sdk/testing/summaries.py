"""The fake's aggregates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from penstock.core import status as opcua
from penstock.core.times import parse_duration_ns
from penstock.sdk.testing.problem import Refused
from penstock.sdk.testing.state import Row

_SIMPLE: dict[str, Callable[[list[float]], float | None]] = {
    "Count": lambda values: float(len(values)),
    "Minimum": lambda values: min(values, default=None),
    "Maximum": lambda values: max(values, default=None),
    "Average": lambda values: fmean(values) if values else None,
}


def summarise(
    rows: Sequence[Row], names: Sequence[str], *, start: int, end: int, interval: str, zone: str
) -> dict[str, list[Any]]:
    """Give columns `start`, one per aggregate, `status`, over windows from `start`."""
    unknown = [n for n in names if n not in (*_SIMPLE, "PercentGood")]
    if unknown:
        known = ", ".join((*_SIMPLE, "PercentGood"))
        raise Refused(422, "invalid-parameter", f"aggregate: the fake platform knows {known}, not {unknown}")
    width = parse_duration_ns(interval)
    starts = list(range(start, end, width))
    columns: dict[str, list[Any]] = {"start": starts, **{n: [] for n in names}, "status": []}
    for begin in starts:
        inside = [r for r in rows if begin <= r.time < min(begin + width, end)]
        values = [float(r.value) for r in inside if r.value is not None and opcua.is_good(r.status)]
        share = 100.0 * len(values) / len(inside) if inside else None  # by count: the platform goes by duration
        for name in names:
            columns[name].append(share if name == "PercentGood" else _SIMPLE[name](values))
        columns["status"].append(opcua.GOOD if values else opcua.BAD_NO_DATA)
    return columns
