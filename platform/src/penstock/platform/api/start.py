"""What the start page tells: apps, the plant in figures, gateways."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from penstock.core.times import format_rfc3339_ns
from penstock.platform.apps.service import AppService
from penstock.platform.identity.gateways import GatewayDirectory
from penstock.platform.identity.roles import SCOPES_OF_ROLE
from penstock.platform.kit.access import Principal

VERSION = version("penstock-platform")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the plant; `state` is good, bad or empty."""

    name: str
    value: str
    state: str = ""


class StartPage:
    """Gather what the page shows; `figures` and `errors` are given per tenant."""

    def __init__(
        self,
        apps: AppService,
        gateways: GatewayDirectory,
        *,
        figures: Callable[[str], list[Figure]],
        errors: Callable[[str], list[str]],
    ) -> None:
        self._apps = apps
        self._gateways = gateways
        self._figures = figures
        self._errors = errors

    def values(self, who: Principal) -> dict[str, Any]:
        """Give the values of start.html."""
        rows = self._gateways.all(who.tenant)
        granted = [format_rfc3339_ns(row.session_ns)[:19] + "Z" if row.session_ns else "" for row in rows]
        role = next((role for role, scopes in SCOPES_OF_ROLE.items() if scopes == who.scopes), who.kind)
        return {
            "apps": [app for app, _ in self._apps.all(who.tenant) if not app.hidden],
            "figures": self._figures(who.tenant),
            "plant_errors": self._errors(who.tenant),
            "gateways": [
                {"name": row.name, "session": row.session, "granted": when}
                for row, when in zip(rows, granted, strict=True)
            ],
            "role": role,
            "tenant": who.tenant,
            "version": VERSION,
        }
