"""What changing each setting does: the table behind docs/what-a-change-does.md, for people and for tools.

A row is one change of one setting of a built stack: what the plan touches, and what the region's users see.
Rows are derived, not measured: from the providers' sources (each handler's table names its own). The engine
tier previews every one of them on the real engine.

When RDS applies a change, and what that interrupts: RDS user guide, "Settings for DB instances".
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, IntEnum, StrEnum
from typing import cast

from common.json_values import dig, overlaid
from emulator.aws import resource_handler
from emulator.kubernetes import CONFIG_MAP, CONFIG_MAP_PATCH, NAMESPACE, RELEASE, TABLES
from emulator.randomness import table_of
from maestro_stack.schema import PROFILE_DEFAULTS, Configuration, Json, Profile, Tree
from review.model import Way

CLUSTER_NAME = "regional-xyz"
REGION = "us-east-1"


RECONNECTS, ROLLS = "brief reconnects", "pods roll"
"""What few users notice, as worded in a title."""


class Downtime(IntEnum):
    """What users notice, worst last."""

    NONE = 0
    RECONNECT = 1
    ROLLING = 2
    RESTART = 3
    OUTAGE = 4

    @property
    def words(self) -> str:
        """The downtime as worded in tables."""
        return {
            Downtime.NONE: "none",
            Downtime.RECONNECT: "brief reconnects",
            Downtime.ROLLING: "rolling restart",
            Downtime.RESTART: "database restart",
            Downtime.OUTAGE: "outage",
        }[self]


class Data(Enum):
    """Whether something can be lost for good."""

    SAFE = "safe"
    AT_RISK = "at risk"


class When(StrEnum):
    """When a change takes effect."""

    AT_ONCE = "at once"
    WINDOW = "in the maintenance window"
    """Pulumi is done before it; until then each preview shows the change again."""
    LATER = "later"
    """It affects only later changes, or the deletion."""
    NEVER = "never"
    """Nothing that exists depends on it."""


class Refusal(StrEnum):
    """Who prevents a change from being made as planned."""

    PROTECTION = "Pulumi refuses the plan, because a resource is protected"
    AWS = "AWS refuses it during `pulumi up`"
    CLUSTER = "the cluster refuses it during `pulumi up`"


class Base(StrEnum):
    """The configuration that the changed stack was built with."""

    DEV = "dev"
    PRODUCTION = "production"
    TUNED = "tuned"
    """A production stack with customized settings: see BASES."""
    GUARDED = "guarded"
    """A dev stack in an account with guardrails: see BASES."""
    RESTORED = "restored"
    """A dev stack whose database was restored from a snapshot, with backups in another region: see BASES."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource of the program."""

    type: str
    """Pulumi's type token."""
    name: str
    """Logical name; `*` stands for a part that depends on the surroundings, such as the cluster's name."""

    @property
    def source(self) -> str:
        """The provider's source file that says what changing its inputs does."""
        return source_of(self.type)


@dataclass(frozen=True, kw_only=True)
class Touch:
    """What a change does to one resource."""

    resource: Resource
    way: Way
    inputs: tuple[str, ...] = ()
    """The inputs whose change updates or replaces it, sorted; a Release's values as dotted paths."""
    because: str = ""
    """Why it is replaced, if none of its own inputs requires that."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One change of a stack that was built with `base`, and no other."""

    key: str
    """The setting, dotted, as in docs/configuration.md."""
    base: Base = Base.DEV
    to: Mapping[str, Json]
    """What the stack file sets, by the project's key (or aws:region), merged over what the base's sets."""
    touches: tuple[Touch, ...] = ()
    restarts_pods: bool = False
    """Whether every server pod is replaced."""
    outage: Downtime | None = None
    """The downtime, if it isn't what `restarts_pods` implies."""
    interruption: str = ""
    """The downtime in more words, if its name doesn't say enough."""
    at_risk: str = ""
    """What can be lost for good; empty if nothing can."""
    when: When = When.AT_ONCE
    refusal: Refusal | None = None
    notes: str = ""

    @property
    def downtime(self) -> Downtime:
        """What users notice."""
        return self.outage or (Downtime.ROLLING if self.restarts_pods else Downtime.NONE)

    @property
    def title(self) -> tuple[str, ...]:
        """What users notice, in a few words; empty if they notice nothing."""
        minutes = "a minute" if "about a minute" in self.interruption else "minutes"
        noticed = {
            Downtime.NONE: "",
            Downtime.RECONNECT: RECONNECTS,
            Downtime.ROLLING: ROLLS,
            Downtime.RESTART: f"database offline for {minutes}",
            Downtime.OUTAGE: f"outage: {self.interruption}",
        }[self.downtime]
        when = f" {self.when.value}" if noticed and self.when is When.WINDOW else ""
        risk = f"data at risk: {self.at_risk}" if self.at_risk else ""
        return tuple(filter(None, (risk, f"{noticed}{when}")))

    @property
    def data(self) -> Data:
        """Whether something can be lost for good."""
        return Data.AT_RISK if self.at_risk else Data.SAFE

    @property
    def sources(self) -> tuple[str, ...]:
        """The providers' source files that the row is derived from."""
        return tuple(dict.fromkeys(touch.resource.source for touch in self.touches))

    @property
    def configuration(self) -> Tree:
        """What the stack file sets after the change, by the project's key (or aws:region)."""
        return overlaid(BASES[self.base], self.to)

    @property
    def changes(self) -> tuple[tuple[str, Json, Json], ...]:
        """Each setting that differs: its dotted key, and the values before and after."""
        before, after = settings(BASES[self.base]), settings(self.configuration)
        return tuple(
            (path, dig(before, path), dig(after, path))
            for path in paths(self.to)
            if dig(before, path) != dig(after, path)
        )

    @property
    def severity(self) -> tuple[bool, int, bool, int]:
        """Greater is worse: data at risk, downtime, whether it is refused, how much is replaced or lost."""
        lost = sum(touch.way in (Way.REPLACED, Way.DELETED) for touch in self.touches)
        return self.data is Data.AT_RISK, int(self.downtime), self.refusal is not None, lost


# --- settings as trees ----------------------------------------------------------------------------


def settings(own: Mapping[str, Json]) -> Tree:
    """Every setting with its default filled in, as docs/configuration.md names them."""
    profile = Profile(str(own["profile"]))
    filled = overlaid({"clusterName": CLUSTER_NAME, "database": dict(PROFILE_DEFAULTS[profile])}, own)
    region = filled.pop("aws:region", REGION)
    model = Configuration.model_validate(filled)
    return {"aws:region": region, **cast(Tree, model.model_dump(by_alias=True, mode="json"))}


_MAPS = (
    "tags",
    "database.backupReplication",
    "database.parameters",
    "database.restoreFrom",
    "server.values",
    "server.namespaceLabels",
    "server.namespaceAnnotations",
)


