"""B11 and B13 on a real process: no default secret, files 0600, loopback only, and canaries found nowhere."""

import base64
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.builders import web
from tests.builders.stack import free_port

pytestmark = pytest.mark.integration

READY_S = 60
MADE_FOR_NEIGHBOURS = {"login-link", "cli.json", "enrol-edge-1.token", "monitoring.json"}


@dataclass(frozen=True, slots=True)
class Running:
    folder: Path
    url: str
    port: int
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "penstock.platform", *arguments]


def environment(folder: Path, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    return kept | {
        "PENSTOCK_PLATFORM_DATA": str(folder / "platform"),
        "PENSTOCK_PLATFORM_SECRETS": str(folder / "secrets"),
        "PENSTOCK_PLATFORM_PORT": str(port),
        "PENSTOCK_PLATFORM_BOOTSTRAP_GATEWAYS": "edge-1",
        "PENSTOCK_PLATFORM_BOOTSTRAP_APPS": "monitoring=http://127.0.0.1:8081",
    }


def start(folder: Path, port: int) -> Running:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command("run"), env=environment(folder, port), stdout=log, stderr=log)
    running = Running(folder, f"http://127.0.0.1:{port}", port, process)
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if web.get(f"{running.url}/health/ready").status_code == 200:
                return running
        except httpx.TransportError:
            time.sleep(0.1)
    process.kill()
    process.wait()
    pytest.fail(f"the platform did not start: {running.log}")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Running]:
    running = start(tmp_path, free_port())
    yield running
    running.process.kill()
    running.process.wait()


def run(running: Running, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=environment(running.folder, running.port), capture_output=True, text=True, timeout=60
    )


def test_fresh_start_has_no_open_door_and_no_readable_secret(platform: Running) -> None:
    listening = [c for c in psutil.Process(platform.process.pid).net_connections("inet") if c.status == "LISTEN"]
    assert [(c.laddr.ip, c.laddr.port) for c in listening] == [("127.0.0.1", platform.port)]
    files = [path for path in platform.folder.rglob("*") if path.is_file() and path.name != "log"]
    assert {path.name for path in files if path.parent.name == "secrets"} == MADE_FOR_NEIGHBOURS
    assert {oct(stat.S_IMODE(path.stat().st_mode)) for path in files} == {"0o600"}
    assert stat.S_IMODE((platform.folder / "secrets").stat().st_mode) == 0o700
    with web.Client(base_url=platform.url) as http:
        for path in ("/v1/me", "/v1/assets", "/v1/users", "/openapi.json", "/docs", "/v1/stream", "/v1/audit"):
            assert http.get(path).status_code == 401, path
        assert http.get("/").headers["location"] == "/login"
        for user in ("admin", "root", "penstock"):
            for password in ("admin", "password", "penstock", ""):
                sent = http.post("/login", data={"name": user, "password": password})
                assert sent.status_code in (403, 429)
        for client in ("cli", "operator", "monitoring"):
            guess = {"grant_type": "client_credentials", "client_id": client, "client_secret": client}
            assert http.post("/oauth/token", data=guess).status_code == 401


def test_every_metric_is_in_the_reference(platform: Running) -> None:
    told = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "metrics.md").read_text()
    lines = web.get(f"{platform.url}/metrics").text.splitlines()
    named = [line.split()[2] for line in lines if line.startswith("# TYPE penstock_")]
    assert len(named) > 20
    assert [name for name in named if f"`{name}`" not in told] == []


def test_second_start_and_taken_port_are_refused_in_words(platform: Running) -> None:
    second = run(platform, "run")
    assert second.returncode == 1
    assert f"in use by process {platform.process.pid}" in second.stderr
    elsewhere = run(platform, "run", "--data", str(platform.folder / "other"))
    assert elsewhere.returncode == 1
    assert f"Port {platform.port} on 127.0.0.1 is taken by process {platform.process.pid}" in elsewhere.stderr
    exposed = run(platform, "run", "--host", "0.0.0.0")
    assert exposed.returncode == 1
    assert "PENSTOCK_PLATFORM_ALLOW_PLAIN_HTTP" in exposed.stderr


