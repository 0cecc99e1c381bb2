"""The prognosis of each fleet: fitted on its runs to failure, anew once enough more have failed, kept as versions.

A fit takes minutes, so it runs beside the worker, one at a time. It begins when two looks in a row saw the same runs to
failure, all of them whole in the history, and their number has grown by `GROWN` since the version in use.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.apps.house.said import TROUBLE
from penstock.apps.maintenance.channels import Channel
from penstock.apps.maintenance.fanout.executor import ExecutorError
from penstock.apps.maintenance.fanout.place import ON_THE_SPOT, Place
from penstock.apps.maintenance.life.run import AssetRun, run_of
from penstock.apps.maintenance.prognosis.runs import Run, RunError
from penstock.apps.maintenance.reading import read_in, rows_between
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.errors import ApiError
from penstock.sdk.models import Asset

if TYPE_CHECKING:
    from penstock.apps.maintenance.prognosis.model import Model

RUNS_MIN = 5
"""Runs to failure of which a fleet's prognosis is made at the earliest."""
GROWN = 1.1
"""So many times the runs that were fitted on, and it is fitted again: a tenth more tells next to nothing new."""
TAIL = 20
"""Part of a run in which samples are awaited."""
NAMED_MAX = 3
VALUES_MAX = 50_000_000
"""Rows times channels that a fleet's fit reads: 400 MB, and a few times that while it fits."""
USED = "used.json"
PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
log = logging.getLogger("penstock.apps.maintenance")


