"""Whom the gateway takes for its platform: certificate authorities, and how they are renewed without a person.

Trusted is the bundle that the settings name (or else the system's authorities) and what the platform itself, once it
was recognised, gave as its authorities: so a successor is known long before it signs. What was learnt counts under the
bundle alone under which it was learnt: another bundle, or none, withdraws it. A bundle that an operator replaces is
read again while the gateway runs; what is withdrawn so is dropped from memory at the next start.
"""

import asyncio
import contextlib
import hashlib
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from penstock.core.errors import ConfigError
from penstock.edge.durable import make_folder, write_durably
from penstock.gateway.platform_client import Answer

ASK_S = 6 * 3600.0
"""How often the platform is asked for its authorities: many times in the days before a new one signs."""
LOOK_S = 5.0
"""A replaced bundle is read within this."""
BUNDLE_MAX_CHARS = 100_000
LEARNT_UNDER = "# learnt under"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Trust:
    """Own the TLS context of the way to the platform; `given` is the operator's bundle, `learnt` the platform's."""

    given: Path | None
    learnt: Path
    context: ssl.SSLContext = field(init=False)
    _seen: tuple[int, int] | None = None
    _under: str = field(init=False)
    """First line of what is learnt: the bundle of this process's start."""

    def __post_init__(self) -> None:
        self._under = f"{LEARNT_UNDER} {_digest(self.given)}\n"
        if self.given is None:
            self.context = ssl.create_default_context()
        else:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if not self._read_given():
                log.warning("%s is not there yet: no platform is trusted until it is", self.given)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.learnt.exists():
            self._recall()

    def _recall(self) -> None:
        """Trust what was learnt, if that was under the bundle that is given now."""
        try:
            if self.learnt.read_bytes().startswith(self._under.encode("ascii")):
                self.context.load_verify_locations(self.learnt)
            else:
                log.warning("%s was learnt under another bundle than the one given now: it is not trusted", self.learnt)
        except OSError as error:  # ssl.SSLError is one
            log.warning("%s is no bundle of certificates (%s): the platform gives it again", self.learnt, error)

    def look(self) -> bool:
        """Read the operator's bundle again if it was replaced; say whether it was."""
        return self.given is not None and self._read_given()

    def learn(self, pem: str) -> bool:
        """Take the platform's authorities, heard over a connection that was trusted; say whether they are new."""
        if not pem or len(pem) > BUNDLE_MAX_CHARS:
            return False
        whole = (self._under + pem).encode("ascii")
        if self.learnt.exists() and self.learnt.read_bytes() == whole:
            return False
        self.context.load_verify_locations(cadata=pem)
        make_folder(self.learnt.parent)
        write_durably(self.learnt, whole)
        return True

    async def follow(self, ask: Callable[[], Awaitable[Answer]]) -> None:
        """Keep what is trusted up to date until cancelled."""
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        while True:
            with contextlib.suppress(ConfigError):  # half written: read again at the next look
                if await asyncio.to_thread(self.look):
                    log.info("platform: trusted authorities read again from %s", self.given)
            if loop.time() >= next_s and await self._ask(ask):
                next_s = loop.time() + ASK_S
            await asyncio.sleep(LOOK_S)

    async def _ask(self, ask: Callable[[], Awaitable[Answer]]) -> bool:
        """Ask once; say whether there was an answer, be it that the platform has no authority of its own."""
        answer = await ask()
        if not answer.ok:
            return answer.status == 404
        try:
            if await asyncio.to_thread(self.learn, str(answer.document.get("pem", ""))):
                log.info("platform: its authorities are kept in %s", self.learnt)
        except (OSError, ValueError) as error:
            log.warning("platform: its authorities could not be taken: %s", error)
        return True

    def _read_given(self) -> bool:
        assert self.given is not None
        try:
            found = self.given.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if stamp == self._seen:
                return False
            self.context.load_verify_locations(self.given)
        except FileNotFoundError:
            return False
        except OSError as error:
            message = (
                f"no bundle of certificates (PEM): {error}. `penstock ca export` on the platform's machine gives it"
            )
            raise ConfigError(message, file=str(self.given), line=None, key="PENSTOCK_GATEWAY_PLATFORM_CA") from error
        self._seen = stamp
        return True


def _digest(bundle: Path | None) -> str:
    """Name a bundle by its content."""
    if bundle is None:
        return "the system's authorities"
    try:
        return hashlib.sha256(bundle.read_bytes()).hexdigest()
    except FileNotFoundError:
        return "nothing"
