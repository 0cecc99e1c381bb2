"""Health indices: straight-line estimates of the life left, each out of all features of a window at once.

A tree asks one feature at a time; many channels that each say a little, in noise, are joined better by a line (ridge
regression). There is one for the whole horizon and ones for its last parts, where wear is seen best. Beside them stand
the first principal components of each part of the features (the means, the slopes): directions in which the channels
move together, whatever the fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from penstock.apps.maintenance.prognosis.runs import Floats
from penstock.apps.maintenance.prognosis.windows import PARTS

DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Indices:
    """centre (f,), slope (f, h), start (h,): index = start + (feature − centre) · slope, of the features read."""

    centre: Floats
    slope: Floats
    start: Floats

    def of(self, features: Floats) -> Floats:
        """Give the indices (n, h), feature by feature: the same for one row or many."""
        away = self._away(features)
        indices = np.tile(self.start, (len(features), 1))
        for f in range(len(self.centre)):
            indices += away[:, f, None] * self.slope[f]
        return np.round(indices, DIGITS)

    def shares(self, features: Floats) -> Floats:
        """Give by how much each feature moves each index (n, f, h), as shares that add up to 1."""
        moves = np.abs(self._away(features)[:, :, None] * self.slope)
        total = moves.sum(axis=1, keepdims=True)
        return np.where(total > 0, moves / np.where(total > 0, total, 1.0), 1.0 / len(self.centre))

    def _away(self, features: Floats) -> Floats:
        return np.where(np.isnan(features), 0.0, features - self.centre)


def fit_indices(
    features: Floats, left: Floats, *, horizon: float, parts: tuple[float, ...], ridge: float, components: int
) -> Indices:
    """Fit on features (n, f) and the life left (n,), cut at each part of the horizon; ridge is a share of the rows."""
    read = np.isfinite(features)
    count = np.maximum(read.sum(axis=0), 1)
    centre: Floats = np.where(read, features, 0.0).sum(axis=0) / count
    away = np.where(read, features - centre, 0.0)
    spread = np.sqrt(np.square(away).sum(axis=0) / count)
    scaled = away / np.where(spread > 0, spread, 1.0)
    targets = np.stack([np.minimum(left, part * horizon) for part in parts], axis=1)
    start: Floats = targets.mean(axis=0)
    inner = scaled.T @ scaled + ridge * len(features) * np.eye(scaled.shape[1])
    slope: Floats = np.linalg.solve(inner, scaled.T @ (targets - start)) / np.where(spread > 0, spread, 1.0)[:, None]
    together = _components(away, components)
    return Indices(centre, np.hstack([slope, together]), np.concatenate([start, np.zeros(together.shape[1])]))


def _components(away: Floats, components: int) -> Floats:
    """Give the first principal directions (f, parts × components) of each part of the features, signs settled."""
    wide = away.shape[1] // len(PARTS)
    columns = []
    for part in range(len(PARTS) if components else 0):
        own = slice(part * wide, (part + 1) * wide)
        _, vectors = np.linalg.eigh(away[:, own].T @ away[:, own])
        first = vectors[:, ::-1][:, :components]
        full = np.zeros((away.shape[1], first.shape[1]))
        full[own] = first * np.where(first.sum(axis=0) < 0, -1.0, 1.0)
        columns.append(full)
    return np.hstack(columns) if columns else np.empty((away.shape[1], 0))