def paths(tree: Mapping[str, Json], prefix: str = "") -> Iterator[str]:
    """The dotted keys of a stack file's settings.

    A map whose keys users choose, or that can be omitted as a whole, counts as one value.
    """
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and path not in _MAPS:
            yield from paths(value, f"{path}.")
        else:
            yield path


# --- the program's resources ----------------------------------------------------------------------

KUBERNETES_PROVIDER = "pulumi:providers:kubernetes"
_KUBERNETES_PROVIDER_SOURCE = "pulumi/pulumi-kubernetes provider/pkg/provider/provider.go (DiffConfig)"


def source_of(type_: str) -> str:
    """Repository and file that say what changing an input of a type does; raises NoHandlerError."""
    if type_ == KUBERNETES_PROVIDER:
        return _KUBERNETES_PROVIDER_SOURCE
    if type_ in TABLES:
        return TABLES[type_].source
    if type_.startswith("random:"):
        return f"hashicorp/terraform-provider-random internal/provider/{table_of(type_).source}"
    return f"hashicorp/terraform-provider-aws {resource_handler(type_).table.source}"


IOT_POLICY = Resource(type="aws:iot/policy:Policy", name="policy")
CERTIFICATE = Resource(type="aws:iot/certificate:Certificate", name="certificate")
ATTACHMENT = Resource(type="aws:iot/policyAttachment:PolicyAttachment", name="policy-attachment")
PASSWORD = Resource(type="random:index/randomPassword:RandomPassword", name="password")
SECURITY_GROUP = Resource(type="aws:ec2/securityGroup:SecurityGroup", name="security-group")
INGRESS = Resource(type="aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", name="ingress-*")
SUBNET_GROUP = Resource(type="aws:rds/subnetGroup:SubnetGroup", name="subnet-group")
PARAMETER_GROUP = Resource(type="aws:rds/parameterGroup:ParameterGroup", name="parameter-group-postgres17")
"""For the bases' major version; the group for the version before it stands beside it."""
EARLIER_GROUP = replace(PARAMETER_GROUP, name="parameter-group-postgres16")
LATER_GROUP = replace(PARAMETER_GROUP, name="parameter-group-postgres18")
EARLIEST_GROUP = replace(PARAMETER_GROUP, name="parameter-group-postgres15")
POSTGRES_LOG = Resource(type="aws:cloudwatch/logGroup:LogGroup", name="postgresql-log")
UPGRADE_LOG = Resource(type="aws:cloudwatch/logGroup:LogGroup", name="upgrade-log")
LOGS = (POSTGRES_LOG, UPGRADE_LOG)
INSTANCE = Resource(type="aws:rds/instance:Instance", name="instance")
REPLICATION = Resource(
    type="aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication",
    name="backup-replication",
)
SNAPSHOT_NAME = Resource(type="random:index/randomId:RandomId", name="final-snapshot")
CERTIFICATE_SECRET = Resource(type="aws:secretsmanager/secret:Secret", name="server-mqtt-cert-*")
DATABASE_SECRET = Resource(type="aws:secretsmanager/secret:Secret", name="db-credentials-*")
CERTIFICATE_VERSION = Resource(
    type="aws:secretsmanager/secretVersion:SecretVersion", name="server-mqtt-cert-*"
)
DATABASE_VERSION = Resource(type="aws:secretsmanager/secretVersion:SecretVersion", name="db-credentials-*")
ROLE = Resource(type="aws:iam/role:Role", name="role-*")
ROLE_POLICY = Resource(type="aws:iam/rolePolicy:RolePolicy", name="policy-*")
ASSOCIATION = Resource(type="aws:eks/podIdentityAssociation:PodIdentityAssociation", name="association-*")
PROVIDER = Resource(type=KUBERNETES_PROVIDER, name="kubernetes-*")
BOOTSTRAP = Resource(type=CONFIG_MAP, name="bootstrap-output-*")
BOOTSTRAP_PATCH = Resource(type=CONFIG_MAP_PATCH, name="bootstrap-output-*")
SERVER_NAMESPACE = Resource(type=NAMESPACE, name="namespace-*")
SERVER_RELEASE = Resource(type=RELEASE, name="release-*")

OF_CLUSTER = (
    CERTIFICATE_SECRET, CERTIFICATE_VERSION, DATABASE_SECRET, DATABASE_VERSION, ROLE, ROLE_POLICY,
    ASSOCIATION, PROVIDER, SERVER_NAMESPACE, BOOTSTRAP, SERVER_RELEASE,
)  # fmt: skip
"""What belongs to the cluster, and has its name in the logical name."""
TAGGED = (
    IOT_POLICY, SECURITY_GROUP, INGRESS, SUBNET_GROUP, PARAMETER_GROUP, EARLIER_GROUP, *LOGS, INSTANCE,
    CERTIFICATE_SECRET, DATABASE_SECRET, ROLE, ASSOCIATION,
)  # fmt: skip
"""Everything that takes tags: the program's other types don't."""

POOL = "values.database.maxOpenConnections"
CERTIFICATE_ANNOTATION = "values.deployment.podAnnotations.secret-version/server-mqtt-cert"
DATABASE_ANNOTATION = "values.deployment.podAnnotations.secret-version/db-credentials"


def of_generation(resource: Resource, generation: str) -> Resource:
    """The certificate, or attachment, that a value of `rotation.certificate` creates."""
    return replace(resource, name=f"{resource.name}-{generation}")


def created(resource: Resource) -> Touch:
    """The change creates it."""
    return Touch(resource=resource, way=Way.CREATED)


def deleted(resource: Resource) -> Touch:
    """The change deletes it."""
    return Touch(resource=resource, way=Way.DELETED)


def updated(resource: Resource, *inputs: str) -> Touch:
    """The change updates it in place."""
    return Touch(resource=resource, way=Way.UPDATED, inputs=tuple(sorted(inputs)))


def replaced(resource: Resource, *inputs: str, because: str = "") -> Touch:
    """The change replaces it."""
    return Touch(resource=resource, way=Way.REPLACED, inputs=tuple(sorted(inputs)), because=because)


def all_updated(resources: Iterable[Resource], *inputs: str) -> tuple[Touch, ...]:
    """The same update of each."""
    return tuple(updated(resource, *inputs) for resource in resources)


KMS_KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ELSEWHERE = "arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BOUNDARY = "arn:aws:iam::aws:policy/PowerUserAccess"

# --- the bases ------------------------------------------------------------------------------------

