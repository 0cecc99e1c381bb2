"""The newest sample of each tag, in memory: what is latest, and which rows cannot have come before.

*Latest* is the newest by source time that is not after its arrival at the platform + `clock_skew_max`. A row stamped
later is kept by the historian but never latest; here only the span of such stamps is held, per tag. So a row can have
an equal one in the files only if its time is not above the tag's latest, or lies in that span or above it.

Arrays are indexed by tag id: ids are dense and never reused. The committer writes, the event loop reads.
"""

import threading
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.platform.historian.erasures import Erasures
from penstock.platform.historian.ports import ROWS, LatestSample, Table
from penstock.platform.historian.repeats import column_i64, value_bits

NEVER = np.int64(-(2**63))
NO_FUTURE = np.int64(2**63 - 1)
BIRTH_NEWEST = pa.schema(
    [
        *ROWS,
        ("position", pa.int64()),
        ("row", pa.int64()),
        ("arrival_gateway", pa.int64()),
        ("arrival_platform", pa.int64()),
    ]
)
LATEST = pa.schema([*BIRTH_NEWEST, ("newer_is_future", pa.bool_())])
"""One row a tag that has a sample; `newer_is_future`: later stamped ones wait beyond the allowed skew."""
BIRTH_FUTURE = pa.schema([("tag", pa.int64()), ("low", pa.int64()), ("high", pa.int64())])
_STORED = ("time", "status", "position", "row", "arrival_gateway", "arrival_platform")
_COLUMNS = ("kind", "bits", *_STORED)


