"""From the truth's events to episodes: one fault of one device, from its onset to its end.

An `onset` opens an episode, the first `failed` after it is its failure, `repaired` or `cleared` ends it. A second onset
of a fault that is there already (it was injected again) goes on with the same episode. An event of a fault that has no
open episode tells nothing: its onset lies before what is read. Only machines fail: a sensor's or wire's fault, however
complete, is there to be found until it is mended. The failure that did not come is foretold by the life
that the growth law had left at the end, or, for what is still there, at the last look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from penstock.lab.scoring.words import NS, Episode, TruthEvent

LeftNow = Mapping[tuple[str, str], int]
"""(device, fault) that is still there → its failure by the growth law, as of the last look."""


def episodes_of(events: Iterable[TruthEvent], left_now: LeftNow | None = None) -> tuple[Episode, ...]:
    """Build the episodes, in the order of their onsets."""
    open_ones: dict[tuple[str, str], Episode] = {}
    done: list[Episode] = []
    for event in sorted(events, key=lambda each: each.time_ns):  # stable: as stored within one moment
        key = (event.device, event.fault)
        there = open_ones.get(key)
        match event.action:
            case "onset" if there is None:
                open_ones[key] = Episode(
                    event.asset,
                    event.device,
                    event.fault,
                    event.time_ns,
                    kind=event.kind,
                    component=event.component,
                )
            case "failed" if there is not None and there.kind == "machine" and there.failed_ns is None:
                open_ones[key] = replace(there, failed_ns=event.time_ns)
            case "repaired" | "cleared" if there is not None:
                done.append(_ended(open_ones.pop(key), event))
    for key, there in open_ones.items():
        left = (left_now or {}).get(key) if there.failed_ns is None and there.kind == "machine" else None
        done.append(replace(there, foretold_ns=left))
    return tuple(sorted(done, key=lambda each: (each.onset_ns, each.asset, each.device, each.fault)))


def _ended(there: Episode, event: TruthEvent) -> Episode:
    left_s = event.rul_s if there.failed_ns is None and there.kind == "machine" else None
    foretold_ns = None if left_s is None else event.time_ns + round(left_s * NS)
    return replace(there, end_ns=event.time_ns, foretold_ns=foretold_ns)
