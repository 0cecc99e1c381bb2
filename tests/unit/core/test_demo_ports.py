"""The demo's ports, as its data folder keeps them."""

import json

import pytest

from penstock.core.demo_ports import demo_ports


def test_each_process_has_its_port() -> None:
    assert demo_ports(json.dumps({"platform": 9080, "mqtt": 18830})) == {"platform": 9080, "mqtt": 18830}


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"platform": "9080", "mqtt": 0, "gateway": true, "x": 65536}'])
def test_what_is_no_port_is_left_out(text: str) -> None:
    assert demo_ports(text) == {}
