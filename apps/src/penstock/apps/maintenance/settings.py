"""The app's settings: PENSTOCK_MAINTENANCE_* in the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from penstock.apps.maintenance.fanout.place import Place
from penstock.apps.maintenance.health import ModelSettings
from penstock.apps.maintenance.risk.costs import SHIPPED as SHIPPED_COSTS
from penstock.apps.maintenance.state.scores import SHIPPED as SHIPPED_SCORES
from penstock.apps.maintenance.zones import boundaries


def _checked(text: str) -> str:
    boundaries(text)
    return text


def _address(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        message = f"{text!r} is no address; write http://localhost:8092, or nothing"
        raise ValueError(message)
    return text.rstrip("/")


Url = Annotated[str, AfterValidator(_address)]
Zones = Annotated[str, AfterValidator(_checked)]


class MaintenanceSettings(BaseSettings):
    """How health is judged, and when it becomes an alarm. The rule is made once; change it later in the platform."""

    model_config = SettingsConfigDict(env_prefix="PENSTOCK_MAINTENANCE_", frozen=True, extra="ignore")

    zones: Zones = "group-2-rigid"
    window_s: float = Field(10.0, gt=0, le=3600)
    baseline_min_windows: int = Field(30, ge=5)
    baseline_windows: int = Field(1440, ge=10)
    limit: float = Field(60.0, gt=0, lt=100)
    deadband: float = Field(10.0, ge=0)
    on_delay_s: float = Field(30.0, ge=0)
    severity: int = Field(700, ge=1, le=1000)
    laboratory_url: Url = ""
    poll_s: float = Field(2.0, gt=0)
    costs: Path = SHIPPED_COSTS
    scores: Path = SHIPPED_SCORES
    truth_score: Path | None = None
    jobs: int = Field(1, ge=1, le=256)
    dask: str = ""
    dask_ca: Path | None = None
    dask_cert: Path | None = None
    dask_key: Path | None = None

    def place(self) -> Place:
        """Give where the fits of fleets run."""
        return Place(self.jobs, self.dask, self.dask_ca, self.dask_cert, self.dask_key)

    def model(self) -> ModelSettings:
        """Give what the health model needs."""
        return ModelSettings(
            zones=boundaries(self.zones),
            window_s=self.window_s,
            baseline_min_windows=self.baseline_min_windows,
            baseline_windows=self.baseline_windows,
        )