@dataclass(frozen=True, slots=True)
class Member:
    """An asset of a fleet, with its run and the channels that it is judged by."""

    asset: Asset
    run: AssetRun
    channels: tuple[Channel, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Give the channels' names."""
        return tuple(channel.name for channel in self.channels)


class Fleets:
    """Fleets by name; `trouble` says why a fleet has no prognosis, or no newer one."""

    def __init__(self, folder: Path, place: Place = ON_THE_SPOT) -> None:
        """`place`: where fits run."""
        self._folder, self._place = folder, place
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._models: dict[str, Model | None] = {}
        self._seen: dict[str, frozenset[str]] = {}
        self._refused: dict[str, frozenset[str]] = {}
        """Runs that could not be fitted on: not tried again until something of them has changed."""
        self._tails: dict[str, int] = {}
        self._fitting: asyncio.Task[None] | None = None
        self.trouble: dict[str, str] = {}

    def model(self, fleet: str) -> Model | None:
        """Give the prognosis in use; None while there is none."""
        if fleet not in self._models:
            self._models[fleet] = self._load(fleet)
        return self._models[fleet]

    @property
    def is_fitting(self) -> bool:
        """Say whether a fit runs."""
        return self._fitting is not None and not self._fitting.done()

    async def look(self, client: AsyncClient, members: Sequence[Member]) -> None:
        """Begin a fit where one is due."""
        for fleet in sorted({member.run.fleet for member in members}):
            failed = [m for m in members if m.run.fleet == fleet and m.run.failed]
            seen = frozenset(f"{m.asset.id}/{m.run}/{m.names}" for m in failed)
            settled = self._seen.get(fleet) == seen
            self._seen[fleet] = seen
            if self.is_fitting or not settled or self._refused.get(fleet) == seen:
                continue
            if self._has_grown(fleet, len(failed)):
                await self._begin(client, fleet, failed, seen=seen)

    async def _begin(self, client: AsyncClient, fleet: str, failed: Sequence[Member], *, seen: frozenset[str]) -> None:
        """Begin a fit where all its runs are whole; a request that is refused is this fleet's trouble alone."""
        try:
            awaited = [member for member in failed if not await self._is_whole(client, member)]
        except ApiError as failure:
            self._tell(fleet, str(failure))
            return
        if awaited:
            names = ", ".join(member.asset.name or member.asset.path for member in awaited[:NAMED_MAX])
            self._tell(fleet, f"waits for the history of {len(awaited)} runs to failure: {names}")
            return
        self._fitting = asyncio.create_task(self._fit(client, fleet, failed, seen=seen), name=f"fit {fleet}")

    def _tell(self, fleet: str, text: str) -> None:
        if self.trouble.get(fleet) != text:
            self.trouble[fleet] = text
            log.warning("fleet %s: %s", fleet, text)

    async def _is_whole(self, client: AsyncClient, member: Member) -> bool:
        """Say whether the history has a run to its end: its very last row, or a tail that two looks saw alike."""
        run, key = member.run, f"{member.asset.id}/{member.run}"
        assert run.until_ns is not None
        tail = await read_in(client, member.channels, run.until_ns - 1, run.until_ns)
        if not tail:
            begin_ns = run.until_ns - (run.until_ns - run.from_ns) // TAIL
            rows, _ = await rows_between(client, member.channels, (begin_ns, run.until_ns))
            newest = int(rows[-1]) if len(rows) else 0
            before, self._tails[key] = self._tails.get(key), newest
            return newest > 0 and before == newest
        return True

    def _has_grown(self, fleet: str, count: int) -> bool:
        model = self.model(fleet)
        return count >= RUNS_MIN and (model is None or count >= GROWN * len(model.fitted_on.runs))

    async def _fit(self, client: AsyncClient, fleet: str, failed: Sequence[Member], *, seen: frozenset[str]) -> None:
        try:
            names = failed[0].names
            if any(member.names != names for member in failed):
                message = f"the assets of fleet {fleet} have different channels"
                raise RunError(message)
            runs = await _read_all(client, failed)
            self._models[fleet] = await asyncio.to_thread(self._fitted, fleet, runs, names)
            self.trouble.pop(fleet, None)
            log.info("fitted the prognosis of fleet %s on %d runs to failure", fleet, len(runs))
        except RunError as failure:
            self._refused[fleet] = seen
            self._tell(fleet, str(failure))
        except (*TROUBLE, ExecutorError) as failure:  # tried again at the next look
            self._tell(fleet, str(failure))
        except Exception as failure:  # boundary: a fit that fails is told; the worker beside it goes on
            self._refused[fleet] = seen
            log.error("fleet %s: the fit failed", fleet, exc_info=failure)
            self.trouble[fleet] = f"the fit failed: {type(failure).__name__}: {failure}"

    def _fitted(self, fleet: str, runs: Sequence[Run], names: tuple[str, ...]) -> Model:
        from penstock.apps.maintenance.prognosis.fitting import fit  # it brings scikit-learn: only who fits pays

        with self._place.executor() as executor:
            model = fit(runs, channels=names, source=fleet, executor=executor)
        self._keep(fleet, model)
        return model

    def _keep(self, fleet: str, model: Model) -> None:
        from penstock.apps.maintenance.prognosis.model import save

        folder = self._of(fleet)
        number = max((int(place.name) for place in folder.glob("[0-9]*") if place.name.isdecimal()), default=0) + 1
        save(model, folder / f"{number:04d}")
        draft = folder / "used.draft"
        with draft.open("w") as out:
            out.write(json.dumps({"number": number}))
            out.flush()
            os.fsync(out.fileno())
        draft.replace(folder / USED)

    def _load(self, fleet: str) -> Model | None:
        from penstock.apps.maintenance.prognosis.model import ModelError, load

        place = self._of(fleet) / USED
        if not place.is_file():
            return None
        try:
            return load(place.parent / f"{int(json.loads(place.read_text())['number']):04d}")
        except (ModelError, OSError, ValueError, KeyError, TypeError) as broken:
            self.trouble[fleet] = f"the kept prognosis cannot be used: {broken}"
            return None

    def _of(self, fleet: str) -> Path:
        """Give a fleet's folder: its name where that is plain, else a digest, for any signs and any length."""
        if PLAIN.fullmatch(fleet):
            return self._folder / fleet
        return self._folder / f"%{hashlib.sha256(fleet.encode(errors='surrogatepass')).hexdigest()}"


async def _read_all(client: AsyncClient, failed: Sequence[Member]) -> list[Run]:
    """Read runs; RunError where they are more than a fit may hold in memory."""
    runs, values = [], 0
    for member in failed:
        runs.append(await _read(client, member))
        values += runs[-1].values.size
        if values > VALUES_MAX:
            message = (
                f"the runs to failure hold more than {VALUES_MAX:,} values, the most that is fitted on: part the "
                "fleet, or bind fewer channels"
            )
            raise RunError(message)
    return runs


async def _read(client: AsyncClient, member: Member) -> Run:
    until_ns = member.run.until_ns
    assert until_ns is not None
    times, values = await rows_between(client, member.channels, (member.run.from_ns, until_ns))
    return Run(_name(member), times, values, failed=True)


def _name(member: Member) -> str:
    """Name a run: as its asset, and one that ended by a repair by its begin too, since the asset has others."""
    named = run_of(member.asset.properties)
    first = named is not None and named.from_ns == member.run.from_ns
    return member.asset.id if first else f"{member.asset.id}/{member.run.from_ns}"
