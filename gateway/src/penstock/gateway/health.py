"""What the gateway says of itself: /health for people, /metrics for Prometheus; loopback unless the settings say
otherwise.
"""

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from penstock.core.errors import ConfigError

Snapshot = Callable[[], Mapping[str, Any]]


def health_app(snapshot: Snapshot, registry: CollectorRegistry) -> Starlette:
    """Build the two pages. /health is 200 also when something is wrong: `status` says ok or degraded, and what."""

    async def health(_request: Request) -> Response:
        return JSONResponse(snapshot())

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return Starlette(routes=[Route("/health", health), Route("/metrics", metrics)])


def listen(host: str, port: int) -> socket.socket:
    """Take the port; one that is taken is a ConfigError that names it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        message = f"port {port} on {host} is not free ({error.strerror}): another gateway may run; choose another port"
        raise ConfigError(message, file="environment", line=None, key="PENSTOCK_GATEWAY_HEALTH_PORT") from error
    return taken


class HealthServer(uvicorn.Server):
    """Serve the pages inside the gateway's own loop; signals stay with the gateway."""

    def __init__(self, app: Starlette) -> None:
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", server_header=False)
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield
