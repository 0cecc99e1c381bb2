"""Computed tags in a batch: all or none, what is wrong told of each, the statements not growing with them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, select

from penstock.platform.kit.access import Principal
from penstock.platform.kit.audit import AuditRow, verify
from penstock.platform.kit.db import Database
from penstock.platform.kit.problems import Problem
from penstock.platform.registry.assets import AssetService
from penstock.platform.registry.service import TagDirectory
from penstock.platform.registry.tags import ComputedTag, TagService
from tests.builders.platform_control import EPOCH, entry, sqlite_store

BY = Principal("usr_1", "app", "north", frozenset(), "cli_1", "calc")
ANOTHER = Principal("usr_2", "app", "north", frozenset(), "cli_2", "other")


class Plant:
    """A store with two machines, and everything that reads and changes it."""

    def __init__(self, db: Database) -> None:
        self.db, self.directory = db, TagDirectory(db)
        self.tags, self.assets = TagService(db, self.directory), AssetService(db, self.directory)
        entries = [entry(0, "plc/flow", asset="w/h/m1"), entry(1, "plc/head", asset="w/h/m2")]
        self.directory.register("north", "gtw_1", EPOCH, entries)

    def audited(self) -> list[str]:
        with self.db.reading() as session:
            assert verify(session) is None
            return list(session.execute(select(AuditRow.object).where(AuditRow.action == "tag.declare")).scalars())


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    db = sqlite_store(tmp_path, "north", "south")
    yield Plant(db)
    db.close()


def wish(name: str, asset: str = "w/h/m1", type: str = "float64", unit: str | None = None) -> ComputedTag:
    return ComputedTag(asset, name, type, unit, f"about {name}")


def test_a_batch_declares_every_tag_in_order_and_again_the_same_ones(plant: Plant) -> None:
    wanted = [wish("b", unit="%"), wish("a", "w/h/m2"), wish("c", type="bool")]
    told = plant.tags.declare_all(BY, wanted)
    assert [(v.row.key, v.row.unit, v.row.description, v.property, new) for v, new in told] == [
        ("calc/w/h/m1/b", "%", "about b", "b", True),
        ("calc/w/h/m2/a", None, "about a", "a", True),
        ("calc/w/h/m1/c", None, "about c", "c", True),
    ]
    found = plant.directory.by_key("north", "calc/w/h/m2/a")
    assert found is not None
    assert (found.id, found.asset_id, found.owner) == (told[1][0].row.id, told[1][0].asset, "cli_1")
    again = plant.tags.declare_all(BY, [*wanted, wish("d")])
    assert [(v.row.id, new) for v, new in again[:3]] == [(v.row.id, False) for v, _ in told]
    assert again[3][1]
    assert plant.audited() == [str(v.row.id) for v, _ in [*told, again[3]]]


def test_what_is_wrong_with_any_is_told_of_each_and_nothing_is_declared(plant: Plant) -> None:
    plant.tags.declare(ANOTHER, wish("theirs"))
    before = plant.directory.known
    wanted = [
        wish("good"), wish("flow"), wish("x", "w/h/none"), wish("theirs"), wish("y", unit="kgg"), wish("good"),
        wish("fine", "w/h/m2"),
    ]  # fmt: skip
    with pytest.raises(Problem) as refused:
        plant.tags.declare_all(BY, wanted)
    assert [(e["where"], e["status"], e["type"]) for e in refused.value.extra["errors"]] == [
        ("body.items.1", 409, "property-bound"),
        ("body.items.2", 404, "not-found"),
        ("body.items.3", 409, "property-bound"),
        ("body.items.4", 422, "invalid"),
        ("body.items.5", 422, "invalid"),
    ]
    messages = [e["message"] for e in refused.value.extra["errors"]]
    assert messages[0] == "flow of w/h/m1: flow of w/h/m1 is fed by plc/flow: take another property."
    assert messages[4] == "good of w/h/m1: items.0 declares it too: send it once."
    assert (refused.value.status, refused.value.type) == (409, "property-bound")
    assert refused.value.detail.startswith("Nothing was declared: 5 of 7 items cannot be. The first, items.1")
    fresh = TagDirectory(plant.db)
    fresh.reload()
    assert fresh.known == before == plant.directory.known
    assert len(plant.audited()) == 1


def test_a_batch_of_another_type_is_other_series_under_the_same_keys(plant: Plant) -> None:
    old = plant.tags.declare_all(BY, [wish("a"), wish("b")])
    new = plant.tags.declare_all(BY, [wish("a", type="int64"), wish("b")])
    assert [fresh for _, fresh in new] == [True, False]
    assert new[0][0].row.id != old[0][0].row.id
    assert not plant.directory.by_id("north", [old[0][0].row.id])[old[0][0].row.id].active
    asset = new[0][0].asset or ""
    assert {ref.key for ref in plant.directory.of_asset("north", asset)} == {
        "plc/flow", "calc/w/h/m1/a", "calc/w/h/m1/b",
    }  # fmt: skip


def test_an_asset_by_id_and_by_path_is_the_same_one(plant: Plant) -> None:
    [(first, _)] = plant.tags.declare_all(BY, [wish("a")])
    assert first.asset is not None
    with pytest.raises(Problem, match=r"items\.0 declares it too"):
        plant.tags.declare_all(BY, [wish("b"), wish("b", first.asset)])


def test_another_tenants_asset_is_not_there(plant: Plant) -> None:
    south = Principal("usr_s", "app", "south", frozenset(), "cli_s", "calc")
    [(first, _)] = plant.tags.declare_all(BY, [wish("a")])
    for asset in ("w/h/m1", first.asset or ""):
        with pytest.raises(Problem, match="not-found"):
            plant.tags.declare_all(south, [wish("b", asset)])


@pytest.mark.parametrize("assets", ["one", "many"])
def test_statements_of_a_batch_do_not_grow_with_its_tags(plant: Plant, assets: str) -> None:
    paths = ["w/h/m1"] if assets == "one" else [f"w/h/n{n}" for n in range(40)]
    plant.directory.register("north", "gtw_1", "b" * 32, [entry(n, f"n/t{n}", asset=p) for n, p in enumerate(paths)])
    seen: list[str] = []
    event.listen(plant.db.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    few = len(plant.tags.declare_all(BY, [wish(f"f{n}", paths[n % len(paths)]) for n in range(2)])) and len(seen)
    del seen[:]
    plant.tags.declare_all(BY, [wish(f"p{n}", paths[n % len(paths)]) for n in range(400)])
    assert len(seen) <= few + 2


def test_a_change_reads_what_it_touched_and_not_every_tag(plant: Plant) -> None:
    unbounded: list[str] = []
    event.listen(
        plant.db.engine, "before_cursor_execute",
        lambda *args: unbounded.append(args[2]) if "FROM tags" in args[2] and "WHERE" not in args[2] else None,
    )  # fmt: skip
    [(view, _)] = plant.tags.declare_all(BY, [wish("a")])
    plant.assets.change(BY, view.asset or "", {"bind": {"own": view.row.id}})
    plant.directory.register("north", "gtw_1", "c" * 32, [entry(0, "plc/flow", asset="w/h/m1")])
    plant.assets.remove(BY, view.asset or "")
    assert unbounded == []
    plant.directory.reload()
    assert len(unbounded) == 1


def test_a_binding_that_a_dictionary_moves_leaves_its_old_tag(plant: Plant) -> None:
    old = plant.directory.register("north", "gtw_1", "b" * 32, [entry(0, "n/t", asset="w/h/m2")])[0]
    plant.directory.register("north", "gtw_1", "c" * 32, [entry(0, "n/t", asset="w/h/m2", unit="bar", type="int64")])
    plant.assets.change(BY, "w/h/m1", {"bind": {"kept": old.id}})
    asset = plant.directory.by_id("north", [old.id])[old.id].asset_id
    assert asset is not None
    new = plant.directory.register(
        "north", "gtw_1", "c" * 32, [entry(0, "n/t", asset="w/h/m2", unit="bar", type="int64")]
    )[0]
    assert plant.directory.by_id("north", [old.id])[old.id].asset_id is None
    assert new.id in {ref.id for ref in plant.directory.of_asset("north", asset)}
