"""What a page gets: the person's client, the app's client, and the page's own tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from nicegui import background_tasks, ui

from penstock.sdk.app.theme import Theme, frame
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.models import Me


@dataclass(frozen=True, slots=True)
class Context:
    """One page shown to one person.

    `client` acts with the person's rights and name (acknowledge with it); `background` is the app's own.
    """

    client: AsyncClient
    background: AsyncClient
    me: Me
    theme: Theme
    app_name: str
    platform_url: str

    def can(self, scope: str) -> bool:
        """Say whether the person's token holds a scope, for showing or hiding what it allows."""
        return scope in self.me.scopes

    def frame(self, title: str = "") -> AbstractContextManager[None]:
        """Lay out the page in house style; fill it inside the `with`."""
        return frame(
            self.theme, app_name=self.app_name, title=title, person=self.me.name or "", platform_url=self.platform_url
        )

    def task(self, work: Coroutine[Any, Any, None], *, name: str = "page task") -> asyncio.Task[None]:
        """Run a coroutine as long as this page lives (a live stream, say); errors are shown on the page."""
        page = ui.context.client
        slot = ui.context.slot

        async def shown() -> None:
            with slot:
                try:
                    await work
                except Exception as failed:
                    if self.client.transport.http.is_closed:
                        return  # logged out while the page was open
                    if not page.is_deleted:
                        ui.notify(f"{name} stopped: {failed}", type="negative", timeout=0, close_button=True)
                    raise

        task = background_tasks.create(shown(), name=name)
        page.on_delete(lambda: task.cancel())
        return task
