"""For each row of the providers' tables: a resource, and the one input that is changed to test the row.

`program` registers them all. An `up` can make most of the changes; for the others `unmade` says why not, and
the plan is all there is to test.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import pulumi

from common.json_values import Json
from emulator.kubernetes import CONFIG_MAP, CONFIG_MAP_PATCH, NAMESPACE, RELEASE
from emulator.world import Cluster, Database, SecurityGroup, Subnet, Vpc, World

REGION = "us-east-1"
ACCOUNT = "320000000000"
CLUSTER, OTHER_CLUSTER = "rows", "other"
HOME, AWAY = "vpc-00000000000000001", "vpc-00000000000000002"
SUBNETS = [f"subnet-0000000000000000{number}" for number in (1, 2, 3)]
AWAY_SUBNETS = [f"subnet-0000000000000000{number}" for number in (4, 5)]
GROUP, OTHER_GROUP = "sg-00000000000000001", "sg-00000000000000002"
_ZONES = tuple(f"{REGION}{letter}" for letter in "abc")

WORLD = World(
    account=ACCOUNT,
    vpcs=[Vpc(id=HOME), Vpc(id=AWAY, cidr="10.9.0.0/16")],
    clusters=[
        # With IPv6, so that a database's network type can change.
        Cluster(name=CLUSTER, region=REGION, vpc_id=HOME, ip_family="ipv6"),
        Cluster(name=OTHER_CLUSTER, region=REGION),
    ],
    subnets=[
        *(Subnet(id=id_, vpc_id=HOME, zone=zone) for id_, zone in zip(SUBNETS, _ZONES, strict=True)),
        *(Subnet(id=id_, vpc_id=AWAY, zone=zone) for id_, zone in zip(AWAY_SUBNETS, _ZONES, strict=False)),
    ],
    security_groups=[SecurityGroup(id=GROUP, vpc_id=HOME), SecurityGroup(id=OTHER_GROUP, vpc_id=HOME)],
    databases=[
        Database(name="kept", username="maestro_admin", version="17.6", storage_gib=400, snapshot="kept-one"),
        *(Database(name=name) for name in ("far-1", "far-2", "far-3", "far-4", "far-5")),
    ],
)


@dataclass(frozen=True)
class Of:
    """An output of a prerequisite."""

    prerequisite: str
    output: str


@dataclass(frozen=True)
class Own:
    """The resource's own name, which no other has, with a suffix."""

    suffix: str = ""


Value: TypeAlias = "str | int | float | bool | Of | Own | Sequence[Value] | Mapping[str, Value] | None"
Inputs = Mapping[str, Value]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One input's change, where its new value alone isn't enough."""

    to: Value
    base: Inputs = field(default_factory=dict[str, Value])
    """Inputs besides, or in place of, those of the type's other rows; None removes one."""
    unmade: str = ""
    """Why no `up` can make the change; empty if one can."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A type: sound inputs for a resource of it, and how each is changed."""

    type: str
    inputs: Inputs
    changes: "Mapping[str, Value | Case]"
    """By input, dotted below `metadata`: its new value."""
    named_by: tuple[str, ...] = ()
    """The inputs that together form its physical name, where two resources can't share one."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One input of one type."""

    type: str
    key: str
    name: str
    """Logical name of the row's resource."""
    before: Inputs
    after: Inputs
    """The same except for `key`."""
    keeps_its_name: bool
    """Whether a replacement would have the physical name of what it replaces."""
    unmade: str

    @property
    def id(self) -> str:
        """How the engine's results name the resource."""
        return f"{self.type} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Prerequisite:
    """A resource that rows need, and that never changes."""

    type: str
    name: str
    inputs: Inputs


# --- documents ------------------------------------------------------------------------------------


