"""Bugs to plant, one a name: the same campaigns must catch each of them."""

from typing import Any

import numpy as np
import pyarrow as pa

from penstock.platform.historian.ports import CommitResult
from penstock.platform.historian.reader import Reader
from penstock.platform.historian.service import Historian
from penstock.platform.historian.store import Store
from penstock.platform.historian.writers import Writers


def plant_historian(name: str) -> None:
    """Plant a bug into the historian of this process; no name, no bug."""
    if name:
        HISTORIAN[name]()


def _ack_before_commit() -> None:
    async def append(self: Historian, batches: Any) -> CommitResult:
        self._committer.submit(batches)
        return CommitResult(0, ())

    _replace(Historian, "append", append)


def _no_dedup() -> None:
    _replace(Writers, "seen", lambda _self, *_key: False)
    _replace(Store, "_repeated", lambda _self, rows: np.zeros(rows.num_rows, np.bool_))


def _float32() -> None:
    true = Store._new_rows

    def new_rows(self: Store, new: Any) -> Any:
        rows, future = true(self, new)
        at = rows.schema.get_field_index("vf")
        return rows.set_column(at, "vf", rows["vf"].cast(pa.float32(), safe=False).cast(pa.float64())), future

    _replace(Store, "_new_rows", new_rows)


def _order_by_tag() -> None:
    true = Reader.range

    def ordered(self: Reader, *asked: Any, **more: Any) -> Any:
        return true(self, *asked, **more).sort_by([("tag", "ascending"), ("time", "ascending")])

    _replace(Reader, "range", ordered)


def _half_of_a_group() -> None:
    true = Store._new_rows

    def new_rows(self: Store, new: Any) -> Any:
        rows, future = true(self, new)
        kept = np.arange(rows.num_rows) % 1000 != 999
        return rows.filter(pa.array(kept)), future[kept]

    _replace(Store, "_new_rows", new_rows)


def _replace(owner: type, name: str, by: Any) -> None:
    setattr(owner, name, by)


HISTORIAN = {
    "ack before commit": _ack_before_commit,
    "no dedup": _no_dedup,
    "doubles kept as float32": _float32,
    "ordered by tag": _order_by_tag,
    "one row in 1000 dropped": _half_of_a_group,
}
