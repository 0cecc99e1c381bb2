"""The order of the tests, and which of them need not stay together: workers should end at the same time.

`--dist loadfile` gives a file to a worker, those of many tests first. Here the files that take longest come first, and
of those whose tests share nothing each test is on its own.
"""

import gc
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from tests.order import EACH_ALONE, LONGEST_FIRST

ROOT = Path(__file__).parent


def pytest_collectstart() -> None:
    """Look for no garbage while 4,000 tests and their libraries come, all of which stays to the end."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage again, but not in what was collected: each look through that takes half a second."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the order within a file stays."""
    place = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(_name(item.path), len(place)))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """Keep the order of the collection, and keep together the tests of a file but for those that share nothing."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return nodeid if file.removeprefix("tests/") in EACH_ALONE else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling | None:
    """Take the place of `--dist loadfile`; other ways to distribute are left as they are."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return Scheduling(config, log)
