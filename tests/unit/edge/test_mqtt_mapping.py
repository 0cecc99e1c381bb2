"""Mapping of MQTT payloads: what is junk is rejected by name, what is beside it goes through."""

import json

import pytest

from penstock.core.errors import ConfigError
from penstock.edge.mqtt.config import MqttConnection
from penstock.edge.mqtt.mapping import PAYLOAD_MAX_BYTES, Mapped, Mapping
from tests.builders.edge import device_file

HEAD = "version: 1\ndevice: sensor\nconnection:\n  driver: mqtt\n  broker: mqtt://127.0.0.1:1883\n"
NESTED = HEAD + (
    "  topic: t\n  time_field: at\n"
    "tags:\n"
    "  rms: {type: float64, source: {field: bearing.rms}}\n"
    "  speed: {type: float64, source: {field: speed, quality_field: q}}\n"
)
PLAIN = HEAD + "tags:\n  level: {type: float64, source: {topic: t}}\n"


def mapping(text: str) -> Mapping:
    device = device_file(text)
    return Mapping(device, device.connection_as(MqttConnection))


def apply(text: str, payload: object) -> Mapped:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return mapping(text).apply("t", body, size=len(body))


def test_dotted_fields_time_and_quality_are_taken() -> None:
    mapped = apply(
        NESTED, {"at": "2026-11-23T04:00:00.000000001Z", "bearing": {"rms": 0.1}, "speed": 2, "q": "uncertain"}
    )
    assert [(r.tag, r.time_ns, r.status, r.raw) for r in mapped.readings] == [
        ("rms", 1795406400000000001, 0, 0.1),
        ("speed", 1795406400000000001, 0x40000000, 2),
    ]
    assert mapped.rejects == ()


def test_epoch_numbers_keep_their_nanoseconds() -> None:
    mapped = apply(NESTED, b'{"at": 1795406400.123456789, "bearing": {"rms": 1}, "speed": 1, "q": 0}')
    assert {reading.time_ns for reading in mapped.readings} == {1795406400123456789}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{not json", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 5000, "is not JSON"),
        (b"x" * (PAYLOAD_MAX_BYTES + 1), "at most"),
        (b"1" * 60_000, "is not JSON"),
    ],
)
def test_unreadable_payload_is_one_reject_with_an_excerpt(payload: bytes, reason: str) -> None:
    mapped = apply(NESTED, payload)
    assert mapped.readings == ()
    (reject,) = mapped.rejects
    assert reason in reject.reason
    assert 0 < len(reject.excerpt) <= 120


def test_megabyte_is_rejected_by_its_size() -> None:
    (reject,) = mapping(NESTED).apply("t", b"x" * 100, size=1_048_576).rejects
    assert "1048576 bytes" in reject.reason


def test_missing_field_rejects_only_its_tag() -> None:
    mapped = apply(NESTED, {"at": 1, "speed": 5.5, "q": "good"})
    assert [reading.tag for reading in mapped.readings] == ["speed"]
    assert [(reject.tag, "bearing.rms is missing" in reject.reason) for reject in mapped.rejects] == [("rms", True)]


@pytest.mark.parametrize("stamp", [True, None, "yesterday", float("inf"), -1, 1e30, [1]])
def test_senseless_time_is_rejected(stamp: object) -> None:
    mapped = apply(NESTED, {"at": stamp, "bearing": {"rms": 1}, "speed": 1, "q": 0})
    assert mapped.readings == ()
    assert len(mapped.rejects) == 2


@pytest.mark.parametrize("word", ["fine", None, True, 1.5, 2**32])
def test_senseless_quality_is_rejected(word: object) -> None:
    mapped = apply(NESTED, {"at": 1, "bearing": {"rms": 1}, "speed": 1, "q": word})
    assert [reading.tag for reading in mapped.readings] == ["rms"]
    assert [reject.tag for reject in mapped.rejects] == ["speed"]


@pytest.mark.parametrize(("payload", "raw"), [(b"21.5", 21.5), (b'"open"', "open"), (b"open", "open"), (b"true", True)])
def test_payload_itself_is_the_value(payload: bytes, raw: object) -> None:
    (reading,) = apply(PLAIN, payload).readings
    assert (reading.raw, reading.time_ns) == (raw, None)


@pytest.mark.parametrize("topic", ["", "  topic: a/+/b\n", "  topic: a/#\n"])
def test_topic_must_be_given_and_plain(topic: str) -> None:
    text = HEAD + topic + "tags:\n  level: {type: float64}\n"
    with pytest.raises(ConfigError, match=r"tags\.level\.source\.topic: the topic (is missing|has wildcards)"):
        mapping(text)


@pytest.mark.parametrize("broker", ["127.0.0.1:1883", "http://host", "mqtt://", "mqtt://host:port", "mqtt://u:p@host"])
def test_broker_address_is_checked(broker: str) -> None:
    text = f"version: 1\ndevice: s\nconnection: {{driver: mqtt, broker: '{broker}', topic: t}}\n"
    text += "tags: {a: {type: bool}}"
    with pytest.raises(ConfigError, match=r"connection\.broker"):
        mapping(text)