BASES: Mapping[Base, Tree] = {
    Base.DEV: {"profile": "dev"},
    Base.PRODUCTION: {"profile": "production"},
    Base.TUNED: {
        "profile": "production",
        "bootstrapConfigMap": "adopt",
        "database": {
            "allocatedStorageGiB": 400,
            "maxAllocatedStorageGiB": 1000,
            "iops": 12000,
            "storageThroughput": 500,
            "multiAz": False,
        },
        "kubernetes": {"mode": "ambient", "context": "regional-xyz"},
        "acknowledge": [{"key": "database.multiAz", "reason": "load test"}],
    },
    Base.GUARDED: {
        "profile": "dev",
        "credentials": {"kmsKeyArn": KMS_KEY},
        "iam": {"permissionsBoundaryArn": BOUNDARY, "path": "/maestro/"},
        "rotation": {"certificate": "2026-11", "keepCertificate": "2026-10"},
        "network": {"clientCidrs": ["10.20.0.0/16"]},
        "database": {"logRetentionDays": 30, "parameters": {"log_min_duration_statement": "500"}},
        "server": {
            "namespaceLabels": {"team": "platform"},
            "namespaceAnnotations": {"example.com/owner": "platform"},
        },
    },
    Base.RESTORED: {
        "profile": "dev",
        "database": {
            "username": "maestro_admin",
            "restoreFrom": {"snapshot": "terraform-final"},
            "backupReplication": {"region": "us-west-2", "kmsKeyArn": KEY_ELSEWHERE},
        },
    },
}
"""What each base's stack file sets besides `clusterName` and `aws:region`."""

OTHER_REGION = "us-west-2"
OTHER_CLUSTER, FAR_CLUSTER = "regional-new", "regional-far"
"""Another cluster in the same VPC, and one in another VPC."""
OTHER_VPC = "vpc-0123456789abcdef0"
OTHER_VPC_SUBNETS = ("subnet-0123456789abcdef0", "subnet-0fedcba9876543210")
MORE_SUBNETS = ("subnet-0aaaabbbbccccdddd", "subnet-0ddddccccbbbbaaaa")
"""In the cluster's own VPC."""
CLIENTS = "sg-0123456789abcdef0"
CA_BUNDLE = "charts/maestro-server-eso/files/rds-ca/us-west-2.pem"
DIGEST = "sha256:" + "0123456789abcdef" * 4
KUBECONFIG = (
    '{"apiVersion": "v1", "kind": "Config", "current-context": "a", '
    '"contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}], '
    '"clusters": [{"name": "a", "cluster": {"server": "https://api.example.com"}}], '
    '"users": [{"name": "a", "user": {"token": "made-up"}}]}'
)


def _database(**values: Json) -> Tree:
    return {"database": dict(values)}


def _server(**values: Json) -> Tree:
    return {"server": dict(values)}


def _acknowledged(key: str, to: Tree) -> Tree:
    return {**to, "acknowledge": [{"key": key, "reason": "load test, gone by Friday"}]}


# --- the rows -------------------------------------------------------------------------------------

_EARLIER_POOL = (
    "The pods get the new size's number of connections at once, the database its size only in the window: in "
    "between they may ask for more connections than it has."
)
_WAITS = "With `database.applyImmediately: true` in the same `pulumi up` it happens at once."
_PINNED = "Automatic minor upgrades are off until the key is a major again."
_GROWS = (
    "RDS changes storage at most once in six hours (before that, `pulumi up` waits up to 80 minutes and "
    "fails), by at least a tenth, and never shrinks it."
)
_MIGRATE = (
    "To move the data: copy the database (snapshot and restore, or `pg_dump`), and build a new stack with "
    "the new setting."
)
_RENAME = "`ALTER USER` and `ALTER DATABASE` don't help: RDS keeps both for the instance's life."
_NEEDED_BY_HAND = (
    "The running server doesn't need the ConfigMap; the next `helm upgrade` by hand does, unless it is given "
    "`clusterName`."
)
_OF_PROFILE = (
    "applyImmediately", "backupRetentionPeriod", "deleteAutomatedBackups", "deletionProtection",
    "finalSnapshotIdentifier", "instanceClass", "maxAllocatedStorage", "multiAz", "skipFinalSnapshot",
)  # fmt: skip
_REMOVED = "Removing one deletes its rule; open connections stay open."
_NEW_DATABASE = "a new, empty database, which takes minutes to create"
_DATABASE_LOST = "the whole database: the old one is deleted first, in dev without a snapshot"
_RENAMED = (
    updated(IOT_POLICY, "tags"),
    replaced(SECURITY_GROUP, "name", "tags"),
    replaced(SUBNET_GROUP, "name", "tags"),
    *(replaced(each, "name", "tags") for each in (PARAMETER_GROUP, EARLIER_GROUP, *LOGS)),
    replaced(
        INSTANCE,
        "dbSubnetGroupName",
        "identifier",
        "parameterGroupName",
        "tags",
        "vpcSecurityGroupIds",
        because="to the program another identifier is another database",
    ),
)
"""What a different `name` does to the database, its groups, and what carries their tags."""
_RETAGGED = all_updated((CERTIFICATE_SECRET, DATABASE_SECRET, ROLE, ASSOCIATION), "tags")
_PROVIDER_GOES = "the provider that reaches its cluster is replaced"

