"""The files of a new app: a manifest, a page, a test, a README."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from penstock.sdk.errors import ClientError
from penstock.sdk.manifest import MANIFEST_NAME

NAME = re.compile(r"[a-z][a-z0-9-]{1,40}")


class ScaffoldError(ClientError):
    """The app cannot be written; says why."""


MANIFEST = Template("""\
id: $id
name: $title
description: Newest values of the plant
port: 8083
scopes: []                                    # the app's own rights, for background work
user_scopes: ["assets:read", "samples:read"]  # the most that a person's token may do in this app
""")

MAIN = Template("""\
\"""$title: newest values of the plant, live, and the last quarter of an hour as a DataFrame.\"""

from nicegui import ui

from penstock.sdk import AsyncClient, Tag
from penstock.sdk.app import App, Context

app = App(__file__)
# On a phone's screen: long names take several lines, so that the columns after them are seen; times are left out.
TABLE = "w-full [&_td:first-child]:whitespace-normal [&_td:first-child]:[overflow-wrap:anywhere]"
NO_TIMES = "max-sm:[&_tr>*:nth-child(4)]:hidden"


@app.page("/")
async def index(ctx: Context) -> None:
    tags = [tag for tag in await ctx.client.tags.list(limit=100) if tag.type == "float64"]
    with ctx.frame("Newest values"):
        table = ui.table(rows=await newest(ctx.client, tags), column_defaults={"align": "left"})
        table.props("dense").classes(f"{TABLE} {NO_TIMES}")
        frame = (await ctx.client.samples(tags, start="15m-ago")).to_pandas()
        if len(frame):
            summary = frame.agg(["min", "mean", "max"]).T.round(2).reset_index(names="15 minutes")
            ui.table.from_pandas(summary, column_defaults={"align": "left"}).props("dense").classes(TABLE)

    async def follow() -> None:
        async for _ in ctx.client.stream(tags):
            table.rows = await newest(ctx.client, tags)

    ctx.task(follow(), name="live values")


async def newest(client: AsyncClient, tags: list[Tag]) -> list[dict[str, str]]:
    rows = []
    for tag, latest in zip(tags, await client.latest(tags), strict=True):
        value = "no value yet" if latest.value is None else f"{latest.value:.2f} {tag.unit or ''}"
        at = f"{latest.at:%H:%M:%S}" if latest.at else ""
        rows.append({"tag": tag.key, "value": value, "quality": latest.quality, "at (UTC)": at})
    return rows


if __name__ in {"__main__", "__mp_main__"}:
    app.run()
""")

TEST = Template("""\
import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from nicegui import ui
from nicegui.testing.user import User
from nicegui.testing.user_simulation import user_simulation

from penstock.sdk.testing import FakePlatform

MAIN = Path(__file__).with_name("main.py")


def test_the_page_shows_the_newest_value_and_follows_it() -> None:
    asyncio.run(look_at_the_page())


async def look_at_the_page() -> None:
    fake = FakePlatform()
    fake.add_asset("works/site/hall/line/pump-1", name="Pump 1")
    fake.add_tag("plc/flow", unit="m3/h", asset="works/site/hall/line/pump-1")
    fake.feed("plc/flow", [(time.time_ns(), 41.5)])
    with fake.in_place():
        async with user_simulation(main_file=MAIN) as user:
            await user.open("/")
            await user.should_see("Newest values")
            await until(lambda: "41.50 m3/h" in shown(user))
            fake.feed("plc/flow", [(time.time_ns(), 42.5)])
            await until(lambda: "42.50 m3/h" in shown(user))


def shown(user: User) -> list[object]:
    return [row.get("value") for table in user.find(ui.table).elements for row in table.rows]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.05)
""")

README = Template("""\
# $title

An app on Penstock. `app.yaml` says who it is and which rights it asks for; `main.py` is its page.

    penstock app run $id        # registers it, gives it a credential of its own, serves it
    python -m pytest $id        # tests it against a platform in the process

See the guide *Build an app*.
""")


def write_app(name: str, parent: Path) -> Path:
    """Write a new app into a folder of its name; nothing is overwritten."""
    if not NAME.fullmatch(name):
        message = f"{name!r} is not a name for an app: small letters, digits and '-', starting with a letter, 2 to 41"
        raise ScaffoldError(message)
    folder = parent / name
    if folder.exists():
        message = f"{folder} exists: choose another name, or remove it"
        raise ScaffoldError(message)
    words = {"id": name, "title": name.replace("-", " ").capitalize()}
    module = name.replace("-", "_")
    files = {MANIFEST_NAME: MANIFEST, "main.py": MAIN, f"test_{module}.py": TEST, "README.md": README}
    folder.mkdir(parents=True)
    for file, template in files.items():
        (folder / file).write_text(template.substitute(words), encoding="utf-8")
    return folder
