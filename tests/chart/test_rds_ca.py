"""The Amazon RDS root certificates that come with the chart: unchanged, valid, and in the right region."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.chart.rendering import CHART, Render, values_at

FOLDER = CHART / "files" / "rds-ca"
REGIONS = sorted(path.stem for path in FOLDER.glob("*.pem"))
COMMON_NAME = re.compile(r"Amazon RDS (?P<region>[a-z0-9-]+) Root CA (?P<key>RSA2048|RSA4096|ECC384) G1")
# From a source other than the file that the certificates were taken from.
KNOWN_FINGERPRINTS = {
    ("us-east-1", "RSA2048"): "E4CE41D069F4BDCDB714259058961EE42ED18CF2BF627A3D647AFF25437D4B68",
    ("us-east-1", "RSA4096"): "1C753CF0334FF82A47E0D3205839C8549B7D9A8A3D9A685CCCECC80F82FE97E6",
    ("us-east-1", "ECC384"): "82D99E9E409703044C3F886F87A0408C96CD74DEE2C9BA920E6553A32E372539",
    ("us-east-2", "RSA2048"): "68996553F8C736AA4C56DE4898E0947C208C81F0C9E2B57DEA7BF718EF59512F",
    ("us-west-2", "RSA2048"): "86E22F41C79B0DE5777054189CFADBDDF633A8A1DC09EF134DB07A756E494ABE",
    ("eu-west-1", "RSA2048"): "6F7E01B62AF24058417130B21E5FB9AD9F29B29C775C5107B657419010975886",
}
# SHA-256 of all fingerprints in the index's order: whoever changes a certificate must change this too.
ALL_FINGERPRINTS = "76a0ce84d0b5513132c900bc173eabba79e3c9df30837bfd2fe2dd1420b0513c"


@dataclass(frozen=True)
class Certificate:
    """What the index says about one certificate."""

    region: str
    commonName: str  # noqa: N815 (the index's own key)
    sha256: str
    notAfter: str  # noqa: N815


def facts(certificate: x509.Certificate, region: str) -> Certificate:
    [name] = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return Certificate(
        region=region,
        commonName=str(name.value),
        sha256=certificate.fingerprint(hashes.SHA256()).hex().upper(),
        notAfter=certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def read_pem(text: str, region: str) -> list[Certificate]:
    return [facts(c, region) for c in x509.load_pem_x509_certificates(text.encode())]


@pytest.fixture(scope="module")
def index() -> list[Certificate]:
    content = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
    return [Certificate(**entry) for entry in content["certificates"]]


def test_every_certificate_is_the_pinned_one_and_stays_valid_for_a_year(index: list[Certificate]) -> None:
    shipped = [c for r in REGIONS for c in read_pem((FOLDER / f"{r}.pem").read_text(encoding="ascii"), r)]
    assert shipped == index
    fingerprints = "\n".join(c.sha256 for c in shipped)
    assert hashlib.sha256(fingerprints.encode()).hexdigest() == ALL_FINGERPRINTS
    earliest = min(shipped, key=lambda c: c.notAfter)
    in_a_year = datetime.now(UTC) + timedelta(days=365)
    assert datetime.fromisoformat(earliest.notAfter) > in_a_year, f"{earliest.commonName} expires soon: renew"


def test_the_well_known_fingerprints_are_among_them(index: list[Certificate]) -> None:
    by_name = {c.commonName: c.sha256 for c in index}
    for (region, key), fingerprint in KNOWN_FINGERPRINTS.items():
        assert by_name[f"Amazon RDS {region} Root CA {key} G1"] == fingerprint


@pytest.mark.parametrize("region", REGIONS)
def test_each_region_has_its_own_three_roots_and_no_other(index: list[Certificate], region: str) -> None:
    matches = [COMMON_NAME.fullmatch(c.commonName) for c in index if c.region == region]
    assert [m and (m["region"], m["key"]) for m in matches] == [
        (region, "RSA2048"),
        (region, "RSA4096"),
        (region, "ECC384"),
    ]


@pytest.mark.parametrize("region", REGIONS)
def test_the_pods_get_the_roots_of_the_region_that_the_endpoint_names(
    render: Render, index: list[Certificate], region: str
) -> None:
    release = render(values_at("broker.endpoint", f"abc-ats.iot.{region}.amazonaws.com"))
    assert read_pem(release.rds_ca, region) == [c for c in index if c.region == region]


def test_the_pods_get_the_roots_of_an_explicit_region(render: Render, index: list[Certificate]) -> None:
    release = render(values_at("aws.region", "eu-west-1"))
    assert read_pem(release.rds_ca, "eu-west-1") == [c for c in index if c.region == "eu-west-1"]


@pytest.mark.parametrize("region", ["us-east-1", "il-central-1", "cn-north-1", "us-gov-west-1"])
def test_a_supplied_bundle_wins_in_every_region(render: Render, region: str) -> None:
    bundle = (FOLDER / "sa-east-1.pem").read_text(encoding="ascii")
    release = render(values_at("aws.region", region), values_at("database.caBundle", bundle))
    assert release.rds_ca.strip() == bundle.strip()


def test_a_supplied_bundle_may_have_windows_line_ends_and_comments(render: Render) -> None:
    bundle = "\r\n  # our own\r\n" + (FOLDER / "sa-east-1.pem").read_text(encoding="ascii").replace(
        "\n", "\r\n"
    )
    release = render(values_at("database.caBundle", bundle))
    assert "\r" not in release.rds_ca
    assert len(read_pem(release.rds_ca, "sa-east-1")) == 3
