"""What is refused or set aside at the door is counted where an operator looks, and other gateways go on."""

import re
import secrets
import socket
from collections.abc import Callable

import httpx
import pytest

from tests.builders import web
from tests.builders.ingest import ARRIVAL_NS, FRAMES, WireGateway, batch_frame, dictionary_frame, entry, float_columns
from tests.builders.stack import Stack, wait_for

pytestmark = pytest.mark.integration
Make = Callable[[], WireGateway]


def metric(stack: Stack, name: str) -> float:
    lines = web.get(stack.url("platform") + "/metrics", timeout=10).text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


def introduced(gateway: WireGateway) -> WireGateway:
    entries = [entry(0, f"plc-{secrets.token_hex(4)}/flow")]
    assert gateway.send(dictionary_frame(gateway.epoch, entries)).status_code == 200
    return gateway


def batch(gateway: WireGateway, seq: int, value: float) -> bytes:
    return batch_frame(gateway.epoch, seq, float_columns([0], [ARRIVAL_NS + seq], [value]))


def test_a_broken_crc_is_said_and_counted_and_the_other_gateway_goes_on(make_gateway: Make, stack: Stack) -> None:
    gateway, other = introduced(make_gateway()), introduced(make_gateway())
    before = metric(stack, "penstock_ingest_corrupt_total")
    broken = bytearray(batch(gateway, 1, 1.0))
    broken[-1] ^= 1
    refused = gateway.send(bytes(broken))
    assert (refused.status_code, refused.json()["type"].rsplit("/", 1)[-1]) == (400, "frame-corrupt")
    assert re.fullmatch(r"frame at byte 0: CRC is \w{8}, stated \w{8}; send it again", refused.json()["detail"])
    assert metric(stack, "penstock_ingest_corrupt_total") == before + 1
    assert other.send(batch(other, 1, 1.0)).json()["committed"] == 1
    assert gateway.send(batch(gateway, 1, 1.0)).json()["committed"] == 1


def test_a_seq_with_other_content_is_counted_kept_and_listed(
    make_gateway: Make, stack: Stack, operator: httpx.Client
) -> None:
    gateway = introduced(make_gateway())
    before = metric(stack, "penstock_historian_quarantined_batches_total")
    assert gateway.send(batch(gateway, 1, 1.0)).json()["committed"] == 1
    told = gateway.send(batch(gateway, 1, 2.0), batch(gateway, 2, 3.0)).json()
    assert told["quarantined"] == [{"seq": 1, "reason": "seq-conflict"}]
    assert told["watermark"] == 2, "the batch behind it is taken"
    assert metric(stack, "penstock_historian_quarantined_batches_total") == before + 1
    listed = operator.get("/v1/ledger/quarantine").json()["items"]
    [kept] = [item for item in listed if item["epoch"] == gateway.epoch]
    assert (kept["reason"], kept["seq"]) == ("seq-conflict", 1)


def test_an_unknown_gateway_is_told_so_and_nothing_is_committed(make_gateway: Make, stack: Stack) -> None:
    gateway = introduced(make_gateway())
    before = metric(stack, "penstock_historian_commits_total")
    url = stack.url("platform")
    frame = batch(gateway, 1, 1.0)
    headers = FRAMES | {"Authorization": f"Bearer {gateway.token[:-4]}AAAA", "Penstock-Session": str(gateway.session)}
    forged = web.post(f"{url}/v1/ingest", content=frame, headers=headers)
    assert forged.status_code == 401
    assert forged.headers["WWW-Authenticate"] == 'Bearer realm="penstock", error="invalid_token"'
    assert forged.json()["detail"] == "The token is not valid (any more): get a new one at /oauth/token."
    enrolling = web.post(f"{url}/v1/gateways/enrol", json={"token": "forged", "name": "edge-x"})
    assert enrolling.status_code == 401
    assert enrolling.json()["detail"] == (
        "The enrolment token is not good for edge-x: unknown, expired, or made for another name."
    )
    stranger = web.post(
        f"{url}/oauth/token", data={"grant_type": "client_credentials"}, auth=("cli_stranger", "secret")
    )
    assert (stranger.status_code, stranger.json()["detail"]) == (401, "Client id or secret is wrong.")
    assert metric(stack, "penstock_historian_commits_total") == before
    assert gateway.send(frame).json()["committed"] == 1


def test_a_request_cut_in_its_middle_is_a_line_of_the_log_and_the_batch_goes_in_when_sent_again(
    make_gateway: Make, stack: Stack
) -> None:
    gateway = introduced(make_gateway())
    whole = batch(gateway, 1, 1.0)
    head = "".join(f"{name}: {value}\r\n" for name, value in (gateway.headers() | FRAMES).items())
    with socket.create_connection(("127.0.0.1", stack.ports["platform"])) as link:
        length = f"Host: platform\r\nContent-Length: {len(whole)}\r\nPenstock-Request-Id: cut-in-the-middle\r\n"
        link.sendall(f"POST /v1/ingest HTTP/1.1\r\n{length}{head}\r\n".encode() + whole[:-10])
    said = "request cut-in-the-middle POST /v1/ingest was cut off by its caller"
    wait_for(lambda: said in stack.log("platform"), "the log says so")
    assert "Traceback" not in stack.log("platform")
    assert gateway.send(whole).json()["committed"] == 1
