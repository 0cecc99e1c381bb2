"""Batches that the journal cannot give back as they were written: told apart by their CRC, replaced by a drop record.

The replacement takes the same seq, so that the platform's watermark has no hole to wait at.
"""

from penstock.core.batch import Drop, encode_batch
from penstock.core.columns import SampleColumns
from penstock.core.errors import PeerError
from penstock.core.frames import Frame, FrameKind, encode_frame, iter_frames

CAUSE = "journal entry corrupt"
FRAMES_KEPT = 100
"""Broken frames whose bytes are kept for a look; of older ones only the line stays."""

TABLE = """
CREATE TABLE broken(
    id INTEGER PRIMARY KEY, epoch TEXT NOT NULL, seq INTEGER NOT NULL, arrival_ns INTEGER NOT NULL, n INTEGER NOT NULL,
    frame BLOB);
"""


def is_whole(octets: bytes, epoch: str, seq: int) -> bool:
    """Say whether these are the bytes of that batch."""
    try:
        (frame,) = iter_frames(octets)
    except (PeerError, TypeError, ValueError):
        return False
    return (frame.epoch, frame.seq) == (epoch, seq)


def drop_frame(epoch: str, seq: int, *, from_ns: int, arrival_ns: int, n: int) -> bytes:
    """Give the frame that stands for a broken one: it says how many samples of unknown tags are lost.

    The times are the gateway's: the batch was journalled at `arrival_ns`, the one before it at `from_ns`.
    """
    record = Drop(None, min(from_ns, arrival_ns), arrival_ns, n, CAUSE)
    payload = encode_batch(SampleColumns.empty(), [record])
    return encode_frame(Frame(FrameKind.BATCH, epoch, seq, arrival_ns, 0, payload))
