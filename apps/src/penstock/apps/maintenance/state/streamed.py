"""Which assets are judged from their first row on: an attribute of the asset, set by whoever asks for it.

`judged_by: stream`: nothing is known beforehand, each channel is learned as it comes (`detection.stream`). For one
channel, or a few that have nothing to do with each other; where a healthy stretch can be named, that tells more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from penstock.apps.maintenance.detection.stream import Stream
from penstock.sdk.models import Property

JUDGED_BY, STREAM = "judged_by", "stream"
CHANNELS_MAX: Final = 16
"""Each channel follows seven tails of its own, some 30 µs a row; of many channels one is always news."""


class StreamedError(ValueError):
    """Say what is wrong with the attribute, or with what it is asked of."""


def is_streamed(properties: Iterable[Property]) -> bool:
    """Say whether an asset is to be judged from its first row on; StreamedError for a word that means nothing."""
    words = [p.value for p in properties if p.kind == "attribute" and p.name == JUDGED_BY]
    word = words[0] if words else None
    if word in (None, ""):
        return False
    if word != STREAM:
        message = f"the attribute {JUDGED_BY} is {word!r}: it takes {STREAM}, or nothing"
        raise StreamedError(message)
    return True


@dataclass(frozen=True, slots=True)
class Streamed:
    """A state that is judged from the first row on, of so many channels; it is fitted on nothing."""

    channels: int
    from_ns: int = 0
    judge_ns: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.channels <= CHANNELS_MAX:
            message = (
                f"{JUDGED_BY}: {STREAM} is for 1 to {CHANNELS_MAX} channels, and this asset has {self.channels}: "
                "name a healthy stretch instead"
            )
            raise StreamedError(message)

    @property
    def period_ns(self) -> int | None:
        """Give None: how far rows lie apart shows as they come."""
        return None

    @property
    def key(self) -> tuple[int | str, ...]:
        """Give what judges alike have in common."""
        return (STREAM, self.channels)

    def detector(self) -> Stream:
        """Give a new one that knows nothing."""
        return Stream(self.channels)

    def levels(self, channels: int) -> list[float | None]:
        """Give no healthy level: none is known."""
        return [None] * channels
