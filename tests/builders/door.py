"""Talk to the ingest door of a running platform and read back what it took."""

import secrets
from collections.abc import Callable
from typing import Any

import httpx

from penstock.core.values import ValueType
from tests.builders.ingest import WireGateway, dictionary_frame, entry

Make = Callable[[], WireGateway]


def prefix() -> str:
    return f"plc-{secrets.token_hex(4)}"


def introduce(gateway: WireGateway, *types: ValueType) -> list[str]:
    device = prefix()
    entries = [entry(index, f"{device}/t{index}", type) for index, type in enumerate(types or (ValueType.FLOAT64,))]
    answer = gateway.send(dictionary_frame(gateway.epoch, entries))
    assert answer.status_code == 200, answer.text
    return [each.key for each in entries]


def tag_id(operator: httpx.Client, key: str) -> int:
    [item] = operator.get("/v1/tags", params={"key": key}).json()["items"]
    return int(item["id"])


def read_all(operator: httpx.Client, *tags: int) -> list[tuple[int, str, Any, int]]:
    rows: list[tuple[int, str, Any, int]] = []
    params: dict[str, Any] = {"tag": tags, "start": "0", "end": str(2**62), "limit": 1000}
    while True:
        page = operator.get("/v1/samples", params=params).raise_for_status().json()
        columns = page["columns"]
        rows += zip(columns["tag"], columns["time"], columns["value"], columns["status"], strict=True)
        if page["next"] is None:
            return rows
        params["cursor"] = page["next"]


def problem(answer: httpx.Response) -> str:
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    return str(answer.json()["type"]).rsplit("/", 1)[-1]
