"""What a lost link is called, and when a broker without our session is a gap."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from penstock.edge.driver import DriverContext
from penstock.edge.mqtt import driver as mqtt_driver
from penstock.edge.mqtt.config import MqttConnection
from penstock.edge.mqtt.driver import SESSION_LOST, MqttDriver
from penstock.edge.mqtt.session import Connected, MqttEvent, MqttSession
from penstock.edge.opcua.driver import OpcUaDriver
from penstock.edge.opcua.link import Link, LinkLost
from tests.builders.edge import MemorySink, device_file, driver_context

METER = """
version: 1
device: meter
connection: {driver: mqtt, broker: 'mqtt://127.0.0.1:1', topic: t}
tags:
  flow: {type: float64, source: {field: v}}
"""
PLC = """
version: 1
device: plc
connection: {driver: opcua, endpoint: 'opc.tcp://127.0.0.1:4840', security: 'none, I accept plain text'}
tags:
  flow: {type: float64, source: {node: 'ns=2;s=Flow'}}
"""


class Broker(MqttSession):
    """Stand in for the broker: the events that a test puts, then the end."""

    events: tuple[MqttEvent, ...] = ()

    def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def next_events(self, most: int) -> list[MqttEvent]:
        if not Broker.events:
            raise EOFError
        taken, Broker.events = list(Broker.events[:most]), ()
        return taken


async def gaps_after(monkeypatch: pytest.MonkeyPatch, context: DriverContext, *resumed: bool) -> list[str]:
    monkeypatch.setattr(mqtt_driver, "MqttSession", Broker)
    Broker.events = tuple(Connected(one, ()) for one in resumed)
    driver = MqttDriver(device_file(METER), context)
    with pytest.raises(EOFError):
        await driver.run()
    assert isinstance(context.sink, MemorySink)
    return [cause for cause, _ in context.sink.gaps]


async def test_first_connect_of_all_marks_no_gap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert await gaps_after(monkeypatch, driver_context(MemorySink(), tmp_path), False) == []


async def test_session_that_the_broker_lost_while_we_ran_is_a_gap(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context = driver_context(MemorySink(), tmp_path)
    assert await gaps_after(monkeypatch, context, False, True, False) == [SESSION_LOST]


async def test_session_that_the_broker_lost_while_we_were_down_is_a_gap(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context = driver_context(MemorySink(), tmp_path, heard_before=True)
    assert await gaps_after(monkeypatch, context, False) == [SESSION_LOST]


async def test_lost_session_is_told_though_the_connection_that_found_it_ended_before_the_suback() -> None:
    settings = device_file(METER).connection_as(MqttConnection)
    session = MqttSession(settings, ["t"], client_id="c", credentials=None)
    client: Any = SimpleNamespace(subscribe=lambda _topics: (0, 7))
    good: Any = SimpleNamespace(is_failure=False)

    def connack(*, present: bool) -> None:
        session._on_connect(client, None, SimpleNamespace(session_present=present), good, None)

    connack(present=False)
    connack(present=True)
    session._on_subscribe(client, None, 7, [good], None)
    connack(present=True)
    session._on_subscribe(client, None, 7, [good], None)
    told = [event.resumed for event in session._events if isinstance(event, Connected)]
    assert told == [False, True]


@pytest.mark.parametrize(("error", "why"), [(TimeoutError(), "TimeoutError"), (OSError("reset"), "reset")])
async def test_lost_link_names_the_address_once_and_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, why: str
) -> None:
    async def lost(self: Link) -> None:
        await self.on_ready([])
        await self._on_connection_lost(error)
        raise LinkLost(self._loss)

    monkeypatch.setattr(Link, "run", lost)
    sink = MemorySink()
    await OpcUaDriver(device_file(PLC), driver_context(sink, tmp_path))._one_link()
    ((cause, _),) = sink.gaps
    assert cause == f"opc.tcp://127.0.0.1:4840: no answer any more ({why})"
