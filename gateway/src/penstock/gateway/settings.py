"""The gateway's settings: PENSTOCK_GATEWAY_*, read once in `main`."""

from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from penstock.core.errors import ConfigError

HOUR_NS = 3_600_000_000_000
MIB = 1024 * 1024


class Settings(BaseSettings):
    """Hold what docs/reference/processes.md lists for the gateway."""

    model_config = SettingsConfigDict(env_prefix="PENSTOCK_GATEWAY_", frozen=True, extra="ignore")

    data: Path = Path("./penstock-data/gateway")
    name: str = Field("edge-1", pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    platform_url: str = "http://127.0.0.1:8080"
    allow_plain_http: bool = False
    platform_ca: Path | None = None
    plant: Path = Path("./plant")
    enrol_token_file: Path | None = None
    mqtt_credentials: Path | None = None
    trust: Path | None = None
    health_host: str = "127.0.0.1"
    health_port: int = Field(8090, ge=0, le=65_535)
    batch_rows: int = Field(5_000, ge=1, le=100_000)
    batch_linger_ms: int = Field(250, ge=1, le=10_000)
    journal_max_mib: int = Field(4_096, ge=1)
    reserve_max_mib: int = Field(1_024, ge=0)
    reserve_hours: float = Field(24, ge=0)

    @property
    def journal_file(self) -> Path:
        """Name the journal."""
        return self.data / "journal.sqlite"

    @property
    def credential_file(self) -> Path:
        """Name the credential that enrolment brought, mode 0600."""
        return self.data / "credential.json"

    @property
    def enrolment_file(self) -> Path:
        """Name what the gateway asks to enrol with, until it has: token and chosen secret, mode 0600."""
        return self.data / "enrolment.json"

    @property
    def learnt_ca_file(self) -> Path:
        """Name the authorities that the platform itself gave."""
        return self.data / "platform-ca.pem"

    @property
    def pki_dir(self) -> Path:
        """Name the folder of the own certificate and key."""
        return self.data / "pki"

    @property
    def trust_dir(self) -> Path:
        """Name the folder of trusted OPC UA certificates."""
        return self.trust or self.plant / "trust"

    @property
    def devices_dir(self) -> Path:
        """Name the folder of device files."""
        return self.plant / "devices"

    @property
    def journal_max_bytes(self) -> int:
        """Give the size of unreleased entries from which on drivers must wait."""
        return self.journal_max_mib * MIB

    @property
    def reserve_max_bytes(self) -> int:
        """Give the size up to which released entries are kept."""
        return self.reserve_max_mib * MIB

    @property
    def reserve_age_ns(self) -> int:
        """Give the age up to which released entries are kept."""
        return int(self.reserve_hours * HOUR_NS)


def check_platform_url(url: str, *, allow_plain_http: bool) -> str:
    """Give the URL without a trailing slash; refuse plain HTTP to other than loopback unless the settings say so."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        message = f"{url!r} is no address: write https://host or http://127.0.0.1:8080"
        raise ConfigError(message, file="environment", line=None, key="PENSTOCK_GATEWAY_PLATFORM_URL")
    if parts.scheme == "http" and not allow_plain_http and not _is_loopback(parts.hostname):
        message = (
            f"{url} is plain HTTP to another machine: anybody on the way can read and change it. "
            "Use https://, or set PENSTOCK_GATEWAY_ALLOW_PLAIN_HTTP=true for a closed network"
        )
        raise ConfigError(message, file="environment", line=None, key="PENSTOCK_GATEWAY_PLATFORM_URL")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