def _trust(service: str = "pods.eks.amazonaws.com") -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _rights(action: str, **more: str) -> str:
    statement = {"Effect": "Allow", "Action": [action], "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1b2c"
_TAGS: Inputs = {"a": "1", "b": "2"}
_OTHER_TAGS: Inputs = {"b": "3", "c": "4"}


# --- what rows need -------------------------------------------------------------------------------

_SECRET = "aws:secretsmanager/secret:Secret"  # noqa: S105 a type
_CERTIFICATE = "aws:iot/certificate:Certificate"
_POLICY = "aws:iot/policy:Policy"
_ROLE = "aws:iam/role:Role"
_PARAMETER_GROUP = "aws:rds/parameterGroup:ParameterGroup"
_SUBNET_GROUP = "aws:rds/subnetGroup:SubnetGroup"

PREREQUISITES = (
    *(
        Prerequisite(type=_ROLE, name=name, inputs={"name": name, "assumeRolePolicy": _trust()})
        for name in ("one-role", "another-role")
    ),
    *(
        Prerequisite(type=_SECRET, name=f"secret-{letter}", inputs={"name": f"secret-{letter}"})
        for letter in "abcd"
    ),
    *(
        Prerequisite(type=_CERTIFICATE, name=f"certificate-{letter}", inputs={"active": True})
        for letter in "abc"
    ),
    *(
        Prerequisite(type=_POLICY, name=name, inputs={"name": name, "policy": _rights("iot:Connect")})
        for name in ("one-policy", "another-policy")
    ),
    *(
        Prerequisite(type=_PARAMETER_GROUP, name=name, inputs={"name": name, "family": "postgres17"})
        for name in ("one-group", "another-group")
    ),
    Prerequisite(type=_SUBNET_GROUP, name="home", inputs={"name": "home", "subnetIds": SUBNETS}),
    Prerequisite(type=_SUBNET_GROUP, name="away", inputs={"name": "away", "subnetIds": AWAY_SUBNETS}),
)


# --- AWS ------------------------------------------------------------------------------------------


def _port(number: int) -> Inputs:
    """A port for one rule alone: no two rules of a group may be equal."""
    return {"fromPort": number, "toPort": number}


_INLINE = "the emulation refuses inline rules, which the program doesn't use"
_INLINE_RULE: Value = [{"protocol": "tcp", "fromPort": 1, "toPort": 1, "cidrBlocks": ["10.0.0.0/8"]}]
_NO_GROUP: Inputs = {"referencedSecurityGroupId": None}
_PREFIX_LIST = "pl-0123456789abcdef"

_EC2 = (
    Kind(
        type="aws:ec2/securityGroup:SecurityGroup",
        named_by=("name",),
        inputs={"name": Own(), "description": "x", "vpcId": HOME, "tags": _TAGS},
        changes={
            "description": "y",
            "egress": Case(to=_INLINE_RULE, unmade=_INLINE),
            "ingress": Case(to=_INLINE_RULE, unmade=_INLINE),
            "name": Own("-new"),
            "revokeRulesOnDelete": True,
            "tags": _OTHER_TAGS,
            "vpcId": AWAY,
        },
    ),
    Kind(
        type="aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        inputs={
            "securityGroupId": GROUP,
            "referencedSecurityGroupId": GROUP,
            "ipProtocol": "tcp",
            "description": "x",
            "tags": _TAGS,
        },
        changes={
            "cidrIpv4": Case(to="10.0.0.0/9", base={**_port(1), **_NO_GROUP, "cidrIpv4": "10.0.0.0/8"}),
            "cidrIpv6": Case(to="2001:db8::/33", base={**_port(2), **_NO_GROUP, "cidrIpv6": "2001:db8::/32"}),
            "description": Case(to="y", base=_port(3)),
            "fromPort": Case(to=1004, base=_port(2004)),
            "ipProtocol": Case(to="udp", base=_port(5)),
            "prefixListId": Case(
                to=f"{_PREFIX_LIST}1", base={**_port(6), **_NO_GROUP, "prefixListId": f"{_PREFIX_LIST}0"}
            ),
            "referencedSecurityGroupId": Case(to=OTHER_GROUP, base=_port(7)),
            "securityGroupId": Case(to=OTHER_GROUP, base=_port(8)),
            "tags": Case(to=_OTHER_TAGS, base=_port(9)),
            "toPort": Case(to=3010, base=_port(10)),
        },
    ),
)

