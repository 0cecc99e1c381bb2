"""The score as a table for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from penstock.core.times import format_rfc3339_ns
from penstock.lab.scoring.money import Money, Order
from penstock.lab.scoring.prognosis import Prognosis
from penstock.lab.scoring.score import Score

NONE = "–"


def table(made: Score) -> Iterator[str]:
    """Give the lines."""
    window = made.case.window
    span = f"{format_rfc3339_ns(window.start_ns)[:19]} to {format_rfc3339_ns(window.end_ns)[:19]} UTC"
    yield f"{span}, {len(made.case.assets)} assets, {len(made.findings)} events, {len(made.case.alarms)} alarms"
    yield ""
    yield from _events(made)
    yield from _detection(made)
    yield from _prognosis(made.prognosis)
    yield from _money(made.money)


def _events(made: Score) -> Iterator[str]:
    if not made.findings:
        return
    yield f"{'asset':<24} {'fault':<18} {'onset':<19} {'alarm after':>11} {'lead':>9} {'of life':>7}  names"
    for each in made.findings:
        episode, first = each.episode, each.first
        said = "not found" if first is None else "too late" if not each.detected else first.part or "no part"
        onset = format_rfc3339_ns(episode.onset_ns)[:19]
        yield (
            f"{episode.asset.rsplit('/', 1)[-1]:<24} {episode.fault:<18} {onset:<19} {_span(each.delay_s):>11} "
            f"{_span(each.lead_s):>9} {_share(each.lead_share):>7}  {said}"
        )
    yield ""


def _detection(made: Score) -> Iterator[str]:
    found = made.detection
    heads = f"{'recall':>7} {'precision':>9} {'lead':>9} {'of life':>7} {'delay':>9}"
    yield f"{'fault':<18} {'events':>6} {'found':>6} {heads}"
    for name, one in found.per_fault.items():
        yield (
            f"{name:<18} {one.events:>6} {one.detected:>6} {_share(one.recall):>7} {_share(one.precision):>9} "
            f"{_span(one.lead_median_s):>9} {_share(one.lead_share_median):>7} {_span(one.delay_median_s):>9}"
        )
    yield (
        f"{'all':<18} {found.events:>6} {found.detected:>6} {_share(found.recall):>7} {_share(found.precision):>9} "
        f"{_span(found.lead_median_s):>9} {_share(found.lead_share_median):>7} {_span(found.delay_median_s):>9}"
    )
    yield (
        f"false alarms {found.false_alarms}, {_number(found.false_per_asset_month)} per asset-month "
        f"(over {found.healthy_asset_months:.3g} healthy asset-months); too late {found.late}; "
        f"left out: {made.ignored_alarms} just after a fault or of one before the window, "
        f"{made.foreign_alarms} of assets without truth"
    )
    part = made.isolation
    named = f"{_share(part.accuracy)} right ({_share(part.accuracy_of_named)} of the {part.named} that name one)"
    kinds = f"{_share(part.kind_accuracy)} ({_share(part.kind_accuracy_of_named)})"
    yield f"part named {named}; machine, sensor or wire {kinds}"
    index = made.health
    if index.healthy_points or index.faulty_points:
        medians = (
            f"median {_number(index.healthy_median)} healthy, {_number(index.faulty_median)} late in a fault's life"
        )
        yield f"health index: {medians}; AUC {_number(index.auc)}"
    yield ""


def _prognosis(made: Prognosis) -> Iterator[str]:
    if not made.points:
        yield "remaining useful life: nothing was said while a machine fault with a known end was there"
        yield ""
        return
    heads = f"{'MAE':>9} {'RMSE':>9} {'bias':>9} {'NASA mean':>10} {'coverage':>8} {'width':>9}"
    yield f"{'remaining life':<18} {'points':>7} {heads}"
    for name, one in (*made.per_fault.items(), ("all", made)):
        yield (
            f"{name:<18} {one.points:>7} {_span(one.mae_s):>9} {_span(one.rmse_s):>9} {_span(one.bias_s):>9} "
            f"{_number(one.nasa_score_mean):>10} {_share(one.coverage):>8} {_span(one.width_median_s):>9}"
        )
    yield ""


def _money(made: Money) -> Iterator[str]:
    yield f"{'policy':<18} {'failures':>8} {'planned':>8} {'needless':>8} {'inspected':>9} {made.currency:>12}"
    for name in (each for group in made.order for each in group):
        bill = made.bills[name]
        done = f"{bill.failures:>8} {bill.planned:>8} {bill.needless:>8} {bill.inspections:>9}"
        yield f"{name:<18} {done} {bill.total:>12,.0f}"
    undecided = f"; {made.undecided} more end after the window" if made.undecided else ""
    yield f"{made.events} {'event' if made.events == 1 else 'events'}{undecided}; order by cost: {_ranked(made.order)}"
    for what, order in made.sensitivity.items():
        same = "the same" if order == made.order else _ranked(order)
        yield f"  {what:<20} {same}"


def _ranked(order: Order) -> str:
    return " < ".join(" = ".join(group) for group in order)


def _span(time_s: float | None) -> str:
    """Give a time with the unit that suits it."""
    if time_s is None:
        return NONE
    if math.isinf(time_s):
        return "open"
    size = abs(time_s)
    for unit, seconds in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if size >= 2 * seconds:
            return f"{time_s / seconds:.1f} {unit}"
    return f"{time_s:.0f} s"


def _share(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.0f} %"


def _number(number: float | None) -> str:
    return NONE if number is None else f"{number:.3g}"
