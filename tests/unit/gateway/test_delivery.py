"""Which epoch a gateway appends to when it starts."""

import shutil
from pathlib import Path

from penstock.gateway.delivery import Delivery
from penstock.gateway.journal.store import Appended, JournalStore, NewBatch
from penstock.gateway.settings import Settings


def start(path: Path) -> tuple[JournalStore, Delivery]:
    store = JournalStore(path)
    settings = Settings(data=path.parent)
    return store, Delivery(settings, "http://127.0.0.1:1", store, lambda: [], lambda: None, lambda: 5, lambda: 5)


def append(store: JournalStore) -> Appended:
    return store.append([NewBatch(b"x", 1, 5)], [])


def test_journal_from_an_older_disk_image_numbers_nothing_that_was_numbered_before(tmp_path: Path) -> None:
    path, image = tmp_path / "journal.sqlite", tmp_path / "image.sqlite"
    store, _ = start(path)
    before = append(store)
    store.close()
    shutil.copy(path, image)
    store, _ = start(path)
    sent = append(store)
    store.close()
    shutil.copy(image, path)
    store, delivery = start(path)
    again = append(store)
    assert len({before.epoch, sent.epoch, again.epoch}) == 3
    assert [(e.id, e.head) for e in store.epochs()] == [(before.epoch, 1), (again.epoch, 1)], "the older one in front"
    assert (delivery.epoch.id, delivery.head) == (again.epoch, 0)
    store.close()


def test_starts_without_a_batch_leave_no_epochs_behind(tmp_path: Path) -> None:
    for _ in range(3):
        store, delivery = start(tmp_path / "journal.sqlite")
        assert [e.id for e in store.epochs()] == [delivery.epoch.id]
        store.close()
