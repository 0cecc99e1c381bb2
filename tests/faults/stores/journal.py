"""The gateway's journal: written, released, trimmed, closed and opened again; judged batch by batch."""

import json
import random
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from penstock.core.errors import PenstockError
from penstock.core.frames import iter_frames
from penstock.gateway.journal import schema
from penstock.gateway.journal.store import Epoch, GapMark, Heard, JournalStore, NewBatch, TagState
from tests.faults.plants import plant_writer
from tests.faults.telling import Told, newest, tell

FILE = Path("gateway") / "journal.sqlite"
CHECKPOINT_PAGES = 60
"""Instead of 4,000, so that a short record holds checkpoints."""
RESERVE_BYTES = 60_000
TAGS = 5
NOON_NS = 1_790_000_000_000_000_000


def payload_of(epoch: str, seq: int) -> bytes:
    """Give the bytes of a journalled batch: derived from its name, 200 to 6,000 of them, not compressible."""
    chance = random.Random(f"{epoch} {seq}")
    return chance.randbytes(chance.randint(200, 6_000))


def tag_state(index: int) -> TagState:
    """Make a dictionary entry."""
    return TagState(index, f"device/t{index}", "device", json.dumps({"type": "float64"}), None, None, None)


def write(folder: Path, chance: random.Random, steps: int, plant: str) -> None:
    """Journal, release, trim, close and open again."""
    plant_writer(plant)
    schema.WAL_CHECKPOINT_PAGES = CHECKPOINT_PAGES
    at, released = 0, 0
    store = open_journal(folder)
    epoch = secrets.token_hex(16)
    store.open_epoch(epoch, NOON_NS)
    tell(epoch=epoch)
    for step in range(steps):
        tags = [tag_state(index) for index in range(step % TAGS + 1)]
        batches = [
            NewBatch(
                payload_of(epoch, at + k + 1), 3, NOON_NS + step, heard(step), (GapMark(step % TAGS, NOON_NS, ""),)
            )
            for k in range(chance.randint(1, 4))
        ]
        at = store.append(batches, tags).batches[-1].seq
        tell(head=at, tags=len(tags), mark=[step % TAGS, NOON_NS + step])
        if chance.random() < 0.2:
            released = chance.randint(released, at)
            store.release(epoch, up_to=released, now_ns=NOON_NS + step)
            tell(released=released)
        if chance.random() < 0.1:
            trimmed = store.trim(older_than_ns=0, most_bytes=RESERVE_BYTES)
            tell(trimmed=trimmed[-1].trimmed if trimmed else 0)
        if chance.random() < 0.04:
            store.close()
            store = open_journal(folder)
    store.close()


def heard(step: int) -> Heard:
    """Say that a tag has a newer source time."""
    return Heard(np.array([step % TAGS], np.uint32), np.array([NOON_NS + step], np.int64))


def open_journal(folder: Path) -> JournalStore:
    """Open it as the gateway does."""
    return JournalStore(folder / FILE)


def judge(folder: Path, told: Told) -> list[str]:
    """Every batch that was told as journalled and not trimmed is there, whole, once; the journal goes on."""
    try:
        store = JournalStore(folder / FILE)
    except (PenstockError, sqlite3.Error, OSError) as error:
        return [f"the journal does not open: {error}"]
    try:
        return list(_journal_findings(store, told))
    except (PenstockError, sqlite3.Error) as error:
        return [f"the journal cannot be read: {error}"]
    finally:
        store.close()


def _journal_findings(store: JournalStore, told: Told) -> Iterator[str]:
    ((check,),) = store._all("PRAGMA integrity_check")
    if check != "ok":
        yield f"corrupt: {check}"
    epoch, head = newest(told, "epoch"), newest(told, "head", 0)
    epochs = store.epochs()
    if epoch is None:
        return
    if [each.id for each in epochs] != [epoch]:
        yield f"lost: epoch {epoch}, there are {[each.id for each in epochs]}"
        return
    (one,) = epochs
    if one.head < head:
        yield f"lost: head {one.head}, told {head}"
    yield from _batch_findings(store, one)
    if one.released < newest(told, "released", 0):
        yield f"lost: released {one.released}"
    yield from _tag_findings(store, told)
    again = store.append([NewBatch(payload_of(epoch, one.head + 1), 3, NOON_NS)], [])
    if again.batches[0].seq != one.head + 1:
        yield f"the next batch got seq {again.batches[0].seq} after head {one.head}"


def _batch_findings(store: JournalStore, one: Epoch) -> Iterator[str]:
    for seq, octets in store.frames(one.id, range(one.trimmed + 1, one.head + 1)):
        (frame,) = iter_frames(octets)
        if frame.payload != payload_of(one.id, seq):
            yield f"corrupt: batch {seq}"
    held = [seq for (seq,) in store._all("SELECT seq FROM batch ORDER BY seq")]
    if held != list(range(one.trimmed + 1, one.head + 1)):
        yield f"lost or doubled: batches {held} between {one.trimmed} and {one.head}"


def _tag_findings(store: JournalStore, told: Told) -> Iterator[str]:
    states = {state.index: state for state in store.tags()}
    if len(states) < max((each["tags"] for each in told if "tags" in each), default=0):
        yield f"lost: dictionary of {len(states)}"
    for index, newest_ns in dict(each["mark"] for each in told if "mark" in each).items():
        if index not in states or (states[index].newest_ns or 0) < newest_ns:
            yield f"lost: mark of tag {index}"
