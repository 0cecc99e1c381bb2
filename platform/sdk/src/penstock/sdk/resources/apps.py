"""The app registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.sdk.models import RegisteredApp
from penstock.sdk.transport import Transport


class AsyncApps:
    """Apps that the platform knows, each an OAuth2 client with scopes of its own."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self) -> Sequence[RegisteredApp]:
        """List the apps of the start page."""
        return [RegisteredApp.of(item) async for item in self._transport.pages("/v1/apps")]

    async def retrieve(self, app_id: str) -> RegisteredApp:
        """Give one registration, without its secret."""
        return RegisteredApp.of(await self._transport.json("GET", f"/v1/apps/{app_id}"))

    async def register(
        self,
        app_id: str,
        *,
        name: str,
        url: str,
        redirect_uris: Sequence[str],
        scopes: Sequence[str],
        user_scopes: Sequence[str],
        description: str = "",
    ) -> RegisteredApp:
        """Register an app; the answer carries its client id and, this once, its secret."""
        body = {
            "id": app_id,
            "name": name,
            "url": url,
            "redirect_uris": list(redirect_uris),
            "scopes": list(scopes),
            "user_scopes": list(user_scopes),
            "description": description,
        }
        return RegisteredApp.of(await self._transport.json("POST", "/v1/apps", body=body))

    async def update(self, /, app_id: str, **changes: Any) -> RegisteredApp:
        """Change a registration."""
        return RegisteredApp.of(await self._transport.json("PATCH", f"/v1/apps/{app_id}", body=changes))

    async def renew_secret(self, app_id: str) -> RegisteredApp:
        """Make a new secret; the old one ends."""
        body = await self._transport.json("POST", f"/v1/apps/{app_id}/secret")
        return RegisteredApp.of({"id": app_id, **body})

    async def delete(self, app_id: str) -> None:
        """Take an app out of the registry; its tokens end."""
        await self._transport.json("DELETE", f"/v1/apps/{app_id}")
