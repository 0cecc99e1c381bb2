"""The source files of all rooms, parsed once."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Source:
    """Hold one module."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def is_migration(self) -> bool:
        """Say whether it is a migration: a list of statements by nature, never edited afterwards."""
        return "migrations/versions" in self.name


@cache
def source_roots() -> tuple[Path, ...]:
    """Give the src folder of each room in the workspace."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]
    return tuple(ROOT / member / "src" for member in workspace["members"])


@cache
def sources() -> tuple[Source, ...]:
    """Parse every module."""
    paths = sorted(path for root in source_roots() for path in root.rglob("*.py"))
    texts = [(path, path.read_text()) for path in paths]
    return tuple(Source(path, text, ast.parse(text, str(path))) for path, text in texts)
