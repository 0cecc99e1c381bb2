"""A disk after a power cut: what a file system may have kept of a recorded run.

The pessimistic reading of POSIX: bytes are durable once a sync of their file has returned that began after the write;
a name is durable once a sync of its directory has returned. Of the rest any part may be there: none, all, a prefix
with its last write torn, a random choice of writes, or of their sectors. Entries of one directory reach the disk in
their order, as journalling file systems do; directories and files are independent of one another.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

SECTORS = (512, 4096)
"""Writes of a sector are whole or absent: what a disk promises."""


@dataclass(frozen=True, slots=True)
class Write:
    """Put bytes into a file."""

    inode: int
    offset: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """Set the length of a file."""

    inode: int
    size: int


@dataclass(frozen=True, slots=True)
class Name:
    """Change entries of one directory at once: a name leads to an inode, or to nothing (None)."""

    folder: int
    entries: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Sync:
    """Make durable what was done to the inode before operation `covers`."""

    inode: int
    covers: int


@dataclass(frozen=True, slots=True)
class Told:
    """The program told somebody: what the line says must survive from here on."""

    line: str


Operation = Write | Truncate | Name | Sync | Told
ROOT = 0


@dataclass(slots=True)
class Record:
    """Hold the operations of a run below one folder, which is inode 0 and was there before."""

    operations: list[Operation] = field(default_factory=list)
    folders: set[int] = field(default_factory=lambda: {ROOT})

    def told(self, cut: int) -> list[str]:
        """List what was told before the cut."""
        return [each.line for each in self.operations[:cut] if isinstance(each, Told)]


class Policy(StrEnum):
    """Name what becomes of operations that no sync covers."""

    NONE = "nothing unsynced is kept"
    ALL = "everything is kept"
    PREFIX = "a prefix is kept, its last write torn"
    SCATTER = "a random choice of writes is kept"
    SECTORS = "a random choice of sectors is kept"


@dataclass(frozen=True, slots=True)
class Cut:
    """Name one state of the disk: the operation before which the power went, what was kept, and the chance."""

    at: int
    policy: Policy
    seed: int

    def __str__(self) -> str:
        return f"cut before operation {self.at}, {self.policy.value}, seed {self.seed}"


def choose_cuts(
    record: Record, chance: random.Random, n: int, policies: Sequence[Policy] = tuple(Policy), *, write_min: int = 0
) -> Iterator[Cut]:
    """Choose cuts evenly over the kinds of operations, so that rare ones (a rename, a new file) get their share.

    With `write_min` the cuts are those just after a write of at least so many bytes.
    """
    kinds: dict[type[Operation], list[int]] = {}
    for at, operation in enumerate(record.operations):
        if not write_min or (isinstance(operation, Write) and len(operation.octets) >= write_min):
            kinds.setdefault(type(operation), []).append(at)
    order = sorted(kinds, key=lambda kind: kind.__name__)
    for number in range(n):
        at = chance.choice(kinds[order[number % len(order)]]) + (1 if write_min else chance.randrange(2))
        yield Cut(at, chance.choice(policies), chance.randrange(2**32))


def build(record: Record, cut: Cut, target: Path) -> None:
    """Lay out below `target`, which is empty, what the disk holds after the cut."""
    chance = random.Random(cut.seed)
    covered: dict[int, int] = {}
    for operation in record.operations[: cut.at]:
        if isinstance(operation, Sync):
            covered[operation.inode] = max(covered.get(operation.inode, 0), operation.covers)
    files: dict[int, list[tuple[bool, Write | Truncate]]] = {}
    folders: dict[int, list[tuple[bool, Name]]] = {}
    for at, operation in enumerate(record.operations[: cut.at]):
        match operation:
            case Write() | Truncate():
                files.setdefault(operation.inode, []).append((at < covered.get(operation.inode, 0), operation))
            case Name():
                folders.setdefault(operation.folder, []).append((at < covered.get(operation.folder, 0), operation))
            case Sync() | Told():
                pass
    names = {folder: _entries(changes, cut.policy, chance) for folder, changes in sorted(folders.items())}
    content = {inode: _content(changes, cut.policy, chance) for inode, changes in sorted(files.items())}
    _lay_out(ROOT, target, record.folders, names, content)


def _entries(changes: Sequence[tuple[bool, Name]], policy: Policy, chance: random.Random) -> dict[str, int]:
    durable = sum(synced for synced, _ in changes)
    kept = {Policy.NONE: durable, Policy.ALL: len(changes)}.get(policy, chance.randint(durable, len(changes)))
    entries: dict[str, int] = {}
    for _, change in changes[:kept]:
        for name, inode in change.entries:
            if inode is None:
                entries.pop(name, None)
            else:
                entries[name] = inode
    return entries


def _content(changes: Sequence[tuple[bool, Write | Truncate]], policy: Policy, chance: random.Random) -> bytes:
    octets = bytearray()
    pending = [change for synced, change in changes if not synced]
    for synced, change in changes:
        if synced:
            apply(octets, change)
    for change in _kept(pending, policy, chance):
        apply(octets, change)
    return bytes(octets)


def _kept(pending: list[Write | Truncate], policy: Policy, chance: random.Random) -> Iterator[Write | Truncate]:
    match policy:
        case Policy.NONE:
            return
        case Policy.ALL:
            yield from pending
        case Policy.PREFIX:
            kept = chance.randint(0, len(pending))
            yield from pending[:kept]
            yield from _torn(pending[kept : kept + 1], chance)
        case Policy.SCATTER:
            yield from (change for change in pending if chance.random() < 0.5)
        case Policy.SECTORS:
            yield from _torn(pending, chance)


def _torn(changes: Sequence[Write | Truncate], chance: random.Random) -> Iterator[Write | Truncate]:
    sector = chance.choice(SECTORS)
    for change in changes:
        if isinstance(change, Truncate):
            if chance.random() < 0.5:
                yield change
            continue
        at, end = change.offset, change.offset + len(change.octets)
        while at < end:
            until = min(end, (at // sector + 1) * sector)
            if chance.random() < 0.5:
                yield Write(change.inode, at, change.octets[at - change.offset : until - change.offset])
            at = until


def apply(octets: bytearray, change: Write | Truncate) -> None:
    """Do to a file's bytes what the operation did."""
    size = change.size if isinstance(change, Truncate) else change.offset
    if size > len(octets):
        octets.extend(bytes(size - len(octets)))
    if isinstance(change, Truncate):
        del octets[size:]
    else:
        octets[change.offset : change.offset + len(change.octets)] = change.octets


def _lay_out(
    folder: int, path: Path, folders: set[int], names: dict[int, dict[str, int]], content: dict[int, bytes]
) -> None:
    for name, inode in names.get(folder, {}).items():
        if inode in folders:
            (path / name).mkdir(mode=0o700)
            _lay_out(inode, path / name, folders, names, content)
        else:
            (path / name).write_bytes(content.get(inode, b""))
            (path / name).chmod(0o600)
