"""The gateway's own OPC UA certificate: made, published, used again."""

import random
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_der_x509_certificate

from penstock.edge.opcua.certificates import own_certificate
from tests.faults.plants import plant_writer
from tests.faults.telling import Told, newest, tell


def write(folder: Path, chance: random.Random, steps: int, plant: str) -> None:
    """Make the gateway's own OPC UA certificate and use it again."""
    plant_writer(plant)
    for _ in range(steps + chance.randint(1, 2)):
        own = own_certificate(folder / "gateway" / "pki", folder / "trust", "edge-1")
        tell(certificate=own.certificate.read_bytes().hex())


def judge(folder: Path, told: Told) -> list[str]:
    """The certificate that servers were told of is the same, with its key, and published."""
    pki, trust = folder / "gateway" / "pki", folder / "trust"
    try:
        own = own_certificate(pki, trust, "edge-1")
        der = own.certificate.read_bytes()
        key = load_pem_private_key(own.key.read_bytes(), None)
    except (OSError, ValueError) as error:
        return [f"the certificate cannot be used: {error!r}"]
    findings = []
    if key.public_key() != load_der_x509_certificate(der).public_key():
        findings.append("corrupt: the key is of another certificate")
    if (before := newest(told, "certificate")) is not None and der.hex() != before:
        findings.append("lost: the certificate is another one")
    if (trust / "gateway-edge-1.der").read_bytes() != der:
        findings.append("the certificate is not published")
    return findings
