"""What becomes of notified values: tags, times, held values and overflows, in columns as one by one."""

import random
from dataclasses import dataclass, field

import numpy as np

from penstock.core.reading import Reading
from penstock.core.readings import RawColumns, Stamp
from penstock.core.status import has_overflow
from penstock.edge.driver import GOOD_HELD, Counters
from penstock.edge.opcua.columnar import ItemColumns, ItemValue
from penstock.edge.opcua.items import ItemTable, Overflow

NAMES = ("flow", "count", "name", "unread")
COUNTED = ("unknown_handles", "server_time_used", "arrival_used", "overflows")
OPENED_NS = 1_000
OVERFLOWED = 0x480


def columns(values: list[ItemValue]) -> ItemColumns:
    raw = RawColumns.of([value.raw for value in values])
    sources = [value.source_time_ns for value in values]
    servers = [value.server_time_ns for value in values]
    return ItemColumns(
        handle=np.array([value.handle for value in values], np.uint32),
        status=np.array([value.status for value in values], np.uint32),
        source_time=np.array([time or 0 for time in sources], np.int64),
        source_stamp=np.array([Stamp.ABSENT if time is None else Stamp.GIVEN for time in sources], np.uint8),
        server_time=np.array([time or 0 for time in servers], np.int64),
        server_stamp=np.array([Stamp.ABSENT if time is None else Stamp.GIVEN for time in servers], np.uint8),
        kind=raw.kind,
        vf=raw.vf,
        vi=raw.vi,
        objects=raw.objects,
    )


def table(counters: Counters | None = None) -> ItemTable:
    items = ItemTable(NAMES, counters or Counters(*COUNTED))
    for handle, name in enumerate(("name", "flow", "count")):
        items.add(handle, name)
    return items


def take(items: ItemTable, *values: ItemValue) -> list[Reading]:
    return list(items.take(columns(list(values)), OPENED_NS).readings.readings())


@dataclass
class OneByOne:
    """The same rules for a value at a time: plain to read, and slow."""

    latest: dict[str, int] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)
    overflows: list[Overflow] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))

    def take(self, value: ItemValue) -> list[Reading]:
        tag = {0: "name", 1: "flow", 2: "count"}.get(value.handle)
        if tag is None:
            self.counts["unknown_handles"] += 1
            return []
        time_ns = value.source_time_ns
        if time_ns is None:
            time_ns = value.server_time_ns
            self.counts["arrival_used" if time_ns is None else "server_time_used"] += 1
        if has_overflow(value.status):
            self.counts["overflows"] += 1
            if tag in self.latest and time_ns is not None:
                self.overflows.append(Overflow(tag, self.latest[tag], time_ns))
        readings = [Reading(tag, time_ns, value.status, value.raw)]
        if time_ns is not None:
            self.latest[tag] = time_ns
            self.times.append(time_ns)
        if tag not in self.heard and time_ns is not None and time_ns < OPENED_NS:
            readings.append(Reading(tag, OPENED_NS, value.status | GOOD_HELD, value.raw))
        self.heard.add(tag)
        return readings


def test_columns_and_values_one_by_one_give_the_same_readings() -> None:
    chance = random.Random(11)
    for _ in range(300):
        counters, oracle = Counters(*COUNTED), OneByOne()
        items = table(counters)
        for _ in range(3):
            values = [
                ItemValue(
                    chance.choice((0, 1, 2, 2, 7, 2**32 - 1)),
                    chance.choice((None, 1.5, 7, True, "text")),
                    chance.choice((0, 0, OVERFLOWED, 0x80310000)),
                    chance.choice((None, 5, 6, 999, 1_000, 2_000)),
                    chance.choice((None, 7, 3_000)),
                )
                for _ in range(chance.randrange(9))
            ]
            taken = items.take(columns(values), OPENED_NS)
            oracle.overflows.clear()
            oracle.times.clear()
            expected = [reading for value in values for reading in oracle.take(value)]
            assert list(taken.readings.readings()) == expected
            assert list(taken.overflows) == oracle.overflows
            assert counters.snapshot() == oracle.counts
            assert taken.newest_ns == max(oracle.times, default=None)


