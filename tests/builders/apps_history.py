"""Bring generated history into a real platform by the gateways' door: enrol, session, dictionary, batches."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from penstock.core.batch import encode_batch
from penstock.core.columns import SampleColumns
from penstock.core.dictionary import DictionaryEntry, encode_dictionary
from penstock.core.frames import Frame, FrameKind, encode_frame
from penstock.core.values import ValueType
from tests.builders import web

ROWS_A_FRAME = 20_000
WIRE = pa.schema(
    [
        ("tag", pa.uint32()),
        ("time", pa.int64()),
        ("status", pa.uint32()),
        ("vf", pa.float64()),
        ("vi", pa.int64()),
        ("vb", pa.bool_()),
        ("vs", pa.utf8()),
    ]
)


def dictionary(plant: Path) -> list[DictionaryEntry]:
    """Give the entries of a plant folder's device files."""
    entries: list[DictionaryEntry] = []
    for file in sorted((plant / "devices").glob("*.yaml")):
        device = yaml.safe_load(file.read_text())
        for name, tag in device["tags"].items():
            entries.append(
                DictionaryEntry(
                    index=len(entries),
                    key=f"{device['device']}/{name}",
                    asset=device.get("asset"),
                    name=name,
                    type=ValueType(tag["type"]),
                    unit=tag.get("unit", ""),
                    description=tag.get("description", ""),
                    device=device["device"],
                    file_hash="",
                )
            )
    return entries


class Importer:
    """A gateway that delivers from a file."""

    def __init__(self, url: str, token: str, plant: Path, name: str) -> None:
        self._http = web.Client(base_url=url, timeout=120)
        enrolled = self._post("/v1/gateways/enrol", json={"token": token, "name": name})
        form = {"grant_type": "client_credentials", "scope": "ingest"}
        form |= {"client_id": enrolled["client_id"], "client_secret": enrolled["client_secret"]}
        self._http.headers["Authorization"] = f"Bearer {self._post('/oauth/token', data=form)['access_token']}"
        self._epoch, self._seq = secrets.token_hex(16), 0
        session = self._post("/v1/gateways/session", json={"epoch": self._epoch, "head": 0})["session"]
        self._http.headers["Penstock-Session"] = str(session)
        entries = dictionary(plant)
        self._index = {e.key: e.index for e in entries}
        self._send(
            Frame(FrameKind.DICTIONARY, self._epoch, 0, time.time_ns(), len(entries), encode_dictionary(entries))
        )

    def deliver(self, file: Path) -> int:
        """Send all rows of a generated Parquet file, in its order; give their number."""
        sent = 0
        for columns in self._batches(file):
            self._seq += 1
            frame = Frame(FrameKind.BATCH, self._epoch, self._seq, time.time_ns(), len(columns), encode_batch(columns))
            self._send(frame)
            sent += len(columns)
        return sent

    def close(self) -> None:
        self._http.close()

    def _batches(self, file: Path) -> Iterator[SampleColumns]:
        for batch in pq.ParquetFile(file).iter_batches(ROWS_A_FRAME):
            keys = batch.column("key").dictionary_encode()
            index = np.array([self._index[k] for k in keys.dictionary.to_pylist()], dtype=np.uint32)
            tag = pa.array(index[keys.indices.to_numpy()])
            columns = [tag, *(batch.column(f.name) for f in list(WIRE)[1:])]
            yield SampleColumns.from_arrow(pa.RecordBatch.from_arrays(columns, schema=WIRE))

    def _send(self, frame: Frame) -> None:
        headers = {"Content-Type": "application/vnd.penstock.frames"}
        answer = self._post("/v1/ingest", content=encode_frame(frame), headers=headers)
        assert not answer.get("quarantined"), answer

    def _post(self, path: str, **arguments: object) -> dict[str, str]:
        answer = self._http.post(path, **arguments)  # type: ignore[arg-type]
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text[:500]}"
        body: dict[str, str] = answer.json()
        return body
