"""What a lost link is called, and when a broker without our session is a gap."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asyncua.ua import uaerrors

from penstock.edge.driver import Counters, DriverContext
from penstock.edge.mqtt import driver as mqtt_driver
from penstock.edge.mqtt.config import MqttConnection
from penstock.edge.mqtt.driver import SESSION_LOST, MqttDriver
from penstock.edge.mqtt.session import Connected, MqttEvent, MqttSession
from penstock.edge.opcua import recovery as r
from penstock.edge.opcua.config import OpcUaConnection
from penstock.edge.opcua.connection import Connection
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


errors: Any = uaerrors
FORGOTTEN: Exception = errors.BadSessionIdInvalid()
FULL: Exception = errors.BadTooManySessions()


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


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (OSError("reset"), r.Lost("opc.tcp://127.0.0.1:4840: reset")),
        (TimeoutError(), r.Lost("no answer from opc.tcp://127.0.0.1:4840 in time")),
        (ConnectionRefusedError(), r.Lost("nothing listens at opc.tcp://127.0.0.1:4840: is the server running?")),
        (FORGOTTEN, r.Lost(f"opc.tcp://127.0.0.1:4840: {FORGOTTEN}")),
        (FULL, r.Refused(f"opc.tcp://127.0.0.1:4840: {FULL}")),
    ],
)
async def test_failed_step_names_the_address_and_the_reason(tmp_path: Path, error: Exception, wanted: r.Input) -> None:
    device = device_file(PLC)
    settings = device.connection_as(OpcUaConnection)
    connection = Connection(device, settings, driver_context(MemorySink(), tmp_path), Counters(), lambda _why: None)

    async def step() -> r.Input:
        raise error

    assert await connection.attempt(step()) == wanted
