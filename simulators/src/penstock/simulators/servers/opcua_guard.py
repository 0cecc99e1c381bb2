"""Who may do what on a simulated PLC: trusted certificates only, and nobody writes.

asyncua's defaults let any certificate in and give a user named `admin` every right; a client that opens an unsecured
channel, or one that creates a session and never activates it, can read. Three locks close that: the certificate is
checked where the session is made and where it is activated, a session that is not active may do nothing, and the roles
know no write.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.user_managers import UserManager
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from penstock.simulators.pki import TrustFolder
from penstock.simulators.servers.opcua_history import History
from penstock.simulators.servers.standard_nodes import NodesOverStandard, standard_nodes
from penstock.simulators.servers.ua import ua

READ_ONLY = frozenset(
    ua.NodeId(getattr(ua.ObjectIds, f"{name}Request_Encoding_DefaultBinary"))
    for name in (
        "Read", "HistoryRead", "Browse", "BrowseNext", "TranslateBrowsePathsToNodeIds",
        "RegisterNodes", "UnregisterNodes",
        "CreateSubscription", "ModifySubscription", "DeleteSubscriptions", "TransferSubscriptions", "SetPublishingMode",
        "CreateMonitoredItems", "ModifyMonitoredItems", "DeleteMonitoredItems", "SetMonitoringMode", "Publish",
        "Republish",
    )
)  # fmt: skip
"""Services beside those of the session itself; no Write, Call, HistoryUpdate, AddNodes."""


class ReadOnlyRules:
    """Allow reading and subscribing, to whoever is let in; asked by asyncua for each request."""

    def check_validity(self, user: User, action_type_id: object, body: object) -> bool:
        """Say whether the service is one of those allowed."""
        return action_type_id in READ_ONLY


class Visitors(UserManager):
    """Let anonymous users of a trusted application in, as plain users; no passwords, no administrators."""

    def __init__(self, trust: TrustFolder | None) -> None:
        self._trust = trust

    def get_user(
        self, iserver: object, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        """Give the user, or None: refused. `certificate` is the one that secures the channel."""
        if username is not None or (self._trust is not None and not self._trust.trusts(certificate)):
            return None
        return User(role=UserRole.User, name="visitor")


class CertificateGuard:
    """Check a client's certificate when it creates a session: in time, of that application, in the folder."""

    def __init__(self, trust: TrustFolder) -> None:
        self._trust = trust
        self._basic = CertificateValidator(CertificateValidatorOptions.BASIC_VALIDATION)

    async def __call__(self, certificate: x509.Certificate, application: Any) -> None:
        """Raise ServiceError with the standard's code for what is wrong."""
        await self._basic(certificate, application)
        if not self._trust.trusts(certificate.public_bytes(Encoding.DER)):
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)


class GuardedSession(InternalSession):
    """Refuse every service of a session that was not activated (OPC 10000-4, 5.7.3)."""

    def _active(self) -> None:
        if self.external and not self.is_activated():
            raise ServiceError(ua.StatusCodes.BadSessionNotActivated)

    async def read(self, params: Any) -> Any:
        """Read, when active."""
        self._active()
        return await super().read(params)

    async def write(self, params: Any) -> Any:
        """Write for the simulator itself; for others never."""
        self._active()
        if self.external:
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        return await super().write(params)

    async def history_read(self, params: Any) -> Any:
        """Read what the simulated PLC remembers, when active."""
        self._active()
        assert isinstance(self.iserver, GuardedServer)
        return self.iserver.history.read(params)

    async def browse(self, params: Any) -> Any:
        """Browse, when active."""
        self._active()
        return await super().browse(params)

    async def create_subscription(self, params: Any, callback: Any, request_callback: Any = None) -> Any:
        """Subscribe, when active."""
        self._active()
        return await super().create_subscription(params, callback, request_callback)

    async def create_monitored_items(self, params: Any) -> Any:
        """Monitor, when active."""
        self._active()
        return await super().create_monitored_items(params)

    async def call(self, params: Any) -> Any:
        """Call for the simulator itself; for others never."""
        self._active()
        if self.external:
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        return await super().call(params)


class GuardedServer(InternalServer):
    """Make guarded sessions, the PLC's history beside them, over standard nodes that servers share until they write."""

    def __init__(self, history: History, *, user_manager: UserManager) -> None:
        super().__init__(user_manager=user_manager)
        self.history = history

    async def load_standard_address_space(self, shelf_file: Path | None = None) -> None:
        """Take the nodes that were made once; asyncua would make them anew for each server."""
        self.aspace._nodes = NodesOverStandard(await standard_nodes())  # type: ignore[assignment]

    def create_session(self, name: str, user: User | None = None, external: bool = False) -> GuardedSession:
        """Give a session; an outside one starts without rights."""
        start = user or User(role=UserRole.Anonymous)
        return GuardedSession(self, self.aspace, self.subscription_service, name, user=start, external=external)
