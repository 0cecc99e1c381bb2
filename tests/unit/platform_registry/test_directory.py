"""The tag directory: ids that are never reused, owners, tenants, and what a changed meaning does."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from penstock.platform.kit.db import Database
from penstock.platform.kit.problems import Problem
from penstock.platform.registry import service
from penstock.platform.registry.service import TagDirectory
from tests.builders.platform_control import entry, sqlite_store

EPOCH = "a" * 32


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = sqlite_store(tmp_path, "north", "south")
    yield made
    made.close()


@pytest.fixture
def directory(db: Database) -> TagDirectory:
    made = TagDirectory(db)
    made.reload()
    return made


def test_dictionary_becomes_tags_owned_by_the_gateway(directory: TagDirectory) -> None:
    mapping = directory.register("north", "gtw_1", EPOCH, [entry(0, "plc/flow"), entry(1, "plc/count", type="int64")])
    assert [(mapping[i].key, mapping[i].value_type, mapping[i].owner) for i in (0, 1)] == [
        ("plc/flow", "float64", "gtw_1"),
        ("plc/count", "int64", "gtw_1"),
    ]


def test_same_dictionary_again_and_in_another_epoch_gives_the_same_ids(directory: TagDirectory) -> None:
    first = directory.register("north", "gtw_1", EPOCH, [entry(0, "plc/flow")])
    assert directory.register("north", "gtw_1", EPOCH, [entry(0, "plc/flow")]) == first
    other = directory.register("north", "gtw_1", "b" * 32, [entry(5, "plc/flow")])
    assert other[5].id == first[0].id


def test_unknown_epoch_has_an_empty_mapping(directory: TagDirectory) -> None:
    assert directory.mapping("gtw_1", "c" * 32) == {}


def test_mapping_survives_a_restart(directory: TagDirectory, db: Database) -> None:
    first = directory.register("north", "gtw_1", EPOCH, [entry(0, "plc/flow", asset="e/s")])
    again = TagDirectory(db)
    again.reload()
    assert again.mapping("gtw_1", EPOCH) == first


@pytest.mark.parametrize(("type", "unit"), [("int64", "m3/h"), ("float64", "l/min")])
def test_changed_type_or_unit_is_another_series(directory: TagDirectory, type: str, unit: str) -> None:
    old = directory.register("north", "gtw_1", EPOCH, [entry(0, "plc/flow", unit="m3/h")])[0]
    new = directory.register("north", "gtw_1", "b" * 32, [entry(0, "plc/flow", type=type, unit=unit)])[0]
    assert new.id != old.id
    current = directory.by_key("north", "plc/flow")
    assert current is not None
    assert current.id == new.id
    assert directory.by_id("north", [old.id])[old.id].value_type == "float64"


def test_index_given_to_another_key_is_refused(directory: TagDirectory) -> None:
    directory.register("north", "gtw_1", EPOCH, [entry(0, "plc/flow")])
    with pytest.raises(Problem, match="dictionary-conflict"):
        directory.register("north", "gtw_1", EPOCH, [entry(0, "plc/head")])


def test_key_of_another_gateway_keeps_its_owner(directory: TagDirectory) -> None:
    mine = directory.register("north", "gtw_1", EPOCH, [entry(0, "plc/flow")])[0]
    seen = directory.register("north", "gtw_2", "b" * 32, [entry(0, "plc/flow", type="int64")])[0]
    assert seen == mine


def test_tenants_have_tags_of_their_own(directory: TagDirectory) -> None:
    north = directory.register("north", "gtw_1", EPOCH, [entry(0, "plc/flow")])[0]
    south = directory.register("south", "gtw_2", "b" * 32, [entry(0, "plc/flow")])[0]
    assert north.id != south.id
    assert directory.by_id("south", [north.id]) == {}
    assert [tag.id for tag in directory.all("south")] == [south.id]


def test_device_file_alone_makes_an_asset_with_its_tags(directory: TagDirectory) -> None:
    mapping = directory.register(
        "north", "gtw_1", EPOCH, [entry(0, "plc/flow", asset="e/s/a"), entry(1, "plc/head", asset="e/s/a")]
    )
    asset = mapping[0].asset_id
    assert asset is not None
    assert {tag.key for tag in directory.of_asset("north", asset)} == {"plc/flow", "plc/head"}
    assert directory.of_asset("south", asset) == []


def statements(db: Database) -> list[str]:
    """Give the list that grows with every statement the store is asked."""
    seen: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    return seen


@pytest.mark.parametrize("assets", [1, 700])
def test_statements_of_a_large_device_file_do_not_grow_with_its_tags(
    directory: TagDirectory, db: Database, assets: int
) -> None:
    entries = [entry(i, f"plc/tag_{i}", asset=f"works/hall/m{i % assets}") for i in range(3000)]
    seen = statements(db)
    mapping = directory.register("north", "gtw_1", EPOCH, entries)
    assert len(seen) < 60
    assert sum(each.asset_id is not None for each in mapping.values()) == 3000
    assert len({each.asset_id for each in mapping.values()}) == assets
    del seen[:]
    assert directory.register("north", "gtw_1", EPOCH, entries) == mapping
    assert len(seen) < 60


def test_statements_of_a_large_file_whose_units_changed_do_not_grow_with_its_tags(
    directory: TagDirectory, db: Database
) -> None:
    entries = [entry(i, f"plc/tag_{i}", asset="works/hall/m", unit="bar") for i in range(1000)]
    old = directory.register("north", "gtw_1", EPOCH, entries)
    seen = statements(db)
    entries = [entry(i, f"plc/tag_{i}", asset="works/hall/m", unit="kPa") for i in range(1000)]
    new = directory.register("north", "gtw_1", "b" * 32, entries)
    assert len(seen) < 40
    assert {each.id for each in old.values()}.isdisjoint(each.id for each in new.values())
    assert all(each.asset_id is not None for each in new.values())


def test_two_tags_of_one_name_at_an_asset_leave_the_property_to_the_first(directory: TagDirectory) -> None:
    entries = [entry(0, "a/flow", asset="works/p"), entry(1, "b/flow", asset="works/p")]
    mapping = directory.register("north", "gtw_1", EPOCH, entries)
    assert mapping[0].asset_id is not None
    assert mapping[1].asset_id is None


def test_a_registration_beside_a_long_one_is_told_to_wait(
    directory: TagDirectory, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "REGISTRATION_WAIT_S", 0.01)
    begun, done = threading.Event(), threading.Event()

    def hold(*_args: object) -> None:
        if threading.current_thread() is first:
            begun.set()
            done.wait(10)

    event.listen(db.engine, "before_cursor_execute", hold)
    first = threading.Thread(target=directory.register, args=("north", "gtw_1", EPOCH, [entry(0, "plc/flow")]))
    first.start()
    try:
        assert begun.wait(10)
        with pytest.raises(Problem) as refused:
            directory.register("north", "gtw_1", EPOCH, [entry(0, "plc/flow")])
    finally:
        done.set()
        first.join(10)
    assert (refused.value.status, refused.value.type, refused.value.headers) == (503, "busy", {"Retry-After": "1"})
    assert directory.register("north", "gtw_1", EPOCH, [entry(0, "plc/flow")])[0].key == "plc/flow"
