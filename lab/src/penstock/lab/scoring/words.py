"""The two sides of a score: what was true, and what was said. Times are ns UTC, assets are ISA-95 paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NS: Final = 1_000_000_000
HOUR_ns: Final = 3600 * NS
MONTH_ns: Final = 30 * 24 * HOUR_ns
"""An asset-month: 30 days of one asset."""


@dataclass(frozen=True, slots=True)
class TruthEvent:
    """One event of the truth store: injected, onset, step, failed, cleared, repaired."""

    time_ns: int
    device: str
    asset: str
    action: str
    fault: str
    kind: str = "machine"
    component: str = ""
    severity: float = 0.0
    cause: str = ""
    rul_s: float | None = None
    """Of what was cleared or repaired: the life that the growth law had left."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One fault of one asset, from its onset to its repair or clearing.

    `end_ns` None: it was still there when the truth ends. `failed_ns`: the moment of failure, if it came.
    `foretold_ns`: the failure by the growth law, where it did not come because somebody repaired or the truth ends.
    """

    asset: str
    device: str
    fault: str
    onset_ns: int
    end_ns: int | None = None
    failed_ns: int | None = None
    foretold_ns: int | None = None
    kind: str = "machine"
    component: str = ""

    @property
    def life_ends_ns(self) -> int | None:
        """Give the failure as it came, else as the law foretells it."""
        return self.failed_ns if self.failed_ns is not None else self.foretold_ns

    def is_live(self, time_ns: int) -> bool:
        """Say whether the damage is there: onset <= time < end."""
        return self.onset_ns <= time_ns and (self.end_ns is None or time_ns < self.end_ns)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm as the platform gave it, from normal to normal. `part`: what it names as broken, empty for nothing.

    A part `sensor:NAME` or `communication:NAME` says that not the machine is broken but what measures or tells it.
    """

    id: str
    asset: str
    raised_ns: int
    cleared_ns: int | None = None
    part: str = ""
    rule: str = ""

    @property
    def kind(self) -> str:
        """Give what the alarm says is broken: machine, sensor, communication; empty where it names no part."""
        first, colon, _ = self.part.partition(":")
        return "" if not self.part else first if colon and first in ("sensor", "communication") else "machine"


@dataclass(frozen=True, slots=True)
class RulSaid:
    """A remaining useful life that was said of an asset at a moment, in seconds, with its interval where it has one."""

    asset: str
    time_ns: int
    rul_s: float
    low_s: float | None = None
    high_s: float | None = None


@dataclass(frozen=True, slots=True)
class HealthSaid:
    """A health index that was said of an asset: 100 as new, 0 at the end."""

    asset: str
    time_ns: int
    value: float


@dataclass(frozen=True, slots=True)
class Window:
    """The span that is scored, start <= time < end."""

    start_ns: int
    end_ns: int

    def holds(self, time_ns: int) -> bool:
        """Say whether a time lies in it."""
        return self.start_ns <= time_ns < self.end_ns


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that one score is made of. `assets`: path → asset type, of all that the truth watched.

    `machines`: those that can fail; policies maintain them. `watched`: those that the platform's analytics look at,
    whose healthy time false alarms are counted over. None: all assets.
    """

    window: Window
    assets: Mapping[str, str]
    episodes: tuple[Episode, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    ruls: tuple[RulSaid, ...] = ()
    health: tuple[HealthSaid, ...] = ()
    machines: frozenset[str] | None = None
    watched: frozenset[str] | None = None
