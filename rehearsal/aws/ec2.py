"""Amazon EC2's networking: security groups and their rules, and look-ups of subnets and groups."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from rehearsal.aws.cloud import Cloud
from rehearsal.aws.errors import AwsError, UnmappedInputError
from rehearsal.aws.handler import (
    MANAGED_BY,
    Created,
    FunctionHandler,
    ResourceHandler,
    api_parameters,
    api_tags,
    handler_file,
    read_inputs,
    tag_outputs,
)
from rehearsal.values import Json, flag, json_list, merged, number, record, records, text, texts

# EC2 API reference, CreateSecurityGroup and IpRange: what a description may hold in a VPC.
_DESCRIPTION = re.compile(r"[A-Za-z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")

# What AWS gives every new group; the provider takes both away again, so that a program says what may leave.
_ALLOW_ALL: tuple[dict[str, Json], ...] = (
    {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
    {"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
)


class SecurityGroup:
    """A security group without rules; rules are resources of their own."""

    type = "aws:ec2/securityGroup:SecurityGroup"
    secret_outputs: frozenset[str] = frozenset()

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> Created:
        """CreateSecurityGroup, then RevokeSecurityGroupEgress of the rules that AWS adds by itself."""
        known = ("name", "description", "vpcId", "tags", "revokeRulesOnDelete", "ingress", "egress")
        given = read_inputs(self.type, cloud, inputs, known)
        for key in ("ingress", "egress"):
            if given.get(key):
                raise UnmappedInputError(
                    f"{self.type}: inline {key} rules are not mapped: use aws.vpc.SecurityGroup…Rule, "
                    f"or add them in {handler_file(self.type)}"
                )
        description = text(given, "description", MANAGED_BY)
        _check_description(cloud, "CreateSecurityGroup", description)
        _check_group_name(cloud, text(given, "name"))
        names = {"name": "GroupName", "vpcId": "VpcId"}
        parameters = (
            api_parameters(given, names) | {"Description": description} | _tagged(given, "security-group")
        )
        group_id = text(cloud.call("ec2", "CreateSecurityGroup", parameters), "GroupId")
        for permission in _ALLOW_ALL:
            # A VPC without IPv6 has no second rule to revoke.
            with suppress(AwsError):
                rules: dict[str, Json] = {"GroupId": group_id, "IpPermissions": [permission]}
                cloud.call("ec2", "RevokeSecurityGroupEgress", rules)
        made = describe_security_group(cloud, group_id)
        return Created(
            group_id,
            merged(
                given,
                tag_outputs(given),
                {
                    "arn": cloud.arn("ec2", f"security-group/{group_id}"),
                    "description": description,
                    "name": text(made, "GroupName"),
                    "namePrefix": "",
                    "ownerId": cloud.account_id,
                    "vpcId": text(made, "VpcId"),
                    "ingress": [],
                    "egress": [],
                    "revokeRulesOnDelete": flag(given, "revokeRulesOnDelete"),
                    "region": cloud.region,
                },
            ),
        )


class SecurityGroupIngressRule:
    """Who may connect to the members of a security group, on which port."""

    type = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    secret_outputs: frozenset[str] = frozenset()

    _sources = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> Created:
        """AuthorizeSecurityGroupIngress with exactly one permission."""
        known = ("securityGroupId", "ipProtocol", "fromPort", "toPort", "description", "tags", *self._sources)
        given = read_inputs(self.type, cloud, inputs, known)
        self._check(cloud, given)
        note = api_parameters(given, {"description": "Description"})
        permission = api_parameters(
            given, {"ipProtocol": "IpProtocol", "fromPort": "FromPort", "toPort": "ToPort"}
        )
        if "cidrIpv4" in given:
            permission["IpRanges"] = [{"CidrIp": given["cidrIpv4"]} | note]
        if "cidrIpv6" in given:
            permission["Ipv6Ranges"] = [{"CidrIpv6": given["cidrIpv6"]} | note]
        if "prefixListId" in given:
            permission["PrefixListIds"] = [{"PrefixListId": given["prefixListId"]} | note]
        if "referencedSecurityGroupId" in given:
            permission["UserIdGroupPairs"] = [{"GroupId": given["referencedSecurityGroupId"]} | note]
        parameters: dict[str, Json] = {"GroupId": given.get("securityGroupId"), "IpPermissions": [permission]}
        answer = cloud.call(
            "ec2", "AuthorizeSecurityGroupIngress", parameters | _tagged(given, "security-group-rule")
        )
        rule_id = text(records(answer, "SecurityGroupRules")[0], "SecurityGroupRuleId")
        return Created(
            rule_id,
            merged(
                given,
                tag_outputs(given),
                {
                    "arn": cloud.arn("ec2", f"security-group-rule/{rule_id}"),
                    "securityGroupRuleId": rule_id,
                    "region": cloud.region,
                },
            ),
        )

    def _check(self, cloud: Cloud, given: Mapping[str, Json]) -> None:
        """What AWS or the provider refuses and moto doesn't."""
        operation = "AuthorizeSecurityGroupIngress"
        sources = [key for key in self._sources if key in given]
        if len(sources) != 1:
            raise cloud.refuse(
                "ec2",
                operation,
                "InvalidParameterCombination",
                f"exactly one of {', '.join(self._sources)} is needed, not {', '.join(sources) or 'none'}",
            )
        _check_description(cloud, operation, text(given, "description"))
        first, last = number(given, "fromPort", -1), number(given, "toPort", -1)
        if text(given, "ipProtocol") in ("tcp", "udp") and not 0 <= first <= last <= 65535:
            raise cloud.refuse(
                "ec2", operation, "InvalidParameterValue", f"Invalid TCP/UDP port range ({first}-{last})"
            )
        referenced = text(given, "referencedSecurityGroupId")
        if referenced:
            source = describe_security_group(cloud, referenced, operation)
            own = describe_security_group(cloud, text(given, "securityGroupId"), operation)
            # A group of another VPC can be named only over a peering connection, which the world hasn't got.
            if source["VpcId"] != own["VpcId"]:
                raise cloud.refuse(
                    "ec2",
                    operation,
                    "InvalidGroup.NotFound",
                    f"You have specified two resources that belong to different networks: {referenced} is in "
                    f"{source['VpcId']}, {own['GroupId']} in {own['VpcId']}",
                )


