"""Who can reach the database."""

from collections.abc import Iterator

from maestro_stack.schema import Json
from policies import types
from policies.rule import Circumstances, Resource, Rule, Severity

ANYONE = ("0.0.0.0/0", "::/0")


def _not_public(resource: Resource, _: Circumstances) -> Iterator[str]:
    if resource.inputs.get("publiclyAccessible") not in (None, False):
        yield "it has a public address"


def _admits_no_range(resource: Resource, _: Circumstances) -> Iterator[str]:
    for key in ("cidrIpv4", "cidrIpv6", "prefixListId"):
        admitted = resource.inputs.get(key)
        if admitted in ANYONE:
            yield f"it admits everyone ({admitted})"
        elif admitted is not None:
            yield f"it admits addresses ({admitted}) instead of a security group"


def _no_inline_rules(resource: Resource, _: Circumstances) -> Iterator[str]:
    ingress: Json = resource.inputs.get("ingress")
    if ingress:
        yield "it has rules within it, which contradict rules of their own and aren't judged"


RULES = (
    Rule(
        name="no-public-database",
        requires="A database has no public address.",
        severity=Severity.CRITICAL,
        reads={types.INSTANCE: ("publiclyAccessible",)},
        check=_not_public,
        remedy="Remove publicly_accessible.",
        source='RDS user guide, "Hiding a DB instance in a VPC from the internet"',
    ),
    Rule(
        name="database-admits-groups-only",
        requires="The database's security group admits security groups, and no addresses.",
        severity=Severity.CRITICAL,
        reads={types.INGRESS_RULE: ("cidrIpv4", "cidrIpv6", "prefixListId")},
        check=_admits_no_range,
        remedy="Name the clients' security group in network.clientSecurityGroupIds.",
        source='VPC user guide, "Security group rules"',
    ),
    Rule(
        name="no-inline-ingress",
        requires="A security group's rules are resources of their own.",
        severity=Severity.MEDIUM,
        reads={types.SECURITY_GROUP: ("ingress",)},
        check=_no_inline_rules,
        remedy="Declare an aws.vpc.SecurityGroupIngressRule instead.",
        source="AWS provider, aws.ec2.SecurityGroup: inline rules and rules of their own conflict",
    ),
)
