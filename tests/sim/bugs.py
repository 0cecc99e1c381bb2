"""Bugs planted into machine, shell or platform: each must be caught, or the simulation proves nothing."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from penstock.core.lane import Lane


class Bug(StrEnum):
    """Name the planted bugs; the word after the dash says where it is planted."""

    NONE = "none"
    ACK_BEFORE_COMMIT = "ack before commit - platform"
    NO_DEDUP = "no dedup - platform"
    CRC_NOT_CHECKED = "CRC not checked - platform"
    WATERMARK_SKIPS_HOLE = "watermark skips a hole - platform"
    FENCING_IGNORED_BY_PLATFORM = "older session accepted - platform"
    ALARM_STATE_NOT_SAVED = "alarm state not saved with its transitions - platform"
    TRIM_ON_SEND = "trim on send - gateway"
    SEND_BEFORE_FSYNC = "send before fsync - gateway"
    DELETE_ON_RECEIPT = "delete on receipt (a broker's PUBACK) - gateway"
    SUPERSEDED_IGNORED = "superseded session goes on - machine"
    REWIND_IGNORED = "rewind ignored - machine"
    EPOCH_REUSED = "epoch reused after a restore - gateway"
    ABOVE_TAKEN_FOR_WATERMARK = "seqs above taken for the watermark - machine"


PLANTED = tuple(bug for bug in Bug if bug is not Bug.NONE)


class RewindlessLane(Lane):
    """Never take knowledge back."""

    __slots__ = ()

    def accept(self, watermark: int, above: Iterable[int]) -> bool:
        self.in_flight.clear()
        self.dictionary_known = False
        self.commit(watermark, above)
        return False


class HoleBlindLane(Lane):
    """Take the highest committed seq for the watermark."""

    __slots__ = ()

    def commit(self, watermark: int, above: Iterable[int]) -> None:
        Lane.commit(self, max(watermark, *above, 0), ())


LANES: dict[Bug, type[Lane]] = {
    Bug.REWIND_IGNORED: RewindlessLane,
    Bug.ABOVE_TAKEN_FOR_WATERMARK: HoleBlindLane,
}