class GetSubnets:
    """The ids of the subnets that match."""

    token = "aws:ec2/getSubnets:getSubnets"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """DescribeSubnets; finding none is no error."""
        given = read_inputs(self.token, cloud, args, ("filters", "tags"))
        found = records(cloud.call("ec2", "DescribeSubnets", _filters(given)), "Subnets")
        return {
            "id": cloud.region,
            "ids": json_list(sorted(text(subnet, "SubnetId") for subnet in found)),
            "filters": given.get("filters"),
            "tags": record(given, "tags"),
            "region": cloud.region,
        }


class GetSubnet:
    """The facts of one subnet."""

    token = "aws:ec2/getSubnet:getSubnet"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """DescribeSubnets; exactly one must match."""
        known = ("id", "vpcId", "availabilityZone", "cidrBlock", "defaultForAz", "state", "filters", "tags")
        given = read_inputs(self.token, cloud, args, known)
        simple = {
            "vpcId": "vpc-id",
            "availabilityZone": "availability-zone",
            "cidrBlock": "cidr-block",
            "defaultForAz": "default-for-az",
            "state": "state",
        }
        extra: dict[str, Json] = {
            name: str(given[key]).lower() if isinstance(given[key], bool) else given[key]
            for key, name in simple.items()
            if key in given
        }
        parameters = _filters(given, extra)
        if "id" in given:
            parameters["SubnetIds"] = [given["id"]]
        found = records(cloud.call("ec2", "DescribeSubnets", parameters), "Subnets")
        if len(found) != 1:
            problem = "multiple EC2 Subnets matched" if found else "no matching EC2 Subnet found"
            raise cloud.refuse("ec2", "DescribeSubnets", "InvalidSubnetID.NotFound", problem)
        return self._outputs(cloud, found[0]) | {"filters": given.get("filters")}

    def _outputs(self, cloud: Cloud, subnet: Mapping[str, Json]) -> dict[str, Json]:
        subnet_id = text(subnet, "SubnetId")
        associations = records(subnet, "Ipv6CidrBlockAssociationSet")
        ipv6 = associations[0] if associations else dict[str, Json]()
        dns = record(subnet, "PrivateDnsNameOptionsOnLaunch")
        return {
            "id": subnet_id,
            "arn": cloud.arn("ec2", f"subnet/{subnet_id}"),  # moto's is always of partition aws
            "assignIpv6AddressOnCreation": flag(subnet, "AssignIpv6AddressOnCreation"),
            "availabilityZone": text(subnet, "AvailabilityZone"),
            "availabilityZoneId": text(subnet, "AvailabilityZoneId"),
            "availableIpAddressCount": number(subnet, "AvailableIpAddressCount"),
            "cidrBlock": text(subnet, "CidrBlock"),
            "customerOwnedIpv4Pool": "",
            "defaultForAz": flag(subnet, "DefaultForAz"),
            "enableDns64": flag(subnet, "EnableDns64"),
            "enableLniAtDeviceIndex": 0,
            "enableResourceNameDnsARecordOnLaunch": flag(dns, "EnableResourceNameDnsARecord"),
            "enableResourceNameDnsAaaaRecordOnLaunch": flag(dns, "EnableResourceNameDnsAAAARecord"),
            "ipv6CidrBlock": text(ipv6, "Ipv6CidrBlock"),
            "ipv6CidrBlockAssociationId": text(ipv6, "AssociationId"),
            "ipv6Native": flag(subnet, "Ipv6Native"),
            "mapCustomerOwnedIpOnLaunch": False,
            "mapPublicIpOnLaunch": flag(subnet, "MapPublicIpOnLaunch"),
            "outpostArn": "",
            "ownerId": text(subnet, "OwnerId"),
            "privateDnsHostnameTypeOnLaunch": text(dns, "HostnameType"),
            "region": cloud.region,
            "state": text(subnet, "State"),
            "tags": _tag_map(subnet),
            "vpcId": text(subnet, "VpcId"),
        }


