"""From a message's payload to readings, by the device file's mapping. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from penstock.core.device_file import DeviceFile
from penstock.core.normalise import Rejected
from penstock.core.reading import Reading
from penstock.core.status import GOOD, parse_status
from penstock.core.times import parse_rfc3339_ns
from penstock.edge.mqtt.config import NS_PER_UNIT, MqttConnection

PAYLOAD_MAX_BYTES = 65_536
"""A sensor's message is some hundred bytes; beyond this it is a mistake; queued ones stay bounded in memory."""
EXCERPT_CHARS = 120
"""Enough to recognise a payload, short enough for a ledger."""
TIME_MIN_NS, TIME_MAX_NS = 0, 2**63 - 1


@dataclass(frozen=True, slots=True)
class TagMapping:
    """Say where in a message a tag's value, time and quality stand; no `value` path: the payload itself."""

    tag: str
    value: tuple[str, ...]
    time: tuple[str, ...]
    quality: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mapped:
    """Carry what a message became."""

    readings: tuple[Reading, ...]
    rejects: tuple[Rejected, ...]


class Mapping:
    """Map each topic's messages to readings of the tags that listen to it."""

    def __init__(self, device: DeviceFile, connection: MqttConnection) -> None:
        self._ns_per_unit = NS_PER_UNIT[connection.time_unit]
        self._by_topic: dict[str, list[TagMapping]] = {}
        for name, tag in device.tags.items():
            topic = tag.source.topic or connection.topic
            if not topic or "+" in topic or "#" in topic:
                problem = "has wildcards" if topic else "is missing"
                message = f"the topic {problem}; give source.topic or connection.topic"
                raise device.error(message, "tags", name, "source", "topic")
            self._by_topic.setdefault(topic, []).append(
                TagMapping(
                    name,
                    _path(tag.source.field),
                    _path(tag.source.time_field or connection.time_field),
                    _path(tag.source.quality_field or connection.quality_field),
                )
            )

    @property
    def topics(self) -> list[str]:
        """List the topics to subscribe to."""
        return sorted(self._by_topic)

    def apply(self, topic: str, payload: bytes, *, size: int) -> Mapped:
        """Map one message of `size` bytes; what is wrong with one tag's value does not touch the others."""
        tags = self._by_topic.get(topic, [])
        if size > PAYLOAD_MAX_BYTES:
            reason = f"payload of {size} bytes on {topic}, at most {PAYLOAD_MAX_BYTES} are taken"
            return _nothing(tags, reason, payload)
        try:
            document = _decode(payload, tags)
        except (ValueError, RecursionError) as error:
            return _nothing(tags, f"payload on {topic} is not JSON: {error}", payload)
        readings: list[Reading] = []
        rejects: list[Rejected] = []
        for tag in tags:
            try:
                readings.append(self._read(tag, document))
            except ValueError as error:
                rejects.append(Rejected(tag.tag, None, f"{error} on {topic}", excerpt(payload)))
        return Mapped(tuple(readings), tuple(rejects))

    def _read(self, tag: TagMapping, document: object) -> Reading:
        time_ns = self._time_ns(_lookup(document, tag.time)) if tag.time else None
        status = parse_status(_status_word(_lookup(document, tag.quality))) if tag.quality else GOOD
        value = _lookup(document, tag.value)
        return Reading(tag.tag, time_ns, status, float(value) if isinstance(value, Decimal) else value)

    def _time_ns(self, stamp: object) -> int:
        if isinstance(stamp, str):
            return parse_rfc3339_ns(stamp)
        if isinstance(stamp, bool) or not isinstance(stamp, int | float | Decimal):
            message = f"the time is {type(stamp).__name__}, not RFC 3339 text or a number"
            raise ValueError(message)
        exact = Decimal(stamp)
        if not exact.is_finite() or not TIME_MIN_NS <= exact * self._ns_per_unit <= TIME_MAX_NS:
            message = f"the time {stamp} is out of range (check connection.time_unit)"
            raise ValueError(message)
        return int(exact * self._ns_per_unit)


def excerpt(payload: bytes) -> str:
    """Give the beginning of a payload as printable text."""
    text = payload[: EXCERPT_CHARS * 4].decode("utf-8", "replace")[:EXCERPT_CHARS]
    return "".join(character if character.isprintable() else "�" for character in text)


def _decode(payload: bytes, tags: Sequence[TagMapping]) -> object:
    """Decode JSON; where every tag is the payload itself, plain text stands for itself. Numbers keep their digits."""
    try:
        document: object = json.loads(payload, parse_float=Decimal)
    except ValueError:
        if any(tag.value or tag.time or tag.quality for tag in tags):
            raise
        return payload.decode("utf-8")
    return document


def _nothing(tags: Sequence[TagMapping], reason: str, payload: bytes) -> Mapped:
    """Reject a whole message, once: for its tag where it has one only."""
    only = tags[0].tag if len(tags) == 1 else None
    return Mapped((), (Rejected(only, None, reason, excerpt(payload)),))


def _path(dotted: str | None) -> tuple[str, ...]:
    return tuple(dotted.split(".")) if dotted else ()


def _lookup(document: object, path: tuple[str, ...]) -> object:
    for step in path:
        if not isinstance(document, dict) or step not in document:
            message = f"field {'.'.join(path)} is missing"
            raise ValueError(message)
        document = document[step]
    return document


def _status_word(word: object) -> str | int:
    if isinstance(word, str) or (isinstance(word, int) and not isinstance(word, bool)):
        return word
    message = f"the quality is {type(word).__name__}, not an OPC UA code or good, uncertain, bad"
    raise ValueError(message)
