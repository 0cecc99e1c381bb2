"""A deadband from the broker to the ledger: what is left out is counted, through a kill of the gateway."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.builders import web
from tests.builders.edge import Publisher, nats_server, started
from tests.builders.gateway import GatewayProcess, wait_until
from tests.builders.platform_process import BEGIN_MS, METER, PlatformProcess, read_back

pytestmark = [pytest.mark.integration, pytest.mark.full]
SPAN = {"start": str(BEGIN_MS * 1_000_000), "end": str((BEGIN_MS + 1_000) * 1_000_000)}
THINNED_METER = METER.replace("field: v}}", "field: v}}, deadband: {{absolute: 5}}")


def begin(gateway: GatewayProcess) -> None:
    gateway.start()
    wait_until(
        lambda: gateway.health()["devices"].get("meter", {}).get("state") == "connected", "the meter is connected"
    )


def publish(port: int, first: int, count: int) -> None:
    values = (json.dumps({"v": float(n % 3), "ts": BEGIN_MS + n}) for n in range(first, first + count))
    Publisher(port).publish("plant/meter", *values)


@pytest.mark.timeout(240)
def test_what_a_deadband_left_out_is_counted_and_the_rest_is_safely_stored(
    platform: PlatformProcess, gateway: GatewayProcess, tmp_path: Path
) -> None:
    broker = nats_server(tmp_path / "broker")
    with started(broker):
        gateway.device("meter", THINNED_METER.format(port=broker.port))
        begin(gateway)
        publish(broker.port, 0, 50)
        wait_until(lambda: gateway.health()["intake"]["thinned"] == 49, "thinned")
        assert "penstock_gateway_thinned_total 49.0" in web.get(f"{health_url(gateway)}/metrics", timeout=10).text
        Publisher(broker.port).publish("plant/meter", json.dumps({"v": 100.0, "ts": BEGIN_MS + 50}))
        wait_until(lambda: is_delivered(gateway, batches=2), "stored, so all before it is acknowledged to the broker")
        gateway.kill()
        begin(gateway)
        publish(broker.port, 51, 10)
        wait_until(lambda: gateway.health()["intake"]["thinned"] == 9, "the first value passes after a start")
        gateway.stop()  # tells what is not told yet
        begin(gateway)
        wait_until(lambda: is_delivered(gateway, batches=0), "all delivered")
        ask = partial(asked, platform.url, platform.token())
        (told,) = ask("tags", key="meter/flow", **SPAN)["items"]
        assert (told["stored"], told["thinned"]) == (3, 58)
        assert [cause["cause"] for cause in told["causes"] if cause["kind"] == "thinned"] == ["deadband of 5"]
        (whole,) = ask("thinned")["items"]
        assert (whole["key"], whole["count"]) == ("meter/flow", 58), "counted before the kill and after it"
        assert read_back(platform) == [0, 0, 100]
        said = wait_until(lambda: safe_now(ask), "the gateway states its journal")
    assert "Yes: the data of device meter is safely stored" in said["text"]
    assert said["gateways"][0]["waiting_batches"] == 0
    platform.stop()


def health_url(gateway: GatewayProcess) -> str:
    return f"http://127.0.0.1:{gateway.port}"


def is_delivered(gateway: GatewayProcess, *, batches: int) -> bool:
    """Say whether so many batches were journalled since the start, and none waits."""
    health = gateway.health()
    return bool(health["journal"]["batches"] >= batches and health["uplink"]["pending_batches"] == 0)


def asked(url: str, token: str, what: str, **query: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    answer = web.get(f"{url}/v1/ledger/{what}", params=query, headers=headers, timeout=30)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def safe_now(ask: Callable[..., dict[str, Any]]) -> dict[str, Any] | None:
    """Ask up to a second ago: only a statement can make that a yes, for nothing is being measured."""
    said = ask("safe", device="meter", at="1s-ago")
    return said if said["answer"] == "yes" else None
