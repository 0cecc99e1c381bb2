"""Which processes make the demo, with which settings (docs/reference/processes.md)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from penstock.cli.demo import broker
from penstock.cli.demo.layout import APPS, GATEWAY, DemoError, Layout, Ports
from penstock.cli.demo.ports import holder, is_taken
from penstock.cli.demo.reader import READER_FILE
from penstock.cli.demo.readiness import http_ok, mqtt_login, serves
from penstock.cli.demo.supervisor import ProcessSpec

DEVICES_WITHIN_S = 45.0
"""The simulators count as ready when all devices serve, or after this time with those that do."""
LOOPBACK = "127.0.0.1"
PREFIX = "PENSTOCK_"
WITHHELD = frozenset(
    f"{PREFIX}PLATFORM_{name}" for name in ("DATABASE_URL", "DATABASE_PASSWORD_FILE", "TLS_CERTIFICATE", "TLS_KEY")
)
"""Given to no process: all that the demo keeps lies in its folder; its gateway knows the platform's own authority."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What to run beside broker, platform and gateway."""

    simulators: bool = True
    apps: bool = True


def check_ports(ports: Ports, parts: Parts) -> None:
    """Refuse to start on taken ports; names port, use, holder and the option that changes it."""
    options = {"pump_plc": "PENSTOCK_OPCUA_PUMP_PORT", "filling_plc": "PENSTOCK_OPCUA_FILLING_PORT"}
    used = [f.name for f in fields(Ports) if _is_used(f.name, parts)]
    taken = [
        f"port {getattr(ports, name)} ({name.replace('_', ' ')}) is taken by {holder(getattr(ports, name))}; "
        f"stop it, or choose another with {options.get(name) or '--' + name.replace('_', '-') + '-port'}"
        for name in used
        if is_taken(getattr(ports, name))
    ]
    numbers = [getattr(ports, name) for name in used]
    for number in sorted({number for number in numbers if number and numbers.count(number) > 1}):
        uses = " and ".join(name.replace("_", " ") for name in used if getattr(ports, name) == number)
        taken.append(f"port {number} is meant for {uses}; give each a port of its own")
    if taken:
        raise DemoError("\n".join(taken))


def _is_used(name: str, parts: Parts) -> bool:
    if name in APPS:
        return parts.apps
    return parts.simulators or name not in ("simulators", "laboratory", "pump_plc", "filling_plc")


