"""The connection keys of an OPC UA device file, and what follows from them."""

import math
from enum import StrEnum

from pydantic import Field, field_validator

from penstock.core.config_file import FileModel
from penstock.core.device_address import OPCUA
from penstock.edge.opcua.publishing import REST_S

QUEUE_MIN = 1_000
"""Values a server keeps for an item: a server that reports each write does not keep to the sampling interval, so the
queue is never as short as the quotient of the intervals alone would have it."""
BRIDGED_MS = 60_000
"""The break that a queue bridges: what is sampled in a minute is still there when the link is back."""
QUEUE_MAX = 10_000
"""More than this a server would rather refuse (and revise) than keep per item."""
KEEP_ALIVE_MS = 1_000
"""How often a silent subscription says that it lives: the stamp of a gap is no older than this."""
LIFETIME_MS = 2 * BRIDGED_MS
"""How long a server keeps a subscription that nobody asks for: past the longest break that its queues bridge."""

PUBLISH_OUTSTANDING_MIN, PUBLISH_OUTSTANDING_MAX = 2, 15
"""One request waits at the server while the answer of another is on its way; a server refuses too many."""
ROUND_TRIP_MS = 100
"""What a publish request takes on a busy machine: with fewer requests than intervals in it, a server must wait."""


class Security(StrEnum):
    """The ways to connect; plain text is said in words."""

    ENCRYPTED = "Basic256Sha256/SignAndEncrypt"
    NONE = "none, I accept plain text"


class OpcUaConnection(FileModel):
    """Check the connection keys of the driver `opcua`."""

    endpoint: str
    namespace: str | None = None
    security: Security
    publishing_ms: int = Field(500, ge=10, le=60_000)
    sampling_ms: int = Field(250, ge=0, le=60_000)

    @field_validator("endpoint")
    @classmethod
    def _is_opc_tcp(cls, endpoint: str) -> str:
        problem = OPCUA.problem(endpoint)
        if problem is not None:
            raise ValueError(problem)
        return endpoint

    @field_validator("security", mode="before")
    @classmethod
    def _says_security_in_words(cls, security: object) -> object:
        if security not in list(Security):
            choices = " or ".join(repr(str(choice)) for choice in Security)
            message = f"{security!r} is not a security setting: write {choices}"
            raise ValueError(message)
        return security

    @property
    def queue_size(self) -> int:
        """Size the server's queue for one item from the sampling interval and the break that it bridges."""
        return min(max(QUEUE_MIN, math.ceil(BRIDGED_MS / max(self.sampling_ms, 1))), QUEUE_MAX)

    @property
    def publish_outstanding(self) -> int:
        """Count the publish requests that wait at the server or are on their way."""
        wanted = math.ceil((ROUND_TRIP_MS + REST_S * 1_000) / self.publishing_ms)
        return min(max(PUBLISH_OUTSTANDING_MIN, wanted), PUBLISH_OUTSTANDING_MAX)

    @property
    def keep_alive_count(self) -> int:
        """Count the publishing intervals without data after which the server sends a keep-alive."""
        return max(1, round(KEEP_ALIVE_MS / self.publishing_ms))

    @property
    def lifetime_count(self) -> int:
        """Count the publishing intervals that a subscription lives without a request (≥ 3 keep-alives)."""
        return max(3 * self.keep_alive_count, math.ceil(LIFETIME_MS / self.publishing_ms))
