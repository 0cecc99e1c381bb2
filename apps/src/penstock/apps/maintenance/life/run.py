"""Which fleet an asset belongs to, and what is known of its run: attributes of the asset, set by whoever knows.

`fleet`: assets of one fleet have the same channels and wear alike. `run_from`: since when the machine runs (new, or
overhauled); `run_until`, `run_ended`: when and how the run ended; `failure` is what a prognosis is fitted on, `stopped`
is an end that says nothing of the life that was left. RFC 3339.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from penstock.core.times import parse_rfc3339_ns
from penstock.sdk.models import Property

FLEET, FROM, UNTIL, ENDED = "fleet", "run_from", "run_until", "run_ended"
FAILURE, STOPPED = "failure", "stopped"


class RunAttributeError(ValueError):
    """Say which attribute of a run is wrong, and what it takes."""


@dataclass(frozen=True, slots=True)
class AssetRun:
    """A run of one asset of a fleet, ns UTC; `until_ns` is None while it runs."""

    fleet: str
    from_ns: int = 0
    until_ns: int | None = None
    failed: bool = False


def run_of(properties: Iterable[Property]) -> AssetRun | None:
    """Read the attributes; None for an asset of no fleet; RunAttributeError where one is wrong."""
    given = {p.name: str(p.value) for p in properties if p.kind == "attribute" and p.value not in (None, "")}
    if FLEET not in given:
        return None
    from_ns, until_ns = _time(given, FROM), _time(given, UNTIL)
    ended = given.get(ENDED)
    if ended not in (None, FAILURE, STOPPED):
        message = f"the attribute {ENDED} is {ended!r}: it takes {FAILURE} or {STOPPED}"
        raise RunAttributeError(message)
    if ended is not None and until_ns is None:
        message = f"the run ended by {ended}: say when, in {UNTIL}"
        raise RunAttributeError(message)
    if until_ns is not None and until_ns <= (from_ns or 0):
        message = f"{FROM} must lie before {UNTIL}: {given.get(FROM)} and {given[UNTIL]}"
        raise RunAttributeError(message)
    return AssetRun(given[FLEET], from_ns or 0, until_ns, ended == FAILURE)


def _time(given: Mapping[str, str], name: str) -> int | None:
    if name not in given:
        return None
    try:
        return parse_rfc3339_ns(given[name])
    except ValueError as error:
        message = f"the attribute {name} is no time: {error}; write it as 2026-11-27T08:00:00Z"
        raise RunAttributeError(message) from error
