"""The configuration's keys: types, defaults, descriptions, examples, and the rules for single values."""

import re
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_interface
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Tree: TypeAlias = dict[str, Json]
"""JSON object, as configuration and chart values hold it."""

# Versions out of RDS standard support before our first release are refused. One that leaves it later gets a
# warning (support.py): refusing it would keep a region from rotating its credentials.
ENGINE_VERSIONS = ("14", "15", "16", "17", "18")
ENGINE_VERSIONS_ENDED = ("9", "10", "11", "12", "13")

DEFAULT_IMAGE_REPOSITORY = "quay.io/redhat-user-workloads/maestro-rhtap-tenant/maestro/maestro"
DEFAULT_IMAGE_TAG = "ab480c6578bcbcbceeeb2c964c7bef6aed119c18"


class Profile(StrEnum):
    """What the region is for. It sets the defaults for size, availability, backups and protection."""

    DEV = "dev"
    PRODUCTION = "production"


PROFILE_DEFAULTS: Mapping[Profile, Tree] = {
    Profile.DEV: {
        "instanceClass": "db.t4g.micro",
        "allocatedStorageGiB": 20,
        "maxAllocatedStorageGiB": 100,
        "multiAz": False,
        "backupRetentionDays": 1,
        "deletionProtection": False,
        "applyImmediately": True,
        "logRetentionDays": 7,
    },
    Profile.PRODUCTION: {
        "instanceClass": "db.m6g.large",
        "allocatedStorageGiB": 100,
        "maxAllocatedStorageGiB": 500,
        "multiAz": True,
        "backupRetentionDays": 14,
        "deletionProtection": True,
        "applyImmediately": False,
        "logRetentionDays": 90,
    },
}


def _text(value: object) -> object:
    """`pulumi config set --path` stores 17 as a number; where text is expected, read it as text."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _version_text(value: object) -> object:
    if isinstance(value, float):
        raise _wrong("is a number: write it in quotes, since 17.10 would be read as 17.1")
    return _text(value)


def _engine_version(value: str) -> str:
    major = value.partition(".")[0]
    if major in ENGINE_VERSIONS_ENDED:
        raise _wrong("is a PostgreSQL version out of RDS standard support")
    if major not in ENGINE_VERSIONS:
        raise _wrong("is a PostgreSQL version without an RDS parameter-group family")
    if not re.fullmatch(r"\d+(\.\d+)?", value):
        raise _wrong('must be a major version, or a full one such as "17.6"')
    return value


def _network(value: str) -> str:
    """A CIDR block in the form that AWS stores. Source: EC2 API reference, IpRange."""
    try:
        network = ip_interface(value).network
    except ValueError:
        raise _wrong("must be a CIDR block") from None
    address = value.partition("/")[0]
    if ip_interface(address).ip != network.network_address:
        raise _wrong(f"has host bits set: the block is {network}")
    return str(network)


def _wrong(problem: str) -> PydanticCustomError:
    return PydanticCustomError("rule", "{problem}", {"problem": problem})


def misfit(form: str) -> PydanticCustomError:
    """The error for a value that doesn't have this form, such as "must be an image tag"."""
    return PydanticCustomError("form", "{form}", {"form": form})


