"""A taken port is said in words by each command that listens: which, and what to do; nothing hangs, nothing is made."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.ports import free_port

pytestmark = pytest.mark.integration
PENSTOCK = str(Path(sys.executable).parent / "penstock")


@pytest.fixture
def taken() -> Iterator[int]:
    """Give a port on which this test itself listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen(1)
        yield int(listener.getsockname()[1])


def run(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    return subprocess.run(
        [PENSTOCK, *words], env=kept | settings, capture_output=True, text=True, cwd=folder, timeout=60, check=False
    )


def test_gateway_names_the_taken_port_and_the_setting(tmp_path: Path, taken: int) -> None:
    done = run(tmp_path, "gateway", "run", PENSTOCK_GATEWAY_HEALTH_PORT=str(taken))
    assert done.returncode == 1
    assert "PENSTOCK_GATEWAY_HEALTH_PORT" in done.stderr
    assert (
        f"port {taken} on 127.0.0.1 is not free (Address already in use): another gateway may run; choose another port"
    ) in done.stderr
    assert "Traceback" not in done.stderr


def test_app_names_the_taken_port_and_the_option(tmp_path: Path, taken: int) -> None:
    done = run(tmp_path, "app", "run", "monitoring", "--port", str(taken))
    assert done.returncode == 1
    assert done.stderr == (
        f"penstock app: port {taken} of 127.0.0.1 cannot be used (Address already in use): "
        "give --port, or change app.yaml of monitoring\n"
    )


def test_demo_names_the_taken_port_its_holder_and_the_option_before_it_starts_anything(
    tmp_path: Path, taken: int
) -> None:
    done = run(tmp_path, "demo", "--data", str(tmp_path / "data"), "--platform-port", str(taken), "--no-apps")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert f"port {taken} (platform) is taken by " in said
    assert "stop it, or choose another with --platform-port" in said
    assert not (tmp_path / "data" / "platform").exists()