def test_notifications_that_may_be_joined_give_what_they_give_one_after_the_other() -> None:
    chance = random.Random(29)
    joined = 0
    for _ in range(600):
        queue = chance.choice((0, 2, 4, 6))
        whole, parts = queued(queue), queued(queue)
        for _ in range(3):
            given = [
                [drawn(chance, with_time=chance.random() < 0.9) for _ in range(chance.randrange(6))] for _ in range(3)
            ]
            together = columns([value for values in given for value in values])
            one_by_one = [parts[0].take(columns(values), OPENED_NS) for values in given]
            if not whole[0].may_join(together):
                for values in given:
                    whole[0].take(columns(values), OPENED_NS)
                continue
            joined += 1
            found = whole[0].take(together, OPENED_NS)
            assert list(found.readings.readings()) == [r for one in one_by_one for r in one.readings.readings()]
            assert list(found.overflows) == [overflow for one in one_by_one for overflow in one.overflows]
            assert whole[1].snapshot() == parts[1].snapshot()
            newest = [one.newest_ns for one in one_by_one if one.newest_ns is not None]
            assert found.newest_ns == max(newest, default=None)
    assert 300 < joined < 1_500, "nearly all or nearly none could be joined"


def queued(queue: int) -> tuple[ItemTable, Counters]:
    counters = Counters(*COUNTED, "queues_full")
    items = ItemTable(NAMES, counters)
    for handle, name in enumerate(("name", "flow", "count")):
        items.add(handle, name, queue=queue)
    return items, counters


def drawn(chance: random.Random, *, with_time: bool) -> ItemValue:
    source = chance.choice((5, 6, 999, 1_000, 2_000))
    by_server = chance.random() < 0.2
    return ItemValue(
        chance.choice((0, 1, 2, 2, 7)),
        chance.choice((None, 1.5, 7, "text")),
        chance.choice((0, 0, 0, OVERFLOWED)),
        source if with_time and not by_server else None,
        source if with_time and by_server else None,
    )


def test_values_without_a_time_are_not_joined_since_arrival_stands_in_for_it() -> None:
    items, _ = queued(0)
    assert items.may_join(columns([ItemValue(0, 1.0, 0, 10, None), ItemValue(1, 1.0, 0, None, 10)]))
    assert not items.may_join(columns([ItemValue(0, 1.0, 0, 10, None), ItemValue(1, 1.0, 0, None, None)]))


def test_refused_item_is_unknown_from_then_on() -> None:
    counters = Counters(*COUNTED)
    items = table(counters)
    items.remove(1)
    assert take(items, ItemValue(1, 1.0, 0, 5, None)) == []
    assert counters.snapshot()["unknown_handles"] == 1


def test_device_without_tags_knows_no_handle() -> None:
    counters = Counters(*COUNTED)
    items = ItemTable((), counters)
    assert take(items, ItemValue(0, 1.0, 0, 5, None)) == []
    assert counters.snapshot()["unknown_handles"] == 1


def test_queue_that_comes_full_is_taken_for_one_that_overflowed() -> None:
    counters = Counters(*COUNTED, "queues_full")
    items = ItemTable(NAMES, counters)
    items.add(0, "flow", queue=3)
    items.add(1, "count", queue=3)
    items.take(columns([ItemValue(0, 1.0, 0, 10, None), ItemValue(1, 1, 0, 10, None)]), OPENED_NS)
    full = [ItemValue(0, 1.0, 0, time_ns, None) for time_ns in (50, 60, 70)]
    half = [ItemValue(1, 1, 0, time_ns, None) for time_ns in (50, 60)]
    assert items.take(columns([*full, *half]), OPENED_NS).overflows == (Overflow("flow", 10, 50),)
    assert counters.snapshot()["queues_full"] == 1
    flagged = [ItemValue(0, 1.0, OVERFLOWED if time_ns == 80 else 0, time_ns, None) for time_ns in (80, 90, 100)]
    assert items.take(columns(flagged), OPENED_NS).overflows == (Overflow("flow", 70, 80),)
    assert counters.snapshot()["queues_full"] == 1, "the server said so itself"