def _matches(pattern: str, form: str) -> AfterValidator:
    """The whole value must match `pattern`; otherwise `form` says what it must be."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise misfit(form)
        return value

    return AfterValidator(check)


Text = Annotated[str, BeforeValidator(_text)]
SourceId = Annotated[
    Text,
    # The policy of source x covers the client ids x-server-*: a source x-server would be within its reach.
    _matches(
        r"(?!.*-server(-|$))[a-z0-9-]{1,40}",
        "must be 1 to 40 lower-case letters, digits or hyphens "
        'without "-server" (which is part of other sources\' client ids)',
    ),
]
DnsLabel = Annotated[
    str,
    _matches(
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "must be a DNS label (1 to 63 lower-case letters, digits or hyphens, no hyphen at the ends)",
    ),
]
ReleaseName = Annotated[
    str,
    _matches(
        r"[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?",
        "must be a Helm release name (1 to 53 lower-case letters, digits or hyphens, no hyphen at the ends)",
    ),
]
# As in the chart's schema: what that refuses must not get as far as the release.
CpuQuantity = Annotated[Text, _matches(r"[1-9]\d*m|\d+(\.\d{1,3})?", "must be a Kubernetes CPU quantity")]
MemoryQuantity = Annotated[
    Text,
    _matches(
        r"(?!0+(\.0+)?[A-Za-z])\d+(\.\d{1,3})?(Ki|Mi|Gi|Ti|k|M|G|T)",
        "must be a Kubernetes memory quantity with a unit",
    ),
]
KmsKeyArn = Annotated[
    str, _matches(r"arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/[\w-]+", "must be the ARN of a KMS key")
]
PolicyArn = Annotated[
    str, _matches(r"arn:[a-z-]+:iam::(aws|\d{12}):policy/[\w+=,.@/-]+", "must be the ARN of an IAM policy")
]
IamPath = Annotated[
    str, _matches(r"/([!-.0-~]+/)*", "must begin and end with a slash"), Field(max_length=512)
]
# Kubernetes documentation, "Labels and Selectors", syntax and character set.
_NAME = r"[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?"
MetadataKey = Annotated[
    str,
    _matches(rf"([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME}", "must be a Kubernetes label key"),
    _matches(
        r"(?!pod-security\.kubernetes\.io/(enforce|audit|warn)$|kubernetes\.io/|pulumi\.com/).*",
        "must not be set: the namespace is under Pod Security `restricted`, and such keys belong to the "
        "program or to Kubernetes",
    ),
]
LabelValue = Annotated[Text, _matches(rf"({_NAME})?", "must be a Kubernetes label value")]
# Not what the program sets itself: TLS, and as many connections as the instance class has memory for.
ParameterName = Annotated[
    str,
    _matches(r"[a-z][a-z0-9_.]*", "must be the name of an RDS parameter, in lower case"),
    _matches(r"(?!(rds\.force_ssl|max_connections)$).*", "must not be set: the program sets it"),
]
LogRetention = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]  # fmt: skip
"""Days. Source: CloudWatch Logs API reference, PutRetentionPolicy."""
# Maestro builds a connection string from them without quoting: no spaces, quotes or backslashes.
PostgresName = Annotated[str, _matches(r"[A-Za-z][A-Za-z0-9_]{0,62}", "must be up to 63 of A-Z, a-z, 0-9, _")]
Username = Annotated[PostgresName, _matches(r"(?i)(?!(rds)?admin$|pg_).*", "must not be a reserved word")]
_RDS = r"arn:[a-z-]+:rds:[a-z0-9-]+:\d{12}"
RdsIdentifier = Annotated[str, _matches(r"[A-Za-z](-?[A-Za-z0-9]){0,62}", "must be an RDS identifier")]
Snapshot = Annotated[str, _matches(rf"({_RDS}:snapshot:)?[A-Za-z][A-Za-z0-9:-]*", "must be an RDS snapshot")]
AutomatedBackup = Annotated[str, _matches(rf"{_RDS}:auto-backup:ab-\w+", "must be an automated backup's ARN")]
Clock = r"([01]\d|2[0-3]):[0-5]\d"
Day = r"(mon|tue|wed|thu|fri|sat|sun)"
Time = Annotated[str, _matches(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "must be a time in UTC, ending in Z")]
Reason = Annotated[str, Field(min_length=1)]


def _key(description: str, *examples: Any, **rules: Any) -> Any:
    """What documentation and messages say about a key, its default, and pydantic's rules for it."""
    rules.setdefault("examples", list(examples))
    return Field(description=description, **rules)


NO_KEYS: dict[str, object] = {}
"""Default of a section; validating it gives each of its keys its own default."""


