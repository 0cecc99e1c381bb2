"""The Recorder: looks at the machines' hidden state and notes what changed. Pure: time and readings go in, records out.

Theory of operation. Each device is looked at every `look_ns` of machine time. Compared with the look before, a fault
that became active without a request was worn, one whose onset is over has its *onset*, one that passed a tenth of
severity made a *step*, a machine that stands by a fault *failed*, a fault that is gone without a request was repaired
by the machine's own crew. What an experimenter did is noted at once by `on_request`, with the reading after it. The
whole state is noted every `every_ns` and beside each event. After a restart the newest stored state is the look before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from penstock.core.times import NS_PER_S
from penstock.simulators.truth.records import Action, Cause, FaultTruth, Told, TruthEvent, TruthState
from penstock.simulators.truth.remaining import remaining_s

LOOK_ns: Final = NS_PER_S
EVERY_ns: Final = 10 * NS_PER_S
QUIET_ns: Final = 3600 * NS_PER_S
"""What hides nothing, a meter that is sound, is noted so often."""
STEPS: Final = 10
"""Severity is divided into so many steps."""
WHOLE: Final = 1.0 - 1e-9


@dataclass(frozen=True, slots=True)
class Reading:
    """The hidden truth of a device as its model tells it now; `faults` holds those that are active."""

    device: str
    asset: str
    faults: tuple[FaultTruth, ...]
    states: Mapping[str, float] = field(default_factory=dict)
    failed: str = ""
    machine: bool = True
    """Whether the device is a machine that can fail, not a sensor or meter alone."""


class Recorder:
    """Turn readings into records. `known`: the newest state of each device from an earlier run."""

    def __init__(
        self, known: Mapping[str, TruthState] | None = None, *, every_ns: int = EVERY_ns, look_ns: int = LOOK_ns
    ) -> None:
        assert every_ns >= look_ns > 0, "states are noted at looks"
        self._before: dict[str, TruthState] = dict(known or {})
        self._every_ns, self._look_ns = every_ns, look_ns
        self._noted_ns: dict[str, int] = {}
        self._next_ns = 0

    @property
    def known(self) -> Mapping[str, TruthState]:
        """Give each device as it was at its last look."""
        return self._before

    def is_due(self, now_ns: int) -> bool:
        """Say whether it is time for a look."""
        return now_ns >= self._next_ns

    def on_look(self, readings: Iterable[Reading], now_ns: int) -> Told:
        """Compare all devices with the look before."""
        self._next_ns = (now_ns // self._look_ns + 1) * self._look_ns
        told = Told()
        for reading in readings:
            told += self._compare(reading, now_ns)
        return told

    def on_request(
        self, action: Action, fault: str, *, after: Reading, now_ns: int, detail: Mapping[str, object] | None = None
    ) -> Told:
        """Note what an experimenter did to a device; `after` is how it is since."""
        one = _named(after.faults, fault) or FaultTruth(fault)
        known = self._before.get(after.device)
        was = _named(known.faults, fault) if known is not None else None
        event = _event(action, one if was is None or action is Action.INJECTED else was, after, now_ns, detail=detail)
        law = str((detail or {}).get("law", one.law))
        pending = replace(one, onset_s=math.inf, law=law, cause=Cause.REQUEST)
        asked = (pending,) if action is Action.INJECTED else ()
        others = tuple(each for each in known.faults if each.fault != fault) if known is not None else ()
        failed = known.failed if known is not None and known.failed != fault else ""
        self._before[after.device] = TruthState(
            now_ns, after.device, after.asset, failed, {}, others + asked, machine=after.machine
        )
        event = replace(event, cause=Cause.REQUEST)
        return Told((event,)) + self._compare(after, now_ns, always=True)

    def _compare(self, reading: Reading, now_ns: int, *, always: bool = False) -> Told:
        before = self._before.get(reading.device)
        known = {one.fault: one for one in before.faults} if before is not None else {}
        faults = tuple(_carried(known.get(one.fault), one) for one in reading.faults)
        state = TruthState(
            now_ns, reading.device, reading.asset, reading.failed, dict(reading.states), faults, machine=reading.machine
        )
        self._before[reading.device] = state
        events = tuple(_changes(known, before.failed if before is not None else "", state))
        noted_ns = self._noted_ns.get(reading.device)
        every_ns = self._every_ns if state.states or state.faults else max(self._every_ns, QUIET_ns)
        if not always and not events and noted_ns is not None and now_ns - noted_ns < every_ns:
            return Told()
        self._noted_ns[reading.device] = now_ns
        return Told(events, (state,))


def _carried(was: FaultTruth | None, one: FaultTruth) -> FaultTruth:
    """Take over what a model does not tell: who asked, which law, where growth began; work out what is left."""
    cause = was.cause if was is not None else Cause.WEAR
    start = was.start if was is not None and was.begun else one.severity
    law = was.law if was is not None else one.law
    left_s = remaining_s(severity=one.severity, growth_per_h=one.growth_per_h, start=start, law=law)
    return replace(one, cause=cause, law=law, start=start, rul_s=left_s)


def _changes(known: Mapping[str, FaultTruth], failed: str, state: TruthState) -> Iterator[TruthEvent]:
    for one in state.faults:
        was = known.get(one.fault)
        had_begun = was is not None and was.begun
        if was is None and not one.begun:
            yield _event(Action.INJECTED, one, state, state.time_ns)
        if one.begun and not had_begun:
            yield _event(Action.ONSET, one, state, state.time_ns)
        if was is not None and had_begun and was.severity > 0.0 and _step(one) > _step(was):
            yield _event(Action.STEP, one, state, state.time_ns)
        if _is_complete(state.failed, one) and not (was is not None and _is_complete(failed, was)):
            yield _event(Action.FAILED, one, state, state.time_ns)
    present = {one.fault for one in state.faults}
    for name, was in known.items():
        if name not in present:
            yield replace(_event(Action.REPAIRED, was, state, state.time_ns), cause=Cause.CREW)


def _is_complete(failed: str, one: FaultTruth) -> bool:
    """Say whether a fault is complete: what the machine stands by, or a sensor's or wire's at severity 1."""
    return one.fault == failed or (one.kind != "machine" and one.begun and one.severity >= WHOLE)


def _step(one: FaultTruth) -> int:
    return int(one.severity * STEPS + 1e-9)


def _named(faults: tuple[FaultTruth, ...], name: str) -> FaultTruth | None:
    return next((one for one in faults if one.fault == name), None)


def _event(
    action: Action,
    one: FaultTruth,
    of: Reading | TruthState,
    now_ns: int,
    *,
    detail: Mapping[str, object] | None = None,
) -> TruthEvent:
    left = {"rul_s": one.rul_s} if action in (Action.CLEARED, Action.REPAIRED) else {}
    return TruthEvent(
        now_ns,
        of.device,
        of.asset,
        action,
        one.fault,
        one.kind,
        one.component,
        one.severity,
        one.cause,
        {**left, **(detail or {})},
    )
