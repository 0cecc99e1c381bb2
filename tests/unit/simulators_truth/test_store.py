"""The store keeps the truth durably, privately and within bounds; its door opens to one token alone."""

import json
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from penstock.core.errors import PenstockError
from penstock.core.times import NS_PER_S, parse_rfc3339_ns
from penstock.simulators.truth.door import truth_app
from penstock.simulators.truth.keeper import WAITING_MAX, TruthKeeper
from penstock.simulators.truth.records import Action, Cause, FaultTruth, Told, TruthEvent, TruthState
from penstock.simulators.truth.store import TruthStore, open_store

HOUR = 3600 * NS_PER_S
BEGIN = parse_rfc3339_ns("2026-01-01T00:00:00Z")


def event(at_h: float, action: Action, device: str = "pump", fault: str = "bearing") -> TruthEvent:
    at_ns = BEGIN + round(at_h * HOUR)
    return TruthEvent(at_ns, device, f"works/{device}", action, fault, "machine", "bearing", 0.5, Cause.WEAR, {"a": 1})


def state(at_h: float, device: str = "pump") -> TruthState:
    faults = (FaultTruth("bearing", "machine", "bearing", severity=0.5, growth_per_h=0.1, rul_s=18_000.0),)
    return TruthState(BEGIN + round(at_h * HOUR), device, f"works/{device}", "", {"head_m": 3.5}, faults)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TruthStore]:
    store = TruthStore(tmp_path / "truth" / "truth.sqlite")
    yield store
    store.close()


def test_files_are_the_owners_alone(store: TruthStore) -> None:
    store.write(Told((event(0, Action.ONSET),), (state(0),)))
    folder = store.path.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes["truth.sqlite"] == 0o600
    assert set(modes.values()) == {0o600}, modes


def test_what_was_written_is_there_after_reopening(store: TruthStore) -> None:
    store.write(Told((event(0, Action.ONSET),), (state(0), state(1), state(0, "fan"))))
    store.close()
    again = TruthStore(store.path)
    assert again.newest() == {"pump": state(1), "fan": state(0, "fan")}
    ((one,), following) = again.events()
    assert (one["action"], one["device"], one["component"], one["cause"]) == ("onset", "pump", "bearing", "wear")
    assert (one["detail"], following) == ({"a": 1}, None)
    again.close()


def test_pages_meet_without_gap_or_overlap_in_the_order_of_time(store: TruthStore) -> None:
    for at_h in (3, 1, 2, 2, 0, 4):
        store.write(Told((), (state(at_h),)))
    seen: list[str] = []
    cursor = ""
    while True:
        items, following = store.states(limit=2, cursor=cursor)
        assert len(items) <= 2
        seen += [item["time"][11:13] for item in items]
        if following is None:
            break
        cursor = following
    assert seen == ["00", "01", "02", "02", "03", "04"]


def test_span_and_device_choose(store: TruthStore) -> None:
    store.write(Told((), tuple(state(at_h, device) for at_h in range(4) for device in ("pump", "fan"))))
    items, _ = store.states(device="fan", start_ns=BEGIN + HOUR, end_ns=BEGIN + 3 * HOUR)
    assert [(item["device"], item["time"][11:13]) for item in items] == [("fan", "01"), ("fan", "02")]


def test_hindsight_ends_at_the_failure_of_the_same_part(store: TruthStore) -> None:
    store.write(
        Told(
            (event(2, Action.REPAIRED), event(5, Action.FAILED), event(6, Action.REPAIRED)),
            tuple(state(at_h) for at_h in (1, 3, 5, 7)),
        )
    )
    items, _ = store.states()
    assert [item["rul_hindsight_s"] for item in items] == [None, 7200.0, 0.0, None]
    assert items[1]["failure"] == {"fault": "bearing", "component": "bearing"}
    assert {item["rul_s"] for item in items} == {18_000.0}


def test_retention_lets_old_states_go_and_keeps_events(tmp_path: Path) -> None:
    store = TruthStore(tmp_path / "truth.sqlite", keep_ns=2 * HOUR)
    store.write(Told((event(0, Action.ONSET),), tuple(state(at_h) for at_h in range(6))))
    assert [item["time"][11:13] for item in store.states()[0]] == ["03", "04", "05"]
    assert len(store.events()[0]) == 1
    store.close()


def test_rows_are_bounded(tmp_path: Path) -> None:
    store = TruthStore(tmp_path / "truth.sqlite", states_max=3, events_max=1)
    store.write(Told((event(0, Action.ONSET), event(1, Action.FAILED)), tuple(state(at_h) for at_h in range(6))))
    assert [item["time"][11:13] for item in store.states()[0]] == ["03", "04", "05"]
    assert [item["action"] for item in store.events()[0]] == ["failed"]
    store.close()


def test_a_copy_is_whole_and_private(store: TruthStore, tmp_path: Path) -> None:
    store.write(Told((event(0, Action.ONSET),), (state(0),)))
    store.copy_to(tmp_path / "copy.sqlite")
    assert stat.S_IMODE((tmp_path / "copy.sqlite").stat().st_mode) == 0o600
    copy = TruthStore(tmp_path / "copy.sqlite")
    assert (copy.events(), copy.states()) == (store.events(), store.states())
    copy.close()