class Section(BaseModel):
    """A part of the configuration; keys are camelCase, unknown ones are errors, values aren't coerced."""

    # Built on first use, once and as a whole: a section is never validated alone.
    model_config = ConfigDict(
        alias_generator=to_camel,
        defer_build=True,
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=True,
    )


class RestoreSettings(Section):
    """What the database is created from: a snapshot, or an instance's backups as of a point in time."""

    snapshot: Snapshot | None = _key("Snapshot in this region.", "maestro-east-final-1a2b3c4d", default=None)
    instance: RdsIdentifier | None = _key("Instance in this region.", "maestro-east", default=None)
    automated_backup: AutomatedBackup | None = _key(
        "Automated backup in this region: of a deleted instance, or from another region.",
        "arn:aws:rds:us-east-1:123456789012:auto-backup:ab-0123456789abcdefghijklmnop",
        default=None,
    )
    time: Time | None = _key("Restore the data as of this time.", "2026-11-30T12:00:00Z", default=None)
    latest: Literal[True] | None = _key("Restore the newest data.", examples=[True], default=None)


class BackupReplicationSettings(Section):
    """A second region that keeps the automated backups, in case this one is lost."""

    region: str = _key("The second region.", "us-west-2")
    retention_days: int = _key("Backups are kept there this many days.", 14, default=14, ge=1, le=35)
    kms_key_arn: KmsKeyArn = _key("KMS key there.", "arn:aws:kms:us-west-2:123456789012:key/1234abcd")


class DatabaseSettings(Section):
    """The RDS PostgreSQL instance."""

    instance_class: Annotated[
        str,
        _matches(
            r"db\.[a-z][a-z0-9-]*\.(micro|small|medium|large|\d*xlarge|metal)",
            "must be an RDS instance class",
        ),
    ] = _key("Instance class.", "db.t4g.small")
    engine_version: Annotated[str, BeforeValidator(_version_text), AfterValidator(_engine_version)] = _key(
        "PostgreSQL major version, whose minor version RDS chooses; or a full version, in quotes, where "
        "RDS refuses the major alone.",
        "17",
        "17.6",
        default="17",
    )
    allocated_storage_gib: int = _key(
        "Storage at creation, in GiB (gp3).", 100, alias="allocatedStorageGiB", ge=20, le=65536
    )
    max_allocated_storage_gib: int = _key(
        "Storage autoscaling stops here, in GiB; the value of `allocatedStorageGiB` turns it off.",
        500,
        alias="maxAllocatedStorageGiB",
        ge=20,
        le=65536,
    )
    iops: int | None = _key(
        "Provisioned gp3 IOPS; from 400 GiB on, where 12000 are included.", 16000, default=None
    )
    storage_throughput: int | None = _key(
        "Provisioned gp3 throughput, MiB/s; from 400 GiB on, where 500 are included.", 1000, default=None
    )
    multi_az: bool = _key("A standby in another zone.", examples=[True])
    backup_retention_days: int = _key("Automated backups are kept this many days.", 14, ge=1, le=35)
    backup_window: Annotated[
        str, _matches(f"{Clock}-{Clock}", "must be a window of the form hh:mm-hh:mm (UTC)")
    ] = _key("Daily backup window, UTC.", "03:00-04:00", default="03:00-04:00")
    maintenance_window: Annotated[
        str,
        BeforeValidator(_lower),  # as the provider does
        _matches(f"{Day}:{Clock}-{Day}:{Clock}", "must be a window of the form ddd:hh:mm-ddd:hh:mm (UTC)"),
        _key("Weekly maintenance window, UTC.", "mon:04:30-mon:05:30", default="mon:04:30-mon:05:30"),
    ]
    deletion_protection: bool = _key("RDS refuses to delete the instance while it is on.", examples=[True])
    apply_immediately: bool = _key(
        "Changes take effect at once instead of in the maintenance window.", examples=[False]
    )
    kms_key_arn: KmsKeyArn | None = _key(
        "Key that encrypts the storage; the account's `aws/rds` key when left out. A change replaces "
        "the database.",
        "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        default=None,
    )
    ca_bundle_file: str | None = _key(
        "PEM file with the CA certificates of RDS in this region, relative to Pulumi.yaml. Needed "
        "only where the chart ships none.",
        "rds-bundle.pem",
        default=None,
    )
    parameters: dict[ParameterName, Text] = _key(
        "More PostgreSQL parameters, by their names in RDS. Changes to static ones wait for a restart.",
        {"log_min_duration_statement": "500"},
        default_factory=dict,
    )
    log_retention_days: LogRetention = _key(
        "PostgreSQL's logs are kept this many days in CloudWatch Logs.", 30
    )
    username: Username = _key("Master user; the server logs in as it.", "maestro_admin", default="maestro")
    database_name: PostgresName = _key("The server's database.", "maestro", default="maestro")
    restore_from: RestoreSettings | None = _key(
        "What it is created from; no effect afterwards.", {"snapshot": "maestro-east-final-1"}, default=None
    )
    backup_replication: BackupReplicationSettings | None = _key(
        "A second region that keeps the automated backups.",
        {"region": "us-west-2", "kmsKeyArn": "arn:aws:kms:us-west-2:123456789012:key/1234abcd"},
        default=None,
    )


