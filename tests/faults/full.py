"""A9: each store on a disk that takes nothing for a while: no room for bytes, none for another file, or read-only.

A small tmpfs where this user may mount one, else a limit on the size of files (RLIMIT_FSIZE). A ballast file takes
the room, or many empty ones take the inodes. Read-only is a disk of FUSE (`switchable.py`) that turns so at any moment
of the work; where none can be mounted these trials are left out, and the figures say so. The store must refuse, say
why, go on by itself when the disk takes writes again, and have all that it ever accepted. The journal makes no files
while it is open: without inodes it just goes on.
"""

import asyncio
import errno
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from penstock.gateway.journal.store import JournalStore, NewBatch
from penstock.platform.historian.errors import NotNow
from penstock.platform.historian.service import Historian
from tests.builders.historian import EPOCH, NOON_NS, batch_of
from tests.faults.campaign import Campaign, Options, Result, fresh
from tests.faults.stores.historian import FOLDER, GENERATION_ROWS, TAGS, samples_of
from tests.faults.stores.journal import judge, payload_of
from tests.faults.switchable import Disk, switchable_disk

DISK_BYTES = 48 << 20
INODES = 1_000
STORES = ("journal", "historian")
WAYS = ("bytes", "inodes", "writing")
ROUNDS = 3
"""How often a trial's disk is spoilt and given back."""
REFUSALS = 3
EVER = (-(2**62), 2**62)


def run(options: Options, stores: Sequence[str] = STORES, ways: Sequence[str] = WAYS) -> Result:
    """Spoil n disks, journal and historian in turn."""
    result, chance = Result(), options.chance
    for number in range(options.n):
        store, gone = stores[number % len(stores)], ways[number // len(stores) % len(ways)]
        with fresh(options.folder / "trial") as folder, disk_of(gone, folder / "disk") as (ballast, kind):
            if ballast is None:
                result.count(f"{store}, {gone}: left out, {kind}")
                continue
            work = _journal if store == "journal" else _historian
            findings = work(folder / "disk", ballast, chance, result)
        result.n += 1
        result.count(f"{store}, {kind}")
        result.failures += [f"trial {number}, {store}, {kind}: {finding}" for finding in findings]
    return result


@contextmanager
def disk_of(gone: str, folder: Path) -> "Iterator[tuple[Ballast | None, str]]":
    """Make the folder a disk of which this goes; give what takes it, and how the trial is called."""
    folder.mkdir(parents=True, exist_ok=True)
    if gone == "writing":
        with switchable_disk(folder) as disk:
            yield (ReadOnly(disk), "read-only disk of FUSE") if disk else (None, "no FUSE to be mounted here")
        return
    with small_disk(folder) as kind:
        if gone == "inodes" and kind == "tmpfs":
            yield Inodes(folder), f"inodes of {kind}"
        else:
            yield Ballast(folder), f"bytes of {kind}"


@contextmanager
def small_disk(folder: Path) -> Iterator[str]:
    """Make the folder a small disk; give by what."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},nr_inodes={INODES}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield "tmpfs"
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    yield "RLIMIT_FSIZE"


class Ballast:
    """Take the room of the disk and give it back."""

    stops_open_files = True
    """Whether a store that makes no files must refuse, too."""
    writes_max = 2_000
    says = ""
    """What the refusal of a store in words must tell of the reason."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "ballast"

    def load(self, left_bytes: int) -> None:
        """Leave only so much room."""
        if os.path.ismount(self._folder):
            self._take_all_but(left_bytes)
            return
        largest = max((path.stat().st_size for path in self._folder.rglob("*") if path.is_file()), default=0)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + left_bytes, hard))

    def _take_all_but(self, left_bytes: int) -> None:
        with self._file.open("wb") as file:
            while True:  # a seal in the background takes and gives room meanwhile
                room = shutil.disk_usage(self._folder).free - left_bytes
                try:
                    os.posix_fallocate(file.fileno(), 0, max(room, 1))
                except OSError as full:
                    if full.errno != errno.ENOSPC or room <= 1:
                        raise
                else:
                    return

    def unload(self) -> None:
        """Give the room back."""
        self._file.unlink(missing_ok=True)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


