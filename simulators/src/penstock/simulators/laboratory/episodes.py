"""A fault's episode, from its onset to its end, and the moment at which a platform's alarm named its asset. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from penstock.core.times import NS_PER_S
from penstock.simulators.truth.records import Action, Cause, TruthEvent, TruthState


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm of the platform; `asset` is the path of the asset that it names, or empty."""

    id: str
    asset: str
    name: str
    message: str
    severity: int
    raised_ns: int
    acknowledged_ns: int | None = None
    cleared_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Episode:
    """A fault of one device that began. `ended` is repaired, cleared, injected anew, or empty while it lasts."""

    device: str
    asset: str
    fault: str
    kind: str
    component: str
    onset_ns: int
    severity: float
    cause: Cause
    failed_ns: int | None = None
    end_ns: int | None = None
    ended: str = ""

    @property
    def lasts(self) -> bool:
        """Say whether the fault is still there."""
        return self.end_ns is None


@dataclass(frozen=True, slots=True)
class Detection:
    """The first alarm that named the asset after an onset; `after_s` is below 0 where it stood before already."""

    alarm: Alarm
    after_s: float

    @property
    def stood(self) -> bool:
        """Say whether the alarm was there before the fault: it tells nothing of it."""
        return self.after_s < 0.0


_ENDS = {Action.REPAIRED: "repaired", Action.CLEARED: "cleared", Action.INJECTED: "injected anew"}


def episodes(events: Iterable[TruthEvent]) -> list[Episode]:
    """Read events in the order of time; give the episodes by their onset. What began before them is not among them."""
    done: list[Episode] = []
    open_: dict[tuple[str, str], Episode] = {}
    for event in events:
        key = (event.device, event.fault)
        if event.action in _ENDS and key in open_:
            done.append(replace(open_.pop(key), end_ns=event.time_ns, ended=_ENDS[event.action]))
        elif event.action is Action.ONSET:
            open_[key] = Episode(
                event.device,
                event.asset,
                event.fault,
                event.kind,
                event.component,
                event.time_ns,
                event.severity,
                event.cause,
            )
        elif event.action is Action.FAILED and key in open_:
            open_[key] = replace(open_[key], failed_ns=event.time_ns)
    return sorted([*done, *open_.values()], key=lambda one: one.onset_ns)


def detection(episode: Episode, alarms: Sequence[Alarm]) -> Detection | None:
    """Give the first alarm of the episode's asset while it lasted; else one that stood at its onset already."""
    if not episode.asset:
        return None
    named = sorted((one for one in alarms if one.asset == episode.asset), key=lambda one: one.raised_ns)
    for alarm in named:
        after_ns = alarm.raised_ns - episode.onset_ns
        if after_ns >= 0 and (episode.end_ns is None or alarm.raised_ns < episode.end_ns):
            return Detection(alarm, after_ns / NS_PER_S)
    for alarm in named:
        if alarm.raised_ns < episode.onset_ns and (alarm.cleared_ns is None or alarm.cleared_ns > episode.onset_ns):
            return Detection(alarm, (alarm.raised_ns - episode.onset_ns) / NS_PER_S)
    return None


def life_left(fault: str, *, at_onset: TruthState | None, at_alarm: TruthState | None) -> float | None:
    """Give the share of the fault's way to failure, in time of running, that was left at the alarm; None: none known.

    1 at the onset, 0 at the failure, by the growth law that the truth knows.
    """
    first, then = (_rul_s(state, fault) for state in (at_onset, at_alarm))
    if first is None or then is None or first <= 0.0:
        return None
    return min(1.0, then / first)


def severity_in(state: TruthState | None, fault: str) -> float | None:
    """Give a fault's severity in a state."""
    return next((one.severity for one in state.faults if one.fault == fault), None) if state is not None else None


def _rul_s(state: TruthState | None, fault: str) -> float | None:
    return next((one.rul_s for one in state.faults if one.fault == fault), None) if state is not None else None
