"""Newest samples as the API shows them: JSON written in columns, since a plant's overview asks for all of them each
second, and an object for each value would cost more than all the rest of the answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from penstock.core.status import BAD_WAITING_FOR_INITIAL_DATA, quality
from penstock.platform.historian.api.wire import values_column
from penstock.platform.historian.ports import Table
from penstock.platform.historian.repeats import column_i64
from penstock.platform.registry.service import TagRef

_WAITING = {
    "time": None,
    "value": None,
    "status": BAD_WAITING_FOR_INITIAL_DATA,
    "quality": quality(BAD_WAITING_FOR_INITIAL_DATA).value,
    "arrival": None,
    "age_s": None,
    "position": None,
    "late": False,
    "future": False,
}
_NEVER_LATE = 2**63 - 1


def latest_json(tags: Mapping[int, TagRef], rows: Table, now_ns: int) -> bytes:
    """Write a LatestPage, one item a tag in the order of `tags`, from rows of newest.LATEST in that order.

    A tag without a sample is Bad: it waits for its first value.
    """
    written = _joined(_members(tags, rows, now_ns), rows.num_rows) if rows.num_rows else []
    if len(written) < len(tags):
        found = dict(zip(rows["tag"].to_pylist(), written, strict=True))
        written = [found.get(tag.id) or _text({"tag": tag.id, "key": tag.key, **_WAITING}) for tag in tags.values()]
    return f'{{"items":[{",".join(written)}]}}'.encode()


def _members(tags: Mapping[int, TagRef], rows: Table, now_ns: int) -> list[tuple[str, list[str]]]:
    """Give what stands before each value, and the values as texts: columns that side by side are the items."""
    time, ids = column_i64(rows, "time"), rows["tag"].to_pylist()
    mine = [tags[tag] for tag in ids]
    allowed = np.array([_NEVER_LATE if tag.late_after_ns is None else tag.late_after_ns for tag in mine], np.int64)
    codes, qualities = _statuses(rows["status"].to_numpy())
    return [
        ('{"tag":', _numbers(ids)),
        (',"key":"', _inside([tag.key for tag in mine])),
        ('","time":"', _stamps(time)),
        ('Z","value":', _values(rows)),
        (',"status":', codes),
        (',"quality":', qualities),
        (',"arrival":"', _stamps(column_i64(rows, "arrival_platform"))),
        ('Z","age_s":', _numbers(((now_ns - time) / 1e9).tolist())),
        (',"position":', _numbers(rows["position"].to_pylist())),
        (',"late":', _numbers((column_i64(rows, "arrival_gateway") - time > allowed).tolist())),
        (',"future":', _numbers(rows["newer_is_future"].to_pylist())),
    ]


def _joined(members: Sequence[tuple[str, list[str]]], count: int) -> list[str]:
    """Put the columns side by side; give an object for each row."""
    width = 2 * len(members) + 1
    signs = ["}\n"] * (width * count)
    for place, (before, texts) in enumerate(members):
        signs[2 * place :: width] = [before] * count
        signs[2 * place + 1 :: width] = texts
    return "".join(signs).split("\n")[:-1]  # JSON writes a line's end within a string as two other signs


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


def _numbers(values: list[Any]) -> list[str]:
    """Write numbers, truths, null and words without commas."""
    return _text(values)[1:-1].split(",")


def _inside(texts: list[str]) -> list[str]:
    """Write strings without their quotes: in one, no quote stands bare, so these three signs stand between two only."""
    return _text(texts)[2:-2].split('","')


def _values(rows: Table) -> list[str]:
    values = values_column(rows)
    if rows["vs"].null_count == rows.num_rows:
        return _numbers(values)
    return [_text(value) for value in values]


def _stamps(times: NDArray[np.int64]) -> list[str]:
    """Write times as RFC 3339 with nanoseconds, but for the Z."""
    texts = pa.array(times).cast(pa.timestamp("ns")).cast(pa.string())
    stamps: list[str] = pc.binary_replace_slice(texts, 10, 11, "T").to_pylist()
    return stamps


def _statuses(codes: NDArray[np.uint32]) -> tuple[list[str], list[str]]:
    """Write each status and its quality; a plant has few different ones at a time."""
    plain = codes.tolist()
    qualities = {code: _text(quality(code).value) for code in set(plain)}
    return _numbers(plain), [qualities[code] for code in plain]
