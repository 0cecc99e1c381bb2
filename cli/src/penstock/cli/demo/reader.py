"""A client of the platform that may only read, for the fault laboratory: it shows alarms beside the truth.

Made with the operator's credential over the public API, as an operator would for a plant of their own.
"""

from __future__ import annotations

import json
import ssl
from typing import Any

import httpx

from penstock.cli.demo.layout import Layout, Ports, write_private

READER_FILE = "laboratory-reader.json"
READER = "fault-laboratory"
SCOPES = ("alarms:read", "assets:read")
TIMEOUT_S = 10.0
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""What is asked is plain HTTP on this machine."""


def make_reader(layout: Layout, ports: Ports) -> str:
    """Register the client once and keep its rights as they are meant; give what was in the way, or ""."""
    try:
        with httpx.Client(
            base_url=ports.url("platform"), timeout=TIMEOUT_S, trust_env=False, verify=_NO_AUTHORITIES
        ) as http:
            _sign_in(http, layout)
            _register(http, layout, ports)
    except (httpx.HTTPError, OSError, ValueError, KeyError) as failed:
        return f"{type(failed).__name__}: {failed}"
    return ""


def _sign_in(http: httpx.Client, layout: Layout) -> None:
    own = json.loads(layout.secret("cli.json").read_text(encoding="utf-8"))
    form = {"grant_type": "client_credentials"}
    told = http.post("/oauth/token", data=form, auth=(own["client_id"], own["client_secret"]))
    http.headers["Authorization"] = f"Bearer {told.raise_for_status().json()['access_token']}"


def _register(http: httpx.Client, layout: Layout, ports: Ports) -> None:
    said: dict[str, Any] = {
        "name": "Fault laboratory",
        "url": ports.laboratory_url,
        "description": "Where simulated machines are broken. It has a login of its own, and reads alarms alone.",
        "scopes": list(SCOPES),
        "user_scopes": [],
    }
    file = layout.secret(READER_FILE)
    made = http.post("/v1/apps", json={"id": READER, **said})
    if made.status_code == httpx.codes.CONFLICT:
        http.patch(f"/v1/apps/{READER}", json=said).raise_for_status()
        if file.exists():
            return
        made = http.post(f"/v1/apps/{READER}/secret")
    client = made.raise_for_status().json()
    kept = {name: client[name] for name in ("client_id", "client_secret")}
    write_private(file, json.dumps(kept) + "\n")
