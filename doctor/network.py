"""The database's subnets, as the program chooses them: `maestro_stack.cluster` has the same rules."""

from collections.abc import Collection, Sequence

from common.json_values import Json, flag, json_list, records, text
from doctor.aws import Aws


def suitable(aws: Aws, vpc_id: str, ids: Sequence[str]) -> list[dict[str, Json]]:
    """The cluster's subnets in ordinary zones, not on Outposts, without a route to an internet gateway.

    Raises as `Aws.call`.
    """
    ordinary: Json = [{"Name": "zone-type", "Values": ["availability-zone"]}]
    found = aws.records("ec2:DescribeAvailabilityZones", "AvailabilityZones", Filters=ordinary)
    zones = {text(zone, "ZoneName") for zone in found}
    public = _public(aws, vpc_id, ids)
    return [
        subnet
        for subnet in subnets_of(aws, ids)
        if not text(subnet, "OutpostArn")
        and text(subnet, "AvailabilityZone") in zones
        and text(subnet, "SubnetId") not in public
    ]


def subnets_of(aws: Aws, ids: Sequence[str]) -> list[dict[str, Json]]:
    """The subnets that exist, of those asked for. Raises as `Aws.call`."""
    by_id: Json = [{"Name": "subnet-id", "Values": json_list(ids)}]
    return aws.records("ec2:DescribeSubnets", "Subnets", Filters=by_id)


def _public(aws: Aws, vpc_id: str, ids: Sequence[str]) -> Collection[str]:
    """Those public by their route table, or the main one. Source: VPC user guide, "Subnet route tables"."""
    of_vpc: Json = [{"Name": "vpc-id", "Values": [vpc_id]}]
    tables = aws.records("ec2:DescribeRouteTables", "RouteTables", Filters=of_vpc)
    own = {text(each, "SubnetId") for table in tables for each in records(table, "Associations")} - {""}
    public: set[str] = set()
    for table in tables:
        if not any(text(route, "GatewayId").startswith("igw-") for route in records(table, "Routes")):
            continue
        for association in records(table, "Associations"):
            is_main = flag(association, "Main")
            public |= set(ids) - own if is_main else {text(association, "SubnetId")}
    return public
