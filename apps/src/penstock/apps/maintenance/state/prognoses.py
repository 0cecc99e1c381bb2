"""The prognoses of the fleets on the models page: how many runs to failure each knows, and how well it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container

from penstock.apps.house.figures import NOTHING, count_text, duration_text
from penstock.apps.house.shell import Shell
from penstock.apps.house.tables import Cell, Row, Table
from penstock.apps.house.widgets import card
from penstock.apps.maintenance.life.fleets import RUNS_MIN
from penstock.apps.maintenance.worker import Fleet

READ_S = 5.0


class Prognoses:
    """The table of fleets; hidden where no asset is of one."""

    def __init__(self, shell: Shell, fleet: Fleet, seen: Callable[[], Container[str]]) -> None:
        """`seen`: ids of the assets that this person may see."""
        self._fleet, self._seen = fleet, seen
        with card("Prognoses of remaining life") as self._outer:
            self._table = Table(["Fleet", "›Runs to failure", "›·Fitted on", "›·Error", "·Trouble"])
        self._outer.set_visibility(False)
        shell.every(READ_S, self._read)

    async def _read(self) -> None:
        failed: Counter[str] = Counter()
        for member in self._fleet.members:
            if member.asset.id in self._seen():
                failed[member.run.fleet] += member.run.failed
        self._table.show([self._row(name, count) for name, count in sorted(failed.items())])
        self._outer.set_visibility(bool(failed))

    def _row(self, fleet: str, failed: int) -> Row:
        model = self._fleet.fleets.model(fleet)
        trouble = self._fleet.fleets.trouble.get(fleet, "")
        if model is None:
            wanted = f"{failed} of {RUNS_MIN} runs to failure" if failed < RUNS_MIN else "fitted soon"
            return Row(fleet, (Cell(fleet), Cell(count_text(failed), "num"), Cell(NOTHING, "num"), Cell(NOTHING, "num"),
                               Cell(trouble or wanted, "sub")))  # fmt: skip
        error_s = model.out_of_fold[-1] * model.pace.step_ns / 1e9
        cells = (
            Cell(fleet),
            Cell(count_text(failed), "num", tip="by attributes, and by orders that say the machine had failed"),
            Cell(count_text(len(model.fitted_on.runs)), "num", tip=f"SHA-256 of its runs: {model.fitted_on.digest}"),
            Cell(f"± {duration_text(error_s)}", "num", tip="root mean square, on machines left out of the fit"),
            Cell(trouble or NOTHING, "sub"),
        )
        return Row(fleet, cells)
