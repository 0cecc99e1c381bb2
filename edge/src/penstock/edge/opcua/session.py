"""asyncua's client with a publish service that is ours: exact times, and acknowledging left to the caller."""

import logging

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClient
from asyncua.client.ua_session import UaSession
from asyncua.common.shortcuts import Shortcuts

from penstock.edge.opcua.columnar import ColumnDecoder
from penstock.edge.opcua.notification import Notification, decode_publish_response

REQUEST_TIMEOUT_S = 4.0
"""An answer that takes longer is taken for a dead link: reading must resume within 5 s of the link's return."""
PING_INTERVAL_S = 1.5
"""How often the link is probed: a half-open one is found within this and one request's wait."""
SESSION_TIMEOUT_MS = 60_000
"""How long a server keeps the session of a gateway that vanished: its places are few."""

logging.getLogger("asyncua").setLevel(logging.CRITICAL)


class PublishSession(UaSession):
    """Send publish requests by hand; asyncua's loop, which acknowledges before the journal's sync, is off."""

    def __init__(self, client: UaClient) -> None:
        super().__init__(client)
        self._decoder = ColumnDecoder()

    def ensure_publish_loop(self) -> None:
        """Start nothing: the link has the loop."""

    async def next_notification(self, acknowledgements: list[ua.SubscriptionAcknowledgement]) -> Notification:
        """Send one PublishRequest and wait, however long, for its answer; Bad service results raise."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = acknowledgements
        return decode_publish_response(await self._send_request(request, timeout=0), self._decoder)


class PublishClient(Client):
    """Be asyncua's client around a `PublishSession`, without its reconnecting."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout=REQUEST_TIMEOUT_S, watchdog_intervall=PING_INTERVAL_S, auto_reconnect=False)
        self.session = PublishSession(self.uaclient)
        self.uaclient.session = self.session
        self.nodes = Shortcuts(self.session)
        self.session_timeout = SESSION_TIMEOUT_MS
