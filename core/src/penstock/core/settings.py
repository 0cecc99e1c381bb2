"""What is told of settings from the environment: those that are wrong, and names that no setting has."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from penstock.core.errors import PenstockError

S = TypeVar("S", bound=BaseModel)
NESTED = "__"
UNKNOWN_NAMED_MAX = 10
OF_VALIDATORS = "Value error, "
"""Pydantic's words before those of our own validators."""


def settings_of(kind: type[S], **given: object) -> S:
    """Make settings of the environment and of what is given beside it (None: not given).

    Raise PenstockError with one line for each mistake, which names the variable.
    """
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise PenstockError("\n".join(mistakes(kind, error))) from None


def mistakes(kind: type[BaseModel], error: ValidationError) -> list[str]:
    """Say what is wrong under the variable's name; a rule about several settings names them itself."""
    lines = []
    for item in error.errors(include_url=False, include_context=False):
        said = item["msg"].removeprefix(OF_VALIDATORS)
        lines.append(f"{_prefix(kind)}{str(item['loc'][0]).upper()}: {said}" if item["loc"] else said)
    return lines


def unknown_settings(kind: type[BaseModel], environ: Iterable[str]) -> str:
    """Name the variables with the prefix of `kind` that are none of its settings, and what may be meant; "": none."""
    prefix = _prefix(kind)
    known = [f"{prefix}{name.upper()}" for name in kind.model_fields]
    own = sorted(name for name in environ if name.upper().startswith(prefix))
    wrong = [name for name in own if name.upper().removeprefix(prefix).partition(NESTED)[0] not in _names(kind)]
    told = [_with_nearest(name, known) for name in wrong[:UNKNOWN_NAMED_MAX]]
    if len(wrong) > UNKNOWN_NAMED_MAX:
        told.append(f"and {len(wrong) - UNKNOWN_NAMED_MAX} more")
    return f"no such setting, nothing comes of it: {', '.join(told)}" if told else ""


def _with_nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name.upper(), known, n=1)
    return f"{name} (is {near[0]} meant?)" if near else name


def _names(kind: type[BaseModel]) -> set[str]:
    return {name.upper() for name in kind.model_fields}


def _prefix(kind: type[BaseModel]) -> str:
    return str(dict(kind.model_config)["env_prefix"])
