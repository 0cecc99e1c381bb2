"""The four policies of maintenance: what each does about the faults of a machine, and what it pays.

Each event costs one failure or one planned repair, which makes the machine as new.

* *run to failure*: every event is a missed failure.
* *periodic*: each asset is overhauled every `period_h` of the window, a planned repair each time. An overhaul at onset
  <= t < end of life saves the machine; every other event is a missed failure.
* *condition-based*: the alarms are followed. Each event's first alarm and each false alarm (joined, see `detection`)
  sends an inspection. An event whose first alarm leaves at least `notice_h` costs a planned repair, every other a
  missed failure. An inspection finds a sensor's fault as such.
* *predictive*: an alarm begins a prognosis (ISO 13381-1: diagnosis comes first); while none stands, a life that is
  said counts for nothing. An alarm that names a sensor or a wire sends an inspection, which finds the machine's fault
  where there is one; any other is believed unseen. While a believed alarm stands, a repair is ordered as soon as the
  life, its lower bound where it has one, is down to `notice_h` and `schedule_h` together: what does not last until the
  schedule after this one. The repair is done `notice_h` later, and no other order for the asset is given before. An
  event is ordered once: done before its end of life it costs a planned repair, else it is a missed failure. An order
  while no machine fault is there, nor was one within `after_s` before, is a needless stop, and its alarm is not
  believed again. Left out where no life was ever said.

Only machines are maintained. What a repair in time gives away of the part's life is not counted. Costs are the asset
type's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from penstock.lab.scoring.costs import Costs
from penstock.lab.scoring.detection import Matched, Rules
from penstock.lab.scoring.words import NS, Alarm, Case, Episode, HOUR_ns, RulSaid


@dataclass(frozen=True, slots=True)
class Bill:
    """How often each thing was paid for, and the sum."""

    failures: int = 0
    planned: int = 0
    needless: int = 0
    inspections: int = 0
    total: float = 0.0

    def __add__(self, other: Bill) -> Bill:
        return Bill(
            self.failures + other.failures,
            self.planned + other.planned,
            self.needless + other.needless,
            self.inspections + other.inspections,
            self.total + other.total,
        )


@dataclass(frozen=True, slots=True)
class Ground:
    """What every bill is worked out from."""

    case: Case
    matched: Matched
    rules: Rules
    decided: Mapping[str, Sequence[Episode]]
    ruls: Mapping[str, Sequence[RulSaid]]
    alarms: Mapping[str, Sequence[Alarm]]


def _bill(costs: Costs, *, failures: int = 0, planned: int = 0, needless: int = 0, inspections: int = 0) -> Bill:
    total = failures * costs.missed_failure + planned * costs.planned_repair
    total += needless * costs.needless_stop + inspections * costs.inspection
    return Bill(failures, planned, needless, inspections, total)


def run_to_failure(ground: Ground, asset: str, costs: Costs) -> Bill:
    """Bill what waits for each failure."""
    return _bill(costs, failures=len(ground.decided.get(asset, ())))


def periodic(ground: Ground, asset: str, costs: Costs) -> Bill:
    """Bill what overhauls at a fixed interval."""
    window = ground.case.window
    period_ns = max(1, round(costs.period_h * HOUR_ns))
    overhauls = (window.end_ns - 1 - window.start_ns) // period_ns
    failures = 0
    for each in ground.decided.get(asset, ()):
        number = max(1, -((window.start_ns - each.onset_ns) // period_ns))
        failures += window.start_ns + number * period_ns >= (each.life_ends_ns or 0)
    return _bill(costs, failures=failures, planned=overhauls)


def condition_based(ground: Ground, asset: str, costs: Costs) -> Bill:
    """Bill what follows the alarms."""
    own = ground.decided.get(asset, ())
    failures = planned = 0
    found = [each for each in ground.matched.findings if each.episode.asset == asset]
    for finding in found:
        if finding.episode in own:
            in_time = finding.lead_s is not None and finding.lead_s >= costs.notice_h * 3600.0
            planned, failures = planned + in_time, failures + (not in_time)
    decided = [each for each in found if each.episode in own or each.episode.kind != "machine"]
    inspections = sum(each.first is not None for each in decided)
    inspections += sum(group[0].asset == asset for group in ground.matched.false)
    return _bill(costs, failures=failures, planned=planned, inspections=inspections)


def predictive(ground: Ground, asset: str, costs: Costs) -> Bill:
    """Bill what follows the alarms and the life said."""
    case, own = ground.case, ground.decided.get(asset, ())
    machine = [each for each in case.episodes if each.asset == asset and each.kind == "machine"]
    crew = _Crew(machine, round(costs.notice_h * HOUR_ns), round(ground.rules.after_s * NS))
    low = _low_times(ground, asset, costs)
    inspections = 0
    for alarm in sorted(ground.alarms.get(asset, ()), key=lambda each: each.raised_ns):
        if alarm.kind in ("sensor", "communication"):
            inspections += case.window.holds(alarm.raised_ns)
            if not any(each.is_live(alarm.raised_ns) for each in machine):
                continue
        end_ns = case.window.end_ns if alarm.cleared_ns is None else alarm.cleared_ns
        crew.believe(time_ns for time_ns in low if alarm.raised_ns <= time_ns < end_ns)
    kept = sum(each in crew.saved for each in own)
    return _bill(costs, failures=len(own) - kept, planned=kept, needless=crew.needless, inspections=inspections)


class _Crew:
    """Orders of one machine: which of its faults were saved, and how often it was stopped needlessly."""

    def __init__(self, machine: Sequence[Episode], notice_ns: int, after_ns: int) -> None:
        self._machine, self._notice_ns, self._after_ns = machine, notice_ns, after_ns
        self._ordered: set[Episode] = set()
        self._busy_until_ns: int | None = None
        self.saved: set[Episode] = set()
        self.needless = 0

    def believe(self, low: Iterable[int]) -> None:
        """Order at the times at which the life is low while one alarm stands, until an order was needless."""
        for time_ns in low:
            if self._busy_until_ns is not None and time_ns < self._busy_until_ns:
                continue
            live = {each for each in self._machine if each.is_live(time_ns)}
            due = [each for each in live - self._ordered if each.life_ends_ns is None or time_ns < each.life_ends_ns]
            if not due and (live or self._is_just_repaired(time_ns)):
                continue
            self._busy_until_ns = time_ns + self._notice_ns
            if not due:
                self.needless += 1
                return
            self._ordered.update(due)
            self.saved.update(one for one in due if one.life_ends_ns and self._busy_until_ns <= one.life_ends_ns)

    def _is_just_repaired(self, time_ns: int) -> bool:
        return any(each.end_ns and 0 <= time_ns - each.end_ns < self._after_ns for each in self._machine)


def _low_times(ground: Ground, asset: str, costs: Costs) -> list[int]:
    """Give the times at which the life said is low enough for an order."""
    bound_s = (costs.notice_h + costs.schedule_h) * 3600.0
    own = [each for each in ground.ruls.get(asset, ()) if ground.case.window.holds(each.time_ns)]
    return sorted(one.time_ns for one in own if (one.rul_s if one.low_s is None else one.low_s) <= bound_s)
