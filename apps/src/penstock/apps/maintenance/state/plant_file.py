"""What to write into plant.yaml, for an asset that stands there: the platform changes none of its attributes."""

from __future__ import annotations

import json
from collections.abc import Mapping

from nicegui import ui

from penstock.apps.house.widgets import answer_of
from penstock.sdk.models import Asset

OF_PLANT_FILE = "owned-by-plant-file"
"""The platform's name of the problem."""


def attributes_text(attributes: Mapping[str, object]) -> str:
    """Write attributes as a line of an asset in plant.yaml; those without a value are left out."""
    given = {name: value for name, value in attributes.items() if value is not None}
    return f"attributes: {{{', '.join(f'{n}: {json.dumps(v, ensure_ascii=False)}' for n, v in given.items())}}}"


async def tell_plant_file(asset: Asset, line: str) -> None:
    """Show the line to write, ready to copy."""
    with ui.dialog() as dialog, ui.card().classes("ps-dialog ps-narrow"):
        ui.label("Name the stretch in plant.yaml").classes("ps-name")
        ui.label(
            f"{asset.name or asset.path} stands in that file, which alone can change it. Write this line under "
            f"{asset.path}, in place of the attributes it has there; the file is read at once."
        ).classes("ps-long")
        ui.label(line).classes("ps-code").mark("plant-line")
        with ui.row().classes("w-full justify-end"):
            ui.button("Copy", on_click=lambda: ui.clipboard.write(line)).props("flat no-caps")
            ui.button("Close", on_click=lambda: dialog.submit(None)).props("unelevated no-caps")
    await answer_of(dialog)
