"""OPC UA values from their bytes to the journal: the way in columns and the way one by one write the same."""

import asyncio
import random
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from penstock.core.device_file import DeviceFile
from penstock.core.readings import ReadingColumns
from penstock.edge.driver import Counters
from penstock.edge.opcua.columnar import ColumnDecoder
from penstock.edge.opcua.encoding import FILETIME_UNIX
from penstock.edge.opcua.items import ItemTable
from penstock.gateway.batcher import Batcher
from penstock.gateway.intake import Intake
from penstock.gateway.journal.store import JournalStore, TagState
from tests.builders.edge import device_file

EPOCH = "0c" * 16
START = FILETIME_UNIX + 1_795_406_400 * 10_000_000
KINDS = ("float64", "int64", "bool", "string")
TAGS = 60


def device() -> DeviceFile:
    tags = "\n".join(
        f"  t{number}: {{type: {KINDS[number % 4]}, source: {{node: N{number}"
        + (", scale: 0.5, offset: 2" if number % 8 == 0 else ", scale: 10" if number % 8 == 1 else "")
        + "}}"
        for number in range(TAGS)
    )
    connection = "{driver: opcua, endpoint: 'opc.tcp://a:1', security: x}"
    return device_file(f"version: 1\ndevice: plc\nconnection: {connection}\ntags:\n{tags}\n")


def bodies(chance: random.Random) -> Iterator[bytes]:
    """Give notifications with values of the right types mostly, and of any."""
    for message in range(40):
        items = []
        for handle in chance.sample(range(TAGS), chance.randint(1, TAGS)):
            variants = (
                b"\x0b" + struct.pack("<d", chance.choice((1.5, float("nan"), -0.0, 7.0))),
                b"\x06" + struct.pack("<i", chance.randint(-9, 9)),
                b"\x01" + bytes([chance.randrange(2)]),
                b"\x0c" + struct.pack("<i", 4) + "prü".encode(),
                b"\x09" + struct.pack("<Q", 2**64 - 1),
                b"\x8b" + struct.pack("<id", 1, 1.0),
            )
            variant = variants[handle % 4] if chance.random() < 0.9 else chance.choice(variants)
            mask = chance.choice((0x05, 0x0D, 0x0F, 0x1F, 0x01, 0x06))
            stamp = struct.pack("<q", START + message * 1_000_000 + chance.randrange(1_000))
            items.append(
                struct.pack("<IB", handle, mask)
                + (variant if mask & 1 else b"")
                + (struct.pack("<I", chance.choice((0, 0, 0x40000000, 0x80310000, 0x480))) if mask & 2 else b"")
                + (stamp if mask & 4 else b"")
                + (struct.pack("<H", 4_200) if mask & 16 else b"")
                + (stamp if mask & 8 else b"")
            )
        yield struct.pack("<i", len(items)) + b"".join(items) + struct.pack("<i", -1)


def notified(plc: DeviceFile) -> list[ReadingColumns]:
    counters = Counters("unknown_handles", "server_time_used", "arrival_used", "overflows")
    items, decoder = ItemTable(tuple(plc.tags), counters), ColumnDecoder()
    for handle, name in enumerate(plc.tags):
        items.add(handle, name)
    opened_ns = 1_795_406_401 * 1_000_000_000
    return [items.take(decoder.decode(body), opened_ns).readings for body in bodies(random.Random(3))]


async def journalled(
    folder: Path, plc: DeviceFile, columns: Sequence[ReadingColumns], *, one_by_one: bool
) -> tuple[list[tuple[int, bytes]], list[TagState]]:
    """Give the journal's frames and tag states after all of it, with a break in the middle."""
    store = JournalStore(folder / "journal.sqlite")
    store.open_epoch(EPOCH, 1)
    batcher = Batcher(
        store,
        now_ns=lambda: 5,
        batch_rows=500,
        linger_s=60,
        has_room=lambda: True,
        on_journalled=lambda _appended: None,
    )
    intake = Intake(batcher, lambda: 1_795_406_500 * 1_000_000_000, lambda: None)
    await intake.install(intake.prepare(plc))
    for number, readings in enumerate(columns):
        if number == len(columns) // 2:
            await intake.gap("plc", "cut", None)
        if one_by_one:
            await intake.put("plc", list(readings.readings()))
        else:
            await intake.put_columns("plc", readings)
    committing = asyncio.create_task(batcher.run())
    batcher.close()
    await committing
    found = (store.frames(EPOCH, range(1, 200)), store.tags())
    store.close()
    return found


async def test_both_ways_write_the_same_bytes(tmp_path: Path) -> None:
    plc = device()
    columns = notified(plc)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one_by_one = await journalled(tmp_path / "a", plc, columns, one_by_one=True)
    in_columns = await journalled(tmp_path / "b", plc, columns, one_by_one=False)
    assert len(one_by_one[0]) > 1
    assert in_columns == one_by_one
