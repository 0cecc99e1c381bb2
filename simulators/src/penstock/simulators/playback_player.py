"""Playing one device: served, announced by its device file, played row by row, waited for, and taken back.

Nothing may be lost, however fast: the first row waits until every channel is read, rows wait while what is on the way
is more than the other side is sure to keep, and the end waits until the gateway has acknowledged every row. A wait ends
with an error only when nothing moved for a while.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final

from penstock.core.device_file import parse_device_file
from penstock.core.status import BAD_NO_DATA, GOOD
from penstock.simulators.emission import Emission, Point
from penstock.simulators.folder import write_whole
from penstock.simulators.ledger.log import LedgerWriter
from penstock.simulators.playback import (
    AS_FAST_AS_TAKEN,
    DISABLED,
    ENABLED,
    Plan,
    PlaybackError,
    Played,
    check,
    device_text,
    due_ns,
)
from penstock.simulators.playback_gateway import GatewayWatch
from penstock.simulators.playback_reader import Reader, reader_of
from penstock.simulators.recording import tag_name
from penstock.simulators.wires import Wire, Wires

SUBSCRIBE_TIMEOUT_s: Final = 120.0
REFUSAL_AFTER_s: Final = 4.0
"""What the gateway says before is of an earlier device file: it looks once a second, and reads what stood still."""
STALL_s: Final = 120.0
"""So long nothing moves, and the playback is given up."""
LEAVE_TIMEOUT_s: Final = 20.0
SLICE_s: Final = 0.02
"""Rows that fall due within this time are offered together."""
LOOK_s: Final = 0.1
VALUES_AT_ONCE: Final = 250
"""Offered before others have a turn: some 5 ms of work."""
Say = Callable[[str], None]


class NobodySubscribed(PlaybackError):
    """No gateway read the device in time: it will not read others of the same folder either."""


class Player:
    """Play one plan over wires that others may share."""

    def __init__(
        self,
        plan: Plan,
        wires: Wires,
        *,
        watch: GatewayWatch | None,
        ledger: LedgerWriter | None,
        say: Say,
        turn: AbstractAsyncContextManager[object] | None = None,
    ) -> None:
        """`turn`: wait for it once the gateway reads the device, and hold it while rows are on the way."""
        self._plan, self._wires, self._watch, self._ledger, self._say = plan, wires, watch, ledger, say
        self._turn = turn or nullcontext()
        self._names = [(tag_name(column.name), column) for column in plan.recording.columns]
        self._wire: Wire | None = None
        self._reader: Reader | None = None

    async def play(self) -> Played:
        """Serve, wait for the gateway, play every row, wait for the last acknowledgement, take the device file back."""
        plan = self._plan
        check(plan)
        await self._wait_forgotten()
        text = device_text(plan)
        file = parse_device_file(text, file=str(plan.path), environ={})
        self._wire = await self._wires.open(file)
        self._reader = reader_of(plan.device, self._wire, self._wires, watch=self._watch, channels=len(self._names))
        write_whole(plan.path, text)
        try:
            await self._wait_subscribed(self._reader)
            async with self._turn:
                played = await self._rows(self._wire, self._reader)
                await self._drain(self._reader)
        finally:
            self._take_back(text)
        return played

    async def leave(self) -> None:
        """Take the device off its wire, once the gateway has left, so that it sees no broken connection."""
        if self._wire is None or self._reader is None:
            return
        if await _comes_true(self._reader.has_left, LEAVE_TIMEOUT_s):
            await self._wire.close()  # else the nodes stay for whoever watches them, and go with the endpoint

    def _take_back(self, text: str) -> None:
        if self._plan.clean:
            self._plan.path.unlink(missing_ok=True)
        else:
            write_whole(self._plan.path, text.replace(ENABLED, DISABLED, 1))

    async def _wait_forgotten(self) -> None:
        """Wait while the gateway still reads the device from a playback that has just ended: its counts would end."""
        if self._watch is None or (self._plan.path.is_file() and ENABLED in self._plan.path.read_text()):
            return
        watch, name = self._watch, self._plan.device
        await _comes_true(lambda: watch.looks > 0 and watch.device(name) is None, LEAVE_TIMEOUT_s)

    async def _wait_subscribed(self, reader: Reader) -> None:
        plan, watch = self._plan, self._watch
        self._say(f"device {plan.device} is in {plan.path}; waiting for the gateway to subscribe")
        began = time.monotonic()
        while (waited := time.monotonic() - began) < SUBSCRIBE_TIMEOUT_s:
            if reader.is_subscribed():
                return
            refusal = watch.refusal(plan.device) if watch is not None and waited > REFUSAL_AFTER_s else None
            if refusal is not None:
                message = f"the gateway refuses it: {refusal}"
                raise PlaybackError(message)
            await asyncio.sleep(LOOK_s)
        known = f" ({watch.detail(plan.device)})" if watch is not None else ""
        message = (
            f"nobody subscribed to {plan.device} within {SUBSCRIBE_TIMEOUT_s:g} s{known}; "
            f"does the gateway follow {plan.plant}?"
        )
        raise NobodySubscribed(message)

    async def _rows(self, wire: Wire, reader: Reader) -> Played:
        plan, times = self._plan, self._plan.recording.times_ns
        at_once = max(1, VALUES_AT_ONCE // len(self._names))
        began, row, last_move = time.monotonic(), 0, _Movement(reader)
        while row < len(times):
            due = self._due(time.monotonic() - began)
            n = min(due - row, reader.room(), at_once)
            if n > 0:
                await self._offer(wire, range(row, row + n))
                row += n
            elif due > row:
                last_move.check("rows wait for the gateway, which takes none")
            else:
                last_move.forget()
            await asyncio.sleep(0 if n > 0 and row < due else SLICE_s)
        seconds = time.monotonic() - began
        return Played(len(times), len(self._names), seconds, times[0] + plan.shift_ns, times[-1] + plan.shift_ns)

    def _due(self, elapsed_s: float) -> int:
        """Give how many rows are due by now."""
        times, speed = self._plan.recording.times_ns, self._plan.speed
        if speed == AS_FAST_AS_TAKEN:
            return len(times)
        return bisect_right(times, due_ns(times[0], speed=speed, elapsed_s=elapsed_s))

    async def _offer(self, wire: Wire, rows: Sequence[int]) -> None:
        emissions = [self._emission(row) for row in rows]
        ranges = [(0, 0)] * len(emissions)
        if self._ledger is not None:
            ranges = await asyncio.to_thread(self._ledger.write, emissions)
        await wire.offer(emissions, ranges)

    def _emission(self, row: int) -> Emission:
        points = []
        for name, column in self._names:
            value = column.values[row]
            points.append(Point(name, value, BAD_NO_DATA if value is None else GOOD))
        return Emission(self._plan.device, self._plan.recording.times_ns[row] + self._plan.shift_ns, tuple(points))

    async def _drain(self, reader: Reader) -> None:
        rows = len(self._plan.recording.times_ns)
        last_move = _Movement(reader)
        while not reader.is_done(rows, last_move.still_for()):
            last_move.check(f"the gateway has not acknowledged all of the {rows} rows")
            await asyncio.sleep(SLICE_s)


async def _comes_true(check: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not check():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK_s)
    return True


class _Movement:
    """Know since when a reader's figures stand still."""

    def __init__(self, reader: Reader) -> None:
        self._reader, self._figures, self._since = reader, reader.progress(), time.monotonic()

    def still_for(self) -> float:
        """Give the time, in seconds, for which nothing moved."""
        figures = self._reader.progress()
        if figures != self._figures:
            self._figures, self._since = figures, time.monotonic()
        return time.monotonic() - self._since

    def forget(self) -> None:
        """Nothing waits: begin anew."""
        self._since = time.monotonic()

    def check(self, what: str) -> None:
        """Raise PlaybackError where nothing moved for STALL_s."""
        if self.still_for() > STALL_s:
            message = f"{what}: nothing moved for {STALL_s:g} s, (waiting, acknowledged) = {self._figures}. Play again"
            raise PlaybackError(message)
