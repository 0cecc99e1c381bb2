"""Where a machine works, against where its model has learned: operating point and regime. Pure.

Vibration, power and temperatures follow what is asked of a machine, so a model holds them against what this operating
point lets expect. Beyond what it has learned, it expects what it does at the nearest end, which is a guess: who reads a
finding must see that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from penstock.apps.maintenance.assessment import Finding
from penstock.apps.maintenance.baseline import Baseline
from penstock.apps.maintenance.channels import Channel
from penstock.apps.maintenance.detection.model import Model as StateModel
from penstock.apps.maintenance.detection.operating import MARGIN
from penstock.apps.maintenance.prognosis.regimes import Regimes


@dataclass(frozen=True, slots=True)
class Point:
    """What one channel of the operating point reads, None where nothing, and the range that was learned."""

    channel: Channel
    value: float | None
    low: float
    high: float

    @property
    def is_beyond(self) -> bool:
        """Say whether it is beyond what was learned."""
        return self.value is not None and not self.low <= self.value <= self.high

    @property
    def share(self) -> float:
        """Give where it stands from the low to the high end, held within 0 and 1."""
        wide = self.high - self.low
        return float(np.clip((self.value - self.low) / wide, 0.0, 1.0)) if self.value is not None and wide > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Regime:
    """The regime of a fleet that a machine runs in, from 1 on, of how many; None: one in which it never ran."""

    number: int | None
    count: int
    told_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operating:
    """Operating point and regime; `follows`: the channels that are held against what the point lets expect.

    `learned`: False while the model still learns its first.
    """

    points: tuple[Point, ...] = ()
    follows: tuple[str, ...] = ()
    regime: Regime | None = None
    learned: bool = True


def of_load(channel: Channel, value: float | None, learned: Baseline, follows: Sequence[Channel]) -> Operating:
    """Say where a machine that has one load stands; no point before anything is learned."""
    if not learned.n:
        return Operating(learned=False)
    point = Point(channel, value, learned.load_min, learned.load_max)
    return Operating((point,), tuple(each.name for each in follows))


def of_state(model: StateModel, channels: Sequence[Channel], findings: Sequence[Finding]) -> Operating:
    """Say where a machine stands among the drivers that its state model found."""
    read, points = _read(findings), []
    of = model.operating
    for k, driver in enumerate(of.drivers.tolist()):
        channel = channels[int(model.used[driver])]
        margin = MARGIN / (1 + 2 * MARGIN) * float(of.driver_high[k] - of.driver_low[k])
        ends = np.array([of.driver_low[k] + margin, of.driver_high[k] - margin])
        low, high = (model.centre[driver] + model.scale[driver] * ends).tolist()
        points.append(Point(channel, read.get(channel.name), low, high))
    return Operating(tuple(points), model.modelled)


def of_life(regimes: Regimes, channels: Sequence[Channel], findings: Sequence[Finding]) -> Regime | None:
    """Say in which regime of its fleet a machine runs; None where the fleet knows only one, or nothing is read."""
    read = _read(findings)
    names = tuple(channels[i].name for i in regimes.channels.tolist())
    if not any(name in read for name in names):
        return None
    row = np.array([[read.get(channel.name, np.nan) for channel in channels]])
    number = int(regimes.of_rows(row)[0])
    return Regime(number + 1 if number >= 0 else None, len(regimes), names)


def _read(findings: Sequence[Finding]) -> Mapping[str, float]:
    return {finding.channel.name: finding.value for finding in findings}
