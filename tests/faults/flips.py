"""A3: bits that flip in closed files of journal and historian: named, never given back as data.

A closed store is copied, some bits of one file are flipped, and the real code opens and reads all. It may refuse to
open, fail to read, or set a batch aside; what it gives back must be what was written.
"""

import asyncio
import json
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb

from penstock.core.batch import decode_batch
from penstock.core.errors import PenstockError
from penstock.core.frames import iter_frames
from penstock.gateway.journal.broken import CAUSE
from penstock.gateway.journal.store import JournalStore
from tests.builders.historian import plain_rows
from tests.faults.campaign import Campaign, Options, Result, fresh
from tests.faults.stores import historian, journal
from tests.faults.telling import newest

BITS_MAX = 8
JOURNAL_STEPS, HISTORIAN_STEPS = 40, 20
EVER = (-(2**62), 2**62)


def run(options: Options) -> Result:
    """Flip bits n times, in journal and historian in turn."""
    result, chance = Result(), options.chance
    _write("journal", options, JOURNAL_STEPS)
    last = int(newest(_write("historian", options, HISTORIAN_STEPS), "seq"))
    for number in range(options.n):
        name = ("journal", "historian")[number % 2]
        with fresh(options.folder / "copy") as folder:
            shutil.copytree(options.folder / name, folder, dirs_exist_ok=True)
            where = _flip(folder, chance, ".sqlite" if name == "journal" else ".duckdb")
            outcome = _read_journal(folder) if name == "journal" else asyncio.run(_read_historian(folder, last))
        result.n += 1
        result.count(f"{name}: {outcome}")
        if outcome.startswith("wrong"):
            result.failures.append(f"{name}, {where}: {outcome}")
    return result


def _write(store: str, options: Options, steps: int) -> list[dict[str, Any]]:
    """Write a store in a process of its own, to its clean end; give what it told."""
    command = [sys.executable, "-m", "tests.faults.write", store, str(options.folder / store), str(options.seed)]
    ended = subprocess.run([*command, str(steps)], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in ended.stdout.splitlines()]


def _flip(folder: Path, chance: random.Random, suffix: str) -> str:
    path = chance.choice(sorted(folder.rglob(f"*{suffix}")))
    octets = bytearray(path.read_bytes())
    bits = [chance.randrange(len(octets) * 8) for _ in range(chance.randint(1, BITS_MAX))]
    for bit in bits:
        octets[bit // 8] ^= 1 << bit % 8
    path.write_bytes(octets)
    return f"{path.name} bits {bits}"


def _read_journal(folder: Path) -> str:
    try:
        store = JournalStore(folder / journal.FILE)
    except PenstockError:
        return "refused to open"
    try:
        return _frames(store)
    except (sqlite3.Error, PenstockError):
        return "refused to read"
    finally:
        store.close()


def _frames(store: JournalStore) -> str:
    found = "whole"
    for epoch in store.epochs():
        for seq, octets in store.frames(epoch.id, range(epoch.trimmed + 1, epoch.head + 1)):
            (frame,) = iter_frames(octets)
            if frame.payload == journal.payload_of(epoch.id, seq):
                continue
            _, records = decode_batch(frame.payload)
            if [getattr(record, "cause", "") for record in records] != [CAUSE]:
                return f"wrong: batch {seq}"
            found = "set aside"
    return found


async def _read_historian(folder: Path, last: int) -> str:
    try:
        store = await historian.open_historian(folder)
    except (PenstockError, duckdb.Error):
        return "refused to open"
    try:
        rows = plain_rows(await store.range([*range(1, historian.TAGS + 1)], *EVER, limit=10**7))
    except (PenstockError, duckdb.Error):
        return "refused to read"
    finally:
        await store.stop()
    written = {row for seq in range(1, last + 1) for row in plain_rows(historian.samples_of(seq))}
    return "whole" if set(rows) == written and len(rows) == len(written) else "wrong: not the rows that were written"


CAMPAIGNS = [Campaign("bit-flips", "A3", "bits flipped in closed files", 1000, 30, run)]
