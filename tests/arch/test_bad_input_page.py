"""The page on bad input names tests that exist, and at least one for each input of its table."""

import ast
import re

from tests.arch.sources import ROOT

PAGE = ROOT / "docs" / "reference" / "bad-input.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[str]:
    """Give the rows of the page's tables, without heads and rules."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    return [line for line in lines if not line.startswith(("| input ", "|---"))]


def functions_of(file: str) -> set[str]:
    path = ROOT / file
    if not path.exists():
        return set()
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_the_page_names_exists() -> None:
    named = NAMED.findall(PAGE.read_text())
    assert len(named) > 20
    assert [f"{file}::{name}" for file, name in named if name not in functions_of(file)] == []


def test_every_input_of_the_page_has_an_answer_a_place_and_a_test() -> None:
    assert len(rows()) > 20
    for row in rows():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        assert len(cells) == 4, row
        assert all(cells), row
        assert NAMED.search(cells[3]), f"no test: {row}"


def test_every_metric_of_the_page_is_in_the_reference() -> None:
    named = set(re.findall(r"`(penstock_\w+)`", PAGE.read_text()))
    told = PAGE.with_name("metrics.md").read_text()
    assert len(named) > 8
    assert sorted(name for name in named if f"`{name}`" not in told) == []
