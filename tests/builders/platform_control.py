"""Builders for the platform's identity, registry and alarms: stores, dictionary entries, people and tokens."""

from dataclasses import dataclass
from pathlib import Path

from penstock.platform.identity.model import Tenant
from penstock.platform.kit.db import Database


@dataclass(frozen=True, slots=True)
class Entry:
    """A dictionary entry with everything defaulted but index and key."""

    index: int
    key: str
    asset: str | None = None
    name: str = ""
    type: str = "float64"
    unit: str = ""
    description: str = ""
    device: str = "plc"
    file_hash: str = "0" * 64
    late_after_ns: int | None = None
    rate_hz: float | None = None


def entry(index: int, key: str, *, asset: str | None = None, type: str = "float64", unit: str = "") -> Entry:
    """Make the entry of `device/tag`."""
    device, _, name = key.partition("/")
    return Entry(index, key, asset=asset, name=name, type=type, unit=unit, device=device)


def store(folder: Path, *tenants: str) -> Database:
    """Make a migrated SQLite store with these tenants."""
    db = Database(f"sqlite:///{folder / 'relational.sqlite'}")
    db.create_or_migrate()
    with db.session() as session:
        session.add_all(Tenant(id=name, name=name, created_ns=1) for name in tenants)
    return db
