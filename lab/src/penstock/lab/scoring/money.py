"""What maintenance would have cost by four policies, on the same faults.

Only machine faults whose onset lies in the window cost a failure, and only those whose end of life (the failure as it
came, else as the growth law foretells it) lies in it too: what ends after the window is undecided, and left out of
every policy alike. Each event costs one failure or one planned repair, which makes the machine as new.

* *run to failure*: every event is a missed failure.
* *periodic*: each asset is overhauled every `period_h` of the window, a planned repair each time. An overhaul at onset
  <= t < end of life saves the machine; every other event is a missed failure.
* *condition-based*: the alarms are followed. Each event's first alarm and each false alarm (joined, see `detection`)
  sends an inspection. An event whose first alarm leaves at least `notice_h` costs a planned repair, every other a
  missed failure. An inspection finds a sensor's fault as such.
* *predictive*: the remaining useful life is followed, its lower bound where it has one. When it falls to twice
  `notice_h` a repair is ordered, done `notice_h` later; no other order for the asset is given before. An event is
  ordered once: done before its end of life it costs a planned repair, else it is a missed failure. An order while no
  machine fault is there, nor was one within `after_s` before, is a needless stop. Left out where no life was ever said.

Only machines are maintained. What a repair in time gives away of the part's life is not counted. Costs are the asset
type's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from penstock.lab.scoring.costs import ITEMS, CostBook, Costs
from penstock.lab.scoring.detection import Matched, Rules
from penstock.lab.scoring.words import NS, Case, Episode, HOUR_ns, RulSaid

Order = tuple[tuple[str, ...], ...]
"""Policies from the cheapest; those that cost the same stand together."""
Of = TypeVar("Of", Episode, RulSaid)
FACTORS: Final = (3.0, 1.0 / 3.0)
ORDER_AT: Final = 2.0
"""A repair is ordered when the life said is so many times the notice."""


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
class Money:
    """Bills by policy, their order from the cheapest, and that order with each cost times 3 and by 3."""

    currency: str
    events: int
    undecided: int
    bills: Mapping[str, Bill]
    order: Order
    sensitivity: Mapping[str, Order]


@dataclass(frozen=True, slots=True)
class _Ground:
    """What every bill is worked out from."""

    case: Case
    matched: Matched
    rules: Rules
    decided: Mapping[str, Sequence[Episode]]
    ruls: Mapping[str, Sequence[RulSaid]]


def money(case: Case, matched: Matched, book: CostBook, *, rules: Rules | None = None) -> Money:
    """Work the bills out."""
    return money_of_all([(case, matched)], book, rules=rules)


def money_of_all(cases: Sequence[tuple[Case, Matched]], book: CostBook, *, rules: Rules | None = None) -> Money:
    """Work the bills of several cases out, each over its own window, and add them up."""
    grounds, undecided = [], 0
    for case, matched in cases:
        machine = [each for each in case.episodes if each.kind == "machine" and case.window.holds(each.onset_ns)]
        decided = [each for each in machine if each.life_ends_ns is not None and case.window.holds(each.life_ends_ns)]
        undecided += len(machine) - len(decided)
        grounds.append(_Ground(case, matched, rules or Rules(), _by_asset(decided), _by_asset(case.ruls)))
    bills = _added(grounds, book)
    varied = {
        f"{item} {'× 3' if factor > 1 else '÷ 3'}": _order(_added(grounds, book.scaled(item, factor)))
        for item in ITEMS
        for factor in FACTORS
    }
    events = sum(len(own) for ground in grounds for own in ground.decided.values())
    return Money(book.currency, events, undecided, bills, _order(bills), varied)


def _added(grounds: Sequence[_Ground], book: CostBook) -> dict[str, Bill]:
    """Give the sum of the bills of each policy; of those alone that every case has."""
    each = [_bills(ground, book) for ground in grounds]
    names = [name for name in each[0] if all(name in bills for bills in each)] if each else []
    return {name: sum((bills[name] for bills in each), Bill()) for name in names}


def _by_asset(items: Iterable[Of]) -> dict[str, list[Of]]:
    found: dict[str, list[Of]] = {}
    for each in items:
        found.setdefault(each.asset, []).append(each)
    return found


def _order(bills: Mapping[str, Bill]) -> Order:
    groups: dict[float, list[str]] = {}
    for name in sorted(bills):
        groups.setdefault(round(bills[name].total, 6), []).append(name)
    return tuple(tuple(groups[total]) for total in sorted(groups))


def _bills(ground: _Ground, book: CostBook) -> dict[str, Bill]:
    policies = {"run to failure": _run_to_failure, "periodic": _periodic, "condition-based": _condition_based}
    if ground.case.ruls:
        policies["predictive"] = _predictive
    case = ground.case
    priced = [
        (asset, book.of(kind)) for asset, kind in case.assets.items() if case.machines is None or asset in case.machines
    ]
    return {
        name: sum((bill(ground, asset, costs) for asset, costs in priced), Bill()) for name, bill in policies.items()
    }


def _bill(costs: Costs, *, failures: int = 0, planned: int = 0, needless: int = 0, inspections: int = 0) -> Bill:
    total = failures * costs.missed_failure + planned * costs.planned_repair
    total += needless * costs.needless_stop + inspections * costs.inspection
    return Bill(failures, planned, needless, inspections, total)


def _run_to_failure(ground: _Ground, asset: str, costs: Costs) -> Bill:
    return _bill(costs, failures=len(ground.decided.get(asset, ())))


def _periodic(ground: _Ground, asset: str, costs: Costs) -> Bill:
    window = ground.case.window
    period_ns = max(1, round(costs.period_h * HOUR_ns))
    overhauls = (window.end_ns - 1 - window.start_ns) // period_ns
    failures = 0
    for each in ground.decided.get(asset, ()):
        number = max(1, -((window.start_ns - each.onset_ns) // period_ns))
        failures += window.start_ns + number * period_ns >= (each.life_ends_ns or 0)
    return _bill(costs, failures=failures, planned=overhauls)


def _condition_based(ground: _Ground, asset: str, costs: Costs) -> Bill:
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


def _predictive(ground: _Ground, asset: str, costs: Costs) -> Bill:
    case, own = ground.case, ground.decided.get(asset, ())
    notice_ns, after_ns = round(costs.notice_h * HOUR_ns), round(ground.rules.after_s * NS)
    machine = [each for each in case.episodes if each.asset == asset and each.kind == "machine"]
    ordered: set[Episode] = set()
    saved: set[Episode] = set()
    needless, busy_until_ns = 0, case.window.start_ns
    for time_ns in _low_times(ground, asset, costs):
        if time_ns < busy_until_ns:
            continue
        live = {each for each in machine if each.is_live(time_ns)}
        new = {each for each in live - ordered if each.life_ends_ns is None or time_ns < each.life_ends_ns}
        if new:
            ordered |= new
            saved |= {each for each in new if each.life_ends_ns and time_ns + notice_ns <= each.life_ends_ns}
        elif not live and not any(each.end_ns and 0 <= time_ns - each.end_ns < after_ns for each in machine):
            needless += 1
        else:
            continue
        busy_until_ns = time_ns + notice_ns
    kept = sum(each in saved for each in own)
    return _bill(costs, failures=len(own) - kept, planned=kept, needless=needless)


def _low_times(ground: _Ground, asset: str, costs: Costs) -> list[int]:
    """Give the times at which the life said is low enough for an order."""
    bound_s = ORDER_AT * costs.notice_h * 3600.0
    own = [each for each in ground.ruls.get(asset, ()) if ground.case.window.holds(each.time_ns)]
    return sorted(one.time_ns for one in own if (one.rul_s if one.low_s is None else one.low_s) <= bound_s)
