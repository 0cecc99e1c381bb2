"""The order of the test files names files that are there, and takes apart only what can be taken apart."""

import ast
from pathlib import Path

import pytest

from tests.order import EACH_ALONE, LONGEST_FIRST

TESTS = Path(__file__).parents[1]


def shared_fixtures(source: str) -> list[str]:
    """Name the fixtures of a file that more than one test shares."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            calls = [each for each in node.decorator_list if isinstance(each, ast.Call)]
            found += [node.name for call in calls if any(word.arg == "scope" for word in call.keywords)]
    return found


def test_the_longest_files_are_there_once() -> None:
    assert [name for name in LONGEST_FIRST if not (TESTS / name).is_file()] == []
    assert len(set(LONGEST_FIRST)) == len(LONGEST_FIRST)
    assert set(LONGEST_FIRST) >= EACH_ALONE


@pytest.mark.parametrize("name", sorted(EACH_ALONE))
def test_files_that_are_taken_apart_share_no_fixture(name: str) -> None:
    assert shared_fixtures((TESTS / name).read_text()) == []


def test_a_shared_fixture_is_seen() -> None:
    assert shared_fixtures("@pytest.fixture(scope='module')\ndef stack(): ...") == ["stack"]


def test_what_only_make_test_full_runs_lies_where_it_looks() -> None:
    marked = [path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py") if "mark.full" in path.read_text()]
    assert len(marked) > 20
    assert set(marked) - {"e2e", "integration", "arch"} == set()
