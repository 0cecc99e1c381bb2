"""Builds the historian from the platform's settings."""

from collections.abc import Callable

from penstock.platform.historian.files.upkeep import Deletion
from penstock.platform.historian.service import Historian
from penstock.platform.kit.settings import Settings

DAY_NS = 24 * 3600 * 1_000_000_000


def open(settings: Settings, *, on_deletion: Callable[[Deletion], None]) -> Historian:
    """Make the historian of the platform's data folder; `await start()` opens it, `await stop()` closes it."""
    days, summary_days = settings.retention_days, settings.summary_retention_days
    return Historian(
        settings.historian,
        generation_rows=settings.generation_rows,
        retention_ns=None if days is None else days * DAY_NS,
        summary_retention_ns=None if summary_days is None else summary_days * DAY_NS,
        on_deletion=on_deletion,
    )
