"""Tells a second sender under a gateway's identity from a delayed request of the gateway's own.

Both come under an older session. A request is the gateway's own when its session was opened with the epoch that the
newest session speaks of: one journal, seen twice (the gateway judges its own refusals by the same rule). Copies of one
journal look like that too, but they go on: each takes the session from the other, again and again.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass

SESSIONS_KEPT = 16
"""Sessions of a gateway whose epochs are remembered: a delayed request is of the last one or two."""

OWN_MAX = 3
"""So many sessions of one journal that are superseded within the window below are two senders with a copy each."""

OWN_WINDOW_NS = 600 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Meeting:
    """Name the two sessions of a gateway that met."""

    tenant: str
    gateway: str
    name: str
    refused: int
    newest: int
    at_ns: int


class Rivals:
    """Remember the epochs of sessions, and the refusals that looked like the gateway's own; since the start."""

    def __init__(self) -> None:
        self._epochs: dict[str, OrderedDict[int, frozenset[str]]] = {}
        self._own: dict[str, deque[tuple[int, int]]] = {}

    def on_granted(self, gateway: str, session: int, epochs: Iterable[str]) -> None:
        """Note which epochs a session was opened with."""
        sessions = self._epochs.setdefault(gateway, OrderedDict())
        sessions[session] = frozenset(epochs)
        if len(sessions) > SESSIONS_KEPT:
            sessions.popitem(last=False)

    def is_rival(self, gateway: str, refused: int, *, newest_epoch: str, now_ns: int) -> bool:
        """Say whether a request under the session `refused` comes from a second sender."""
        sessions = self._epochs.get(gateway)
        if sessions is None or newest_epoch not in sessions.get(refused, frozenset()):
            return True
        own = self._own.setdefault(gateway, deque(maxlen=OWN_MAX))
        if all(session != refused for session, _ in own):
            own.append((refused, now_ns))
        return len(own) == OWN_MAX and now_ns - own[0][1] < OWN_WINDOW_NS
