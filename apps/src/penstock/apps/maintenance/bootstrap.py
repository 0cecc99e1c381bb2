"""Build the app: the worker in the background, its pages in front."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from penstock.apps.house.absent import say_absent_pages
from penstock.apps.maintenance import asset_page, fleet_page, model_page
from penstock.apps.maintenance.frame import APP_WORD, PLACES
from penstock.apps.maintenance.orders import page as orders_page
from penstock.apps.maintenance.orders.book import OrderBook
from penstock.apps.maintenance.settings import MaintenanceSettings
from penstock.apps.maintenance.state import machine_model
from penstock.apps.maintenance.state import page as models_page
from penstock.apps.maintenance.worker import Fleet
from penstock.core.settings import settings_of, unknown_settings
from penstock.sdk.app import App, AppSettings, Context
from penstock.sdk.async_client import AsyncClient

log = logging.getLogger("penstock.apps.maintenance")


def build(settings: AppSettings | None = None, maintenance: MaintenanceSettings | None = None) -> App:
    """Give the app with its worker and pages registered, not yet served."""
    app = App(Path(__file__).with_name("app.yaml"), settings=settings)
    folder = app.settings.data_of(app.manifest)
    book = OrderBook(folder / "orders")
    fleet = Fleet(maintenance or settings_of(MaintenanceSettings), folder, book=book)

    @app.task
    async def health(client: AsyncClient) -> None:
        await fleet.run(client)

    @app.page("/asset/{asset_id}")
    async def asset(ctx: Context, asset_id: str) -> None:
        await asset_page.page(ctx, fleet, book, asset_id)

    @app.page("/orders")
    async def orders(ctx: Context) -> None:
        await orders_page.page(ctx, book)

    @app.page("/")
    async def overview(ctx: Context) -> None:
        await fleet_page.page(ctx, fleet, book)

    @app.page("/models/{asset_id}")
    async def machine_model_of(ctx: Context, asset_id: str) -> None:
        await machine_model.page(ctx, fleet, book, asset_id)

    @app.page("/models")
    async def models(ctx: Context) -> None:
        await models_page.page(ctx, fleet, book)

    @app.page("/model")
    async def model(ctx: Context) -> None:
        await model_page.page(ctx, fleet)

    say_absent_pages(APP_WORD, PLACES)
    return app


def main() -> None:
    """Serve until stopped."""
    if unknown := unknown_settings(MaintenanceSettings, os.environ):
        log.warning("%s", unknown)
    build().run()
