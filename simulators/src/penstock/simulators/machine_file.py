"""A device file for a machine: every output of a model as a tag, ready for a running plant folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from random import Random
from typing import Any, Final

import yaml

from penstock.core.values import ValueType
from penstock.simulators.models.fault import Faulty
from penstock.simulators.models.model import ModelContext, Parameters
from penstock.simulators.models.registry import find_model
from penstock.simulators.models.world import World

MADE_BY: Final = "# made by: penstock sim machine; yours to change\n"
UNIT_LAST: Final = re.compile(
    r"_(degC|deg|percent|mbar|bar|rpm|kWh|kW|kN|Pa|m3h|l_h|t_h|l_min|mm_min|m_min|per_h|per_min|uS_cm|m_s2|mm_s|m_s"
    r"|mm|um|ml|m3|m|g|Hz|A|V|h|min|s)$"
)
"""What outputs of models end with; a tag has its unit beside its name."""
TYPES: Final = {bool: ValueType.BOOL, int: ValueType.INT64, float: ValueType.FLOAT64, str: ValueType.STRING}


def machine_device_file(
    model: str,
    *,
    device: str,
    driver: str,
    asset: str,
    port: int = 4870,
    rate_hz: float = 1.0,
    parameters: dict[str, Any] | None = None,
    seed: int = 0,
) -> str:
    """Give the text of a device file; UnknownModelError, and ParameterError for parameters that the model has not."""
    kind = find_model(model)
    made = kind(ModelContext(device, Parameters(parameters or {}), Random(seed), World()))  # noqa: S311  physics
    values, names = made.outputs(), tag_names(kind.OUTPUTS)
    tags: dict[str, Any] = {}
    for output, unit in kind.OUTPUTS.items():
        tags[names[output]] = {
            "type": str(TYPES[type(values[output])]),
            **({"unit": unit} if unit else {}),
            "source": {"node" if driver == "opcua" else "field": names[output]},
            "signal": {"output": output},
            "rate_hz": rate_hz,
        }
    content: dict[str, Any] = {
        "version": 1,
        "device": device,
        "description": f"Simulated {model}",
        "asset": asset,
        "connection": _connection(device, driver, port),
        "simulate": {"model": model, "parameters": parameters or {}, "seed": seed},
        "tags": tags,
    }
    return MADE_BY + yaml.safe_dump(content, sort_keys=False, width=200)


def faults_of(model: str) -> dict[str, str]:
    """Give the faults that a machine can have, and the component that each is of; UnknownModelError."""
    made = find_model(model)(ModelContext(model, Parameters({}), Random(0), World()))  # noqa: S311  physics
    return {each.fault: each.component for each in made.faults()} if isinstance(made, Faulty) else {}


def tag_names(outputs: Iterable[str]) -> dict[str, str]:
    """Give a tag's name for every output: without its unit, where that leaves a name of its own."""
    short = {output: UNIT_LAST.sub("", output) for output in outputs}
    twice = {name for name, count in Counter(short.values()).items() if count > 1}
    return {output: output if name in twice else name for output, name in short.items()}


def _connection(device: str, driver: str, port: int) -> dict[str, Any]:
    if driver == "opcua":
        return {
            "driver": driver,
            "endpoint": f"opc.tcp://${{PENSTOCK_PLANT_HOST:-127.0.0.1}}:{port}",
            "namespace": f"urn:penstock:sim:{device}",
            "security": "Basic256Sha256/SignAndEncrypt",
        }
    return {
        "driver": driver,
        "broker": "${PENSTOCK_MQTT_URL:-mqtt://127.0.0.1:18830}",
        "topic": f"plant/machines/{device}",
        "time_field": "time",
    }
