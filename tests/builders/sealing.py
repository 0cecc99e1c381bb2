"""A plant's worth of awkward batches, and every answer the historian gives about them, for comparison."""

import random
from typing import Any

import pyarrow as pa

from penstock.core.aggregate import Aggregate, AggregateSettings
from penstock.core.windows import Window
from penstock.platform.historian.ledger.entries import Span
from penstock.platform.historian.ports import LedgerRecord, Quarantine, RecordKind, RowKey, Since, Table, WriterBatch
from penstock.platform.historian.service import Historian
from tests.builders.historian import NOON_NS, SECOND_NS, Sample, batch_of

TAGS = range(1, 9)
SPAN_NS = 600 * SECOND_NS
ODD_NAN = float("nan")


def awkward_batches(random_: random.Random, count: int, *, first: int = 1, rows: int = 40) -> list[WriterBatch]:
    """Make batches with every type of value, late rows, repeats, equal times, records and quarantined bytes."""
    earlier: list[Sample] = []
    batches = []
    for seq in range(first, first + count):
        samples = [_sample(random_, seq) for _ in range(rows)]
        if earlier and random_.random() < 0.5:
            samples += random_.sample(earlier, k=min(5, len(earlier)))
        earlier += samples
        arrival_ns = NOON_NS + seq * SECOND_NS
        keyed = random_.random() < 0.2
        batches.append(
            batch_of(
                samples,
                seq=seq,
                key=f"key-{seq}" if keyed else None,
                writer="app_a" if keyed else random_.choice(("gtw_a", "gtw_b")),
                arrival_ns=arrival_ns,
                tenant=random_.choice(("tnt_a", "tnt_a", "tnt_b")),
                late=[random_.random() < 0.1 for _ in samples],
                records=_records(random_, arrival_ns),
                quarantine=Quarantine("bad-unit", "why", 2, b"\x00bytes" * seq) if random_.random() < 0.1 else None,
            )
        )
    return batches


def _sample(random_: random.Random, seq: int) -> Sample:
    tag = random_.choice(TAGS)
    time_ns = NOON_NS + seq * SECOND_NS + random_.randrange(-60, 2) * SECOND_NS // 3
    status = random_.choice((0, 0, 0, 0x4000_0000, 0x8031_0000))
    value: float | int | bool | str | None
    match tag % 4:
        case 0:
            value = random_.choice(("open", "shut", "läuft", None))
        case 1:
            value = random_.choice((round(random_.uniform(-5, 5), 2), 0.0, -0.0, ODD_NAN))
        case 2:
            value = random_.randrange(-3, 2**40)
        case _:
            value = random_.random() < 0.5
    return (tag, time_ns, status, value)


def _records(random_: random.Random, arrival_ns: int) -> tuple[LedgerRecord, ...]:
    if random_.random() < 0.7:
        return ()
    start_ns = arrival_ns - random_.randrange(3) * SECOND_NS
    return (
        LedgerRecord(RecordKind.GAP, random_.choice(TAGS), "no-communication", start_ns, None, device="plc"),
        LedgerRecord(RecordKind.DROP, random_.choice(TAGS), "journal-full", start_ns, arrival_ns, 7),
    )


async def all_answers(historian: Historian, random_: random.Random, questions: int = 30) -> dict[str, Any]:
    """Ask everything: whole contents, then `questions` random ranges, pages, aggregates and ledger spans."""
    told: dict[str, Any] = {
        "all": bits(await historian.range(list(TAGS), -(2**62), 2**62, limit=10**7)),
        "latest": repr(historian.latest(list(TAGS))),
        "head": historian.head(),
        "since": bits((await since_files(historian, 0)).rows),
        "watermarks": [
            (writer, epoch, historian.watermark(writer, epoch))
            for writer in ("gtw_a", "gtw_b")
            for epoch in historian.epochs(writer)
        ],
        "ledger": await ledger_answers(historian, Span()),
    }
    for number in range(questions):
        told[f"question {number}"] = await _random_answer(historian, random_)
    return told


async def _random_answer(historian: Historian, random_: random.Random) -> Any:
    low = NOON_NS + random_.randrange(-30, 200) * SECOND_NS + random_.randrange(3)
    high = low + random_.choice((1, SECOND_NS, 20 * SECOND_NS, SPAN_NS))
    tags = random_.sample(list(TAGS), k=random_.randrange(1, 4))
    match random_.randrange(4):
        case 0:
            descending = random_.random() < 0.5
            after = RowKey(low + SECOND_NS, random_.randrange(60), 3) if random_.random() < 0.5 else None
            limit = random_.choice((1, 10, 1000))
            return bits(await historian.range(tags, low, high, after=after, limit=limit, descending=descending))
        case 1:
            windows = [Window(low + k * SECOND_NS, low + (k + 1) * SECOND_NS) for k in range(10)]
            summary = await historian.aggregate(
                tags[0], windows, [Aggregate.TIME_AVERAGE, Aggregate.COUNT, Aggregate.MAXIMUM],
                settings=AggregateSettings(),
            )  # fmt: skip
            return repr(summary)
        case 2:
            return await ledger_answers(historian, Span(low, high, random_.choice((None, "gtw_a"))))
        case _:
            position = random_.randrange(historian.head() + 1)
            return bits((await since_files(historian, position, limit=50, tags=tags)).rows)


async def since_files(historian: Historian, position: int, limit: int = 10**7, tags: list[int] | None = None) -> Since:
    """Read by commit order from the files, past what memory keeps of the newest."""
    reader = historian._reader
    return await reader.run(reader.since, position, limit, tags, historian.head(), -(2**62))


async def ledger_answers(historian: Historian, span: Span) -> list[Any]:
    """Ask every question of the ledger for both tenants."""
    ledger, told = historian.ledger, []
    for tenant in ("tnt_a", "tnt_b"):
        quarantined = await ledger.quarantine(tenant, span, limit=1000)
        told += [
            await ledger.batches(tenant, span, limit=1000),
            [await ledger.records(tenant, span, kind, limit=1000) for kind in ("gap", "drop", "reject")],
            quarantined,
            [await ledger.payload(tenant, each.position) for each in quarantined],
            await ledger.epoch_totals(tenant, span),
            await ledger.record_totals(tenant, span),
            await ledger.quarantine_totals(tenant, span),
        ]
    return told


def bits(table: Table) -> list[tuple[Any, ...]]:
    """Give rows for comparison, floats by their bits."""
    floats = table["vf"]
    words = pa.array(floats.combine_chunks().fill_null(0.0).to_numpy(zero_copy_only=False).view("int64"))
    columns = [table[name].to_pylist() for name in table.column_names if name != "vf"]
    return list(zip(*columns, floats.is_null().to_pylist(), words.to_pylist(), strict=True))
