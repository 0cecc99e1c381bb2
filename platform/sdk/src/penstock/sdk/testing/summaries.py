"""The fake's aggregates: by the platform's reference, penstock.core.aggregate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.aggregate import (
    ACTUAL_TIME,
    BY_STATE,
    BY_STATUS,
    Aggregate,
    AggregateSettings,
    Point,
    Result,
    aggregate,
    interpolated,
)
from penstock.core.windows import windows
from penstock.sdk.models import Scalar
from penstock.sdk.testing.call import Call
from penstock.sdk.testing.problem import Refused
from penstock.sdk.testing.state import Row


@dataclass(frozen=True, slots=True)
class Asked:
    """Hold what a question for aggregates names beside tags and span."""

    names: tuple[Aggregate, ...]
    interval: str
    zone: str
    statuses: bool

    @classmethod
    def of(cls, call: Call) -> Asked:
        """Read it from a request; refuse an unknown name."""
        try:
            names = tuple(dict.fromkeys(Aggregate(name) for name in call.all("aggregate") or ["Average"]))
        except ValueError as wrong:
            raise Refused(422, "invalid-parameter", f"aggregate: {wrong}") from wrong
        interval, zone = call.one("interval", "1m") or "1m", call.one("zone", "UTC") or "UTC"
        return cls(names, interval, zone, flag(call, "statuses"))

    def columns(self) -> list[str]:
        """Give the names of the columns between `start` and `status`."""
        found = []
        for name in self.names:
            found.append(name.value)
            found += [f"{name}.time"] if name in ACTUAL_TIME else []
            found += [f"{name}.status"] if self.statuses else []
        return found


def need_suitable(tag: Mapping[str, Any], wanted: Iterable[Aggregate]) -> None:
    """Refuse an aggregate that has no meaning for the tag's type, as the platform does."""
    suit = {"string": BY_STATUS, "bool": BY_STATE}.get(tag["type"], frozenset(Aggregate))
    for name in wanted:
        if name not in suit:
            told = f"{name} has no meaning for {tag['key']} (tag {tag['id']}) of type {tag['type']}"
            raise Refused(422, "invalid-parameter", f"{told}; ask for one of {', '.join(sorted(suit))}")


def need_numbers(tag: Mapping[str, Any], what: str) -> None:
    """Refuse a tag of text where `what` needs numbers, as the platform does."""
    if tag["type"] == "string":
        told = f"{tag['key']} (tag {tag['id']}) is of type string; {what} numbers, or bool"
        raise Refused(422, "invalid-parameter", f"{told}; its values are in /v1/samples")


def settings_of(call: Call, value_type: str) -> AggregateSettings:
    """Read the settings of a request, fitted to a tag's type as the platform does."""
    is_number = value_type not in ("string", "bool")
    good, bad = (float(call.one(name, "100") or 100) for name in ("percent_data_good", "percent_data_bad"))
    if good < 100 - bad:
        told = "percent_data_good must be at least 100 - percent_data_bad (OPC UA Part 13, 4.2.1.2)"
        raise Refused(422, "invalid-parameter", told)
    return AggregateSettings(
        stepped=flag(call, "stepped", default=True) or not is_number,
        treat_uncertain_as_bad=flag(call, "treat_uncertain_as_bad"),
        percent_data_good=good,
        percent_data_bad=bad,
        use_sloped_extrapolation=flag(call, "use_sloped_extrapolation") and is_number,
        textual=value_type == "string",
        covered_until_ns=call.now_ns,
    )


def flag(call: Call, name: str, *, default: bool = False) -> bool:
    """Read a yes or no."""
    text = call.one(name)
    return default if text is None else text.lower() in ("true", "1", "yes", "on")


def summarise(
    rows: Sequence[Row], asked: Asked, settings: AggregateSettings, *, start: int, end: int
) -> dict[str, list[Any]]:
    """Give columns `start`, those of the aggregates, `status`, over calendar windows in the zone."""
    try:
        over = windows(start, end, asked.interval, asked.zone)
    except ValueError as wrong:
        raise Refused(422, "invalid-parameter", str(wrong)) from wrong
    found = aggregate(points_of(rows), over, asked.names, settings=settings)
    columns: dict[str, list[Any]] = {"start": [window.start_ns for window in over]}
    for name in asked.names:
        results = [one.results[name] for one in found]
        columns[name.value] = [result.value for result in results]
        if name in ACTUAL_TIME:
            columns[f"{name}.time"] = [result.time_ns for result in results]
        if asked.statuses:
            columns[f"{name}.status"] = [result.status for result in results]
    return columns | {"status": [one.status for one in found]}


def values_at(rows: Sequence[Row], times: Sequence[int], settings: AggregateSettings, *, simple: bool) -> list[Result]:
    """Give the value at each time."""
    return interpolated(points_of(rows), times, settings=settings, simple=simple)


def to_draw(rows: Sequence[Row], points: int) -> Sequence[Row]:
    """Pick rows for a picture: of equal parts the least and the greatest; the platform picks more finely."""
    if len(rows) <= points:
        return rows
    size = -(-len(rows) // (points // 2))
    picked: dict[tuple[int, int, int], Row] = {}
    for begin in range(0, len(rows), size):
        part = sorted(rows[begin : begin + size], key=lambda row: _number(row.value) or 0.0)
        picked |= {row.key: row for row in (part[0], part[-1])}
    return sorted(picked.values(), key=lambda row: row.key)


def points_of(rows: Sequence[Row]) -> list[Point]:
    """Give rows as the reference takes them."""
    return [Point(row.time, row.status, _number(row.value)) for row in rows]


def _number(value: Scalar) -> float | None:
    return None if value is None or isinstance(value, str) else float(value)
