"""Types of the API's edge: every text and number has its bound, here, once."""

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

INT64_MAX = 2**63 - 1

PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
"""No control characters: they forge lines in logs, and PostgreSQL stores no NUL."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE)]
Line = Annotated[str, StringConstraints(max_length=500, pattern=PRINTABLE)]
Prose = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
SLUG_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
Slug = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=SLUG_PATTERN)]
IsaText = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=512, pattern=r"^[a-z0-9][a-z0-9_-]{0,62}(/[a-z0-9][a-z0-9_-]{0,62}){0,15}$"
    ),
]
"""An ISA-95 path, as core.address reads it."""
PropertyName = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
Url = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^https?://[^\x00-\x20\x7f\"<>\\]+$")]
ScopeName = Annotated[str, StringConstraints(max_length=40, pattern=r"^[a-z:]+$")]
TagId = Annotated[int, Field(ge=1, le=INT64_MAX)]
Rfc3339 = Annotated[str, Field(max_length=40, description="RFC 3339, UTC, nanoseconds")]

PathId = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9_-]+$", description="opaque id")]
PathTag = Annotated[int, Path(ge=1, le=INT64_MAX, description="tag id")]


def without_controls(text: str) -> str:
    """Give the text without control characters, for texts of peers that are kept but not worth refusing."""
    return "".join(letter for letter in text if letter >= " " and letter != "\x7f")


class Input(BaseModel):
    """A body that comes in: unknown keys are refused, so nobody sets what they should not."""

    model_config = ConfigDict(extra="forbid")


AssetRef = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[a-z0-9][a-z0-9_/-]*$")]
"""An asset by its id or its path."""

Scalar = Annotated[float, Field(allow_inf_nan=False)] | int | bool | Line
"""A value of an attribute."""


class Output(BaseModel):
    """A body that goes out."""

    model_config = ConfigDict(from_attributes=True)
