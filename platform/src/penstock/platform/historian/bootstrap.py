"""Builds the historian from the platform's settings."""

from penstock.platform.historian.service import Historian
from penstock.platform.kit.settings import Settings


def open(settings: Settings) -> Historian:
    """Make the historian of the platform's data folder; `await start()` opens it, `await stop()` closes it."""
    return Historian(settings.historian, generation_rows=settings.generation_rows)