_REGION = (
    Row(
        key="aws:region",
        to={"aws:region": OTHER_REGION},
        touches=(
            updated(IOT_POLICY, "policy"),
            replaced(SECURITY_GROUP, "vpcId"),
            created(INGRESS),
            deleted(INGRESS),
            updated(INSTANCE, "vpcSecurityGroupIds"),
            replaced(ROLE, "assumeRolePolicy", "description", "name"),
            replaced(ROLE_POLICY, "role"),
            updated(ASSOCIATION, "roleArn"),
            replaced(PROVIDER, "clusterIdentifier", "kubeconfig"),
            replaced(SERVER_NAMESPACE, because=_PROVIDER_GOES),
            replaced(BOOTSTRAP, because=_PROVIDER_GOES),
            replaced(SERVER_RELEASE, "values.aws.region", "values.broker.endpoint", because=_PROVIDER_GOES),
        ),
        restarts_pods=True,
        outage=Downtime.OUTAGE,
        interruption="half of the stack in each region until it is undone",
        refusal=Refusal.AWS,
        notes="Don't. Version 7 of the AWS provider leaves existing resources in their region but gives "
        "them the other region's network, which AWS refuses. Another region is another stack: `pulumi "
        "stack init`. To undo: set the old region again, `pulumi up`.",
    ),
    Row(
        key="clusterName",
        to={"clusterName": OTHER_CLUSTER, "name": CLUSTER_NAME},
        touches=(created(INGRESS), deleted(INGRESS), *map(created, OF_CLUSTER), *map(deleted, OF_CLUSTER)),
        restarts_pods=True,
        outage=Downtime.NONE,
        interruption="the pods on the old cluster go when those on the new one are ready",
        notes="The move to another cluster of the same VPC, with `name` kept: the old cluster's name, where "
        "the stack had none. Database, certificate, IoT policy and source id stay, so agents notice "
        "nothing: docs/move.md.",
    ),
    Row(
        key="clusterName",
        to={"clusterName": FAR_CLUSTER, "name": CLUSTER_NAME},
        touches=(
            replaced(SECURITY_GROUP, "vpcId"),
            created(INGRESS),
            deleted(INGRESS),
            updated(INSTANCE, "vpcSecurityGroupIds"),
            *map(created, OF_CLUSTER),
            *map(deleted, OF_CLUSTER),
        ),
        restarts_pods=True,
        refusal=Refusal.AWS,
        outage=Downtime.OUTAGE,
        interruption="the old cluster's pods lose the database until it is undone",
        notes="A cluster in another VPC. Don't: the database can't leave its VPC, so EC2 refuses to "
        "delete its security group, which would have to be replaced. In production it is protected. "
        "`python -m doctor before` says so. To undo: set the old name again, `pulumi up`.",
    ),
    Row(
        key="clusterName",
        to={"clusterName": OTHER_CLUSTER},
        touches=(
            *_RENAMED,
            created(INGRESS),
            deleted(INGRESS),
            *map(created, OF_CLUSTER),
            *map(deleted, OF_CLUSTER),
        ),
        restarts_pods=True,
        outage=Downtime.OUTAGE,
        interruption=_NEW_DATABASE,
        at_risk=_DATABASE_LOST,
        notes="Not without `name`, unless you can do without the database, which is then named after "
        "the cluster. To move to another cluster, keep the old name in the same change: `pulumi config "
        "set name OLD-CLUSTER`.",
    ),
    Row(
        key="clusterName",
        base=Base.PRODUCTION,
        to={"clusterName": OTHER_CLUSTER, "name": CLUSTER_NAME},
        refusal=Refusal.PROTECTION,
        notes="The move. The old cluster's two secrets stay protected until you run `pulumi state "
        "unprotect` on their URNs: docs/move.md.",
    ),
    Row(
        key="name",
        to={"name": OTHER_CLUSTER},
        touches=(
            *_RENAMED,
            replaced(INGRESS, "securityGroupId", "tags"),
            *_RETAGGED,
            replaced(DATABASE_VERSION, because="the database whose address it holds is deleted first"),
            updated(SERVER_RELEASE, DATABASE_ANNOTATION),
        ),
        restarts_pods=True,
        outage=Downtime.OUTAGE,
        interruption=_NEW_DATABASE,
        at_risk=_DATABASE_LOST,
        notes="Another name means another database. Set it when the stack is new, or to the old "
        "cluster's name when the stack moves.",
    ),
    Row(
        key="name",
        base=Base.PRODUCTION,
        to={"name": OTHER_CLUSTER},
        refusal=Refusal.PROTECTION,
        notes="The database would be replaced by an empty one.",
    ),
    Row(
        key="profile",
        to={"profile": "production"},
        touches=(
            created(SNAPSHOT_NAME),
            updated(INSTANCE, "allocatedStorage", *_OF_PROFILE),
            updated(CERTIFICATE_SECRET, "recoveryWindowInDays"),
            updated(DATABASE_SECRET, "recoveryWindowInDays"),
            *all_updated(LOGS, "retentionInDays"),
            updated(SERVER_RELEASE, POOL),
        ),
        restarts_pods=True,
        outage=Downtime.RESTART,
        interruption="rolling restart at once; the database restarts in the window, for a few minutes",
        when=When.WINDOW,
        notes=f"Protection, backups and the storage maximum take effect at once; size and standby wait. "
        f"{_EARLIER_POOL} {_WAITS}",
    ),
    Row(
        key="profile",
        base=Base.PRODUCTION,
        to={"profile": "dev"},
        touches=(
            deleted(SNAPSHOT_NAME),
            updated(INSTANCE, *_OF_PROFILE),
            updated(CERTIFICATE_SECRET, "recoveryWindowInDays"),
            updated(DATABASE_SECRET, "recoveryWindowInDays"),
            *all_updated(LOGS, "retentionInDays"),
            updated(SERVER_RELEASE, POOL),
        ),
        restarts_pods=True,
        outage=Downtime.RESTART,
        interruption="the database restarts, for about a minute, and has no standby from then on",
        at_risk="backups older than a day, logs older than a week; from then on every guard of the database "
        "and the secrets is off",
        notes="It removes what keeps a production stack from being destroyed, and is how one is torn "
        "down, too (`pulumi up` with it, then `pulumi destroy`). Storage keeps its size.",
    ),
    Row(
        key="bootstrapConfigMap",
        to={"bootstrapConfigMap": "adopt"},
        touches=(deleted(BOOTSTRAP), created(BOOTSTRAP_PATCH)),
        at_risk="every key of the ConfigMap: what the program made it deletes, after our key was patched in",
        notes=f"{_NEEDED_BY_HAND} To hand it over: set `external` first, let the new owner make the "
        "ConfigMap, then set `adopt`.",
    ),
    Row(
        key="bootstrapConfigMap",
        to={"bootstrapConfigMap": "external"},
        touches=(deleted(BOOTSTRAP),),
        at_risk="every key of the ConfigMap, other owners' too: what the program made it deletes",
        notes=f"{_NEEDED_BY_HAND} To keep it: `kubectl get configmap -n kube-system bootstrap-output -o "
        f"yaml` "
        "beforehand, and create it again afterwards.",
    ),
    Row(
        key="bootstrapConfigMap",
        base=Base.TUNED,
        to={"bootstrapConfigMap": "create"},
        touches=(created(BOOTSTRAP), deleted(BOOTSTRAP_PATCH)),
        refusal=Refusal.CLUSTER,
        notes="The ConfigMap already exists. Run `pulumi import` on it first, or delete it if nothing "
        "else has a key in it.",
    ),
    Row(
        key="bootstrapConfigMap",
        base=Base.TUNED,
        to={"bootstrapConfigMap": "external"},
        touches=(deleted(BOOTSTRAP_PATCH),),
        notes="Only our key goes; the ConfigMap and everyone else's keys stay.",
    ),
    Row(
        key="tags",
        to={"tags": {"team": "platform"}},
        touches=all_updated(TAGGED, "tags"),
    ),
)

