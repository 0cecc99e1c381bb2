"""Filling gaps from the server's own history (HistoryRead, OPC 10000-11 6.4.3), beside the live values.

A gap has two ends once its tag is heard again. What the server recorded between them is read, from the tag's newest
sample before the gap on, with the bounding value before it: only where that sample or an older one is in the answer,
the history reaches back far enough, and the gap counts as refilled. Where it begins later, the gap shrinks to what is
missing. A server without history leaves the gap as it is.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from asyncua import ua
from asyncua.ua.uaerrors import BadTooManyOperations, UaError

from penstock.core.reading import Reading
from penstock.core.status import is_bad
from penstock.edge.driver import GOOD_HELD, ClosedGap, Counters, Sink
from penstock.edge.opcua.columnar import ItemValue
from penstock.edge.opcua.connection import SESSION_GONE, Connection
from penstock.edge.opcua.encoding import MalformedNotification
from penstock.edge.opcua.values import HistoryPage, decode_history_response

log = logging.getLogger(__name__)
DELAY_S = 1.0
"""Servers write their history behind the live values; and a moment's gaps are read together."""
FAILED_S = 30
"""A server that answers what nobody foresaw is not asked each second, nor told of in the log each second."""
NODES_PER_CALL = 20
NEAR_NS = 60 * 1_000_000_000
"""Gaps whose ends lie this near are read in one call."""
PAGES_MAX = 10_000
"""Continuation points followed for one gap: a server that never ends has an end here."""

