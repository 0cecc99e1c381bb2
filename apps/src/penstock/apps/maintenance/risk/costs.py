"""What a machine costs: its own attributes, else its asset type in the cost file, else the file's default."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from penstock.core.errors import ConfigError
from penstock.sdk.models import Property

SHIPPED: Final = Path(__file__).with_name("costs.yaml")
FILE_MAX_bytes: Final = 1_000_000
NOTICE, CURRENCY = "notice_h", "currency"
MONEY: Final = ("missed_failure", "planned_repair", "needless_stop", "inspection")
MONEY_MAX: Final = 1e12
NOTICE_MAX_H: Final = 1e5
"""Eleven years; a longer notice is a mistake."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one machine, in `currency`; `notice_h`: hours from an order to the repaired machine.

    `wrong`: which attributes say nothing that can be used, in words.
    """

    currency: str
    missed_failure: float
    planned_repair: float
    needless_stop: float
    inspection: float
    notice_h: float
    wrong: tuple[str, ...] = ()

    @property
    def avoidable(self) -> float:
        """Give what a failure costs beyond the repair that it needs anyway; 0 where a failure is the cheaper."""
        return max(0.0, self.missed_failure - self.planned_repair)


@dataclass(frozen=True, slots=True)
class CostBook:
    """The costs of the file: a default, and by asset type."""

    default: Costs
    types: Mapping[str, Costs] = field(default_factory=dict)

    def of(
        self, asset_type: str | None, properties: Iterable[Property], *, mode_notice_h: float | None = None
    ) -> Costs:
        """Give a machine's costs; an attribute that says nothing usable is named, and the file has the say.

        `mode_notice_h`: the notice of the failure mode that is suspected, where the machine itself names none.
        """
        known = self.types.get(asset_type or "", self.default)
        if mode_notice_h is not None and 0 < mode_notice_h <= NOTICE_MAX_H:
            known = replace(known, notice_h=mode_notice_h)
        given = {p.name: p.value for p in properties if p.kind == "attribute" and p.value not in (None, "")}
        changed: dict[str, float] = {}
        wrong = []
        for name, attribute, most in [(m, f"cost_{m}", MONEY_MAX) for m in MONEY] + [(NOTICE, NOTICE, NOTICE_MAX_H)]:
            if attribute not in given:
                continue
            number = _number(given[attribute])
            if number is None or not 0 <= number <= most or (name == NOTICE and number == 0):
                least = "more than 0" if name == NOTICE else "0"
                wrong.append(f"the attribute {attribute} is {given[attribute]!r}: a number from {least} to {most:g}")
            else:
                changed[name] = number
        currency = str(given.get(CURRENCY, known.currency)).strip()[:12] or known.currency
        return replace(known, currency=currency, wrong=tuple(wrong), **changed)


def _number(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


class _Costs(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    missed_failure: float = Field(ge=0, le=MONEY_MAX)
    planned_repair: float = Field(ge=0, le=MONEY_MAX)
    needless_stop: float = Field(ge=0, le=MONEY_MAX)
    inspection: float = Field(ge=0, le=MONEY_MAX)
    notice_h: float = Field(gt=0, le=NOTICE_MAX_H)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    version: Literal[1]
    currency: str = Field(min_length=1, max_length=12)
    default: _Costs
    types: dict[str, _Costs] = Field(default_factory=dict)


def read_costs(path: Path = SHIPPED) -> CostBook:
    """Read a cost file; ConfigError names file and key."""
    try:
        octets = path.read_bytes()
        if len(octets) > FILE_MAX_bytes:
            raise ConfigError("is too large for a cost file", file=str(path), line=None, key="")  # noqa: EM101
        read = _File.model_validate(yaml.safe_load(octets))
    except (OSError, yaml.YAMLError, UnicodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=str(path), line=None, key="") from error  # noqa: EM102
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(first["msg"], file=str(path), line=None, key=key) from error
    types = {name: Costs(read.currency, **each.model_dump()) for name, each in read.types.items()}
    return CostBook(Costs(read.currency, **read.default.model_dump()), types)
