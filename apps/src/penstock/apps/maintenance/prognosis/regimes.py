"""Operating regimes: found where channels keep to a few levels that explain the other channels and not the wear.

A channel tells regimes when its values fall into separate clumps, each visited early and late in the lives alike (a
counter that creeps up with wear is none), and when the clumps explain most of the variance of some other channel (a
sensor that flickers between two digits is none). The clumps of such channels, the tightest first, joined, are the
regimes; a row belongs to the nearest. Nothing is asked of names, units or the order of channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from penstock.apps.maintenance.prognosis.runs import Floats, Ints

GAP_SHARE: Final = 0.05
"""Of a channel's range: an empty stretch that parts two clumps."""
SPREAD_MAX: Final = 0.1
"""Of a channel's range: wider clumps part no regimes further."""
DRIFT_MAX: Final = 0.15
"""Total variation between the shares of clumps in the first and in the last third of the lives."""
EXPLAINED_MIN: Final = 0.5
"""Of some other channel's variance, that the clumps explain: a regime shows in more than the channel that parts it."""
SAMPLE_ROWS: Final = 20_000
"""Of all runs together: clumps need no more, and finding them costs n log n."""
REGIMES_MAX: Final = 64
"""More are no regimes but a channel that is quantised."""


@dataclass(frozen=True, slots=True)
class Regimes:
    """Centres (k, r) over the `r` channels that tell them, in units of `span` (r,); rows beyond `reach` are of none.

    Without such channels there is one regime, and every row is of it.
    """

    channels: Ints
    span: Floats
    centres: Floats
    reach: float

    def __len__(self) -> int:
        return len(self.centres)

    def of_rows(self, values: Floats) -> Ints:
        """Give per row (n, c) its regime, −1 where it is of none that was seen."""
        if not len(self.channels):
            return np.zeros(len(values), np.int64)
        at = values[:, self.channels] / self.span
        away = np.stack([_farthest(at, centre) for centre in self.centres], axis=1)
        nearest = away.argmin(axis=1)
        known = away[np.arange(len(at)), nearest] <= self.reach
        return np.where(known, nearest, -1).astype(np.int64)


def _farthest(at: Floats, centre: Floats) -> Floats:
    """Give the largest distance over the channels that were read; infinite where none was."""
    away = np.abs(at - centre)
    missing = np.isnan(away)
    worst: Floats = np.where(missing, 0.0, away).max(axis=1)
    return np.where(missing.all(axis=1), np.inf, worst)


ONE: Final = Regimes(np.empty(0, np.int64), np.empty(0), np.empty((1, 0)), np.inf)


def find_regimes(runs: Sequence[Floats], share: float) -> Regimes:
    """Find the regimes of runs (n_i, c), each holding at least `share` of the rows; one where nothing tells more."""
    values, life = _sampled(runs)
    clumps = {j: labels for j in range(values.shape[1]) if (labels := _clumps(values[:, j], share)) is not None}
    telling = [j for j, labels in clumps.items() if _steady(labels, life) and _explains(labels, values, own=j)]
    if not telling:
        return ONE
    telling, which, whole = _joined(telling, clumps, values, least=share * len(values) / 2)
    if not 1 < len(whole) <= REGIMES_MAX:
        return ONE
    channels = np.array(telling, np.int64)
    span = np.nanmax(values[:, channels], axis=0) - np.nanmin(values[:, channels], axis=0)
    centres = np.stack([np.nanmedian(values[which == i][:, channels], axis=0) for i in whole]) / span
    return Regimes(channels, span, centres, _reach(centres))


