"""The predictor of our own gives scikit-learn's answers, and its explanation adds up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from penstock.apps.maintenance.prognosis.forest import Forest, mean_of
from penstock.apps.maintenance.prognosis.growing import fit_member, forest_of, grow
from penstock.apps.maintenance.prognosis.settings import PrognosisSettings

Floats = NDArray[np.float64]
SETTINGS = PrognosisSettings(trees=30, leaf_rows=10)


@pytest.fixture(scope="module")
def rows() -> Floats:
    random = np.random.default_rng(2)
    rows = random.normal(size=(700, 6))
    rows[random.random(rows.shape) < 0.1] = np.nan
    return rows


@pytest.fixture(scope="module")
def target(rows: Floats) -> Floats:
    return np.nan_to_num(rows[:, 0]) * 10 + np.nan_to_num(rows[:, 3]) ** 2 + 50


@pytest.fixture(scope="module")
def grown(rows: Floats, target: Floats) -> HistGradientBoostingRegressor:
    return grow(rows, target, settings=SETTINGS, seed=4)


@pytest.fixture(scope="module")
def forest(grown: HistGradientBoostingRegressor) -> Forest:
    return forest_of(grown)


def test_answers_are_those_of_scikit_learn_to_the_last_bit(
    forest: Forest, grown: HistGradientBoostingRegressor, rows: Floats
) -> None:
    assert np.array_equal(forest.predict(rows), grown.predict(rows))


def test_one_row_gets_the_answer_that_it_gets_among_many(forest: Forest, rows: Floats) -> None:
    alone = np.concatenate([forest.predict(rows[i : i + 1]) for i in range(300)])
    assert np.array_equal(alone, forest.predict(rows)[:300])


def test_moves_add_up_to_the_answer(forest: Forest, rows: Floats) -> None:
    answers, moves = forest.explain(rows)
    np.testing.assert_allclose(forest.start + moves.sum(axis=1), answers, rtol=1e-9)


def test_what_moves_the_answer_is_named(forest: Forest, rows: Floats) -> None:
    _, moves = forest.explain(rows)
    weight = np.abs(moves).mean(axis=0)
    assert set(np.argsort(-weight)[:2].tolist()) == {0, 3}


def test_what_is_expected_at_first_is_the_mean_of_what_was_learned(forest: Forest, rows: Floats) -> None:
    assert forest.start == pytest.approx(forest.predict(rows).mean(), rel=1e-3)


def test_the_mean_of_two_forests_answers_with_their_mean_and_says_why(
    forest: Forest, rows: Floats, target: Floats
) -> None:
    wider = forest_of(grow(rows, target, settings=replace(SETTINGS, leaves=40), seed=5))
    assert wider.feature.shape[1] > forest.feature.shape[1]
    mean = mean_of([forest, wider])
    answers, moves = mean.explain(rows)
    np.testing.assert_allclose(answers, (forest.predict(rows) + wider.predict(rows)) / 2, rtol=1e-12)
    np.testing.assert_allclose(mean.start + moves.sum(axis=1), answers, rtol=1e-9)


def test_a_members_forests_are_of_seeds_of_their_own(rows: Floats, target: Floats) -> None:
    members = [
        fit_member(np.nan_to_num(rows), target, horizon=100.0, settings=replace(SETTINGS, forests=count), seed=3)
        for count in (1, 2)
    ]
    one, two = (member.forest for member in members)
    assert len(two.feature) == 2 * len(one.feature)
    assert not np.array_equal(two.value[: len(one.value)], two.value[len(one.value) :])


def test_settings_that_were_kept_before_there_were_two_forests_say_one() -> None:
    kept = SETTINGS.to_json()
    assert PrognosisSettings.of_json(kept) == SETTINGS
    del kept["forests"]
    assert PrognosisSettings.of_json(kept) == replace(SETTINGS, forests=1)