def environment(layout: Layout, ports: Ports, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Give the settings of all processes: those of the caller, and over them what the demo itself decides."""
    data, secrets = layout.data.absolute(), layout.secrets.absolute()
    apps = ",".join(f"{name}={ports.url(name)}" for name in APPS)
    return {
        **{k: v for k, v in inherited.items() if k not in WITHHELD},
        "PYTHONUNBUFFERED": "1",
        "PENSTOCK_MQTT_URL": f"mqtt://127.0.0.1:{ports.mqtt}",
        "PENSTOCK_OPCUA_PUMP_PORT": str(ports.pump_plc),
        "PENSTOCK_OPCUA_FILLING_PORT": str(ports.filling_plc),
        "PENSTOCK_PLATFORM_DATA": str(data / "platform"),
        "PENSTOCK_PLATFORM_SECRETS": str(secrets),
        "PENSTOCK_PLATFORM_HOST": LOOPBACK,
        "PENSTOCK_PLATFORM_PORT": str(ports.platform),
        "PENSTOCK_PLATFORM_TLS_PORT": str(ports.platform_tls),
        "PENSTOCK_PLATFORM_PUBLIC_URL": ports.url("platform"),
        "PENSTOCK_PLATFORM_PLANT": str(data / "plant"),
        "PENSTOCK_PLATFORM_BOOTSTRAP_APPS": apps,
        "PENSTOCK_PLATFORM_BOOTSTRAP_GATEWAYS": GATEWAY,
        "PENSTOCK_GATEWAY_DATA": str(data / "gateway"),
        "PENSTOCK_GATEWAY_NAME": GATEWAY,
        "PENSTOCK_GATEWAY_PLATFORM_URL": f"https://127.0.0.1:{ports.platform_tls}",
        "PENSTOCK_GATEWAY_PLATFORM_CA": str(secrets / "ca.pem"),
        "PENSTOCK_GATEWAY_PLANT": str(data / "plant"),
        "PENSTOCK_GATEWAY_ENROL_TOKEN_FILE": str(secrets / f"enrol-{GATEWAY}.token"),
        "PENSTOCK_GATEWAY_MQTT_CREDENTIALS": str(secrets / "mqtt-gateway.json"),
        "PENSTOCK_GATEWAY_TRUST": str(data / "plant" / "trust"),
        "PENSTOCK_GATEWAY_HEALTH_HOST": LOOPBACK,
        "PENSTOCK_GATEWAY_HEALTH_PORT": str(ports.gateway),
        "PENSTOCK_SIM_DATA": str(data / "simulators"),
        "PENSTOCK_SIM_PLANT": str(data / "plant"),
        "PENSTOCK_SIM_TRUST": str(data / "plant" / "trust"),
        "PENSTOCK_SIM_MQTT_CREDENTIALS": str(secrets / "mqtt-sim.json"),
        "PENSTOCK_SIM_CONTROL_HOST": LOOPBACK,
        "PENSTOCK_SIM_CONTROL_PORT": str(ports.simulators),
        "PENSTOCK_SIM_LABORATORY_PORT": str(ports.laboratory),
        "PENSTOCK_SIM_LABORATORY_URL": ports.laboratory_url,
        "PENSTOCK_SIM_LABORATORY_PLATFORM_URL": ports.url("platform"),
        "PENSTOCK_SIM_LABORATORY_PLATFORM_CREDENTIALS": str(secrets / READER_FILE),
        "PENSTOCK_MAINTENANCE_LABORATORY_URL": ports.laboratory_url,
        "PENSTOCK_APP_HOST": LOOPBACK,
        "PENSTOCK_APP_PLATFORM_URL": ports.url("platform"),
        "PENSTOCK_APP_PLATFORM_PUBLIC_URL": ports.url("platform"),
    }


def ignored(layout: Layout, ports: Ports, inherited: Mapping[str, str] = os.environ) -> list[str]:
    """Name the caller's settings that the demo does not take over, since it decides them."""
    decided, of_apps = environment(layout, ports, {}), app_environment(APPS[0], layout, ports)
    return sorted(
        name
        for name, value in inherited.items()
        if name.startswith(PREFIX) and (name in WITHHELD or name in of_apps or decided.get(name, value) != value)
    )


def app_environment(name: str, layout: Layout, ports: Ports) -> dict[str, str]:
    """Give what differs from app to app."""
    return {
        "PENSTOCK_APP_CREDENTIALS": str(layout.secret(f"{name}.json").absolute()),
        "PENSTOCK_APP_DATA": str((layout.data / "apps" / name).absolute()),
        "PENSTOCK_APP_PUBLIC_URL": ports.url(name),
        "PENSTOCK_APP_PORT": str(getattr(ports, name)),
    }


def plan(layout: Layout, ports: Ports, parts: Parts) -> Sequence[ProcessSpec]:
    """List the processes, those first that others need."""
    environ = environment(layout, ports)
    if not parts.simulators:
        del environ["PENSTOCK_MAINTENANCE_LABORATORY_URL"]
    configuration = broker.configure(layout, ports)
    user, password = layout.mqtt_user("mqtt-sim", "simulators")

    def spec(name: str, argv: Sequence[str], ready: str, *after: str, **more: str) -> ProcessSpec:
        url = ports.url(name)
        return ProcessSpec(
            name, argv, {**environ, **more}, http_ok(f"{url}{ready}"), layout.log(name), after=after, says=url
        )

    specs = [
        ProcessSpec(
            "broker",
            [str(broker.binary()), "-c", str(configuration)],
            environ,
            mqtt_login(ports.mqtt, user, password),
            layout.log("broker"),
            says=f"mqtt://127.0.0.1:{ports.mqtt}",
        ),
        spec("platform", penstock("platform", "run"), "/health/ready"),
    ]
    if parts.simulators:
        simulators = spec("simulators", penstock("sim", "run"), "/health", "broker")
        served = serves(f"{ports.url('simulators')}/health", starting_max_s=DEVICES_WITHIN_S)
        specs.append(replace(simulators, ready=served))
    specs.append(spec("gateway", penstock("gateway", "run"), "/health", "broker", "platform"))
    if parts.apps:
        for name in APPS:
            argv = penstock("app", "run", name)
            specs.append(spec(name, argv, "/health", "platform", **app_environment(name, layout, ports)))
    return specs


def penstock(*arguments: str) -> list[str]:
    """Give the command line of `penstock` with this Python."""
    script = Path(sys.executable).with_name("penstock")
    launcher = (
        [str(script)] if script.exists() else [sys.executable, "-c", "from penstock.cli.main import main; main()"]
    )
    return [*launcher, *arguments]