class GetSecurityGroups:
    """The ids, ARNs and VPCs of the security groups that match."""

    token = "aws:ec2/getSecurityGroups:getSecurityGroups"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """DescribeSecurityGroups; finding none is no error."""
        given = read_inputs(self.token, cloud, args, ("filters", "tags"))
        found = records(cloud.call("ec2", "DescribeSecurityGroups", _filters(given)), "SecurityGroups")
        ids = [text(group, "GroupId") for group in found]
        return {
            "id": cloud.region,
            "ids": json_list(ids),
            "arns": [cloud.arn("ec2", f"security-group/{group}") for group in ids],
            "vpcIds": [text(group, "VpcId") for group in found],
            "filters": given.get("filters"),
            "tags": record(given, "tags"),
            "region": cloud.region,
        }


def describe_security_group(
    cloud: Cloud, group_id: str, operation: str = "DescribeSecurityGroups"
) -> dict[str, Json]:
    """The one group of that id; raises AwsError (InvalidGroup.NotFound) under the name of `operation`."""
    try:
        answer = cloud.call("ec2", "DescribeSecurityGroups", {"GroupIds": [group_id]})
    except AwsError as error:
        raise cloud.refuse("ec2", operation, error.code, error.message) from error
    return records(answer, "SecurityGroups")[0]


def _tagged(given: Mapping[str, Json], resource_type: str) -> dict[str, Json]:
    tags = api_tags(given)
    return {"TagSpecifications": [{"ResourceType": resource_type, "Tags": tags}]} if tags else {}


def _tag_map(described: Mapping[str, Json]) -> dict[str, Json]:
    return {text(tag, "Key"): text(tag, "Value") for tag in records(described, "Tags")}


def _filters(given: Mapping[str, Json], extra: Mapping[str, Json] | None = None) -> dict[str, Json]:
    """The provider's `filters` and `tags` arguments as EC2's Filters."""
    wanted: list[tuple[str, list[Json]]] = [
        *((name, [value]) for name, value in (extra or {}).items()),
        *((text(item, "name"), json_list(texts(item, "values"))) for item in records(given, "filters")),
        *((f"tag:{key}", [value]) for key, value in record(given, "tags").items()),
    ]
    filters: list[Json] = [{"Name": name, "Values": values} for name, values in wanted]
    return {"Filters": filters} if filters else {}


def _check_description(cloud: Cloud, operation: str, description: str) -> None:
    if not _DESCRIPTION.fullmatch(description):
        message = (
            f"Invalid security group description: {description!r}. Valid descriptions are strings less than "
            "256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
        )
        raise cloud.refuse("ec2", operation, "InvalidParameterValue", message)


def _check_group_name(cloud: Cloud, name: str) -> None:
    """Names look like descriptions and don't start like an id.

    Source: EC2 API reference, CreateSecurityGroup.
    """
    if name.startswith("sg-") or not _DESCRIPTION.fullmatch(name):
        message = f"Value ({name}) for parameter GroupName is invalid"
        raise cloud.refuse("ec2", "CreateSecurityGroup", "InvalidParameterValue", message)


RESOURCES: tuple[ResourceHandler, ...] = (SecurityGroup(), SecurityGroupIngressRule())
FUNCTIONS: tuple[FunctionHandler, ...] = (GetSubnets(), GetSubnet(), GetSecurityGroups())
TAGGABLE = frozenset({SecurityGroup.type, SecurityGroupIngressRule.type})