def _joined(
    telling: Sequence[int], clumps: dict[int, Ints], values: Floats, *, least: float
) -> tuple[list[int], Ints, Ints]:
    """Join the clumps of channels, the tightest first, others only where they part what was one.

    Wear drives a sensor's readings out of its clumps, a setting's not. Give the channels that were taken, per row a
    number of its joint clump, and the numbers of those with at least `least` rows.
    """
    spread = {j: _spread(values[:, j], clumps[j]) for j in telling}
    taken: list[int] = []
    which, whole = np.zeros(len(values), np.int64), np.zeros(1, np.int64)
    for j in sorted(telling, key=lambda j: spread[j]):
        if taken and spread[j] > SPREAD_MAX:
            break
        labels = np.stack([clumps[i] for i in [*taken, j]], axis=1)
        joint, finer, count = np.unique(labels, axis=0, return_inverse=True, return_counts=True)
        kept = np.flatnonzero((joint >= 0).all(axis=1) & (count >= least))
        if len(kept) > len(whole):
            taken, which, whole = [*taken, j], finer, kept
    return taken, which, whole


def _spread(column: Floats, labels: Ints) -> float:
    """Give the widest clump, from its 1st to its 99th percentile, as a share of the channel's range."""
    widths = [np.ptp(np.quantile(column[labels == k], [0.01, 0.99])) for k in np.unique(labels[labels >= 0])]
    return float(max(widths) / np.ptp(column[labels >= 0]))


def _reach(centres: Floats) -> float:
    apart = np.abs(centres[:, None] - centres[None]).max(axis=2)
    return float(apart[~np.eye(len(centres), dtype=bool)].min()) / 2


def _sampled(runs: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Give rows of all runs, evenly thinned, and where in its run each stands (0 to 1)."""
    stride = max(1, sum(len(run) for run in runs) // SAMPLE_ROWS)
    values = np.vstack([run[::stride] for run in runs])
    life = np.concatenate([np.arange(0, len(run), stride) / max(len(run) - 1, 1) for run in runs])
    return values, life


def _clumps(column: Floats, share: float) -> Ints | None:
    """Give per row its clump, −1 where nothing was read; None where the channel falls into fewer than two."""
    read = np.isfinite(column)
    ordered = np.sort(column[read])
    if len(ordered) < 2 / share or ordered[-1] - ordered[0] <= 1e-9 * np.abs(ordered[[0, -1]]).max():
        return None
    low, high = np.quantile(ordered, [share / 10, 1 - share / 10])
    breaks = np.flatnonzero(np.diff(ordered) > GAP_SHARE * (high - low)) + 1
    cuts: list[float] = []
    before = 0
    for at in breaks.tolist():
        if min(at - before, len(ordered) - at) >= share * len(ordered):
            cuts.append(float(ordered[at - 1] + ordered[at]) / 2)
            before = at
    if not cuts or high <= low:
        return None
    return np.where(read, np.searchsorted(cuts, column), -1).astype(np.int64)


def _steady(labels: Ints, life: Floats) -> bool:
    """Say whether each clump is visited as often early as late."""
    early, late = labels[(life < 1 / 3) & (labels >= 0)], labels[(life > 2 / 3) & (labels >= 0)]
    if not len(early) or not len(late):
        return False
    size = int(labels.max()) + 1
    shares = [np.bincount(part, minlength=size) / len(part) for part in (early, late)]
    return float(np.abs(shares[0] - shares[1]).sum()) / 2 < DRIFT_MAX


def _explains(labels: Ints, values: Floats, own: int) -> bool:
    """Say whether the clumps explain most of the variance of some other channel."""
    return any(_explained(labels, values[:, j]) > EXPLAINED_MIN for j in range(values.shape[1]) if j != own)


def _explained(labels: Ints, column: Floats) -> float:
    read = np.isfinite(column) & (labels >= 0)
    value, label = column[read], labels[read]
    if len(value) < 2:
        return 0.0
    total = float(((value - value.mean()) ** 2).sum())
    if total <= len(value) * (1e-9 * np.abs(value).max()) ** 2:
        return 0.0
    count = np.bincount(label)
    mean = np.bincount(label, weights=value) / np.maximum(count, 1)
    return float((count * (mean - value.mean()) ** 2).sum()) / total
