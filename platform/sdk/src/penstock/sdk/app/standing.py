"""Whether the platform still knows this app: a database made anew knows no credential of before."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import httpx

from penstock.sdk.authorities import trust_for
from penstock.sdk.credentials import ClientCredentials, token_request
from penstock.sdk.errors import ApiError, UnauthorizedError
from penstock.sdk.manifest import Manifest

CHECK_S = 60.0
"""Well below the wrong tries a minute after which the platform holds a client off."""
log = logging.getLogger("penstock.sdk.app")


def cure_of(manifest: Manifest, source: str | Path) -> str:
    """Say how this app is registered again: one's own by its folder, a built-in one by the platform's start."""
    folder = Path(source) if Path(source).is_dir() else Path(source).parent
    if (folder / "main.py").exists():
        return f"Stop the app and start it again with `penstock app run {folder}`, which registers it"
    return (
        f"Start the platform again with {manifest.id} in PENSTOCK_PLATFORM_BOOTSTRAP_APPS (the demo and compose do), "
        "which registers it, then the app"
    )


class Standing:
    """Ask now and then for a token of the app's own; say a refusal once, with the cure, and its end."""

    def __init__(self, credentials: ClientCredentials, *, platform_url: str, cure: str) -> None:
        self._credentials = credentials
        self._platform_url = platform_url
        self._cure = cure
        self.refused = False

    async def run(self) -> None:
        """Ask for ever."""
        url = self._platform_url
        async with httpx.AsyncClient(base_url=url, timeout=30.0, verify=trust_for(url)) as http:
            while True:
                await self.check(http)
                await asyncio.sleep(CHECK_S)

    async def check(self, http: httpx.AsyncClient) -> None:
        """Ask once; a platform that is away or busy says nothing about the credential."""
        try:
            await token_request(http, {"grant_type": "client_credentials"}, self._credentials.basic)
        except UnauthorizedError:
            if not self.refused:
                log.error(
                    "the platform at %s refuses this app's credential (was its database made anew, or the app "
                    "removed?): nobody can log in. %s",
                    self._platform_url,
                    self._cure,
                )
            self.refused = True
        except (ApiError, httpx.HTTPError):
            return
        else:
            if self.refused:
                log.info("the platform takes this app's credential again")
            self.refused = False
