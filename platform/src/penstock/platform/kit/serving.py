"""Serve one app at two doors: plain HTTP for browsers on this machine, TLS for gateways.

The HTTP server owns the app's life: stores open before either door takes a request and close after both are shut. The
TLS door's certificate is looked after while it serves; a new one is used from the next handshake on, and connections
that stand go on.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from penstock.core.errors import ConfigError, PenstockError
from penstock.platform.kit.authority import Authority

GRACE_S = 5
KEEP_ALIVE_S = 75  # longer than the idle time of gateways, so that they need not connect for each request
CERTIFICATE_LOOK_S = 60.0
"""How often the certificate is looked after: a file that was replaced is used within this."""

log = logging.getLogger(__name__)


def configuration(app: Any, **more: Any) -> uvicorn.Config:
    """Give what both doors have in common."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # its lines hold query strings: one-time links and codes
        server_header=False,
        proxy_headers=False,
        ws="none",  # no route speaks it
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        **more,
    )


class Certificate:
    """Hold the TLS context of the door: from the platform's own authority, or from files that the plant provides."""

    def __init__(self, authority: Authority | None, file: Path, key: Path | None = None) -> None:
        self._authority = authority
        self._file, self._key = file, key
        self._seen: tuple[int, ...] = ()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.refresh()

    def refresh(self) -> bool:
        """Renew what is due and load what is new; say whether something was. Raise ConfigError for a broken file."""
        if self._authority is not None:
            self._authority.prepare()
        files = [path for path in (self._file, self._key) if path is not None]
        try:
            stamps = tuple(stamp for path in files for stamp in (path.stat().st_mtime_ns, path.stat().st_ino))
            if stamps == self._seen:
                return False
            self.context.load_cert_chain(self._file, self._key)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            message = f"certificate and key cannot be loaded: {error}"
            raise ConfigError(
                message, file=str(self._file), line=None, key="PENSTOCK_PLATFORM_TLS_CERTIFICATE"
            ) from error
        self._seen = stamps
        return True

    async def follow(self, pause_s: float = CERTIFICATE_LOOK_S) -> None:
        """Look after the certificate until cancelled; a broken file leaves the one that is loaded."""
        while True:
            await asyncio.sleep(pause_s)
            try:
                if await asyncio.to_thread(self.refresh):
                    log.info("the TLS door has a new certificate")
            except (PenstockError, OSError) as error:
                log.error("the TLS door keeps its certificate: %s", error)


class _Door(uvicorn.Server):
    """The TLS door: it leaves signals to the other server, and the app's life too."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Server(uvicorn.Server):
    """Serve HTTP, and TLS beside it where a certificate is given."""

    def __init__(self, app: Any, *, certificate: Certificate | None = None, tls: socket.socket | None = None) -> None:
        super().__init__(configuration(app))
        self._certificate, self._tls_socket = certificate, tls
        self._door: _Door | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the stores and the HTTP door, then the TLS door."""
        await super().startup(sockets=sockets)
        if not self.started or self._certificate is None or self._tls_socket is None:
            return
        config = configuration(self.config.app, lifespan="off", ssl_context_factory=_always(self._certificate.context))
        self._door = _Door(config)
        self._tasks = [
            asyncio.create_task(self._door.serve(sockets=[self._tls_socket]), name="tls door"),
            asyncio.create_task(self._certificate.follow(), name="tls certificate"),
        ]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop, both doors."""
        super().handle_exit(sig, frame)
        if self._door is not None:
            self._door.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut the TLS door, then the HTTP door and the stores."""
        if self._door is not None:
            self._door.should_exit = True
            door, follower = self._tasks
            follower.cancel()
            await asyncio.gather(door, follower, return_exceptions=True)
        await super().shutdown(sockets=sockets)


def _always(context: ssl.SSLContext) -> Callable[..., ssl.SSLContext]:
    return lambda *_: context
