"""Registering an app with the platform and keeping its own credential, by the operator's credential."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from penstock.sdk.client import Client
from penstock.sdk.errors import ConflictError, NotFoundError
from penstock.sdk.manifest import CALLBACK_PATH, Manifest
from penstock.sdk.models import RegisteredApp
from penstock.sdk.private_files import write_private_json


@dataclass(frozen=True, slots=True)
class Registration:
    """Where an app is to be registered, how a browser reaches it, and where its credential lies."""

    manifest: Manifest
    url: str
    credentials: Path

    def ensure(self, operator: Callable[[], Client]) -> str:
        """Register, or bring the registration up to date; give what was done in words."""
        with operator() as client:
            try:
                known = client.apps.retrieve(self.manifest.id)
            except NotFoundError:
                return self._register(client)
            done = self._update(client, known)
            if self._holds(known.client_id):
                return done or "is registered"
            renewed = client.apps.renew_secret(self.manifest.id)
            self._keep(renewed)
            return "was registered; its credential was not here, so it has a new one"

    def _register(self, client: Client) -> str:
        try:
            made = client.apps.register(self.manifest.id, **self._wanted())  # type: ignore[arg-type]
        except ConflictError:
            made = client.apps.renew_secret(self.manifest.id)
        self._keep(made)
        return f"is now registered, with the scopes {', '.join(self.manifest.scopes) or '(none)'} of its own"

    def _update(self, client: Client, known: RegisteredApp) -> str:
        changes = {
            key: value
            for key, value in self._wanted().items()
            if (sorted(value) if isinstance(value, list) else value) != _comparable(getattr(known, key))
        }
        if not changes:
            return ""
        client.apps.update(self.manifest.id, **changes)
        return f"is registered; changed: {', '.join(sorted(changes))}"

    def _wanted(self) -> dict[str, str | list[str]]:
        return {
            "name": self.manifest.name,
            "description": self.manifest.description,
            "url": self.url,
            "redirect_uris": [self.url + CALLBACK_PATH],
            "scopes": list(self.manifest.scopes),
            "user_scopes": list(self.manifest.user_scopes),
        }

    def _holds(self, client_id: str | None) -> bool:
        try:
            held = json.loads(self.credentials.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(held, dict) and held.get("client_id") == client_id and bool(held.get("client_secret"))

    def _keep(self, made: RegisteredApp) -> None:
        body = {"client_id": made.client_id, "client_secret": made.client_secret}
        write_private_json(self.credentials, body)


def _comparable(value: object) -> object:
    return sorted(value) if isinstance(value, list | tuple) else value
