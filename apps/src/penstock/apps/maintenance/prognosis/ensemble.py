"""An ensemble for one window: members of health indices and boosted trees, each fitted without one fold of machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.prognosis.forest import Forest
from penstock.apps.maintenance.prognosis.indices import Indices
from penstock.apps.maintenance.prognosis.runs import Floats, Ints


@dataclass(frozen=True, slots=True)
class Member:
    """Trees over the features of a window and the health indices made of them."""

    indices: Indices
    forest: Forest

    def predict(self, features: Floats) -> Floats:
        """Give the life left (n,) in steps, not held within any bounds."""
        return self.forest.predict(np.hstack([features, self.indices.of(features)]))

    def explain(self, features: Floats, groups: Ints, *, wide: int) -> tuple[Floats, Floats]:
        """Give the life left (n,), and what each of `wide` groups of features moved it by (n, wide).

        What an index moved is shared out by how far each feature moved the index.
        """
        answers, moves = self.forest.explain(np.hstack([features, self.indices.of(features)]))
        own, through = moves[:, : features.shape[1]], moves[:, features.shape[1] :]
        each = own + (self.indices.shares(features) * through[:, None, :]).sum(axis=2)
        grouped = np.zeros((len(features), wide))
        for f, group in enumerate(groups):
            grouped[:, group] += each[:, f]
        return answers, grouped

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Give the arrays by name."""
        indices = {f"{prefix}index_{name}": getattr(self.indices, name) for name in Indices.__slots__}
        return indices | {f"{prefix}{name}": getattr(self.forest, name) for name in Forest.__slots__}

    @classmethod
    def of_arrays(cls, arrays: dict[str, NDArray[Any]], prefix: str) -> Member:
        """Take what `to_arrays` gave."""
        indices = Indices(*(arrays[f"{prefix}index_{name}"] for name in Indices.__slots__))
        return cls(indices, Forest(*(arrays[f"{prefix}{name}"] for name in Forest.__slots__)))


def joined_answer(answers: Sequence[Floats], horizon: float) -> Floats:
    """Give the members' mean answer (n,), held between 0 and the horizon."""
    total = np.zeros_like(answers[0])
    for answer in answers:
        total = total + answer
    held: Floats = np.clip(total / len(answers), 0.0, horizon)
    return held
