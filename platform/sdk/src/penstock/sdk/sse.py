"""Server-sent events, read incrementally (WHATWG HTML, 9.2.6). Pure: bytes in, events out."""

from __future__ import annotations

from dataclasses import dataclass

EVENT_BYTES_MAX = 64 * 1024 * 1024  # one event's data; a columns page of 100,000 rows is some 10 MB of JSON


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `id` is the last id seen on the stream."""

    name: str
    data: str
    id: str | None


class EventParser:
    """Turn chunks of a text/event-stream into events."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self._id: str | None = None

    def feed(self, chunk: bytes) -> list[Event]:
        """Take bytes as they come and give the events completed by them."""
        *lines, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        if len(self._rest) > EVENT_BYTES_MAX:
            message = f"an event of the stream is longer than {EVENT_BYTES_MAX} bytes"
            raise ValueError(message)
        events = []
        for line in lines:
            event = self._line(line.decode("utf-8", "replace"))
            if event is not None:
                events.append(event)
        return events

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            return None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
            self._size += len(value)
            if self._size > EVENT_BYTES_MAX:
                message = f"an event of the stream is longer than {EVENT_BYTES_MAX} bytes"
                raise ValueError(message)
        elif field == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> Event | None:
        event = Event(self._name or "message", "\n".join(self._data), self._id) if self._data or self._name else None
        self._name, self._data, self._size = "", [], 0
        return event