class MqttSettings(Section):
    """The server's place on the account's MQTT broker."""

    source_id: SourceId = _key(
        "Prefix of topics, client ids and the IoT policy. One server per account, region and source id.",
        "maestro-east",
        default="maestro",
    )


class ImageSettings(Section):
    """The Maestro image."""

    repository: Annotated[
        str,
        _matches(
            r"[a-z0-9][a-z0-9.-]*(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+",
            "must be an image repository (registry/path, without tag or digest)",
        ),
    ] = _key("Image repository.", DEFAULT_IMAGE_REPOSITORY, default=DEFAULT_IMAGE_REPOSITORY)
    tag: Annotated[Text, _matches(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "must be an image tag")] = _key(
        "Tag: upstream publishes full commit SHAs.", DEFAULT_IMAGE_TAG, default=DEFAULT_IMAGE_TAG
    )
    digest: Annotated[str, _matches(r"sha256:[0-9a-f]{64}", "must be an image digest")] | None = _key(
        "Digest; wins over the tag.", "sha256:" + "0123456789abcdef" * 4, default=None
    )


class RequestsSettings(Section):
    """Resources each server pod asks for."""

    cpu: CpuQuantity = _key("CPU request.", "200m", default="200m")
    memory: MemoryQuantity = _key("Memory request.", "512Mi", default="512Mi")


class ServerSettings(Section):
    """The Maestro server on the cluster."""

    install: Literal["pulumi", "external"] = _key(
        "Who installs the chart: `pulumi`, as a Helm release, or something `external`, such as Argo CD, with "
        "the output `maestro_chart_values`.",
        "external",
        default="pulumi",
    )
    replicas: int = _key("Server pods.", 2, default=2, ge=1)
    zone_count: int = _key("Zones to spread the pods over; 1 turns it off.", 3, default=3, ge=1)
    image: Annotated[ImageSettings, Field(default=NO_KEYS)]
    requests: Annotated[RequestsSettings, Field(default=NO_KEYS)]
    release_name: ReleaseName = _key("Helm release name.", "maestro-server", default="maestro-server")
    namespace: DnsLabel = _key(
        "Namespace; created by the program, under Pod Security `restricted`.", "maestro", default="maestro"
    )
    namespace_mode: Literal["create", "external"] = _key(
        "`create` the namespace, or use an `external` one.", "external", default="create"
    )
    namespace_labels: dict[MetadataKey, LabelValue] = _key(
        "More labels for a created namespace.", {"team": "platform"}, default_factory=dict
    )
    namespace_annotations: dict[MetadataKey, Text] = _key(
        "More annotations for it.", {"example.com/owner": "platform"}, default_factory=dict
    )
    timeout_seconds: int = _key(
        "How long an install or upgrade waits for ready pods, in seconds.", 600, default=600, ge=60, le=3600
    )
    values: dict[str, Any] = _key(
        "More chart values, merged last; those that the program sets can't be overridden.",
        {"networkPolicy": {"metrics": {"from": [{"podSelector": {}}]}}},
        default_factory=dict,
    )


