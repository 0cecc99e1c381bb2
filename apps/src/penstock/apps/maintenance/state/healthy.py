"""Which stretch of an asset's history is known to be healthy: attributes of the asset, set by whoever knows.

`healthy_from`, `healthy_until`: what the model is fitted on. `check_from`, `check_until`: healthy too, and not fitted
on; they give the limits. Without them the later part of the healthy stretch does. RFC 3339; from ≤ time < until.
`check_also`: more such stretches that give limits too, where orders found nothing wrong: ISO 8601 intervals
(`2026-11-01T08:00:00Z/2026-11-01T09:30:00Z`), a blank between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from penstock.core.times import format_rfc3339_ns, parse_rfc3339_ns
from penstock.sdk.models import Property

FIT = ("healthy_from", "healthy_until")
CHECK = ("check_from", "check_until")
ALSO = "check_also"
ALSO_MAX = 50
"""Stretches in `check_also`."""


class HealthyError(ValueError):
    """Say which attribute is wrong, and what it takes."""


@dataclass(frozen=True, slots=True)
class Healthy:
    """Stretches in ns UTC, begin and end; `check` is None where the later part of `fit` gives the limits.

    `also`: more rows that give limits, whenever they were.
    """

    fit: tuple[int, int]
    check: tuple[int, int] | None = None
    also: tuple[tuple[int, int], ...] = ()

    @property
    def until_ns(self) -> int:
        """Give the time from which the asset is judged: behind all that is known to be healthy."""
        return max(self.fit[1], self.check[1] if self.check else self.fit[1])


def healthy_of(properties: Iterable[Property]) -> Healthy | None:
    """Read the attributes; None where no stretch is named; HealthyError where one is named wrongly."""
    values = {p.name: p.value for p in properties if p.kind == "attribute" and p.name in (*FIT, *CHECK, ALSO)}
    given = {name: value for name, value in values.items() if value not in (None, "")}
    if not given:
        return None
    fit = _stretch(given, FIT)
    if fit is None:
        message = f"{' and '.join(FIT)} are missing: {', '.join(given)} alone names no healthy stretch"
        raise HealthyError(message)
    return Healthy(fit, _stretch(given, CHECK), _intervals(str(given.get(ALSO, ""))))


def intervals_text(spans: Iterable[tuple[int, int]]) -> str:
    """Write stretches as `check_also` takes them."""
    return " ".join("/".join(format_rfc3339_ns(t) for t in span) for span in spans)


def _intervals(text: str) -> tuple[tuple[int, int], ...]:
    spans = []
    for part in text.split():
        begin, _, end = part.partition("/")
        try:
            span = (parse_rfc3339_ns(begin), parse_rfc3339_ns(end))
        except ValueError as error:
            message = f"the attribute {ALSO} has {part!r}: {error}; write 2026-11-27T08:00:00Z/2026-11-27T09:00:00Z"
            raise HealthyError(message) from error
        if span[0] >= span[1]:
            message = f"the attribute {ALSO} has {part!r}: it must begin before it ends"
            raise HealthyError(message)
        spans.append(span)
    if len(spans) > ALSO_MAX:
        message = f"the attribute {ALSO} names {len(spans)} stretches: {ALSO_MAX} are taken, join some"
        raise HealthyError(message)
    return tuple(sorted(spans))


def _stretch(given: Mapping[str, object], names: tuple[str, str]) -> tuple[int, int] | None:
    if not any(name in given for name in names):
        return None
    begin, end = (_time(given, name) for name in names)
    if begin >= end:
        message = f"{names[0]} must lie before {names[1]}: {given[names[0]]} and {given[names[1]]}"
        raise HealthyError(message)
    return begin, end


def _time(given: Mapping[str, object], name: str) -> int:
    try:
        return parse_rfc3339_ns(str(given[name]))
    except KeyError:
        message = f"the attribute {name} is missing"
        raise HealthyError(message) from None
    except ValueError as error:
        message = f"the attribute {name} is no time: {error}; write it as 2026-11-27T08:00:00Z"
        raise HealthyError(message) from error
