"""Whom a gateway trusts: the bundle given now, and what was learnt under just that one."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.gateway.trust import Trust
from penstock.platform.kit.authority import Authority


def authority(folder: Path) -> Authority:
    made = Authority(folder, ("127.0.0.1",), now=lambda: datetime.now(UTC))
    made.prepare()
    return made


def trusted(trust: Trust) -> set[bytes]:
    return set(trust.context.get_ca_certs(binary_form=True))


def certificates(pem: str) -> set[bytes]:
    end = "-----END CERTIFICATE-----"
    return {ssl.PEM_cert_to_DER_cert(part.strip() + end) for part in pem.split(end) if part.strip()}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_text(authority(tmp_path / "ours").bundle())
    return path


def test_what_was_learnt_is_trusted_after_a_restart_under_the_same_bundle(bundle: Path, tmp_path: Path) -> None:
    successor = authority(tmp_path / "successor").bundle()
    learnt = tmp_path / "gateway" / "learnt.pem"
    first = Trust(bundle, learnt)
    assert first.learn(successor)
    assert not first.learn(successor), "known already"
    assert trusted(Trust(bundle, learnt)) == certificates(bundle.read_text()) | certificates(successor)


@pytest.mark.parametrize("now", ["another bundle", "no bundle"])
def test_a_withdrawn_bundle_withdraws_what_was_learnt_under_it(
    now: str, bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    learnt = tmp_path / "gateway" / "learnt.pem"
    Trust(bundle, learnt).learn(bundle.read_text())
    stranger = authority(tmp_path / "stranger").bundle()
    bundle.write_text(stranger) if now == "another bundle" else bundle.unlink()
    again = Trust(bundle, learnt)
    assert trusted(again) == (certificates(stranger) if now == "another bundle" else set())
    assert "learnt under another bundle" in caplog.text


def test_what_was_learnt_and_is_damaged_is_said_and_learnt_again(
    bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    learnt = tmp_path / "gateway" / "learnt.pem"
    Trust(bundle, learnt).learn(bundle.read_text())
    learnt.write_bytes(learnt.read_bytes().partition(b"\n")[0] + b"\n\xff\x00 no certificate")
    again = Trust(bundle, learnt)
    assert "is no bundle of certificates" in caplog.text
    assert trusted(again) == certificates(bundle.read_text())
    assert again.learn(bundle.read_text())


def test_an_authority_learnt_after_the_bundle_was_replaced_does_not_count_for_the_new_one(
    bundle: Path, tmp_path: Path
) -> None:
    learnt, ours = tmp_path / "gateway" / "learnt.pem", bundle.read_text()
    running = Trust(bundle, learnt)
    stranger = authority(tmp_path / "stranger").bundle()
    bundle.write_text(stranger)
    assert running.look()
    assert running.learn(ours), "over a connection that memory still trusts"
    assert trusted(Trust(bundle, learnt)) == certificates(stranger)
