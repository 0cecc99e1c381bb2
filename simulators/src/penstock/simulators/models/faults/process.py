"""The FaultProcess: one way in which a part goes from new (severity 0) to its functional failure (severity 1).

Two causes drive it, and they add up.

*Natural wear*, off unless the device file's `wear` is above 0. The part's life to the first damage is drawn from a
Weibull distribution with the characteristic life η (63 % have damage by then) and the shape β: β < 1 early failures,
1 chance, 1.5 rolling bearings (ISO 281: basic life L10, η = L10 · 4.48 there), 3 and more wear-out (IEC 61649). From
there to failure it takes `progress_h` hours on average: the P-F interval (Moubray 1997). Life is spent by hours of
running, times load to the power of `duty` (ISO 281: 3 for balls), times the machine's own `stress`, times `wear`.

*An injection*: after its onset severity is at least what was asked for, and grows by `growth_per_h` per hour of
running, whatever the load, so that an experiment has a known answer. A part at rest gets no worse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from penstock.simulators.models.fault import FaultKind, FaultRequest, FaultState, Law
from penstock.simulators.models.faults.growth import Growth
from penstock.simulators.models.model import Json, number_of

LOAD_MAX: Final = 1.5
"""Load above it counts as that: a machine's protection would not let it run there."""
INJECTED: Final = "/injected"
"""What the key of an injected growth ends with: its draws are not those of natural wear."""
L10_TO_CHARACTERISTIC: Final = (-math.log(0.9)) ** (-1.0 / 1.5)
"""η / L10 of a rolling bearing, Weibull slope 1.5 (ISO 281): 4.48."""


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """Describe a fault of a kind of machine; hours are of running at rated load."""

    name: str
    component: str
    kind: FaultKind = FaultKind.MACHINE
    life_h: float = 0.0
    """Characteristic life to the first damage; 0: it never comes by itself."""
    shape: float = 2.0
    progress_h: float = 1000.0
    """Mean time from the first damage to the functional failure."""
    duty: float = 1.0
    law: Law = Law.GAMMA
    calendar: bool = False
    """Also goes on while the machine stands: ageing, corrosion, drift."""
    trip: str = "failed"
    """What the machine's own protection says when the fault is complete; a PLC would show it."""


@dataclass(slots=True)
class Injection:
    """Hold a fault that was asked for, and what *clear* goes back to."""

    severity: float
    growth_per_h: float
    onset_s: float
    law: Law
    before: Growth


