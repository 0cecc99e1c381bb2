"""Where commands look for what running simulators left: people name the demo's data folder, or the simulators' own."""

from __future__ import annotations

from pathlib import Path

OF_THE_DEMO = "simulators"


def found_in(data: Path, file: Path | str) -> Path:
    """Give where a file of the simulators lies in a data folder; where there is none, where it would be in theirs."""
    places = [folder / file for folder in folders_of(data)]
    return next((place for place in places if place.is_file()), places[-1])


def folders_of(data: Path) -> list[Path]:
    """Give the folders that may be meant: the simulators' in the demo's, and the folder itself."""
    return [data / OF_THE_DEMO, data]