_IDENTITY = (
    Kind(
        type="aws:eks/podIdentityAssociation:PodIdentityAssociation",
        inputs={
            "clusterName": CLUSTER,
            "namespace": "maestro",
            "serviceAccount": Own(),
            "roleArn": Of("one-role", "arn"),
            "tags": _TAGS,
        },
        changes={
            "clusterName": OTHER_CLUSTER,
            "disableSessionTags": True,
            "namespace": "other",
            "roleArn": Of("another-role", "arn"),
            "serviceAccount": Own("-new"),
            "tags": _OTHER_TAGS,
            "targetRoleArn": "arn:aws:iam::210987654321:role/target",
        },
    ),
    Kind(
        type=_ROLE,
        named_by=("name",),
        inputs={"name": Own(), "assumeRolePolicy": _trust(), "description": "x", "tags": _TAGS},
        changes={
            "assumeRolePolicy": _trust("ec2.amazonaws.com"),
            "description": "y",
            "forceDetachPolicies": True,
            "maxSessionDuration": 7200,
            "name": Own("-new"),
            "path": "/maestro/",
            "permissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
            "tags": _OTHER_TAGS,
        },
    ),
    Kind(
        type="aws:iam/rolePolicy:RolePolicy",
        named_by=("name",),
        inputs={"name": Own(), "role": Of("one-role", "name"), "policy": _rights("s3:GetObject")},
        changes={
            "name": Own("-new"),
            "policy": _rights("s3:PutObject"),
            "role": Of("another-role", "name"),
        },
    ),
)

_LOGS = (
    Kind(
        type="aws:cloudwatch/logGroup:LogGroup",
        named_by=("name",),
        inputs={"name": Own(), "retentionInDays": 7, "tags": _TAGS},
        changes={
            "name": Own("-new"),
            "retentionInDays": 30,
            "skipDestroy": True,
            "tags": _OTHER_TAGS,
        },
    ),
)

_IOT = (
    Kind(
        type=_CERTIFICATE,
        inputs={"active": True},
        changes={
            "active": False,
            "csr": Case(to="…", unmade="it is no signing request: one would have to be made anew each time"),
        },
    ),
    Kind(
        type=_POLICY,
        named_by=("name",),
        inputs={"name": Own(), "policy": _rights("iot:Connect"), "tags": _TAGS},
        changes={"name": Own("-new"), "policy": _rights("iot:Publish"), "tags": _OTHER_TAGS},
    ),
    Kind(
        type="aws:iot/policyAttachment:PolicyAttachment",
        inputs={"policy": Of("one-policy", "name"), "target": Of("certificate-a", "arn")},
        changes={
            "policy": Of("another-policy", "name"),
            "target": Case(to=Of("certificate-c", "arn"), base={"target": Of("certificate-b", "arn")}),
        },
    ),
)

SECOND = "us-west-2"
_KEY_THERE = _KEY.replace(REGION, SECOND)
_ONE_AT_A_TIME = "an instance's backups go to one region, and the provider begins with the new one"


def _far(number: int) -> Inputs:
    """An instance whose backups are replicated; each row needs a source of its own."""
    return {"sourceDbInstanceArn": f"arn:aws:rds:{REGION}:{ACCOUNT}:db:far-{number}"}


