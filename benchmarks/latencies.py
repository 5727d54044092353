"""How long AWS and the cluster take: the one table that is simulated, at 1:10, and calculated with.

It holds waiting time only: from the call until the provider continues. None of these figures was measured by
this project; documents are named where they say something, and the rest are typical. The goal is about the
difference from the critical path through these same figures, so it doesn't depend on them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

SCALE = 10
"""One second here stands for this many of AWS's."""

_TYPICAL = "typical; measured nowhere here"
_RELEASE = "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The delay of one call when a resource of a type is created or updated."""

    type: str
    """The resource's type."""
    call: str
    """As `emulator.client.Emulation.delay` names it."""
    seconds: float
    """In AWS's time, not scaled."""
    source: str = _TYPICAL
    is_update: bool = False
    """Whether it is made when the resource is updated, instead of created."""


TABLE: tuple[Latency, ...] = (
    Latency(
        type="aws:rds/instance:Instance",
        call="rds:CreateDBInstance",
        seconds=360,
        source="typical of a small single-zone PostgreSQL; the provider looks first after a minute, then "
        "every 10 s, and wants to see it available three times in a row (terraform-provider-aws, "
        "internal/service/rds/instance.go)",
    ),
    Latency(type="aws:rds/subnetGroup:SubnetGroup", call="rds:CreateDBSubnetGroup", seconds=1),
    Latency(type="aws:rds/parameterGroup:ParameterGroup", call="rds:CreateDBParameterGroup", seconds=1),
    Latency(type="aws:rds/parameterGroup:ParameterGroup", call="rds:ModifyDBParameterGroup", seconds=1),
    Latency(type="aws:cloudwatch/logGroup:LogGroup", call="logs:CreateLogGroup", seconds=1),
    Latency(type="aws:ec2/securityGroup:SecurityGroup", call="ec2:CreateSecurityGroup", seconds=2),
    Latency(
        type="aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        call="ec2:AuthorizeSecurityGroupIngress",
        seconds=1,
    ),
    Latency(type="aws:iot/certificate:Certificate", call="iot:CreateKeysAndCertificate", seconds=2),
    Latency(type="aws:iot/policy:Policy", call="iot:CreatePolicy", seconds=1),
    Latency(type="aws:iot/policyAttachment:PolicyAttachment", call="iot:AttachPolicy", seconds=1),
    Latency(type="aws:secretsmanager/secret:Secret", call="secretsmanager:CreateSecret", seconds=1),
    Latency(
        type="aws:secretsmanager/secretVersion:SecretVersion",
        call="secretsmanager:PutSecretValue",
        seconds=1,
    ),
    Latency(
        type="aws:iam/role:Role",
        call="iam:CreateRole",
        seconds=6,
        source="typically 2 to 10 s until it is visible everywhere; that it isn't at once: IAM User Guide, "
        '"Changes that I make are not always immediately visible"',
    ),
    Latency(type="aws:iam/rolePolicy:RolePolicy", call="iam:PutRolePolicy", seconds=1),
    Latency(
        type="aws:eks/podIdentityAssociation:PodIdentityAssociation",
        call="eks:CreatePodIdentityAssociation",
        seconds=3,
        source="typical; EKS Best Practices Guide: associations are eventually consistent, with delays of "
        "several seconds",
    ),
    Latency(
        type="kubernetes:core/v1:Namespace",
        call="kubernetes:create kubernetes:core/v1:Namespace",
        seconds=0.5,
    ),
    Latency(
        type="kubernetes:core/v1:ConfigMap",
        call="kubernetes:create kubernetes:core/v1:ConfigMap",
        seconds=0.5,
    ),
    Latency(
        type=_RELEASE,
        call=f"kubernetes:create {_RELEASE}",
        seconds=40,
        source="typical: image pulled, migration run, then startup and readiness probes every 5 s",
    ),
    Latency(
        type=_RELEASE,
        call=f"kubernetes:update {_RELEASE}",
        seconds=40,
        source="typical: two pods replaced one after the other; no image to pull",
        is_update=True,
    ),
)


def played(table: Iterable[Latency] = TABLE) -> dict[str, float]:
    """Seconds by call, scaled to 1:10, for `Emulation.delay`."""
    return {latency.call: latency.seconds / SCALE for latency in table}


def seconds(type_: str, *, is_update: bool = False) -> float:
    """AWS's own time for a resource; one that isn't in the table takes none."""
    return sum(row.seconds for row in TABLE if (row.type, row.is_update) == (type_, is_update))
