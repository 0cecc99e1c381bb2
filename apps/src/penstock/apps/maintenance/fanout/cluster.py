"""Work on a Dask cluster (`dask.distributed`), where a fleet outgrows one machine.

A scheduler runs any code that is sent to it, and what its workers answer is unpickled here. So nothing is ever
connected to that was not named, and beyond loopback only by TLS with certificates on both sides (`tls://HOST:PORT`).
Before any work each worker says what software it runs; a worker that joins later is asked with its first piece.
"""

from __future__ import annotations

import hashlib
import ipaddress
import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from penstock.apps.maintenance.fanout.executor import AHEAD, ExecutorError, Item, Result, alone, in_turn

CONNECT_s: Final = 10.0
PACKAGES: Final = ("numpy", "scipy", "scikit-learn", "pyarrow", "distributed")
"""Whose version a result, or the way that it takes, depends on."""
INSTALL: Final = "pip install 'penstock-apps[dask]'"


@dataclass(frozen=True, slots=True)
class Tls:
    """Files that speak for this side: the authority trusted, the own certificate and its key (PEM)."""

    ca: Path
    cert: Path
    key: Path


@lru_cache(maxsize=1)
def software() -> dict[str, str]:
    """Say what runs here: Python, the packages that count, and a digest of this app's own code."""
    said = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in PACKAGES:
        try:
            said[name] = version(name)
        except PackageNotFoundError:
            said[name] = "none"
    digest, folder = hashlib.sha256(), Path(__file__).parents[1]
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return said | {"penstock maintenance": digest.hexdigest()[:12]}


class OtherSoftwareError(Exception):
    """A worker runs something else; its one argument is what."""


def guarded(work: Callable[[Item], Result], item: Item, wanted: dict[str, str]) -> Result:
    """Do a piece of work where the software is the same."""
    if software() != wanted:
        raise OtherSoftwareError(software())
    return alone(work, item)


class Dask:
    """Do it on the workers of the scheduler at `address`."""

    def __init__(self, address: str, tls: Tls | None = None) -> None:
        """Connect and look at the workers; ExecutorError says what is wrong."""
        check(address, tls)
        try:
            distributed: Any = import_module("distributed")
        except ImportError as error:
            message = f"work on a Dask cluster needs the package distributed: {INSTALL}"
            raise ExecutorError(message) from error
        self._address = address
        security = distributed.Security(**_security(tls)) if tls is not None else None
        try:
            self._client: Any = distributed.Client(
                address, security=security, timeout=CONNECT_s, set_as_default=False, name="penstock-maintenance"
            )
        except (OSError, TimeoutError, ValueError) as error:
            message = (
                f"no Dask scheduler answers at {address} within {CONNECT_s:g} s ({error}): is it running "
                "(dask scheduler), is the address right, and are its certificates of the same authority?"
            )
            raise ExecutorError(message) from error
        try:
            self._workers = self._look()
        except BaseException:  # boundary: whatever it was, the connection is not left open
            self.close()
            raise

    def _look(self) -> int:
        """Ask each worker what it runs; give how many threads there are."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        if not workers:
            message = f"the Dask cluster at {self._address} has no workers: start some (dask worker {self._address})"
            raise ExecutorError(message)
        said = self._client.run(software, on_error="return")
        for worker, answer in sorted(said.items()):
            if isinstance(answer, BaseException):
                message = f"worker {worker} cannot run Penstock's analytics ({answer}): {INSTALL} there"
                raise ExecutorError(message) from answer
            self._compare(worker, answer)
        return sum(int(each["nthreads"]) for each in workers.values())

    def _compare(self, worker: str, there: dict[str, str]) -> None:
        apart = [f"{n} {there.get(n, 'none')} (here {own})" for n, own in software().items() if there.get(n) != own]
        if apart:
            message = f"worker {worker} runs other software: {', '.join(apart)}. Install the same on all machines"
            raise ExecutorError(message)

    def results(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Give the results in the items' order; ExecutorError where the cluster is lost or runs other software."""
        distributed: Any = import_module("distributed")
        wanted = software()
        sent = (self._client.submit(guarded, work, item, wanted, pure=False) for item in items)
        try:
            yield from in_turn(sent, AHEAD * self._workers)
        except OtherSoftwareError as error:
            self._compare("that has joined", error.args[0])
            raise
        except (distributed.CancelledError, distributed.KilledWorker, OSError) as error:
            message = f"the Dask cluster at {self._address} lost the work ({type(error).__name__}): {error}. Try again"
            raise ExecutorError(message) from error

    def close(self) -> None:
        """Leave; the cluster stays."""
        self._client.close()


def check(address: str, tls: Tls | None) -> None:
    """Refuse an address that nobody should connect to, before anything is sent."""
    parts = urlsplit(address)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or port is None:
        message = f"{address!r} is no address of a Dask scheduler: tcp://127.0.0.1:8786, or tls://HOST:PORT"
        raise ExecutorError(message)
    if parts.scheme == "tls" and tls is None:
        message = f"{address} needs certificates: the authority's, our own, and its key"
        raise ExecutorError(message)
    if parts.scheme == "tcp" and tls is not None:
        message = f"{address} is plain, and certificates are given: write tls://, or leave them out"
        raise ExecutorError(message)
    if parts.scheme == "tcp" and not _is_loopback(parts.hostname):
        message = f"{address} is plain and not on this machine: whoever reaches it runs code here; use tls://"
        raise ExecutorError(message)
    for file in asdict(tls).values() if tls is not None else ():
        if not Path(file).is_file():
            message = f"{file}: no such file; a tls:// address takes PEM files"
            raise ExecutorError(message)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _security(tls: Tls) -> dict[str, Any]:
    return {
        "require_encryption": True,
        "tls_ca_file": str(tls.ca),
        "tls_client_cert": str(tls.cert),
        "tls_client_key": str(tls.key),
    }