def test_a_store_of_another_version_is_refused(store: TruthStore) -> None:
    store._db.execute("PRAGMA user_version = 9")
    with pytest.raises(PenstockError, match="version 9"):
        TruthStore(store.path)


def test_what_is_no_database_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "truth.sqlite"
    path.write_bytes(b"half a disk block of something else, long enough to be looked at as a header" * 20)
    store = open_store(path, keep_ns=HOUR)
    store.write(Told((), (state(0),)))
    assert len(store.states()[0]) == 1
    assert (tmp_path / "truth.broken").is_file()
    store.close()


def test_a_question_does_not_wait_for_a_write(store: TruthStore) -> None:
    store.write(Told((), (state(0),)))
    store._db.execute("BEGIN IMMEDIATE")
    assert len(store.states()[0]) == 1
    store._db.execute("ROLLBACK")


def test_a_disk_that_takes_nothing_holds_no_machine_up_and_loses_the_oldest_alone(
    store: TruthStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = TruthKeeper(store)
    write = store.write

    def full(told: Told) -> None:
        message = "database or disk is full"
        raise sqlite3.OperationalError(message)

    monkeypatch.setattr(store, "write", full)
    for at_h in range(WAITING_MAX // 1000 + 2):
        keeper.write(Told((), tuple(state(at_h) for _ in range(1000))))
    assert "disk is full; 2000 records lost" in keeper.problem
    monkeypatch.setattr(store, "write", write)
    keeper.write(Told((event(99, Action.ONSET),), ()))
    assert keeper.problem == ""
    assert [item["time"][11:13] for item in store.states(limit=1)[0]] == ["02"]
    assert sum(one["states"] for one in store.devices()) == WAITING_MAX
    assert len(store.events()[0]) == 1


def door(store: TruthStore, given: str | None) -> httpx.AsyncClient:
    headers = {} if given is None else {"Authorization": given}
    transport = httpx.ASGITransport(app=truth_app(store, "secret"))
    return httpx.AsyncClient(transport=transport, base_url="http://truth", headers=headers)


@pytest.mark.parametrize("given", [None, "Bearer wrong", "secret", "bearer secret", "Basic c2VjcmV0", "Bearer secretx"])
async def test_the_door_opens_to_its_token_alone(store: TruthStore, given: str | None) -> None:
    async with door(store, given) as client:
        for path in ("/truth/events", "/truth/states", "/truth/devices", "/", "/nothing"):
            answer = await client.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["content-type"] == "application/problem+json"


async def test_the_door_answers_in_pages_and_says_what_is_wrong(store: TruthStore) -> None:
    store.write(Told((event(0, Action.ONSET), event(1, Action.FAILED)), (state(0), state(1))))
    async with door(store, "Bearer secret") as client:
        first = (await client.get("/truth/events", params={"limit": 1})).json()
        second = (await client.get("/truth/events", params={"limit": 1, "cursor": first["next"]})).json()
        assert [page["items"][0]["action"] for page in (first, second)] == ["onset", "failed"]
        assert second["next"] is None
        span = {"device": "pump", "start": "2026-01-01T00:30:00Z", "end": "2026-01-01T02:00:00Z"}
        assert len((await client.get("/truth/states", params=span)).json()["items"]) == 1
        (device,) = (await client.get("/truth/devices")).json()["items"]
        assert (device["device"], device["asset"], device["states"]) == ("pump", "works/pump", 2)
        assert [fault["rul_s"] for fault in device["faults"]] == [18_000.0]
        for cursor in ("x", "1", "9" * 25 + ".1", "1." + "9" * 25, "1.-1"):
            assert (await client.get("/truth/events", params={"cursor": cursor})).status_code == 422, cursor
        for wrong in ({"limit": "0"}, {"start": "yesterday"}, {"strat": "1h-ago"}, {"limit": "x"}):
            answer = await client.get("/truth/states", params=wrong)
            assert answer.status_code == 422, wrong
            assert json.loads(answer.text)["detail"]
        assert (await client.post("/truth/events")).status_code == 405


def test_the_newest_events_and_the_state_at_a_moment_are_found(store: TruthStore) -> None:
    happened = (event(0, Action.ONSET), event(1, Action.ONSET, "fan"), event(2, Action.REPAIRED))
    store.write(Told(happened, (state(0), state(1), state(2), state(1.5, "fan"))))
    assert store.last_events() == list(happened)
    assert store.last_events(limit=2) == list(happened[1:])
    assert store.last_events(device="pump") == [happened[0], happened[2]]
    assert store.state_at("pump", BEGIN + HOUR + 1) == state(1)
    assert store.state_at("pump", BEGIN - 1) is None


def test_of_many_states_so_many_are_given_with_the_first_and_the_last(store: TruthStore) -> None:
    store.write(Told((), tuple(state(at / 100) for at in range(1000))))
    few = store.thinned("pump", start_ns=BEGIN, end_ns=BEGIN + 20 * HOUR, points=50)
    assert 50 <= len(few) <= 53
    assert (few[0], few[-1]) == (state(0), state(9.99))
    assert few == sorted(few, key=lambda one: one.time_ns)
    all_of_them = store.thinned("pump", start_ns=BEGIN + HOUR, end_ns=BEGIN + 2 * HOUR, points=500)
    assert len(all_of_them) == 101