_DATABASE = (
    Row(
        key="database.instanceClass",
        to=_database(instanceClass="db.t4g.small"),
        touches=(updated(INSTANCE, "instanceClass"), updated(SERVER_RELEASE, POOL)),
        restarts_pods=True,
        outage=Downtime.RESTART,
        interruption="the database is offline for a few minutes; the pods restart one by one",
        notes="The pods restart because their number of connections depends on the class.",
    ),
    Row(
        key="database.instanceClass",
        base=Base.PRODUCTION,
        to=_database(instanceClass="db.m6g.xlarge"),
        touches=(updated(INSTANCE, "instanceClass"),),
        outage=Downtime.RESTART,
        interruption="failover to the standby, about a minute",
        when=When.WINDOW,
        notes=f"{_WAITS} The pods restart only between classes that differ in connections per pod (at most "
        f"50). {_EARLIER_POOL}",
    ),
    Row(
        key="database.engineVersion",
        to=_database(engineVersion="18"),
        touches=(
            created(LATER_GROUP),
            deleted(EARLIER_GROUP),
            updated(INSTANCE, "engineVersion", "parameterGroupName"),
        ),
        outage=Downtime.OUTAGE,
        interruption="the database is offline for the upgrade: minutes, depending on its size",
        notes="The only way back is the snapshot that RDS takes before the upgrade; what was written "
        "since is then lost. The previous version's parameter group stays, and the one before that "
        "goes.",
    ),
    Row(
        key="database.engineVersion",
        base=Base.PRODUCTION,
        to=_database(engineVersion="18"),
        touches=(
            created(LATER_GROUP),
            deleted(EARLIER_GROUP),
            updated(INSTANCE, "engineVersion", "parameterGroupName"),
        ),
        outage=Downtime.OUTAGE,
        interruption="the database is offline for the upgrade: minutes, depending on its size",
        when=When.WINDOW,
        notes=f"{_WAITS} The instance keeps its old parameter group until then, and so does the stack. After "
        "the window `pulumi refresh` shows the new version.",
    ),
    Row(
        key="database.engineVersion",
        to=_database(engineVersion="18.3"),
        touches=(
            created(LATER_GROUP),
            deleted(EARLIER_GROUP),
            updated(INSTANCE, "autoMinorVersionUpgrade", "engineVersion", "parameterGroupName"),
        ),
        outage=Downtime.OUTAGE,
        interruption="the database is offline for the upgrade: minutes, depending on its size",
        notes="For regions where RDS refuses the major alone ([Upgrade](operating.md#upgrade)). The only "
        f"way back is the snapshot that RDS takes before the upgrade. {_PINNED}",
    ),
    Row(
        key="database.engineVersion",
        to=_database(engineVersion="17.9"),
        touches=(updated(INSTANCE, "autoMinorVersionUpgrade", "engineVersion"),),
        outage=Downtime.RESTART,
        interruption="the database restarts with the new minor version, for a few minutes",
        notes=_PINNED,
    ),
    Row(
        key="database.engineVersion",
        to=_database(engineVersion="16"),
        touches=(
            created(EARLIEST_GROUP),
            deleted(PARAMETER_GROUP),
            updated(INSTANCE, "engineVersion", "parameterGroupName"),
        ),
        refusal=Refusal.AWS,
        notes="RDS never goes back to an older version. Set the old key again.",
    ),
    Row(
        key="database.allocatedStorageGiB",
        to=_database(allocatedStorageGiB=50),
        touches=(updated(INSTANCE, "allocatedStorage"),),
        notes=f"The database is slower while it grows. {_GROWS}",
    ),
    Row(
        key="database.allocatedStorageGiB",
        base=Base.PRODUCTION,
        to=_database(allocatedStorageGiB=200),
        touches=(updated(INSTANCE, "allocatedStorage"),),
        when=When.WINDOW,
        notes=f"{_WAITS} The database is slower while it grows. {_GROWS}",
    ),
    Row(
        key="database.allocatedStorageGiB",
        base=Base.PRODUCTION,
        to=_database(allocatedStorageGiB=400),
        touches=(updated(INSTANCE, "allocatedStorage", "iops", "storageThroughput"),),
        when=When.WINDOW,
        notes=f"{_WAITS} From 400 GiB on, gp3 includes 12000 IOPS and 500 MiB/s; the program requests them, "
        f"since RDS would refuse the growth otherwise. {_GROWS}",
    ),
    Row(
        key="database.allocatedStorageGiB",
        base=Base.PRODUCTION,
        to=_database(allocatedStorageGiB=50),
        when=When.NEVER,
        notes="The provider assumes that larger storage grew by itself, as long as "
        "`database.maxAllocatedStorageGiB` is above the configured size. Storage never shrinks.",
    ),
    Row(
        key="database.maxAllocatedStorageGiB",
        to=_database(maxAllocatedStorageGiB=200),
        touches=(updated(INSTANCE, "maxAllocatedStorage"),),
    ),
    Row(
        key="database.maxAllocatedStorageGiB",
        to=_database(maxAllocatedStorageGiB=20),
        touches=(updated(INSTANCE, "maxAllocatedStorage"),),
        notes="Equal to the size: autoscaling is off, and a full disk stops the database.",
    ),
    Row(
        key="database.iops",
        base=Base.TUNED,
        to=_database(iops=16000),
        touches=(updated(INSTANCE, "iops"),),
        when=When.WINDOW,
        notes=f"{_WAITS} It can't be changed again for six hours.",
    ),
    Row(
        key="database.storageThroughput",
        base=Base.TUNED,
        to=_database(storageThroughput=1000),
        touches=(updated(INSTANCE, "storageThroughput"),),
        when=When.WINDOW,
        notes=f"{_WAITS} It can't be changed again for six hours.",
    ),
    Row(
        key="database.multiAz",
        to=_database(multiAz=True),
        touches=(updated(INSTANCE, "multiAz"),),
        notes="The database is slower while the standby is being filled.",
    ),
    Row(
        key="database.multiAz",
        base=Base.PRODUCTION,
        to=_acknowledged("database.multiAz", _database(multiAz=False)),
        touches=(updated(INSTANCE, "multiAz"),),
        when=When.WINDOW,
        notes=f"{_WAITS} If its zone fails after that, the database is offline until it is restored.",
    ),
    Row(
        key="database.backupRetentionDays",
        base=Base.PRODUCTION,
        to=_database(backupRetentionDays=21),
        touches=(updated(INSTANCE, "backupRetentionPeriod"),),
    ),
    Row(
        key="database.backupRetentionDays",
        base=Base.PRODUCTION,
        to=_database(backupRetentionDays=7),
        touches=(updated(INSTANCE, "backupRetentionPeriod"),),
        at_risk="backups older than the new number of days",
        notes="It doesn't wait for the window.",
    ),
    Row(
        key="database.backupWindow",
        to=_database(backupWindow="01:00-02:00"),
        touches=(updated(INSTANCE, "backupWindow"),),
    ),
    Row(
        key="database.maintenanceWindow",
        base=Base.PRODUCTION,
        to=_database(maintenanceWindow="sun:02:00-sun:02:45"),
        touches=(updated(INSTANCE, "maintenanceWindow"),),
        notes="Changes that wait for the window are made in the new one, at once if it has already begun.",
    ),
    Row(
        key="database.deletionProtection",
        to=_database(deletionProtection=True),
        touches=(updated(INSTANCE, "deletionProtection"),),
    ),
    Row(
        key="database.deletionProtection",
        base=Base.PRODUCTION,
        to=_acknowledged("database.deletionProtection", _database(deletionProtection=False)),
        touches=(updated(INSTANCE, "deletionProtection"),),
        at_risk="nothing by the change itself; from then on one of the database's guards is off",
        notes="It doesn't wait for the window. Pulumi's own protection and the final snapshot stay.",
    ),
    Row(
        key="database.applyImmediately",
        base=Base.PRODUCTION,
        to=_database(applyImmediately=True),
        touches=(updated(INSTANCE, "applyImmediately"),),
        when=When.LATER,
        notes="By itself it sends nothing to AWS. The next change of the database is made at once, "
        "together with everything that still waits for the window.",
    ),
    Row(
        key="database.applyImmediately",
        to=_database(applyImmediately=False),
        touches=(updated(INSTANCE, "applyImmediately"),),
        when=When.LATER,
        notes="By itself it sends nothing to AWS. While it is off, `pulumi destroy` doesn't switch off "
        "deletion protection that is off only in the state.",
    ),
    Row(
        key="database.kmsKeyArn",
        to=_database(kmsKeyArn=KMS_KEY),
        touches=(
            replaced(INSTANCE, "kmsKeyId"),
            replaced(DATABASE_VERSION, because="the database whose address it holds is deleted first"),
            updated(SERVER_RELEASE, DATABASE_ANNOTATION),
        ),
        restarts_pods=True,
        outage=Downtime.OUTAGE,
        interruption=_NEW_DATABASE,
        at_risk=_DATABASE_LOST,
        notes=_MIGRATE,
    ),
    Row(
        key="database.kmsKeyArn",
        base=Base.PRODUCTION,
        to=_database(kmsKeyArn=KMS_KEY),
        refusal=Refusal.PROTECTION,
        notes=f"The database would be replaced by an empty one. {_MIGRATE}",
    ),
    *(
        Row(
            key=f"database.{key}",
            to=_database(**{key: "maestro_admin"}),
            touches=(
                replaced(INSTANCE, name),
                replaced(DATABASE_VERSION, because="the database whose address it holds is deleted first"),
                updated(SERVER_RELEASE, DATABASE_ANNOTATION),
            ),
            restarts_pods=True,
            outage=Downtime.OUTAGE,
            interruption="a new, empty database, which takes minutes to create",
            at_risk="the whole database: the old one is deleted first, in dev without a snapshot",
            notes=f"{_RENAME} {_MIGRATE}",
        )
        for key, name in (("username", "username"), ("databaseName", "dbName"))
    ),
    *(
        Row(
            key=f"database.{key}",
            base=Base.PRODUCTION,
            to=_database(**{key: "maestro_admin"}),
            refusal=Refusal.PROTECTION,
            notes=f"The database would be replaced by an empty one. {_RENAME} {_MIGRATE}",
        )
        for key in ("username", "databaseName")
    ),
    *(
        Row(
            key=f"database.{key}",
            base=Base.RESTORED,
            to=_database(**{key: "ledger"}),
            touches=(
                replaced(DATABASE_VERSION, "secretString"),
                updated(SERVER_RELEASE, DATABASE_ANNOTATION),
            ),
            restarts_pods=True,
            notes="A restored database keeps its own; only the pods get the new value. If the database "
            "doesn't have it, the first new pod never becomes ready, and the old ones stay.",
        )
        for key in ("username", "databaseName")
    ),
    Row(
        key="database.kmsKeyArn",
        base=Base.RESTORED,
        to=_database(kmsKeyArn=KMS_KEY),
        when=When.NEVER,
        notes="A restored database keeps the key of what it was restored from: copy the snapshot under "
        "another key before the restore (docs/restore.md).",
    ),
    Row(
        key="database.restoreFrom",
        to=_database(restoreFrom={"snapshot": "terraform-final"}),
        when=When.NEVER,
        notes="The database already exists, and isn't restored. docs/restore.md says how to get its "
        "data back.",
    ),
    Row(
        key="database.restoreFrom",
        base=Base.RESTORED,
        to=_database(restoreFrom={"snapshot": "terraform-later"}),
        when=When.NEVER,
        notes="The database already exists, and isn't restored again. A replacement would be made from "
        "the first snapshot: leave the key as it was.",
    ),
    Row(
        key="database.restoreFrom",
        base=Base.RESTORED,
        to=_database(restoreFrom=None),
        when=When.NEVER,
        notes="From then on `database.username`, `databaseName` and `kmsKeyArn` take effect again: a "
        "value that isn't the database's own replaces it. Leave the key in place.",
    ),
    Row(
        key="database.backupReplication",
        to=_database(backupReplication={"region": "us-west-2", "kmsKeyArn": KEY_ELSEWHERE}),
        touches=(created(REPLICATION),),
        notes="AWS copies the backups there; `pulumi up` waits for the first one.",
    ),
    Row(
        key="database.backupReplication",
        base=Base.RESTORED,
        to=_database(backupReplication={"retentionDays": 7}),
        touches=(replaced(REPLICATION, "retentionPeriod"),),
        notes="The replication stops and begins again. What was copied stays until it expires.",
    ),
    Row(
        key="database.backupReplication",
        base=Base.RESTORED,
        to=_database(backupReplication=None),
        touches=(deleted(REPLICATION),),
        notes="What was copied stays until it expires. After that, losing the region means losing this "
        "database.",
    ),
    Row(
        key="database.caBundleFile",
        to=_database(caBundleFile=CA_BUNDLE),
        touches=(updated(SERVER_RELEASE, "values.database.caBundle"),),
        restarts_pods=True,
        notes="If the certificates didn't sign the database's, the first new pod never becomes ready, "
        "and the old ones stay. New content in the same file has the same effect.",
    ),
    Row(
        key="database.parameters",
        to=_database(parameters={"log_min_duration_statement": "500"}),
        touches=all_updated((PARAMETER_GROUP, EARLIER_GROUP), "parameters"),
        notes="A dynamic parameter takes effect at once, whatever `database.applyImmediately` says.",
    ),
    Row(
        key="database.parameters",
        to=_database(parameters={"max_worker_processes": "16"}),
        touches=all_updated((PARAMETER_GROUP, EARLIER_GROUP), "parameters"),
        notes="A static parameter waits until the database restarts: `aws rds reboot-db-instance "
        "--db-instance-identifier maestro-CLUSTER`, with a few seconds of reconnects.",
    ),
    Row(
        key="database.logRetentionDays",
        to=_database(logRetentionDays=30),
        touches=all_updated(LOGS, "retentionInDays"),
    ),
    Row(
        key="database.logRetentionDays",
        base=Base.PRODUCTION,
        to=_database(logRetentionDays=14),
        touches=all_updated(LOGS, "retentionInDays"),
        at_risk="the database's log events older than the new number of days",
        notes="CloudWatch deletes older logs within a few days.",
    ),
)

