"""Small truths and alarms, in hours since the window's start."""

from __future__ import annotations

from penstock.lab.scoring.costs import CostBook, Costs
from penstock.lab.scoring.words import Alarm, Case, Episode, HOUR_ns, RulSaid, Window

BEGIN_ns = 1_767_225_600 * 1_000_000_000
PUMP, FAN = "works/hall/pump", "works/hall/fan"
COSTS = Costs(
    missed_failure=1000,
    needless_stop=100,
    inspection=10,
    planned_repair=200,
    notice_h=2.0,
    period_h=30.0,
    schedule_h=2.0,
)
BOOK = CostBook("EUR", COSTS, {})


def at(hours: float) -> int:
    return BEGIN_ns + round(hours * HOUR_ns)


def fault(
    onset_h: float,
    end_h: float | None = None,
    *,
    failed_h: float | None = None,
    foretold_h: float | None = None,
    asset: str = PUMP,
    name: str = "bearing",
    component: str = "drive-end bearing",
    kind: str = "machine",
) -> Episode:
    return Episode(
        asset,
        "plc",
        name,
        at(onset_h),
        None if end_h is None else at(end_h),
        None if failed_h is None else at(failed_h),
        None if foretold_h is None else at(foretold_h),
        kind=kind,
        component=component,
    )


def alarm(
    raised_h: float, *, asset: str = PUMP, part: str = "", number: int = 0, cleared_h: float | None = None
) -> Alarm:
    cleared = None if cleared_h is None else at(cleared_h)
    return Alarm(f"alm_{asset}_{raised_h}_{number}", asset, at(raised_h), cleared, part)


def rul(time_h: float, said_h: float, *, low_h: float | None = None, high_h: float | None = None) -> RulSaid:
    low, high = (None if each is None else each * 3600.0 for each in (low_h, high_h))
    return RulSaid(PUMP, at(time_h), said_h * 3600.0, low, high)


def case(
    *episodes: Episode, alarms: tuple[Alarm, ...] = (), ruls: tuple[RulSaid, ...] = (), hours: float = 720.0
) -> Case:
    return Case(Window(at(0), at(hours)), {PUMP: "centrifugal-pump", FAN: "fan"}, episodes, alarms, ruls)
