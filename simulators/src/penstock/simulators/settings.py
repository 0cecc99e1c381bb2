"""The settings of the simulators' process: PENSTOCK_SIM_*."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SimSettings(BaseSettings):
    """Say where plant, state and secrets lie, and where the process listens."""

    model_config = SettingsConfigDict(env_prefix="PENSTOCK_SIM_", frozen=True, extra="ignore")

    data: Path = Path("penstock-data/simulators")
    """State, outboxes, own certificate, sim-control.json; in `truth/` the hidden truth with its truth.json."""
    plant: Path = Path("plant")
    """The plant folder; devices/*.yaml are followed."""
    trust: Path | None = None
    """Trusted OPC UA certificates (*.der); the own one is put there. Default: `<plant>/trust`."""
    mqtt_credentials: Path | None = None
    """JSON file with username and password of the broker."""
    control_host: str = "127.0.0.1"
    control_port: int = Field(default=8091, ge=0, le=65535)
    truth_port: int = Field(default=0, ge=0, le=65535)
    """Port of the truth's own door, on loopback alone; 0: any, truth.json names it."""
    truth_days: int = Field(default=90, ge=1, le=36_500)
    """So long hidden states are kept; events stay."""
    laboratory_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of the fault laboratory's page, on loopback alone; absent: there is no page; 0: any."""
    laboratory_url: str | None = None
    """How a browser reaches that page; absent: http://localhost:PORT. Its cookie belongs to this host name."""
    laboratory_platform_url: str | None = None
    """The platform whose alarms the page shows beside the truth; absent: it knows of no platform."""
    laboratory_platform_credentials: Path | None = None
    """JSON file with client_id and client_secret of a client of that platform that may only read."""
    opcua_host: str = "127.0.0.1"
    """Address that OPC UA servers listen on, whatever host their endpoint names."""
    ledger: Path | None = None
    """File of the independent ledger; absent: none is kept."""
    schedule: Path | None = None
    """File of faults and when they come; absent: none come but those that are injected."""

    @property
    def trust_folder(self) -> Path:
        """Give the trust folder."""
        return self.trust if self.trust is not None else self.plant / "trust"
