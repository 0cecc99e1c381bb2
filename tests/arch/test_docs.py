"""What is generated in docs/ is what the code gives; every setting, alarm state, command and driver option is told."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points

import pytest
import typer
from pydantic import BaseModel
from typer.main import get_command

from penstock.core.alarm import AlarmState
from penstock.edge.mqtt.config import MqttConnection
from penstock.edge.opcua.config import OpcUaConnection
from tests.arch.sources import ROOT

REFERENCE = ROOT / "docs" / "reference"
SETTINGS = (
    ("penstock.platform.kit.settings", "Settings", "processes.md"),
    ("penstock.gateway.settings", "Settings", "processes.md"),
    ("penstock.simulators.settings", "SimSettings", "processes.md"),
    ("penstock.sdk.app.settings", "AppSettings", "processes.md"),
    ("penstock.apps.maintenance.settings", "MaintenanceSettings", "processes.md"),
)
ALL_DOCS = "\n".join(path.read_text() for path in sorted((ROOT / "docs").rglob("*.md")))


def test_generated_pages_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts/make_docs.py"), "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("module", "name", "page"), SETTINGS)
def test_every_setting_is_in_the_reference(module: str, name: str, page: str) -> None:
    settings = getattr(import_module(module), name)
    text = (REFERENCE / page).read_text()
    prefix = settings.model_config["env_prefix"].upper()
    missing = [
        prefix + field.upper()
        for field in settings.model_fields
        if f"`{prefix}{field.upper()}`" not in text and f"`_{field.upper()}`" not in text
    ]
    assert not missing, f"docs/reference/{page} says nothing of {missing}"


def test_every_alarm_state_is_in_the_reference() -> None:
    text = (REFERENCE / "alarms.md").read_text()
    assert [state.value for state in AlarmState if f"`{state.value}`" not in text] == []


def test_every_command_is_in_the_docs() -> None:
    missing = [words for words in commands() if words not in ALL_DOCS]
    assert not missing, f"no page of docs/ names {missing}"


@pytest.mark.parametrize("model", [OpcUaConnection, MqttConnection], ids=["opcua", "mqtt"])
def test_every_driver_option_is_in_the_reference(model: type[BaseModel]) -> None:
    text = (REFERENCE / "device-file.md").read_text()
    missing = [name for name in model.model_fields if f"`{name}" not in text and f"  {name}: " not in text]
    assert not missing, f"docs/reference/device-file.md says nothing of {missing}"


def commands() -> Iterator[str]:
    for entry in entry_points(group="penstock.commands"):
        group = get_command(entry.load()) if isinstance(entry.load(), typer.Typer) else entry.load()
        inner = getattr(group, "commands", {})
        if not inner:
            yield f"penstock {entry.name}"
        yield from (f"penstock {entry.name} {name}" for name in inner)
