"""Failure modes of an asset type: which part breaks, by which signs that is seen, what to do (ISO 14224, ISO 13379-1).

A sign names a property and how it leaves its healthy value. Signs stand in order: the most telling first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from penstock.core.config_file import FileModel, Path, suggestion

MODE_PATTERN: Final = r"^[a-z0-9]+(-[a-z0-9]+)*$"
MODE_MAX_CHARS: Final = 63
MODES_MAX: Final = 100
"""A type with more is several types; ISO 14224 lists some 30 for a machine, all of its parts together."""
SIGNS_MAX: Final = 32
PART_MAX_CHARS: Final = 128
PROSE_MAX_CHARS: Final = 1024
NOTICE_MAX_h: Final = 43_800.0
"""Five years: no repair is ordered longer before."""
SIGN_NAME_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
ONE_LINE: Final = r"^[^\x00-\x1f\x7f]*$"


class SignDirection(StrEnum):
    """Name how a property leaves its healthy value: upwards, downwards, either way, or by growing spread."""

    RISES = "rises"
    FALLS = "falls"
    DEPARTS = "departs"
    UNSTEADY = "unsteady"


def _kebab(name: Any) -> Any:
    if not isinstance(name, str) or not re.fullmatch(MODE_PATTERN, name) or len(name) > MODE_MAX_CHARS:
        message = f"a failure mode's name is kebab-case, at most {MODE_MAX_CHARS} characters, such as seal-leak"
        raise ValueError(message)
    return name


ModeName = Annotated[str, Field(pattern=MODE_PATTERN, max_length=MODE_MAX_CHARS), BeforeValidator(_kebab)]
SignName = Annotated[str, Field(pattern=SIGN_NAME_PATTERN)]


class FailureMode(FileModel):
    """Describe one way in which a machine of the type fails."""

    part: str = Field(
        min_length=1,
        max_length=PART_MAX_CHARS,
        pattern=ONE_LINE,
        description="the maintainable item, in its maker's words",
    )
    description: str = Field(default="", max_length=PROSE_MAX_CHARS)
    signs: dict[SignName, SignDirection] = Field(
        min_length=1, max_length=SIGNS_MAX, description="property → how it leaves its healthy value, most telling first"
    )
    action: str = Field(default="", max_length=PROSE_MAX_CHARS, description="what to do")
    notice_h: float | None = Field(
        default=None, gt=0, le=NOTICE_MAX_h, description="hours that a repair needs from order to done"
    )


FailureModes = Annotated[dict[ModeName, FailureMode], Field(max_length=MODES_MAX)]


def sign_findings(
    modes: Mapping[str, Iterable[str]], properties: Mapping[str, tuple[str, str]]
) -> Iterator[tuple[str, Path]]:
    """Give what is wrong with the signs (mode → properties named), each with its key path.

    `properties` is name → (kind, type) of the asset type.
    """
    valid = [name for name, (kind, value_type) in properties.items() if kind != "attribute" and value_type != "string"]
    for mode, signs in modes.items():
        for name in signs:
            path: Path = ("failure_modes", mode, "signs", name)
            if name not in properties:
                yield f"{name!r} is no property of the type{suggestion(name, valid)}", path
            elif name not in valid:
                kind, value_type = properties[name]
                what = "an attribute, which does not move" if kind == "attribute" else f"a {value_type}"
                yield f"{name!r} is {what}; a sign is a number or a bool that is measured or computed", path
