"""A model of the gateway's journal: epochs on a disk with an unsynced tail."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field

from penstock.core.frames import HEADER_BYTES
from tests.sim.samples import Sample, unpack_samples


@dataclass
class EpochFile:
    """Hold one epoch's entries: seq → encoded frame; seqs up to `synced` survive a power cut."""

    epoch: str
    entries: dict[int, bytes] = field(default_factory=dict)
    head: int = 0
    synced: int = 0
    released: int = 0
    trimmed: int = 0


@dataclass
class Disk:
    """Hold the epochs, oldest first."""

    files: list[EpochFile] = field(default_factory=list)

    def file(self, epoch: str) -> EpochFile:
        return next(file for file in self.files if file.epoch == epoch)

    def append(self, frame: bytes) -> int:
        current = self.files[-1]
        current.head += 1
        current.entries[current.head] = frame
        return current.head

    def delete(self, epoch: str, up_to: int) -> None:
        file = self.file(epoch)
        for seq in range(file.trimmed + 1, up_to + 1):
            file.entries.pop(seq, None)
        file.trimmed = max(file.trimmed, up_to)

    def cut_power(self, source: random.Random) -> None:
        """Lose a random part of what was not synced, from its end."""
        for file in self.files:
            keep = source.randint(file.synced, file.head) if file.head > file.synced else file.head
            for seq in range(keep + 1, file.head + 1):
                file.entries.pop(seq, None)
            file.head = keep

    def image(self) -> Disk:
        """Copy what is safely on the disk."""
        twin = copy.deepcopy(self)
        for file in twin.files:
            for seq in range(file.synced + 1, file.head + 1):
                file.entries.pop(seq, None)
            file.head = file.synced
        return twin

    def samples(self) -> set[Sample]:
        """Give all samples held."""
        frames = (frame for file in self.files for frame in file.entries.values())
        return {sample for frame in frames for sample in unpack_samples(frame[HEADER_BYTES:])}
