"""Where the app runs and which platform it belongs to: PENSTOCK_APP_* in the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from penstock.sdk.manifest import CALLBACK_PATH, Manifest


class AppSettings(BaseSettings):
    """`platform_url` is how this process reaches the platform, `platform_public_url` how a browser does.

    `public_url` is how a browser reaches this app; its callback must be registered with the platform.
    """

    model_config = SettingsConfigDict(env_prefix="PENSTOCK_APP_", frozen=True, extra="ignore")

    platform_url: str = "http://127.0.0.1:8080"
    platform_public_url: str | None = None
    public_url: str | None = None
    host: str = "127.0.0.1"
    port: int | None = None
    data: Path | None = None
    credentials: Path | None = None

    def port_of(self, manifest: Manifest) -> int:
        """Give the port to listen on."""
        return self.port or manifest.port

    def url_of(self, manifest: Manifest) -> str:
        """Give the app's address in a browser, without a slash at the end."""
        return (self.public_url or f"http://127.0.0.1:{self.port_of(manifest)}").rstrip("/")

    def callback_of(self, manifest: Manifest) -> str:
        """Give the registered redirect address."""
        return self.url_of(manifest) + CALLBACK_PATH

    def data_of(self, manifest: Manifest) -> Path:
        """Give the app's own folder, made with mode 0700."""
        folder = self.data or Path("penstock-data") / "apps" / manifest.id
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    @property
    def browser_platform_url(self) -> str:
        """Give the platform's address in a browser."""
        return (self.platform_public_url or self.platform_url).rstrip("/")
