"""The platform's settings, read once in main() from PENSTOCK_PLATFORM_* and the command line."""

import ipaddress
import socket
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

HOST_DEFAULT = "127.0.0.1"
PORT_DEFAULT = 8080
GENERATION_ROWS_DEFAULT = 500_000
"""Small enough to be sorted and sealed in half a second, in some 80 MB of memory."""


class Settings(BaseSettings):
    """Hold everything the platform may be told; frozen, no reading of the environment after this."""

    model_config = SettingsConfigDict(env_prefix="PENSTOCK_PLATFORM_", env_nested_delimiter="__", frozen=True)

    data: Path = Field(Path("penstock-data/platform"), description="relational.sqlite, historian/, keys/")
    secrets: Path = Field(Path("penstock-data/secrets"), description="what the platform makes for its neighbours")
    database_url: str | None = Field(None, description="SQLAlchemy URL; absent: relational.sqlite in data")
    database_password_file: Path | None = Field(None, description="file with the password for the URL")
    host: str = Field(HOST_DEFAULT, description="address to listen on")
    port: int = Field(PORT_DEFAULT, ge=0, le=65535, description="port to listen on")
    public_url: str | None = Field(None, description="what a browser uses, issuer of tokens; absent: host and port")
    plant: Path | None = Field(None, description="plant folder: plant.yaml and types/*.yaml are read and followed")
    bootstrap_apps: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict, description="name=url,name=url: registered at start, credentials written to secrets"
    )
    bootstrap_gateways: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="name,name: an enrolment token is written to secrets while the gateway is not enrolled"
    )
    allow_plain_http: bool = Field(False, description="plain HTTP on other than loopback, for a network of one's own")
    tls_host: str = Field(HOST_DEFAULT, description="address of the TLS door, for gateways")
    tls_port: int | None = Field(None, ge=0, le=65535, description="port of the TLS door; absent: there is none")
    tls_names: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="name,address: what gateways call this machine, beside localhost and its host name"
    )
    tls_certificate: Path | None = Field(
        None, description="certificate chain (PEM) instead of one of our own authority"
    )
    tls_key: Path | None = Field(None, description="key of that certificate (PEM); absent: in the same file")

    generation_rows: int = Field(
        GENERATION_ROWS_DEFAULT, ge=1_000, le=50_000_000, description="rows of a hot file before it is sealed"
    )
    retention_days: int | None = Field(
        None, ge=7, description="history whose source times are older is deleted, run by run; absent: all is kept"
    )
    summary_retention_days: int | None = Field(
        None,
        ge=8,
        description="summaries of deleted history stay so long, more than retention_days; absent: they go too",
    )

    @model_validator(mode="after")
    def _summaries_last_longer(self) -> Self:
        if self.summary_retention_days is not None and (
            self.retention_days is None or self.summary_retention_days <= self.retention_days
        ):
            message = (
                "PENSTOCK_PLATFORM_SUMMARY_RETENTION_DAYS must be more than PENSTOCK_PLATFORM_RETENTION_DAYS, "
                "which must be set; or leave it out"
            )
            raise ValueError(message)
        return self

    @field_validator("bootstrap_apps", mode="before")
    @classmethod
    def _apps_from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        apps: dict[str, str] = {}
        for part in filter(None, (piece.strip() for piece in value.split(","))):
            name, equals, url = part.partition("=")
            if not equals or not name or not url:
                message = f"'{part}' is not name=url; write monitoring=http://127.0.0.1:8081"
                raise ValueError(message)
            apps[name.strip()] = url.strip().rstrip("/")
        return apps

    @field_validator("bootstrap_gateways", "tls_names", mode="before")
    @classmethod
    def _names_from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @property
    def issuer(self) -> str:
        """Give the address a browser uses, without a slash at the end; it is `iss` of every token."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def relational_url(self) -> str:
        """Give the SQLAlchemy URL, without password."""
        return self.database_url or f"sqlite:///{(self.data / 'relational.sqlite').absolute()}"

    @property
    def keys(self) -> Path:
        """Give the folder of the signing keys."""
        return self.data / "keys"

    @property
    def authority(self) -> Path:
        """Give the folder of the platform's own certificate authority."""
        return self.data / "tls"

    @property
    def tls_alternatives(self) -> tuple[str, ...]:
        """List the names and addresses that stand in the certificate."""
        own = ("localhost", "127.0.0.1", "::1", socket.gethostname())
        reached = () if self.tls_host in ("0.0.0.0", "::") else (self.tls_host,)  # noqa: S104 - compared, not bound
        return (*own, *reached, *self.tls_names)

    @property
    def historian(self) -> Path:
        """Give the folder of the historian."""
        return self.data / "historian"


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
