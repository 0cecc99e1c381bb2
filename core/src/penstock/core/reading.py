"""What a driver hands over: one value of one tag, not yet judged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """Carry a raw value as the device gave it.

    `tag` is the tag's name within its device file; `time_ns` the source time, None where the source has none (the
    arrival then stands for it, and the source counts as at-least-once); `status` an OPC UA code; `raw` as decoded.
    """

    tag: str
    time_ns: int | None
    status: int
    raw: object
