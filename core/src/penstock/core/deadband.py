"""The deadband: leaves out samples that tell nothing new, one by one or in columns, the same outcome. Pure.

Theory of operation
-------------------
A sample is *thinned* when it has the status and the kind of the tag's last sample that passed, differs from its value
by no more than the deadband (OPC 10000-4 7.22.2: reported is what differs by more), and is stamped less than
`max_interval_ns` after it. Everything else passes and is what the next one is compared with: the first sample, the
first one after `forget` (a gap), any change of status, a value that comes or goes, NaN that comes or goes.

Source time alone decides, so that the outcome does not hang on how samples are cut into batches. A sample that is not
newer than the newest one heard of its tag passes and changes nothing: it is late, or came twice, and has no neighbour
to be compared with. So does one that says that values before it were lost (overflow bit).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from penstock.core.columns import SampleColumns
from penstock.core.status import INFO_TYPE_DATA_VALUE, OVERFLOW
from penstock.core.values import INT64_MIN, ValueKind

FEW_TAGS: Final = 24
"""Below so many tags at a time going one by one is quicker than a dozen numpy calls a step."""
_OVERFLOWED: Final = INFO_TYPE_DATA_VALUE | OVERFLOW
_UINT64_MAX: Final = 2**64 - 1
_FLOAT64: Final = int(ValueKind.FLOAT64)
_INT64: Final = int(ValueKind.INT64)

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rule:
    """Say what is thinned of a tag: `most` in the tag's unit, `max_interval_ns` in source time."""

    most: float
    max_interval_ns: int

    def __post_init__(self) -> None:
        assert math.isfinite(self.most)
        assert self.most >= 0
        assert self.max_interval_ns > 0

    @property
    def most_int(self) -> int:
        """Give the deadband for whole numbers, which differ by whole numbers."""
        return min(math.floor(self.most), _UINT64_MAX)


@dataclass(slots=True)
class Passed:
    """Remember what passed last of one tag, and the newest source time heard of it."""

    known: bool = False
    heard_ns: int = INT64_MIN
    time_ns: int = 0
    status: int = 0
    kind: int = 0
    vf: float = 0.0
    vi: int = 0

    def passes(self, rule: Rule, *, time_ns: int, status: int, kind: int, vf: float, vi: int) -> bool:
        """Judge the tag's next sample."""
        if time_ns <= self.heard_ns:
            return True
        self.heard_ns = time_ns
        if (
            self.known
            and status == self.status
            and kind == self.kind
            and status & _OVERFLOWED != _OVERFLOWED
            and time_ns - self.time_ns < rule.max_interval_ns
            and self._is_near(rule, vf, vi)
        ):
            return False
        self.known, self.time_ns = True, time_ns
        self.status, self.kind, self.vf, self.vi = status, kind, vf, vi
        return True

    def _is_near(self, rule: Rule, vf: float, vi: int) -> bool:
        if self.kind == _FLOAT64:
            return vf == self.vf or abs(vf - self.vf) <= rule.most or (math.isnan(vf) and math.isnan(self.vf))
        return abs(vi - self.vi) <= rule.most_int


_STATE: Final = {
    "known": np.bool_, "heard_ns": np.int64, "time_ns": np.int64, "status": np.uint32, "kind": np.uint8,
    "vf": np.float64, "vi": np.int64,
}  # fmt: skip
_FIELDS: Final = tuple(_STATE)


