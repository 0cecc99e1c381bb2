"""Boosted regression trees: fitted by scikit-learn, kept as plain arrays, read by a small predictor of our own.

The arrays give scikit-learn's answer to the last bit, for one row or many, and also which features brought it about:
each step down a tree moves the expected value, and the move belongs to the feature that was asked (Saabas 2014). The
moves add up to the estimate exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.prognosis.runs import Floats, Ints
from penstock.apps.maintenance.prognosis.settings import PrognosisSettings

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

CHUNK: Final = 256
"""Rows that go down all trees together: their nodes fit a cache."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Members' trees, one behind the other, in arrays over (trees, nodes); node 0 is the root, a leaf leads to itself.

    member (trees,): of which member; base (members,): where each starts.
    """

    member: Ints
    base: Floats
    feature: Ints
    threshold: Floats
    missing_left: NDArray[np.bool_]
    left: Ints
    right: Ints
    value: Floats

    @property
    def depth_max(self) -> int:
        """Give a bound of the steps from a root to a leaf."""
        return int(self.left.shape[1]) // 2

    def predict(self, features: Floats) -> Floats:
        """Give each member's answer (n, members)."""
        return self._walked(features, groups=None)[0]

    def explain(self, features: Floats, groups: Ints) -> tuple[Floats, Floats]:
        """Give the members' mean answer (n,) less their mean start, shared out over the groups of features (n, g)."""
        answers, moves = self._walked(features, groups=groups)
        return answers, moves

    def start(self) -> float:
        """Give what the members expect on average before they see a row."""
        roots = np.bincount(self.member, weights=self.value[:, 0], minlength=len(self.base))
        return float((self.base + roots).mean())

    def _walked(self, features: Floats, *, groups: Ints | None) -> tuple[Floats, Floats]:
        wide = 0 if groups is None else int(groups.max()) + 1
        answers, moves = np.empty((len(features), len(self.base))), np.zeros((len(features), wide))
        for start in range(0, len(features), CHUNK):
            part = slice(start, start + CHUNK)
            answers[part], moves[part] = self._walked_chunk(features[part], groups, wide=wide)
        return answers, moves

    def _walked_chunk(self, rows: Floats, groups: Ints | None, *, wide: int) -> tuple[Floats, Floats]:
        n, trees = len(rows), np.arange(len(self.member))
        node = np.zeros((n, len(trees)), np.int64)
        moves = np.zeros(n * wide)
        row = np.arange(n)[:, None]
        for _ in range(self.depth_max):
            left = self.left[trees, node]
            if (left == node).all():
                break
            asked = self.feature[trees, node]
            read = rows[row, asked]
            goes_left = np.where(np.isnan(read), self.missing_left[trees, node], read <= self.threshold[trees, node])
            after = np.where(goes_left, left, self.right[trees, node])
            if groups is not None:
                moved = self.value[trees, after] - self.value[trees, node]
                slot = row * wide + groups[asked]
                moves += np.bincount(slot.ravel(), weights=moved.ravel(), minlength=n * wide)
            node = after
        return self._summed(self.value[trees, node]), moves.reshape(n, wide) / len(self.base)

    def _summed(self, leaves: Floats) -> Floats:
        """Add up tree by tree, in the order in which they were grown, as scikit-learn does."""
        members = []
        for m, base in enumerate(self.base):
            own = leaves[:, self.member == m]
            members.append(np.cumsum(np.hstack([np.full((len(own), 1), base), own]), axis=1)[:, -1])
        return np.stack(members, axis=1)

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Give the arrays by name."""
        return {f"{prefix}{name}": getattr(self, name) for name in self.__slots__}

    @classmethod
    def of_arrays(cls, arrays: dict[str, NDArray[Any]], prefix: str) -> Forest:
        """Take what `to_arrays` gave."""
        return cls(**{name: arrays[f"{prefix}{name}"] for name in cls.__slots__})


def grow(features: Floats, target: Floats, *, settings: PrognosisSettings, seed: int) -> HistGradientBoostingRegressor:
    """Fit one member; the same rows and seed give the same trees."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # 60 MB that only who fits needs

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


def forest_of(members: Sequence[HistGradientBoostingRegressor]) -> Forest:
    """Take the trees out of fitted members."""
    nodes = [(m, tree[0].nodes) for m, member in enumerate(members) for tree in member._predictors]
    width = max(len(each) for _, each in nodes)
    shape = (len(nodes), width)
    own = np.broadcast_to(np.arange(width), shape)
    feature, left, right = np.zeros(shape, np.int64), own.copy(), own.copy()
    threshold, value, missing_left = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.bool_)
    for t, (_, each) in enumerate(nodes):
        inner = np.flatnonzero(each["is_leaf"] == 0)
        feature[t, inner] = each["feature_idx"][inner]
        threshold[t, inner] = each["num_threshold"][inner]
        missing_left[t, inner] = each["missing_go_to_left"][inner] != 0
        left[t, inner], right[t, inner] = each["left"][inner], each["right"][inner]
        value[t, : len(each)] = _expected(each)
    member = np.array([m for m, _ in nodes], np.int64)
    base = np.array([float(np.ravel(m._baseline_prediction)[0]) for m in members])
    return Forest(member, base, feature, threshold, missing_left, left, right, value)


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