_MQTT = (
    Row(
        key="mqtt.sourceId",
        to={"mqtt": {"sourceId": "maestro-east"}},
        touches=(
            replaced(IOT_POLICY, "name", "policy"),
            replaced(ATTACHMENT, "policy"),
            updated(SERVER_RELEASE, "values.broker.sourceId"),
        ),
        restarts_pods=True,
        outage=Downtime.OUTAGE,
        interruption="rolling restart; every agent is cut off until it is given the new source id",
        notes="Topics and client ids are renamed. What agents send to the old topics is lost, but they "
        "send their whole state again. The old policy is deleted when the new pods are ready.",
    ),
)

_SERVER = (
    Row(
        key="server.replicas",
        to=_server(replicas=3),
        touches=(updated(SERVER_RELEASE, "values.deployment.replicas", POOL),),
        restarts_pods=True,
        notes="The pods restart because more of them share a small database's connections.",
    ),
    Row(
        key="server.replicas",
        base=Base.PRODUCTION,
        to=_server(replicas=3),
        touches=(updated(SERVER_RELEASE, "values.deployment.replicas"),),
        notes="The database has enough connections, so the other pods keep running.",
    ),
    Row(
        key="server.replicas",
        base=Base.PRODUCTION,
        to=_acknowledged("server.replicas", _server(replicas=1)),
        touches=(updated(SERVER_RELEASE, "values.deployment.replicas"),),
        outage=Downtime.RECONNECT,
        notes="Clients of the removed pod reconnect to the other. From then on, losing a node is an "
        "outage until the pod runs elsewhere.",
    ),
    Row(
        key="server.zoneCount",
        to=_server(zoneCount=1),
        touches=(updated(SERVER_RELEASE, "values.deployment.zoneCount"),),
        restarts_pods=True,
    ),
    Row(
        key="server.zoneCount",
        to=_server(zoneCount=2),
        touches=(updated(SERVER_RELEASE, "values.deployment.zoneCount"),),
        notes="All numbers above 1 mean the same: the pods spread over whatever zones there are.",
    ),
    Row(
        key="server.image.repository",
        to=_server(image={"repository": "registry.example.com/maestro/maestro"}),
        touches=(updated(SERVER_RELEASE, "values.image.repository"),),
        restarts_pods=True,
        notes="If the image can't be pulled, the first new pod never becomes ready, and the old ones stay.",
    ),
    Row(
        key="server.image.tag",
        to=_server(image={"tag": "0123456789abcdef0123456789abcdef01234567"}),
        touches=(updated(SERVER_RELEASE, "values.image.tag"),),
        restarts_pods=True,
        notes="New pods migrate the database's schema before they serve, while old ones still use it. "
        "Maestro has no migration back: try going back to an older image somewhere else first.",
    ),
    Row(
        key="server.image.digest",
        base=Base.PRODUCTION,
        to=_server(image={"digest": DIGEST}),
        touches=(updated(SERVER_RELEASE, "values.image.digest"),),
        restarts_pods=True,
        notes="As for `server.image.tag`, which it overrides: from then on, changing the tag restarts "
        "nothing.",
    ),
    Row(
        key="server.requests.cpu",
        to=_server(requests={"cpu": "500m"}),
        touches=(updated(SERVER_RELEASE, "values.deployment.requests.cpu"),),
        restarts_pods=True,
    ),
    Row(
        key="server.requests.memory",
        to=_server(requests={"memory": "1Gi"}),
        touches=(updated(SERVER_RELEASE, "values.deployment.requests.memory"),),
        restarts_pods=True,
    ),
    Row(
        key="server.install",
        to=_server(install="external"),
        touches=(deleted(SERVER_RELEASE), deleted(SERVER_NAMESPACE)),
        restarts_pods=True,
        outage=Downtime.OUTAGE,
        interruption="until somebody else has installed the chart",
        at_risk="whatever else was put into the namespace, which is deleted",
        notes="The pods stay if the state forgets both first: examples/argocd/README.md.",
    ),
    Row(
        key="server.releaseName",
        to=_server(releaseName="maestro-blue"),
        touches=(replaced(SERVER_RELEASE, "name"),),
        restarts_pods=True,
        outage=Downtime.OUTAGE,
        interruption="from the old release's removal until the new one's pods are ready",
        notes="The old release is deleted first, with its history, because the chart's objects have "
        "fixed names.",
    ),
    Row(
        key="server.namespace",
        to=_server(namespace="maestro-blue"),
        touches=(
            updated(ROLE, "assumeRolePolicy"),
            replaced(ASSOCIATION, "namespace"),
            replaced(SERVER_NAMESPACE, "metadata.name"),
            replaced(SERVER_RELEASE, "namespace"),
        ),
        restarts_pods=True,
        outage=Downtime.OUTAGE,
        interruption="from the old release's removal until the new one's pods are ready",
        at_risk="whatever else was put into the old namespace, which is deleted",
        notes="The in-cluster addresses change with it.",
    ),
    Row(
        key="server.namespaceMode",
        to=_server(namespaceMode="external"),
        when=When.NEVER,
        notes="Pulumi gives up the namespace without touching anything in it. From then on it must "
        "exist, and its labels are its owner's business.",
    ),
    Row(
        key="server.namespaceLabels",
        to=_server(namespaceLabels={"team": "platform"}),
        touches=(updated(SERVER_NAMESPACE, "metadata.labels.team"),),
    ),
    Row(
        key="server.namespaceAnnotations",
        to=_server(namespaceAnnotations={"example.com/owner": "platform"}),
        touches=(updated(SERVER_NAMESPACE, 'metadata.annotations["example.com/owner"]'),),
    ),
    Row(
        key="server.timeoutSeconds",
        to=_server(timeoutSeconds=900),
        touches=(updated(SERVER_RELEASE, "timeout"),),
        notes="The release gets a revision; nothing else changes.",
    ),
    Row(
        key="server.values",
        to=_server(values={"networkPolicy": {"metrics": {"from": [{"podSelector": {}}]}}}),
        touches=(updated(SERVER_RELEASE, "values.networkPolicy.metrics.from"),),
        notes="Values outside the pod template change only their own object.",
    ),
    Row(
        key="server.values",
        to=_server(values={"deployment": {"limits": {"memory": "2Gi"}}}),
        touches=(updated(SERVER_RELEASE, "values.deployment.limits.memory"),),
        restarts_pods=True,
        notes="Values of the pod template restart the pods.",
    ),
    Row(
        key="server.values",
        to=_server(values={"deployment": {"nodeSelector": {"kubernetes.io/arch": "*"}}}),
        touches=(updated(SERVER_RELEASE, "values.deployment.nodeSelector.kubernetes.io/arch"),),
        restarts_pods=True,
        notes="On a node whose architecture isn't the image's, a pod fails (`exec format error`) until "
        "it is deleted and scheduled on another node.",
    ),
)

