"""asyncua without its half-exported types: its package is marked as typed, but its star imports hide their names."""

from __future__ import annotations

from typing import Any

import asyncua

ua: Any = asyncua.ua  # type: ignore[attr-defined, unused-ignore]
Server: Any = asyncua.Server  # type: ignore[attr-defined, unused-ignore]
