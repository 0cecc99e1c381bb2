"""`penstock demo` as a user starts it: first value, restart of a killed process, taken port, Ctrl-C, going on."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from tests.builders import web
from tests.builders.stack import BIN, free_port, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]
PORTS = (
    "platform", "platform-tls", "monitoring", "maintenance", "gateway", "simulators", "laboratory", "mqtt", "broker",
    "pump-plc", "filling-plc",
)  # fmt: skip
FIRST_VALUE_WITHIN_S = 60.0


class Demo:
    """A demo in a folder, on ports of its own."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.ports = {name: free_port() for name in PORTS}
        self.process: subprocess.Popen[str] | None = None

    def command(self) -> list[str]:
        options = [f"--{name}-port={port}" for name, port in self.ports.items()]
        return [str(BIN / "penstock"), "demo", "--data", str(self.data), "--no-browser", *options]

    def start(self) -> float:
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("PENSTOCK_", "PYTEST_"))}
        with (self.data.parent / "demo.out").open("a") as out:
            self.process = subprocess.Popen(self.command(), stdout=out, stderr=out, text=True, env=environ)
        return time.monotonic()

    def said(self) -> str:
        return (self.data.parent / "demo.out").read_text()

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(90)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def newest(self) -> dict[str, int]:
        """Give the position of the newest Good value of each tag that has one, by the operator's credential."""
        credential = json.loads((self.data / "secrets" / "cli.json").read_text())
        form = {"grant_type": "client_credentials", **credential}
        with web.Client(base_url=self.url("platform"), timeout=10) as http:
            token = http.post("/oauth/token", data=form).raise_for_status().json()["access_token"]
            http.headers["Authorization"] = f"Bearer {token}"
            tags = http.get("/v1/tags", params={"limit": 1000}).raise_for_status().json()["items"]
            latest = http.get("/v1/latest", params=[("tag", tag["id"]) for tag in tags]) if tags else None
        items = latest.raise_for_status().json()["items"] if latest else []
        return {item["key"]: item["position"] for item in items if item["time"] and item["quality"] == "good"}

    def stored(self) -> int:
        return max(self.newest().values(), default=0)


def test_demo_from_first_start_to_going_on(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "data")
    began_s = demo.start()
    try:
        both = wait_for(lambda: both_protocols(demo), "a value of each protocol", 120)
        assert time.monotonic() - began_s < FIRST_VALUE_WITHIN_S, f"first values after {both}"
        wait_for(lambda: "All is up" in demo.said(), "all up", 60)
        link = re.search(r"http://\S+/login/link\?token=\S+", demo.said())
        assert link, demo.said()
        secrets_are_private(demo)
        the_link_logs_in_once(link.group())
        wait_for(lambda: "Ctrl-C stops everything" in demo.said(), "all said", 60)
        the_laboratory_is_open_to_its_link_alone(demo)
        a_killed_process_comes_back(demo)
        another_demo_is_refused(demo)
        before = demo.stored()
    finally:
        status = demo.stop()
    assert status == 0, demo.said()[-3000:]
    assert [line.split()[0] for line in demo.said().splitlines() if line.endswith("stopped")] == [
        "maintenance", "monitoring", "gateway", "simulators", "platform", "broker",
    ]  # fmt: skip
    assert not any(taken(port) for port in demo.ports.values())
    demo.start()
    try:
        wait_for(lambda: demo.stored() > before, "new values after the restart", 90)
        assert "going on with it" in demo.said()
        wait_for(lambda: demo.said().count("All is up") == 2, "all up again", 60)
    finally:
        assert demo.stop() == 0, demo.said()[-3000:]


def both_protocols(demo: Demo) -> bool:
    keys = set(demo.newest())
    return any(k.startswith("pump-plc/") for k in keys) and any(k.startswith("pump-vibration/") for k in keys)


def secrets_are_private(demo: Demo) -> None:
    for path in (demo.data / "secrets").rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    held = [json.loads(p.read_text()) for p in (demo.data / "secrets").glob("*.json")]
    words = [b.get("password") or b["client_secret"] for b in held]
    logs = "".join(p.read_text(errors="replace") for p in (demo.data / "logs").glob("*.log")) + demo.said()
    assert len(words) >= 5
    assert [w for w in words if w in logs] == []


def the_link_logs_in_once(link: str) -> None:
    with web.Client(follow_redirects=True, timeout=10) as browser:
        assert browser.get(link).status_code == 200
    with web.Client(follow_redirects=True, timeout=10) as late:
        assert late.get(link).status_code == 401


def the_laboratory_is_open_to_its_link_alone(demo: Demo) -> None:
    link = re.search(rf"http://localhost:{demo.ports['laboratory']}(/login\?token=\S+)", demo.said())
    assert link, demo.said()
    host = {"Host": f"localhost:{demo.ports['laboratory']}"}
    with web.Client(base_url=demo.url("laboratory"), headers=host, timeout=10) as browser:
        assert browser.get("/").status_code == 401
        entered = browser.get(link.group(1))
        assert entered.status_code == 303
        session = {"Cookie": entered.headers["set-cookie"].partition(";")[0]}
        shown = wait_for(lambda: named(browser.get("/", headers=session).text), "the platform's alarms are read", 60)
        assert "pump-plc" in shown


def named(page: str) -> str:
    """Give the page once it has asked the platform."""
    return "" if "No alarms of the platform" in page or "No platform is named" in page else page


def a_killed_process_comes_back(demo: Demo) -> None:
    assert demo.process is not None
    children = [int(p.name) for p in Path("/proc").glob("[0-9]*") if parent_of(p) == demo.process.pid]
    mine = [c for c in children if b"gateway\0run" in Path(f"/proc/{c}/cmdline").read_bytes()]
    assert len(mine) == 1
    os.kill(mine[0], signal.SIGKILL)
    wait_for(lambda: "gateway ended (killed by SIGKILL), again in 1 s" in demo.said(), "the end is told", 10)
    wait_for(lambda: "ready again" in demo.said(), "the gateway is back", 60)


def parent_of(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def another_demo_is_refused(demo: Demo) -> None:
    again = subprocess.run(demo.command(), capture_output=True, text=True, timeout=30, check=False)
    assert again.returncode == 1
    assert "another demo is running on" in again.stderr
    elsewhere = [*demo.command()[:3], str(demo.data.parent / "other"), *demo.command()[4:]]
    clash = subprocess.run(elsewhere, capture_output=True, text=True, timeout=30, check=False)
    assert clash.returncode == 1
    assert f"port {demo.ports['platform']} (platform) is taken by process" in clash.stderr
    assert "--platform-port" in clash.stderr


def taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