class NetworkSettings(Section):
    """Where the database is reached from."""

    vpc_id: Annotated[str, _matches(r"vpc-[0-9a-f]{8,17}", "must be a VPC id")] | None = _key(
        "VPC; the cluster's when left out.", "vpc-0123456789abcdef0", default=None
    )
    subnet_ids: (
        tuple[Annotated[str, _matches(r"subnet-[0-9a-f]{8,17}", "must be a subnet id")], ...] | None
    ) = _key(
        "Database subnets; the cluster's private ones when left out.",
        ["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"],
        default=None,
        strict=False,
        min_length=2,
    )
    client_security_group_ids: tuple[
        Annotated[str, _matches(r"sg-[0-9a-f]{8,17}", "must be a security group id")], ...
    ] = _key(
        "Security groups admitted to the database besides the cluster's own.",
        ["sg-0123456789abcdef0"],
        default=(),
        strict=False,
    )
    client_cidrs: tuple[Annotated[str, AfterValidator(_network)], ...] = _key(
        "CIDR blocks admitted to the database too: clients behind a transit gateway or a VPC peering.",
        ["10.20.0.0/16"],
        default=(),
        strict=False,
    )


class CredentialsSettings(Section):
    """The two secrets in Secrets Manager."""

    kms_key_arn: KmsKeyArn | None = _key(
        "Key that encrypts both secrets; the account's `aws/secretsmanager` key when left out. The pods' "
        "role may then decrypt with it.",
        "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        default=None,
    )


class IamSettings(Section):
    """What the account requires of every IAM role."""

    permissions_boundary_arn: PolicyArn | None = _key(
        "Permissions boundary of the pods' role.", "arn:aws:iam::123456789012:policy/boundary", default=None
    )
    path: IamPath | None = _key("Path of the pods' role.", "/maestro/", default=None)


class KubernetesSettings(Section):
    """How to reach the cluster's API server."""

    mode: Literal["eks", "kubeconfig", "ambient"] = _key(
        "`eks`: with `aws eks get-token`; `kubeconfig`: with the one given; `ambient`: with the shell's.",
        "eks",
        default="eks",
    )
    kubeconfig: str | None = _key(
        "Kubeconfig text for mode `kubeconfig`; set it as a secret.",
        "(kubeconfig text, by: pulumi config set --secret --path kubernetes.kubeconfig)",
        default=None,
        min_length=1,
        repr=False,
    )
    context: str | None = _key(
        "Kubeconfig context: needed in mode `ambient`, else the kubeconfig's current one.",
        "regional",
        default=None,
        min_length=1,
    )


# Part of logical names: no "::" or "/", which separate the parts of URNs and paths. What the engine makes of
# a date without quotes is allowed.
Generation = Annotated[
    Text,
    _matches(
        r"(?!.*::)[A-Za-z0-9 .:+_-]{0,40}", "must be at most 40 letters, digits, spaces or any of .:+_-"
    ),
]


class RotationSettings(Section):
    """To rotate a credential, change its string."""

    database: Text = _key("A new string replaces the database password.", "2026-11", default="")
    certificate: Generation = _key("A new string replaces the MQTT certificate.", "2026-11", default="")
    keep_certificate: Generation | None = _key(
        "Earlier value of `rotation.certificate` whose certificate stays valid, until every pod has the new "
        'one; `""` is the first.',
        "2026-10",
        default=None,
    )


class Acknowledgement(Section):
    """A setting that weakens production on purpose, and why."""

    key: Text = _key("The setting's key.", "database.multiAz")
    reason: Reason = _key("Why.", "load test, gone by Friday")


