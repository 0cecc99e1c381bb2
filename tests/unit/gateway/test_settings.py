"""Settings, credentials and log lines: what is refused, and that secrets stay where they are."""

import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.core.errors import ConfigError
from penstock.gateway.credential import (
    Credential,
    begin_enrolment,
    load_credential,
    load_mqtt_credentials,
    store_credential,
)
from penstock.gateway.health import listen
from penstock.gateway.logs import OneLine
from penstock.gateway.main import commands
from penstock.gateway.settings import Settings, check_platform_url
from tests.builders.ports import free_port


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:80", "https://plant.example/"]
)
def test_loopback_and_https_are_accepted(url: str) -> None:
    assert check_platform_url(url, allow_plain_http=False) == url.rstrip("/")


@pytest.mark.parametrize("url", ["http://10.0.0.1", "http://platform:8080", "http://127.0.0.1.evil.example"])
def test_plain_http_elsewhere_needs_the_setting(url: str) -> None:
    with pytest.raises(ConfigError, match="plain HTTP to another machine"):
        check_platform_url(url, allow_plain_http=False)
    assert check_platform_url(url, allow_plain_http=True) == url


@pytest.mark.parametrize("url", ["", "platform:8080", "ftp://x", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        check_platform_url(url, allow_plain_http=True)


def test_files_follow_from_the_folders() -> None:
    settings = Settings(data=Path("/d"), plant=Path("/p"))
    assert (settings.trust_dir, settings.journal_file) == (Path("/p/trust"), Path("/d/journal.sqlite"))


def test_credential_is_stored_for_its_owner_alone_and_hides_its_secret(tmp_path: Path) -> None:
    path = tmp_path / "gateway" / "credential.json"
    credential = Credential("gtw_1", "client", "s3cret")
    assert load_credential(path) is None
    store_credential(path, credential)
    assert load_credential(path) == credential
    assert path.stat().st_mode & 0o777 == 0o600
    assert "s3cret" not in repr(credential)


def test_enrolment_that_was_begun_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "gateway" / "enrolment.json"
    assert begin_enrolment(path, "") is None
    begun = begin_enrolment(path, "token-1")
    assert begun is not None
    assert path.stat().st_mode & 0o777 == 0o600
    assert begin_enrolment(path, "token-1") == begun
    assert begin_enrolment(path, "") == begun
    other = begin_enrolment(path, "token-2")
    assert other is not None
    assert other.client_secret != begun.client_secret
    path.write_text("{", encoding="utf-8")
    assert begin_enrolment(path, "") is None


@pytest.mark.parametrize("text", ["", "[]", '{"gateway": "x"}', "{"])
def test_broken_credential_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "credential.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"credential\.json"):
        load_credential(path)


def test_absent_broker_credentials_are_named(tmp_path: Path) -> None:
    assert load_mqtt_credentials(None) is None
    with pytest.raises(ConfigError, match=r"mqtt\.json.*the file is missing"):
        load_mqtt_credentials(tmp_path / "mqtt.json")


def test_taken_port_is_named() -> None:
    first = listen("127.0.0.1", 0)
    first.listen()
    port = first.getsockname()[1]
    with pytest.raises(ConfigError, match=f"port {port} on 127.0.0.1 is not free"):
        listen("127.0.0.1", port)
    first.close()


def test_what_comes_from_outside_cannot_forge_a_log_line() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "lost: %s", ("a\n2026 ERROR forged\x1b[31m",), None)
    assert OneLine("%(message)s").format(record) == "lost: a\\n2026 ERROR forged\\x1b[31m"


def test_problems_are_asked_of_the_gateway_of_the_demo_whose_folder_this_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    (tmp_path / "ports.json").write_text(f'{{"gateway": {port}}}')
    monkeypatch.setenv("PENSTOCK_GATEWAY_DATA", str(tmp_path / "gateway"))
    told = CliRunner().invoke(commands, ["problems"])
    assert f"no gateway answers at http://127.0.0.1:{port}/health" in told.output
    told = CliRunner().invoke(commands, ["problems", "--health-port", "1"])
    assert "127.0.0.1:1/health" in told.output
