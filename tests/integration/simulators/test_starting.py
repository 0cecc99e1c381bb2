"""What the simulators do while devices come up: others go on, and health says who is missing."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from penstock.core.device_file import DeviceFile
from penstock.simulators.emission import Emission
from penstock.simulators.runner import Runner
from penstock.simulators.servers.opcua import PLAIN
from penstock.simulators.settings import SimSettings
from penstock.simulators.wires import Wire, Wires
from tests.builders.ports import free_port
from tests.builders.simulators import SIGNALS_ONLY, opcua_device, plant_folder, until

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


class NotedWire:
    def __init__(self, device: str, events: list[str]) -> None:
        self._device, self._events = device, events
        self.keeps = False

    async def cut(self, *, dead: bool) -> None:
        assert not dead

    async def offer(self, emissions: Sequence[Emission], ranges: Sequence[tuple[int, int]]) -> None:
        self._events.append(self._device)

    async def close(self) -> None:
        self._events.append(f"-{self._device}")

    def status(self) -> dict[str, Any]:
        return {}


class HeldWires(Wires):
    """Opens OPC UA when the test says so."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            data=folder, trust=folder / "trust", opcua_host="127.0.0.1", mqtt_credentials=None, ledger=None
        )
        self.events: list[str] = []
        self.asked: list[str] = []
        self.gate = asyncio.Event()

    async def open(self, file: DeviceFile) -> Wire:
        self.asked.append(file.device)
        if file.connection.driver == "opcua":
            await self.gate.wait()
        return NotedWire(file.device, self.events)


async def test_mqtt_devices_emit_while_opcua_servers_come_up_and_health_counts_those(tmp_path: Path) -> None:
    plcs = {f"a-plc-{i}": opcua_device(4840 + i, device=f"a-plc-{i}") for i in range(6)}
    plant = plant_folder(tmp_path / "plant", **plcs, tank=SIGNALS_ONLY)
    for path in (plant / "devices").iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    wires = HeldWires(tmp_path / "data")
    runner = Runner(SimSettings(plant=plant, data=tmp_path / "data"), {}, wires)
    assert runner.health()["status"] == "starting", "nothing was looked at yet"
    running = asyncio.create_task(runner.run())
    try:
        await until(lambda: wires.events.count("tank") > 2, "the MQTT device emits")
        assert set(wires.events) == {"tank"}
        assert len(wires.asked) == 7
        health = runner.health()
        assert health["status"] == "starting"
        assert health["devices"] == {"serving": 1, "wanted": 7}
        assert health["starting"] == sorted(plcs)
        wires.gate.set()
        await until(lambda: set(wires.events) == {"tank", *plcs}, "all emit")
        assert runner.health() == {
            "status": "ok", "devices": {"serving": 7, "wanted": 7}, "starting": [], "problems": [],
        }  # fmt: skip
        (plant / "devices" / "a-plc-0.yaml").unlink()
        await until(lambda: "-a-plc-0" in wires.events, "one goes")
        assert runner.health()["devices"] == {"serving": 6, "wanted": 6}
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_a_file_that_only_the_simulators_refuse_makes_their_health_degraded_until_it_is_mended(
    tmp_path: Path,
) -> None:
    wrong = SIGNALS_ONLY.replace("{kind: sine, amplitude: 1, period_s: 60}", "{kind: formula, expression: sinus(t)}")
    plant = plant_folder(tmp_path / "plant", tank=wrong)
    wires = HeldWires(tmp_path / "data")
    runner = Runner(SimSettings(plant=plant, data=tmp_path / "data"), {}, wires)
    running = asyncio.create_task(runner.run())
    try:
        await until(lambda: runner.health()["status"] == "degraded", "the file is refused")
        health = runner.health()
        assert (health["devices"], health["starting"]) == ({"serving": 0, "wanted": 1}, [])
        (problem,) = health["problems"]
        assert "tank.yaml:5: tags.level.signal.expression: no such function; a formula has: sin" in problem
        plant_folder(plant, tank=wrong.replace("sinus(t)", '"1 / (fills - fills)"'))
        await until(lambda: "has no value: " in "".join(runner.health()["problems"]), "the formula is named", 60)
        plant_folder(plant, tank=SIGNALS_ONLY)
        await until(lambda: runner.health()["status"] == "ok", "mended", 60)
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_devices_that_cannot_be_served_are_told_and_end_nothing(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(2)]
    mended = opcua_device(ports[0], device="twice", security=PLAIN)
    plant = plant_folder(
        tmp_path / "plant",
        beyond=opcua_device(70_000, device="beyond"),
        twice=mended.replace("node: Count", "node: Level"),
        good=opcua_device(ports[0], device="good", security=PLAIN),
        other=opcua_device(ports[1], device="other", security=PLAIN),
    )
    runner = Runner(SimSettings(plant=plant, data=tmp_path / "data"), {})
    running = asyncio.create_task(runner.run())
    try:
        await until(lambda: runner.health()["devices"]["serving"] == 2, "two are served", 30)
        await until(lambda: len(runner.health()["problems"]) == 2, "two are told", 30)
        told = "\n".join(runner.health()["problems"])
        assert "beyond.yaml:5: connection.endpoint: 'opc.tcp://127.0.0.1:70000' is no OPC UA address" in told
        assert "twice.yaml:10: tags.count.source.node: node 'Level' is already there on this endpoint; give" in told
        plant_folder(plant, twice=mended)
        await until(lambda: runner.health()["devices"]["serving"] == 3, "the mended one joins", 30)
        assert not running.done()
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
