"""The ingest door: fencing, dictionaries, decoding off the event loop, one append per request.

A request is answered after the commit of everything in it. It is refused whole or taken whole; only single batches or
rows of it may be set aside in quarantine.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from penstock.core.dictionary import decode_dictionary
from penstock.core.errors import PeerError, RetryLater
from penstock.core.frames import Frame, FrameKind, iter_frames
from penstock.platform.historian.api.ledger_delivery import Holding
from penstock.platform.historian.errors import KeyReused
from penstock.platform.historian.ledger.entries import QuarantineEntry
from penstock.platform.historian.ports import BatchOutcome, Verdict, WriterBatch
from penstock.platform.historian.service import Historian
from penstock.platform.identity.gateways import GatewayDirectory
from penstock.platform.ingest.asked import Asked
from penstock.platform.ingest.decode import OF_ROWS, batch_of_frame
from penstock.platform.ingest.errors import (
    DictionaryNeeded,
    dictionary_needed,
    session_needed,
    session_superseded,
)
from penstock.platform.ingest.rivals import Meeting, Rivals
from penstock.platform.ingest.schemas import EpochAnswer, FramesAnswer, QuarantinedSeq, Samples, Written
from penstock.platform.ingest.small import batch_of_rows, check_rows, rows_of_arrow, rows_of_json
from penstock.platform.ingest.tagmap import TagMap
from penstock.platform.kit.access import Principal
from penstock.platform.kit.audit import record
from penstock.platform.kit.db import Database
from penstock.platform.kit.problems import Problem, busy, forbidden, not_found
from penstock.platform.registry.service import TagDirectory

DECODE_THREADS = 2
DECODES_MAX = 32  # bodies of 8 MiB each: 256 MiB at the very most wait to be decoded
TAG_MAPS_MAX = 256

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Hold what a request brought: batches to commit, and the epochs it spoke of in order."""

    batches: tuple[WriterBatch, ...]
    epochs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusals:
    """Count the requests of a gateway under older sessions since the start; the last one in full."""

    count: int
    session: int
    by: int
    at_ns: int


