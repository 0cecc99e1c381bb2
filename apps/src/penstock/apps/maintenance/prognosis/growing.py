"""Grow an ensemble's members: health indices, and scikit-learn's boosted trees over them, taken out as plain arrays.

Apart from the rest, since only who fits needs scikit-learn.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from penstock.apps.maintenance.prognosis.ensemble import Member
from penstock.apps.maintenance.prognosis.forest import Forest, mean_of
from penstock.apps.maintenance.prognosis.indices import fit_indices
from penstock.apps.maintenance.prognosis.runs import Floats
from penstock.apps.maintenance.prognosis.settings import PrognosisSettings

SEED_APART: Final = 100
"""Members' own seeds lie closer together."""


def fit_member(features: Floats, left: Floats, *, horizon: float, settings: PrognosisSettings, seed: int) -> Member:
    """Fit on features (n, f) and the life left (n,) in steps, cut at the horizon."""
    indices = fit_indices(
        features,
        left,
        horizon=horizon,
        parts=settings.index_parts,
        ridge=settings.index_ridge,
        components=settings.components,
    )
    joined, target = np.hstack([features, indices.of(features)]), np.minimum(left, horizon)
    seeds = [seed + SEED_APART * k for k in range(settings.forests)]
    return Member(indices, mean_of([forest_of(grow(joined, target, settings=settings, seed=own)) for own in seeds]))


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
    with threadpool_limits(limits=1):  # threads that spin for a core which others use make a fit ten times slower
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