class FaultProcess:
    """Hold the damage of one part and let it grow."""

    def __init__(self, spec: FaultSpec, *, key: str, wear: float) -> None:
        self.spec = spec
        self.stress = 1.0
        """What the machine multiplies the natural damage by at present: dust in the air, heat, starts an hour."""
        self.running_h = 0.0
        """Hours of running since the part was new."""
        self.severity = 0.0
        self._key, self._wear = key, wear
        self._part = 0
        self._spent_h = 0.0
        self._injection: Injection | None = None
        self._renew(0)

    def _renew(self, part: int) -> None:
        self._part = part
        self._choices: dict[str, str] = {}
        self.running_h = self._spent_h = self.severity = 0.0
        self._growth = Growth(self.spec.law, 0.0, f"{self._key}/{part}")
        self._onset_h = self._draw_life()

    def _draw_life(self) -> float:
        if self.spec.life_h <= 0.0:
            return math.inf
        spent = -math.log(1.0 - self._chance("life").random())
        return float(self.spec.life_h * spent ** (1.0 / self.spec.shape))

    def choice(self, what: str, shares: Mapping[str, float]) -> str:
        """Draw a word for this very part, with the given shares; it stays until the part is replaced."""
        if what not in self._choices:
            self._choices[what] = self._chance(what).choices(list(shares), list(shares.values()))[0]
        return self._choices[what]

    def _chance(self, what: str) -> Random:
        return Random(f"{self._key}/{self._part}/{what}")  # noqa: S311  physics, not secrets

    @property
    def name(self) -> str:
        """Give the fault's name."""
        return self.spec.name

    @property
    def worn(self) -> bool:
        """Say whether natural wear has set in."""
        return self._spent_h > self._onset_h

    @property
    def active(self) -> bool:
        """Say whether the fault was asked for or has come."""
        return self._injection is not None or self.worn

    def step(self, dt_s: float, load: float) -> None:
        """Let dt_s pass at a load, 1 rated, 0 standing still."""
        hours, running = dt_s / 3600.0, load > 0.0
        self.running_h += hours if running else 0.0
        after_onset_h = self._wait(hours)
        if not running and not self.spec.calendar:
            return
        dose = after_onset_h * self._injection.growth_per_h if self._injection is not None else 0.0
        if self._wear > 0.0 and self.spec.life_h > 0.0:
            duty = min(load, LOAD_MAX) ** self.spec.duty if running else 1.0
            dose += self._spend(hours * duty * self.stress * self._wear)
        if dose > 0.0:
            self._growth.add(dose)
            self.severity = self._growth.severity

    def _wait(self, hours: float) -> float:
        """Count the onset down; give the hours that are left of these after it, and start what then begins."""
        injection = self._injection
        if injection is None:
            return 0.0
        if injection.onset_s <= 0.0:
            return hours
        injection.onset_s -= hours * 3600.0
        if injection.onset_s > 1e-6:
            return 0.0
        left_h, injection.onset_s = -injection.onset_s / 3600.0, 0.0
        self._begin(injection)
        return max(0.0, left_h)

    def _begin(self, injection: Injection) -> None:
        start = max(self.severity, injection.severity)
        self._growth = Growth(injection.law, start, f"{self._key}/{self._part}{INJECTED}")
        self.severity = start

    def _spend(self, spent_h: float) -> float:
        before = self._spent_h
        self._spent_h += spent_h
        return max(0.0, self._spent_h - max(before, self._onset_h)) / self.spec.progress_h

    def inject(self, request: FaultRequest) -> None:
        """Start a fault; a second one replaces the first, *clear* still goes back to before the first."""
        before = self._injection.before if self._injection else self._growth
        self._injection = Injection(request.severity, request.growth_per_h, request.onset_s, request.law, before)
        if request.onset_s <= 0.0:
            self._begin(self._injection)

    def clear(self) -> None:
        """Take the injected fault back as if it had never been; natural damage goes with a new part, at once."""
        if self._injection is not None:
            self._growth, self._injection = self._injection.before, None
            self.severity = self._growth.severity
        elif self.worn:
            self._renew(self._part + 1)

    def repair(self) -> None:
        """Put a new part in, which has a life of its own."""
        self._injection = None
        self._renew(self._part + 1)

    def state(self) -> FaultState:
        """Tell the truth."""
        injection = self._injection
        natural = self._wear / self.spec.progress_h if self.worn else 0.0
        growth_per_h = natural + (injection.growth_per_h if injection else 0.0)
        onset_s = injection.onset_s if injection else 0.0
        spec = self.spec
        return FaultState(spec.name, self.active, self.severity, growth_per_h, onset_s, spec.kind, spec.component)

    def save(self) -> Json:
        """Give the state as JSON."""
        injection = self._injection
        return {
            "part": self._part,
            "running_h": self.running_h,
            "spent_h": self._spent_h,
            "growth": _saved(self._growth),
            "injection": injection
            and {
                "severity": injection.severity,
                "growth_per_h": injection.growth_per_h,
                "onset_s": injection.onset_s,
                "law": injection.law,
                "before": _saved(injection.before),
            },
        }

    def load(self, state: Mapping[str, object]) -> None:
        """Take up a saved state; what is missing in it keeps its start value."""
        self._renew(int(number_of(state, "part", 0.0)))
        self.running_h = number_of(state, "running_h", 0.0)
        self._spent_h = number_of(state, "spent_h", 0.0)
        self._growth = self._loaded(state.get("growth"), "")
        given = state.get("injection")
        if isinstance(given, dict):
            self._injection = Injection(
                number_of(given, "severity", 0.0),
                number_of(given, "growth_per_h", 0.0),
                number_of(given, "onset_s", 0.0),
                _law(given.get("law"), Law.LINEAR),
                self._loaded(given.get("before"), ""),
            )
            if _is_injected(state.get("growth"), default=self._injection.onset_s <= 0.0):
                self._growth = self._loaded(state.get("growth"), INJECTED)
            else:
                self._injection.before = self._growth  # until the onset it is the growth that goes on
        self.severity = self._growth.severity

    def _loaded(self, given: object, suffix: str) -> Growth:
        growth = Growth(self.spec.law, 0.0, f"{self._key}/{self._part}{suffix}")
        if isinstance(given, dict):
            growth.law = _law(given.get("law"), self.spec.law)
            growth.start = min(1.0, max(0.0, number_of(given, "start", 0.0)))
            growth.dose = max(0.0, number_of(given, "dose", 0.0))
        return growth


def _saved(growth: Growth) -> Json:
    injected = growth.key.endswith(INJECTED)
    return {"law": growth.law, "start": growth.start, "dose": growth.dose, "injected": injected}


def _is_injected(given: object, *, default: bool) -> bool:
    found = given.get("injected", default) if isinstance(given, dict) else default
    return found is True


def _law(given: object, default: Law) -> Law:
    return Law(given) if isinstance(given, str) and given in set(Law) else default
