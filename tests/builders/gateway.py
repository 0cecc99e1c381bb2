"""Builders for the gateway's tests: a platform that keeps what it is sent, and a gateway process to kill."""

import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from penstock.core.batch import Record, decode_batch
from penstock.core.dictionary import DictionaryEntry, decode_dictionary
from penstock.core.frames import FrameKind, iter_frames
from penstock.core.values import Value
from tests.builders import web
from tests.builders.ports import free_port

READY_S = 60.0
"""Bounds that pass at once on an idle machine and hold on a busy one."""


@dataclass(frozen=True)
class Row:
    """One sample as the platform has it."""

    key: str
    time_ns: int
    status: int
    value: Value


@dataclass
class Stored:
    """One epoch as the platform has it: frames by seq, and its dictionary."""

    frames: dict[int, bytes] = field(default_factory=dict)
    dictionary: dict[int, DictionaryEntry] = field(default_factory=dict)

    @property
    def watermark(self) -> int:
        seq = 0
        while seq + 1 in self.frames:
            seq += 1
        return seq

    @property
    def above(self) -> list[int]:
        return sorted(seq for seq in self.frames if seq > self.watermark)


class FakePlatform:
    """Keep wire.md's side of the platform in memory; a test may make it refuse, forget and stand still."""

    def __init__(self) -> None:
        self.tokens = {"token-1": "edge-1"}
        self.used: set[str] = set()
        self.clients: dict[str, str] = {}
        self.bearers: set[str] = set()
        self.epochs: dict[str, Stored] = {}
        self.session = 0
        self.session_epoch = ""
        self.refuse: Response | None = None
        self.conflicts = 0
        self.stated: list[dict[str, Any]] = []
        self.requests = 0
        self.gateway_id = f"gtw_{secrets.token_hex(4)}"
        self.app = Starlette(
            routes=[
                Route("/v1/gateways/enrol", self._enrol, methods=["POST"]),
                Route("/oauth/token", self._token, methods=["POST"]),
                Route("/v1/gateways/session", self._open, methods=["POST"]),
                Route("/v1/ingest", self._ingest, methods=["POST"]),
                Route("/v1/gateways/holding", self._take_statement, methods=["POST"]),
            ]
        )
        self._socket = _listener(0)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve in a thread until `stop`."""
        config = uvicorn.Config(self.app, log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        if self._socket.fileno() == -1:
            self._socket = _listener(self.port)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server is not None and self._server.started, "the fake platform")

    def stop(self) -> None:
        """Stop serving; what was committed stays."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(10)
            self._server = None
        self._socket.close()

    def forget_everything(self) -> None:
        """Become a platform whose database was made anew."""
        self.clients.clear()
        self.bearers.clear()
        self.epochs.clear()
        self.session = 0
        self.gateway_id = f"gtw_{secrets.token_hex(4)}"

    def rows(self) -> list[Row]:
        """Give all samples, in the order of epoch and seq."""
        rows = []
        for stored in list(self.epochs.values()):  # the server, on its own thread, adds to it
            for seq in sorted(stored.frames):
                columns, _ = decode_batch(stored.frames[seq])
                for at in range(len(columns)):
                    entry = stored.dictionary[int(columns.tag[at])]
                    rows.append(Row(entry.key, int(columns.time[at]), int(columns.status[at]), columns.value_at(at)))
        return rows

    def records(self) -> list[Record]:
        """Give all records, in the order of epoch and seq."""
        return [
            record
            for stored in list(self.epochs.values())
            for seq in sorted(stored.frames)
            for record in decode_batch(stored.frames[seq])[1]
        ]

    @property
    def position(self) -> int:
        """Count the commits."""
        return sum(len(stored.frames) for stored in self.epochs.values())

    async def _enrol(self, request: Request) -> Response:
        body = await request.json()
        token = body["token"]
        if token in self.used:
            return problem(401, "enrolment-token-used", "the token was used")
        if self.tokens.get(token) != body["name"]:
            return problem(401, "enrolment-token-unknown", "no such token")
        self.used.add(token)
        client, secret = f"client-{len(self.clients)}", secrets.token_hex(16)
        self.clients[client] = secret
        return JSONResponse({"gateway": self.gateway_id, "client_id": client, "client_secret": secret}, 201)

    async def _token(self, request: Request) -> Response:
        client, _, secret = base64.b64decode(request.headers["Authorization"].split()[1]).decode().partition(":")
        if self.clients.get(client) != secret:
            told = {"type": "https://penstock.invalid/problems/invalid-client", "error": "invalid_client"}
            return JSONResponse(told | {"error_description": "unknown client"}, 401)
        bearer = secrets.token_hex(8)
        self.bearers.add(bearer)
        return JSONResponse({"access_token": bearer, "token_type": "Bearer", "expires_in": 900})

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.bearers:
            return problem(401, "unauthorized", "no such token")
        return self.refuse

    async def _open(self, request: Request) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        body = await request.json()
        self.session, self.session_epoch = self.session + 1, body["epoch"]
        known = {
            epoch: {"watermark": self.epochs[epoch].watermark, "above": self.epochs[epoch].above}
            for epoch in (body["epoch"], *body["epochs"])
            if epoch in self.epochs
        }
        return JSONResponse({"session": self.session, "position": self.position, "watermarks": known})

    async def _take_statement(self, request: Request) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        assert int(request.headers["Penstock-Session"]) <= self.session
        self.stated.append(await request.json())
        return JSONResponse({"position": self.position})

    async def _ingest(self, request: Request) -> Response:
        self.requests += 1
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        session = int(request.headers["Penstock-Session"])
        if session > self.session:
            return problem(409, "session-unknown", "it was never granted")
        if session < self.session:
            newer = {"session": self.session, "epoch": self.session_epoch}
            return JSONResponse({"type": "session-superseded", "detail": "another is newer", **newer}, 409)
        frames = list(iter_frames(await request.body()))
        stored = self.epochs.setdefault(frames[0].epoch, Stored())
        committed = repeated = 0
        for frame in frames:
            if frame.kind is FrameKind.DICTIONARY:
                stored.dictionary = {entry.index: entry for entry in decode_dictionary(frame.payload)}
                continue
            columns, _ = decode_batch(frame.payload)
            if not set(columns.tag.tolist()) <= set(stored.dictionary):
                return problem(409, "dictionary-needed", "send the dictionary")
            if frame.seq in stored.frames:
                repeated += 1
                self.conflicts += stored.frames[frame.seq] != frame.payload
                continue
            stored.frames[frame.seq] = frame.payload
            committed += 1
        answer = {"epoch": frames[0].epoch, "watermark": stored.watermark, "above": stored.above}
        return JSONResponse(
            {**answer, "position": self.position, "committed": committed, "repeated": repeated, "quarantined": []}
        )


