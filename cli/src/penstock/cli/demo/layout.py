"""Where the demo keeps its files, and on which ports it listens."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from importlib.util import find_spec
from pathlib import Path

LOG_BYTES_MAX = 10 * 1024 * 1024  # a log longer than this is set aside at the next start, one old one is kept
GATEWAY = "edge-1"
PORTS_FILE = "ports.json"
APPS = ("monitoring", "maintenance")


class DemoError(Exception):
    """The demo cannot start or go on; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports on loopback. `broker` is nats-server's own, which it cannot do without; no user may log in there."""

    platform: int = 8080
    monitoring: int = 8081
    maintenance: int = 8082
    gateway: int = 8090
    simulators: int = 8091
    laboratory: int = 8092
    mqtt: int = 18830
    broker: int = 18831
    platform_tls: int = 8443
    pump_plc: int = 4840
    filling_plc: int = 4841

    def url(self, name: str) -> str:
        """Give the address of a process that speaks HTTP."""
        return f"http://127.0.0.1:{getattr(self, name)}"

    @property
    def laboratory_url(self) -> str:
        """Give the fault laboratory's address: under another name than the apps', which its cookie is not sent to."""
        return f"http://localhost:{self.laboratory}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The data folder (docs/reference/processes.md)."""

    data: Path

    def folder(self, name: str) -> Path:
        """Give a folder of one process."""
        return self.data / name

    @property
    def plant(self) -> Path:
        """Give the plant folder."""
        return self.data / "plant"

    @property
    def secrets(self) -> Path:
        """Give the folder of secrets."""
        return self.data / "secrets"

    def secret(self, name: str) -> Path:
        """Give a secret's file."""
        return self.secrets / name

    def log(self, name: str) -> Path:
        """Give a process's log."""
        return self.data / "logs" / f"{name}.log"

    def prepare(self, *, plant_source: Path | None = None) -> None:
        """Make the folders, copy the demo plant once, set long logs aside."""
        self.data.mkdir(parents=True, exist_ok=True)
        for private in ("secrets", "broker"):
            self.folder(private).mkdir(mode=0o700, exist_ok=True)
            self.folder(private).chmod(0o700)
        (self.data / "logs").mkdir(exist_ok=True)
        for log in (self.data / "logs").glob("*.log"):
            if log.stat().st_size > LOG_BYTES_MAX:
                log.replace(log.with_suffix(".log.old"))
        if not (self.plant / "plant.yaml").exists():
            _copy_plant(plant_source or demo_plant(), self.plant)

    def remember(self, ports: Ports) -> None:
        """Leave the ports for commands that are not told any (penstock.core.demo_ports reads them)."""
        write_private(self.data / PORTS_FILE, json.dumps(asdict(ports), indent=2) + "\n")

    def remembered(self) -> Ports:
        """Give the ports of the demo that ran last on this folder, else the usual ones."""
        said: object = None
        with suppress(OSError, ValueError):
            said = json.loads((self.data / PORTS_FILE).read_text(encoding="utf-8"))
        known = {f.name for f in fields(Ports)}
        found = said.items() if isinstance(said, dict) else ()
        return replace(Ports(), **{name: port for name, port in found if name in known and type(port) is int})

    def mqtt_user(self, name: str, user: str) -> tuple[str, str]:
        """Give (user, password) of an MQTT credentials file, made once."""
        path = self.secret(f"{name}.json")
        if not path.exists():
            write_private(path, json.dumps({"username": user, "password": secrets.token_urlsafe(24)}) + "\n")
        body = json.loads(path.read_text(encoding="utf-8"))
        return str(body["username"]), str(body["password"])


def demo_plant() -> Path:
    """Find the demo plant beside the simulators' code, without importing them."""
    spec = find_spec("penstock.simulators")
    for place in (spec.submodule_search_locations if spec else None) or ():
        folder = Path(place) / "demo_plant"
        if (folder / "plant.yaml").exists():
            return folder
    message = "the demo plant is not installed: it comes with the package penstock-simulators"
    raise DemoError(message)


def _copy_plant(source: Path, target: Path) -> None:
    """Copy whole or not at all, so that a stop in between leaves no half plant."""
    unfinished = target.with_name(".plant.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(source, unfinished, ignore=shutil.ignore_patterns("__*"))
    if target.exists():  # somebody's own folder without plant.yaml: keep what is in it
        shutil.copytree(unfinished, target, dirs_exist_ok=True)
        shutil.rmtree(unfinished)
    else:
        unfinished.replace(target)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
