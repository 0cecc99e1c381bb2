"""The journal file: seqs without holes, release, reserve, rewind, adoption, and what a second opening finds."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from penstock.core.batch import Drop, decode_batch
from penstock.core.errors import ConfigError
from penstock.core.frames import iter_frames
from penstock.gateway.journal.broken import CAUSE, FRAMES_KEPT
from penstock.gateway.journal.store import Epoch, GapMark, Heard, JournalStore, NewBatch, TagState, Waiting
from penstock.gateway.journal.unsettled import UnsettledGap

EPOCH = "0a" * 16
OTHER = "0b" * 16
TAG = TagState(0, "meter/flow", "meter", '{"index": 0}', None, None, None)


def batch(text: bytes = b"payload", *gaps: GapMark, heard: dict[int, int] | None = None) -> NewBatch:
    times = heard or {}
    newest = Heard(np.array(list(times), np.uint32), np.array(list(times.values()), np.int64))
    return NewBatch(text, 3, 1_000, newest, gaps)


@pytest.fixture
def store(tmp_path: Path) -> JournalStore:
    made = JournalStore(tmp_path / "journal.sqlite")
    made.open_epoch(EPOCH, 1)
    return made


def reopened(store: JournalStore) -> JournalStore:
    store.close()
    return JournalStore(store.path)


def test_seqs_go_on_without_a_hole_after_reopening(store: JournalStore) -> None:
    first = store.append([batch(), batch()], [TAG])
    again = reopened(store)
    second = again.append([batch()], [])
    assert [b.seq for b in (*first.batches, *second.batches)] == [1, 2, 3]
    assert again.epochs() == [Epoch(1, EPOCH, head=3)]


def test_frames_come_back_as_they_were_journalled(store: JournalStore) -> None:
    store.append([batch(b"one"), batch(b"two")], [])
    ((seq, octets), *others) = store.frames(EPOCH, [2, 7])
    (frame,) = iter_frames(octets)
    assert (seq, frame.epoch, frame.seq, frame.n, frame.payload) == (2, EPOCH, 2, 3, b"two")
    assert others == []


def test_append_is_whole_or_nothing(store: JournalStore) -> None:
    broken = batch(b"x", GapMark(0, 2**70, "cut"))
    with pytest.raises((sqlite3.Error, OverflowError)):
        store.append([batch(), broken], [TAG])
    assert store.tags() == []
    assert [b.seq for b in store.append([batch()], []).batches] == [1]


def test_released_batches_become_reserve_and_come_back_by_rewind(store: JournalStore) -> None:
    store.append([batch() for _ in range(5)], [])
    store.release(EPOCH, up_to=4, now_ns=10)
    assert (store.sizes().waiting, store.sizes().reserve) == (1, 4)
    assert store.epochs()[0].released == 4
    assert store.rewind(EPOCH, 2) == 2
    assert (store.sizes().waiting, store.epochs()[0].released) == (3, 2)


def test_reserve_is_trimmed_by_age_and_by_size_oldest_first(store: JournalStore) -> None:
    store.append([batch(b"x" * 1000) for _ in range(6)], [])
    store.release(EPOCH, up_to=2, now_ns=10)
    store.release(EPOCH, up_to=5, now_ns=20)
    assert [epoch.trimmed for epoch in store.trim(older_than_ns=15, most_bytes=10_000)] == [2]
    assert [epoch.trimmed for epoch in store.trim(older_than_ns=15, most_bytes=1_500)] == [4]
    assert store.trim(older_than_ns=15, most_bytes=1_500) == []
    assert store.sizes().waiting == 1, "what is not released is never trimmed"


def test_tag_state_follows_the_batches(store: JournalStore) -> None:
    store.append([batch(b"x", heard={0: 500})], [TAG])
    store.append([batch(b"x", GapMark(0, 501, "cut"), heard={0: 400})], [])
    again = reopened(store)
    (tag,) = again.tags()
    assert (tag.newest_ns, tag.gap_from_ns, tag.gap_cause) == (500, 501, "cut")
    again.append([batch(b"x", GapMark(0, None, "cut"), heard={0: 600})], [])
    (tag,) = reopened(again).tags()
    assert (tag.newest_ns, tag.gap_from_ns, tag.gap_cause) == (600, None, None)


def test_newest_time_of_many_tags_is_the_greatest_that_was_heard(store: JournalStore) -> None:
    tags = [TagState(i, f"meter/t{i}", "meter", "{}", None, None, None) for i in range(1_300)]
    heard = Heard(np.array([1_299, 0, 511, 512, 0, 0], np.uint32), np.array([5, -7, 6, 7, -9, -8], np.int64))
    store.append([NewBatch(b"x", 6, 1_000, heard)], tags)
    found = {tag.index: tag.newest_ns for tag in reopened(store).tags() if tag.newest_ns is not None}
    assert found == {0: -7, 511: 6, 512: 7, 1_299: 5}


def test_old_epoch_stays_until_it_is_delivered(store: JournalStore) -> None:
    store.append([batch()], [])
    store.open_epoch(OTHER, 2)
    assert store.append([batch()], []).epoch == OTHER
    store.trim(older_than_ns=0, most_bytes=0)
    assert [epoch.id for epoch in store.epochs()] == [EPOCH, OTHER]
    store.release(EPOCH, up_to=1, now_ns=5)
    assert [epoch.id for epoch in store.trim(older_than_ns=6, most_bytes=0)] == [EPOCH]
    assert [epoch.id for epoch in store.epochs()] == [OTHER]


def test_adoption_numbers_everything_anew_from_one(store: JournalStore) -> None:
    store.append([batch(b"%d" % n) for n in range(6)], [TAG])
    store.release(EPOCH, up_to=5, now_ns=10)
    store.trim(older_than_ns=0, most_bytes=store.sizes().reserve_bytes // 2)
    held = 6 - store.epochs()[0].trimmed
    assert store.adopt(OTHER, 20) == held
    (epoch,) = store.epochs()
    assert (epoch.id, epoch.head, epoch.released, epoch.trimmed) == (OTHER, held, 0, 0)
    payloads = [next(iter_frames(octets)).payload for _, octets in store.frames(OTHER, range(1, held + 1))]
    assert payloads == [b"%d" % n for n in range(6 - held, 6)]
    assert store.sizes().waiting == held


def test_adoption_carries_a_broken_batch_over_as_a_drop(store: JournalStore) -> None:
    store.append([batch(b"one"), batch(b"two")], [])
    store._all("UPDATE batch SET frame=x'00' WHERE seq=1")
    assert store.adopt(OTHER, 20) == 2
    (first, second) = (next(iter_frames(octets)) for _, octets in store.frames(OTHER, [1, 2]))
    assert (first.n, decode_batch(first.payload)[1]) == (0, (Drop(None, 1_000, 1_000, 3, CAUSE),))
    assert second.payload == b"two"
    assert store.broken == 1


def test_broken_batches_are_kept_for_a_look_and_counted_over_starts(store: JournalStore) -> None:
    store.append([batch() for _ in range(FRAMES_KEPT + 5)], [])
    store._all("UPDATE batch SET frame=x'01'")
    assert len(store.frames(EPOCH, range(1, FRAMES_KEPT + 6))) == FRAMES_KEPT + 5
    assert store._all("SELECT count(*), count(frame) FROM broken") == [(FRAMES_KEPT + 5, FRAMES_KEPT)]
    again = reopened(store)
    assert (again.broken, again.broken_since_start) == (FRAMES_KEPT + 5, 0)


def test_batch_under_another_seq_is_no_batch_of_that_seq(store: JournalStore) -> None:
    store.append([batch(b"one"), batch(b"two")], [])
    store._all("UPDATE batch SET frame=(SELECT frame FROM batch WHERE seq=2) WHERE seq=1")
    assert [next(iter_frames(octets)).seq for _, octets in store.frames(EPOCH, [1, 2])] == [1, 2]
    assert store.broken == 1


def test_release_of_an_epoch_that_was_trimmed_away_changes_nothing(store: JournalStore) -> None:
    store.append([batch()], [])
    store.release("0c" * 16, up_to=9, now_ns=1)
    assert store.rewind("0c" * 16, 0) == 0
    assert store.sizes().waiting == 1


def test_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(ConfigError, match=r"journal\.sqlite: the journal cannot be opened .* move the file away"):
        JournalStore(path)


def test_journal_of_a_later_version_is_left_alone(store: JournalStore) -> None:
    store.close()
    with sqlite3.connect(store.path) as plain:
        plain.execute("PRAGMA user_version=99")
    plain.close()
    with pytest.raises(ConfigError, match="later version"):
        JournalStore(store.path)


def test_commit_is_synced_before_it_returns(store: JournalStore) -> None:
    (level,) = store._all("PRAGMA synchronous")[0]
    (mode,) = store._all("PRAGMA journal_mode")[0]
    assert (level, mode) == (2, "wal"), "FULL in WAL: NORMAL lost a tenth of what was acknowledged"


def test_journal_of_the_first_version_keeps_batches_marks_and_gaps(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with sqlite3.connect(path) as first:
        first.executescript(FIRST_VERSION)
    first.close()
    store = JournalStore(path)
    (tag,) = store.tags()
    assert (tag.key, tag.newest_ns, tag.gap_from_ns, tag.gap_cause) == ("meter/flow", 500, 501, "cut")
    store.append([batch(b"more", GapMark(0, None, "cut"), heard={0: 700})], [])
    again = reopened(store)
    assert again.epochs() == [Epoch(1, EPOCH, head=2)]
    assert [(t.newest_ns, t.gap_from_ns) for t in again.tags()] == [(700, None)]


def test_commit_writes_the_marks_and_not_the_dictionary(store: JournalStore) -> None:
    long = [TagState(i, f"meter/t{i}", "meter", "x" * 2_000, None, None, None) for i in range(200)]
    store.append([batch()], long)
    store.append([batch(b"", heard=dict.fromkeys(range(200), 500))], [])
    log = store.path.with_name("journal.sqlite-wal")
    before = log.stat().st_size
    store.append([batch(b"", heard=dict.fromkeys(range(200), 600))], [])
    assert log.stat().st_size - before < 64 * 1024


def test_journal_of_the_third_version_keeps_marks_and_gaps(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    JournalStore(path).close()
    with sqlite3.connect(path) as third:
        third.executescript(THIRD_VERSION)
    third.close()
    found = [(tag.newest_ns, tag.gap_from_ns, tag.gap_cause) for tag in JournalStore(path).tags()]
    assert found == [(500, 501, "cut"), (700, None, None), (None, None, None)]


def test_journal_of_the_fourth_version_gains_counts_and_closed_gaps(store: JournalStore) -> None:
    store.append([batch(b"x", GapMark(0, 501, "cut"), heard={0: 500})], [TAG])
    store.close()
    with sqlite3.connect(store.path) as fourth:
        fourth.executescript("DROP TABLE thinned; DROP TABLE unsettled; PRAGMA user_version=4;")
    fourth.close()
    again = JournalStore(store.path)
    assert [(tag.newest_ns, tag.gap_from_ns) for tag in again.tags()] == [(500, 501)]
    assert (len(again.thinned().tag), again.unsettled()) == (0, [])


def test_what_waits_is_told_with_its_oldest_and_the_heads_of_its_epochs(store: JournalStore) -> None:
    assert store.waiting() == Waiting(0, None, {})
    store.append([NewBatch(b"x", 1, arrival) for arrival in (10, 20, 30)], [])
    store.release(EPOCH, up_to=1, now_ns=99)
    assert store.waiting() == Waiting(2, 20, {EPOCH: 3})
    store.open_epoch(OTHER, 40)
    store.append([NewBatch(b"x", 1, 50)], [])
    assert store.waiting() == Waiting(3, 20, {EPOCH: 3, OTHER: 1})
    store.release(EPOCH, up_to=3, now_ns=99)
    assert store.waiting() == Waiting(1, 50, {OTHER: 1})


def test_closed_gaps_are_kept_until_they_are_settled(store: JournalStore) -> None:
    first, second = UnsettledGap(0, 501, 600, 500, "cut"), UnsettledGap(3, 400, 450, 390, "down")
    store.append([], [], unsettled=[first, second])
    assert reopened(store).unsettled() == [second, first]
    again = JournalStore(store.path)
    again.append([], [], unsettled=[first._replace(to_ns=None)])
    assert again.unsettled() == [second]


THIRD_VERSION = """
DROP TABLE newest;
DROP TABLE gap;
DROP TABLE thinned;
DROP TABLE unsettled;
CREATE TABLE mark(idx INTEGER PRIMARY KEY, newest_ns INTEGER, gap_from_ns INTEGER, gap_cause TEXT);
INSERT INTO tag(idx, key, device, entry) VALUES(0, 'a', 'm', '{}'), (1, 'b', 'm', '{}'), (2, 'c', 'm', '{}');
INSERT INTO mark VALUES(0, 500, 501, 'cut'), (1, 700, NULL, NULL);
PRAGMA user_version=3;
"""

FIRST_VERSION = f"""
CREATE TABLE epoch(
    id INTEGER PRIMARY KEY, epoch TEXT NOT NULL UNIQUE, opened_ns INTEGER NOT NULL,
    head INTEGER NOT NULL DEFAULT 0, released INTEGER NOT NULL DEFAULT 0);
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE tag(
    idx INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, device TEXT NOT NULL, entry TEXT NOT NULL,
    newest_ns INTEGER, gap_from_ns INTEGER, gap_cause TEXT);
CREATE TABLE batch(
    epoch INTEGER NOT NULL REFERENCES epoch(id), seq INTEGER NOT NULL, arrival_ns INTEGER NOT NULL, n INTEGER NOT NULL,
    size INTEGER NOT NULL, released_ns INTEGER, frame BLOB NOT NULL, PRIMARY KEY(epoch, seq));
CREATE INDEX waiting ON batch(epoch, seq, size) WHERE released_ns IS NULL;
CREATE INDEX reserve ON batch(released_ns, size) WHERE released_ns IS NOT NULL;
INSERT INTO epoch(epoch, opened_ns, head) VALUES('{EPOCH}', 1, 1);
INSERT INTO batch(epoch, seq, arrival_ns, n, size, frame) VALUES(1, 1, 1, 3, 1, x'00');
INSERT INTO tag VALUES(0, 'meter/flow', 'meter', '{{"index": 0}}', 500, 501, 'cut');
PRAGMA user_version=1;
"""