_MONITORED: Inputs = {"monitoringInterval": 60, "monitoringRoleArn": _role_arn("monitoring")}
_RDS = (
    Kind(
        type="aws:rds/instance:Instance",
        named_by=("identifier",),
        inputs={
            "identifier": Own(),
            "engine": "postgres",
            "engineVersion": "17.6",
            "instanceClass": "db.t4g.small",
            "allocatedStorage": 400,
            "maxAllocatedStorage": 1000,
            "storageType": "gp3",
            "storageEncrypted": True,
            "dbName": "maestro",
            "username": "maestro_admin",
            "password": "correct-horse-battery",
            "dbSubnetGroupName": Of("home", "name"),
            "parameterGroupName": Of("one-group", "name"),
            "vpcSecurityGroupIds": [GROUP],
            "backupRetentionPeriod": 7,
            "multiAz": True,
            "deletionProtection": False,
            "skipFinalSnapshot": True,
            "applyImmediately": True,
            "enabledCloudwatchLogsExports": ["postgresql", "upgrade"],
            "performanceInsightsEnabled": True,
            "performanceInsightsRetentionPeriod": 7,
            "tags": _TAGS,
        },
        changes={
            "allocatedStorage": 500,
            "allowMajorVersionUpgrade": True,
            "applyImmediately": False,
            "autoMinorVersionUpgrade": False,
            "availabilityZone": f"{REGION}c",
            "backupRetentionPeriod": 14,
            "backupTarget": "outposts",
            "backupWindow": "02:00-03:00",
            "caCertIdentifier": "rds-ca-ecc384-g1",
            "copyTagsToSnapshot": True,
            "databaseInsightsMode": "advanced",
            "dbName": "other",
            # RDS moves an instance only into another network, with that network's security groups.
            "dbSubnetGroupName": Case(to=Of("away", "name"), base={"vpcSecurityGroupIds": None}),
            "dedicatedLogVolume": True,
            "deleteAutomatedBackups": False,
            "deletionProtection": True,
            "enabledCloudwatchLogsExports": ["upgrade"],
            "engine": Case(to="mysql", unmade="the emulation knows PostgreSQL only"),
            "engineLifecycleSupport": "open-source-rds-extended-support-disabled",
            "engineVersion": "17.7",
            "finalSnapshotIdentifier": Own("-final"),
            "iamDatabaseAuthenticationEnabled": True,
            "identifier": Own("-new"),
            "instanceClass": "db.t4g.medium",
            "iops": 14000,
            "kmsKeyId": _KEY,
            "licenseModel": Case(to="bring-your-own-license", unmade="PostgreSQL has but one licence"),
            "maintenanceWindow": "sun:05:00-sun:06:00",
            "maxAllocatedStorage": 2000,
            "monitoringInterval": Case(to=30, base=_MONITORED),
            "monitoringRoleArn": Case(to=_role_arn("other"), base=_MONITORED),
            "multiAz": False,
            "networkType": "DUAL",
            "optionGroupName": "other",
            "parameterGroupName": Of("another-group", "name"),
            "password": "another-password-2",
            "performanceInsightsEnabled": Case(
                to=True,
                base={"performanceInsightsEnabled": False, "performanceInsightsRetentionPeriod": None},
            ),
            "performanceInsightsKmsKeyId": _KEY,
            "performanceInsightsRetentionPeriod": 31,
            "port": 5433,
            "publiclyAccessible": True,
            # After a restore to a time the provider sets no more than the password.
            "restoreToPointInTime": Case(
                to={"sourceDbInstanceIdentifier": "kept", "useLatestRestorableTime": True},
                base={
                    "backupRetentionPeriod": None,
                    "performanceInsightsEnabled": None,
                    "performanceInsightsRetentionPeriod": None,
                },
            ),
            "skipFinalSnapshot": False,
            "snapshotIdentifier": "kept-one",
            "storageEncrypted": False,
            "storageThroughput": 600,
            "storageType": "gp2",
            "tags": _OTHER_TAGS,
            "username": "other_admin",
            "vpcSecurityGroupIds": [OTHER_GROUP],
        },
    ),
    Kind(
        type="aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication",
        inputs={"region": SECOND, "retentionPeriod": 9, "kmsKeyId": _KEY_THERE},
        changes={
            "kmsKeyId": Case(to=f"{_KEY_THERE}-new", base=_far(1), unmade=_ONE_AT_A_TIME),
            "region": Case(to="us-east-2", base=_far(2), unmade=_ONE_AT_A_TIME),
            "retentionPeriod": Case(to=10, base=_far(3), unmade=_ONE_AT_A_TIME),
            "sourceDbInstanceArn": Case(to=_far(5)["sourceDbInstanceArn"], base=_far(4)),
        },
    ),
    Kind(
        type=_PARAMETER_GROUP,
        named_by=("name",),
        inputs={
            "name": Own(),
            "family": "postgres17",
            "description": "x",
            "parameters": [{"name": "rds.force_ssl", "value": "1"}],
            "tags": _TAGS,
        },
        changes={
            "description": "y",
            "family": "postgres18",
            "name": Own("-new"),
            "parameters": [{"name": "log_statement", "value": "ddl", "applyMethod": "pending-reboot"}],
            "skipDestroy": True,
            "tags": _OTHER_TAGS,
        },
    ),
    Kind(
        type=_SUBNET_GROUP,
        named_by=("name",),
        inputs={"name": Own(), "description": "x", "subnetIds": SUBNETS, "tags": _TAGS},
        changes={
            "description": "y",
            "name": Own("-new"),
            "subnetIds": SUBNETS[:2],
            "tags": _OTHER_TAGS,
        },
    ),
)

