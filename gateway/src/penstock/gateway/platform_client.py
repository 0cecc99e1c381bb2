"""The platform's doors as the gateway uses them (docs/reference/wire.md). Answers come back as values, not
exceptions.
"""

import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx

from penstock.gateway.credential import Credential
from penstock.gateway.journal.store import Waiting

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0
"""A commit behind a checkpoint took up to 1.6 s; a half-open link is found within this."""
TOKEN_RENEW_S = 60.0
"""A token is fetched anew this long before it ends, so that none expires on the way."""
ANSWER_MAX_BYTES = 4 * 1024 * 1024
UNTRUSTED = "untrusted-platform"
UNKNOWN_CLIENT = "invalid_client"
FRAMES_TYPE = "application/vnd.penstock.frames"


@dataclass(frozen=True, slots=True)
class Answer:
    """Carry what a request brought: status 0 and `problem` `no-answer` where nothing came back."""

    status: int
    document: Mapping[str, Any]
    problem: str = ""
    detail: str = ""
    retry_after_ms: int | None = None

    @property
    def ok(self) -> bool:
        """Say whether the platform did it."""
        return 200 <= self.status < 300


@dataclass(slots=True)
class PlatformClient:
    """Speak to one platform with one credential; the token is fetched when needed and renewed in time."""

    url: str
    credential: Credential | None
    context: ssl.SSLContext | None = None
    """Whom to take for the platform; None only for plain HTTP."""
    _http: httpx.AsyncClient = field(init=False)
    _token: str = field(default="", repr=False)
    _token_ends_s: float = 0.0

    def __post_init__(self) -> None:
        timeout = httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        limits = httpx.Limits(max_connections=4, keepalive_expiry=4.0)
        self._http = httpx.AsyncClient(timeout=timeout, limits=limits, verify=self.context or True, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def forget_token(self) -> None:
        """Fetch a new token before the next request: the platform refused this one."""
        self._token = ""

    async def enrol(self, token: str, name: str, secret: str) -> Answer:
        """Trade a single-use token for a credential of the gateway's own, with the secret that it chose."""
        body = {"token": token, "name": name, "client_secret": secret}
        return await self._send("POST", "/v1/gateways/enrol", json=body)

    async def authorities(self) -> Answer:
        """Ask for the certificates of the platform's authorities."""
        return await self._send("GET", "/v1/ca")

    async def open_session(self, epoch: str, head: int, others: Sequence[str]) -> Answer:
        """Ask for a session number and the historian's watermarks."""
        body = {"epoch": epoch, "head": head, "epochs": list(others)}
        return await self._authorized("/v1/gateways/session", json=body)

    async def ingest(self, session: int, frames: bytes) -> Answer:
        """Send frames; a good answer says what is committed."""
        headers = {"Penstock-Session": str(session), "Content-Type": FRAMES_TYPE}
        return await self._authorized("/v1/ingest", content=frames, headers=headers)

    async def state_holding(self, session: int, as_of_ns: int, waiting: Waiting) -> Answer:
        """State what the journal holds of all that it journalled up to `as_of_ns`."""
        heads = [{"epoch": epoch, "head": head} for epoch, head in waiting.heads.items()]
        body = {"as_of": as_of_ns, "waiting": waiting.batches, "oldest": waiting.oldest_ns, "epochs": heads}
        return await self._authorized("/v1/gateways/holding", json=body, headers={"Penstock-Session": str(session)})

    async def _authorized(self, path: str, *, headers: Mapping[str, str] | None = None, **body: Any) -> Answer:
        refused = await self._fetch_token()
        if refused is not None:
            return refused
        own = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        answer = await self._send("POST", path, headers=own, **body)
        if answer.status == 401:
            self.forget_token()
        return answer

    async def _fetch_token(self) -> Answer | None:
        """Have a token that lives long enough; give the refusal where there is none to be had."""
        if self._token and time.monotonic() < self._token_ends_s - TOKEN_RENEW_S:
            return None
        if self.credential is None:
            return Answer(401, {}, "not-enrolled", "this gateway is not enrolled")
        form = {"grant_type": "client_credentials", "scope": "ingest"}
        pair = (self.credential.client_id, self.credential.client_secret)
        answer = await self._send("POST", "/oauth/token", data=form, auth=pair)
        if not answer.ok:
            return answer
        self._token = str(answer.document.get("access_token", ""))
        self._token_ends_s = time.monotonic() + float(answer.document.get("expires_in", 0))
        return None if self._token else Answer(502, {}, "malformed", "the platform's token answer holds no token")

    async def _send(self, method: str, path: str, **request: Any) -> Answer:
        try:
            response = await self._http.request(method, self.url + path, **request)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            problem = UNTRUSTED if _is_untrusted(error) else "no-answer"
            return Answer(0, {}, problem, f"{self.url}{path}: {str(error) or type(error).__name__}")
        return _read(response)


def _is_untrusted(error: BaseException | None) -> bool:
    """Say whether the other side's certificate was refused; httpx wraps what ssl raised."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _read(response: httpx.Response) -> Answer:
    try:
        document = response.json() if len(response.content) <= ANSWER_MAX_BYTES else None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        if response.is_success:
            return Answer(502, {}, "malformed", f"{response.url.path} answered {response.status_code} without JSON")
        document = {}
    if response.is_success:
        return Answer(response.status_code, document)
    problem = str(document.get("error") or document.get("type") or "").rsplit("/", 1)[-1]
    detail = str(document.get("detail") or document.get("error_description") or document.get("title") or "")
    return Answer(response.status_code, document, problem, detail[:500], _retry_after_ms(response))


def _retry_after_ms(response: httpx.Response) -> int | None:
    try:
        return max(0, int(float(response.headers["Retry-After"]) * 1000))
    except (KeyError, ValueError):
        return None
