"""A file of scores that others may show: what was scored, how, when, by which command, with which figures.

One file holds several families; a run replaces what the file had of the sets and disguises that it scored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from penstock.core.times import format_rfc3339_ns
from penstock.lab.study import StudyError

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Scored:
    """The figures of one set; `how`: as it is, or by which seed it was disguised."""

    family: str
    set: str
    how: str
    figures: Mapping[str, float]


def note(place: Path, scored: Sequence[Scored], *, command: str, now_ns: int) -> None:
    """Write scores into a results file, beside what it has of others; StudyError where it is no such file."""
    kept = [each for each in _read(place) if not any(_is_same(each, new) for new in scored)]
    made = [
        {
            "family": new.family,
            "set": new.set,
            "how": new.how,
            "scored": format_rfc3339_ns(now_ns)[:10],
            "command": command,
            "figures": {name: value for name, value in new.figures.items() if math.isfinite(value)},
        }
        for new in scored
    ]
    body = {"version": VERSION, "scores": [*kept, *made]}
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def _is_same(kept: Mapping[str, Any], new: Scored) -> bool:
    return (kept.get("family"), kept.get("set"), kept.get("how")) == (new.family, new.set, new.how)


def _read(place: Path) -> list[dict[str, Any]]:
    if not place.exists():
        return []
    try:
        body = json.loads(place.read_text(encoding="utf-8"))
        if body["version"] != VERSION:
            message = f"{place}: version {body['version']}, this lab writes {VERSION}: name another file"
            raise StudyError(message)
        return list(body["scores"])
    except (OSError, UnicodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        message = f"{place}: no file of scores: {error!r}; name another file"
        raise StudyError(message) from error
