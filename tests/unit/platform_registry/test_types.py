"""Asset types with failure modes: published once, as they were said, from the API's door and from the plant folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.platform.kit.audit import Actor
from penstock.platform.kit.db import Database
from penstock.platform.kit.problems import Problem
from penstock.platform.registry.plant import PlantFolder
from penstock.platform.registry.types import TypeContent, TypeService
from tests.builders.platform_control import sqlite_store

BY = Actor("north", "x", "x")
PROPERTIES = {
    "flow": {"kind": "measurement", "type": "float64", "unit": "m3/h"},
    "leakage": {"kind": "measurement", "type": "float64"},
    "trip": {"kind": "measurement", "type": "string"},
}
SEAL: dict[str, Any] = {"part": "shaft seal", "signs": {"leakage": "rises", "flow": "falls"}, "action": "Replace it."}
FILE = """\
version: 1
type: pump
revision: {revision}
properties:
  leakage: {{kind: measurement, type: float64}}
failure_modes:
  seal-leak:
    part: shaft seal
    signs: {{{sign}: rises}}
    notice_h: 24
"""


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = sqlite_store(tmp_path, "north", "south")
    yield made
    made.close()


def content(**modes: dict[str, Any]) -> TypeContent:
    return TypeContent("", PROPERTIES, modes)


def test_the_same_again_is_the_same_and_a_changed_mode_needs_a_new_revision(db: Database) -> None:
    types = TypeService(db)
    assert types.publish(BY, "pump", 1, content=content(seal=SEAL))[1]
    assert not types.publish(BY, "pump", 1, content=content(seal=SEAL))[1]
    turned = SEAL | {"signs": {"flow": "falls", "leakage": "rises"}}
    for other in (content(), content(seal=SEAL | {"part": "gland"}), content(seal=turned)):
        with pytest.raises(Problem, match="type-published"):
            types.publish(BY, "pump", 1, content=other)
    assert types.publish(BY, "pump", 2, content=content(seal=turned))[1]
    assert list(types.get("north", "pump").failure_modes["seal"]["signs"]) == ["flow", "leakage"]
    assert list(types.get("north", "pump", 1).failure_modes["seal"]["signs"]) == ["leakage", "flow"]


@pytest.mark.parametrize(("sign", "says"), [("leak", "did you mean 'leakage'"), ("trip", "'trip' is a string")])
def test_a_sign_that_cannot_be_seen_is_refused(db: Database, sign: str, says: str) -> None:
    types = TypeService(db)
    with pytest.raises(Problem, match="invalid") as caught:
        types.publish(BY, "pump", 1, content=content(seal=SEAL | {"signs": {sign: "rises"}}))
    assert f"failure_modes.seal.signs.{sign}: " in caught.value.detail
    assert says in caught.value.detail
    with pytest.raises(Problem, match="not-found"):
        types.get("north", "pump")


def test_the_plant_folder_brings_failure_modes_and_tells_what_is_wrong(db: Database, tmp_path: Path) -> None:
    (tmp_path / "types").mkdir()
    file = tmp_path / "types" / "pump.yaml"
    file.write_text(FILE.format(revision=1, sign="leakage"))
    folder = PlantFolder(db, tmp_path, {})
    folder.belongs_to("north")
    assert folder.read().errors == ()
    known = TypeService(db).get("north", "pump")
    assert known.failure_modes == {"seal-leak": {"part": "shaft seal", "signs": {"leakage": "rises"}, "notice_h": 24.0}}
    file.write_text(FILE.format(revision=2, sign="leak"))
    (error,) = folder.read().errors
    assert str(error).startswith("pump.yaml:9: failure_modes.seal-leak.signs.leak: 'leak' is no property")
    assert TypeService(db).get("north", "pump").revision == 1
    file.write_text(FILE.format(revision=1, sign="leakage").replace("notice_h: 24", "notice_h: 48"))
    (error,) = folder.read().errors
    assert "give the change a new revision" in str(error)
