"""The API server's certificate authority and keys, newly created or reused from an earlier start."""

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE: Final = timedelta(days=365)
_RENEW_BEFORE: Final = timedelta(days=7)
_NAMES: Final = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_ADDRESSES: Final = ("127.0.0.1", "10.96.0.1")  # the second is the Service "kubernetes"


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """Paths of PEM files; only their owner can read the keys."""

    authority: Path
    serving: Path
    serving_key: Path
    service_account_key: Path


def certificates_in(folder: Path) -> Certificates:
    """The certificates in a folder, created anew if one is missing or expires soon."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = Certificates(
        authority=folder / "ca.crt",
        serving=folder / "server.crt",
        serving_key=folder / "server.key",
        service_account_key=folder / "service-accounts.key",
    )
    if not _usable(paths):
        _make(paths)
    return paths


def _usable(paths: Certificates) -> bool:
    try:
        loaded = [x509.load_pem_x509_certificate(p.read_bytes()) for p in (paths.authority, paths.serving)]
        for key in (paths.serving_key, paths.service_account_key):
            serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (FileNotFoundError, ValueError):
        return False
    return all(c.not_valid_after_utc - _RENEW_BEFORE > datetime.now(UTC) for c in loaded)


def _make(paths: Certificates) -> None:
    authority_key, serving_key, accounts_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    authority_name = _name("rehearsal")
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _builder(authority_name, authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in _ADDRESSES]
    serving = (
        _builder(_name("kube-apiserver"), authority_name, serving_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([*(x509.DNSName(name) for name in _NAMES), *addresses]),
            critical=False,
        )
        # Python 3.13 and later reject certificates without it.
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    paths.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    paths.serving.write_bytes(serving.public_bytes(serialization.Encoding.PEM))
    write_private(paths.serving_key, _pem(serving_key))
    write_private(paths.service_account_key, _pem(accounts_key))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _LIFE)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, from the first byte on."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