class Inodes(Ballast):
    """Take all inodes but a few and give them back."""

    stops_open_files = False
    writes_max = 300  # a store that makes no file is never refused

    def load(self, left_bytes: int) -> None:
        """Leave room for up to 15 files; what a file holds has room."""
        self._file.mkdir()
        taken = 0
        try:
            while True:
                (self._file / f"{taken}").touch()
                taken += 1
        except OSError as full:
            if full.errno != errno.ENOSPC:
                raise
        for number in range(min(taken, left_bytes % 16)):
            (self._file / f"{number}").unlink()

    def unload(self) -> None:
        """Give them back."""
        shutil.rmtree(self._file, ignore_errors=True)


class ReadOnly(Ballast):
    """Take the right to write, at a moment that falls anywhere into the work, and give it back."""

    says = "read-only"

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._timer: threading.Timer | None = None

    def load(self, left_bytes: int) -> None:
        """Do it so many microseconds from now."""
        self._timer = threading.Timer(left_bytes / 1e6, self._disk.make_readonly)
        self._timer.start()

    def unload(self) -> None:
        """Give it back."""
        assert self._timer is not None
        self._timer.join()
        self._disk.make_writable()


def _journal(folder: Path, ballast: Ballast, chance: random.Random, result: Result) -> list[str]:
    store = JournalStore(folder / "gateway" / "journal.sqlite")
    epoch = f"{chance.randrange(2**128):032x}"
    store.open_epoch(epoch, NOON_NS)
    head, refused = 0, 0
    for _ in range(ROUNDS):
        ballast.load(chance.randint(0, 1 << 20))
        refused = 0
        for _ in range(ballast.writes_max):
            try:
                head = store.append([NewBatch(payload_of(epoch, head + 1), 3, NOON_NS)], []).batches[-1].seq
            except sqlite3.OperationalError:
                refused += 1
                if refused == REFUSALS:
                    break
        ballast.unload()
        head = store.append([NewBatch(payload_of(epoch, head + 1), 3, NOON_NS)], []).batches[-1].seq
        result.count("refusals", refused)
    store.close()
    result.count("batches", head)
    findings = judge(folder, [{"epoch": epoch}, {"head": head}])
    return findings if refused or not ballast.stops_open_files else [*findings, "nothing was refused"]


def _historian(folder: Path, ballast: Ballast, chance: random.Random, result: Result) -> list[str]:
    return asyncio.run(_fill_historian(folder, ballast, chance, result))


async def _fill_historian(folder: Path, ballast: Ballast, chance: random.Random, result: Result) -> list[str]:
    store = Historian(folder / FOLDER, generation_rows=GENERATION_ROWS * 4, disk_free=lambda _: 1 << 40)
    await store.start()
    seq, findings = 0, []
    try:
        for _ in range(ROUNDS):
            seq, found = await _one_round(store, seq, ballast, chance, result)
            if found:
                return found
        rows = await store.range([*range(1, TAGS + 1)], *EVER, limit=10**7)
    finally:
        await store.stop()
    result.count("batches", seq)
    expected = sum(samples_of(each).num_rows for each in range(1, seq + 1))
    if rows.num_rows != expected:
        findings.append(f"{rows.num_rows} rows of {expected}")
    return findings


async def _one_round(
    store: Historian, seq: int, ballast: Ballast, chance: random.Random, result: Result
) -> tuple[int, list[str]]:
    """Append until it was refused often enough, and once after the disk takes writes again; give the seq reached."""
    ballast.load(chance.randint(0, 1 << 20))
    refused, findings = 0, []
    try:
        for _ in range(ballast.writes_max):
            try:
                await store.append([batch_of(samples_of(seq + 1), seq=seq + 1)])
            except NotNow as refusal:
                refused += 1
                if "disk" not in str(refusal) or ballast.says not in str(refusal).lower():
                    findings.append(f"refused without naming the disk, or the reason: {refusal}")
                if refused == REFUSALS:
                    break
                continue
            seq += 1
            if (watermark := store.watermark("gtw_a", EPOCH).watermark) != seq:
                return seq, [*findings, f"told as committed: {seq}, the watermark is {watermark}"]
    finally:
        ballast.unload()
    result.count("refusals", refused)
    if not refused and ballast.stops_open_files:
        findings.append("nothing was refused")
    try:
        await store.append([batch_of(samples_of(seq + 1), seq=seq + 1)])
    except NotNow as refusal:
        return seq, [*findings, f"does not go on: {refusal}"]
    return seq + 1, findings


CAMPAIGNS = [Campaign("disk-full", "A9", "disks of journal and historian full or read-only for a while", 60, 6, run)]
