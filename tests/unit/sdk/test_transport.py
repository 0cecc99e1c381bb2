import httpx
import pytest

from penstock.sdk import (
    AsyncClient,
    Backoff,
    BusyError,
    ClientCredentials,
    ConnectionFailedError,
    CredentialError,
    ForbiddenError,
    NotFoundError,
    PersonToken,
    ServerError,
)
from penstock.sdk.backoff import retry_after_s
from penstock.sdk.credentials import TokenSet
from tests.builders.sdk import small_plant


class Server(httpx.AsyncBaseTransport):
    """Answer from a script; note what was asked and what was slept."""

    def __init__(self, *script: httpx.Response | Exception) -> None:
        self.script = list(script)
        self.seen: list[httpx.Request] = []
        self.slept: list[float] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.seen.append(request)
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def client(self, credentials: object = None, *, now_s: float = 1000.0) -> AsyncClient:
        return AsyncClient(
            "http://platform.invalid",
            credentials=credentials,  # type: ignore[arg-type]
            token=None if credentials else "fixed",
            http_transport=self,
            backoff=Backoff(attempts=4, first_s=1.0, max_s=8.0, uniform=lambda _, high: high),
            clock_s=lambda: now_s,
            sleep=self.sleep,
        )


def ok(**body: object) -> httpx.Response:
    return httpx.Response(200, json=body)


def me() -> httpx.Response:
    return ok(subject="usr_1", name="Ada")


def token(access: str, expires_in: int = 900, **more: object) -> httpx.Response:
    return ok(access_token=access, expires_in=expires_in, token_type="bearer", **more)


def problem(status: int, name: str, **headers: str) -> httpx.Response:
    body = {
        "type": f"https://penstock.invalid/problems/{name}",
        "title": name,
        "detail": "what, where",
        "instance": "req_7",
    }
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json", **headers})


async def test_busy_answers_are_repeated_after_the_time_the_platform_asked_for() -> None:
    server = Server(problem(503, "busy", **{"retry-after": "5"}), problem(429, "busy"), me())
    async with server.client() as client:
        assert (await client.me()).name == "Ada"
    assert server.slept == [5.0, 2.0]


async def test_a_refusal_that_stays_is_raised_with_all_it_said() -> None:
    server = Server(*(problem(503, "busy") for _ in range(4)))
    async with server.client() as client:
        with pytest.raises(BusyError) as busy:
            await client.me()
    assert len(server.seen) == 4
    assert (busy.value.status, busy.value.type, busy.value.request_id) == (503, "busy", "req_7")
    assert "what, where" in str(busy.value)


async def test_a_reset_connection_is_repeated_for_reads() -> None:
    server = Server(httpx.ReadError("reset"), httpx.ConnectError("refused"), me())
    async with server.client() as client:
        await client.me()
    assert server.slept == [1.0, 2.0]


async def test_a_change_whose_fate_is_unknown_is_not_repeated() -> None:
    server = Server(httpx.ReadError("reset"))
    async with server.client() as client:
        with pytest.raises(ConnectionFailedError, match="is the platform running"):
            await client.alarms.acknowledge("alm_1")
    assert len(server.seen) == 1


async def test_a_change_that_was_never_sent_is_repeated() -> None:
    server = Server(httpx.ConnectError("refused"), ok(id="alm_1", state="acknowledged_active"))
    async with server.client() as client:
        await client.alarms.acknowledge("alm_1")
    assert len(server.seen) == 2


async def test_a_write_is_repeated_under_one_idempotency_key() -> None:
    fake = small_plant()
    async with fake.client(app="calc") as client:
        tag = await client.declare_tag(asset="works/site/hall/pump-1", property="health")
        fake.fail_next(httpx.ReadError("reset"), 502)
        result = await client.write(tag, [(1, 2.0)])
    keys = {r.headers["idempotency-key"] for r in fake.requests if r.url.path == "/v1/ingest"}
    assert len(keys) == 1
    assert (result.stored, result.duplicates) == (1, 0)


