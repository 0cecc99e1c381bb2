"""What the directory knows is exchanged as a whole, and after any change it is what the store says."""

import random
import threading
from pathlib import Path

import pytest
from sqlalchemy import event

from penstock.platform.kit.access import Principal
from penstock.platform.kit.db import Database
from penstock.platform.kit.problems import Problem
from penstock.platform.registry.assets import AssetService
from penstock.platform.registry.known import Known, TagRef
from penstock.platform.registry.service import TagDirectory
from penstock.platform.registry.tags import ComputedTag, TagService
from tests.builders.platform_control import EPOCH, entry, sqlite_store

NORTH = Principal("usr_n", "app", "north", frozenset(), "cli_n", "calc")
SOUTH = Principal("usr_s", "app", "south", frozenset(), "cli_s", "calc")


class World:
    """A directory beside the store, changed by everything that changes tags and bindings."""

    def __init__(self, db: Database, seed: int) -> None:
        self.db, self.chance = db, random.Random(seed)
        self.directory = TagDirectory(db)
        self.directory.reload()
        self.tags, self.assets = TagService(db, self.directory), AssetService(db, self.directory)
        self.epochs: dict[tuple[str, str], int] = {}

    def step(self) -> str:
        """Do something; give its name. What is refused changes nothing."""
        chosen = self.chance.choice([self.dictionary, self.computed, self.bind, self.remove, self.ask])
        try:
            chosen()
        except Problem:
            return f"{chosen.__name__} refused"
        return chosen.__name__

    def dictionary(self) -> None:
        """Register some tags of a gateway, some known, some of another unit or asset than before."""
        tenant = self.chance.choice(["north", "south"])
        epoch = f"{self.chance.randrange(3):032x}"
        first = self.epochs.get((tenant, epoch), 0)
        names = self.chance.sample(range(12), 4)
        entries = [
            entry(
                first + place,
                f"plc/t{name}",
                asset=self.chance.choice([None, f"w/h/m{self.chance.randrange(4)}"]),
                unit=self.chance.choice(["bar", "bar", "kPa"]),
            )
            for place, name in enumerate(names)
        ]
        self.epochs[(tenant, epoch)] = first + len(entries)
        self.directory.register(tenant, f"gtw_{tenant}", epoch, entries)

    def computed(self) -> None:
        by = self.chance.choice([NORTH, SOUTH])
        wanted = [
            ComputedTag(
                f"w/h/m{self.chance.randrange(4)}", f"p{self.chance.randrange(6)}",
                self.chance.choice(["float64", "int64"]), None, "",
            )
            for _ in range(self.chance.randrange(1, 4))
        ]  # fmt: skip
        self.tags.declare_all(by, wanted)

    def bind(self) -> None:
        by = self.chance.choice([NORTH, SOUTH])
        tag = self.chance.choice([None, self.chance.randrange(1, 40)])
        path, name = f"w/h/m{self.chance.randrange(4)}", self.chance.choice(["p1", "p2", "t3", "own"])
        self.assets.change(by, path, {"bind": {name: tag}})

    def remove(self) -> None:
        if self.chance.random() < 0.3:
            self.assets.remove(self.chance.choice([NORTH, SOUTH]), f"w/h/m{self.chance.randrange(4)}")

    def ask(self) -> None:
        """Have mappings kept, so that a change must let go of those that it touches."""
        self.directory.mapping("gtw_north", f"{self.chance.randrange(3):032x}")


def test_after_any_change_the_directory_is_what_the_store_says(tmp_path: Path) -> None:
    db = sqlite_store(tmp_path, "north", "south")
    world, done = World(db, 7), []
    for _ in range(60):
        done.append(world.step())
        fresh = TagDirectory(db)
        fresh.reload()
        assert world.directory.known == fresh.known, done[-5:]
        for epoch in range(3):
            asked = ("gtw_north", f"{epoch:032x}")
            assert world.directory.mapping(*asked) == fresh.mapping(*asked), done[-5:]
    assert {"dictionary", "computed", "bind", "remove", "ask"} <= set(done)
    db.close()


def test_an_older_reading_does_not_come_after_a_newer_one(tmp_path: Path) -> None:
    db = sqlite_store(tmp_path, "north")
    directory = TagDirectory(db)
    directory.register("north", "gtw_1", EPOCH, [entry(0, "plc/old", asset="w/h/m")])
    tags = TagService(db, directory)
    read, go_on = threading.Event(), threading.Event()

    def hold(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if threading.current_thread() is reading and "FROM tags" in statement:
            read.set()
            go_on.wait(10)

    event.listen(db.engine, "after_cursor_execute", hold)
    reading = threading.Thread(target=directory.reload)
    reading.start()
    assert read.wait(10)
    declaring = threading.Thread(target=tags.declare, args=(NORTH, ComputedTag("w/h/m", "new", "float64", None, "")))
    declaring.start()
    declaring.join(0.5)  # it may be done already, or wait for the reading
    go_on.set()
    reading.join(10)
    declaring.join(10)
    assert directory.by_key("north", "calc/w/h/m/new") is not None
    db.close()


def test_a_mapping_knows_tags_that_are_stored_and_not_yet_in_the_directory(tmp_path: Path) -> None:
    db = sqlite_store(tmp_path, "north")
    directory, other = TagDirectory(db), TagDirectory(db)
    other.register("north", "gtw_1", EPOCH, [entry(0, "plc/flow")])
    assert {index: tag.key for index, tag in directory.mapping("gtw_1", EPOCH).items()} == {0: "plc/flow"}
    db.close()


def test_a_mapping_that_was_read_before_a_dictionary_is_not_kept_after_it(tmp_path: Path) -> None:
    db = sqlite_store(tmp_path, "north")
    directory = TagDirectory(db)
    directory.register("north", "gtw_1", EPOCH, [entry(0, "plc/flow")])
    directory.reload()
    meanwhile = threading.Thread(target=directory.register, args=("north", "gtw_1", EPOCH, [entry(1, "plc/head")]))

    def register(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if meanwhile.ident is None and "FROM tag_indexes" in statement:
            meanwhile.start()
            meanwhile.join(10)

    event.listen(db.engine, "after_cursor_execute", register)
    directory.mapping("gtw_1", EPOCH)
    assert meanwhile.ident is not None
    assert set(directory.mapping("gtw_1", EPOCH)) == {0, 1}
    db.close()


def ref(tag: int, key: str, *, active: bool = True) -> TagRef:
    return TagRef(tag, key, "float64", "north", "gtw_1", None, None, None, active=active)


@pytest.mark.parametrize("order", [1, -1])
def test_a_key_is_the_active_tags_in_whichever_order_they_are_told(order: int) -> None:
    known = Known().having([ref(1, "a")], {})
    known = known.having([ref(1, "a", active=False), ref(2, "a")][::order], {})
    assert known.keys == {("north", "a"): 2}
    assert set(known.tags["north"]) == {1, 2}
    assert known.having([ref(2, "a", active=False)], {}).keys == {}


def test_what_was_known_before_stays_as_it_was() -> None:
    before = Known().having([ref(1, "a")], {1: ["ast_x", "ast_y"]})
    after = before.having([ref(1, "a"), ref(2, "b")], {1: ["ast_y"], 2: ["ast_y"]})
    assert before.assets == {("north", "ast_x"): (1,), ("north", "ast_y"): (1,)}
    assert after.assets == {("north", "ast_y"): (1, 2)}
    assert before.bound == {1: ("ast_x", "ast_y")}
    assert set(before.tags["north"]) == {1}
