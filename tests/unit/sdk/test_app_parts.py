import asyncio
import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from penstock.sdk import Backoff, ClientCredentials
from penstock.sdk.app.login import PENDING_MAX, LoginError, Logins, challenge, local_path
from penstock.sdk.app.sessions import SESSION_AGE_MAX_S, SESSIONS_MAX, Session, Sessions
from penstock.sdk.app.settings import AppSettings
from penstock.sdk.app.supervision import Supervisor
from penstock.sdk.manifest import ManifestError, load_manifest
from penstock.sdk.private_files import storage_secret
from penstock.sdk.scaffold import ScaffoldError, write_app
from tests.builders.sdk import small_plant


def logins() -> Logins:
    made = iter(f"random-{n}" for n in range(10_000))
    return Logins(
        ClientCredentials("cla_1", "secret"),
        authorize_url="http://platform/oauth/authorize",
        callback_url="http://app/oauth/callback",
        scope="assets:read",
        random_text=lambda: next(made),
    )


def test_a_login_asks_with_pkce_and_never_shows_its_verifier() -> None:
    state, address = logins().begin("/asset/1", 0.0)
    query = {k: v[0] for k, v in parse_qs(urlsplit(address).query).items()}
    assert query["state"] == state == "random-0"
    assert query["code_challenge"] == challenge("random-1")
    assert query["code_challenge_method"] == "S256"
    assert query["redirect_uri"] == "http://app/oauth/callback"
    assert "random-1" not in address


def test_the_challenge_is_that_of_rfc_7636_appendix_b() -> None:
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_login_is_finished_once_in_the_browser_that_began_it_and_in_time() -> None:
    begun = logins()
    state, _ = begun.begin("/asset/1", 0.0)
    assert begun.finish(state, state, 1.0).next_path == "/asset/1"
    with pytest.raises(LoginError, match="too long ago"):
        begun.finish(state, state, 1.0)
    state, _ = begun.begin("/", 0.0)
    with pytest.raises(LoginError, match="another browser"):
        begun.finish(state, "other", 1.0)
    state, _ = begun.begin("/", 0.0)
    with pytest.raises(LoginError, match="too long ago"):
        begun.finish(state, state, 601.0)


def test_logins_that_are_never_finished_do_not_pile_up() -> None:
    begun = logins()
    first, _ = begun.begin("/", 0.0)
    for _ in range(PENDING_MAX):
        begun.begin("/", 0.0)
    with pytest.raises(LoginError):
        begun.finish(first, first, 1.0)


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example", "x", "/logout", "/a\nb"])
def test_a_login_returns_to_this_app_only(path: str) -> None:
    assert local_path(path) == "/"
    assert local_path("/asset/1?x=//y") == "/asset/1?x=//y"


async def test_sessions_are_bounded_in_number_and_age() -> None:
    fake = small_plant()
    sessions = Sessions()
    client = fake.client()
    me = await client.me()
    first = await sessions.add(Session(client, me, 0.0))
    assert sessions.get(first, SESSION_AGE_MAX_S) is not None
    assert sessions.get("guessed", 0.0) is None
    assert sessions.get(first, SESSION_AGE_MAX_S + 1) is None
    oldest = await sessions.add(Session(client, me, 0.0))
    for _ in range(SESSIONS_MAX):
        await sessions.add(Session(client, me, 0.0))
    assert len(sessions) == SESSIONS_MAX
    assert sessions.get(oldest, 0.0) is None
    await sessions.aclose()


async def test_a_failing_task_is_started_again_with_back_off_and_its_failure_shown() -> None:
    slept: list[float] = []
    runs = 0

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def body() -> None:
        nonlocal runs
        runs += 1
        if runs < 4:
            message = f"run {runs}"
            raise RuntimeError(message)

    supervisor = Supervisor(
        backoff=Backoff(first_s=1.0, max_s=60.0, uniform=lambda _, high: high), monotonic_s=lambda: 0.0, sleep=sleep
    )
    supervisor.add("compute", body)
    with pytest.raises(ValueError, match="two background tasks"):
        supervisor.add("compute", body)
    supervisor.start()
    while "compute" not in supervisor.states or supervisor.states["compute"].state != "done":  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert slept == [1.0, 2.0, 4.0]
    assert supervisor.states["compute"].restarts == 3
    assert supervisor.states["compute"].failure == "RuntimeError: run 3"
    await supervisor.stop()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id: x\n", "id: "),
        ("id: hello\nname: H\nscope: []\n", "scope: "),
        ("id: hello\nname: H\nscopes: [everything]\n", "scopes.0: "),
        ("id: hello\nname: H\nport: 99999\n", "port: "),
        ("{", "not YAML"),
        (None, "no manifest"),
    ],
)
def test_a_wrong_manifest_names_file_and_key(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "app.yaml").write_text(text)
    with pytest.raises(ManifestError) as wrong:
        load_manifest(tmp_path)
    assert said in str(wrong.value)
    assert "app.yaml" in str(wrong.value)


def test_a_new_app_overwrites_nothing_and_takes_no_path_for_a_name(tmp_path: Path) -> None:
    folder = write_app("pump-report", tmp_path)
    assert sorted(f.name for f in folder.iterdir()) == ["README.md", "app.yaml", "main.py", "test_pump_report.py"]
    assert load_manifest(folder).name == "Pump report"
    with pytest.raises(ScaffoldError, match="exists"):
        write_app("pump-report", tmp_path)
    for name in ("../x", "X", "a", "1a"):
        with pytest.raises(ScaffoldError, match="not a name"):
            write_app(name, tmp_path)


def test_settings_know_both_addresses_of_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_app("hello", tmp_path)
    manifest = load_manifest(tmp_path / "hello")
    monkeypatch.setenv("PENSTOCK_APP_PLATFORM_URL", "http://platform:8080")
    monkeypatch.setenv("PENSTOCK_APP_PLATFORM_PUBLIC_URL", "http://127.0.0.1:8080/")
    monkeypatch.setenv("PENSTOCK_APP_PUBLIC_URL", "http://127.0.0.1:9999/")
    settings = AppSettings()
    assert (settings.platform_url, settings.browser_platform_url) == ("http://platform:8080", "http://127.0.0.1:8080")
    assert settings.callback_of(manifest) == "http://127.0.0.1:9999/oauth/callback"


def test_the_cookie_secret_is_made_once_and_open_to_its_owner_alone(tmp_path: Path) -> None:
    made = storage_secret(tmp_path)
    assert storage_secret(tmp_path) == made
    assert len(made) >= 48
    assert stat.S_IMODE((tmp_path / "storage-secret").stat().st_mode) == 0o600
