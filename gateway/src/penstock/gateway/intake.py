"""The gateway's side of the drivers: readings in, normalised samples, gaps and rejects out to the journal."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from penstock.core.batch import Record, Reject
from penstock.core.columns import SampleColumns
from penstock.core.device_file import DeviceFile
from penstock.core.dictionary import DictionaryEntry
from penstock.core.normalise import Normalised, Normaliser, Rejected
from penstock.core.normalise_columns import ColumnNormaliser
from penstock.core.reading import Reading
from penstock.core.readings import ReadingColumns
from penstock.core.values import ValueKind, ValueType
from penstock.edge.driver import ClosedGap, Receipt
from penstock.gateway.batcher import RECORDS_PER_BATCH_MAX, Batcher
from penstock.gateway.gaps import GapTracker, OpenGap
from penstock.gateway.journal.store import GapMark, JournalStore, TagState
from penstock.gateway.junk import Junk, JunkReport
from penstock.gateway.thinning import Thinning

log = logging.getLogger(__name__)

ROWS_PER_PIECE = 5_000
TEXT_ROWS_PER_PIECE = 200
"""Rows with strings go in smaller pieces: 200 of the longest (8 KiB) are 1.6 MB."""
REASON_MAX_CHARS = 500


@dataclass(slots=True)
class Source:
    """Hold what the intake knows of one device."""

    device: DeviceFile
    normaliser: Normaliser
    column_normaliser: ColumnNormaliser
    indexes: dict[str, int]
    by_position: npt.NDArray[np.uint32]
    """Local index of the device file's n-th tag."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Carry a device that was checked and is not yet installed."""

    device: DeviceFile
    normaliser: Normaliser
    column_normaliser: ColumnNormaliser


@dataclass(slots=True)
class Counts:
    """Count what came in since start."""

    rejects: int = 0
    gaps: int = 0
    refilled: int = 0
    """Gaps whose values came after all."""


