"""Whether what an alarm names is the part that is broken."""

from __future__ import annotations

import re

from penstock.lab.scoring.words import Episode

_APART = re.compile(r"[\s_-]+")


def plain(name: str) -> str:
    """Bring a name to the form in which names are compared: small letters, words apart by one space."""
    return _APART.sub(" ", name).strip().casefold()


def names(part: str, episode: Episode) -> bool:
    """Say whether a part as said is the episode's component or fault.

    A machine's fault by its component or its name; a sensor's or wire's by `sensor:NAME` or `communication:NAME` where
    NAME is its component or tag, by the fault's own name (`drift:flow`), or by the kind alone.
    """
    if not part:
        return False
    sensor = episode.fault.partition(":")[2]
    own = {plain(each) for each in (episode.fault, episode.component, sensor)} - {""}
    first, _, rest = part.partition(":")
    if episode.kind == "machine":
        return plain(part) in own
    return plain(part) in {*own, episode.kind} or (plain(first) == episode.kind and plain(rest) in own)
