"""The platform process is killed under ingest load; everything it acknowledged is read back through the API, once."""

import threading
import time
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from tests.builders import web
from tests.builders.ingest import ARRIVAL_NS, WireGateway, batch_frame, dictionary_frame, entry, float_columns
from tests.builders.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
ROWS = 500
TAGS = 5
KILLS = 3
LOAD_S = 1.5


class Sender(threading.Thread):
    """A gateway that keeps what is not acknowledged and sends it again, in requests of several batches."""

    def __init__(self, gateway: WireGateway, number: int) -> None:
        super().__init__(name=f"sender-{number}", daemon=True)
        self.gateway, self.number = gateway, number
        self.watermark, self.journal = 0, 0
        self.lost_answers = 0
        self.stopping = threading.Event()

    def frame(self, seq: int) -> bytes:
        times = [ARRIVAL_NS + seq * 1_000_000 + k for k in range(ROWS)]
        columns = float_columns([k % TAGS for k in range(ROWS)], times, [float(seq * ROWS + k) for k in range(ROWS)])
        return batch_frame(self.gateway.epoch, seq, columns)

    def run(self) -> None:
        while not self.stopping.is_set() or self.watermark < self.journal:
            if not self.stopping.is_set():
                self.journal = self.watermark + 8
            try:
                answer = self.gateway.send(*(self.frame(seq) for seq in range(self.watermark + 1, self.journal + 1)))
            except httpx.HTTPError:
                self.lost_answers += 1
                time.sleep(0.1)
                continue
            if answer.status_code == 200:
                assert answer.json()["watermark"] >= self.watermark, "the watermark fell: acknowledged data is gone"
                self.watermark = answer.json()["watermark"]
            else:
                assert answer.status_code in (401, 503), answer.text
                time.sleep(0.1)


def test_kills_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    (tmp_path / "plant").mkdir()
    stack = Stack(tmp_path, tmp_path / "plant")
    try:
        stack.start("platform")
        with stack.client() as operator, web.Client(timeout=10) as http:
            senders = [Sender(enrolled(stack, operator, http, number), number) for number in range(3)]
            for sender in senders:
                sender.start()
            for _ in range(KILLS):
                time.sleep(LOAD_S)
                stack.kill("platform")
                stack.start("platform")
            time.sleep(LOAD_S)
            for sender in senders:
                sender.stopping.set()
            for sender in senders:
                sender.join(60)
                assert not sender.is_alive()
            assert sum(sender.lost_answers for sender in senders) >= KILLS
            for sender in senders:
                judge(operator, sender)
    finally:
        stack.close()


def enrolled(stack: Stack, operator: httpx.Client, http: httpx.Client, number: int) -> WireGateway:
    gateway = WireGateway(stack.url("platform"), f"edge-{number}", http)
    answer = operator.post("/v1/gateways/enrol-tokens", json={"name": gateway.name, "expires_s": 600})
    gateway.enrol(answer.json()["token"])
    entries = [entry(index, f"plc-{number}/t{index}") for index in range(TAGS)]
    assert gateway.send(dictionary_frame(gateway.epoch, entries)).status_code == 200
    return gateway


def judge(operator: httpx.Client, sender: Sender) -> None:
    """Compare everything the API returns for the sender's tags with what it journalled."""
    items = operator.get("/v1/tags", params={"q": f"plc-{sender.number}/", "limit": 100}).json()["items"]
    tags = {item["id"]: int(item["key"].rsplit("t", 1)[1]) for item in items}
    assert sorted(tags.values()) == list(range(TAGS))
    rows: list[tuple[int, int, float]] = []
    keys: list[tuple[int, int, int]] = []
    params: dict[str, object] = {"tag": list(tags), "start": "0", "end": str(2**62), "limit": 50_000}
    while True:
        answer = operator.get("/v1/samples", params=params, headers={"Accept": "application/vnd.apache.arrow.stream"})  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        table = pa.ipc.open_stream(answer.content).read_all()
        columns = {name: table[name].to_pylist() for name in ("tag", "time", "vf", "position", "row")}
        rows += zip((tags[tag] for tag in columns["tag"]), columns["time"], columns["vf"], strict=True)
        keys += zip(columns["time"], columns["position"], columns["row"], strict=True)
        beside = table.schema.metadata[b"penstock"]
        if b'"next":null' in beside:
            break
        params["cursor"] = beside.split(b'"next":"')[1].split(b'"')[0].decode()
    expected = {
        (k % TAGS, ARRIVAL_NS + seq * 1_000_000 + k, float(seq * ROWS + k))
        for seq in range(1, sender.watermark + 1)
        for k in range(ROWS)
    }
    assert sender.watermark == sender.journal > 8 * KILLS
    assert len(rows) == len(expected), "doubled or lost"
    assert set(rows) == expected
    assert keys == sorted(keys), "out of order"
