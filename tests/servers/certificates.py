"""Certificates from a private authority."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

LOCAL = "DNS:localhost,IP:127.0.0.1"


@dataclass(frozen=True)
class Certificate:
    cert: str
    """Path of a PEM file."""
    key: str
    """Path of a PEM file."""


class Authority:
    """Issues certificates for servers and clients. Its own is `ca`."""

    def __init__(self, directory: Path, name: str = "Test Authority") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._name, self._key = _name(name), _new_key()
        usage = dict.fromkeys(_USAGES, False) | {"key_cert_sign": True, "crl_sign": True}
        built = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
        )
        self.ca = self._written("authority", built, self._key).cert

    def issue(self, name: str, names: str = LOCAL, *, expired: bool = False) -> Certificate:
        """For the peers in `names` (subjectAltName), by default this host's loopback."""
        key = _new_key()
        alternatives = x509.SubjectAlternativeName([_alternative(one) for one in names.split(",")])
        start = datetime(2020, 1, 1, tzinfo=UTC) if expired else None
        built = self._builder(_name(name), key, start)
        return self._written(name, built.add_extension(alternatives, critical=False), key)

    def _builder(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, start: datetime | None = None
    ) -> x509.CertificateBuilder:
        """Valid for thirty days from `start`, which is now unless it is said."""
        start = start or datetime.now(UTC) - timedelta(minutes=1)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=30))
            .add_extension(own, critical=False)
            .add_extension(identifier, critical=False)
        )

    def _written(
        self, file: str, built: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey
    ) -> Certificate:
        cert, own = self._directory / f"{file}.pem", self._directory / f"{file}.key"
        cert.write_bytes(built.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        own.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return Certificate(str(cert), str(own))


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(named: str) -> x509.GeneralName:
    """Of `DNS:localhost` or `IP:127.0.0.1`."""
    kind, _, name = named.partition(":")
    return x509.IPAddress(ip_address(name)) if kind == "IP" else x509.DNSName(name)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority of this session."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def stranger(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody here trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"), "Somebody Else")
