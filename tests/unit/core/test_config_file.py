"""Findings lie at the nearest line that is known."""

from penstock.core.config_file import NOWHERE, Origin, combined, dotted, suggestion


def test_line_of_the_nearest_key_above() -> None:
    origin = Origin("f", {(): 1, ("a",): 4}, "")
    assert [origin.line(path) for path in (("a", "b", 0), ("c",))] == [4, 1]
    assert NOWHERE.line(("a",)) is None


def test_paths_are_written_as_people_do() -> None:
    assert dotted(("a", "b", 2, "c")) == "a.b[2].c"


def test_suggestion_names_near_and_valid_words() -> None:
    assert suggestion("unti", ["unit", "type"]) == "; did you mean 'unit'? (valid: type, unit)"
    assert suggestion("zzz", ["unit"], listed=False) == ""
    assert suggestion("x", []) == ""


def test_errors_are_combined_by_line() -> None:
    origin = Origin("f", {("a",): 4, ("b",): 2}, "")
    first = combined([origin.error("x", ("a",)), origin.error("y", ("b",))])
    assert (first.line, [other.line for other in first.others]) == (2, [4])
