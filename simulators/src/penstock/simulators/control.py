"""The simulators' control API: faults and status, on loopback, with a bearer token."""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from penstock.simulators.device_faults import SensorFault
from penstock.simulators.models.fault import FaultError, FaultRequest, Law, NotBrokenError
from penstock.simulators.runner import Runner

BODY_MAX_bytes: Final = 16_384
Endpoint = Callable[[Request], Awaitable[Response]]


class InjectBody(BaseModel):
    """POST /faults: what to inject, where; `action` repair puts a new part in."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    device: str = Field(max_length=63)
    fault: str = Field(max_length=160)
    action: str = Field(default="inject", pattern="^(inject|repair)$")
    severity: float = Field(default=0.2, ge=0.0, le=1.0)
    growth_per_h: float = Field(default=2.0, ge=0.0, le=3600.0)
    onset_s: float = Field(default=0.0, ge=0.0, le=30 * 86_400.0)
    law: Law = Law.LINEAR


def control_app(runner: Runner, token: str) -> Starlette:
    """Make the API: GET /health (open), GET /status, GET POST DELETE /faults."""
    guard = _guard(token)

    async def health(request: Request) -> Response:
        return JSONResponse(runner.health())

    async def status(request: Request) -> Response:
        return JSONResponse(runner.status())

    async def list_faults(request: Request) -> Response:
        faults = [
            {
                "device": device,
                "fault": state.fault,
                "active": state.active,
                "severity": state.severity,
                "growth_per_h": state.growth_per_h,
                "onset_s": state.onset_s,
                "kind": state.kind,
                "component": state.component,
            }
            for device, states in runner.plant.faults().items()
            for state in states
        ]
        tags = {name: list(device.file.tags) for name, device in runner.plant.devices.items()}
        return JSONResponse({"items": faults, "sensor_faults": list(SensorFault), "tags": tags})

    async def post_fault(request: Request) -> Response:
        raw = await request.body()
        if len(raw) > BODY_MAX_bytes:
            return _problem(413, "too-large", f"a fault fits in {BODY_MAX_bytes} bytes")
        body = InjectBody.model_validate_json(raw)
        if body.action == "repair":
            runner.repair(body.device, body.fault)
        else:
            wanted = FaultRequest(body.fault, body.severity, body.growth_per_h, body.onset_s, body.law)
            runner.inject(body.device, wanted)
        return JSONResponse({"device": body.device, "fault": body.fault, "action": body.action}, status_code=201)

    async def delete_fault(request: Request) -> Response:
        device, fault = request.query_params.get("device", ""), request.query_params.get("fault", "")
        runner.clear(device, fault)
        return JSONResponse({"device": device, "fault": fault, "action": "clear"})

    routes = [
        Route("/health", health),
        Route("/status", guard(status)),
        Route("/faults", guard(list_faults)),
        Route("/faults", guard(post_fault), methods=["POST"]),
        Route("/faults", guard(delete_fault), methods=["DELETE"]),
    ]
    return Starlette(routes=routes)


def _guard(token: str) -> Callable[[Endpoint], Endpoint]:
    expected = f"Bearer {token}".encode()

    def wrap(endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected):
                return _problem(
                    401, "unauthorized", "the token stands in sim-control.json in the simulators' data folder"
                )
            try:
                return await endpoint(request)
            except ValidationError as error:
                first = error.errors()[0]
                return _problem(422, "invalid", f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")
            except NotBrokenError as error:
                return _problem(409, "not-broken", error.message)
            except FaultError as error:
                return _problem(404, "no-such-fault", error.message)

        return guarded

    return wrap


def _problem(status: int, name: str, detail: str) -> Response:
    body: dict[str, Any] = {
        "type": f"https://penstock.invalid/problems/{name}",
        "title": name.replace("-", " "),
        "status": status,
        "detail": detail,
    }
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def write_control_file(path: Path, url: str) -> str:
    """Make a new token and write {"url", "token"} with mode 0600; give the token."""
    token = secrets.token_urlsafe(32)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"url": url, "token": token}, file)
    part.replace(path)
    return token
