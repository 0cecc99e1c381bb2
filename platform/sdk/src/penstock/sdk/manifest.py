"""The app's manifest, `app.yaml`: who the app is and which rights it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from penstock.sdk.errors import ClientError

MANIFEST_NAME = "app.yaml"
CALLBACK_PATH = "/oauth/callback"
Scope = Annotated[str, Field(pattern=r"^[a-z]+:[a-z]+$")]


class ManifestError(ClientError):
    """The manifest is absent or wrong; names file and key."""


class Manifest(BaseModel):
    """What stands in `app.yaml`. `scopes` are the app's own; `user_scopes` cap what a person's token may do here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")]
    name: Annotated[str, Field(min_length=1, max_length=80)]
    description: Annotated[str, Field(max_length=400)] = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 8083
    scopes: tuple[Scope, ...] = ()
    user_scopes: tuple[Scope, ...] = ()


def load_manifest(path: str | Path) -> Manifest:
    """Read `app.yaml`, given as itself, its folder, or a module file beside it."""
    file = Path(path)
    if file.is_dir():
        file = file / MANIFEST_NAME
    elif file.suffix == ".py":
        file = file.with_name(MANIFEST_NAME)
    try:
        body = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = f"{file}: no manifest; `penstock app new NAME` writes one"
        raise ManifestError(message) from None
    except yaml.YAMLError as broken:
        message = f"{file}: not YAML: {broken}"
        raise ManifestError(message) from None
    try:
        return Manifest.model_validate(body)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the whole file"
        message = f"{file}: {key}: {first['msg']} (got {first['input']!r})"
        raise ManifestError(message) from None
