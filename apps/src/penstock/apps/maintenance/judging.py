"""How an asset is judged: the model that does it, what it writes back, and the rule that makes an alarm of it.

A *judge* is a pure machine: samples in, assessments out, nothing knows the clock. The worker that feeds it, writes its
word and remembers its state is the same for every kind of judge.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from penstock.apps.maintenance.advice.modes import NOTHING, Known
from penstock.apps.maintenance.advice.naming import Namer, why_unnamed
from penstock.apps.maintenance.advice.telling import WRITTEN
from penstock.apps.maintenance.assessment import Assessment, Phase
from penstock.apps.maintenance.channels import Channel
from penstock.apps.maintenance.condition.operating import Operating
from penstock.apps.maintenance.health import HealthModel
from penstock.apps.maintenance.marks import Mark
from penstock.apps.maintenance.rows import ALL_SETTLED
from penstock.apps.maintenance.settings import MaintenanceSettings
from penstock.apps.maintenance.state.drift import Expected
from penstock.apps.maintenance.windows import Samples
from penstock.apps.maintenance.zones import Boundaries

HEALTH = "health_index"


class Judge(Protocol):
    """A model of one asset; its whole state goes through `to_json` and `restore`."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Give what it reads; `Samples.channel` counts in it."""

    @property
    def late(self) -> int:
        """Give how many rows came after they could be judged."""

    @property
    def late_from_ns(self) -> int | None:
        """Give the time of the oldest of them; None where there is none."""

    @property
    def boundary_ns(self) -> int:
        """Give the time up to which everything is judged."""

    @property
    def phase(self) -> Phase:
        """Give what it is doing."""

    @property
    def learned(self) -> float:
        """Give the fraction of what it learns from that it has seen."""

    @property
    def redo_s(self) -> float:
        """Give how far back late rows make the history be read again."""

    @property
    def begin_ns(self) -> int | None:
        """Give the time before which it looks at nothing; None where there is none such."""

    @property
    def needed_s(self) -> float:
        """Give the healthy running that it needs before it can compare."""

    def on_samples(
        self, samples: Samples, now_ns: int = 0, *, in_order: bool = False, settled: int = ALL_SETTLED
    ) -> list[Assessment]:
        """Take rows in commit order, or by time where `in_order`; give what they let be said, oldest first.

        No rows let the reader's clock go on, for what waits. `settled`: of rows by time, the commit up to which nothing
        is awaited any more.
        """

    def operating(self, newest: Assessment) -> Operating:
        """Give where the machine works, against where the model has learned."""

    def mark(self) -> Mark:
        """Give the state at `boundary_ns`: restored, it goes on with the rows from there on in time order."""

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values, with what it was made for."""

    def restore(self, state: Mapping[str, Any]) -> bool:
        """Take a state of the same channels and settings; False, and nothing taken, where it is of others."""


@dataclass(frozen=True, slots=True)
class RuleWish:
    """The rule that the app makes once: which property, and when it is an alarm."""

    property: str
    comparison: Literal["high", "low"]
    limit: float
    deadband: float
    on_delay_s: float
    severity: int
    said: str
    """The alarm's message behind the machine's name."""


@dataclass(frozen=True, slots=True)
class Written:
    """A property that a judge writes beside health and losses: unit, what it says, and its type."""

    unit: str
    said: str
    type: Literal["float64", "string"] = "float64"


@dataclass(frozen=True, slots=True)
class Judging:
    """One asset's judge: `make` gives a new one; `more` names what it writes beside health and losses.

    Equal keys judge alike; each kind keeps its own memory of how far it has read.
    """

    kind: str
    key: Hashable
    channels: tuple[Channel, ...]
    make: Callable[[], Judge]
    rule: RuleWish
    more: Mapping[str, Written] = field(default_factory=dict)
    low_health: float = 0.0
    """The health below which a machine is shown as in trouble, where the rule watches something else."""
    expected: Expected | None = None
    """How healthy rows score, where the drift from that is followed."""

    unnamed: str = ""
    """Why it can never name a part; empty where it can."""

    @property
    def by_health(self) -> bool:
        """Say whether the rule watches the health."""
        return self.rule.property == HEALTH


def by_vibration(
    channels: tuple[Channel, ...],
    settings: MaintenanceSettings,
    known: Known = NOTHING,
    *,
    zones: Boundaries | None = None,
) -> Judging:
    """Judge by a vibration velocity and what goes with it; name the part by what is `known` of the machine's type.

    `zones`: the machine's own, where they are others than the app's.
    """
    model = settings.model() if zones is None else replace(settings.model(), zones=zones)
    wish = RuleWish(
        HEALTH,
        "low",
        settings.limit,
        settings.deadband,
        settings.on_delay_s,
        settings.severity,
        f"below {settings.limit:g} %: see the evidence in Maintenance",
    )
    unnamed = why_unnamed(channels, known)

    def namer() -> Namer:
        return Namer(channels, known, limit=settings.limit, deadband=settings.deadband)

    return Judging(
        "health",
        (channels, known, model.zones),
        channels,
        lambda: HealthModel(channels, model, None if unnamed else namer),
        wish,
        {} if unnamed else {name: Written("", said, "string") for name, said in WRITTEN.items()},
        unnamed=unnamed,
    )