@pytest.mark.parametrize(("status", "kind"), [(403, ForbiddenError), (404, NotFoundError), (500, ServerError)])
async def test_a_refusal_has_its_own_type_and_is_not_repeated(status: int, kind: type[Exception]) -> None:
    server = Server(problem(status, "said"))
    async with server.client() as client:
        with pytest.raises(kind):
            await client.me()
    assert len(server.seen) == 1


async def test_an_answer_that_is_no_problem_document_is_quoted() -> None:
    server = Server(httpx.Response(404, text="<html>proxy says no</html>"))
    async with server.client() as client:
        with pytest.raises(NotFoundError, match="proxy says no"):
            await client.me()


async def test_client_credentials_are_exchanged_once_and_renewed_before_they_expire() -> None:
    server = Server(token("one"), me(), me())
    credential = ClientCredentials("app", "secret")
    async with server.client(credential) as client:
        await client.me()
        await client.me()
    assert [r.url.path for r in server.seen] == ["/oauth/token", "/v1/me", "/v1/me"]
    assert b"grant_type=client_credentials" in server.seen[0].content
    later = Server(token("two"), me())
    async with later.client(credential, now_s=1000.0 + 900 - 30) as client:
        await client.me()
    assert later.seen[1].headers["authorization"] == "Bearer two"


async def test_a_refused_token_is_renewed_once() -> None:
    server = Server(token("one"), problem(401, "unauthorized"), token("two"), me())
    async with server.client(ClientCredentials("app", "secret")) as client:
        await client.me()
    assert server.seen[-1].headers["authorization"] == "Bearer two"
    assert server.slept == []


async def test_a_fixed_token_that_is_refused_says_to_log_in_again() -> None:
    server = Server(problem(401, "unauthorized"))
    async with server.client() as client:
        with pytest.raises(CredentialError, match="log in again"):
            await client.me()


async def test_a_persons_token_is_refreshed_and_the_refresh_token_may_rotate() -> None:
    person = PersonToken(TokenSet("old", 1000.0, "refresh-1"), ClientCredentials("app", "secret"))
    server = Server(token("new", 30, refresh_token="refresh-2"), me(), token("newer", 900), me())
    async with server.client(person) as client:
        await client.me()
        await client.me()
    assert b"refresh-1" in server.seen[0].content
    assert b"refresh-2" in server.seen[2].content
    assert person.tokens is not None
    assert person.tokens.refresh == "refresh-2"


async def test_an_ended_login_says_to_log_in_again() -> None:
    person = PersonToken(TokenSet("old", 0.0, "refresh-1"), ClientCredentials("app", "secret"))
    server = Server(httpx.Response(400, json={"error": "invalid_grant"}))
    async with server.client(person) as client:
        with pytest.raises(CredentialError, match="has ended"):
            await client.me()


async def test_a_busy_token_endpoint_is_waited_for() -> None:
    server = Server(problem(503, "busy"), token("one"), me())
    async with server.client(ClientCredentials("app", "secret")) as client:
        await client.me()
    assert server.slept == [1.0]


def test_secrets_do_not_show_in_what_is_printed() -> None:
    credential = ClientCredentials("app", "canary-secret")
    tokens = TokenSet("canary-access", 1.0, "canary-refresh")
    assert "canary" not in repr((credential, tokens))


def test_no_credential_says_where_one_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_APP_CREDENTIALS", raising=False)
    with pytest.raises(CredentialError, match="PENSTOCK_APP_CREDENTIALS"):
        AsyncClient("http://platform.invalid")


@pytest.mark.parametrize(("text", "said"), [(None, "no such credentials file"), ("{", "not a credentials file")])
def test_an_unusable_credentials_file_is_named(tmp_path: object, text: str | None, said: str) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "app.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CredentialError, match=said):
        AsyncClient("http://platform.invalid", credentials=path)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [(None, None), ("3", 3.0), ("-1", 0.0), ("soon", None), ("Thu, 01 Jan 1970 00:16:50 GMT", 10.0)],
)
def test_retry_after_is_read_in_both_forms(header: str | None, wanted: float | None) -> None:
    assert retry_after_s(header, 1000.0) == wanted
