"""The keys `range` and `deadband` of a tag in the device file, named as in OPC 10000-8 (EURange, 6.2 deadband)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from pydantic import Field

from penstock.core.config_file import FileModel, Path
from penstock.core.deadband import Rule
from penstock.core.times import NS_PER_S
from penstock.core.values import ValueType

MAX_INTERVAL_S: Final = 60.0
"""A constant value is sent once a minute: often enough for a chart and for an alarm that waits for data."""


class RangeSpec(FileModel):
    """Declare the normal range of a tag's values, in its unit (EURange, OPC 10000-8 5.6.3)."""

    low: float
    high: float


class DeadbandSpec(FileModel):
    """Ask for thinning: exactly one of `absolute` (in the tag's unit) and `percent` (of the tag's range)."""

    absolute: float | None = Field(default=None, ge=0, description="largest change that is thinned, in the tag's unit")
    percent: float | None = Field(default=None, ge=0, le=100, description="the same, in percent of the tag's range")
    max_interval_s: float = Field(
        default=MAX_INTERVAL_S, gt=0, le=86_400, description="source time after which an unchanged value is sent"
    )


def rule_of(deadband: DeadbandSpec | None, span: RangeSpec | None) -> Rule | None:
    """Give the rule that a tag's keys make, None for none; the keys have no findings."""
    if deadband is None:
        return None
    interval_ns = round(deadband.max_interval_s * NS_PER_S)
    if deadband.absolute is not None:
        return Rule(deadband.absolute, interval_ns)
    assert deadband.percent is not None
    assert span is not None
    return Rule(deadband.percent / 100 * (span.high - span.low), interval_ns)


def deadband_findings(
    deadband: DeadbandSpec | None, span: RangeSpec | None, kind: ValueType, path: Path
) -> Iterator[tuple[str, Path]]:
    """Find what is wrong with the two keys of the tag at `path`."""
    if span is not None and not (span.low < span.high and math.isfinite(span.high - span.low)):
        yield f"low {span.low:g} must be below high {span.high:g}", (*path, "range")
        return
    for key, given in (("range", span), ("deadband", deadband)):
        if given is not None and not kind.is_numeric:
            yield f"{key} does not apply to a tag of type {kind}; remove it", (*path, key)
    if deadband is None:
        return
    if (deadband.absolute is None) == (deadband.percent is None):
        yield "give exactly one of absolute (in the tag's unit) and percent (of its range)", (*path, "deadband")
    elif deadband.percent is not None and span is None:
        message = "is of the tag's range, which is not declared; add `range: {low: 0, high: 100}` to the tag"
        yield message, (*path, "deadband", "percent")
