"""The simulators' own OPC UA certificate, and the folder of those they trust."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from asyncua.crypto.cert_gen import generate_self_signed_app_certificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

VALID_days = 1825
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """Hold the application's URI and where its certificate (DER) and key (PEM, 0600) lie."""

    uri: str
    certificate: Path
    key: Path


def own_certificate(folder: Path, *, name: str, hosts: set[str], trust: Path) -> OwnCertificate:
    """Give the application certificate `name`; made at first start and near its end, and copied into the trust folder.

    Self-signed, RSA 2048, SHA-256, with the application's URI in it (OPC 10000-6, 6.2.2).
    """
    own = OwnCertificate(f"urn:penstock:{name}", folder / f"{name}.der", folder / f"{name}.pem")
    folder.mkdir(parents=True, exist_ok=True)
    trust.mkdir(parents=True, exist_ok=True)
    if not _still_good(own):
        _make(own, name, hosts)
    published = trust / f"{name}.der"
    if not published.is_file() or published.read_bytes() != own.certificate.read_bytes():
        _replace(published, own.certificate.read_bytes(), 0o644)
    return own


def _still_good(own: OwnCertificate) -> bool:
    if not own.certificate.is_file() or not own.key.is_file():
        return False
    certificate = x509.load_der_x509_certificate(own.certificate.read_bytes())
    return certificate.not_valid_after_utc - RENEW_BEFORE > datetime.now(UTC)


def _make(own: OwnCertificate, name: str, hosts: set[str]) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(own.uri)]
    names += [_host_name(host) for host in sorted(hosts | {"localhost", "127.0.0.1", socket.gethostname()})]
    usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    subject = {"organizationName": "Penstock"}
    certificate = generate_self_signed_app_certificate(key, f"Penstock {name}", subject, names, usage, days=VALID_days)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _replace(own.key, pem, 0o600)
    _replace(own.certificate, certificate.public_bytes(serialization.Encoding.DER), 0o644)


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host.encode("idna").decode())


def _replace(path: Path, content: bytes, mode: int) -> None:
    part = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.chmod(mode)
    part.replace(path)


class TrustFolder:
    """Trust exactly the certificates (*.der) that lie in a folder, at the moment of asking."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def trusts(self, certificate_der: bytes | None) -> bool:
        """Say whether this very certificate lies in the folder."""
        if not certificate_der:
            return False
        wanted = _fingerprint(certificate_der)
        return wanted is not None and any(_fingerprint(path.read_bytes()) == wanted for path in self._files())

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.der")) if self._folder.is_dir() else []


def _fingerprint(der: bytes) -> bytes | None:
    try:
        return x509.load_der_x509_certificate(der).fingerprint(hashes.SHA256())
    except ValueError:
        return None