class Newest:
    """Keep the latest sample and the span of future stamps of every tag."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._columns: dict[str, NDArray[np.int64]] = {name: np.zeros(0, np.int64) for name in _COLUMNS}
        self._low = np.zeros(0, np.int64)
        self._high = np.zeros(0, np.int64)
        self._texts: dict[int, str] = {}

    def may_be_stored(self, tag: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Mark rows that may have an equal one among what is stored; the others are newer than all of their tag."""
        self._grow(tag)
        marked: NDArray[np.bool_] = (time <= self._columns["time"][tag]) | (time >= self._low[tag])
        return marked

    def take(self, rows: Table, future: NDArray[np.bool_]) -> None:
        """Take committed rows of BIRTH_NEWEST's columns in commit order; `future` marks those beyond the skew."""
        if rows.num_rows == 0:
            return
        with self._lock:
            self._take(rows, future)

    def _take(self, rows: Table, future: NDArray[np.bool_]) -> None:
        tag, time = column_i64(rows, "tag"), column_i64(rows, "time")
        self._grow(tag)
        self._take_future(tag[future], time[future])
        newest = np.full(len(self._low), NEVER)
        np.maximum.at(newest, tag[~future], time[~future])
        candidate = np.flatnonzero((time == newest[tag]) & (time >= self._columns["time"][tag]) & ~future)
        last = np.full(len(self._low), -1)
        last[tag[candidate]] = candidate  # of equal times the one committed last stays
        self._set(rows.take(pa.array(last[last >= 0])))

    def hidden(self, erasures: Erasures, tags: Iterable[int]) -> dict[int, int]:
        """Give those of the tags whose latest sample is erased, or of whose future ones some may be, and its time."""
        with self._lock:
            asked = np.array([tag for tag in tags if tag < len(self._low)], np.int64)
            time, position = self._columns["time"][asked], self._columns["position"][asked]
            hit = (time != NEVER) & erasures.hides(asked, time, position)
            for place in np.flatnonzero(self._high[asked] != NEVER).tolist():
                steps = erasures.steps(int(asked[place]))
                low, high = self._low[asked[place]], self._high[asked[place]]
                hit[place] |= steps is not None and len(steps.between(int(low), int(high) + 1).start) > 0
            return dict(zip(asked[hit].tolist(), time[hit].tolist(), strict=True))

    def correct(self, tags: Sequence[int], rows: Table, future: Table) -> None:
        """Put what is found of these tags anew, as BIRTH_NEWEST and BIRTH_FUTURE, in the place of what is here."""
        with self._lock:
            self._columns["time"][tags] = NEVER
            self._low[tags], self._high[tags] = NO_FUTURE, NEVER
            if rows.num_rows:
                self._take(rows, np.zeros(rows.num_rows, np.bool_))
            for name in ("low", "high"):
                self._take_future(column_i64(future, "tag"), column_i64(future, name))

    def _set(self, winners: Table) -> None:
        tag = column_i64(winners, "tag")
        kind, bits = value_bits(winners)
        self._columns["kind"][tag] = kind
        self._columns["bits"][tag] = bits
        for name in _STORED:
            self._columns[name][tag] = column_i64(winners, name)
        for place in np.flatnonzero(kind == 4):
            self._texts[int(tag[place])] = winners["vs"][int(place)].as_py()
        passed = self._columns["time"][tag] >= self._high[tag]
        self._low[tag[passed]] = NO_FUTURE
        self._high[tag[passed]] = NEVER

    def _take_future(self, tag: NDArray[np.int64], time: NDArray[np.int64]) -> None:
        np.minimum.at(self._low, tag, time)
        np.maximum.at(self._high, tag, time)

    def take_future_spans(self, tag: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]) -> None:
        """Take the spans that a generation was born with."""
        with self._lock:
            self._grow(tag)
            self._take_future(tag, low)
            self._take_future(tag, high)

    def latest(self, tags: Sequence[int]) -> list[LatestSample]:
        """Give the latest sample of each tag that has one, in the order asked."""
        with self._lock:
            known = len(self._low)
            return [self._sample(tag) for tag in tags if 0 <= tag < known and self._columns["time"][tag] != NEVER]

    def _sample(self, tag: int) -> LatestSample:
        at = {name: int(column[tag]) for name, column in self._columns.items()}
        return LatestSample(
            tag=tag,
            time=at["time"],
            status=at["status"],
            value=self._value(tag, at["kind"], at["bits"]),
            position=at["position"],
            row=at["row"],
            arrival_gateway_ns=at["arrival_gateway"],
            arrival_platform_ns=at["arrival_platform"],
            newer_is_future=bool(self._high[tag] > at["time"]),
        )

    def _value(self, tag: int, kind: int, bits: int) -> float | int | bool | str | None:
        match kind:
            case 1:
                return float(np.int64(bits).view(np.float64))
            case 2:
                return bits
            case 3:
                return bool(bits)
            case 4:
                return self._texts[tag]
            case _:
                return None

    def snapshot(self) -> tuple[Table, Table]:
        """Give everything as tables of BIRTH_NEWEST and BIRTH_FUTURE, for the next generation to be born with."""
        with self._lock:
            newest = self._table(np.flatnonzero(self._columns["time"] != NEVER)).select(BIRTH_NEWEST.names)
            ahead = np.flatnonzero(self._high != NEVER)
            return newest, pa.table([ahead, self._low[ahead], self._high[ahead]], schema=BIRTH_FUTURE)

    def table(self, tags: Sequence[int]) -> Table:
        """Give the latest sample of each tag that has one as a table of LATEST, in the order asked."""
        with self._lock:
            asked = np.asarray(tags, np.int64)
            asked = asked[(asked >= 0) & (asked < len(self._low))]
            return self._table(asked[self._columns["time"][asked] != NEVER])

    def _table(self, tag: NDArray[np.int64]) -> Table:
        at = {name: column[tag] for name, column in self._columns.items()}
        texts: list[str | None] = [None] * len(tag)
        for place in np.flatnonzero(at["kind"] == 4).tolist():
            texts[place] = self._texts[int(tag[place])]
        return pa.table(
            [
                tag,
                at["time"],
                at["status"].astype(np.uint32),
                _nullable(at["bits"].view(np.float64), at["kind"] == 1),
                _nullable(at["bits"], at["kind"] == 2),
                _nullable(at["bits"] != 0, at["kind"] == 3),
                pa.array(texts, pa.string()),
                *(at[name] for name in ("position", "row", "arrival_gateway", "arrival_platform")),
                self._high[tag] > at["time"],
            ],
            schema=LATEST,
        )

    def _grow(self, tag: NDArray[np.int64]) -> None:
        size = int(tag.max()) + 1 if len(tag) else 0
        missing = size - len(self._low)
        if missing <= 0:
            return
        missing = max(missing, 1024, len(self._low) // 2)
        for name in _COLUMNS:
            fill = NEVER if name == "time" else 0
            self._columns[name] = np.concatenate([self._columns[name], np.full(missing, fill, np.int64)])
        self._low = np.concatenate([self._low, np.full(missing, NO_FUTURE)])
        self._high = np.concatenate([self._high, np.full(missing, NEVER)])


def _nullable(values: Iterable[object], valid: NDArray[np.bool_]) -> pa.Array:
    return pa.array(values, mask=~valid)
