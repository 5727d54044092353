"""What the checks know about an AWS region: plain values, however they were gathered.

A part that couldn't be gathered is Missing, with the reason; `had` returns a part that could.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from engine.run import UnverifiedError

T = TypeVar("T")


@dataclass(frozen=True)
class Missing:
    """A part that couldn't be gathered."""

    reason: str
    is_unverified: bool = False
    """Because it can't be known here, not because it doesn't exist."""


class MissingError(LookupError):
    """A check needs what couldn't be gathered; the text is the reason."""


def had(part: T | Missing) -> T:
    """The part. Raises MissingError or UnverifiedError if it couldn't be gathered."""
    if isinstance(part, Missing):
        raise (UnverifiedError if part.is_unverified else MissingError)(part.reason)
    return part


@dataclass(frozen=True, kw_only=True)
class Document:
    """A policy from outside the stack, which may not be readable here."""

    arn: str
    """Of the policy, or of the key that it belongs to."""
    content: str | Missing
    """JSON."""


@dataclass(frozen=True, kw_only=True)
class Association:
    """What EKS Pod Identity has for the pod's service account, and the role that it names."""

    role_arn: str
    tags_disabled: bool
    """Whether the session lacks the tags that name cluster, namespace and pod."""
    trust: str
    """The role's trust policy, as JSON."""
    policies: Mapping[str, str]
    """Its inline policies by name, as JSON."""
    managed_policies: tuple[str, ...]
    """Names of the managed policies that are attached to it."""
    boundary: Document | None = None
    """Its permissions boundary."""

    @property
    def role_name(self) -> str:
        """Name of the role."""
        return self.role_arn.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A secret in Secrets Manager."""

    arn: str
    content: str = field(repr=False)
    version_id: str
    key: Document | None = None
    """Its own KMS key, with the key's policy; None: the account's key for Secrets Manager."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """The server's certificate, as AWS IoT has it."""

    id: str
    status: str
    pem: str
    policies: Mapping[str, str]
    """The documents of the attached IoT policies, by name."""


@dataclass(frozen=True, kw_only=True)
class SecurityGroupRule:
    """One rule of the database's security groups."""

    is_egress: bool
    source: str
    """Security group, CIDR block or prefix list."""
    protocol: str
    from_port: int
    to_port: int


@dataclass(frozen=True, kw_only=True)
class Database:
    """The RDS instance, and what controls access to it."""

    address: str
    ca_certificate: str
    """The certificate authority's identifier, such as rds-ca-rsa2048-g1."""
    is_encrypted: bool
    """At rest."""
    is_public: bool
    rules: tuple[SecurityGroupRule, ...]
    parameter_group: str
    forces_tls: bool


@dataclass(frozen=True, kw_only=True)
class Region:
    """An account in one region."""

    name: str
    partition: str
    account_id: str
    mqtt_endpoint: str | Missing
    """Host of the account's Data-ATS endpoint."""
    cluster_security_group: str | Missing
    """Id."""
    association: Association | Missing | None
    secrets: Mapping[str, Secret] | Missing
    """Those that the SecretProviderClass names and that exist, by the name that it uses."""
    certificate: Certificate | Missing
    database: Database | Missing

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a regional resource in this account."""
        return f"arn:{self.partition}:{service}:{self.name}:{self.account_id}:{resource}"
