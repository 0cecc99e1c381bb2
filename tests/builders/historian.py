"""Builders of batches for the historian's tests."""

import asyncio
import sys
import zlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from penstock.platform.historian.errors import NotNow
from penstock.platform.historian.ports import ROWS, CommitResult, Hot, LedgerRecord, Quarantine, Table, WriterBatch

SECOND_NS = 1_000_000_000
NOON_NS = 1_790_000_000 * SECOND_NS
EPOCH = "00" * 16
RETRY_S = 0.02
Sample = tuple[int, int, int, float | int | bool | str | None]


def rows_of(samples: Sequence[Sample]) -> Table:
    """Make ROWS of (tag, time, status, value); the value's Python type chooses its column."""
    columns: dict[type, list[object]] = {float: [], int: [], bool: [], str: []}
    for _, _, _, value in samples:
        for kind, column in columns.items():
            column.append(value if type(value) is kind else None)
    return pa.table(
        [
            pa.array([sample[0] for sample in samples], pa.int64()),
            pa.array([sample[1] for sample in samples], pa.int64()),
            pa.array([sample[2] for sample in samples], pa.uint32()),
            pa.array(columns[float], pa.float64()),
            pa.array(columns[int], pa.int64()),
            pa.array(columns[bool], pa.bool_()),
            pa.array(columns[str], pa.string()),
        ],
        schema=ROWS,
    )


def batch_of(
    samples: Sequence[Sample] | Table,
    *,
    seq: int = 1,
    writer: str = "gtw_a",
    epoch: str = EPOCH,
    key: str | None = None,
    crc: int | None = None,
    arrival_ns: int = NOON_NS,
    tenant: str = "tnt_a",
    late: Sequence[bool] | None = None,
    records: tuple[LedgerRecord, ...] = (),
    quarantine: Quarantine | None = None,
) -> WriterBatch:
    """Make a batch whose CRC follows its samples."""
    rows = samples if isinstance(samples, pa.Table) else rows_of(list(samples))
    told = repr(samples if not isinstance(samples, pa.Table) else rows.num_rows)
    return WriterBatch(
        tenant=tenant,
        writer=writer,
        crc=zlib.crc32(told.encode()) if crc is None else crc,
        rows=rows,
        late=np.zeros(rows.num_rows, np.bool_) if late is None else np.array(late, np.bool_),
        arrival_gateway_ns=arrival_ns,
        arrival_platform_ns=arrival_ns,
        epoch="" if key else epoch,
        seq=0 if key else seq,
        key=key,
        records=records,
        quarantine=quarantine,
        frame=b"the frame",
    )


async def append_until_taken(historian: Hot, batch: WriterBatch) -> CommitResult:
    """Append as a gateway does: what is answered "later" is kept and sent again."""
    while True:
        try:
            return await historian.append([batch])
        except NotNow:
            await asyncio.sleep(RETRY_S)


def plain_rows(table: Table) -> list[Sample]:
    """Give (tag, time, status, value) of stored rows."""
    return [
        (
            row["tag"],
            row["time"],
            row["status"],
            next((row[c] for c in ("vf", "vi", "vb", "vs") if row[c] is not None), None),
        )
        for row in table.to_pylist()
    ]


def historian_process(program: str, *words: str) -> list[str]:
    """Give the command of a process with a historian: without pandas, as the platform's, or each start costs 0.5 s."""
    lean = "from penstock.platform.kit.lean import leave_out\nleave_out('pandas')\n"
    return [sys.executable, "-c", lean + program, *words]
