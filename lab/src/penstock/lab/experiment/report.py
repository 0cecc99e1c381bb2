"""The experiment's tables: a line for each kind of machine, one for all, and what each policy would have cost."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from penstock.lab.scoring.costs import CostBook
from penstock.lab.scoring.detection import Finding, Rules, figures, match
from penstock.lab.scoring.money import Money, money_of_all
from penstock.lab.scoring.naming import names
from penstock.lab.scoring.prognosis import Prognosis, prognosis
from penstock.lab.scoring.words import Case

LEAD_MIN: Final = 0.2
"""Of the time from onset to failure that an alarm must leave, for its event to count as found."""
NONE: Final = "–"


@dataclass(frozen=True, slots=True)
class Line:
    """Figures of some machines. Machine faults: how many, found in time, the leads as shares; of all faults that raised
    an alarm: whether machine or sensor was told, and of machine faults whether the part was.
    """

    name: str
    machines: int
    faults: int
    found: int
    false: int
    months: float
    leads: tuple[float, ...]
    sensors: int
    sensors_found: int
    alarmed: int
    kind_right: int
    part_right: int
    machine_alarmed: int
    life: Prognosis

    @property
    def recall(self) -> float | None:
        """Give the share of machine faults that were found with the lead that is asked for."""
        return self.found / self.faults if self.faults else None

    @property
    def precision(self) -> float | None:
        """Give found machine faults over those and false alarms."""
        return self.found / (self.found + self.false) if self.found + self.false else None


def line_of(name: str, case: Case, rules: Rules | None = None) -> Line:
    """Count one case."""
    matched = match(case, rules)
    machine = [each for each in matched.findings if each.episode.kind == "machine"]
    sensor = [each for each in matched.findings if each.episode.kind != "machine"]
    alarmed = [each for each in matched.findings if each.first is not None]
    in_time = [each for each in machine if is_found(each)]
    return Line(
        name,
        len(case.assets),
        len(machine),
        len(in_time),
        len(matched.false),
        figures(matched, case).healthy_asset_months,
        tuple(each.lead_share for each in in_time if each.lead_share is not None),
        len(sensor),
        sum(each.first is not None for each in sensor),
        len(alarmed),
        sum(each.first is not None and each.first.kind == each.episode.kind for each in alarmed),
        sum(each.first is not None and names(each.first.part, each.episode) for each in machine),
        sum(each.first is not None for each in machine),
        prognosis(case),
    )


def is_found(finding: Finding) -> bool:
    """Say whether an alarm that names the asset came with the lead that is asked for."""
    share = finding.lead_share
    return finding.detected and share is not None and share >= LEAD_MIN


def joined(lines: Sequence[Line], cases: Sequence[Case]) -> Line:
    """Add lines up; the remaining life is that of all their points."""
    whole = Case(
        max((case.window for case in cases), key=lambda window: window.end_ns),
        {path: kind for case in cases for path, kind in case.assets.items()},
        tuple(each for case in cases for each in case.episodes),
        ruls=tuple(each for case in cases for each in case.ruls),
    )

    def total(of: Callable[[Line], int]) -> int:
        return sum(of(line) for line in lines)

    return Line(
        "all",
        total(lambda line: line.machines),
        total(lambda line: line.faults),
        total(lambda line: line.found),
        total(lambda line: line.false),
        sum(line.months for line in lines),
        tuple(share for line in lines for share in line.leads),
        total(lambda line: line.sensors),
        total(lambda line: line.sensors_found),
        total(lambda line: line.alarmed),
        total(lambda line: line.kind_right),
        total(lambda line: line.part_right),
        total(lambda line: line.machine_alarmed),
        prognosis(whole),
    )


def report(named: Sequence[tuple[str, Case]], book: CostBook) -> Iterator[str]:
    """Give the tables in Markdown."""
    cases = [case for _, case in named]
    lines = [line_of(name, case) for name, case in named]
    yield (
        "| kind | machines | machine faults | found in time | precision | lead, share of life | false alarms a month "
        "| sensor faults found | machine or sensor told | part named | life: MAE h | coverage |"
    )
    yield "|" + "---|" * 12
    for line in [*lines, joined(lines, cases)]:
        yield _row(line)
    yield ""
    yield from _bills(money_of_all([(case, match(case)) for case in cases], book))


def _row(line: Line) -> str:
    lead = statistics.median(line.leads) if line.leads else None
    life = line.life
    cells = [
        line.name,
        str(line.machines),
        str(line.faults),
        f"{line.found} ({_percent(line.recall)})",
        _percent(line.precision),
        _percent(lead),
        f"{line.false} ({line.false / line.months:.1f})" if line.months else NONE,
        f"{line.sensors_found} of {line.sensors}",
        _percent(line.kind_right / line.alarmed if line.alarmed else None),
        _percent(line.part_right / line.machine_alarmed if line.machine_alarmed else None),
        f"{life.mae_s / 3600:.2f}" if life.mae_s is not None else NONE,
        _percent(life.coverage),
    ]
    return "| " + " | ".join(cells) + " |"


def _bills(money: Money) -> Iterator[str]:
    yield f"| policy | failures | planned | needless | inspected | {money.currency} |"
    yield "|" + "---|" * 6
    for name in (each for group in money.order for each in group):
        bill = money.bills[name]
        counts = f"{bill.failures} | {bill.planned} | {bill.needless} | {bill.inspections}"
        yield f"| {name} | {counts} | {bill.total:,.0f} |"
    yield ""
    yield f"{money.events} machine faults; by cost: {_ranked(money)}"
    for what, order in money.sensitivity.items():
        same = order == money.order
        yield f"- {what}: {'the same' if same else ' < '.join(' = '.join(group) for group in order)}"


def _ranked(money: Money) -> str:
    return " < ".join(" = ".join(group) for group in money.order)


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.0f} %"
