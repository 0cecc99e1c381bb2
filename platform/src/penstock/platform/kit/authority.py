"""The platform's own certificate authority: made at first start, for the door that gateways reach over TLS.

Theory of operation. The folder holds one pair of files an authority (`ca-1.pem`, `ca-1.key`, then `ca-2` …) and the
server's own pair. *Bundle* is every authority that is still valid: what a gateway trusts. The server's certificate is
signed by the newest authority that is at least `ADOPTION` old, so that every gateway has fetched it before it counts;
an authority near its end gets a successor in time. The server's certificate is renewed when a third of its life is
left. X.509 as in RFC 5280; names as in RFC 9525 (subjectAltName only).
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from penstock.core.errors import ConfigError
from penstock.platform.kit.files import make_folder, write_secret

AUTHORITY_LIFE = timedelta(days=3650)
"""Ten years: as long as a gateway on a plant floor is left alone."""
SUCCESSOR_BEFORE = timedelta(days=365)
"""A successor is made this long before an authority ends."""
ADOPTION = timedelta(days=7)
"""How old an authority must be before it signs: gateways ask for the bundle several times a day."""
SERVER_LIFE = timedelta(days=90)
BACKDATE = timedelta(hours=1)
"""Certificates begin this long ago: clocks of a plant differ."""
_NAME = re.compile(r"ca-(\d+)\.pem")


@dataclass(frozen=True, slots=True)
class Pair:
    """Hold a certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Authority:
    """Own the folder of authorities and of the server's certificate."""

    def __init__(self, folder: Path, names: Sequence[str], *, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._names = tuple(dict.fromkeys(names))
        self._now = now
        self.server = folder / "server.pem"
        """Key and certificate in one file, so that no reader meets a certificate with the key of another."""

    def prepare(self) -> bool:
        """Make what is absent or near its end; say whether the server's certificate is a new one."""
        make_folder(self._folder)
        valid = self._valid()
        if not valid or self._ends(valid[-1]) - self._now() < SUCCESSOR_BEFORE:
            self.add_authority()
        if self._server_is_good():
            return False
        self._sign_server()
        return True

    def add_authority(self) -> x509.Certificate:
        """Make the next authority; it is trusted at once and signs once it is `ADOPTION` old."""
        number = max((number for number, _ in self._numbered()), default=0) + 1
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Penstock CA {number}")])
        builder = self._begin(name, name, key.public_key(), AUTHORITY_LIFE)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(sign_certificates=True), critical=True)
        certificate = builder.sign(key, hashes.SHA256())
        write_secret(self._folder / f"ca-{number}.key", _key_pem(key))
        write_secret(self._folder / f"ca-{number}.pem", _pem(certificate))
        return certificate

    def bundle(self) -> str:
        """Give the certificates of every valid authority, oldest first, as PEM."""
        return "".join(_pem(certificate) for _, certificate in self._valid())

    def certificates(self) -> list[x509.Certificate]:
        """List the valid authorities, oldest first."""
        return [certificate for _, certificate in self._valid()]

    def server_ends(self) -> datetime:
        """Give when the server's certificate ends."""
        return _read(self.server).not_valid_after_utc

    def _numbered(self) -> list[tuple[int, Path]]:
        found = [(int(match[1]), path) for path in self._folder.glob("ca-*.pem") if (match := _NAME.match(path.name))]
        return sorted(found)

    def _valid(self) -> list[tuple[int, x509.Certificate]]:
        read = [(number, _read(path)) for number, path in self._numbered()]
        return [(number, each) for number, each in read if each.not_valid_after_utc > self._now()]

    @staticmethod
    def _ends(numbered: tuple[int, x509.Certificate]) -> datetime:
        return numbered[1].not_valid_after_utc

    def _signer(self) -> Pair:
        valid = self._valid()
        adopted = [each for each in valid if each[1].not_valid_before_utc + BACKDATE + ADOPTION <= self._now()]
        number, certificate = adopted[-1] if adopted else valid[0]
        path = self._folder / f"ca-{number}.key"
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
        except (OSError, ValueError, TypeError, AssertionError) as error:
            message = f"the authority's key cannot be read ({error}): restore it, or remove ca-{number}.pem as well"
            raise ConfigError(message, file=str(path), line=None, key="") from error
        return Pair(certificate, key)

    def _server_is_good(self) -> bool:
        if not self.server.exists():
            return False
        certificate = _read(self.server)
        left = certificate.not_valid_after_utc - self._now()
        if left < (certificate.not_valid_after_utc - certificate.not_valid_before_utc) / 3:
            return False
        wanted = _alternatives(self._names)
        return _names_of(certificate) == set(wanted) and certificate.issuer == self._signer().certificate.subject

    def _sign_server(self) -> None:
        signer = self._signer()
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Penstock platform")])
        builder = self._begin(subject, signer.certificate.subject, key.public_key(), SERVER_LIFE)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(sign_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(_alternatives(self._names)), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
        certificate = builder.add_extension(issuer, critical=False).sign(signer.key, hashes.SHA256())
        write_secret(self.server, _key_pem(key) + _pem(certificate))

    def _begin(
        self, subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, life: timedelta
    ) -> x509.CertificateBuilder:
        begins = self._now() - BACKDATE
        builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begins)
        builder = builder.not_valid_after(self._now() + life)
        return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)


def utc_now() -> datetime:
    """Give the time now."""
    return datetime.now(UTC)


def fingerprint(certificate: x509.Certificate) -> str:
    """Give the SHA-256 fingerprint as people compare it: pairs of digits with colons."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_general_name(name) for name in names]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names_of(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return set()


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        message = f"not a certificate ({error}): restore the file, or remove it and its key, and one is made anew"
        raise ConfigError(message, file=str(path), line=None, key="") from error


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode("ascii")
