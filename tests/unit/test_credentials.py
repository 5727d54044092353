"""The Amazon root CAs that the server trusts on MQTT."""

import re
import ssl
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from cryptography import x509

from maestro_stack.mqtt import amazon_root_cas

# SHA-256 of the DER, from https://www.amazontrust.com/repository/
FINGERPRINTS = {
    "Amazon Root CA 1": "8ECDE6884F3D87B1125BA31AC3FCB13D7016DE7F57CC904FE1CB97C6AE98196E",
    "Amazon Root CA 2": "1BA5B2AA8C65401A82960118F80BEC4F62304D83CEC4713A19C39C011EA46DB4",
    "Amazon Root CA 3": "18CE6CFE7BF14E60B2E347B8DFE868CB31D02EBB3ADA271569F50343B46DB3A4",
    "Amazon Root CA 4": "E35D28419ED02025CFA69038CD623962458DA5C695FBDEA3C22B0BFB25897092",
}
PEMS = re.findall(
    r"-----BEGIN CERTIFICATE-----\n.*?\n-----END CERTIFICATE-----\n", amazon_root_cas(), re.DOTALL
)


def common_name(certificate: x509.Certificate) -> str:
    [attribute] = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(attribute.value)


def test_they_are_the_four_that_amazon_publishes_and_nothing_else() -> None:
    assert "".join(PEMS) == amazon_root_cas()
    found = {
        common_name(x509.load_pem_x509_certificate(pem.encode())): sha256(
            ssl.PEM_cert_to_DER_cert(pem)
        ).hexdigest()
        for pem in PEMS
    }
    assert len(PEMS) == len(found)
    assert found == {name: fingerprint.lower() for name, fingerprint in FINGERPRINTS.items()}


@pytest.mark.parametrize("pem", PEMS, ids=range(len(PEMS)))
def test_none_expires_within_a_year(pem: str) -> None:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    assert certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=365)
