"""Reads the parts file: which part a fitter would look at first when a channel stands out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

from penstock.core.errors import reason_of
from penstock.lab.scoring.costs import SHIPPED
from penstock.lab.truth_source import TruthError

PARTS: Final = SHIPPED.with_name("parts.yaml")
PARTS_MAX_bytes: Final = 1_000_000


def read_parts(path: Path) -> dict[str, str]:
    """Read a file; TruthError where it is no mapping of names."""
    try:
        content = yaml.safe_load(path.read_bytes()[:PARTS_MAX_bytes])
    except (OSError, yaml.YAMLError) as error:
        message = f"{path}: no file of parts: {reason_of(error)}"
        raise TruthError(message) from error
    if not isinstance(content, dict):
        message = f"{path}: not a mapping of names: write `health_bearing: drive-end bearing`"
        raise TruthError(message)
    return {str(said): str(part) for said, part in content.items()}
