"""What a broker has sent on this connection and we have not acknowledged, by packet identifier.

MQTT 3.1.1 asks a server to send again only after a reconnect; nats-server does so on a live connection too, after its
`ack_wait`. What we still hold need not be held twice: a gateway that waits for its disk would fill up with copies.

An identifier is free again once its PUBACK has arrived (clause 2.3.1). A copy that crosses our PUBACK may therefore be
held under an identifier that the broker gives to the next message: the copy's acknowledgement would then release a
message that no journal has. So an identifier belongs to the message that bore it last.
"""

from typing import Generic, Protocol, TypeVar


class Publish(Protocol):
    """Tell messages apart."""

    @property
    def mid(self) -> int:
        """Give the packet identifier, 1 to 65,535; 0 at QoS 0."""

    @property
    def topic(self) -> str:
        """Give the topic."""

    @property
    def payload(self) -> bytes:
        """Give the payload."""


M = TypeVar("M", bound=Publish)


class InFlight(Generic[M]):
    """Keep the unacknowledged messages of one connection; QoS 0 is none of its business."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[int, M] = {}

    def arrive(self, message: M, *, duplicate: bool) -> bool:
        """Take what came; False for a copy of what is held, by the DUP flag, identifier, topic and payload."""
        held = self._held.get(message.mid)
        if duplicate and held is not None and (held.topic, held.payload) == (message.topic, message.payload):
            return False
        self._held[message.mid] = message
        return True

    def release(self, message: M) -> bool:
        """Let go of it; False where its identifier is another message's by now, and no PUBACK may bear it."""
        if self._held.get(message.mid) is not message:
            return False
        del self._held[message.mid]
        return True

    def clear(self) -> None:
        """Forget all: the connection is gone, and its identifiers with it."""
        self._held.clear()
