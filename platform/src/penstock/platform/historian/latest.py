"""Newest samples as the API shows them: made in columns, since a plant's overview asks for all of them each second."""

from collections.abc import Mapping
from typing import Any

from penstock.core.status import BAD_WAITING_FOR_INITIAL_DATA, quality
from penstock.platform.historian.ports import Table
from penstock.platform.historian.repeats import column_i64
from penstock.platform.historian.wire import times_text, values_column
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


def latest_items(tags: Mapping[int, TagRef], rows: Table, now_ns: int) -> list[dict[str, Any]]:
    """Give the items of a LatestPage, one a tag in the order of `tags`, from rows of newest.LATEST.

    A tag without a sample is Bad: it waits for its first value.
    """
    found = _shown(tags, rows, now_ns)
    return [found.get(tag.id) or {"tag": tag.id, "key": tag.key, **_WAITING} for tag in tags.values()]


def _shown(tags: Mapping[int, TagRef], rows: Table, now_ns: int) -> dict[int, dict[str, Any]]:
    time, ids = column_i64(rows, "time"), rows["tag"].to_pylist()
    lateness = (column_i64(rows, "arrival_gateway") - time).tolist()
    allowed = [tags[tag].late_after_ns for tag in ids]
    statuses = rows["status"].to_pylist()
    columns = {
        "tag": ids,
        "key": [tags[tag].key for tag in ids],
        "time": times_text(time),
        "value": values_column(rows),
        "status": statuses,
        "quality": [quality(status).value for status in statuses],
        "arrival": times_text(column_i64(rows, "arrival_platform")),
        "age_s": ((now_ns - time) / 1e9).tolist(),
        "position": rows["position"].to_pylist(),
        "late": [limit is not None and by > limit for by, limit in zip(lateness, allowed, strict=True)],
        "future": rows["newer_is_future"].to_pylist(),
    }
    return {values[0]: dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)}
