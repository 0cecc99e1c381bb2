"""The health model gives the same answer, to the last bit, however its input is cut; and never leaves 0 to 100 %."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.apps.maintenance.assessment import Assessment
from penstock.apps.maintenance.baseline import Baseline
from penstock.apps.maintenance.health import HealthModel, ModelSettings
from penstock.apps.maintenance.windows import Samples
from tests.builders.apps import PUMP, SECOND, START_NS, join, pump_samples, take

SETTINGS = ModelSettings(baseline_windows=40, baseline_min_windows=10, patience_s=12.0)


def assessed_in_chunks(samples: Samples, cuts: list[int]) -> list[Assessment]:
    model = HealthModel(PUMP, SETTINGS)
    edges = [0, *sorted(min(c, len(samples)) for c in cuts), len(samples)]
    return [a for lo, hi in itertools.pairwise(edges) for a in model.on_samples(take(samples, slice(lo, hi)))]


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 2400), max_size=12),
    wear=st.floats(0, 1),
    shuffle_s=st.floats(0, 30),
    seed=st.integers(0, 2**16),
)
def test_chunking_does_not_change_the_result(cuts: list[int], wear: float, shuffle_s: float, seed: int) -> None:
    ordered = join(pump_samples(400), pump_samples(200, start_s=400, wear=wear, seed=seed))
    random = np.random.default_rng(seed)
    arrival = np.argsort(ordered.time + random.uniform(0, shuffle_s * SECOND, len(ordered)), kind="stable")
    samples = Samples(ordered.channel[arrival], ordered.time[arrival], ordered.value[arrival], ordered.good[arrival])
    assert assessed_in_chunks(samples, cuts) == assessed_in_chunks(samples, [])


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), min_size=4, max_size=400),
    good=st.booleans(),
)
@example(values=[3.865904468672229e306, 0.0, 0.0, 0.0, 1.7590340901755935e308], good=True)
def test_any_numbers_give_a_health_between_0_and_100(values: list[float], good: bool) -> None:
    n = len(values)
    samples = Samples(
        channel=np.arange(n) % 4,
        time=START_NS + np.arange(n) * SECOND,
        value=np.array(values),
        good=np.full(n, good),
    )
    for assessment in HealthModel(PUMP, SETTINGS).on_samples(samples):
        assert 0.0 <= assessment.health <= 100.0
        assert all(f.loss >= 0 for f in assessment.findings)


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(1, 1e3)), min_size=3, max_size=60))
def test_baseline_agrees_with_numpy(pairs: list[tuple[float, float]]) -> None:
    value, load = np.array(pairs).T
    baseline = Baseline()
    for v, at in pairs:
        baseline.learn(v, at)
    assert np.isclose(baseline.value_mean, value.mean(), atol=1e-6)
    centred = load - load.mean()
    prior = 5.0 * (0.1 * load.mean()) ** 2
    assert np.isclose(baseline.slope, (centred * value).sum() / ((centred**2).sum() + prior), atol=1e-6)
    assert baseline.expected(1e9) == baseline.expected(load.max())
