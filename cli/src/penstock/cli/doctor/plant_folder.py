"""What is wrong in the files of a plant folder: asked of the room that reads them, which is found by entry point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from penstock.cli.doctor.findings import Finding, Verdict

GROUP: Final = "penstock.folder_checks"
"""Entry points: (folder, environ) → what was looked at, and its errors."""
ERRORS_MAX: Final = 10
"""Errors that are told; the rest is counted."""


def plant_folder(folder: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Look at a plant folder; `environ` stands in for the processes' environment."""
    if not folder.is_dir():
        return
    for entry in entry_points(group=GROUP):
        looked, errors = entry.load()(folder, environ)
        for error in errors[:ERRORS_MAX]:
            yield Finding(Verdict.WRONG, error, "mend the file; what it said before goes on until then")
        if len(errors) > ERRORS_MAX:
            more = len(errors) - ERRORS_MAX
            yield Finding(Verdict.WRONG, f"{folder}: and {more} errors more", "mend those above first")
        if not errors:
            yield Finding(Verdict.OK, f"{folder}: {looked}, nothing wrong")
