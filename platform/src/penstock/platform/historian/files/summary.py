"""Summaries: what each quarter of an hour holds of a tag, one row for each quality in it; made of sorted samples.

Theory of operation. A *period* is a quarter of an hour of UTC. Of the samples of a tag in it, those of one severity
become one row: how many, their sum and spread, first and last, least and greatest, how long they held (from the first
sample of the period to its last) and the area under them. What lies between the last sample of a period and the first
of the next is found by whoever reads, from those two. So a row can stand for its samples wherever windows do not cut
the period and no other file holds samples of it.

A period is *odd* where a reader of samples would see what a row cannot tell: equal times, Bad_NoData, infinite values.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core import status as codes
from penstock.platform.historian.period import NS_PER_S, PERIOD_NS
from penstock.platform.historian.ports import Table
from penstock.platform.historian.processed.scene import BAD, GOOD, severities
from penstock.platform.historian.processed.series import Bools, Codes, Floats, Ints, firsts
from penstock.platform.historian.repeats import column_i64

DENSE_ROWS = 20
"""Rows a period from which on a summary pays: its row weighs as much as about twenty samples."""

_I64, _U32, _F64 = pa.int64(), pa.uint32(), pa.float64()
SUMMARY = pa.schema(
    [
        ("tag", _I64),
        ("start", _I64),
        ("severity", pa.uint8()),
        ("odd", pa.bool_()),
        ("rows", _I64),
        *((f"first_{name}", kind) for name, kind in (("time", _I64), ("status", _U32), ("value", _F64))),
        *((f"last_{name}", kind) for name, kind in (("time", _I64), ("status", _U32), ("value", _F64))),
        *((f"low_{name}", kind) for name, kind in (("time", _I64), ("status", _U32), ("value", _F64), ("rows", _I64))),
        *((f"high_{name}", kind) for name, kind in (("time", _I64), ("status", _U32), ("value", _F64), ("rows", _I64))),
        ("sum", _F64),
        ("squares", _F64),
        ("held", _I64),
        ("area", _F64),
        ("line_area", _F64),
    ]
)
"""One row for each tag, period and severity that has samples; docs/reference/history-files.md says what each means."""


def is_dense(rows: Ints, first: Ints, last: Ints) -> Bools:
    """Say of tags, by rows and span in a run, whether the run's summary has them: part of the format."""
    found: Bools = rows >= DENSE_ROWS * (last // PERIOD_NS - first // PERIOD_NS + 1)
    return found


def summaries(parts: Iterable[Table]) -> Iterator[Table]:
    """Give tables of SUMMARY for samples (tag, time, status, value) that come sorted, in parts of any size."""
    rest: Table | None = None
    for part in parts:
        rows = part if rest is None else pa.concat_tables([rest, part])
        tag, period = column_i64(rows, "tag"), column_i64(rows, "time") // PERIOD_NS
        if rows.num_rows == 0:
            continue
        own = (tag == tag[-1]) & (period == period[-1])
        cut = int(np.flatnonzero(~own)[-1]) + 1 if not own.all() else 0
        rest = rows.slice(cut)  # the period goes on in the next part
        if cut:
            yield summary_of(rows.slice(0, cut))
    if rest is not None and rest.num_rows:
        yield summary_of(rest)


def summary_of(rows: Table) -> Table:
    """Give the table of SUMMARY for sorted samples (tag, time, status, value) of whole periods."""
    tag, time = column_i64(rows, "tag"), column_i64(rows, "time")
    status = rows["status"].to_numpy().astype(np.uint32, copy=False)
    value = rows["value"].to_numpy().astype(np.float64, copy=False)
    period = time // PERIOD_NS
    opens = _changes(tag) | _changes(period)
    held = np.zeros(len(time), np.int64)
    held[:-1] = np.diff(time)
    held[:-1][opens[1:]] = 0
    group = np.cumsum(opens) - 1
    odd = np.zeros(int(group[-1]) + 1, np.bool_)
    odd[group[1:][(held[:-1] == 0) & ~opens[1:]]] = True
    finite = bool(np.isfinite(value).all())
    if finite and not status.any():  # most of all: one row a period
        severity, begins = np.zeros(len(time), np.int64), np.flatnonzero(opens)
        order, here = np.arange(len(time)), np.arange(len(begins))
        pure = np.ones(len(odd), np.bool_)
    else:
        severity = severities(status, value)
        odd[group[(status & np.uint32(codes.CODE_MASK) == codes.BAD_NO_DATA) | np.isinf(value)]] = True
        pure = np.bincount(group, weights=severity != GOOD) == 0
        key = group * (BAD + 1) + severity
        order = np.argsort(key, kind="stable")
        begins = firsts(key[order])
        here = group[order][begins]
    following = np.append(value[1:], value[-1:])
    sorted_rows = _Rows(time[order], status[order], value[order], held[order], following[order])
    columns = {
        "tag": tag[order][begins],
        "start": period[order][begins] * PERIOD_NS,
        "severity": severity[order][begins].astype(np.uint8),
        "odd": odd[here],
        **sorted_rows.told(begins, usable=severity[order] < BAD, finite=finite),
    }
    columns["line_area"] = np.where(pure[here], columns["line_area"], np.nan)
    return pa.table([pa.array(columns[field.name], field.type, from_pandas=True) for field in SUMMARY], schema=SUMMARY)


class _Rows:
    """Hold samples ordered by (tag, period, severity), and sum them up."""

    def __init__(self, time: Ints, status: Codes, value: Floats, held: Ints, following: Floats) -> None:
        self.time, self.status, self.value, self.held, self.following = time, status, value, held, following

    def told(self, begins: Ints, *, usable: Bools, finite: bool) -> dict[str, Any]:
        """Give the columns that are about the samples of each part; those of Bad ones have no numbers."""
        number = np.diff(np.append(begins, len(self.time)))
        part = np.repeat(np.arange(len(begins)), number)
        has_number = usable[begins]
        value = np.where(usable, self.value, 0.0)
        seconds = self.held / NS_PER_S
        with np.errstate(over="ignore", invalid="ignore"):  # infinite values: the period is odd
            total = np.add.reduceat(value, begins)
            squares = np.add.reduceat((value - (total / number)[part]) ** 2, begins)
            under, line = value * seconds, (value + self.following) / 2 * seconds
            if not finite:
                under, line = (np.where(self.held > 0, each, 0.0) for each in (under, line))
            area, line = np.add.reduceat(under, begins), np.add.reduceat(line, begins)
        ends = begins + number - 1
        numbers = {"sum": total, "squares": squares, "area": area, "line_area": line}
        return {
            "rows": number,
            **self._at("first", begins),
            **self._at("last", ends),
            **self._extreme("low", np.minimum.reduceat(value, begins), value, begins, has_number),
            **self._extreme("high", np.maximum.reduceat(value, begins), value, begins, has_number),
            **{name: np.where(has_number, column, np.nan) for name, column in numbers.items()},
            "held": np.add.reduceat(self.held, begins),
        }

    def _at(self, name: str, place: Ints) -> dict[str, Any]:
        return {
            f"{name}_time": self.time[place],
            f"{name}_status": self.status[place],
            f"{name}_value": self.value[place],
        }

    def _extreme(self, name: str, best: Floats, value: Floats, begins: Ints, has_number: Bools) -> dict[str, Any]:
        number = np.diff(np.append(begins, len(value)))
        part = np.repeat(np.arange(len(begins)), number)
        hits = np.flatnonzero(value == best[part])
        place = hits[firsts(part[hits])]
        told = self._at(name, place)
        told[f"{name}_value"] = np.where(has_number, best, np.nan)
        told[f"{name}_rows"] = np.bincount(part[hits], minlength=len(begins))
        return told


def _changes(column: Ints) -> Bools:
    begins = np.ones(len(column), np.bool_)
    begins[1:] = column[1:] != column[:-1]
    return begins
