"""An ISA-95 path knows its levels."""

import pytest

from penstock.core.address import IsaPath


def test_path_has_levels_and_parents() -> None:
    path = IsaPath.parse("penstock/riverside/utilities/cooling/pump-101/bearing")
    assert str(path) == "penstock/riverside/utilities/cooling/pump-101/bearing"
    assert (path.name, path.level) == ("bearing", "work unit")
    assert [p.level for p in path.ancestors()] == ["enterprise", "site", "area", "work center", "work unit"]
    assert str(path.parent) == "penstock/riverside/utilities/cooling/pump-101"
    assert IsaPath.parse("penstock").parent is None


@pytest.mark.parametrize("text", ["", "/a", "a//b", "A", "a b", "a/../b", "ä", "a" * 600, "/".join("a" * 17)])
def test_wrong_paths_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"segment|levels|characters"):
        IsaPath.parse(text)
