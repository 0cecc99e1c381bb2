"""The gateway's intake over a real journal, for drivers under test: what they brought is read back from the journal."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from penstock.core.batch import Gap, decode_batch
from penstock.core.device_file import DeviceFile
from penstock.core.frames import iter_frames
from penstock.core.values import Value
from penstock.gateway.batcher import Batcher
from penstock.gateway.intake import Intake
from penstock.gateway.journal.store import JournalStore

EPOCH = "0" * 32
FRAMES_PER_READ = 200


@dataclass(frozen=True)
class Sample:
    """One journalled sample."""

    tag: str
    time_ns: int
    status: int
    value: Value


class Journalled:
    """Be a gateway's inside without its uplink."""

    def __init__(self, path: Path, *, intake: type[Intake] = Intake) -> None:
        self.store = JournalStore(path)
        if not self.store.epochs():
            self.store.open_epoch(EPOCH, time.time_ns())
        self.batcher = Batcher(
            self.store,
            now_ns=time.time_ns,
            batch_rows=2_000,
            linger_s=0.05,
            has_room=lambda: True,
            on_journalled=lambda _appended: None,
        )
        self.intake = intake(self.batcher, time.time_ns, lambda: None)
        self.intake.restore(self.store)

    @contextlib.asynccontextmanager
    async def running(self, device: DeviceFile, *, was_down: bool = False) -> AsyncIterator[None]:
        """Take the device in and journal what comes, until the end of the block; then close the journal."""
        task = asyncio.create_task(self.batcher.run())
        await self.intake.install(self.intake.prepare(device))
        if was_down:
            await self.intake.gap(device.device, "gateway was down", None)
        try:
            yield
        finally:
            self.batcher.close()
            await task

    def read(self) -> tuple[list[Sample], list[Gap]]:
        """Give all samples, and of each gap its newest record."""
        samples: list[Sample] = []
        gaps: dict[tuple[int, int], Gap] = {}
        names = {tag.index: tag.key.rpartition("/")[2] for tag in self.store.tags()}
        (epoch,) = self.store.epochs()
        for start in range(1, epoch.head + 1, FRAMES_PER_READ):
            seqs = range(start, min(start + FRAMES_PER_READ, epoch.head + 1))
            for _, octets in self.store.frames(epoch.id, seqs):
                (frame,) = iter_frames(octets)
                columns, records = decode_batch(frame.payload)
                samples += [
                    Sample(
                        names[int(columns.tag[row])],
                        int(columns.time[row]),
                        int(columns.status[row]),
                        columns.value_at(row),
                    )
                    for row in range(len(columns))
                ]
                gaps.update({(one.tag, one.from_ns): one for one in records if isinstance(one, Gap)})
        return samples, list(gaps.values())

    def name_of(self, index: int) -> str:
        """Give the tag of an index."""
        return self.intake.entries[index].name