_NETWORK = (
    Row(
        key="network.vpcId",
        to={"network": {"vpcId": OTHER_VPC, "subnetIds": list(OTHER_VPC_SUBNETS)}},
        touches=(
            replaced(SECURITY_GROUP, "vpcId"),
            replaced(INGRESS, because="its security group is deleted first"),
            updated(SUBNET_GROUP, "subnetIds"),
            updated(INSTANCE, "vpcSecurityGroupIds"),
        ),
        refusal=Refusal.AWS,
        outage=Downtime.OUTAGE,
        interruption="the rule that lets the pods in goes first, and the group that the database still uses "
        "can't",
        notes="The security group keeps its name, so the old one is deleted first, which AWS refuses "
        "(DependencyViolation) while the database carries it. "
        f"To undo: remove the key, `pulumi up`. {_MIGRATE}",
    ),
    Row(
        key="network.subnetIds",
        to={"network": {"subnetIds": list(MORE_SUBNETS)}},
        touches=(updated(SUBNET_GROUP, "subnetIds"),),
        refusal=Refusal.AWS,
        notes="The database stays where it is, and AWS refuses to remove a subnet that it or its "
        "standby is in (SubnetAlreadyInUse): list the old ones, too. Without the key, the subnets are "
        "those that the cluster had at the first `pulumi up`.",
    ),
    Row(
        key="network.clientSecurityGroupIds",
        to={"network": {"clientSecurityGroupIds": [CLIENTS]}},
        touches=(created(INGRESS),),
        notes=_REMOVED,
    ),
    Row(
        key="network.clientCidrs",
        to={"network": {"clientCidrs": ["10.20.0.0/16"]}},
        touches=(created(INGRESS),),
        notes=_REMOVED,
    ),
)

