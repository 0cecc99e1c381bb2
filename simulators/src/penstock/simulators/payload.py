"""The JSON messages of an MQTT device, by the mapping of its device file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from penstock.core.device_file import DeviceFile
from penstock.core.times import EPOCH_UNITS_NS, format_rfc3339_ns
from penstock.core.values import Value
from penstock.simulators.emission import Emission, Point
from penstock.simulators.recording import finite_or_none


class JsonMapping:
    """Turn emissions into (topic, payload); ConfigError for a mapping that cannot carry the device's tags."""

    def __init__(self, file: DeviceFile) -> None:
        settings = file.connection.settings
        self._time_field: str | None = settings.get("time_field")
        self._quality_field: str | None = settings.get("quality_field")
        unit = settings.get("time_unit")
        if unit is not None and unit not in EPOCH_UNITS_NS:
            message = f"time_unit {unit!r} is none of: {', '.join(EPOCH_UNITS_NS)}"
            raise file.error(message, "connection", "time_unit")
        self._unit_ns = EPOCH_UNITS_NS[unit] if unit else None
        self._tags = file.tags
        self._topics: dict[str, str] = {}
        for name, tag in file.tags.items():
            topic = tag.source.topic or settings.get("topic")
            if not topic:
                message = "an MQTT tag needs a topic: here, or once as connection.topic"
                raise file.error(message, "tags", name, "source")
            if "+" in topic or "#" in topic:
                message = f"a device publishes to one topic, not to a filter: {topic!r}"
                raise file.error(message, "tags", name, "source")
            self._topics[name] = topic
        self._check_bare(file)

    def _check_bare(self, file: DeviceFile) -> None:
        for name, tag in file.tags.items():
            shared = [other for other, topic in self._topics.items() if topic == self._topics[name]]
            if tag.source.field is None and len(shared) > 1:
                message = f"without a field the payload is the value, but the topic also serves {', '.join(shared)}"
                raise file.error(message, "tags", name, "source")

    def messages(self, emission: Emission) -> Iterator[tuple[str, bytes]]:
        """Give one message a topic; what JSON cannot carry (NaN, infinities) goes as null."""
        by_topic: dict[str, list[Point]] = {}
        for point in emission.points:
            by_topic.setdefault(self._topics[point.tag], []).append(point)
        for topic, points in by_topic.items():
            yield topic, self._payload(points, emission.time_ns)

    def _payload(self, points: list[Point], time_ns: int) -> bytes:
        first = self._tags[points[0].tag].source
        if first.field is None:
            return json.dumps(_plain(points[0].value)).encode()
        payload: dict[str, Any] = {}
        for point in points:
            source = self._tags[point.tag].source
            assert source.field is not None, "checked in the constructor"
            _put(payload, source.field, _plain(point.value))
            time_field = source.time_field or self._time_field
            if time_field:
                _put(payload, time_field, self._time(time_ns))
            if source.quality_field:
                _put(payload, source.quality_field, point.status)
        if self._quality_field:
            _put(payload, self._quality_field, max(point.status for point in points))
        return json.dumps(payload, separators=(",", ":")).encode()

    def _time(self, time_ns: int) -> str | int:
        if self._unit_ns is None:
            return format_rfc3339_ns(time_ns)
        assert time_ns % self._unit_ns == 0, "the device emits on the grid of its time unit"
        return time_ns // self._unit_ns


def _plain(value: Value) -> Value:
    return value if finite_or_none(value) else None


def _put(payload: dict[str, Any], path: str, value: object) -> None:
    *folders, name = path.split(".")
    for folder in folders:
        inner = payload.setdefault(folder, {})
        assert isinstance(inner, dict), f"{path}: {folder} is a value and a folder at once"
        payload = inner
    payload[name] = value
