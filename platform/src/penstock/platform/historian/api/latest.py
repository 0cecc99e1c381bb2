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
_MARKS = [f',"late":{late},"future":{future}' for future in ("false", "true") for late in ("false", "true")]
_NEVER_LATE = 2**63 - 1


def latest_json(tags: Mapping[int, TagRef], rows: Table, now_ns: int) -> bytes:
    """Write a LatestPage, one item a tag in the order of `tags`, from rows of newest.LATEST in that order.

    A tag without a sample is Bad: it waits for its first value.
    """
    written = _joined(_pieces(tags, rows, now_ns), rows.num_rows) if rows.num_rows else []
    if len(written) < len(tags):
        found = dict(zip(rows["tag"].to_pylist(), written, strict=True))
        written = [found.get(tag.id) or _text({"tag": tag.id, "key": tag.key, **_WAITING}) for tag in tags.values()]
    return f'{{"items":[{",".join(written)}]}}'.encode()


def _pieces(tags: Mapping[int, TagRef], rows: Table, now_ns: int) -> list[str | list[str]]:
    """Give what side by side makes the items: texts that all share, and columns of texts, as few as may be."""
    time, ids = column_i64(rows, "time"), rows["tag"].to_pylist()
    mine = [tags[tag] for tag in ids]
    allowed = np.array([_NEVER_LATE if tag.late_after_ns is None else tag.late_after_ns for tag in mine], np.int64)
    late = column_i64(rows, "arrival_gateway") - time > allowed
    return [
        '{"tag":',
        _numbers(ids),
        ',"key":"',
        _inside([tag.key for tag in mine]),
        '","time":"',
        _stamps(time),
        'Z","value":',
        _values(rows),
        _statuses(rows["status"].to_numpy()),
        ',"arrival":"',
        _stamps(column_i64(rows, "arrival_platform")),
        'Z","age_s":',
        _numbers(((now_ns - time) / 1e9).tolist()),
        ',"position":',
        _numbers(rows["position"].to_pylist()),
        _marks(late, rows["newer_is_future"].to_numpy()),
    ]


def _joined(pieces: Sequence[str | list[str]], count: int) -> list[str]:
    """Put the pieces side by side; give an object for each row."""
    width = len(pieces) + 1
    signs = ["}\n"] * (width * count)
    for place, piece in enumerate(pieces):
        signs[place::width] = [piece] * count if isinstance(piece, str) else piece
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
    """Write times as RFC 3339 with nanoseconds, but for the Z; equal ones once, since a commit's rows share them."""
    coded = pa.array(times).dictionary_encode()
    texts = pc.binary_replace_slice(coded.dictionary.cast(pa.timestamp("ns")).cast(pa.string()), 10, 11, "T")
    return _chosen(texts.to_pylist(), coded.indices.to_pylist())


def _statuses(codes: NDArray[np.uint32]) -> list[str]:
    """Write each status with its quality; a plant has few different ones at a time."""
    plain = codes.tolist()
    texts = {code: f',"status":{code},"quality":{_text(quality(code).value)}' for code in set(plain)}
    return [texts[code] for code in plain]


def _marks(late: NDArray[np.bool_], future: NDArray[np.bool_]) -> list[str]:
    """Write the two marks of each row: one of four texts."""
    return _chosen(_MARKS, (late + 2 * future.astype(np.int8)).tolist())


def _chosen(texts: Sequence[str], places: Sequence[int]) -> list[str]:
    return [texts[place] for place in places]
