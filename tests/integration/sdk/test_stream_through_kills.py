"""The platform is killed while an app follows it: after each restart the stream goes on, without hole or repeat."""

import asyncio
import time
from pathlib import Path

import pytest

from penstock.sdk import AsyncClient, Backoff
from tests.builders.sdk import PUMP, S, real_platform, register_calc

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
KILLS = 2
VALUES = 150


async def test_stream_has_every_value_once_though_the_platform_is_killed(tmp_path: Path) -> None:
    with real_platform(tmp_path) as stack:
        url, credentials = stack.url("platform"), register_calc(stack)
        patient = Backoff(attempts=200, first_s=0.1, max_s=0.5)
        async with (
            AsyncClient(url, credentials=credentials, backoff=patient) as writer,
            AsyncClient(url, credentials=credentials, backoff=patient) as reader,
        ):
            tag = await writer.declare_tag(asset=PUMP, property="counter", type="int64")
            seen: list[object] = []
            reconnects = 0

            async def follow() -> None:
                nonlocal reconnects
                async for batch in reader.stream(tag, cursor=0):
                    seen.extend(s.value for s in batch.samples)
                    reconnects = batch.reconnects
                    if len(seen) >= VALUES:
                        return

            async def write() -> None:
                start = time.time_ns() - 3600 * S
                for number in range(VALUES):
                    await writer.write(tag, [(start + number * S, number)])

            async def kill() -> None:
                for done in range(1, KILLS + 1):
                    while len(seen) < done * VALUES // (KILLS + 1):  # noqa: ASYNC110 - a list is watched
                        await asyncio.sleep(0.02)
                    await asyncio.to_thread(stack.kill, "platform")
                    await asyncio.to_thread(stack.start, "platform")

            async with asyncio.timeout(150), asyncio.TaskGroup() as tasks:
                tasks.create_task(follow())
                tasks.create_task(write())
                tasks.create_task(kill())
    assert seen == list(range(VALUES))
    assert reconnects >= KILLS
