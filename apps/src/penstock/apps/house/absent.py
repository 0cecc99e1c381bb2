"""What a person sees at an address where the app has no page."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request, Response
from nicegui import Client, ui
from nicegui import app as nicegui_app
from nicegui.page import page

from penstock.apps.house.shell import Place, bar
from penstock.apps.house.widgets import card, empty
from penstock.sdk.app import Theme

ABSENT = 404


def say_absent_pages(app_word: str, places: Sequence[Place]) -> None:
    """Answer addresses without a page in words, within the bar of the app; nothing of the plant is shown."""
    others = nicegui_app.exception_handlers[ABSENT]

    async def absent(request: Request, failed: Exception) -> Response:
        if request.scope.get("endpoint") is not None:  # a route that says so itself, such as a file's
            answer = others(request, failed)
            return answer if isinstance(answer, Response) else await answer
        with Client(page(""), request=request) as client:
            Theme().apply()
            ui.page_title(f"No such page · Penstock {app_word}")
            with bar(app_word, places):
                pass
            with ui.element("main").classes("ps-page"), card():
                empty("search_off", "There is no such page", "The address is mistyped, or the link is old.")
                ui.link(f"To {places[0].name}", places[0].href).classes("ps-go self-center")
        return client.build_response(request, ABSENT)

    nicegui_app.add_exception_handler(ABSENT, absent)
