"""A gateway as the wire knows it: enrols, opens a session, sends frames; and batches of every value type."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
from numpy.typing import ArrayLike

from penstock.core.batch import Record, encode_batch
from penstock.core.columns import SampleColumns
from penstock.core.dictionary import DictionaryEntry, encode_dictionary
from penstock.core.frames import Frame, FrameKind, encode_frame
from penstock.core.values import ValueKind, ValueType

FRAMES = {"Content-Type": "application/vnd.penstock.frames"}
ARRIVAL_NS = 1_790_000_000_000_000_000


def entry(index: int, key: str, type: ValueType = ValueType.FLOAT64, **more: Any) -> DictionaryEntry:
    """Make a dictionary entry of `device/tag`."""
    device, _, name = key.partition("/")
    plain: dict[str, Any] = {"asset": None, "unit": "", "description": "", "file_hash": "0" * 64}
    return DictionaryEntry(index=index, key=key, name=name, type=type, device=device, **(plain | more))


def float_columns(tag: ArrayLike, time: ArrayLike, value: ArrayLike, status: int = 0) -> SampleColumns:
    """Make rows of float tags."""
    plain = SampleColumns.without_values(tag, time, status=status)
    kind = np.full(len(plain), ValueKind.FLOAT64, np.uint8)
    values = np.asarray(value, np.float64)
    return SampleColumns(plain.tag, plain.time, plain.status, kind, values, plain.vi, plain.vb, plain.vs)


def batch_frame(
    epoch: str,
    seq: int,
    columns: SampleColumns,
    *,
    records: Sequence[Record] = (),
    arrival_ns: int = ARRIVAL_NS,
    n: int | None = None,
    payload: bytes | None = None,
) -> bytes:
    """Make the frame of a batch; `n` and `payload` are for liars."""
    inside = encode_batch(columns, records) if payload is None else payload
    rows = len(columns) if n is None else n
    return encode_frame(Frame(FrameKind.BATCH, epoch, seq, arrival_ns, rows, inside))


def dictionary_frame(epoch: str, entries: Sequence[DictionaryEntry]) -> bytes:
    """Make the frame of a dictionary."""
    payload = encode_dictionary(entries)
    return encode_frame(Frame(FrameKind.DICTIONARY, epoch, 0, ARRIVAL_NS, len(entries), payload))


@dataclass(slots=True)
class WireGateway:
    """Speak to a running platform as a gateway of that name does."""

    url: str
    name: str
    http: httpx.Client
    epoch: str = field(default_factory=lambda: secrets.token_hex(16))
    session: int = 0
    token: str = ""

    def enrol(self, enrol_token: str) -> None:
        """Enrol, fetch a token, open a session."""
        made = self.http.post(f"{self.url}/v1/gateways/enrol", json={"token": enrol_token, "name": self.name})
        assert made.status_code == 201, made.text
        credential = made.json()
        answer = self.http.post(
            f"{self.url}/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(credential["client_id"], credential["client_secret"]),
        )
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["access_token"]
        self.open_session()

    def open_session(self, head: int = 0) -> dict[str, Any]:
        """Ask for the next session."""
        body = {"epoch": self.epoch, "head": head}
        answer = self.http.post(f"{self.url}/v1/gateways/session", json=body, headers=self.headers())
        assert answer.status_code == 200, answer.text
        granted: dict[str, Any] = answer.json()
        self.session = granted["session"]
        return granted

    def headers(self) -> dict[str, str]:
        """Give the headers of every request."""
        return {"Authorization": f"Bearer {self.token}", "Penstock-Session": str(self.session)}

    def send(self, *frames: bytes) -> httpx.Response:
        """Send frames in one request."""
        return self.http.post(f"{self.url}/v1/ingest", content=b"".join(frames), headers=self.headers() | FRAMES)

    def state(
        self,
        *,
        as_of: int,
        waiting: int,
        oldest: int | None = None,
        heads: Mapping[str, int] | None = None,
        session: int | None = None,
    ) -> httpx.Response:
        """State what the journal holds."""
        epochs = [{"epoch": epoch, "head": head} for epoch, head in (heads or {}).items()]
        body = {"as_of": as_of, "waiting": waiting, "oldest": oldest, "epochs": epochs}
        headers = self.headers() | ({} if session is None else {"Penstock-Session": str(session)})
        return self.http.post(f"{self.url}/v1/gateways/holding", json=body, headers=headers)
