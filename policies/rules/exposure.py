"""Who can reach the database."""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from maestro_stack.schema import Json
from policies import types
from policies.rule import Circumstances, Resource, Rule, Severity

# RFC 1918, RFC 6598 (which EKS also gives to pods) and RFC 4193: no packet from the internet has such an
# address.
PRIVATE = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)


def _not_public(resource: Resource, _: Circumstances) -> Iterator[str]:
    if resource.inputs.get("publiclyAccessible") not in (None, False):
        yield "it has a public address"


def _admits_no_public_addresses(resource: Resource, _: Circumstances) -> Iterator[str]:
    if prefix_list := resource.inputs.get("prefixListId"):
        yield f"it admits a prefix list ({prefix_list}), whose addresses can't be checked"
    for key in ("cidrIpv4", "cidrIpv6"):
        admitted = resource.inputs.get(key)
        if admitted is not None and not _is_private(ip_network(str(admitted), strict=False)):
            yield f"it admits internet addresses ({admitted})"


def _is_private(block: IPv4Network | IPv6Network) -> bool:
    return any(
        block.version == each.version and block.overlaps(each) and block.prefixlen >= each.prefixlen
        for each in PRIVATE
    )


def _no_inline_rules(resource: Resource, _: Circumstances) -> Iterator[str]:
    ingress: Json = resource.inputs.get("ingress")
    if ingress:
        yield "it has inline rules, which conflict with separate ones and aren't checked"


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
        name="database-admits-no-public-addresses",
        requires="The database's security group admits security groups and private addresses only.",
        severity=Severity.CRITICAL,
        reads={types.INGRESS_RULE: ("cidrIpv4", "cidrIpv6", "prefixListId")},
        check=_admits_no_public_addresses,
        remedy="Name the clients' security group in network.clientSecurityGroupIds, or their private blocks "
        "in network.clientCidrs.",
        source='VPC user guide, "Security group rules"',
    ),
    Rule(
        name="no-inline-ingress",
        requires="A security group's rules are resources of their own.",
        severity=Severity.MEDIUM,
        reads={types.SECURITY_GROUP: ("ingress",)},
        check=_no_inline_rules,
        remedy="Declare an aws.vpc.SecurityGroupIngressRule instead.",
        source="AWS provider, aws.ec2.SecurityGroup: inline rules conflict with separate ones",
    ),
)
