"""Follows the historian's commits and has the rules judge them; wakes by the commit hub, reads by position."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from penstock.core.alarm import AlarmSample
from penstock.platform.compute.evaluator import RuleEvaluator, Step
from penstock.platform.historian.errors import CursorExpired
from penstock.platform.historian.ports import Table
from penstock.platform.historian.service import Historian
from penstock.platform.kit.db import is_busy, is_unwritable

PAGE_ROWS = 20_000
REFRESH_S = 5.0
"""Rules and bindings are read again after this time, at once after a change through the API."""

TAKE_UP_S = 5.0
"""How long who changes a rule waits for the evaluator; a busier one takes the rule up later."""

SAVE_S = 10.0
"""How long the saved cursor may lag where no rule is touched; a start reads the commits of that time again."""

PAUSE_S = 0.2
"""Between two steps: each is a synced transaction, and an alarm may wait a fifth of a second."""

FAILURE_WAIT_S = 2.0
_S = 1_000_000_000
log = logging.getLogger(__name__)


class AlarmFollower:
    """The shell around the evaluator."""

    def __init__(
        self,
        historian: Historian,
        evaluator: RuleEvaluator,
        on_transitions: Callable[[], None],
        *,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._historian = historian
        self._evaluator = evaluator
        self._on_transitions = on_transitions
        self._now_ns = now_ns
        self._stale = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None
        self._asked: list[threading.Event] = []
        self._due_ns: dict[str, int] = {}
        self._seen_ns: dict[str, int] = {}
        self.position = 0
        self._saved, self._saved_s = 0, 0.0

    def rules_changed(self) -> None:
        """Have the rules read again at once; from another thread, wait until what is committed from now on is judged.

        Without the wait a sample that is written right after a rule was made could come before the rule's first look.
        """
        if self._loop is None:
            return
        taken_up = threading.Event()
        self._loop.call_soon_threadsafe(self._on_rules_changed, taken_up)
        if threading.get_ident() != self._thread:
            taken_up.wait(TAKE_UP_S)

    def _on_rules_changed(self, taken_up: threading.Event) -> None:
        self._asked.append(taken_up)
        self._stale.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        while True:
            try:
                await self._follow()
            except Exception as error:  # boundary: alarms are judged again, ingest goes on meanwhile
                self._evaluator.counters.failures += 1
                if isinstance(error, SQLAlchemyError) and is_busy(error):
                    log.warning("judging alarms waits behind position %d: the store is busy", self.position)
                elif isinstance(error, SQLAlchemyError) and is_unwritable(error):
                    log.error("judging alarms waits behind position %d: %s", self.position, error.__cause__)
                else:
                    log.exception("judging alarms failed behind position %d; tried again", self.position)
                await asyncio.sleep(FAILURE_WAIT_S)

    async def _follow(self) -> None:
        """Start from what is saved, then judge page after page."""
        await self._start_from_cursor()
        tags = await asyncio.to_thread(self._evaluator.refresh)
        refreshed = time.monotonic()
        while True:
            asked: list[threading.Event] = []
            if self._stale.is_set() or time.monotonic() - refreshed > REFRESH_S:
                self._stale.clear()
                asked, self._asked = self._asked, []
                before, tags = tags, await asyncio.to_thread(self._evaluator.refresh)
                refreshed = time.monotonic()
                if tags != before:  # what was passed by is not for who watches from now on
                    await self._save()
            if self._historian.head() < self.position:
                await self._save()
                await self._start_from_cursor()
            await self._page(tags)
            if time.monotonic() - self._saved_s > SAVE_S:
                await self._save()
            for taken_up in asked:
                taken_up.set()
            await self._tick()
            await self._wait()

    async def _start_from_cursor(self) -> None:
        self.position = await asyncio.to_thread(self._evaluator.cursor, self._historian.head())
        self._note_saved(self.position)

    async def _save(self) -> None:
        """Bring the saved cursor to where judging is."""
        if self.position > self._saved:
            await asyncio.to_thread(self._evaluator.save, self.position)
            self._note_saved(self.position)

    def _note_saved(self, position: int) -> None:
        self._saved, self._saved_s = position, time.monotonic()

    async def _page(self, tags: Sequence[int]) -> None:
        if not self._evaluator.has_new_rules():
            if not tags:  # nobody watches: there is nothing to read
                self.position = max(self.position, self._historian.head())
            if self._historian.head() == self.position:
                return
        try:
            page = await self._historian.since(self.position, limit=PAGE_ROWS, tags=tags)
        except CursorExpired as error:
            log.error("commits up to %d can no longer be followed; alarms go on from there", error.oldest)
            self.position = error.oldest
            return
        samples = samples_of(page.rows)
        if samples or self._evaluator.has_new_rules():
            await self._take(await asyncio.to_thread(self._evaluator.step, samples, page.position))
            self._note_saved(page.position)
        self.position = page.position

    async def _tick(self) -> None:
        now = self._now_ns()
        over = [rule for rule, due in self._due_ns.items() if due <= now]
        if over:
            await self._take(await asyncio.to_thread(self._evaluator.tick, over))

    async def _take(self, step: Step) -> None:
        """Note the delays under way: by the clock, one ends no sooner than its length after it was seen."""
        now = self._now_ns()
        for rule, due in step.due_ns.items():
            if due is None:
                self._due_ns.pop(rule, None)
            elif self._seen_ns.get(rule) != due or rule not in self._due_ns:
                self._seen_ns[rule] = due
                self._due_ns[rule] = max(due, now + self._evaluator.delay_ns(rule))
        if step.transitions:
            await asyncio.to_thread(self._on_transitions)

    async def _wait(self) -> None:
        await asyncio.sleep(PAUSE_S)
        timeout_s = REFRESH_S
        if self._due_ns:
            timeout_s = min(timeout_s, max(0.0, (min(self._due_ns.values()) - self._now_ns()) / _S))
        stale = asyncio.create_task(self._stale.wait(), name="rules changed")
        beyond = asyncio.create_task(self._historian.hub.wait_beyond(self.position), name="commit")
        try:
            await asyncio.wait({stale, beyond}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stale, beyond):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


def samples_of(rows: Table) -> list[tuple[int, AlarmSample]]:
    """Give the rows of watched tags as (tag, sample), in commit order; few enough for objects."""
    names = ("tag", "time", "status", "vf", "vi", "vb", "position", "row")
    columns = [rows.column(name).to_pylist() for name in names]
    found = []
    for tag, at, status, vf, vi, vb, position, row in zip(*columns, strict=True):
        value = vf if vf is not None else vi if vi is not None else vb
        number = None if value is None else float(value)
        found.append((tag, AlarmSample(at, status, number, position, row)))
    return found
