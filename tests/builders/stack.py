"""Start the real processes of the stack in a folder of their own, kill them, restart them, ask them.

Nothing here imports a room: it does what a user does, commands and HTTP.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.builders import web
from tests.builders.ports import free_port as free_port

READY_S = 60.0
STOP_S = 30.0
BIN = Path(sys.executable).parent

BROKER_CONF = """
port: {client_port}
host: 127.0.0.1
server_name: penstock
jetstream {{ store_dir: "{store}" }}
mqtt {{ host: 127.0.0.1, port: {mqtt_port}, ack_wait: "2s", max_ack_pending: 1000 }}
authorization {{ users: [
  {{ user: "gateway", password: "{gateway}" }}
  {{ user: "simulators", password: "{simulators}" }}
] }}
"""


def wait_for(check: Callable[[], Any], what: str, timeout_s: float = READY_S, pause_s: float = 0.1) -> Any:
    """Call ``check`` until it gives something true; connection errors count as not yet."""
    deadline = time.monotonic() + timeout_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = check()
        except (httpx.HTTPError, OSError, LookupError, ValueError) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(pause_s)
    msg = f"{what}: not within {timeout_s} s, last: {last!r}"
    raise TimeoutError(msg)


@dataclass(slots=True)
class Stack:
    """Broker, platform, gateway and simulators as processes with ports and files below ``folder``."""

    folder: Path
    plant: Path
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    mqtt_port_of_gateway: int | None = None

    def __post_init__(self) -> None:
        for name in ("mqtt", "broker", "platform", "gateway", "sim", "monitoring", "maintenance"):
            self.ports.setdefault(name, free_port())
        for name in ("secrets", "broker", "logs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        passwords = {}
        for user, name in (("gateway", "mqtt-gateway"), ("simulators", "mqtt-sim")):
            path = self.folder / "secrets" / f"{name}.json"
            if not path.exists():
                path.write_text(json.dumps({"username": user, "password": secrets.token_hex(16)}))
                path.chmod(0o600)
            passwords[user] = json.loads(path.read_text())["password"]
        (self.folder / "broker" / "nats.conf").write_text(
            BROKER_CONF.format(
                client_port=self.ports["broker"],
                mqtt_port=self.ports["mqtt"],
                store=self.folder / "broker" / "store",
                **passwords,
            )
        )

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def _command(self, name: str) -> list[str]:
        if name == "broker":
            return [str(BIN / "nats-server"), "-c", str(self.folder / "broker" / "nats.conf")]
        verbs = {"platform": ["platform", "run"], "gateway": ["gateway", "run"], "sim": ["sim", "run"]}
        return [str(BIN / "penstock"), *verbs.get(name, ["app", "run", name])]

    def process_environment(self, name: str) -> dict[str, str]:
        """Give the environment of a process: its folders, ports and credentials."""
        folder, mqtt = self.folder, self.ports["mqtt"]
        if name == "gateway" and self.mqtt_port_of_gateway is not None:
            mqtt = self.mqtt_port_of_gateway
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PENSTOCK_", "PYTEST_"))},
            "PENSTOCK_MQTT_URL": f"mqtt://127.0.0.1:{mqtt}",
            "PENSTOCK_PLATFORM_DATA": str(folder / "platform"),
            "PENSTOCK_PLATFORM_SECRETS": str(folder / "secrets"),
            "PENSTOCK_PLATFORM_PORT": str(self.ports["platform"]),
            "PENSTOCK_PLATFORM_PUBLIC_URL": self.url("platform"),
            "PENSTOCK_PLATFORM_PLANT": str(self.plant),
            "PENSTOCK_PLATFORM_BOOTSTRAP_GATEWAYS": "edge-1",
            "PENSTOCK_PLATFORM_BOOTSTRAP_APPS": ",".join(
                f"{app}={self.url(app)}" for app in ("monitoring", "maintenance")
            ),
            "PENSTOCK_GATEWAY_DATA": str(folder / "gateway"),
            "PENSTOCK_GATEWAY_PLANT": str(self.plant),
            "PENSTOCK_GATEWAY_TRUST": str(folder / "trust"),
            "PENSTOCK_GATEWAY_PLATFORM_URL": self.url("platform"),
            "PENSTOCK_GATEWAY_ENROL_TOKEN_FILE": str(folder / "secrets" / "enrol-edge-1.token"),
            "PENSTOCK_GATEWAY_MQTT_CREDENTIALS": str(folder / "secrets" / "mqtt-gateway.json"),
            "PENSTOCK_GATEWAY_HEALTH_PORT": str(self.ports["gateway"]),
            "PENSTOCK_SIM_DATA": str(folder / "simulators"),
            "PENSTOCK_SIM_PLANT": str(self.plant),
            "PENSTOCK_SIM_TRUST": str(folder / "trust"),
            "PENSTOCK_SIM_MQTT_CREDENTIALS": str(folder / "secrets" / "mqtt-sim.json"),
            "PENSTOCK_SIM_CONTROL_PORT": str(self.ports["sim"]),
            "PENSTOCK_APP_DATA": str(folder / name),
            "PENSTOCK_APP_PLATFORM_URL": self.url("platform"),
            "PENSTOCK_APP_PLATFORM_PUBLIC_URL": self.url("platform"),
            "PENSTOCK_APP_CREDENTIALS": str(folder / "secrets" / f"{name}.json"),
            "PENSTOCK_APP_PORT": str(self.ports.get(name, 0)),
            **self.environment,
        }

    def start(self, name: str, *, ready: bool = True) -> None:
        """Start a process by its name; wait until it answers unless told otherwise."""
        assert name not in self.processes or self.processes[name].poll() is not None, f"{name} runs already"
        with (self.folder / "logs" / f"{name}.log").open("ab") as log:
            environment = self.process_environment(name)
            self.processes[name] = subprocess.Popen(
                self._command(name), env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        if ready:
            self.wait_ready(name)

    def wait_ready(self, name: str) -> None:
        """Wait until the process answers; say what its log said when it does not."""
        try:
            wait_for(lambda: self._is_ready(name), f"{name} ready")
        except TimeoutError as error:
            error.add_note(self.log(name)[-4000:])
            raise

    def _is_ready(self, name: str) -> bool:
        process = self.processes[name]
        assert process.poll() is None, f"{name} ended with {process.returncode}:\n{self.log(name)[-4000:]}"
        if name == "broker":
            socket.create_connection(("127.0.0.1", self.ports["mqtt"]), 1).close()
            return True
        path = "/health/ready" if name == "platform" else "/health"
        return web.get(self.url(name) + path, timeout=3).status_code == 200

    def log(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until the process is gone."""
        self.processes[name].kill()
        self.processes[name].wait(STOP_S)

    def stop(self, name: str) -> int:
        """SIGTERM; return the exit status."""
        process = self.processes[name]
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        return process.wait(STOP_S)

    def close(self) -> None:
        """End whatever still runs: first politely."""
        for name in ("maintenance", "monitoring", "sim", "gateway", "platform", "broker"):
            process = self.processes.get(name)
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)

    def operator_token(self) -> str:
        """Fetch a token with the operator's credential that the platform made at first start."""
        credential = json.loads((self.folder / "secrets" / "cli.json").read_text())
        answer = web.post(
            self.url("platform") + "/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(credential["client_id"], credential["client_secret"]),
            timeout=10,
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def client(self) -> httpx.Client:
        """Return an HTTP client of the platform with the operator's rights; the caller closes it."""
        return web.Client(
            base_url=self.url("platform"), headers={"Authorization": f"Bearer {self.operator_token()}"}, timeout=30
        )
