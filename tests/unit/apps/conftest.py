"""The apps in NiceGUI's user simulation, on the fake platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nicegui.testing import User, user_simulation

from penstock.sdk.testing import FakePlatform

Opened = Callable[[str], "AsyncIterator[User]"]


@pytest.fixture
def fake() -> FakePlatform:
    return FakePlatform()


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_APP_DATA", str(tmp_path / "app"))
    monkeypatch.chdir(tmp_path)
