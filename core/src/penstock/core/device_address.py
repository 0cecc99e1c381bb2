"""Where a device is reached: the addresses of the drivers of this repository, judged when a device file is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

SHOWN_MAX_CHARS: Final = 80


@dataclass(frozen=True, slots=True)
class AddressForm:
    """Say how a driver's address is written: the key it stands under, its name and its form."""

    key: str
    name: str
    schemes: tuple[str, ...]
    needs_port: bool = False
    """Without one the driver has a usual port."""
    takes_user: bool = False

    @property
    def example(self) -> str:
        """Give the form as people write it."""
        return f"{self.schemes[0]}://host:port"

    def problem(self, text: str) -> str | None:
        """Say what is wrong with an address and how to write it; None where nothing is."""
        if not self.takes_user and "@" in text:
            return "user and password do not stand in a device file: they come from the credentials file"
        wrong = self._wrong(text)
        if wrong is None:
            return None
        return f"{text[:SHOWN_MAX_CHARS]!r} is no {self.name}: {wrong}write {self.example}"

    def _wrong(self, text: str) -> str | None:
        try:
            parts = urlsplit(text)
        except ValueError:
            return "an IPv6 host stands in brackets, as in [::1]; "
        if parts.scheme not in self.schemes or not parts.netloc:
            return ""
        if not _is_host(parts.hostname):
            return f"{parts.hostname or ''!r} is no host; "
        return self._wrong_port(parts)

    def _wrong_port(self, parts: SplitResult) -> str | None:
        try:
            port = parts.port
        except ValueError:
            port = 0
        if port is None and (self.needs_port or parts.netloc.endswith(":")):
            return "it has no port; "
        return "its port is no number from 1 to 65535; " if port == 0 else None


OPCUA: Final = AddressForm("endpoint", "OPC UA address", ("opc.tcp",), needs_port=True, takes_user=True)
MQTT: Final = AddressForm("broker", "broker address", ("mqtt", "mqtts"))
FORMS: Final = {"opcua": OPCUA, "mqtt": MQTT}
"""Driver → its address; other drivers judge theirs themselves."""


def _is_host(host: str | None) -> bool:
    """Say whether a name can be asked for: Python's sockets raise what is no OSError for one that cannot."""
    if not host or not host.isprintable() or " " in host:
        return False
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True
