"""The handshake with the MQTT endpoint, on loopback."""

import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from checks.finding import Findings, Status
from doctor.broker import shake_hands

HOST = "127.0.0.1"


def _certificate(folder: Path) -> Path:
    """Self-signed, with its key in the same file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "endpoint")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "endpoint.pem"
    file.write_bytes(certificate.public_bytes(pem) + private)
    return file


@contextmanager
def _endpoint(file: Path, newest: ssl.TLSVersion) -> Generator[int]:
    """An endpoint on loopback; yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    context.load_cert_chain(file)
    with socket.create_server((HOST, 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()  # the client is gone

        thread = threading.Thread(target=answer)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join()


@pytest.mark.parametrize(
    ("newest", "status"),
    [(ssl.TLSVersion.TLSv1_3, Status.HOLDS), (ssl.TLSVersion.TLSv1_2, Status.FAILS)],
)
def test_the_endpoint_must_speak_tls_1_3(newest: ssl.TLSVersion, status: Status, tmp_path: Path) -> None:
    file, findings = _certificate(tmp_path), Findings()
    with _endpoint(file, newest) as port:
        shake_hands(HOST, port, file.read_text(), findings)
    assert [finding.status for finding in findings.found] == [status]


def test_an_endpoint_out_of_reach_says_nothing(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as listening:
        port = int(listening.getsockname()[1])
    findings = Findings()
    shake_hands(HOST, port, _certificate(tmp_path).read_text(), findings)
    assert findings.found == []
