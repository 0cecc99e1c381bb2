"""What the uplink machine hears and what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class JournalEpoch:
    """State what the journal holds of one epoch at the start: seqs trimmed+1 … head, those up to released released."""

    epoch: str
    head: int
    released: int = 0
    trimmed: int = 0


class FailureKind(StrEnum):
    """Name what the shell makes of an answer other than 200 (wire.md)."""

    CORRUPT = "corrupt"
    UNAUTHORIZED = "unauthorized"
    SUPERSEDED = "superseded"
    SESSION_UNKNOWN = "session-unknown"
    """The platform never granted this session: it was restored."""
    DICTIONARY_NEEDED = "dictionary-needed"
    TOO_LARGE = "too-large"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Watermark:
    """Hold the platform's word on one epoch."""

    watermark: int = 0
    above: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Synced:
    """Say that the journal has everything of the epoch up to seq on disk."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Say that the journal no longer holds seqs up to seq (its reserve was bounded, or a declared drop)."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class DictionaryChanged:
    """Say that the epoch's dictionary has grown."""

    epoch: str


@dataclass(frozen=True, slots=True)
class EpochOpened:
    """Say that the journal appends to a new, empty epoch from now on."""

    epoch: str


@dataclass(frozen=True, slots=True)
class SessionGranted:
    """Carry the answer to OpenSession; `position` is the platform's commit position, where it says it."""

    session: int
    watermarks: Mapping[str, Watermark]
    position: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """Carry the 200 to a request; `sent` says how many of its batches the shell put in, the first ones (None: all)."""

    request: int
    watermark: int
    above: tuple[int, ...] = ()
    sent: int | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """Carry a failure; `request` is None where OpenSession failed; `superseded_by` is the newer session's epoch."""

    request: int | None
    kind: FailureKind
    retry_after_ms: int | None = None
    superseded_by: str | None = None


Input = Synced | Trimmed | DictionaryChanged | EpochOpened | SessionGranted | Answered | Failed


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Ask for a session: `epoch` and `head` are the current ones, `epochs` all that the journal holds."""

    epoch: str
    head: int
    epochs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SendBatches:
    """Post these seqs of one epoch in this order, the dictionary before them where asked.

    Where they pass the bytes of a request, send the first ones (at least one) and say how many in `Answered.sent`.
    """

    request: int
    session: int
    epoch: str
    seqs: tuple[int, ...]
    with_dictionary: bool


@dataclass(frozen=True, slots=True)
class Release:
    """Let go of seqs up to `up_to`: they are committed (the journal may keep them as reserve)."""

    epoch: str
    up_to: int


@dataclass(frozen=True, slots=True)
class RewindTo:
    """Take seqs above `seq` back from the reserve: the platform no longer has them."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class OpenEpoch:
    """Make a new epoch for what is journalled from now on, then say `EpochOpened`."""

    reason: str


@dataclass(frozen=True, slots=True)
class RenewToken:
    """Fetch a new access token before the next request."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Say that the uplink has stopped for good, and why; raise an alarm."""

    reason: str


Effect = OpenSession | SendBatches | Release | RewindTo | OpenEpoch | RenewToken | Stop
