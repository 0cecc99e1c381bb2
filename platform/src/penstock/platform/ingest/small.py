"""Small writers: an app's JSON or Arrow, all or nothing, with an idempotency key instead of a journal."""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.core.batch import Limits, read_batches
from penstock.core.times import parse_time
from penstock.core.values import INT64_MAX, INT64_MIN, TEXT_MAX_CHARS, ValueKind, ValueType
from penstock.platform.historian.ports import ROWS, Table, WriterBatch
from penstock.platform.historian.repeats import column_i64, value_bits
from penstock.platform.ingest.errors import not_owner
from penstock.platform.ingest.schemas import WrittenSample
from penstock.platform.ingest.tagmap import NEVER_LATE
from penstock.platform.kit.access import Principal
from penstock.platform.kit.problems import invalid, not_found
from penstock.platform.registry.service import TagRef

ARROW_LIMITS = Limits()
_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def rows_of_arrow(body: bytes) -> Table:
    """Read an Arrow stream with the columns of ROWS; raise PeerError or Problem 422."""
    rows = read_batches(body, ROWS, limits=ARROW_LIMITS).replace_schema_metadata(None).combine_chunks()
    for name in ("tag", "time", "status"):
        if rows[name].null_count:
            msg = f"column {name} has nulls; every row needs a tag, a time and a status"
            raise invalid(msg)
    present = np.zeros(rows.num_rows, np.int64)
    for name in ("vf", "vi", "vb", "vs"):
        present += rows[name].is_valid().to_numpy()
    if (present > 1).any():
        msg = f"row {int(np.flatnonzero(present > 1)[0])} has values in two columns; one of vf, vi, vb, vs holds it"
        raise invalid(msg)
    return rows


def rows_of_json(samples: Sequence[WrittenSample], tags: Mapping[int, TagRef], now_ns: int) -> Table:
    """Make rows of the samples of a JSON body; raise Problem 422 naming the sample that does not fit its tag."""
    columns: dict[str, list[object]] = {name: [] for name in ("vf", "vi", "vb", "vs")}
    times = []
    for place, sample in enumerate(samples):
        kind = ValueType(tags[sample.tag].value_type)
        try:
            times.append(sample.time if isinstance(sample.time, int) else parse_time(sample.time, now_ns))
            value = _typed(sample.value, kind)
        except ValueError as error:
            msg = f"samples[{place}]: {error}"
            raise invalid(msg, tag=sample.tag) from None
        for name, column in columns.items():
            column.append(value if name == kind.column else None)
    return pa.table(
        [
            pa.array([sample.tag for sample in samples], pa.int64()),
            pa.array(times, pa.int64()),
            pa.array([sample.status for sample in samples], pa.uint32()),
            *(pa.array(columns[name], ROWS.field(name).type) for name in ("vf", "vi", "vb", "vs")),
        ],
        schema=ROWS,
    )


def _typed(value: float | int | bool | str | None, kind: ValueType) -> float | int | bool | str | None:
    wanted = f"{value!r:.60} is no {kind.value}, the type of this tag"
    match kind:
        case _ if value is None:
            return None
        case ValueType.FLOAT64 if isinstance(value, str) and value in _SPECIAL:
            return _SPECIAL[value]
        case ValueType.FLOAT64 if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        case ValueType.INT64 if isinstance(value, int) and not isinstance(value, bool):
            if INT64_MIN <= value <= INT64_MAX:
                return value
        case ValueType.BOOL if isinstance(value, bool):
            return value
        case ValueType.STRING if isinstance(value, str) and len(value) <= TEXT_MAX_CHARS:
            return value
    raise ValueError(wanted)


def check_rows(
    rows: Table,
    tags: Mapping[int, TagRef],
    principal: Principal,
    *,
    importing: bool = False,
    replacing: bool = False,
) -> NDArray[np.int64]:
    """Judge rows against their tags; give `late_after` per row. Raise Problem 404, 403 or 422.

    An import writes to tags that others own, and none of its rows is late: history is old by its nature. Neither is a
    replacement late.
    """
    ids, places = np.unique(column_i64(rows, "tag"), return_inverse=True)
    late_after = np.full(len(ids), NEVER_LATE, np.int64)
    kinds = np.zeros(len(ids), np.int64)
    for place, tag in enumerate(ids.tolist()):
        known = tags.get(tag)
        if known is None:
            msg = "tag"
            raise not_found(msg, tag)
        if known.owner != principal.writer and not importing:
            raise not_owner(known.key)
        kinds[place] = ValueType(known.value_type).kind
        if known.late_after_ns is not None and not (importing or replacing):
            late_after[place] = known.late_after_ns
    if (column_i64(rows, "time") == INT64_MIN).any():
        msg_0 = "a time is the smallest int64, which is no time; leave the row out"
        raise invalid(msg_0)
    if replacing and (column_i64(rows, "time") == INT64_MAX).any():
        msg_1 = "a time is the largest int64, at which nothing can be replaced; leave the row out"
        raise invalid(msg_1)
    kind, _ = value_bits(rows)
    wrong = np.flatnonzero((kind != ValueKind.NONE) & (kind != kinds[places]))
    if len(wrong):
        key = tags[int(ids[places[wrong[0]]])]
        msg = f"row {int(wrong[0])}: the value is not in the column of {key.key}, which is {key.value_type}"
        raise invalid(msg)
    return late_after[places]


def batch_of_rows(
    rows: Table,
    late_after: NDArray[np.int64],
    principal: Principal,
    *,
    key: str,
    body: bytes,
    now_ns: int,
    replacing: bool = False,
) -> WriterBatch:
    """Make the batch to commit; a replacement under the key of a plain write has another CRC."""
    return WriterBatch(
        tenant=principal.tenant,
        writer=principal.writer,
        crc=zlib.crc32(body, 1 if replacing else 0),
        rows=rows,
        late=now_ns - column_i64(rows, "time") > late_after,
        arrival_gateway_ns=now_ns,
        arrival_platform_ns=now_ns,
        key=key,
        replaces=replacing,
    )