class PolicyException(Section):
    """A rule that doesn't apply to one resource, and why."""

    rule: Reason = _key("Rule.", "backups-in-production")
    resource: Reason = _key("Resource.", "instance")
    reason: Reason = _key("Why.", "restored nightly elsewhere")


class PolicySettings(Section):
    """Policy as code."""

    exceptions: tuple[PolicyException, ...] = _key(
        "Exceptions to rules, each with a reason.",
        [{"rule": "backups-in-production", "resource": "instance", "reason": "load test"}],
        default=(),
        strict=False,
    )


CLUSTER_NAME = r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}"
CLUSTER_NAME_FORM = (
    "must be an EKS cluster name (1 to 100 letters, digits, - or _, beginning with a letter or digit)"
)
TagKey = Annotated[
    str,
    _matches(
        r"(?!aws:)[\w .:/=+\-@]{1,128}",
        "must be a tag key (1 to 128 letters, digits, spaces or _.:/=+-@, not aws:…)",
    ),
]
TagValue = Annotated[
    Text, _matches(r"[\w .:/=+\-@]{0,256}", "must be a tag value (up to 256 letters, digits or _.:/=+-@)")
]


class Configuration(Section):
    """Every key of the project's namespace. `Pulumi.yaml` declares the same keys."""

    cluster_name: Annotated[str, _matches(CLUSTER_NAME, CLUSTER_NAME_FORM)] = _key(
        "EKS cluster to deploy to; also the prefix of the secrets.", "regional-xyz"
    )
    name: Annotated[str, _matches(f"({CLUSTER_NAME})?", CLUSTER_NAME_FORM)] = _key(
        "What the database and its groups are named after; the cluster's name when left out. Keep it when "
        "another cluster replaces this one.",
        "regional-xyz",
        default="",
    )
    profile: Literal["dev", "production"] = _key(
        "`dev` or `production`: sets defaults for size, availability, backups and protection. Required: a "
        "forgotten key must not mean unprotected data.",
        "production",
    )
    database: DatabaseSettings = _key("The RDS PostgreSQL instance.", {"instanceClass": "db.t4g.small"})
    mqtt: MqttSettings = _key(
        "The server's place on the account's MQTT broker.", {"sourceId": "maestro-east"}, default=NO_KEYS
    )
    server: ServerSettings = _key("The Maestro server on the cluster.", {"replicas": 3}, default=NO_KEYS)
    network: NetworkSettings = _key(
        "Where the database is reached from.",
        {"clientSecurityGroupIds": ["sg-0123456789abcdef0"]},
        default=NO_KEYS,
    )
    credentials: CredentialsSettings = _key(
        "The two secrets in Secrets Manager.", {"kmsKeyArn": "…"}, default=NO_KEYS
    )
    iam: IamSettings = _key(
        "What the account requires of every IAM role.", {"path": "/maestro/"}, default=NO_KEYS
    )
    kubernetes: KubernetesSettings = _key(
        "How to reach the cluster's API server.", {"mode": "ambient"}, default=NO_KEYS
    )
    bootstrap_config_map: Literal["create", "adopt", "external"] = _key(
        "ConfigMap kube-system/bootstrap-output: `create` it, `adopt` an existing one (our key only) "
        "or leave it to something `external`.",
        "adopt",
        default="create",
    )
    rotation: RotationSettings = _key(
        "To rotate a credential, change its string.", {"certificate": "2026-11"}, default=NO_KEYS
    )
    acknowledge: tuple[Acknowledgement, ...] = _key(
        "Settings that weaken production on purpose, each with a reason.",
        [{"key": "database.multiAz", "reason": "load test"}],
        default=(),
        strict=False,
    )
    policies: PolicySettings = _key(
        "Exceptions to rules, each with a reason.", {"exceptions": []}, default=NO_KEYS
    )
    tags: dict[TagKey, TagValue] = _key(
        "Tags added to every taggable resource, in addition to ours.",
        {"team": "platform"},
        default_factory=dict,
        max_length=40,
    )
