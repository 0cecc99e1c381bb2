"""The fake's aggregates: by the platform's reference, penstock.core.aggregate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.core.aggregate import Aggregate, Point, aggregate
from penstock.core.windows import windows
from penstock.sdk.models import Scalar
from penstock.sdk.testing.problem import Refused
from penstock.sdk.testing.state import Row


def summarise(
    rows: Sequence[Row], names: Sequence[str], *, start: int, end: int, interval: str, zone: str
) -> dict[str, list[Any]]:
    """Give columns `start`, one per aggregate, `status`, over calendar windows in the zone."""
    try:
        wanted = [Aggregate(name) for name in names]
        over = windows(start, end, interval, zone)
    except ValueError as wrong:
        raise Refused(422, "invalid-parameter", str(wrong)) from wrong
    found = aggregate([Point(r.time, r.status, _number(r.value)) for r in rows], over, wanted)
    columns: dict[str, list[Any]] = {"start": [window.start_ns for window in over]}
    columns |= {name: [one.values[Aggregate(name)] for one in found] for name in names}
    return columns | {"status": [one.status for one in found]}


def _number(value: Scalar) -> float | None:
    return None if value is None or isinstance(value, str) else float(value)
