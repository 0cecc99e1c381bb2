"""Which kinds of machines the experiment has, and what the simulators say of each: its faults, tags and type."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from penstock.core.errors import reason_of
from penstock.lab.experiment.plan import DUTIES
from penstock.lab.study import StudyError

SHIPPED: Final = Path(__file__).with_name("machines.yaml")
TOTALS: Final = ("h", "m3", "kWh")
"""Units of what counts up: a counter is no sensor that drifts or spikes."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of machine: `faults` of the machine → component; `sensors`: tags that may break; its device file.

    `signals`: tags that no sensor gives → what does: they are asked for or computed.
    """

    model: str
    faults: Mapping[str, str]
    sensors: tuple[str, ...]
    duties: tuple[str, ...]
    parameters: Mapping[str, Any]
    device_file: Mapping[str, Any]
    failure_modes: Mapping[str, Any]
    signals: Mapping[str, str]
    commissioned_h: float | None = None
    """Healthy hours that its limits need, where they are others than usual."""


def read_kinds(place: Path, wanted: Sequence[str]) -> tuple[Kind, ...]:
    """Read the kinds that a file names, all or those that are wanted; StudyError names what is unknown or wrong."""
    try:
        named: Mapping[str, Any] = yaml.safe_load(place.read_text())["machines"]
        of_all = {model: dict(own or {}) for model, own in named.items()}
    except (OSError, KeyError, TypeError, AttributeError, ValueError, yaml.YAMLError) as error:
        message = f"{place}: no list of machines: {reason_of(error)}"
        raise StudyError(message) from error
    if unknown := [model for model in wanted if model not in of_all]:
        message = f"no kind of machine is called {', '.join(unknown)}; there are {', '.join(of_all)} ({place.name})"
        raise StudyError(message)
    chosen = {model: of_all[model] for model in wanted or of_all}
    return tuple(_kind(model, own) for model, own in chosen.items())


def _kind(model: str, own: Mapping[str, Any]) -> Kind:
    lines = (line.partition("\t") for line in sim("faults", model).splitlines())
    device, known = _files(model)
    sensors = tuple(
        name
        for name, tag in device["tags"].items()
        if tag["type"] == "float64" and tag.get("unit", "") and tag["unit"] not in TOTALS and name not in known.signals
    )
    return Kind(
        model,
        {fault: component for fault, _, component in lines},
        sensors,
        tuple(own.get("duties", DUTIES)),
        own.get("parameters", {}),
        device,
        known.failure_modes,
        known.signals,
        own.get("commissioned_h"),
    )


@dataclass(frozen=True, slots=True)
class _Type:
    failure_modes: Mapping[str, Any]
    signals: Mapping[str, str]


def _files(model: str) -> tuple[dict[str, Any], _Type]:
    """Give a machine's device file, and what the asset type says that comes with it into a plant."""
    with tempfile.TemporaryDirectory(prefix="penstock-lab-") as made:
        plant = Path(made)
        (plant / "devices").mkdir()
        sim("machine", model, "--device", "machine", "--plant", made)
        device = yaml.safe_load((plant / "devices" / "machine.yaml").read_text())
        types = [yaml.safe_load(file.read_text()) for file in (plant / "types").glob("*.yaml")]
        kind = types[0] if types else {}
    given = {name: spec["signal"] for name, spec in kind.get("properties", {}).items() if "signal" in spec}
    return device, _Type(kind.get("failure_modes", {}), given)


def sim(*arguments: str) -> str:
    """Run `penstock sim` as a process of its own, give what it printed; StudyError with its words where it fails."""
    command = [str(Path(sys.executable).with_name("penstock")), "sim", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  own command
    if done.returncode:
        message = f"{' '.join(command)}: {done.stderr.strip()}"
        raise StudyError(message)
    return done.stdout
