"""Choose the place of the work: settings or options → an executor, opened when it is needed and closed after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penstock.apps.maintenance.fanout.executor import HERE, Executor, ExecutorError, Processes


@dataclass(frozen=True, slots=True)
class Place:
    """`jobs` processes of this machine, 1 for this one; with `dask`, an address, the cluster there. By default here."""

    jobs: int = 1
    dask: str = ""
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @contextmanager
    def executor(self) -> Iterator[Executor]:
        """Open it; ExecutorError says what is wrong, and nothing is connected to where no address is named."""
        opened = self._open()
        try:
            yield opened
        finally:
            opened.close()

    def _open(self) -> Executor:
        named = [file for file in (self.ca, self.cert, self.key) if file is not None]
        if not self.dask:
            if named:
                message = f"certificates are given ({named[0]}), and no address of a Dask scheduler"
                raise ExecutorError(message)
            return Processes(self.jobs) if self.jobs > 1 else HERE
        if self.jobs > 1:
            message = f"{self.jobs} processes and the Dask cluster {self.dask} are asked for: choose one"
            raise ExecutorError(message)
        from penstock.apps.maintenance.fanout.cluster import Dask, Tls

        if self.ca is None or self.cert is None or self.key is None:
            if named:
                message = (
                    f"of authority, certificate and key only {named[0]} is given: a tls:// address takes all three"
                )
                raise ExecutorError(message)
            return Dask(self.dask)
        return Dask(self.dask, Tls(self.ca, self.cert, self.key))


ON_THE_SPOT = Place()
