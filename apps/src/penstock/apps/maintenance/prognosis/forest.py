"""Boosted regression trees: fitted by scikit-learn, kept as plain arrays, read by a small predictor of our own.

The arrays give scikit-learn's answer to the last bit, for one row or many, and also which features brought it about:
each step down a tree moves the expected value, and the move belongs to the feature that was asked (Saabas 2014). The
moves add up to the estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from penstock.apps.maintenance.prognosis.runs import Floats, Ints
from penstock.apps.maintenance.prognosis.settings import PrognosisSettings

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


def grow(features: Floats, target: Floats, *, settings: PrognosisSettings, seed: int) -> HistGradientBoostingRegressor:
    """Fit a boosted regression; the same rows and seed give the same trees."""
    regressor = HistGradientBoostingRegressor(
        max_iter=settings.trees,
        learning_rate=settings.learning_rate,
        max_leaf_nodes=settings.leaves,
        min_samples_leaf=settings.leaf_rows,
        l2_regularization=settings.ridge,
        max_features=settings.feature_share,
        early_stopping=False,
        random_state=seed,
    )
    return regressor.fit(features, target)


def forest_of(grown: HistGradientBoostingRegressor) -> Forest:
    """Take the trees out of a fitted regression."""
    nodes = [tree[0].nodes for tree in grown._predictors]
    shape = (len(nodes), max(len(each) for each in nodes))
    own = np.broadcast_to(np.arange(shape[1]), shape)
    feature, left, right = np.zeros(shape, np.int64), own.copy(), own.copy()
    threshold, value, missing_left = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.bool_)
    for t, each in enumerate(nodes):
        inner = np.flatnonzero(each["is_leaf"] == 0)
        feature[t, inner] = each["feature_idx"][inner]
        threshold[t, inner] = each["num_threshold"][inner]
        missing_left[t, inner] = each["missing_go_to_left"][inner] != 0
        left[t, inner], right[t, inner] = each["left"][inner], each["right"][inner]
        value[t, : len(each)] = _expected(each)
    base = np.ravel(np.asarray(grown._baseline_prediction, np.float64))[:1]
    return Forest(base, feature, threshold, missing_left, left, right, value)


def _expected(nodes: NDArray[Any]) -> Floats:
    """Give leaves their value and inner nodes the mean of the leaves below, weighted by the rows they were grown on."""
    value = nodes["value"].astype(np.float64).copy()
    count = nodes["count"].astype(np.float64)
    for i in _children_first(nodes):
        left, right = int(nodes["left"][i]), int(nodes["right"][i])
        value[i] = (count[left] * value[left] + count[right] * value[right]) / (count[left] + count[right])
    return value


def _children_first(nodes: NDArray[Any]) -> list[int]:
    order, open_nodes = [], [0]
    while open_nodes:
        i = open_nodes.pop()
        if not nodes["is_leaf"][i]:
            order.append(i)
            open_nodes += [int(nodes["left"][i]), int(nodes["right"][i])]
    return order[::-1]