@dataclass(slots=True)
class Intake:
    """Implement the drivers' Sink over the batcher; own the dictionary and the gaps."""

    batcher: Batcher
    now_ns: Callable[[], int]
    on_dictionary: Callable[[], None]
    """Called when the dictionary changed."""
    gaps: GapTracker = field(default_factory=GapTracker)
    thinning: Thinning = field(default_factory=Thinning)
    counts: Counts = field(default_factory=Counts)
    entries: dict[int, DictionaryEntry] = field(default_factory=dict)
    _index_by_key: dict[str, int] = field(default_factory=dict)
    _sources: dict[str, Source] = field(default_factory=dict)
    rejects_by_device: dict[str, int] = field(default_factory=dict)
    junk: JunkReport = field(default_factory=JunkReport)
    monotonic_ns: Callable[[], int] = time.monotonic_ns

    def restore(self, journal: JournalStore) -> None:
        """Take over dictionary, gaps and what was thinned from the journal."""
        self.thinning.restore(journal.thinned())
        self.gaps.restore_unsettled(journal.unsettled())
        for tag in journal.tags():
            stored = json.loads(tag.entry)
            self.entries[tag.index] = DictionaryEntry(**{**stored, "type": ValueType(stored["type"])})
            self._index_by_key[tag.key] = tag.index
            gap = OpenGap(tag.gap_from_ns, tag.gap_cause or "") if tag.gap_from_ns is not None else None
            self.gaps.restore(tag.index, tag.newest_ns, gap)

    def dictionary(self) -> list[DictionaryEntry]:
        """List all entries, dense from index 0."""
        return [self.entries[index] for index in range(len(self.entries))]

    def prepare(self, device: DeviceFile) -> Prepared:
        """Check that the device's values can be normalised; ConfigError where not."""
        return Prepared(device, Normaliser(device), ColumnNormaliser(device))

    async def install(self, prepared: Prepared) -> None:
        """Give the device's tags their indexes, journalled before any sample that uses them."""
        device = prepared.device
        changed: list[TagState] = []
        indexes: dict[str, int] = {}
        for name in device.tags:
            entry = self._entry(device, name)
            indexes[name] = entry.index
            if self.entries.get(entry.index) != entry:
                self.entries[entry.index] = entry
                self._index_by_key[entry.key] = entry.index
                text = json.dumps(asdict(entry), ensure_ascii=False)
                changed.append(TagState(entry.index, entry.key, entry.device, text, None, None, None))
        positions = np.fromiter(indexes.values(), np.uint32, len(indexes))
        self._sources[device.device] = Source(
            device, prepared.normaliser, prepared.column_normaliser, indexes, positions
        )
        for name, index in indexes.items():
            self.thinning.set_rule(index, device.tags[name].thinning)
        if changed:
            self.batcher.add(SampleColumns.empty(), (), (), tags=changed, hurry=True)
            self.on_dictionary()

    def newest_source_time_ns(self, device: str) -> int | None:
        """Give the newest source time of a device's tags."""
        source = self._sources.get(device)
        return self.gaps.newest_of(source.indexes.values()) if source else None

    def heard_before(self, device: str) -> bool:
        """Say whether any tag of the device has had a sample."""
        return self.newest_source_time_ns(device) is not None

    async def put(self, device: str, readings: Sequence[Reading], *, hurry: bool = False) -> Receipt:
        """Normalise and hand to the batcher, waiting while the gateway is full."""
        await self.batcher.wait_for_room()
        source = self._sources[device]
        return self._journal(source, source.normaliser.apply(readings, self.now_ns()), hurry=hurry)

    async def put_columns(self, device: str, readings: ReadingColumns, *, hurry: bool = False) -> Receipt:
        """Do the same for readings in columns."""
        await self.batcher.wait_for_room()
        source = self._sources[device]
        return self._journal(source, source.column_normaliser.apply(readings, self.now_ns()), hurry=hurry)

    def _journal(self, source: Source, normalised: Normalised, *, hurry: bool) -> Receipt:
        columns = normalised.columns.with_tags(source.by_position[normalised.columns.tag])
        rejects = self._reject_records(source, normalised.rejects)
        receipt: Receipt | None = None
        for piece in _pieces(columns):
            receipt = self._add(piece, (), hurry=hurry)
        if rejects or receipt is None:
            receipt = self._add(SampleColumns.empty(), rejects, hurry=hurry)
        return receipt

    async def reject(self, device: str, rejects: Sequence[Rejected]) -> Receipt:
        """Journal what could not become a reading."""
        await self.batcher.wait_for_room()
        return self._add(SampleColumns.empty(), self._reject_records(self._sources[device], rejects), hurry=False)

    async def gap(self, device: str, cause: str, newest_source_time_ns: int | None) -> Collection[str]:
        """Open a gap on each of the device's tags that is not in one; give those tags."""
        source = self._sources.get(device)
        if source is None:
            return ()
        marked = self.gaps.on_gap(list(source.indexes.values()), cause, newest_source_time_ns)
        if not marked.records:
            return ()
        self.counts.gaps += len(marked.records)
        self.thinning.forget(marked.records)
        log.info("%s: gap marked on %d tags: %s", device, len(marked.records), cause)
        opened = [GapMark(gap.tag, gap.from_ns, gap.cause) for gap in marked.records]
        self.batcher.add(marked.columns, marked.records, opened)
        tags = {gap.tag for gap in marked.records}
        return [tag for tag, index in source.indexes.items() if index in tags]

    async def continued(self, device: str, tags: Collection[str]) -> None:
        """Take back the marks that are still open."""
        source = self._sources[device]
        indexes = [source.indexes[tag] for tag in tags if tag in source.indexes]
        marked = self.gaps.on_continued(indexes, self.now_ns())
        if marked.records:
            log.info("%s: nothing was lost, %d gaps taken back", device, len(marked.records))
            self.counts.refilled += len(marked.records)
            closed = [GapMark(gap.tag, None, gap.cause) for gap in marked.records]
            self.batcher.add(marked.columns, marked.records, closed)

    def closed_gaps(self, device: str) -> Sequence[ClosedGap]:
        """Give the device's gaps that wait for its history."""
        source = self._sources[device]
        self.gaps.watched.update(source.indexes.values())
        if not self.gaps.unsettled:
            return ()
        names = {index: tag for tag, index in source.indexes.items()}
        return [
            ClosedGap(names[one.gap.tag], one.after_ns, one.gap.from_ns, one.gap.to_ns)
            for one in self.gaps.unsettled.values()
            if one.gap.tag in names and one.gap.to_ns is not None
        ]

    async def refill(self, device: str, readings: Sequence[Reading]) -> Receipt:
        """Journal readings of the device's history; they change no gap and no newest time."""
        await self.batcher.wait_for_room()
        source = self._sources[device]
        normalised = source.normaliser.apply(readings, self.now_ns())
        columns = normalised.columns.with_tags(source.by_position[normalised.columns.tag])
        receipt: Receipt = self.batcher.add(SampleColumns.empty(), self._reject_records(source, normalised.rejects), ())
        for piece in _pieces(columns):
            receipt = self.batcher.add(piece, (), ())
        return receipt

    async def settle(self, device: str, gap: ClosedGap, *, missing_to_ns: int | None) -> None:
        """Record what became of a closed gap."""
        index = self._sources[device].indexes[gap.tag]
        record = self.gaps.settle(index, gap.from_ns, missing_to_ns=missing_to_ns)
        if record is not None:
            self.counts.refilled += record.refilled
        self._remember((record,) if record is not None else ())

    async def overflow(self, device: str, tag: str, *, from_ns: int, to_ns: int) -> None:
        """Record a gap of one tag that has both ends already."""
        index = self._sources[device].indexes[tag]
        self.counts.gaps += 1
        gap = self.gaps.on_overflow(index, from_ns, to_ns, "the device's queue overflowed")
        self._remember((gap,))

    async def recovered(self, device: str) -> None:
        """Say so; each gap closes with its tag's next value."""
        source = self._sources.get(device)
        waiting = sum(index in self.gaps.open for index in source.indexes.values()) if source else 0
        if waiting:
            log.info("%s: heard again, %d tags wait for their next value", device, waiting)

    def _add(self, columns: SampleColumns, records: Sequence[Record], *, hurry: bool) -> asyncio.Future[None]:
        marked = self.gaps.on_samples(columns)
        closed = [GapMark(gap.tag, None, gap.cause) for gap in marked.records]
        passed, thinned = self.thinning.apply(marked.columns)
        return self.batcher.add(
            passed,
            (*records, *marked.records),
            closed,
            thinned=thinned,
            unsettled=self.gaps.changes(),
            hurry=hurry,
        )

    def _remember(self, records: Sequence[Record]) -> None:
        """Journal records without samples, and what they change of the gaps that wait for their device's history."""
        self.batcher.add(SampleColumns.empty(), records, (), unsettled=self.gaps.changes())

    def _reject_records(self, source: Source, rejects: Sequence[Rejected]) -> list[Reject]:
        """Fold equal rejects into one record each, so that a flood of junk does not flood the ledger."""
        name = source.device.device
        self.counts.rejects += len(rejects)
        self.rejects_by_device[name] = self.rejects_by_device.get(name, 0) + len(rejects)
        folded: dict[tuple[str | None, str], Reject] = {}
        for one in rejects:
            reason = one.reason[:REASON_MAX_CHARS]
            known = folded.get((one.tag, reason))
            count = 1 if known is None else known.count + 1
            first = one if known is None else known
            tag = source.indexes.get(one.tag) if one.tag is not None else None
            folded[one.tag, reason] = Reject(tag, name, first.time_ns, reason, count, first.excerpt)
        junk = [
            Junk(tag, _place(source.device, tag), reason, record.excerpt, record.count)
            for (tag, reason), record in folded.items()
        ]
        for line in self.junk.on_rejects(name, junk, self.monotonic_ns()):
            log.warning("%s", line)
        return list(folded.values())

    def tell_thinned(self, *, now: bool = False) -> None:
        """Journal the records of what was thinned: once a minute, or `now`."""
        told = self.thinning.tell(self.monotonic_ns(), now=now)
        if told is None:
            return
        records, counts = told
        for start in range(0, len(records), RECORDS_PER_BATCH_MAX):
            piece = slice(start, start + RECORDS_PER_BATCH_MAX)
            self.batcher.add(SampleColumns.empty(), records[piece], (), thinned=counts.take(piece))

    def tell_junk(self) -> None:
        """Write what is due of the counted rejects to the log."""
        for line in self.junk.on_wake(self.monotonic_ns()):
            log.warning("%s", line)

    def junk_problems(self) -> list[str]:
        """Name the devices that send junk these minutes."""
        return self.junk.problems(self.monotonic_ns())

    def _entry(self, device: DeviceFile, name: str) -> DictionaryEntry:
        tag = device.tags[name]
        key = device.key(name)
        return DictionaryEntry(
            index=self._index_by_key.get(key, len(self.entries)),
            key=key,
            asset=device.asset,
            name=name,
            type=tag.type,
            unit=tag.unit,
            description=tag.description,
            device=device.device,
            file_hash=device.hash,
            late_after_ns=tag.late_after_ns,
            rate_hz=tag.rate_hz,
        )


def _place(device: DeviceFile, tag: str | None) -> str:
    """Say where a tag's values come from, as the device file has it."""
    source = device.tags[tag].source if tag is not None and tag in device.tags else None
    if source is not None and source.node:
        return f"node {source.node}"
    topic = (source.topic if source is not None else None) or device.connection.settings.get("topic")
    return f"topic {topic}" if isinstance(topic, str) else ""


def _pieces(columns: SampleColumns) -> Iterator[SampleColumns]:
    text = bool((columns.kind == ValueKind.STRING).any())
    step = TEXT_ROWS_PER_PIECE if text else ROWS_PER_PIECE
    if 0 < len(columns) <= step:
        yield columns
        return
    for start in range(0, len(columns), step):
        yield columns.take(slice(start, start + step))
