"""The fake's reading routes: latest, samples, since, aggregates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import httpx
import pyarrow as pa

from penstock.core import status as opcua
from penstock.core.times import format_rfc3339_ns, parse_asked_time
from penstock.core.windows import Interval
from penstock.sdk.frames import METADATA_KEY, VALUE_COLUMNS, WIRE, write_arrow
from penstock.sdk.models import Erasure, Scalar
from penstock.sdk.testing.call import Call, open_cursor, seal_cursor
from penstock.sdk.testing.problem import Refused
from penstock.sdk.testing.state import Row, State
from penstock.sdk.testing.summaries import (
    Asked,
    flag,
    need_numbers,
    need_suitable,
    points_of,
    settings_of,
    summarise,
    to_draw,
    values_at,
)
from penstock.sdk.transport import ARROW

ROWS_MAX = 100_000


def latest(state: State, call: Call) -> dict[str, Any]:
    """Answer `/v1/latest`."""
    wanted = list(state.tags) if call.one("all") == "true" else chosen_tags(state, call)
    return {"items": [_latest(state, tag, call.now_ns) for tag in wanted]}


def _latest(state: State, tag: int, now_ns: int) -> dict[str, Any]:
    known, row = state.tags[tag], state.newest(tag)
    item: dict[str, Any] = {"tag": tag, "key": known["key"]}
    if row is None:
        status = opcua.BAD_WAITING_FOR_INITIAL_DATA
        return item | {"time": None, "value": None, "status": status, "quality": "bad", "late": False, "future": False}
    return item | {
        "time": format_rfc3339_ns(row.time),
        "value": json_value(row.value),
        "status": row.status,
        "quality": str(opcua.quality(row.status)),
        "arrival": format_rfc3339_ns(row.arrival),
        "age_s": (now_ns - row.time) / 1e9,
        "position": row.position,
        "late": False,
        "future": state.future_rows(tag) > 0,
    }


def samples(state: State, call: Call) -> httpx.Response | dict[str, Any]:
    """Answer `/v1/samples`: a page ordered by (time, position, row)."""
    limit = _limit(call)
    cursor = call.one("cursor")
    if cursor:
        inside = open_cursor(cursor)
        start, end, after = inside["start"], inside["end"], tuple(inside["after"])
    else:
        start, end, after = call.time("start", "1h-ago"), call.time("end", "now"), None
    backward = call.one("order", "asc") == "desc"
    wanted = chosen_tags(state, call)
    rows = [r for tag in wanted for r in state.rows[tag] if start <= r.time < end]
    rows.sort(key=lambda r: r.key, reverse=backward)
    if after is not None:
        rows = [r for r in rows if (r.key < after if backward else r.key > after)]
    page, more = rows[:limit], len(rows) > limit
    following = seal_cursor({"start": start, "end": end, "after": page[-1].key}) if more else None
    return _columns(state, call, page, {"next": following})


def since(state: State, call: Call) -> httpx.Response | dict[str, Any]:
    """Answer `/v1/since`: whole commits in commit order."""
    limit = _limit(call, 10_000)
    position = call.number("position", state.head)
    need_reached(state, position)
    wanted = set(call.all("tag"))
    behind = [r for r in state.committed if r.position > position]
    page, reached = behind[:limit], state.head
    if len(behind) > limit:
        cut = behind[limit].position  # the first commit that does not fit as a whole
        page = [r for r in page if r.position < cut] or [r for r in behind if r.position == cut]
        reached = page[-1].position
    kept = [r for r in page if not wanted or str(r.tag) in wanted]
    told = [e for e in state.erasures if position < e.position <= reached and (not wanted or str(e.tag) in wanted)]
    beside = {"next": None, "position": reached, "head": state.head, "erasures": erased_columns(told)}
    return _columns(state, call, kept, beside)


def need_reached(state: State, position: int) -> None:
    """Refuse a position that no commit has, as the platform does."""
    if position > state.head:
        told = f"position {position} lies beyond the head, {state.head}: the history was restored or made anew"
        raise Refused(410, "cursor-expired", told, oldest=0)


def delete(state: State, call: Call) -> dict[str, int]:
    """Answer `DELETE /v1/samples`."""
    tags, span = chosen_tags(state, call), (call.time("start", ""), call.time("end", ""))
    if span[0] >= span[1]:
        raise Refused(422, "invalid-request", "start does not lie before end")
    return state.delete(tags, *span)


def erased_columns(erasures: Sequence[Erasure]) -> dict[str, list[Any]]:
    """Give erasures as they travel."""
    return {
        "tag": [each.tag for each in erasures],
        "start": [format_rfc3339_ns(each.start) for each in erasures],
        "end": [format_rfc3339_ns(each.end) for each in erasures],
        "position": [each.position for each in erasures],
    }


def aggregates(state: State, call: Call) -> httpx.Response | dict[str, Any]:
    """Answer `/v1/aggregates`."""
    asked = Asked.of(call)
    start, end = call.time("start", "1h-ago"), call.time("end", "now")
    tables = {}
    for tag in chosen_tags(state, call):
        need_suitable(state.tags[tag], asked.names)
        settings = settings_of(call, state.tags[tag]["type"])
        tables[tag] = summarise(state.rows[tag], asked, settings, start=start, end=end)
    return _processed(call, tables, ["start", *asked.columns(), "status"])


def interpolated(state: State, call: Call) -> httpx.Response | dict[str, Any]:
    """Answer `/v1/interpolated`."""
    named = [parse_asked_time(text, call.now_ns) for text in call.all("time")]
    start, end = call.time("start", "1h-ago"), call.time("end", "now")
    tables: dict[int, dict[str, list[Any]]] = {}
    times = sorted(named) or list(range(start, end, Interval.parse(call.one("step", "1m") or "1m").length_ns))
    for tag in chosen_tags(state, call):
        need_numbers(state.tags[tag], "values at given times need")
        settings = settings_of(call, state.tags[tag]["type"])
        found = values_at(state.rows[tag], times, settings, simple=flag(call, "simple"))
        tables[tag] = {"time": times, "value": [r.value for r in found], "status": [r.status for r in found]}
    return _processed(call, tables, ["time", "value", "status"])


def plot(state: State, call: Call) -> httpx.Response | dict[str, Any]:
    """Answer `/v1/plot`."""
    start, end, points = call.time("start", "1h-ago"), call.time("end", "now"), call.number("points", 2000)
    tables: dict[int, dict[str, list[Any]]] = {}
    samples: dict[str, int] = {}
    for tag in chosen_tags(state, call):
        need_numbers(state.tags[tag], "a plot needs")
        rows = [row for row in state.rows[tag] if start <= row.time < end]
        samples[str(tag)] = len(rows)
        drawn = points_of(to_draw(rows, points))
        values = [None if point.status >= opcua.BAD else point.value for point in drawn]
        tables[tag] = {"time": [p.time_ns for p in drawn], "value": values, "status": [p.status for p in drawn]}
    return _processed(call, tables, ["time", "value", "status"], {"samples": samples})


def _processed(
    call: Call, tables: dict[int, dict[str, list[Any]]], names: Sequence[str], beside: dict[str, Any] | None = None
) -> httpx.Response | dict[str, Any]:
    """Answer with a column set per tag: times in ns as Arrow, as text in JSON."""
    timed = [name for name in names if name in ("start", "time") or name.endswith(".time")]
    if ARROW not in call.request.headers.get("accept", ""):
        for columns in tables.values():
            columns |= {name: [format_rfc3339_ns(t) for t in columns[name]] for name in timed}
        return {"items": [{"tag": tag, "columns": columns} for tag, columns in tables.items()], **(beside or {})}
    statuses = {name for name in names if name == "status" or name.endswith(".status")}
    types = {name: pa.int64() if name in timed else pa.uint32() if name in statuses else pa.float64() for name in names}
    schema = pa.schema([("tag", pa.int64()), *types.items()])
    parts = [schema.empty_table()]
    for tag, columns in tables.items():
        parts.append(pa.table({"tag": [tag] * len(columns[names[0]]), **columns}, schema=schema))
    return arrow_answer(pa.concat_tables(parts), beside or {})


def chosen_tags(state: State, call: Call) -> Sequence[int]:
    """Give the tags that the query names; a foreign or unknown id is refused."""
    asked = [int(t) for t in call.all("tag")]
    for tag in asked:
        if tag not in state.tags:
            raise Refused(404, "not-found", f"no tag {tag}")
    asset = call.one("asset")
    if asset:
        stands = state.asset(asset)["id"]
        asked += [t["id"] for t in state.tags.values() if t["asset"] == stands]
    if not asked:
        raise Refused(422, "invalid-parameter", "tag or asset: name at least one")
    return asked


def json_columns(rows: Iterable[Row]) -> dict[str, list[Any]]:
    """Give rows as the columns of a JSON page."""
    kept = list(rows)
    return {
        "tag": [r.tag for r in kept],
        "time": [format_rfc3339_ns(r.time) for r in kept],
        "value": [json_value(r.value) for r in kept],
        "status": [r.status for r in kept],
        "position": [r.position for r in kept],
        "row": [r.row for r in kept],
    }


def json_value(value: Scalar) -> Scalar:
    """Render NaN and infinities as the API does."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")
    return value


