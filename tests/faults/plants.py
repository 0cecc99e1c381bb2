"""Bugs to plant, one a name: the same campaigns must catch each of them.

A bug imports what it spoils when it is planted: a writer under the recorder then opens no more files than it must.
"""

from importlib import import_module
from typing import Any


def plant_writer(name: str) -> None:
    """Plant a bug of durability into this process, which writes; an unknown name is for the reader."""
    if name in WRITER:
        WRITER[name]()


def plant_reader(name: str) -> None:
    """Plant a bug of recovery into this process, which opens what a power cut left."""
    if name == "torn tail kept":
        _replace(
            import_module("penstock.platform.historian.files.engine"), "cut_torn_tail", lambda _path, _error: False
        )


def _normal() -> None:
    store = import_module("penstock.gateway.journal.store")
    true = store.connect

    def connect(path: Any) -> Any:
        connection = true(path)
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    _replace(store, "connect", connect)


def _folder_not_synced() -> None:
    durable = import_module("penstock.platform.historian.files.durable")
    _replace(durable.DurableFolder, "sync_new_names", lambda _self: None)


def _names_not_synced() -> None:
    for module in ("penstock.edge.durable", "penstock.platform.kit.files"):
        _replace(import_module(module), "sync_folder", lambda _folder: None)


def _no_copy() -> None:
    engine = import_module("penstock.platform.historian.files.engine")
    _replace(engine, "keep_before", lambda _path: None)
    _replace(engine, "forget_before", lambda _path: None)


WRITER = {
    "synchronous=NORMAL": _normal,
    "folder not synced": _folder_not_synced,
    "names not synced": _names_not_synced,
    "checkpoint without a copy": _no_copy,
}


def plant_historian(name: str) -> None:
    """Plant a bug into the historian of this process; no name, no bug."""
    if name:
        (HISTORIAN | ARRIVAL | DISK)[name]()


def _ack_before_commit() -> None:
    from penstock.platform.historian.ports import CommitResult
    from penstock.platform.historian.service import Historian

    async def append(self: Historian, batches: Any) -> CommitResult:
        self._committer.submit(batches)
        return CommitResult(0, ())

    _replace(Historian, "append", append)


def _no_dedup() -> None:
    import numpy as np

    from penstock.platform.historian.writing.store import Store
    from penstock.platform.historian.writing.writers import Writers

    _replace(Writers, "seen", lambda _self, *_key: False)
    _replace(Store, "_repeated", lambda _self, rows: np.zeros(rows.num_rows, np.bool_))


def _float32() -> None:
    import pyarrow as pa

    from penstock.platform.historian.writing.store import Store

    true = Store._new_rows

    def new_rows(self: Store, new: Any, correction: Any) -> Any:
        rows, future = true(self, new, correction)
        at = rows.schema.get_field_index("vf")
        return rows.set_column(at, "vf", rows["vf"].cast(pa.float32(), safe=False).cast(pa.float64())), future

    _replace(Store, "_new_rows", new_rows)


def _order_by_tag() -> None:
    from penstock.platform.historian.reading.reader import Reader

    true = Reader.range

    def ordered(self: Reader, *asked: Any, **more: Any) -> Any:
        return true(self, *asked, **more).sort_by([("tag", "ascending"), ("time", "ascending")])

    _replace(Reader, "range", ordered)


def _drop_rows() -> None:
    import numpy as np
    import pyarrow as pa

    from penstock.platform.historian.writing.store import Store

    true = Store._new_rows

    def new_rows(self: Store, new: Any, correction: Any) -> Any:
        rows, future = true(self, new, correction)
        kept = np.arange(rows.num_rows) % 100 != 99
        return rows.filter(pa.array(kept)), future[kept]

    _replace(Store, "_new_rows", new_rows)


def _copies_kept() -> None:
    import numpy as np

    from penstock.platform.historian.writing.newest import Newest

    _replace(Newest, "may_be_stored", lambda _self, tag, _time: np.zeros(len(tag), np.bool_))


def _latest_came_last() -> None:
    from penstock.platform.historian.writing.newest import NEVER, Newest

    true = Newest.take

    def take(self: Newest, rows: Any, future: Any) -> None:
        tag = rows["tag"].to_numpy()
        self._columns["time"][tag[tag < len(self._low)]] = NEVER
        true(self, rows, future)

    _replace(Newest, "take", take)


def _span_as_if_in_order() -> None:
    store = import_module("penstock.platform.historian.writing.store")
    true = store._extend

    def extend(generation: Any, written: Any, rows: Any) -> None:
        extent = generation.extent
        began, low = extent.rows > 0, extent.time_min
        true(generation, written, rows)
        if rows.num_rows:
            stamp = rows["time"].to_numpy()
            extent.time_min, extent.time_max = low if began else int(stamp[0]), int(stamp[-1])

    _replace(store, "_extend", extend)


def _bound_by_newest_file() -> None:
    from penstock.platform.historian.files.view import View
    from penstock.platform.historian.reading.reader import Reader

    true = Reader._bound

    def bound(self: Reader, view: View, tag: int, time_ns: int, *, before: bool) -> int:
        return true(self, View(view.sources[-2:]), tag, time_ns, before=before)

    _replace(Reader, "_bound", bound)


def _refused_told_as_committed() -> None:
    from penstock.platform.historian.ports import CommitResult

    def fail(group: Any, _error: Exception) -> None:
        for pending in group:
            pending.answer.set_result(CommitResult(0, ()))

    _replace(import_module("penstock.platform.historian.writing.committer"), "_fail", fail)


def _files_stay_shut() -> None:
    from penstock.platform.historian.writing.committer import Committer

    def recover(self: Committer, **_how: Any) -> str:
        self.is_stale = True
        return "the historian's disk is read-only"

    _replace(Committer, "_recover", recover)


def _replace(owner: Any, name: str, by: Any) -> None:
    setattr(owner, name, by)


HISTORIAN = {
    "ack before commit": _ack_before_commit,
    "no dedup": _no_dedup,
    "doubles kept as float32": _float32,
    "ordered by tag": _order_by_tag,
    "one row in 100 dropped": _drop_rows,
}

ARRIVAL = {
    "copies kept": _copies_kept,
    "latest is what came last": _latest_came_last,
    "span of a file from its first row to its last": _span_as_if_in_order,
    "bounding value from the newest files": _bound_by_newest_file,
}

DISK = {"refused told as committed": _refused_told_as_committed, "does not go on": _files_stay_shut}
