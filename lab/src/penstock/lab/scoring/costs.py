"""Reads the cost file: what failures, stops, inspections and repairs cost, per asset type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from penstock.core.errors import ConfigError

SHIPPED: Final = Path(__file__).with_name("costs.yaml")
Item = Literal["missed_failure", "needless_stop", "inspection", "planned_repair"]
ITEMS: Final[tuple[Item, ...]] = ("missed_failure", "needless_stop", "inspection", "planned_repair")
FILE_MAX_bytes: Final = 1_000_000
WEEK_h: Final = 168.0


@dataclass(frozen=True, slots=True)
class Costs:
    """What each thing costs for one asset type; `notice_h`: from an order to the repair; `period_h`: of overhauls;
    `schedule_h`: for how long ahead work is scheduled.
    """

    missed_failure: float
    needless_stop: float
    inspection: float
    planned_repair: float
    notice_h: float
    period_h: float
    schedule_h: float = WEEK_h

    def scaled(self, item: Item, factor: float) -> Costs:
        """Give the same with one cost times a factor."""
        return replace(self, **{item: getattr(self, item) * factor})

    def sped_up(self, speed: float) -> Costs:
        """Give the same for an experiment in which machines wear `speed` times as fast as in life."""
        hours = {name: getattr(self, name) / speed for name in ("notice_h", "period_h", "schedule_h")}
        return replace(self, **hours)


@dataclass(frozen=True, slots=True)
class CostBook:
    """Costs by asset type, with a default for types that are not named."""

    currency: str
    default: Costs
    types: Mapping[str, Costs]

    def of(self, asset_type: str) -> Costs:
        """Give the costs of an asset type."""
        return self.types.get(asset_type, self.default)

    def scaled(self, item: Item, factor: float) -> CostBook:
        """Give the book with one cost times a factor, for all types."""
        types = {name: each.scaled(item, factor) for name, each in self.types.items()}
        return replace(self, default=self.default.scaled(item, factor), types=types)

    def sped_up(self, speed: float) -> CostBook:
        """Give the book for an experiment that runs `speed` times as fast as life."""
        types = {name: each.sped_up(speed) for name, each in self.types.items()}
        return replace(self, default=self.default.sped_up(speed), types=types)


class _Costs(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    missed_failure: float = Field(ge=0, le=1e12)
    needless_stop: float = Field(ge=0, le=1e12)
    inspection: float = Field(ge=0, le=1e12)
    planned_repair: float = Field(ge=0, le=1e12)
    notice_h: float = Field(ge=0, le=1e6)
    period_h: float = Field(gt=0, le=1e6)
    schedule_h: float = Field(default=WEEK_h, ge=0, le=1e6)

    def costs(self) -> Costs:
        return Costs(**self.model_dump())


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    version: Literal[1]
    currency: str = Field(max_length=12)
    default: _Costs
    types: dict[str, _Costs] = Field(default_factory=dict)


def read_costs(path: Path = SHIPPED) -> CostBook:
    """Read a cost file; ConfigError names file and key."""
    try:
        octets = path.read_bytes()
        if len(octets) > FILE_MAX_bytes:
            raise ConfigError("is too large for a cost file", file=str(path), line=None, key="")  # noqa: EM101
        read = _File.model_validate(yaml.safe_load(octets))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot be read: {error}", file=str(path), line=None, key="") from error  # noqa: EM102
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(first["msg"], file=str(path), line=None, key=key) from error
    return CostBook(read.currency, read.default.costs(), {name: each.costs() for name, each in read.types.items()})
