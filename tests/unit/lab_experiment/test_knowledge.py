from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock.lab.experiment.knowledge import rough

MODES: dict[str, Any] = {
    "bearing": {
        "part": "bearing",
        "signs": {"band": "rises", "velocity": "rises", "heat": "rises"},
        "action": "Change",
    },
    "leak": {"part": "seal", "signs": {"leakage": "rises"}},
    "clogged": {"part": "filter", "signs": {"dp": "rises", "flow": "falls"}},
}
CHANNELS = ("band", "velocity", "heat", "leakage", "dp", "flow")


@given(seed=st.integers(0, 10_000))
def test_a_mode_is_missing_signs_are_fewer_and_as_many_again_never_come(seed: int) -> None:
    told = rough(MODES, CHANNELS, Random(seed))
    true = {name: mode for name, mode in told.items() if name in MODES}
    assert len(true) == len(MODES) - 1
    assert len(told) - len(true) == len(MODES)
    for name, mode in true.items():
        assert mode["signs"]
        assert mode["signs"].items() <= MODES[name]["signs"].items()
        assert {key: mode.get(key) for key in ("part", "action")} == {
            key: MODES[name].get(key) for key in ("part", "action")
        }
    parts = {mode["part"] for mode in MODES.values()}
    for mode in (mode for name, mode in told.items() if name not in MODES):
        assert mode["part"] not in parts
        assert mode["signs"].keys() <= set(CHANNELS)


def test_over_many_draws_signs_are_forgotten_and_swapped() -> None:
    orders = set()
    for seed in range(200):
        told = rough(MODES, CHANNELS, Random(seed))
        if "bearing" in told:
            orders.add(tuple(told["bearing"]["signs"]))
    assert {("band", "velocity", "heat"), ("velocity", "band", "heat"), ("heat",), ("band", "heat")} <= orders


def test_the_only_mode_is_kept_and_the_draw_repeats() -> None:
    only = {"leak": MODES["leak"]}
    assert "leak" in rough(only, CHANNELS, Random(1))
    assert rough(MODES, CHANNELS, Random(7)) == rough(MODES, CHANNELS, Random(7))
