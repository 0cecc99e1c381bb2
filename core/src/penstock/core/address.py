"""The ISA-95 role path of an asset: enterprise / site / area / work center / work unit, and what lies below."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LEVELS: Final = ("enterprise", "site", "area", "work center", "work unit")
"""ISA-95 part 1, 5.3; deeper segments are parts of a work unit."""
DEPTH_MAX: Final = 16
PATH_MAX_CHARS: Final = 512
_SEGMENT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class IsaPath:
    """Hold the segments of a path, from the enterprise down."""

    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> IsaPath:
        """Read `penstock/riverside/utilities`; raise ValueError that names the wrong segment."""
        if len(text) > PATH_MAX_CHARS:
            message = f"path of {len(text)} characters; at most {PATH_MAX_CHARS}"
            raise ValueError(message)
        parts = tuple(text.split("/"))
        if len(parts) > DEPTH_MAX:
            message = f"path {text!r} has {len(parts)} levels; at most {DEPTH_MAX}"
            raise ValueError(message)
        for part in parts:
            if not _SEGMENT.fullmatch(part):
                message = f"segment {part!r} of path {text!r} must match [a-z0-9][a-z0-9_-]{{0,62}}"
                raise ValueError(message)
        return cls(parts)

    def __str__(self) -> str:
        return "/".join(self.parts)

    @property
    def name(self) -> str:
        """Give the last segment."""
        return self.parts[-1]

    @property
    def level(self) -> str:
        """Give the ISA-95 word for this depth."""
        return LEVELS[min(len(self.parts), len(LEVELS)) - 1]

    @property
    def parent(self) -> IsaPath | None:
        """Give the path one level up, None above the enterprise."""
        return IsaPath(self.parts[:-1]) if len(self.parts) > 1 else None

    def ancestors(self) -> tuple[IsaPath, ...]:
        """Give all paths above this one, the enterprise first."""
        return tuple(IsaPath(self.parts[:depth]) for depth in range(1, len(self.parts)))
