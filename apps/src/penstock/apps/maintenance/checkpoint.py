"""What the worker remembers of an asset between runs: how far it has read, and the model's state there.

Losing the file costs time, not truth: without it the history is read again from its start by the same code, and only
what is newer than the newest health written is written, except where rows came late.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.apps.maintenance.marks import Marks

log = logging.getLogger("penstock.apps.maintenance")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`position`: commit up to which rows are in `model`; `rule_made`: the limit rule has been created once.

    `marks`: places from which the model can be run again; `trend`: how the health has moved lately; `drift`: how
    rows have scored.
    """

    position: int = 0
    model: dict[str, Any] | None = None
    rule_made: bool = False
    marks: Marks = field(default_factory=Marks)
    trend: dict[str, Any] | None = None
    drift: dict[str, Any] | None = None


class Checkpoints:
    """One JSON file an asset in a folder; replaced whole, so a crash leaves the old one or the new one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def load(self, asset_id: str) -> Checkpoint:
        """Give what was kept; an empty checkpoint where there is none, or an unreadable one."""
        try:
            body = json.loads(self._file(asset_id).read_text(encoding="utf-8"))
            marks, more = Marks.of_json(body.get("marks", [])), (body.get("trend"), body.get("drift"))
            return Checkpoint(int(body["position"]), body["model"], bool(body["rule_made"]), marks, *more)
        except FileNotFoundError:
            return Checkpoint()
        except (ValueError, KeyError, TypeError) as broken:
            log.warning("checkpoint of %s is not readable (%r): its history is read again", asset_id, broken)
            return Checkpoint()

    def save(self, asset_id: str, checkpoint: Checkpoint) -> None:
        """Replace what was kept, durably."""
        file = self._file(asset_id)
        draft = file.with_suffix(".draft")
        body = {
            "position": checkpoint.position,
            "model": checkpoint.model,
            "rule_made": checkpoint.rule_made,
            "marks": checkpoint.marks.to_json(),
            "trend": checkpoint.trend,
            "drift": checkpoint.drift,
        }
        with draft.open("w", encoding="utf-8") as out:
            json.dump(body, out)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)

    def _file(self, asset_id: str) -> Path:
        safe = "".join(c if c.isalnum() or c in "_-" else "_" for c in asset_id)
        return self._folder / f"{safe}.json"
