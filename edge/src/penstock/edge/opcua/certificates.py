"""The gateway's own certificate, and whom it trusts (OPC 10000-4 6.1, OPC 10000-6 6.2.2)."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_private_key,
    generate_self_signed_app_certificate,
)
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from penstock.edge.durable import make_folder, write_durably

CERTIFICATE_DAYS = 5 * 365
"""Valid for five years: a renewed certificate must be trusted again at every server by hand."""

_creation = threading.Lock()


class Untrusted(Exception):
    """Say why a server's certificate is refused and what to do."""


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """Name the files of the gateway's own certificate (DER) and key (PEM, 0600)."""

    uri: str
    certificate: Path
    key: Path


def own_certificate(pki_dir: Path, trust_dir: Path, name: str) -> OwnCertificate:
    """Give the own certificate, made at first use, and publish it in the trust folder for the servers to find."""
    own = OwnCertificate(
        f"urn:penstock:gateway:{name}:{_host()}", pki_dir / "own" / "certificate.der", pki_dir / "own" / "key.pem"
    )
    with _creation:
        if not own.certificate.exists() or not own.key.exists():
            _create(own, name)
        stored = x509.load_der_x509_certificate(own.certificate.read_bytes())
        own = OwnCertificate(_uri(stored) or own.uri, own.certificate, own.key)
        _publish(own, trust_dir / f"gateway-{name}.der")
    return own


def _host() -> str:
    return socket.gethostname() or "localhost"


def _create(own: OwnCertificate, name: str) -> None:
    make_folder(own.key.parent)
    key = generate_private_key()
    certificate = generate_self_signed_app_certificate(
        key,
        f"Penstock gateway {name}",
        {"organizationName": "Penstock"},
        [x509.UniformResourceIdentifier(own.uri), x509.DNSName(_host())],
        extended=[ExtendedKeyUsageOID.CLIENT_AUTH],
        days=CERTIFICATE_DAYS,
    )
    write_durably(own.key, dump_private_key_as_pem(key))
    write_durably(own.certificate, certificate.public_bytes(Encoding.DER))


def _publish(own: OwnCertificate, target: Path) -> None:
    der = own.certificate.read_bytes()
    if target.exists() and target.read_bytes() == der:
        return
    make_folder(target.parent, mode=0o777)  # others must read it: their servers
    write_durably(target, der, mode=0o644)


def check_server_certificate(der: bytes, *, application_uri: str, trust_dir: Path, rejected_dir: Path) -> None:
    """Refuse a server certificate that is not trusted, out of its time or of another application: Untrusted.

    Trusted is what lies in the trust folder itself, or is issued by a CA that does. A refused one is kept in
    `rejected_dir` so that a person can look at it and copy it over.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError as error:
        message = f"the server's certificate cannot be read: {error} (BadCertificateInvalid)"
        raise Untrusted(message) from error
    subject = f"{certificate.subject.rfc4514_string()}, SHA-1 {_thumbprint(der)}"
    if not _is_trusted(certificate, der, trust_dir):
        kept = rejected_dir / f"{_thumbprint(der)}.der"
        make_folder(rejected_dir)
        write_durably(kept, der)
        message = (
            f"the server's certificate is not trusted ({subject}): look at {kept}, and if it is the right one copy it "
            f"into {trust_dir} (BadCertificateUntrusted)"
        )
        raise Untrusted(message)
    now = datetime.now(UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        message = (
            f"the server's certificate ({subject}) is valid from {certificate.not_valid_before_utc:%Y-%m-%d} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d}: renew it at the server (BadCertificateTimeInvalid)"
        )
        raise Untrusted(message)
    if application_uri and application_uri not in _uris(certificate):
        message = (
            f"the server calls itself {application_uri}, its certificate ({subject}) says "
            f"{', '.join(_uris(certificate)) or 'nothing'} (BadCertificateUriInvalid)"
        )
        raise Untrusted(message)


def _thumbprint(der: bytes) -> str:
    return hashlib.sha1(der, usedforsecurity=False).hexdigest()


def _is_trusted(certificate: x509.Certificate, der: bytes, trust_dir: Path) -> bool:
    for trusted in _trusted(trust_dir):
        if trusted.public_bytes(Encoding.DER) == der:
            return True
        if _is_authority(trusted) and trusted.subject == certificate.issuer and _issued(certificate, trusted):
            return True
    return False


def _trusted(trust_dir: Path) -> Iterator[x509.Certificate]:
    for path in sorted(trust_dir.glob("*.der")):
        try:
            yield x509.load_der_x509_certificate(path.read_bytes())
        except (ValueError, OSError):
            continue


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and usage.key_cert_sign


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _uris(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return list(names.get_values_for_type(x509.UniformResourceIdentifier))


def _uri(certificate: x509.Certificate) -> str | None:
    uris = _uris(certificate)
    return uris[0] if uris else None
