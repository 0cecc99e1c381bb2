"""Boosted regression trees: fitted by scikit-learn, kept as plain arrays, read by a small predictor of our own.

The arrays give scikit-learn's answer to the last bit, for one row or many, and also which features brought it about:
each step down a tree moves the expected value, and the move belongs to the feature that was asked (Saabas 2014). The
moves add up to the estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.prognosis.runs import Floats, Ints

CHUNK: Final = 256
"""Rows that go down all trees together: their nodes fit a cache."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Arrays over (trees, nodes), in the order of growth; node 0 is the root, a leaf leads to itself; base (1,)."""

    base: Floats
    feature: Ints
    threshold: Floats
    missing_left: NDArray[np.bool_]
    left: Ints
    right: Ints
    value: Floats

    @property
    def start(self) -> float:
        """Give what is expected before a row is seen."""
        return float(self.base[0] + self.value[:, 0].sum())

    def predict(self, features: Floats) -> Floats:
        """Give the answers (n,)."""
        return self._walked(features, moved=False)[0]

    def explain(self, features: Floats) -> tuple[Floats, Floats]:
        """Give the answers (n,), and the moves (n, f) of each feature, which add up to the answer less `start`."""
        return self._walked(features, moved=True)

    def _walked(self, features: Floats, *, moved: bool) -> tuple[Floats, Floats]:
        answers = np.empty(len(features))
        moves = np.zeros((len(features), features.shape[1] if moved else 0))
        for start in range(0, len(features), CHUNK):
            part = slice(start, start + CHUNK)
            answers[part], moves[part] = self._walked_chunk(features[part], moved=moved)
        return answers, moves

    def _walked_chunk(self, rows: Floats, *, moved: bool) -> tuple[Floats, Floats]:
        n, wide = len(rows), rows.shape[1] if moved else 0
        trees, row = np.arange(len(self.feature)), np.arange(n)[:, None]
        node = np.zeros((n, len(trees)), np.int64)
        moves = np.zeros(n * wide)
        while not ((left := self.left[trees, node]) == node).all():
            asked = self.feature[trees, node]
            read = rows[row, asked]
            goes_left = np.where(np.isnan(read), self.missing_left[trees, node], read <= self.threshold[trees, node])
            after = np.where(goes_left, left, self.right[trees, node])
            if moved:
                step = self.value[trees, after] - self.value[trees, node]
                moves += np.bincount((row * wide + asked).ravel(), weights=step.ravel(), minlength=n * wide)
            node = after
        return self._summed(self.value[trees, node]), moves.reshape(n, wide)

    def _summed(self, leaves: Floats) -> Floats:
        """Add up tree by tree, in the order in which they were grown, as scikit-learn does."""
        first = np.full((len(leaves), 1), self.base[0])
        summed: Floats = np.cumsum(np.hstack([first, leaves]), axis=1)[:, -1]
        return summed


def mean_of(forests: Sequence[Forest]) -> Forest:
    """Give a forest whose answers are the means of theirs: all their trees, each of which counts as much less."""
    wide = max(forest.feature.shape[1] for forest in forests)
    parts = [_widened(forest, wide) for forest in forests]
    base = np.mean([forest.base for forest in forests], axis=0)
    feature, threshold, missing_left, left, right, value = (
        np.concatenate([getattr(part, name) for part in parts]) for name in Forest.__slots__[1:]
    )
    return Forest(base, feature, threshold, missing_left, left, right, value / len(forests))


def _widened(forest: Forest, wide: int) -> Forest:
    """Add leaves that nothing leads to, up to so many nodes a tree."""
    trees, nodes = forest.feature.shape
    more = ((0, 0), (0, wide - nodes))
    own = np.broadcast_to(np.arange(nodes, wide), (trees, wide - nodes))
    feature, threshold, missing_left, value = (
        np.pad(getattr(forest, name), more) for name in ("feature", "threshold", "missing_left", "value")
    )
    left, right = (np.hstack([side, own]) for side in (forest.left, forest.right))
    return Forest(forest.base, feature, threshold, missing_left, left, right, value)
