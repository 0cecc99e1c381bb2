"""Builds the historian from the platform's settings."""

from penstock.platform.historian.service import Historian
from penstock.platform.kit.settings import Settings

GENERATION_ROWS = 2_500_000
"""Rows of a generation: small enough to be sorted and sealed in seconds, in memory."""


def open(settings: Settings) -> Historian:
    """Make the historian of the platform's data folder; `await start()` opens it, `await stop()` closes it."""
    return Historian(settings.historian, generation_rows=GENERATION_ROWS)
