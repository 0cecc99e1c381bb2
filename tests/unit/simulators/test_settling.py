"""Devices are brought to what their files say, each on its own."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from penstock.core.device_file import DeviceFile
from penstock.simulators.settling import Settler
from tests.builders.simulators import SIGNALS_ONLY, parse


class Shop:
    """Takes devices in when their gate is open; notes the order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.refuse: set[str] = set()
        self.fail: set[str] = set()
        self.busy: set[str] = set()

    async def put_in(self, file: DeviceFile) -> None:
        assert file.device not in self.busy, "two steps of one device overlap"
        self.busy.add(file.device)
        if file.device in self.gates:
            await self.gates[file.device].wait()
        self.busy.discard(file.device)
        if file.device in self.fail:
            message = "out of range"
            raise ValueError(message)
        if file.device in self.refuse:
            message = "port is taken"
            raise file.error(message, "connection", "broker")
        self.done.append(f"{file.device}/{file.tags['level'].unit}")

    async def take_out(self, name: str) -> None:
        assert name not in self.busy, "two steps of one device overlap"
        self.done.append(f"-{name}")


def device(name: str, unit: str = "m") -> DeviceFile:
    return parse(SIGNALS_ONLY.replace("device: tank", f"device: {name}").replace("unit: m", f"unit: {unit}"))


def play(scene: Callable[[Settler, Shop], Awaitable[None]]) -> Shop:
    async def run() -> Shop:
        shop = Shop()
        settler = Settler(shop.put_in, shop.take_out)
        async with asyncio.TaskGroup() as group:
            settler.begin(group)
            await scene(settler, shop)
        return shop

    return asyncio.run(run())


async def idle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_device_that_takes_long_holds_no_other_back() -> None:
    async def scene(settler: Settler, shop: Shop) -> None:
        shop.gates["slow"] = asyncio.Event()
        settler.want("slow", device("slow"))
        settler.want("quick", device("quick"))
        await idle()
        assert shop.done == ["quick/m"]
        assert settler.starting() == ["slow"]
        shop.gates["slow"].set()
        await idle()
        assert settler.starting() == []

    assert play(scene).done == ["quick/m", "slow/m"]


def test_a_file_that_comes_meanwhile_is_taken_next_and_the_one_between_is_left_out() -> None:
    async def scene(settler: Settler, shop: Shop) -> None:
        shop.gates["tank"] = asyncio.Event()
        for unit in ("m", "cm", "mm"):
            settler.want("tank", device("tank", unit))
            await idle()
        shop.gates["tank"].set()

    assert play(scene).done == ["tank/m", "tank/mm"]


def test_a_device_that_goes_while_it_starts_is_taken_out_after() -> None:
    async def scene(settler: Settler, shop: Shop) -> None:
        shop.gates["tank"] = asyncio.Event()
        settler.want("tank", device("tank"))
        await idle()
        settler.want("tank", None)
        assert settler.starting() == []
        shop.gates["tank"].set()

    assert play(scene).done == ["tank/m", "-tank"]


def test_a_refused_device_says_why_and_is_tried_again() -> None:
    async def scene(settler: Settler, shop: Shop) -> None:
        shop.refuse.add("tank")
        settler.want("tank", device("tank"))
        await idle()
        assert "port is taken" in settler.errors["tank"]
        assert (settler.starting(), settler.refused()) == ([], ["tank"])
        settler.retry()
        await idle()
        assert shop.done == []
        shop.refuse.clear()
        settler.retry()
        await idle()
        assert (settler.errors, settler.refused()) == ({}, [])

    assert play(scene).done == ["tank/m"]


def test_a_refused_device_that_goes_leaves_no_error() -> None:
    async def scene(settler: Settler, shop: Shop) -> None:
        shop.refuse.add("tank")
        settler.want("tank", device("tank"))
        await idle()
        settler.want("tank", None)
        await idle()
        assert (settler.errors, settler.refused()) == ({}, [])

    assert play(scene).done == ["-tank"]


def test_an_error_that_nobody_foresaw_is_said_once_with_its_traceback_and_ends_no_other_device(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene(settler: Settler, shop: Shop) -> None:
        shop.fail.add("broken")
        settler.want("broken", device("broken"))
        settler.want("tank", device("tank"))
        await idle()
        settler.retry()
        await idle()
        assert "device 'broken' cannot be served: ValueError: out of range" in settler.errors["broken"]
        assert settler.refused() == ["broken"]

    assert play(scene).done == ["tank/m"]
    assert sum(record.exc_info is not None for record in caplog.records) == 1