_KEYED = (
    updated(CERTIFICATE_SECRET, "kmsKeyId"),
    updated(DATABASE_SECRET, "kmsKeyId"),
    updated(ROLE_POLICY, "policy"),
)
_ACCOUNT = (
    Row(
        key="credentials.kmsKeyArn",
        to={"credentials": {"kmsKeyArn": KMS_KEY}},
        touches=_KEYED,
        notes="AWS re-encrypts the current values. A pod that starts between the change of the secrets "
        "and that of the policy waits a few seconds for its volume.",
    ),
    Row(
        key="credentials.kmsKeyArn",
        base=Base.GUARDED,
        to={"credentials": {"kmsKeyArn": None}},
        touches=_KEYED,
        notes="Don't: Secrets Manager keeps the key that it had, the role loses its right to it, and no pod "
        "that starts from then on can read its secrets. First move both to the account's key: "
        "docs/configuration.md, `credentials`.",
    ),
    Row(
        key="iam.permissionsBoundaryArn",
        to={"iam": {"permissionsBoundaryArn": BOUNDARY}},
        touches=(updated(ROLE, "permissionsBoundary"),),
        notes="It takes effect at once. If it doesn't allow what the role's policy allows, pods that "
        "start from then on can't read their secrets.",
    ),
    Row(
        key="iam.permissionsBoundaryArn",
        base=Base.GUARDED,
        to={"iam": {"permissionsBoundaryArn": None}},
        touches=(updated(ROLE, "permissionsBoundary"),),
        notes="Accounts that demand one refuse it (AccessDenied).",
    ),
    Row(
        key="iam.path",
        to={"iam": {"path": "/maestro/"}},
        touches=(
            replaced(ROLE, "path"),
            replaced(ROLE_POLICY, because="its role is deleted first"),
            updated(ASSOCIATION, "roleArn"),
        ),
        notes="Its name stays, so the old role is deleted first: a pod that starts meanwhile waits for "
        "its secrets. The ARN changes, also in the outputs.",
    ),
)

_KUBERNETES = (
    Row(
        key="kubernetes.mode",
        to={"kubernetes": {"mode": "ambient", "context": "regional-xyz"}},
        touches=(updated(PROVIDER, "context", "kubeconfig"),),
        notes="Only the way to the cluster changes, and nothing in it. The context must lead to the "
        "cluster that `clusterName` names; nothing checks that.",
    ),
    Row(
        key="kubernetes.kubeconfig",
        base=Base.TUNED,
        to={"kubernetes": {"mode": "kubeconfig", "kubeconfig": KUBECONFIG}},
        touches=(updated(PROVIDER, "kubeconfig"),),
        notes="As for `kubernetes.mode`; another text has the same effect. The text is stored in the "
        "state, encrypted.",
    ),
    Row(
        key="kubernetes.context",
        base=Base.TUNED,
        to={"kubernetes": {"context": "regional"}},
        touches=(updated(PROVIDER, "context"),),
        notes="As for `kubernetes.mode`.",
    ),
)

_ROTATION = (
    Row(
        key="rotation.database",
        to={"rotation": {"database": "2026-11"}},
        touches=(
            replaced(PASSWORD, "keepers"),
            updated(INSTANCE, "password"),
            replaced(DATABASE_VERSION, "secretString"),
            updated(SERVER_RELEASE, DATABASE_ANNOTATION),
        ),
        restarts_pods=True,
        interruption="rolling restart; a pod can't open new connections from the new password until it is "
        "restarted",
        notes="The password never waits for the window.",
    ),
    Row(
        key="rotation.certificate",
        to={"rotation": {"certificate": "2026-11"}},
        touches=(
            created(of_generation(CERTIFICATE, "2026-11")),
            created(of_generation(ATTACHMENT, "2026-11")),
            replaced(CERTIFICATE_VERSION, "secretString"),
            updated(SERVER_RELEASE, CERTIFICATE_ANNOTATION),
            deleted(ATTACHMENT),
            deleted(CERTIFICATE),
        ),
        restarts_pods=True,
        notes="The old certificate is deleted when every pod has the new one.",
    ),
    Row(
        key="rotation.keepCertificate",
        to={"rotation": {"certificate": "2026-11", "keepCertificate": ""}},
        touches=(
            created(of_generation(CERTIFICATE, "2026-11")),
            created(of_generation(ATTACHMENT, "2026-11")),
            replaced(CERTIFICATE_VERSION, "secretString"),
            updated(SERVER_RELEASE, CERTIFICATE_ANNOTATION),
        ),
        restarts_pods=True,
        notes="A rotation that keeps the old certificate valid, for pods that Pulumi doesn't wait for.",
    ),
    Row(
        key="rotation.keepCertificate",
        base=Base.GUARDED,
        to={"rotation": {"keepCertificate": None}},
        touches=(
            deleted(of_generation(ATTACHMENT, "2026-10")),
            deleted(of_generation(CERTIFICATE, "2026-10")),
        ),
        notes="What still uses it is cut off: every pod must have the new one.",
    ),
)

_POLICIES = (
    Row(
        key="acknowledge",
        base=Base.TUNED,
        to={"acknowledge": [{"key": "database.multiAz", "reason": "restored nightly elsewhere"}]},
        when=When.NEVER,
        notes="It only says that a weakening is intended; the weakening has a row of its own.",
    ),
    Row(
        key="policies.exceptions",
        to={
            "policies": {
                "exceptions": [
                    {"rule": "backups-in-production", "resource": "instance", "reason": "load test"}
                ]
            }
        },
        when=When.NEVER,
    ),
)

ROWS: tuple[Row, ...] = (
    *_REGION, *_DATABASE, *_MQTT, *_SERVER, *_NETWORK, *_ACCOUNT, *_KUBERNETES, *_ROTATION, *_POLICIES,
)  # fmt: skip
"""Every change, by section of docs/configuration.md."""
