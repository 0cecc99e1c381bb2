"""What the start page tells: apps, the plant in figures, gateways."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from penstock.core.times import format_rfc3339_ns
from penstock.platform.apps.service import AppService
from penstock.platform.identity.gateways import GatewayDirectory
from penstock.platform.identity.roles import SCOPES_OF_ROLE
from penstock.platform.kit.access import Principal

VERSION = version("penstock-platform")
TONES = 6
"""Colours of marks in penstock.css, `tone-0` and on: neighbours on the page differ."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the plant; `state` is good, bad or empty."""

    name: str
    value: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """One app on the page, with a mark and a colour that tell it from its neighbours."""

    name: str
    url: str
    description: str
    mark: str
    tone: int


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
            "apps": self._tiles(who.tenant),
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

    def _tiles(self, tenant: str) -> list[Tile]:
        shown = [app for app, _ in self._apps.all(tenant) if not app.hidden]
        return [
            Tile(app.name, app.url, app.description, mark, at % TONES)
            for at, (app, mark) in enumerate(zip(shown, marks([app.name for app in shown]), strict=True))
        ]


def marks(names: Sequence[str]) -> list[str]:
    """Give each name a mark of at most two letters, in their order; no two alike while letters last."""
    taken: set[str] = set()
    given = []
    for name in names:
        tries = list(_marks_of(name))
        mark = next((each for each in tries if each.casefold() not in taken), tries[0])
        taken.add(mark.casefold())
        given.append(mark)
    return given


def _marks_of(name: str) -> Iterator[str]:
    """Try the initials of two words, the first letter with each later one, then with digits."""
    words = ["".join(filter(str.isalnum, word)) for word in name.replace("-", " ").split()]
    words = [word for word in words if word] or ["?"]
    first, letters = words[0][0].upper(), "".join(words)[1:]
    letters = letters if words[0].isupper() else letters.lower()
    if len(words) > 1:
        yield first + words[1][0].upper()
    yield from (first + letter for letter in letters)
    if not letters:
        yield first
    yield from (f"{first}{digit}" for digit in range(2, 10))
