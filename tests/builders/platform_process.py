"""The real platform as a process, and a meter on a broker whose values are read back from it."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.builders import web
from tests.builders.edge import Publisher
from tests.builders.gateway import wait_until
from tests.builders.ports import free_port

BEGIN_MS = 1_700_000_000_000


@dataclass
class PlatformProcess:
    """Run `penstock platform run` in a folder of its own."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.port = free_port()
        (self.folder / "plant").mkdir(parents=True)
        self.environ = {
            **os.environ,
            "PENSTOCK_PLATFORM_DATA": str(self.folder / "platform"),
            "PENSTOCK_PLATFORM_SECRETS": str(self.folder / "secrets"),
            "PENSTOCK_PLATFORM_PORT": str(self.port),
            "PENSTOCK_PLATFORM_PUBLIC_URL": self.url,
            "PENSTOCK_PLATFORM_BOOTSTRAP_GATEWAYS": "edge-1",
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token_file(self) -> Path:
        return self.folder / "secrets" / "enrol-edge-1.token"

    def start(self) -> None:
        with (self.folder / "platform.log").open("ab") as log:
            command = [str(Path(sys.executable).parent / "penstock"), "platform", "run"]
            self.process = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)
        wait_until(self._ready, "the platform", within_s=60)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def token(self) -> str:
        """Fetch a token with the operator's credential; no process is started for it, since some ask time and again."""
        credential = json.loads((self.folder / "secrets" / "cli.json").read_text())
        form = {"grant_type": "client_credentials", **credential}
        return str(web.post(f"{self.url}/oauth/token", data=form).raise_for_status().json()["access_token"])

    def command(self, *words: str) -> str:
        """Run `penstock …` in the same surroundings; give what it prints."""
        command = [str(Path(sys.executable).parent / "penstock"), *words]
        return subprocess.run(command, env=self.environ, capture_output=True, text=True, check=True).stdout

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "platform.log").read_text()
        try:
            return web.get(f"{self.url}/health/ready", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


def load(port: int, sent: list[int], done: threading.Event) -> None:
    """Publish numbers as fast as the broker acknowledges them, each under a source time of its own."""
    publisher = Publisher(port)
    while not done.is_set():
        burst = range(len(sent), len(sent) + 50)
        publisher.publish("plant/meter", *(json.dumps({"v": float(n), "ts": BEGIN_MS + n}) for n in burst))
        sent.extend(burst)


def read_back(platform: PlatformProcess) -> list[int]:
    headers = {"Authorization": f"Bearer {platform.token()}"}
    with web.Client(base_url=platform.url, headers=headers, timeout=30) as client:
        tags = client.get("/v1/tags", params={"key": "meter/flow"}).raise_for_status().json()["items"]
        if not tags:
            return []
        query = {"tag": tags[0]["id"], "start": "2023-01-01T00:00:00Z", "end": "2024-01-01T00:00:00Z", "limit": 100_000}
        columns = client.get("/v1/samples", params=query).raise_for_status().json()["columns"]
    return sorted(int(value) for value, status in zip(columns["value"], columns["status"], strict=True) if status == 0)


METER = """
version: 1
device: meter
connection: {{driver: mqtt, broker: 'mqtt://127.0.0.1:{port}', topic: plant/meter, time_field: ts, time_unit: ms}}
tags:
  flow: {{type: float64, source: {{field: v}}}}
"""
