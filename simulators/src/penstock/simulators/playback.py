"""Playback: a recorded file becomes a device, and every row of it goes over the plant's protocol with its own time.

Here is what is decided before anything runs: the plan of a device, its stamps, its device file, and what is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from penstock.core.errors import PenstockError
from penstock.core.times import NS_PER_S, format_rfc3339_ns
from penstock.core.values import ValueType
from penstock.simulators.recording import Recording, Span, finite_or_none, tag_name
from penstock.simulators.servers.opcua import TIME_STEP_ns

MADE_BY: Final = "# made by: penstock playback\n"
ENABLED: Final = "\nenabled: true\n"
DISABLED: Final = "\nenabled: false\n"
PUBLISHING_ms: Final = 100
AS_FAST_AS_TAKEN: Final = 0.0
"""The speed that no clock holds back, only the gateway."""


class PlaybackError(PenstockError):
    """Say why a recording cannot be played, or not to its end."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Describe a playback: what, as which device, over what, how fast."""

    recording: Recording
    device: str
    driver: str
    address: str
    """OPC UA endpoint, or MQTT broker."""
    speed: float
    """Times real time; AS_FAST_AS_TAKEN: no clock."""
    shift_ns: int
    plant: Path
    title: str
    clean: bool = False
    """Remove the device file at the end, instead of leaving it disabled."""

    @property
    def path(self) -> Path:
        """Give the device file's place."""
        return self.plant / "devices" / f"{self.device}.yaml"


@dataclass(frozen=True, slots=True)
class Played:
    """Tell what went out."""

    rows: int
    channels: int
    seconds: float
    first_ns: int
    last_ns: int

    @property
    def values(self) -> int:
        """Give their number."""
        return self.rows * self.channels


def shift_of(spans: Sequence[Span], *, stamps: str, speed: float, now_ns: int) -> int:
    """Give what is added to each time of all these recordings: 0 for `original`; one amount keeps their order.

    `shifted` lets the last that begins begin now at ×1, else the last that ends end now: faster than real time the
    stamps would run into the future if they started now.
    """
    if stamps == "original" or not spans:
        return 0
    in_real_time = 0 < speed <= 1.0
    anchor = max(span.first_ns if in_real_time else span.last_ns for span in spans)
    return (now_ns - anchor) // TIME_STEP_ns * TIME_STEP_ns


def check_past(span: Span, *, shift_ns: int, speed: float, now_ns: int) -> None:
    """Raise PlaybackError where a row that is played from now on would be stamped later than it is played."""
    takes_ns = 0 if speed == AS_FAST_AS_TAKEN else int((span.last_ns - span.first_ns) / speed)
    last_ns = span.last_ns + shift_ns
    if last_ns - takes_ns > now_ns:
        message = (
            f"its last row would be stamped {format_rfc3339_ns(last_ns)}, in the future: now it is "
            f"{format_rfc3339_ns(now_ns)}; use --stamps shifted"
        )
        raise PlaybackError(message)


def check(plan: Plan) -> None:
    """Raise PlaybackError for what the protocol cannot carry, or for a device file that is somebody else's."""
    names = [tag_name(column.name) for column in plan.recording.columns]
    if not names:
        message = "no column is left to play"
        raise PlaybackError(message)
    if len(set(names)) != len(names):
        message = f"columns become the same tag: {', '.join(sorted({n for n in names if names.count(n) > 1}))}"
        raise PlaybackError(message)
    if plan.driver == "opcua" and any(time_ns % TIME_STEP_ns for time_ns in plan.recording.times_ns):
        message = "the recording has times finer than a microsecond, which OPC UA cannot carry here; use --driver mqtt"
        raise PlaybackError(message)
    for column in plan.recording.columns if plan.driver == "mqtt" else ():
        if not all(finite_or_none(value) for value in column.values):
            message = f"column {column.name!r} holds NaN or infinities, which JSON cannot carry; use --driver opcua"
            raise PlaybackError(message)
    check_own(plan.path)


def check_own(path: Path) -> None:
    """Raise PlaybackError where the device file is there and not playback's."""
    if path.is_file() and not path.read_text(encoding="utf-8").startswith(MADE_BY):
        message = f"{path} is there and was not made by playback; choose another --device, or rename the recording"
        raise PlaybackError(message)


def device_text(plan: Plan) -> str:
    """Give the device file: one tag a column; with DISABLED for ENABLED it is taken back."""
    connection: dict[str, Any] = {"driver": plan.driver}
    if plan.driver == "opcua":
        connection |= {
            "endpoint": plan.address,
            "namespace": f"urn:penstock:playback:{plan.device}",
            "security": "Basic256Sha256/SignAndEncrypt",
            "publishing_ms": PUBLISHING_ms,
            "sampling_ms": 1,
        }
    else:
        connection |= {"broker": plan.address, "topic": f"plant/playback/{plan.device}", "time_field": "time", "qos": 1}
    tags = {}
    for column in plan.recording.columns:
        name = tag_name(column.name)
        source = {"node": name} if plan.driver == "opcua" else {"field": name}
        tags[name] = {"description": column.name, "type": column.type.value, "source": source}
    content = {
        "version": 1,
        "device": plan.device,
        "description": f"Playback of {plan.title}",
        "enabled": True,
        "connection": connection,
        "tags": tags,
    }
    return MADE_BY + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=200)


def summary(plan: Plan, played: Played) -> str:
    """Say in a line what was played."""
    first, last = format_rfc3339_ns(played.first_ns), format_rfc3339_ns(played.last_ns)
    kinds = {column.type for column in plan.recording.columns} - {ValueType.FLOAT64}
    types = f" ({', '.join(sorted(kinds))} among them)" if kinds else ""
    return (
        f"{plan.title}: {played.rows} rows × {played.channels} channels{types} = {played.values} values "
        f"over {plan.driver} in {played.seconds:.1f} s, stamped {first} to {last}"
    )


def due_ns(first_ns: int, *, speed: float, elapsed_s: float) -> int:
    """Give the recorded time up to which rows are due."""
    return first_ns + int(elapsed_s * speed * NS_PER_S)
