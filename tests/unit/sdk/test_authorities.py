"""Authorities are loaded once, and not at all where nothing is encrypted."""

import ssl

import pytest

from penstock.sdk import AsyncClient
from penstock.sdk.authorities import trust_for


def test_authorities_are_loaded_once_for_encrypted_ways_alone() -> None:
    usual = trust_for("https://platform.example")
    assert usual is trust_for("https://another.example")
    assert usual.verify_mode is ssl.CERT_REQUIRED
    assert usual.check_hostname
    assert usual.cert_store_stats()["x509_ca"] > 10
    assert trust_for("http://platform.example").cert_store_stats()["x509_ca"] == 0


async def test_clients_of_plain_http_load_no_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        message = "authorities are loaded"
        raise AssertionError(message)

    monkeypatch.setattr(ssl, "create_default_context", refuse)
    client = AsyncClient("http://127.0.0.1:1", token="t")
    await client.aclose()
