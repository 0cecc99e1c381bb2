"""Writers without a journal at the door of a real platform process: JSON or Arrow, all or nothing."""

import uuid

import httpx
import pyarrow as pa
import pytest

from tests.builders import web
from tests.builders.door import Make, introduce, prefix, problem, read_all, tag_id
from tests.builders.ingest import ARRIVAL_NS, FRAMES

pytestmark = pytest.mark.integration


class SmallWriter:
    """The operator's own client as a small writer: it makes a computed tag and writes it."""

    def __init__(self, operator: httpx.Client, type: str = "float64") -> None:
        self.operator = operator
        asset = {"path": f"works/site/area/{prefix()}", "name": "An asset"}
        made = operator.post("/v1/assets", json=asset)
        assert made.status_code == 201, made.text
        tag = {"asset": made.json()["id"], "property": "score", "type": type, "unit": None, "description": ""}
        answer = operator.post("/v1/tags", json=tag)
        assert answer.status_code in (200, 201), answer.text
        self.tag = int(answer.json()["id"])

    def write(self, *values: object, key: str | None = None, tag: int | None = None) -> httpx.Response:
        tag = self.tag if tag is None else tag
        samples = [{"tag": tag, "time": ARRIVAL_NS + k, "value": value} for k, value in enumerate(values)]
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self.operator.post("/v1/ingest", json={"samples": samples}, headers=headers)


def test_a_small_writer_writes_its_own_tag_once_per_key(operator: httpx.Client) -> None:
    writer = SmallWriter(operator)
    first = writer.write(1.0, 2, None, "NaN", key="k-1")
    assert first.status_code == 200, first.text
    assert (first.json()["stored"], first.json()["duplicates"]) == (4, 0)
    assert writer.write(1.0, 2, None, "NaN", key="k-1").json() == first.json()
    assert writer.write(1.0, 2, None, "NaN", key="k-2").json()["duplicates"] == 4
    reused = writer.write(5.0, key="k-1")
    assert (reused.status_code, problem(reused)) == (409, "idempotency-key-reused")
    assert [value for _, _, value, _ in read_all(operator, writer.tag)] == [1.0, 2.0, None, "NaN"]


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_json_does_not_have_is_refused_and_what_to_send_is_said(
    operator: httpx.Client, literal: str
) -> None:
    writer = SmallWriter(operator)
    good = f'{{"tag": {writer.tag}, "time": {ARRIVAL_NS}, "value": 1.5}}'
    body = f'{{"samples": [{good}, {{"tag": {writer.tag}, "time": {ARRIVAL_NS + 1}, "value": {literal}}}]}}'
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    answer = operator.post("/v1/ingest", content=body, headers=headers)
    assert answer.status_code == 422, answer.text
    told = answer.json()["detail"]
    assert told.startswith("samples.1.value: no finite number")
    assert "Send null" in told
    assert "2147483648" in told
    assert read_all(operator, writer.tag) == []
    assert writer.write(1.5, "Infinity", None).json()["stored"] == 3


def test_the_ledger_names_an_app_as_people_know_it(operator: httpx.Client) -> None:
    app = {"id": f"calc-{prefix()}", "name": "Pump report", "url": "http://127.0.0.1:1", "scopes": ["samples:write"]}
    made = operator.post("/v1/apps", json=app | {"redirect_uris": ["http://127.0.0.1:1/oauth/callback"]}).json()
    credential = (made["client_id"], made["client_secret"])
    granted = operator.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=credential).json()
    asset = operator.post("/v1/assets", json={"path": f"works/site/area/{prefix()}", "name": "An asset"}).json()
    with web.Client(base_url=operator.base_url, timeout=30) as http:
        http.headers["Authorization"] = f"Bearer {granted['access_token']}"
        tag = {"asset": asset["id"], "property": "score", "type": "float64", "unit": None, "description": ""}
        samples = [{"tag": http.post("/v1/tags", json=tag).json()["id"], "time": ARRIVAL_NS, "value": 1.0}]
        written = http.post("/v1/ingest", json={"samples": samples}, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert written.status_code == 200, written.text
    writers = {each["writer"]: each for each in operator.get("/v1/ledger/summary").json()["writers"]}
    assert (writers[made["client_id"]]["name"], writers[made["client_id"]]["stored"]) == ("Pump report", 1)


def test_a_small_writers_arrow_of_several_batches_is_one_commit(operator: httpx.Client) -> None:
    writer = SmallWriter(operator, "int64")
    schema = pa.schema(
        [("tag", pa.int64()), ("time", pa.int64()), ("status", pa.uint32()), ("vf", pa.float64()), ("vi", pa.int64()),
         ("vb", pa.bool_()), ("vs", pa.string())]
    )  # fmt: skip
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        for k in range(3):
            columns = [[writer.tag], [ARRIVAL_NS + k], [0], [None], [k], [None], [None]]
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            stream.write_batch(pa.record_batch(arrays, schema=schema))
    headers = {"Content-Type": "application/vnd.apache.arrow.stream", "Idempotency-Key": str(uuid.uuid4())}
    answer = operator.post("/v1/ingest", content=sink.getvalue().to_pybytes(), headers=headers)
    assert answer.json()["stored"] == 3, answer.text
    assert [value for _, _, value, _ in read_all(operator, writer.tag)] == [0, 1, 2]


def test_what_a_small_writer_may_not_write(make_gateway: Make, operator: httpx.Client) -> None:
    writer = SmallWriter(operator)
    gateway = make_gateway()
    [key] = introduce(gateway)
    foreign = writer.write(1.0, tag=tag_id(operator, key))
    assert (foreign.status_code, problem(foreign)) == (403, "forbidden")
    absent = writer.write(1.0, tag=10**12)
    assert (absent.status_code, problem(absent)) == (404, "not-found")
    for value in ("text", True, [1], {"a": 1}):
        assert writer.write(value).status_code == 422, value
    body = {"samples": [{"tag": writer.tag, "time": ARRIVAL_NS, "value": 1.0}]}
    keyless = operator.post("/v1/ingest", json=body)
    assert (keyless.status_code, problem(keyless)) == (400, "idempotency-key-needed")
    frames = operator.post("/v1/ingest", content=b"PSF1", headers=FRAMES)
    assert frames.status_code == 403
    assert operator.post("/v1/ingest", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 415
    assert read_all(operator, writer.tag) == []


def test_an_import_is_arrow_alone(operator: httpx.Client) -> None:
    body = {"samples": [{"tag": SmallWriter(operator).tag, "time": ARRIVAL_NS, "value": 1.0}]}
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    answer = operator.post("/v1/ingest", params={"import": "true"}, json=body, headers=headers)
    assert (answer.status_code, problem(answer)) == (415, "media-type")
    assert "import=true" in answer.json()["detail"]