class Ingest:
    """Take samples from gateways and small writers into the historian."""

    def __init__(
        self,
        historian: Historian,
        tags: TagDirectory,
        gateways: GatewayDirectory,
        db: Database,
        *,
        on_rivals: Callable[[Meeting], None],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._historian, self._tags, self._gateways, self._db = historian, tags, gateways, db
        self._on_rivals, self._now_ns = on_rivals, now_ns
        self.rivals = Rivals()
        self._asked = Asked()
        self._maps: dict[tuple[str, str], TagMap] = {}
        self._pool = ThreadPoolExecutor(DECODE_THREADS, thread_name_prefix="ingest-decode")
        self._decoding = 0
        self._told: set[tuple[str, int]] = set()
        self.last_seen_ns: dict[str, int] = {}
        self.refusals: dict[str, Refusals] = {}
        self.holdings: dict[str, Holding] = {}
        self.counts = {"requests": 0, "corrupt": 0, "superseded": 0, "dictionaries": 0, "busy": 0}

    def stop(self) -> None:
        """End the decoding threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def counters(self) -> dict[str, int]:
        """Give the counters since the start, for /metrics."""
        return {**self.counts, "decoding": self._decoding}

    async def check_session(self, principal: Principal, session: int | None) -> str:
        """Give the gateway's id; raise Problem 403, or 409 for a session that is not its newest."""
        gateway = principal.gateway_id
        if gateway is None:
            msg = "Frames come from gateways; enrol one, or send JSON or Arrow with samples:write."
            raise forbidden(msg)
        newest = self._gateways.current_session(gateway)
        if session is None or session > newest:
            raise session_needed(session, newest)
        if session < newest:
            self.counts["superseded"] += 1
            before = self.refusals.get(gateway)
            count = 1 if before is None else before.count + 1
            self.refusals[gateway] = Refusals(count, session, newest, self._now_ns())
            await self._tell_superseded(principal, session, newest)
            epoch = self._gateways.current_epoch(gateway)
            if self.rivals.is_rival(gateway, session, newest_epoch=epoch, now_ns=self._now_ns()):
                meeting = Meeting(principal.tenant, gateway, principal.name, session, newest, self._now_ns())
                await asyncio.to_thread(self._on_rivals, meeting)
            raise session_superseded(session, newest, epoch)
        self.last_seen_ns[gateway] = self._now_ns()
        return gateway

    async def frames(self, principal: Principal, gateway: str, body: bytes) -> FramesAnswer:
        """Commit the frames of a body; the session was checked."""
        self.counts["requests"] += 1
        try:
            decoded = await self._off_loop(lambda: self._decode(principal.tenant, gateway, body))
            result = await self._historian.append(decoded.batches) if decoded.batches else None
        except PeerError as error:
            self.counts["corrupt"] += 1
            raise Problem(400, error.problem, error.message) from error
        except DictionaryNeeded as error:
            raise dictionary_needed(error) from error
        except RetryLater as error:
            self.counts["busy"] += 1
            raise busy(error.message, -(-error.after_ms // 1000)) from error
        for batch in decoded.batches:
            self._asked.forget(gateway, batch.epoch, batch.seq)
        outcomes = result.outcomes if result else ()
        return self._answer(gateway, decoded, outcomes)

    async def json(
        self, principal: Principal, key: str, samples: Samples, *, body: bytes, replacing: bool = False
    ) -> Written:
        """Commit the samples of a JSON body, all or nothing; a replacement goes to the audit log."""
        now = self._now_ns()
        tags = self._tags.by_id(principal.tenant, {sample.tag for sample in samples.samples})

        def decode() -> WriterBatch:
            absent = next((sample.tag for sample in samples.samples if sample.tag not in tags), None)
            if absent is not None:
                msg = "tag"
                raise not_found(msg, absent)
            rows = rows_of_json(samples.samples, tags, now)
            late_after = check_rows(rows, tags, principal, replacing=replacing)
            return batch_of_rows(rows, late_after, principal, key=key, body=body, now_ns=now, replacing=replacing)

        written = await self._write(decode)
        await self._note(principal, key, written, replacing=replacing)
        return written

    async def arrow(
        self, principal: Principal, key: str, body: bytes, *, importing: bool = False, replacing: bool = False
    ) -> Written:
        """Commit the rows of an Arrow stream, all or nothing; imports and replacements go to the audit log."""
        now = self._now_ns()

        def decode() -> WriterBatch:
            try:
                rows = rows_of_arrow(body)
            except PeerError as error:
                status = 413 if error.problem == "too-large" else 400
                raise Problem(status, error.problem, error.message) from error
            tags = self._tags.by_id(principal.tenant, rows["tag"].unique().to_pylist())
            late_after = check_rows(rows, tags, principal, importing=importing, replacing=replacing)
            return batch_of_rows(rows, late_after, principal, key=key, body=body, now_ns=now, replacing=replacing)

        written = await self._write(decode)
        await self._note(principal, key, written, importing=importing, replacing=replacing)
        return written

    async def _note(
        self, principal: Principal, key: str, written: Written, *, importing: bool = False, replacing: bool = False
    ) -> None:
        """Put a write that is not an owner's plain one into the audit log, with its counts."""
        action = "samples.replace" if replacing else "samples.import" if importing else ""

        def write() -> None:
            with self._db.session() as store:
                record(store, principal, action, object=key, detail=written.model_dump())

        if action:
            await asyncio.to_thread(write)

    async def retry(self, tenant: str, kept: QuarantineEntry, payload: bytes) -> BatchOutcome:
        """Commit a quarantined batch whose reason is gone; raise Problem 409 with the reason that is left."""
        try:
            batch = await self._off_loop(lambda: self._decode_again(tenant, kept, payload))
        except PeerError as error:
            raise _still(error.message) from error
        try:
            return (await self._historian.append([batch])).outcomes[0]
        except RetryLater as error:
            raise busy(error.message, -(-error.after_ms // 1000)) from error

    async def _write(self, decode: Callable[[], WriterBatch]) -> Written:
        batch = await self._off_loop(decode)
        try:
            outcome = (await self._historian.append([batch])).outcomes[0]
        except KeyReused as error:
            raise Problem(409, "idempotency-key-reused", error.message) from error
        except RetryLater as error:
            self.counts["busy"] += 1
            raise busy(error.message, -(-error.after_ms // 1000)) from error
        return Written(
            position=outcome.position, stored=outcome.stored, duplicates=outcome.duplicates, erased=outcome.erased
        )

    async def _off_loop(self, work: Callable[[], T]) -> T:
        if self._decoding >= DECODES_MAX:
            self.counts["busy"] += 1
            msg = f"{self._decoding} requests are being read already; keep and send again"
            raise busy(msg)
        self._decoding += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._decoding -= 1

    def _decode(self, tenant: str, gateway: str, body: bytes) -> Decoded:
        frames = list(iter_frames(body))  # all of them are whole before the first is looked into
        if not frames:
            message = "the body holds no frame"
            raise PeerError(message, problem="frame-corrupt")
        batches = []
        for frame in frames:
            if frame.kind is FrameKind.DICTIONARY:
                self._tags.register(tenant, gateway, frame.epoch, decode_dictionary(frame.payload))
                self._asked.dictionary_came(gateway, frame.epoch)
                self.counts["dictionaries"] += 1
            else:
                batches.append(self._batch(tenant, gateway, frame))
        return Decoded(tuple(batches), tuple(dict.fromkeys(frame.epoch for frame in frames)))

    def _batch(self, tenant: str, gateway: str, frame: Frame) -> WriterBatch:
        try:
            return batch_of_frame(
                frame,
                self._map(gateway, frame.epoch),
                tenant=tenant,
                gateway=gateway,
                arrival_platform_ns=self._now_ns(),
                dictionary_came=self._asked.was_answered(gateway, frame.epoch, frame.seq),
            )
        except DictionaryNeeded:
            self._asked.ask(gateway, frame.epoch, frame.seq)
            raise

    def _decode_again(self, tenant: str, kept: QuarantineEntry, payload: bytes) -> WriterBatch:
        [frame] = iter_frames(payload)
        gateway = kept.writer
        try:
            batch = batch_of_frame(
                frame,
                self._map(gateway, frame.epoch),
                tenant=tenant,
                gateway=gateway,
                arrival_platform_ns=self._now_ns(),
                dictionary_came=False,
            )
        except DictionaryNeeded as error:
            raise _still(error.message) from error
        if batch.quarantine is not None:
            msg = f"{batch.quarantine.reason}: {batch.quarantine.detail}"
            raise _still(msg)
        records = () if kept.reason in OF_ROWS else batch.records  # those were committed with the rest
        position = kept.position
        return replace(batch, epoch="", seq=0, key=f"retry:{position}", resolves=position, records=records)

    def _map(self, gateway: str, epoch: str) -> TagMap:
        source = self._tags.mapping(gateway, epoch)
        known = self._maps.get((gateway, epoch))
        if known is None or known.source is not source:
            known = self._maps[gateway, epoch] = TagMap.of(source, gateway)
            if len(self._maps) > TAG_MAPS_MAX:
                self._maps.pop(next(iter(self._maps)))
        return known

    def _answer(self, gateway: str, decoded: Decoded, outcomes: Sequence[BatchOutcome]) -> FramesAnswer:
        answers = []
        for epoch in decoded.epochs:
            mine = [
                (batch, outcome)
                for batch, outcome in zip(decoded.batches, outcomes, strict=True)
                if batch.epoch == epoch
            ]
            watermark = self._historian.watermark(gateway, epoch)
            answers.append(
                EpochAnswer(
                    epoch=epoch,
                    watermark=watermark.watermark,
                    above=list(watermark.above),
                    position=self._historian.head(),
                    committed=sum(outcome.verdict is not Verdict.REPEATED for _, outcome in mine),
                    repeated=sum(outcome.verdict is Verdict.REPEATED for _, outcome in mine),
                    quarantined=[
                        QuarantinedSeq(seq=batch.seq, reason=outcome.quarantined)
                        for batch, outcome in mine
                        if outcome.quarantined is not None
                    ],
                )
            )
        first = answers[0].model_dump()
        return FramesAnswer(**first, epochs=answers if len(answers) > 1 else [])

    async def _tell_superseded(self, principal: Principal, session: int, newest: int) -> None:
        """Write to the audit log, once per older session, which two sessions met."""
        gateway = principal.gateway_id or ""
        if (gateway, session) in self._told:
            return
        if len(self._told) > 10_000:
            self._told.clear()
        self._told.add((gateway, session))

        def write() -> None:
            with self._db.session() as store:
                detail = {"session": session, "newest": newest}
                record(store, principal, "gateway.session-superseded", object=gateway, detail=detail)

        await asyncio.to_thread(write)


def _still(why: str) -> Problem:
    detail = f"The batch cannot be taken yet: {why}. Mend that (dictionary, tag type, owner), then retry."
    return Problem(409, "still-quarantined", detail)
