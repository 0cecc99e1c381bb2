"""Build the app: one page a module."""

from __future__ import annotations

from pathlib import Path

from penstock.apps.house.absent import say_absent_pages
from penstock.apps.monitoring import alarms, asset, delivery, gateways, overview
from penstock.apps.monitoring.frame import APP_WORD, PLACES
from penstock.sdk.app import App, AppSettings


def build(settings: AppSettings | None = None) -> App:
    """Give the app with its pages registered, not yet served."""
    app = App(Path(__file__).with_name("app.yaml"), settings=settings)
    app.page("/")(overview.page)
    app.page("/asset/{asset_id}")(asset.page)
    app.page("/alarms")(alarms.page)
    app.page("/delivery")(delivery.page)
    app.page("/gateways")(gateways.page)
    say_absent_pages(APP_WORD, PLACES)
    return app


def main() -> None:
    """Serve until stopped."""
    build().run()
