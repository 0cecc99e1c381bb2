"""The monitoring app's shell and navigation."""

from __future__ import annotations

from contextlib import AbstractContextManager

from penstock.apps.house.shell import Place, Shell, shell
from penstock.sdk.app import Context

APP_WORD = "Monitoring"
PLACES = (
    Place("Plant", "/"),
    Place("Alarms", "/alarms"),
    Place("Delivery", "/delivery"),
    Place("Gateways", "/gateways"),
)


def frame(ctx: Context, *, here: str, title: str) -> AbstractContextManager[Shell]:
    """Lay out a page of this app."""
    return shell(ctx, app_word=APP_WORD, places=PLACES, here=here, title=title)