def arrow_answer(table: pa.Table, beside: dict[str, Any]) -> httpx.Response:
    """Answer with an Arrow stream and the JSON beside it."""
    marked = table.replace_schema_metadata({METADATA_KEY: json.dumps(beside).encode()})
    return httpx.Response(200, headers={"content-type": ARROW}, content=write_arrow(marked))


def _columns(state: State, call: Call, rows: Sequence[Row], beside: dict[str, Any]) -> httpx.Response | dict[str, Any]:
    if ARROW not in call.request.headers.get("accept", ""):
        return {"columns": json_columns(rows), **beside}
    values: dict[str, list[Any]] = {c: [None] * len(rows) for c in VALUE_COLUMNS.values()}
    for index, row in enumerate(rows):
        values[VALUE_COLUMNS[state.tags[row.tag]["type"]]][index] = row.value
    columns = {
        "tag": [r.tag for r in rows],
        "time": [r.time for r in rows],
        "status": [r.status for r in rows],
        **values,
        "position": [r.position for r in rows],
        "row": [r.row for r in rows],
    }
    return arrow_answer(pa.table(columns, schema=WIRE), beside)


def _limit(call: Call, default: int = 1000) -> int:
    limit = call.number("limit", default)
    if not 1 <= limit <= ROWS_MAX:
        raise Refused(422, "invalid-parameter", f"limit: {limit} is not between 1 and {ROWS_MAX}")
    return limit
