"""What maintenance would have cost by four policies, on the same faults: bills, their sums, and who is cheapest.

What each policy does and pays for: `policies`. Only machine faults whose onset lies in the window cost a failure, and
only those whose end of life (the failure as it came, else as the growth law foretells it) lies in it too: what ends
after the window is undecided, and left out of every policy alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from penstock.lab.scoring.costs import ITEMS, CostBook
from penstock.lab.scoring.detection import Matched, Rules
from penstock.lab.scoring.policies import Bill, Ground, condition_based, periodic, predictive, run_to_failure
from penstock.lab.scoring.words import Alarm, Case, Episode, RulSaid

Order = tuple[tuple[str, ...], ...]
"""Policies from the cheapest; those that cost the same stand together."""
Of = TypeVar("Of", Episode, RulSaid, Alarm)
FACTORS: Final = (3.0, 1.0 / 3.0)


@dataclass(frozen=True, slots=True)
class Money:
    """Bills by policy, their order from the cheapest, and that order with each cost times 3 and by 3."""

    currency: str
    events: int
    undecided: int
    bills: Mapping[str, Bill]
    order: Order
    sensitivity: Mapping[str, Order]


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
        grounds.append(
            Ground(case, matched, rules or Rules(), _by_asset(decided), _by_asset(case.ruls), _by_asset(case.alarms))
        )
    bills = _added(grounds, book)
    varied = {
        f"{item} {'× 3' if factor > 1 else '÷ 3'}": _order(_added(grounds, book.scaled(item, factor)))
        for item in ITEMS
        for factor in FACTORS
    }
    events = sum(len(own) for ground in grounds for own in ground.decided.values())
    return Money(book.currency, events, undecided, bills, _order(bills), varied)


def _added(grounds: Sequence[Ground], book: CostBook) -> dict[str, Bill]:
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


def _bills(ground: Ground, book: CostBook) -> dict[str, Bill]:
    policies = {"run to failure": run_to_failure, "periodic": periodic, "condition-based": condition_based}
    if ground.case.ruls:
        policies["predictive"] = predictive
    case = ground.case
    priced = [
        (asset, book.of(kind)) for asset, kind in case.assets.items() if case.machines is None or asset in case.machines
    ]
    return {
        name: sum((bill(ground, asset, costs) for asset, costs in priced), Bill()) for name, bill in policies.items()
    }