_SECRETS = (
    Kind(
        type=_SECRET,
        named_by=("name",),
        # A name is free again at once only without a recovery window.
        inputs={"name": Own(), "description": "x", "recoveryWindowInDays": 0, "tags": _TAGS},
        changes={
            "description": "y",
            "forceOverwriteReplicaSecret": True,
            "kmsKeyId": "alias/ours",
            "name": Own("-new"),
            "policy": _rights("secretsmanager:GetSecretValue", Principal="*"),
            "recoveryWindowInDays": 7,
            "tags": _OTHER_TAGS,
        },
    ),
    Kind(
        type="aws:secretsmanager/secretVersion:SecretVersion",
        inputs={"secretString": "first", "versionStages": ["AWSCURRENT"]},
        changes={
            "secretId": Case(to=Of("secret-b", "arn"), base={"secretId": Of("secret-a", "arn")}),
            "secretString": Case(to="second", base={"secretId": Of("secret-c", "arn")}),
            "versionStages": Case(to=["AWSCURRENT", "BLUE"], base={"secretId": Of("secret-d", "arn")}),
        },
    ),
)


# --- Kubernetes -----------------------------------------------------------------------------------

_OBJECT: Inputs = {"name": Own(), "namespace": "default", "labels": {"a": "1"}, "annotations": {"a": "1"}}
_OBJECT_CHANGES: Mapping[str, Value] = {
    "metadata.annotations": {"b": "2"},
    "metadata.labels": {"b": "2"},
    "metadata.name": Own("-new"),
    "metadata.namespace": "kube-public",
}
_DATA_CHANGES: Mapping[str, Value] = {
    "binaryData": {"key.bin": "MTI="},
    "data": {"key": "2"},
    "immutable": True,
}
CHART, OTHER_CHART = "./tiny", "./other"

_KUBERNETES = (
    Kind(
        type=NAMESPACE,
        named_by=("metadata.name", "metadata.namespace"),
        inputs={"metadata": {"name": Own(), "labels": {"a": "1"}, "annotations": {"a": "1"}}},
        changes={
            **_OBJECT_CHANGES,
            "metadata.namespace": Case(to="default", unmade="a namespace is in no other"),
            "spec": {"finalizers": ["kubernetes"]},
        },
    ),
    Kind(
        type=CONFIG_MAP,
        named_by=("metadata.name", "metadata.namespace"),
        inputs={"metadata": _OBJECT, "data": {"key": "1"}, "binaryData": {"key.bin": "MQ=="}},
        changes={**_OBJECT_CHANGES, **_DATA_CHANGES},
    ),
    Kind(
        type=CONFIG_MAP_PATCH,
        inputs={"metadata": _OBJECT, "data": {"key": "1"}, "binaryData": {"key.bin": "MQ=="}},
        named_by=("metadata.name", "metadata.namespace"),
        changes={**_OBJECT_CHANGES, **_DATA_CHANGES},
    ),
    Kind(
        type=RELEASE,
        inputs={"name": Own(), "namespace": "default", "chart": CHART, "values": {"colour": "green"}},
        changes={
            "atomic": True,
            "chart": OTHER_CHART,
            "cleanupOnFail": True,
            "createNamespace": True,
            "description": "y",
            "maxHistory": 5,
            "name": Own("-new"),
            "namespace": "kube-public",
            "resetValues": True,
            "reuseValues": True,
            "skipAwait": True,
            "timeout": 600,
            "values": {"colour": "blue"},
            "version": Case(to="9.9.9", unmade="a local chart has the version that its Chart.yaml says"),
        },
    ),
)


