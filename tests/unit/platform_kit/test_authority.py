"""The platform's certificate authority over the years, with a clock in hand."""

import os
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from penstock.core.errors import ConfigError
from penstock.platform.kit.authority import ADOPTION, AUTHORITY_LIFE, SERVER_LIFE, SUCCESSOR_BEFORE, Authority
from penstock.platform.kit.serving import Certificate

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Years:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Years:
    return Years()


@pytest.fixture
def authority(tmp_path: Path, clock: Years) -> Authority:
    made = Authority(tmp_path / "tls", ("localhost", "127.0.0.1", "platform"), now=clock.now)
    assert made.prepare()
    return made


def server(authority: Authority) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.server.read_bytes())


def test_first_start_makes_an_authority_and_a_certificate_with_every_name(authority: Authority) -> None:
    (root,) = authority.certificates()
    made = server(authority)
    made.verify_directly_issued_by(root)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "platform"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_keys_are_their_owner_s_alone_and_the_bundle_holds_none(authority: Authority, tmp_path: Path) -> None:
    for path in (tmp_path / "tls").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "PRIVATE" not in authority.bundle()


def test_nothing_is_made_twice(authority: Authority, clock: Years) -> None:
    before = authority.server.read_bytes()
    clock.time += DAY
    assert not authority.prepare()
    assert authority.server.read_bytes() == before


def test_the_certificate_is_renewed_when_a_third_of_its_life_is_left(authority: Authority, clock: Years) -> None:
    clock.time += SERVER_LIFE * 0.66
    assert not authority.prepare()
    clock.time += SERVER_LIFE * 0.02
    assert authority.prepare()
    assert authority.server_ends() > clock.time + SERVER_LIFE - DAY


def test_another_name_brings_another_certificate(authority: Authority, clock: Years, tmp_path: Path) -> None:
    renamed = Authority(tmp_path / "tls", ("localhost", "plant.example"), now=clock.now)
    assert renamed.prepare()
    assert len(renamed.certificates()) == 1


def test_a_successor_is_trusted_before_it_signs(authority: Authority, clock: Years) -> None:
    (old,) = authority.certificates()
    new = authority.add_authority()
    assert authority.certificates() == [old, new]
    assert not authority.prepare()
    assert server(authority).issuer == old.subject
    clock.time += ADOPTION + DAY
    assert authority.prepare()
    server(authority).verify_directly_issued_by(new)


def test_over_twenty_years_there_is_always_a_valid_certificate_of_a_trusted_authority(
    authority: Authority, clock: Years
) -> None:
    known: set[bytes] = set()
    for _ in range(20 * 365 // 5):
        trusted = authority.certificates()
        authority.prepare()
        made = server(authority)
        signer = next(each for each in authority.certificates() if each.subject == made.issuer)
        made.verify_directly_issued_by(signer)
        assert signer in trusted, "a gateway must have had days to learn an authority before it signs"
        assert made.not_valid_before_utc <= clock.time < made.not_valid_after_utc
        known |= {each.fingerprint(each.signature_hash_algorithm) for each in authority.certificates()}  # type: ignore[arg-type]
        clock.time += timedelta(days=5)
    assert len(known) == pytest.approx(timedelta(days=20 * 365) / (AUTHORITY_LIFE - SUCCESSOR_BEFORE), abs=1)


def test_a_broken_file_is_named_and_nothing_is_made_over_it(authority: Authority, tmp_path: Path) -> None:
    broken = tmp_path / "tls" / "ca-1.pem"
    broken.write_text("junk")
    with pytest.raises(ConfigError, match=r"ca-1\.pem"):
        authority.prepare()
    assert broken.read_text() == "junk"


def test_a_missing_key_of_the_signer_is_named(authority: Authority, clock: Years, tmp_path: Path) -> None:
    (tmp_path / "tls" / "ca-1.key").unlink()
    clock.time += SERVER_LIFE
    with pytest.raises(ConfigError, match=r"ca-1\.key"):
        authority.prepare()


def test_the_door_loads_a_renewed_certificate_and_keeps_the_old_one_when_a_file_is_broken(
    authority: Authority, clock: Years
) -> None:
    certificate = Certificate(authority, authority.server)
    assert not certificate.refresh()
    clock.time += SERVER_LIFE
    assert certificate.refresh()
    authority.server.write_text("junk")
    with pytest.raises(ConfigError, match=r"server\.pem"):
        certificate.refresh()


def test_a_plant_s_own_certificate_is_followed(authority: Authority, tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    own.write_bytes(authority.server.read_bytes())
    certificate = Certificate(None, own)
    assert isinstance(certificate.context, ssl.SSLContext)
    assert not certificate.refresh()
    os.utime(own, ns=(1, 1))
    assert certificate.refresh()