class Deadband:
    """Judge samples in columns, by tag index; tags without a rule pass."""

    def __init__(self) -> None:
        self._rules: dict[int, Rule] = {}
        self._ruled: Mask = np.zeros(0, np.bool_)
        self._most: npt.NDArray[np.float64] = np.zeros(0, np.float64)
        self._most_int: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._interval: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._state: dict[str, npt.NDArray[Any]] = {name: np.zeros(0, kind) for name, kind in _STATE.items()}

    def set_rule(self, index: int, rule: Rule | None) -> None:
        """Thin a tag by that rule from now on, or no more; its next sample passes."""
        if rule is None:
            if self._rules.pop(index, None) is not None:
                self._ruled[index] = False
            return
        self._fit(index)
        self._rules[index] = rule
        self._ruled[index] = True
        self._most[index], self._most_int[index] = rule.most, rule.most_int
        self._interval[index] = rule.max_interval_ns
        self._state["known"][index], self._state["heard_ns"][index] = False, INT64_MIN

    def forget(self, heard: Iterable[tuple[int, int]]) -> None:
        """Let the next sample of each tag pass that is newer than the source time given with it."""
        for index, heard_ns in heard:
            if index in self._rules:
                self._state["known"][index] = False
                self._state["heard_ns"][index] = max(int(self._state["heard_ns"][index]), heard_ns)

    def apply(self, columns: SampleColumns) -> Mask | None:
        """Say which rows are thinned, in their order; None where none is."""
        if not self._rules or not len(columns):
            return None
        n = len(self._ruled)
        rows = np.flatnonzero((columns.tag < n) & self._ruled[np.minimum(columns.tag, n - 1)])
        if not len(rows):
            return None
        thinned = np.zeros(len(columns), np.bool_)
        order = rows[np.argsort(columns.tag[rows], kind="stable")]
        tags = columns.tag[order]
        first = np.flatnonzero(np.concatenate([[True], tags[1:] != tags[:-1]]))
        counts = np.diff(np.append(first, len(order)))
        step = 0
        while len(first) >= FEW_TAGS:
            at = order[first + step]
            thinned[at] = self._step(columns, at)
            step += 1
            more = counts > step
            first, counts = first[more], counts[more]
        for start, count in zip(first.tolist(), counts.tolist(), strict=True):
            self._one_by_one(columns, order[start + step : start + count], thinned)
        return thinned if thinned.any() else None

    def _step(self, columns: SampleColumns, at: npt.NDArray[np.intp]) -> Mask:
        """Judge one sample of each of several tags."""
        tags, time, status, kind = (getattr(columns, name)[at] for name in ("tag", "time", "status", "kind"))
        state = {name: column[tags] for name, column in self._state.items()}
        newer = time > state["heard_ns"]
        since = time.view(np.uint64) - state["time_ns"].view(np.uint64)  # exact where newer, whatever the sign
        thin: Mask = (
            newer
            & state["known"]
            & (status == state["status"])
            & (kind == state["kind"])
            & ((status & _OVERFLOWED) != _OVERFLOWED)
            & (since < self._interval[tags])
            & self._near(columns, at, tags)
        )
        self._state["heard_ns"][tags[newer]] = time[newer]
        passed = newer & ~thin
        there, from_rows = tags[passed], at[passed]
        self._state["known"][there] = True
        self._state["time_ns"][there] = time[passed]
        for name in ("status", "kind", "vf", "vi"):
            self._state[name][there] = getattr(columns, name)[from_rows]
        return thin

    def _near(self, columns: SampleColumns, at: npt.NDArray[np.intp], tags: npt.NDArray[np.uint32]) -> Mask:
        now, before = columns.vf[at], self._state["vf"][tags]
        with np.errstate(over="ignore", invalid="ignore"):
            near: Mask = (now == before) | (np.abs(now - before) <= self._most[tags])
        near |= np.isnan(now) & np.isnan(before)
        whole = columns.kind[at] != _FLOAT64
        if whole.any():
            now_i, before_i = columns.vi[at], self._state["vi"][tags]
            apart = np.maximum(now_i, before_i).view(np.uint64) - np.minimum(now_i, before_i).view(np.uint64)
            near[whole] = (apart <= self._most_int[tags])[whole]
        return near

    def _one_by_one(self, columns: SampleColumns, rows: npt.NDArray[np.intp], thinned: Mask) -> None:
        """Judge several samples of one tag."""
        index = int(columns.tag[rows[0]])
        rule = self._rules[index]
        state = Passed(*(self._state[name][index].item() for name in _FIELDS))
        values = (getattr(columns, name)[rows].tolist() for name in ("time", "status", "kind", "vf", "vi"))
        thinned[rows] = [
            not state.passes(rule, time_ns=time_ns, status=status, kind=kind, vf=vf, vi=vi)
            for time_ns, status, kind, vf, vi in zip(*values, strict=True)
        ]
        for name in _FIELDS:
            self._state[name][index] = getattr(state, name)

    def _fit(self, index: int) -> None:
        n = len(self._ruled)
        if index < n:
            return
        more = max(index + 1, 2 * n) - n
        self._ruled = np.append(self._ruled, np.zeros(more, np.bool_))
        self._most = np.append(self._most, np.zeros(more, np.float64))
        self._most_int = np.append(self._most_int, np.zeros(more, np.uint64))
        self._interval = np.append(self._interval, np.zeros(more, np.uint64))
        self._state = {name: np.append(column, np.zeros(more, column.dtype)) for name, column in self._state.items()}
