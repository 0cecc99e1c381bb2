"""Says in the log and in /health what a device sends that cannot become a sample: at once, then once a minute.

Theory of operation
-------------------
The ledger has each reject with its reason; this is for who looks at the gateway. The first reject of a device is told
at once and begins a minute; those that come in it are counted by kind (reason and place) and told in one line at its
end, which begins the next minute. A minute without a reject ends it: the next one is told at once again. A device is
among the problems of /health until its last reject is `SHOWN_NS` old.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

MINUTE_NS = 60_000_000_000
SHOWN_NS = 5 * MINUTE_NS
KINDS_MAX = 3
"""Kinds that a line names; the reason can hold what the device sent, so that their number has no bound."""


@dataclass(frozen=True, slots=True)
class Junk:
    """Describe rejects of one reason; `place` is where they came from: a topic, a node, "" where nobody knows."""

    tag: str | None
    place: str
    reason: str
    excerpt: str
    count: int

    @property
    def kind(self) -> str:
        """Give reason and place in one phrase."""
        tag = f"tag {self.tag}: " if self.tag else ""
        name = self.place.partition(" ")[2]
        place = f" ({self.place})" if name and f" on {name}" not in self.reason else ""
        return f"{tag}{self.reason}{place}"


@dataclass(slots=True)
class _Device:
    began_ns: int
    last_ns: int
    last: Junk
    total: int
    kinds: Counter[str] = field(default_factory=Counter)
    """What was not told yet."""
    others: int = 0


class JunkReport:
    """Decide what is told of the rejects of all devices; times are monotonic."""

    def __init__(self) -> None:
        self._telling: dict[str, _Device] = {}
        self._shown: dict[str, _Device] = {}

    def on_rejects(self, device: str, rejects: Sequence[Junk], now_ns: int) -> list[str]:
        """Count rejects of a device; give the line to write now, if any."""
        if not rejects:
            return []
        lines = self.on_wake(now_ns)
        last, count = rejects[-1], sum(junk.count for junk in rejects)
        known = self._telling.get(device)
        if known is None:
            before = self._shown.get(device)
            total = count + (before.total if before and now_ns - before.last_ns < SHOWN_NS else 0)
            known = self._telling[device] = self._shown[device] = _Device(now_ns, now_ns, last, total)
            more = f" and {count - rejects[0].count} more" if count > rejects[0].count else ""
            times = f"{rejects[0].count} × " if rejects[0].count > 1 else ""
            return [*lines, f"{device}: rejected {times}{rejects[0].kind}; it begins {rejects[0].excerpt!r}{more}"]
        known.last_ns, known.last = now_ns, last
        known.total += count
        for junk in rejects:
            if junk.kind in known.kinds or len(known.kinds) < KINDS_MAX:
                known.kinds[junk.kind] += junk.count
            else:
                known.others += junk.count
        return lines

    def wake_at(self) -> int | None:
        """Give when the next minute ends."""
        return min((known.began_ns + MINUTE_NS for known in self._telling.values()), default=None)

    def on_wake(self, now_ns: int) -> list[str]:
        """Give the lines of the minutes that are over; harmless when early."""
        lines = []
        for device, known in list(self._telling.items()):
            if now_ns - known.began_ns < MINUTE_NS:
                continue
            if not known.kinds:
                del self._telling[device]
                continue
            told = "; ".join(f"{count} × {kind}" for kind, count in known.kinds.most_common())
            others = f"; {known.others} others" if known.others else ""
            count = known.kinds.total() + known.others
            lines.append(f"{device}: rejected {count} more in the last minute: {told}{others}")
            known.began_ns, known.others = now_ns, 0
            known.kinds.clear()
        return lines

    def problems(self, now_ns: int) -> list[str]:
        """Name the devices that send junk these minutes, with the newest reason."""
        for device in [name for name, known in self._shown.items() if now_ns - known.last_ns >= SHOWN_NS]:
            del self._shown[device]
        return [
            f"{device} sends what cannot become samples: {known.total} rejected, the last: {known.last.kind}"
            for device, known in sorted(self._shown.items())
        ]
