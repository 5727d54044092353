"""database: would the server reach its database, and trust it for the right reason?"""

import re

from checks.aws_policy import PolicyError
from checks.csi_provider import MountError
from checks.evidence import Evidence
from checks.finding import Findings
from checks.pod import Container
from checks.region import Database, had
from common.json_values import record, text
from maestro_stack.database import PORT
from maestro_stack.parameters import belongs

NAME = "database"
QUESTION = "Would the server reach its database, and verify it?"
# RDS user guide, "Using SSL/TLS to encrypt a connection", certificate authorities.
CA_NAMES = {"rds-ca-rsa2048-g1": "RSA2048", "rds-ca-rsa4096-g1": "RSA4096", "rds-ca-ecc384-g1": "ECC384"}


def check(evidence: Evidence, findings: Findings) -> None:
    """Compare secret, instance, security group, flags and CA bundle."""
    with findings.refusing(MountError, PolicyError, LookupError):
        database = had(evidence.region.database)
        host, port = evidence.file("db.host"), evidence.file("db.port")
        findings.expect(
            host == database.address,
            f"host is the instance's: {host}",
            f"host {host} is not the instance's address, {database.address}",
        )
        findings.expect(
            re.fullmatch(r"\d+", port) is not None and int(port) == PORT,
            f"port is a clean {port}",
            f"port {port!r} is not {PORT}, or contains more than digits",
        )
        _check_reach(evidence, database, findings)
        for container in filter(_is_maestro, evidence.pod.containers):
            _check_flags(container, findings)
        _check_trust(evidence, database.ca_certificate, findings)
        _check_posture(database, findings)
        _check_parameters(evidence, findings)


def _check_reach(evidence: Evidence, database: Database, findings: Findings) -> None:
    """Port 5432 is open to the cluster's group and the configured clients, and to nobody else."""
    network = evidence.settings.network
    wanted = {
        had(evidence.region.cluster_security_group),
        *network.client_security_group_ids,
        *network.client_cidrs,
    }
    ingress = [rule for rule in database.rules if not rule.is_egress]
    admitted = {rule.source for rule in ingress}
    missing, excess = sorted(wanted - admitted), sorted(admitted - wanted)
    findings.expect(
        not missing and not excess,
        f"its security group admits {', '.join(sorted(admitted))} and nobody else",
        "; ".join(
            [
                *(f"its security group doesn't admit {group}" for group in missing),
                *(f"its security group admits {source}, which nothing asks for" for source in excess),
            ]
        ),
    )
    ports = {(rule.protocol, rule.from_port, rule.to_port) for rule in ingress}
    findings.expect(
        ports == {("tcp", PORT, PORT)},
        f"on tcp {PORT} only",
        f"on other ports too: {sorted(map(str, ports))}",
    )
    egress = len(database.rules) - len(ingress)
    findings.expect(not egress, "and has no egress rule", f"its security group has {egress} egress rules")


def _is_maestro(container: Container) -> bool:
    """Whether it is one of the server's own, or uses the database; others may run next to them."""
    asks = any(argument.startswith("--db-") for argument in container.arguments)
    return asks or container.name in ("migration", "service")


def _check_flags(container: Container, findings: Findings) -> None:
    mode = container.flag("db-sslmode")
    findings.expect(
        mode == "verify-full",
        f"{container.name}: sslmode verify-full",
        f"{container.name}: sslmode is {mode}, which doesn't verify the server's name",
    )


def _check_trust(evidence: Evidence, ca: str, findings: Findings) -> None:
    """The bundle that the pod mounts holds the region's root CA that signs the instance's certificate."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    pod = evidence.pod
    folder, _, file = (pod.service.flag("db-rootcert") or "").rpartition("/")
    volume = pod.volumes.get(pod.service.mounts.get(folder, ""), {})
    name = text(record(volume, "configMap"), "name")
    bundle = text(record(evidence.release.one("ConfigMap", name), "data"), file)
    try:
        certificates = x509.load_pem_x509_certificates(bundle.encode())
    except ValueError:
        findings.fail(f"{folder}/{file} holds no certificates")
        return
    if evidence.settings.ca_bundle is not None:
        host = evidence.file("db.host")
        findings.unverified(
            f"that the supplied CA bundle ({len(certificates)} certificates) is the region's",
            f"openssl s_client -starttls postgres -verify_return_error -CAfile BUNDLE -connect {host}:{PORT}",
        )
        return
    wanted = f"Amazon RDS {evidence.region.name} Root CA {CA_NAMES.get(ca, ca)} G1"
    names = [str(c.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value) for c in certificates]
    findings.expect(
        wanted in names,
        f"trusts {wanted}, which signs the instance's certificate",
        f"the bundle doesn't hold {wanted}, only {', '.join(names)}",
    )


def _check_parameters(evidence: Evidence, findings: Findings) -> None:
    """RDS refuses parameters that a family doesn't have; the shipped list lacks those of some extensions."""
    settings = evidence.settings.database
    major = settings.engine_version.partition(".")[0]
    for name in sorted(each for each in settings.parameters if belongs(each, int(major)) is None):
        findings.unverified(
            f"that PostgreSQL {major} on RDS has the parameter {name}",
            f"aws rds describe-engine-default-parameters --db-parameter-group-family postgres{major} --query "
            f"\"EngineDefaults.Parameters[?ParameterName=='{name}'].AllowedValues\"",
        )


def _check_posture(database: Database, findings: Findings) -> None:
    findings.expect(
        database.is_encrypted and not database.is_public,
        "encrypted at rest, and not public",
        "it is public, or not encrypted at rest",
    )
    group = database.parameter_group
    findings.expect(
        database.forces_tls,
        f"refuses connections without TLS ({group}: rds.force_ssl=1)",
        f"{group} doesn't set rds.force_ssl=1",
    )