# --- random ---------------------------------------------------------------------------------------

_RANDOM = (
    Kind(
        type="random:index/randomPassword:RandomPassword",
        inputs={"length": 24, "special": False, "keepers": {"rotation": "1"}},
        changes={
            "keepers": {"rotation": "2"},
            "length": 32,
            "lower": False,
            "numeric": False,
            "special": True,
            "upper": False,
        },
    ),
    Kind(
        type="random:index/randomId:RandomId",
        inputs={"byteLength": 4, "keepers": {"of": "one"}},
        changes={"byteLength": 8, "keepers": {"of": "another"}},
    ),
)


# --- rows -----------------------------------------------------------------------------------------


def _rows(kinds: Sequence[Kind]) -> Iterator[Row]:
    for kind in kinds:
        for key, change in kind.changes.items():
            case = change if isinstance(change, Case) else Case(to=change)
            name = f"{kind.type.rpartition(':')[2]}-{key.replace('.', '-')}".lower()
            own = {**kind.inputs, **case.base}
            before = cast("Inputs", _named({k: v for k, v in own.items() if v is not None}, name))
            after = _with(before, key, _named(case.to, name))
            yield Row(
                type=kind.type,
                key=key,
                name=name,
                before=before,
                after=after,
                keeps_its_name=bool(kind.named_by) and key not in kind.named_by,
                unmade=case.unmade,
            )


def _named(value: Value, name: str) -> Value:
    if isinstance(value, Own):
        return name + value.suffix
    if isinstance(value, Mapping):
        return {key: _named(inner, name) for key, inner in value.items()}
    return value


def _with(inputs: Inputs, key: str, value: Value) -> Inputs:
    """The inputs with another value at a dotted path."""
    first, _, rest = key.partition(".")
    inner = inputs.get(first)
    return {**inputs, first: _with(cast("Inputs", inner), rest, value) if rest else value}


ROWS = tuple(_rows((*_EC2, *_IDENTITY, *_LOGS, *_IOT, *_RDS, *_SECRETS, *_KUBERNETES, *_RANDOM)))
"""In the order of the packages."""


def patched_config_maps() -> dict[str, Json]:
    """What somebody else must have made before it can be patched: data, by `namespace/name`."""
    patches = [row for row in ROWS if row.type == CONFIG_MAP_PATCH]
    metadata = [cast("Inputs", side["metadata"]) for row in patches for side in (row.before, row.after)]
    return {f"{place['namespace']}/{place['name']}": {"theirs": "1"} for place in metadata}


# --- the program ----------------------------------------------------------------------------------


def program() -> None:
    """Every row's resource: as it is before the change or, with `rows:changed` set, after it."""
    is_changed = pulumi.Config("rows").require_bool("changed")
    made = {p.name: _register(p.type, p.name, p.inputs, {}) for p in PREREQUISITES}
    for row in ROWS:
        _register(row.type, row.name, row.after if is_changed else row.before, made)


def _register(
    type_: str, name: str, inputs: Inputs, made: Mapping[str, pulumi.CustomResource]
) -> pulumi.CustomResource:
    props: dict[str, object] = {
        key: getattr(made[value.prerequisite], value.output) if isinstance(value, Of) else value
        for key, value in inputs.items()
    }
    # An output that the program may use is declared as an input that isn't set.
    return pulumi.CustomResource(type_, name, {"arn": None, **props} if not made else props)
