"""One platform process for the tests of the door; each test enrols gateways of its own."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.builders import web
from tests.builders.ingest import WireGateway
from tests.builders.stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("platform")
    (folder / "plant").mkdir()
    stack = Stack(folder, folder / "plant")
    try:
        stack.start("platform")
        yield stack
    finally:
        stack.close()


@pytest.fixture(scope="module")
def operator(stack: Stack) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {stack.operator_token()}"}
    with web.Client(base_url=stack.url("platform"), headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
def make_gateway(stack: Stack, operator: httpx.Client) -> Iterator[Callable[[], WireGateway]]:
    with web.Client(timeout=30) as http:

        def make() -> WireGateway:
            name = f"edge-{secrets.token_hex(4)}"
            answer = operator.post("/v1/gateways/enrol-tokens", json={"name": name, "expires_s": 600})
            assert answer.status_code == 201, answer.text
            gateway = WireGateway(stack.url("platform"), name, http)
            gateway.enrol(answer.json()["token"])
            return gateway

        yield make