def test_restart_keeps_secrets_and_stops_cleanly(platform: Running) -> None:
    before = {path.name: path.read_text() for path in (platform.folder / "secrets").iterdir()}
    platform.process.send_signal(signal.SIGTERM)
    assert platform.process.wait(20) in (0, -signal.SIGTERM)
    assert "Traceback" not in platform.log
    again = start(platform.folder, platform.port)
    try:
        assert {path.name: path.read_text() for path in (platform.folder / "secrets").iterdir()} == before
        token = run(again, "token", "--scope", "assets:read").stdout.strip()
        me = web.get(f"{again.url}/v1/me", headers={"Authorization": f"Bearer {token}"}).json()
        assert (me["kind"], me["scopes"]) == ("operator", ["assets:read"])
        link = run(again, "reset-admin").stdout.strip()
        assert link.startswith(f"{again.url}/login/link?token=")
        assert web.get(link).status_code == 303
        assert run(again, "audit-verify").returncode == 0
    finally:
        again.process.kill()
        again.process.wait()


def test_canaries_are_found_nowhere(platform: Running) -> None:
    secrets = platform.folder / "secrets"
    cli = json.loads((secrets / "cli.json").read_text())
    link = (secrets / "login-link").read_text().strip()
    enrol = (secrets / "enrol-edge-1.token").read_text().strip()
    form = {"grant_type": "client_credentials", "client_id": cli["client_id"], "client_secret": cli["client_secret"]}
    canaries = {
        "password": "canary-password-7411", "wrong": "canary-wrong-password", "client": cli["client_secret"],
        "link": link.rpartition("token=")[2], "enrol": enrol, "guess": "canary-guess-secret",
    }  # fmt: skip
    answers: list[str] = []
    with web.Client(base_url=platform.url) as http:
        token = http.post("/oauth/token", data=form).json()["access_token"]
        canaries["token"] = token
        admin = {"Authorization": f"Bearer {token}"}
        user = {"name": "eve", "role": "viewer", "password": canaries["password"]}
        sent = [
            http.get(link),
            http.post("/v1/users", json=user, headers=admin),
            http.post("/v1/users", json=user | {"role": canaries["wrong"]}, headers=admin),
            http.post("/v1/users", json=user | {"extra": canaries["wrong"]}, headers=admin),
            http.post("/login", data={"name": "eve", "password": canaries["wrong"]}),
            http.post("/oauth/token", data=form | {"client_secret": canaries["guess"]}),
            http.post("/oauth/token", data=form | {"grant_type": canaries["guess"]}),
            http.get("/v1/me", headers={"Authorization": f"Bearer {canaries['token']}x"}),
            http.get(
                "/v1/me", headers={"Authorization": f"Basic {base64.b64encode(b'a:canary-guess-secret').decode()}"}
            ),
            http.post("/v1/gateways/enrol", json={"token": enrol, "name": "edge-1"}),
            http.post("/v1/gateways/enrol", json={"token": enrol, "name": "edge-1"}),
            http.post(
                "/v1/gateways/enrol",
                content=b'{"token": "' + enrol.encode(),
                headers={"Content-Type": "application/json"},
            ),
            *(
                http.get(path, headers=admin)
                for path in ("/v1/audit?limit=1000", "/v1/users", "/v1/apps", "/openapi.json")
            ),
            http.get("/metrics"),
        ]
        canaries["gateway"] = sent[9].json()["client_secret"]
        sent[9] = sent[10]
        answers = [answer.text + str(answer.headers) for answer in sent[1:]]
    listed = " ".join(" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))
    stores = b"".join(path.read_bytes() for path in (platform.folder / "platform").rglob("*") if path.is_file())
    found = [
        (name, place)
        for name, canary in canaries.items()
        for place, text in (("log", platform.log), ("process list", listed), ("answers", " ".join(answers)))
        if canary in text
    ]
    assert found == []
    assert [name for name, canary in canaries.items() if canary.encode() in stores] == []