CODE_MASK = 0xFFFF0000
NO_BOUND = (0x80D70000, 0x80D80000)
"""BadBoundNotFound, BadBoundNotSupported: what stands where the history has no value before its start."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Filling:
    """Follow the reading of one gap."""

    gap: ClosedGap
    node: ua.NodeId
    continuation: bytes = b""
    base: ItemValue | None = None
    """The newest value from before the mark: it held until the next one."""
    reached_ns: int | None = None
    """The first time that the history has."""
    is_refused: bool = False


@dataclass(slots=True)
class Refiller:
    """Look after the closed gaps of one device while its link stands."""

    device: str
    connection: Connection
    sink: Sink
    counters: Counters
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None
    _ending: set[asyncio.Task[None]] = field(default_factory=set)
    _nodes_per_call: int = NODES_PER_CALL

    def __post_init__(self) -> None:
        self.sink.closed_gaps(self.device)  # from now on they are remembered

    def poke(self) -> None:
        """Values came: a gap may have got its end."""
        self._wanted.set()

    def resume(self) -> None:
        """The link stands."""
        self._wanted.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"opcua-refill-{self.device}")

    def pause(self) -> None:
        """The link is broken: what is not filled waits for the next."""
        if self._task is not None:
            self._task.cancel()
            self._ending.add(self._task)
            self._task.add_done_callback(self._ending.discard)
            self._task = None  # a link that is back before this one has ended gets another

    async def stop(self) -> None:
        """End for good."""
        self.pause()
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            await asyncio.sleep(DELAY_S)
            self._wanted.clear()
            nodes = {item.tag: item.node for item in self.connection.items.values()}
            waiting = [Filling(gap, nodes[gap.tag]) for gap in self.sink.closed_gaps(self.device) if gap.tag in nodes]
            try:
                for together in _together(waiting, self._nodes_per_call):
                    await self._fill(together)
            except (OSError, TimeoutError, *SESSION_GONE):  # the link's own watch finds it broken; else again
                self._wanted.set()
            except Exception:  # boundary: a server may answer anything; values go on, and the gap is tried again
                log.exception("device %s: reading its history failed; tried again in %d s", self.device, FAILED_S)
                self._wanted.set()
                await asyncio.sleep(FAILED_S)

    async def _fill(self, together: Sequence[Filling]) -> None:
        self.counters.add("history_reads")
        start_ns, end_ns = min(one.gap.after_ns for one in together), max(one.gap.to_ns for one in together)
        left = list(together)
        for _ in range(PAGES_MAX):
            try:
                answer = await self.connection.present().session.history_read_raw(_request(left, start_ns, end_ns))
                pages = decode_history_response(answer)
            except SESSION_GONE:
                raise
            except BadTooManyOperations:
                self._nodes_per_call = max(1, self._nodes_per_call // 2)
                self._wanted.set()
                return
            except (UaError, MalformedNotification):
                pages = []
            for one in left[len(pages) :]:
                one.is_refused = True
            for one, page in zip(left, pages, strict=False):
                await self._take(one, page)
            left = [one for one in left if one.continuation and not one.is_refused]
            if not left:
                break
        for one in together:
            await self._finish(one)

    async def _take(self, one: Filling, page: HistoryPage) -> None:
        one.continuation = page.continuation
        one.is_refused = is_bad(page.status)
        readings: list[Reading] = []
        gap = one.gap
        for value in page.values:
            time_ns = value.source_time_ns if value.source_time_ns is not None else value.server_time_ns
            if time_ns is None or one.is_refused or value.status & CODE_MASK in NO_BOUND:
                continue
            one.reached_ns = time_ns if one.reached_ns is None else min(one.reached_ns, time_ns)
            if time_ns <= gap.from_ns:
                one.base = value
            if gap.after_ns < time_ns < gap.to_ns:
                readings.append(Reading(gap.tag, time_ns, value.status, value.raw))
        if readings:
            self.counters.add("history_values", len(readings))
            await (await self.sink.refill(self.device, readings))

    async def _finish(self, one: Filling) -> None:
        gap = one.gap
        if one.is_refused or one.reached_ns is None:
            self.counters.add("gaps_left")
            await self.sink.settle(self.device, gap, missing_to_ns=gap.to_ns)
            return
        is_whole = one.reached_ns <= gap.after_ns
        was_marked = gap.after_ns < gap.from_ns  # a queue that overflowed left no Bad sample
        if is_whole and was_marked and one.base is not None and gap.from_ns + 1 < gap.to_ns:
            held = Reading(gap.tag, gap.from_ns + 1, one.base.status | GOOD_HELD, one.base.raw)
            await (await self.sink.refill(self.device, [held]))
        self.counters.add("gaps_refilled" if is_whole else "gaps_left")
        await self.sink.settle(self.device, gap, missing_to_ns=None if is_whole else min(one.reached_ns, gap.to_ns))


def _together(waiting: Sequence[Filling], most: int) -> list[list[Filling]]:
    groups: list[list[Filling]] = []
    for one in sorted(waiting, key=lambda one: (one.gap.after_ns, one.gap.to_ns)):
        group = groups[-1] if groups else []
        first = group[0].gap if group else None
        if first is not None and len(group) < most and _is_near(first, one.gap):
            group.append(one)
        else:
            groups.append([one])
    return groups


def _is_near(first: ClosedGap, other: ClosedGap) -> bool:
    return abs(first.after_ns - other.after_ns) <= NEAR_NS and abs(first.to_ns - other.to_ns) <= NEAR_NS


def _request(left: Sequence[Filling], start_ns: int, end_ns: int) -> ua.HistoryReadParameters:
    details = ua.ReadRawModifiedDetails()
    details.IsReadModified = False
    details.StartTime = _EPOCH + timedelta(microseconds=start_ns // 1000)
    details.EndTime = _EPOCH + timedelta(microseconds=-(-end_ns // 1000))
    details.NumValuesPerNode = ua.Counter(0)
    details.ReturnBounds = True
    parameters = ua.HistoryReadParameters()
    parameters.HistoryReadDetails = details
    parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    parameters.ReleaseContinuationPoints = False
    parameters.NodesToRead = [
        ua.HistoryReadValueId(NodeId=one.node, ContinuationPoint=one.continuation or None) for one in left
    ]
    return parameters
