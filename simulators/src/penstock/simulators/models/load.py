"""Load for benchmarks and tests: any number of outputs whose values are all different and cheap to make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from penstock.core.values import Value
from penstock.simulators.models.model import Json, ModelContext, number_of


class Load:
    """Give `count`, an integer that rises by one at each reading, and `value`, a double that never repeats soon.

    Outputs named `value` or `count` serve any number of tags; each reading of the device makes a new pair.
    """

    OUTPUTS: ClassVar[Mapping[str, str]] = {"value": "", "count": ""}

    def __init__(self, context: ModelContext) -> None:
        context.parameters.finish()
        self._random = context.random
        self._count = 0

    def step(self, dt_s: float) -> None:
        """Do nothing: values are made when read."""

    def outputs(self) -> Mapping[str, Value]:
        """Give the next pair."""
        self._count += 1
        return {"value": self._random.random() * 100.0, "count": self._count}

    def save(self) -> Json:
        """Give the count."""
        return {"count": self._count}

    def load(self, state: Json) -> None:
        """Take up the count."""
        self._count = int(number_of(state, "count", 0.0))