def _listener(port: int) -> socket.socket:
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    return taken


def problem(status: int, name: str, detail: str, **headers: str) -> Response:
    """Make a problem document."""
    body = {"type": f"https://penstock.invalid/problems/{name}", "title": name, "status": status, "detail": detail}
    return JSONResponse(body, status, headers=headers or None, media_type="application/problem+json")


def wait_until(condition: Callable[[], Any], what: str, *, within_s: float = READY_S) -> Any:
    """Wait until the condition gives something true, and give that; what it does not find yet may still come."""
    ends = time.monotonic() + within_s
    while True:
        missing: LookupError | None = None
        try:
            if found := condition():
                return found
        except LookupError as error:  # `/health` answers before the devices are read
            missing = error
        assert time.monotonic() < ends, f"{what}: not within {within_s} s, {missing!r}"
        time.sleep(0.05)


@dataclass
class GatewayProcess:
    """Run `penstock gateway run` in a folder of its own."""

    folder: Path
    platform_url: str
    extra: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    def __post_init__(self) -> None:
        (self.folder / "plant" / "devices").mkdir(parents=True, exist_ok=True)
        self.token_file.write_text("token-1\n", encoding="utf-8")

    @property
    def token_file(self) -> Path:
        return self.folder / "enrol.token"

    @property
    def log_file(self) -> Path:
        return self.folder / "gateway.log"

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "PENSTOCK_GATEWAY_DATA": str(self.folder / "gateway"),
            "PENSTOCK_GATEWAY_PLANT": str(self.folder / "plant"),
            "PENSTOCK_GATEWAY_PLATFORM_URL": self.platform_url,
            "PENSTOCK_GATEWAY_ENROL_TOKEN_FILE": str(self.token_file),
            "PENSTOCK_GATEWAY_HEALTH_PORT": str(self.port),
            **self.extra,
        }

    def device(self, name: str, text: str) -> None:
        """Drop a device file into the plant."""
        (self.folder / "plant" / "devices" / f"{name}.yaml").write_text(text, encoding="utf-8")

    def start(self) -> None:
        """Start it and wait for its health page."""
        if not self.port:
            self.port = free_port()
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "penstock.gateway.main", "run"], env=self.environ, stdout=log, stderr=log
            )
        wait_until(self._answers, "the gateway's health page")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the gateway in the same surroundings."""
        return subprocess.run(
            [sys.executable, "-m", "penstock.gateway.main", *words],
            env=self.environ, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def kill(self) -> None:
        """Kill it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def stop(self) -> int:
        """Ask it to stop, and give its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        self.process = None
        return code

    def health(self) -> dict[str, Any]:
        """Read /health."""
        found: dict[str, Any] = json.loads(web.get(f"http://127.0.0.1:{self.port}/health", timeout=5).text)
        return found

    def log(self) -> str:
        """Read what it has logged."""
        return self.log_file.read_text(encoding="utf-8")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            return bool(self.health())
        except httpx.HTTPError:
            return False
