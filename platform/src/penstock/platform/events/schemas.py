"""What the live stream carries."""

from collections.abc import Sequence
from typing import Any, Protocol


class AlarmFeed(Protocol):
    """What the stream asks of the alarms: the ones that stand, and those that changed since a number of its own."""

    def head(self) -> int:
        """Give the number of the newest change."""
        ...

    async def wait_beyond(self, number: int) -> int:
        """Wait for a change after `number`; give the newest."""
        ...

    async def standing(self, tenant: str) -> Sequence[dict[str, Any]]:
        """Give the alarms that are not normal, as in /v1/alarms."""
        ...

    async def changed(self, tenant: str, after: int) -> tuple[Sequence[dict[str, Any]], int]:
        """Give the alarms that changed after a number, as in /v1/alarms, and the number to go on from."""
        ...
