"""What has been committed of each writer's epochs: a contiguous watermark and the seqs above it."""

from dataclasses import dataclass, field

import pyarrow as pa

from penstock.platform.historian.ports import Table, Watermark

ABOVE_SHOWN_MAX = 1000  # an answer to a gateway must stay small whatever holes there are
BIRTH_WRITER = pa.schema(
    [("writer", pa.string()), ("epoch", pa.string()), ("watermark", pa.int64()), ("above", pa.list_(pa.int64()))]
)


@dataclass(slots=True)
class _Committed:
    watermark: int = 0
    above: set[int] = field(default_factory=set)


class Writers:
    """Answer which seqs were seen; the committer marks, others read single watermarks."""

    def __init__(self) -> None:
        self._epochs: dict[tuple[str, str], _Committed] = {}

    def seen(self, writer: str, epoch: str, seq: int) -> bool:
        """Say whether the seq was committed."""
        committed = self._epochs.get((writer, epoch))
        return committed is not None and (seq <= committed.watermark or seq in committed.above)

    def mark(self, writer: str, epoch: str, seq: int) -> None:
        """Note a committed seq."""
        committed = self._epochs.setdefault((writer, epoch), _Committed())
        if seq <= committed.watermark:
            return
        committed.above.add(seq)
        watermark = committed.watermark
        while watermark + 1 in committed.above:
            watermark += 1
            committed.above.discard(watermark)
        committed.watermark = watermark

    def restore(self, writer: str, epoch: str, watermark: int, above: list[int]) -> None:
        """Take what a generation was born with."""
        self._epochs[writer, epoch] = _Committed(watermark, set(above))

    def watermark(self, writer: str, epoch: str) -> Watermark:
        """Give what is committed of an epoch; 0 and nothing for one never seen."""
        committed = self._epochs.get((writer, epoch))
        if committed is None:
            return Watermark(0, ())
        return Watermark(committed.watermark, tuple(sorted(committed.above.copy())[:ABOVE_SHOWN_MAX]))

    def epochs(self, writer: str) -> list[str]:
        """List the epochs of a writer."""
        return [epoch for known, epoch in self._epochs.copy() if known == writer]

    def snapshot(self) -> Table:
        """Give everything as a table of BIRTH_WRITER, for the next generation to be born with."""
        entries = list(self._epochs.items())
        return pa.table(
            [
                pa.array([writer for (writer, _), _ in entries], pa.string()),
                pa.array([epoch for (_, epoch), _ in entries], pa.string()),
                pa.array([committed.watermark for _, committed in entries], pa.int64()),
                pa.array([sorted(committed.above) for _, committed in entries], pa.list_(pa.int64())),
            ],
            schema=BIRTH_WRITER,
        )
