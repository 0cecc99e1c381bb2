"""An asset type for every simulated machine: properties as `penstock sim machine` names them, and failure modes."""

from pathlib import Path
from typing import Final

MACHINE_TYPES: Final = Path(__file__).parent


def machine_type_text(model: str) -> str | None:
    """Give the text of a model's asset type file; None where the model has none."""
    path = MACHINE_TYPES / f"{model}.yaml"
    return path.read_text(encoding="utf-8") if path.is_file() else None
