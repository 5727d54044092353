"""Every physical name, as a pure function of the configured name, the cluster's name and the region.

Names are made legal for each service by slugging, and carry a hash only when that changed or cut them, so
that two clusters never share a name and a name never depends on time or chance.
"""

import hashlib
import re
from dataclasses import dataclass

IAM_ROLE_NAME_MAX = 64  # IAM user guide, "IAM and AWS STS quotas"
RDS_IDENTIFIER_MAX = 63  # RDS user guide, "Quotas and constraints", naming constraints
RDS_GROUP_NAME_MAX = 255
HASH_LENGTH = 8

BOOTSTRAP_NAMESPACE = "kube-system"
BOOTSTRAP_CONFIG_MAP = "bootstrap-output"
BOOTSTRAP_KEY = "cluster_name"

# The chart's own names (charts/maestro-server-eso); they don't change with the release.
SERVICE_ACCOUNT = "maestro"
HTTP_SERVICE = "maestro"
GRPC_SERVICE = "maestro-grpc"

CLUSTER_TAG = "maestro:cluster"
TAG_KEYS = ("maestro:name", "maestro:stack", "managed-by", CLUSTER_TAG)
"""Tags of every taggable resource; the last one only of those that belong to the cluster and go with it."""


def slug(text: str, *, prefix: str, suffix: str = "", max_length: int) -> str:
    """`<prefix><text><suffix>` in lower-case letters, digits and single hyphens, at most `max_length` long.

    Text that had to be changed or cut gets a hash of the original before the suffix.
    """
    legal = re.sub(r"-+", "-", re.sub(r"[^a-z0-9-]", "-", text.lower())).strip("-")
    room = max_length - len(prefix) - len(suffix)
    if legal == text and len(legal) <= room:
        return f"{prefix}{legal}{suffix}"
    digest = hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]
    kept = legal[: room - HASH_LENGTH - 1].strip("-")
    return f"{prefix}{kept}-{digest}{suffix}" if kept else f"{prefix}{digest}{suffix}"


def certificate_name(generation: str) -> str:
    """Logical name of the IoT certificate that a value of `rotation.certificate` asks for."""
    return f"certificate-{generation}" if generation else "certificate"


def attachment_name(generation: str) -> str:
    """Logical name of the attachment of the server's policy to that certificate."""
    return f"policy-attachment-{generation}" if generation else "policy-attachment"


@dataclass(frozen=True)
class Names:
    """The physical names of one Maestro in one region, on one cluster."""

    cluster: str
    region: str
    name: str
    """Used for what outlives the cluster."""

    @property
    def server_mqtt_cert_secret(self) -> str:
        """Secret with the server's MQTT certificate; the chart computes the same name."""
        return f"{self.cluster}/maestro/server-mqtt-cert"

    @property
    def db_credentials_secret(self) -> str:
        """Secret with the database's address and credentials; the chart computes the same name."""
        return f"{self.cluster}/maestro/db-credentials"

    @property
    def role(self) -> str:
        """IAM role of the server. IAM is global, so the name carries the region."""
        return slug(
            self.cluster, prefix="maestro-server-", suffix=f"-{self.region}", max_length=IAM_ROLE_NAME_MAX
        )

    @property
    def database(self) -> str:
        """RDS instance identifier."""
        return slug(self.name, prefix="maestro-", max_length=RDS_IDENTIFIER_MAX)

    @property
    def database_subnet_group(self) -> str:
        """RDS subnet group."""
        return slug(self.name, prefix="maestro-", max_length=RDS_GROUP_NAME_MAX)

    @property
    def database_security_group(self) -> str:
        """EC2 security group in front of the database."""
        return slug(self.name, prefix="maestro-", suffix="-database", max_length=RDS_GROUP_NAME_MAX)

    def database_parameter_group(self, family: str) -> str:
        """RDS parameter group, with its family: a new major version needs one next to the old one."""
        return slug(self.name, prefix="maestro-", suffix=f"-{family}", max_length=RDS_GROUP_NAME_MAX)

    def database_log_group(self, log: str) -> str:
        """CloudWatch log group into which RDS writes one of the instance's logs."""
        return f"/aws/rds/instance/{self.database}/{log}"

    def final_snapshot(self, suffix: str) -> str:
        """RDS snapshot taken when the database is deleted. `suffix` is kept in state: see `Database`."""
        return f"{self.database}-final-{suffix}"
