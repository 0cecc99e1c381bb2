"""Device files for load: any number of tags at a rate, for tests and benchmarks."""

from __future__ import annotations

from typing import Any

import yaml

MADE_BY = "# made by: penstock sim load\n"


def load_device_file(
    *, device: str, tags: int, rate_hz: float, driver: str, port: int = 4850, security: str | None = None
) -> str:
    """Give the text of a device file with a tag `count` that rises by one a reading and `tags` − 1 doubles.

    `rate_hz` readings a second of every tag; over MQTT all tags go in one message.
    """
    connection: dict[str, Any] = {"driver": driver}
    if driver == "opcua":
        connection |= {
            "endpoint": f"opc.tcp://${{PENSTOCK_PLANT_HOST:-127.0.0.1}}:{port}",
            "namespace": f"urn:penstock:sim:{device}",
            "security": security or "Basic256Sha256/SignAndEncrypt",
            "publishing_ms": 200,
            "sampling_ms": max(1, int(1000 / rate_hz / 2)),
        }
    else:
        connection |= {
            "broker": "${PENSTOCK_MQTT_URL:-mqtt://127.0.0.1:18830}",
            "topic": f"plant/load/{device}",
            "time_field": "time",
            "qos": 1,
        }
    names = ["count", *(f"v{number:05d}" for number in range(1, tags))]
    return MADE_BY + yaml.safe_dump(
        {
            "version": 1,
            "device": device,
            "description": f"Load: {tags} tags at {rate_hz:g} Hz",
            "connection": connection,
            "simulate": {"model": "load", "seed": 1},
            "tags": {name: _tag(name, driver, rate_hz) for name in names},
        },
        sort_keys=False,
        width=200,
    )


def _tag(name: str, driver: str, rate_hz: float) -> dict[str, Any]:
    output, kind = ("count", "int64") if name == "count" else ("value", "float64")
    source = {"node": name} if driver == "opcua" else {"field": name}
    return {"type": kind, "source": source, "signal": {"output": output}, "rate_hz": rate_hz}
