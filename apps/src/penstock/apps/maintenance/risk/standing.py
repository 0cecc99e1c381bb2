"""A watched asset as the fleet page ranks it: what was said of it last, as a risk. No request to the platform."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from penstock.apps.maintenance.advice.diagnosis import OR, Kind, Urgency
from penstock.apps.maintenance.judging import HEALTH
from penstock.apps.maintenance.prognosis.settings import PrognosisSettings
from penstock.apps.maintenance.risk.chance import Chance, Life, chance_of_health, chance_of_life, urged
from penstock.apps.maintenance.risk.costs import CostBook
from penstock.apps.maintenance.risk.rank import Risk, assess
from penstock.apps.maintenance.rowjudge import LIFE, LIFE_HIGH, LIFE_LOW
from penstock.apps.maintenance.watch import Watch
from penstock.sdk.models import Asset, AssetType, FailureMode

SUSPECTED: Final = "suspected_part"
COVERAGE: Final = PrognosisSettings().coverage


Modes = Mapping[tuple[str, str], FailureMode]
"""By asset type and part."""


def modes_of(types: Iterable[AssetType]) -> Modes:
    """Give the failure modes of the newest revision of each asset type; of a part with several, the first."""
    newest = {kind.name: kind for kind in sorted(types, key=lambda each: each.revision)}
    found: dict[tuple[str, str], FailureMode] = {}
    for kind in newest.values():
        for mode in kind.failure_modes.values():
            found.setdefault((kind.name, mode.part), mode)
    return found


def mode_of(modes: Modes, asset_type: str | None, suspected: str) -> FailureMode | None:
    """Give the failure mode of the part suspected; of several parts, that whose repair needs the longest notice."""
    named = (modes.get((asset_type or "", part)) for part in (suspected, *suspected.split(OR)))
    return max((mode for mode in named if mode is not None), key=lambda mode: mode.notice_h or 0.0, default=None)


def life_of(told: Mapping[str, tuple[int, float]]) -> Life | None:
    """Give the remaining life that was said last; an upper end that was said of an earlier estimate is not its."""
    if LIFE not in told or LIFE_LOW not in told:
        return None
    (time_ns, estimate), (_, low) = told[LIFE], told[LIFE_LOW]
    high_ns, high = told.get(LIFE_HIGH, (-1, 0.0))
    return Life(estimate, low, high if high_ns == time_ns else None, COVERAGE)


def chance_of(watch: Watch, notice_h: float) -> Chance | None:
    """Give the chance that it fails within its notice; None before anything was said of it."""
    if (life := life_of(watch.told)) is not None:
        return chance_of_life(life, notice_h)
    if HEALTH not in watch.told:
        return None
    chance = chance_of_health(watch.told[HEALTH][1], watch.trend.slope(notice_h / 2), notice_h)
    diagnosis = watch.newest.diagnosis if watch.newest is not None else None
    is_urgent = diagnosis is not None and diagnosis.kind is Kind.MACHINE and diagnosis.urgency is Urgency.NOW
    return urged(chance) if is_urgent else chance


def risk_of(
    watch: Watch,
    asset: Asset,
    book: CostBook,
    *,
    suspected: str = "",
    alarmed: bool = False,
    modes: Modes | None = None,
) -> Risk:
    """Give its risk; `asset` as it stands now, whose attributes say what it costs."""
    mode = mode_of(modes or {}, asset.type, suspected)
    costs = book.of(asset.type, asset.properties, mode_notice_h=mode.notice_h if mode else None)
    chance = chance_of(watch, costs.notice_h)
    return assess(asset.id, asset.path, chance=chance, costs=costs, suspected=suspected, alarmed=alarmed)
