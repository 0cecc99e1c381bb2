"""What a start loads: no more than it needs, and nothing that has to be compiled first."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOMS = {f"penstock.{room}" for room in ("core", "edge", "gateway", "platform", "sdk", "apps", "simulators", "lab")}
OF_NO_PROCESS = {"httpx._main", "pandas", "pygments", "rich", "websockets"}
PENSTOCK = "from penstock.cli.main import main; main()"
PLATFORM = """
from penstock.platform.kit.lean import leave_out
leave_out("pandas")
import penstock.platform.main
from penstock.platform.bootstrap import Platform
from penstock.platform.kit.serving import configuration
from penstock.platform.kit.settings import Settings
configuration(Platform(Settings(data=sys.argv[1], plant=sys.argv[2])).app).load()
"""
HISTORIAN = "import penstock.platform.historian.service, penstock.platform.historian.writing.sealing"


def loaded(code: str, *words: str) -> set[str]:
    """Give the names of the modules that a process has at its end."""
    last = "lambda: print('\\n' + json.dumps([name for name, module in sys.modules.items() if module]))"
    command = [sys.executable, "-c", f"import atexit, json, sys; atexit.register({last})\n{code}", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_command_alone_loads_no_room_and_no_client() -> None:
    found = loaded(PENSTOCK, "--version")
    assert not found & (ROOMS | OF_NO_PROCESS | {"httpx", "numpy", "penstock.cli.demo"})


def test_a_gateways_command_loads_its_room_and_no_other() -> None:
    found = loaded(PENSTOCK, "gateway", "problems", "--health-port", "1")
    assert {"penstock.gateway.main", "httpx"} <= found
    assert not found & (OF_NO_PROCESS | {"duckdb", "fastapi", "nicegui", "penstock.platform", "sqlalchemy"})


def test_a_platforms_start_loads_nothing_of_migrations_units_and_devices(tmp_path: Path) -> None:
    unused = OF_NO_PROCESS | {"asyncua", "httpx", "nicegui", "pint"}
    folders = (str(tmp_path / "platform"), str(tmp_path))
    assert not loaded(PLATFORM, *folders) & unused - {"pygments"}, "at the first start, migrations load it"
    again = loaded(PLATFORM, *folders)
    assert not again & (unused | {"alembic", "mako"})
    assert {"duckdb", "fastapi", "sqlalchemy"} <= again


def test_a_historian_alone_loads_no_registry_and_no_web_framework() -> None:
    found = loaded("from penstock.platform.kit.lean import leave_out\nleave_out('pandas')\n" + HISTORIAN)
    assert "penstock.platform.historian.service" in found
    assert not found & (OF_NO_PROCESS | {"fastapi", "penstock.platform.registry.service", "pydantic", "sqlalchemy"})


def test_analytics_without_a_fit_load_no_pages_and_no_trees(tmp_path: Path) -> None:
    found = loaded(PENSTOCK, "maintenance", "backtest", str(tmp_path / "none"), "--out", str(tmp_path / "out"))
    assert "penstock.apps.maintenance.backtest.command" in found
    assert not found & (
        OF_NO_PROCESS - {"pandas"} | {"fastapi", "nicegui", "penstock.apps.maintenance.bootstrap", "sklearn"}
    )


def test_simulators_that_only_generate_load_no_servers(tmp_path: Path) -> None:
    words = f"sim generate --hours 0.01 --plant {tmp_path} --out {tmp_path / 'none.parquet'}"
    found = loaded(PENSTOCK, *words.split())
    assert "penstock.simulators.generate" in found
    assert not found & {"asyncua", "fastapi", "starlette", "uvicorn"}


@pytest.mark.parametrize("name", ["asyncua", "pydantic", "sqlalchemy"])
def test_what_is_installed_is_compiled(name: str) -> None:
    found = find_spec(name)
    assert found is not None
    assert found.cached is not None
    assert Path(found.cached).exists(), (
        "`make install` compiles; else each start does where PYTHONDONTWRITEBYTECODE is set"
    )
