"""Asset types over the API: failure modes come out as they went in, and wrong ones are refused in words."""

from pathlib import Path
from typing import Any

import pytest

from penstock.sdk import AssetType
from tests.builders.platform_control import browser, furnish, running_platform

pytestmark = pytest.mark.integration

MODE: dict[str, Any] = {
    "part": "shaft seal",
    "description": "Seal leaks",
    "signs": {"leakage": "rises", "a.flow": "falls"},
    "action": "Replace it.",
    "notice_h": 24,
}
TYPE: dict[str, Any] = {
    "name": "pump",
    "properties": {
        "leakage": {"kind": "measurement", "unit": "l/h"},
        "a.flow": {"kind": "measurement"},
        "trip": {"kind": "measurement", "type": "string"},
        "rated": {"kind": "attribute"},
    },
    "failure_modes": {"seal-leak": MODE},
}


def changed(**parts: Any) -> dict[str, Any]:
    return TYPE | {"failure_modes": {"seal-leak": MODE | parts}}


async def test_failure_modes_go_in_and_come_out(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        async with browser(platform, house.tokens["engineer"]) as http:
            first = await http.post("/v1/asset-types", json=TYPE)
            again = await http.post("/v1/asset-types", json=TYPE)
            assert (first.status_code, again.status_code) == (201, 200), first.text
            await http.post("/v1/asset-types", json={"name": "plain", "properties": {}})
            listed = (await http.get("/v1/asset-types")).json()["items"]
            (got,) = [each for each in listed if each["name"] == "pump"]
            assert got == (await http.get("/v1/asset-types/pump")).json() == first.json()
            assert got["failure_modes"] == {"seal-leak": MODE}
            mode = AssetType.of(got).failure_modes["seal-leak"]
            assert mode.part == "shaft seal"
            assert list(mode.signs.items()) == [("leakage", "rises"), ("a.flow", "falls")]
            assert (await http.get("/v1/asset-types/plain")).json()["failure_modes"] == {}
            sensed = TYPE["properties"]["leakage"] | {"signal": "sensor"}
            same = await http.post(
                "/v1/asset-types", json=TYPE | {"properties": TYPE["properties"] | {"leakage": sensed}}
            )
            assert same.status_code == 200, "a sensor's is what goes without saying"
            asked = {"name": "valve", "properties": {"command": {"kind": "measurement", "signal": "demand"}}}
            assert (await http.post("/v1/asset-types", json=asked)).json()["properties"]["command"][
                "signal"
            ] == "demand"
            turned = await http.post("/v1/asset-types", json=changed(signs={"a.flow": "falls", "leakage": "rises"}))
            assert turned.status_code == 409


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        TYPE | {"properties": TYPE["properties"] | {"rated": {"kind": "attribute", "signal": "sensor"}}},
        "a measurement has",
    ),
    (
        TYPE | {"properties": {"leakage": {"kind": "measurement", "signal": "guess"}}},
        "'sensor', 'demand' or 'computed'",
    ),
    (changed(signs={"leak": "rises"}), "failure_modes.seal-leak.signs.leak: 'leak' is no property"),
    (changed(signs={"trip": "rises"}), "'trip' is a string"),
    (changed(signs={"rated": "rises"}), "'rated' is an attribute"),
    (changed(signs={"leakage": "up"}), "'rises', 'falls', 'departs' or 'unsteady'"),
    (changed(signs={}), "at least 1"),
    (changed(signs={f"s{n}": "rises" for n in range(33)}), "at most 32"),
    (changed(part=""), "at least 1 character"),
    (changed(part="a\nb"), "pattern"),
    (changed(action="x" * 1025), "at most 1024"),
    (changed(notice_h=0), "greater than 0"),
    (changed(notice_h=1e9), "less than or equal"),
    (changed(more=1), "Extra inputs"),
    (TYPE | {"failure_modes": {"Seal_leak": MODE}}, "pattern"),
    (TYPE | {"failure_modes": {f"m{n}": MODE for n in range(101)}}, "at most 100"),
]


async def test_what_is_wrong_is_refused_in_words(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as platform:
        house = furnish(platform, "north")
        async with browser(platform, house.tokens["engineer"]) as http:
            for body, says in REFUSED:
                refused = await http.post("/v1/asset-types", json=body)
                assert refused.status_code == 422, says
                assert says in refused.text
            assert (await http.get("/v1/asset-types")).json()["items"] == []
