"""Failure modes as somebody would write them who has not seen the simulators: incomplete, in another order, too many.

The asset types that come with the simulated machines know each fault that can be injected, and their signs are held
against the running models. In a plant nobody knows that much. So the same machines can be judged with types of which a
mode is missing, whose modes lack signs and have the first two in the wrong order, and which list as many modes again
that never come. What is then named worse hung on knowing too well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

FORGOTTEN: Final = 0.25
"""Probability that a sign is not known of, but for one of each mode."""
SWAPPED: Final = 0.5
"""Probability that the second sign is thought to be the most telling."""
DECOY_SIGNS_MAX: Final = 4
DIRECTIONS: Final = ("rises", "falls")


def rough(modes: Mapping[str, Any], channels: Sequence[str], random: Random) -> dict[str, Any]:
    """Give failure modes made worse; see the module. `channels`: what is measured, of which the false ones have signs.

    Where there is one mode alone none is left out.
    """
    names = sorted(modes)
    if len(names) > 1:
        names.remove(random.choice(names))
    known = {name: {**modes[name], "signs": _signs(modes[name]["signs"], random)} for name in names}
    decoys = {f"decoy-{i}": _decoy(i, sorted(channels), random) for i in range(len(modes))}
    return known | decoys


def _signs(signs: Mapping[str, str], random: Random) -> dict[str, str]:
    left = [name for name in signs if random.random() >= FORGOTTEN] or [random.choice(sorted(signs))]
    if len(left) > 1 and random.random() < SWAPPED:
        left[:2] = reversed(left[:2])
    return {name: signs[name] for name in left}


def _decoy(number: int, channels: Sequence[str], random: Random) -> dict[str, Any]:
    count = min(len(channels), random.randint(1, DECOY_SIGNS_MAX))
    signs = {name: random.choice(DIRECTIONS) for name in random.sample(channels, count)}
    return {"part": f"decoy part {number}", "signs": signs}
