"""A device's address is judged when its file is read, so that every reader of the file says the same of it."""

import pytest

from penstock.core.device_address import MQTT, OPCUA
from penstock.core.errors import ConfigError
from tests.builders.core import PUMP, make_device

ENDPOINT = "${PENSTOCK_OPCUA_PUMP:-opc.tcp://127.0.0.1:4840}"
OPCUA_FORM, MQTT_FORM = "write opc.tcp://host:port", "write mqtt://host:port"


@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        ("opc.tcp://127.0.0.1:70000", "its port is no number from 1 to 65535; "),
        ("opc.tcp://127.0.0.1:0", "its port is no number from 1 to 65535; "),
        ("opc.tcp://127.0.0.1:-1", "its port is no number from 1 to 65535; "),
        ("opc.tcp://127.0.0.1:abc", "its port is no number from 1 to 65535; "),
        ("opc.tcp://127.0.0.1", "it has no port; "),
        ("opc.tcp://127.0.0.1:", "it has no port; "),
        ("opc.tcp://[::1", "an IPv6 host stands in brackets, as in [::1]; "),
        ("opc.tcp://:4840", "'' is no host; "),
        ("opc.tcp://a..b:4840", "'a..b' is no host; "),
        ("opc.tcp://a b:4840", "'a b' is no host; "),
        ("opc.tcp:127.0.0.1:4840", ""),
        ("foo://x", ""),
        ("", ""),
    ],
)
def test_a_wrong_endpoint_is_refused_with_file_line_and_what_to_write(endpoint: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_device(PUMP.replace(ENDPOINT, repr(endpoint)))
    told = f"devices/pump.yaml:6: connection.endpoint: {endpoint!r} is no OPC UA address: {says}{OPCUA_FORM}"
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("broker", "says"),
    [
        ("mqtt://127.0.0.1:99999", f"its port is no number from 1 to 65535; {MQTT_FORM}"),
        ("mqtt://127.0.0.1:abc", f"its port is no number from 1 to 65535; {MQTT_FORM}"),
        ("mqtts://[::1", f"an IPv6 host stands in brackets, as in [::1]; {MQTT_FORM}"),
        ("http://broker", MQTT_FORM),
    ],
)
def test_a_wrong_broker_is_refused_with_file_line_and_what_to_write(broker: str, says: str) -> None:
    text = PUMP.replace("driver: opcua", "driver: mqtt").replace(f"endpoint: {ENDPOINT}", f"broker: {broker!r}")
    for name in ("Flow", "Counter", "Running", "Mode"):
        text = text.replace(f"node: {name}", f"topic: {name}")
    with pytest.raises(ConfigError) as caught:
        make_device(text)
    assert str(caught.value) == f"devices/pump.yaml:6: connection.broker: {broker!r} is no broker address: {says}"


def test_a_password_in_a_wrong_address_is_not_repeated() -> None:
    told = MQTT.problem("mqtt://user:secret@broker:99999")
    assert told is not None
    assert "secret" not in told
    assert "credentials file" in told


@pytest.mark.parametrize("endpoint", ["opc.tcp://127.0.0.1:1", "opc.tcp://[::1]:65535/path", "opc.tcp://plc_1:4840"])
def test_a_right_endpoint_has_no_problem(endpoint: str) -> None:
    assert OPCUA.problem(endpoint) is None


@pytest.mark.parametrize("broker", ["mqtt://broker", "mqtt://[::1]", "mqtts://broker:8883"])
def test_a_right_broker_has_no_problem(broker: str) -> None:
    assert MQTT.problem(broker) is None


def test_the_address_of_a_foreign_driver_and_one_that_is_no_text_are_the_drivers_own_matter() -> None:
    foreign = make_device(PUMP.replace("driver: opcua", "driver: modbus").replace(ENDPOINT, "tty0"))
    assert foreign.connection.settings["endpoint"] == "tty0"
    assert make_device(PUMP.replace(ENDPOINT, "7")).connection.settings["endpoint"] == 7
