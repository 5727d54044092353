"""Amazon EC2's networking: security groups and their rules, and look-ups of subnets and groups."""

import re
from collections.abc import Mapping
from functools import partial

from common.json_values import Json, flag, json_list, merged, number, record, records, text, texts
from emulator.aws.cloud import Cloud
from emulator.aws.errors import AwsError, UnmappedInputError
from emulator.aws.handler import (
    MANAGED_BY,
    FunctionHandler,
    ResourceHandler,
    api_parameters,
    api_tags,
    completing,
    handler_file,
    read_inputs,
    tag_outputs,
    unless_gone,
)
from emulator.aws.retry import has_code, retrying
from emulator.aws.tags import tag_changes, tags_in
from emulator.lifecycle import Difference, State, table

# EC2 API reference, CreateSecurityGroup and IpRange: the allowed characters of a description in a VPC.
_DESCRIPTION = re.compile(r"[A-Za-z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")

_NO_GROUP, _NO_RULE = "InvalidGroup.NotFound", "InvalidSecurityGroupRuleId.NotFound"

# The errors for a rule that doesn't exist.
_NO_PERMISSION = ("InvalidPermission.NotFound", "InvalidParameterValue")

# AWS adds these to every new group; the provider removes both, so that the program decides what may go out.
_ALLOW_ALL: tuple[dict[str, Json], ...] = (
    {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
    {"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
)


class SecurityGroup(ResourceHandler):
    """A security group without rules; rules are separate resources."""

    type = "aws:ec2/securityGroup:SecurityGroup"
    table = table(
        "internal/service/ec2/vpc_security_group.go",
        updates=("egress", "ingress", "tags"),
        replaces=("description", "name", "vpcId"),
        steers=("revokeRulesOnDelete",),
        defaults={"description": MANAGED_BY},
        computed=("egress", "ingress", "name", "vpcId"),
    )

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """CreateSecurityGroup, then RevokeSecurityGroupEgress for the rules that AWS adds by itself."""
        given = self._given(cloud, inputs)
        description = text(given, "description", MANAGED_BY)
        _check_description(cloud, "CreateSecurityGroup", description)
        _check_group_name(cloud, text(given, "name"))
        names = {"name": "GroupName", "vpcId": "VpcId"}
        parameters = (
            api_parameters(given, names) | {"Description": description} | _tagged(given, "security-group")
        )
        group_id = text(cloud.call("ec2", "CreateSecurityGroup", parameters), "GroupId")
        own: dict[str, Json] = {
            "description": description,
            "ownerId": cloud.account_id,
            "region": cloud.region,
        }
        with completing(State(group_id, merged(given, tag_outputs(given), own))):
            for permission in _ALLOW_ALL:
                rules: dict[str, Json] = {"GroupId": group_id, "IpPermissions": [permission]}
                # A VPC without IPv6 has no second rule to revoke.
                unless_gone(partial(cloud.call, "ec2", "RevokeSecurityGroupEgress", rules), *_NO_PERMISSION)
            # A new group may not be visible at first.
            describe = partial(describe_security_group, cloud, group_id)
            return self._state(cloud, given, retrying(cloud, describe, while_=has_code(_NO_GROUP)))

    def read(self, cloud: Cloud, state: State) -> State | None:
        """DescribeSecurityGroups, with all rules, whoever created them."""
        found = unless_gone(lambda: describe_security_group(cloud, state.id), _NO_GROUP)
        return self._state(cloud, state.outputs, found) if found else None

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """CreateTags and DeleteTags."""
        given = self._given(cloud, inputs)
        _update_tags(cloud, state, given)
        return self._state(cloud, given, describe_security_group(cloud, state.id))

    def delete(self, cloud: Cloud, state: State) -> None:
        """DeleteSecurityGroup, repeated while something uses the group; first its rules, if configured."""
        if flag(state.outputs, "revokeRulesOnDelete"):
            _revoke_rules(cloud, state.id)
        in_use = has_code("DependencyViolation", "InvalidGroup.InUse")
        delete = partial(_delete_group, cloud, state.id)
        unless_gone(lambda: retrying(cloud, delete, while_=in_use), _NO_GROUP)

    def _given(self, cloud: Cloud, inputs: Mapping[str, Json]) -> dict[str, Json]:
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        for key in ("ingress", "egress"):
            if given.get(key):
                raise UnmappedInputError(
                    f"{self.type}: inline {key} rules are not mapped: use aws.vpc.SecurityGroup…Rule, "
                    f"or add them in {handler_file(self.type)}"
                )
        return given

    def _state(self, cloud: Cloud, kept: Mapping[str, Json], found: Mapping[str, Json]) -> State:
        group_id = text(found, "GroupId")
        return State(
            group_id,
            {
                "arn": cloud.arn("ec2", f"security-group/{group_id}"),
                "description": text(found, "Description"),
                "egress": _inline_rules(group_id, records(found, "IpPermissionsEgress")),
                "ingress": _inline_rules(group_id, records(found, "IpPermissions")),
                "name": text(found, "GroupName"),
                "namePrefix": "",
                "ownerId": cloud.account_id,
                "region": cloud.region,
                "revokeRulesOnDelete": flag(kept, "revokeRulesOnDelete"),
                **tags_in(found, "Tags"),
                "vpcId": text(found, "VpcId"),
            },
        )


def _inline_rules(group_id: str, permissions: list[dict[str, Json]]) -> list[Json]:
    """Rules as a group's `ingress` and `egress` show them: one per protocol, ports and description."""
    rules: dict[tuple[str, int, int, str], dict[str, list[str]]] = {}
    sources = (
        ("IpRanges", "CidrIp", "cidrBlocks"),
        ("Ipv6Ranges", "CidrIpv6", "ipv6CidrBlocks"),
        ("PrefixListIds", "PrefixListId", "prefixListIds"),
        ("UserIdGroupPairs", "GroupId", "securityGroups"),
    )
    for permission in permissions:
        # The provider shows missing ports as 0.
        ports = (max(number(permission, "FromPort"), 0), max(number(permission, "ToPort"), 0))
        for part, name, key in sources:
            for source in records(permission, part):
                rule = (text(permission, "IpProtocol"), *ports, text(source, "Description"))
                rules.setdefault(rule, {}).setdefault(key, []).append(text(source, name))
    return [
        {
            "description": description,
            "fromPort": first,
            "toPort": last,
            "protocol": protocol,
            "cidrBlocks": json_list(parts.get("cidrBlocks", [])),
            "ipv6CidrBlocks": json_list(parts.get("ipv6CidrBlocks", [])),
            "prefixListIds": json_list(parts.get("prefixListIds", [])),
            "securityGroups": json_list(g for g in parts.get("securityGroups", []) if g != group_id),
            "self": group_id in parts.get("securityGroups", []),
        }
        for (protocol, first, last, description), parts in sorted(rules.items())
    ]


def _delete_group(cloud: Cloud, group_id: str) -> None:
    """DeleteSecurityGroup, refused, as by AWS but not moto, if a member or another group's rule uses it."""
    query: dict[str, Json] = {"Filters": [{"Name": "ip-permission.group-id", "Values": [group_id]}]}
    referring = {
        text(group, "GroupId")
        for group in records(cloud.call("ec2", "DescribeSecurityGroups", query), "SecurityGroups")
    }
    instances = records(cloud.call("rds", "DescribeDBInstances", {}), "DBInstances")
    members = {
        text(member, "VpcSecurityGroupId")
        for instance in instances
        for member in records(instance, "VpcSecurityGroups")
    }
    if group_id in members or referring - {group_id}:
        message = f"resource {group_id} has a dependent object"
        raise cloud.refuse("ec2", "DeleteSecurityGroup", "DependencyViolation", message)
    cloud.call("ec2", "DeleteSecurityGroup", {"GroupId": group_id})


def _revoke_rules(cloud: Cloud, group_id: str) -> None:
    """Revoke a group's own rules, and other groups' rules that refer to it, which would keep it alive."""
    rules = records(cloud.call("ec2", "DescribeSecurityGroupRules", {}), "SecurityGroupRules")
    for rule in rules:
        owner, source = text(rule, "GroupId"), text(record(rule, "ReferencedGroupInfo"), "GroupId")
        if group_id not in (owner, source):
            continue
        way = "Egress" if flag(rule, "IsEgress") else "Ingress"
        ids: dict[str, Json] = {"GroupId": owner, "SecurityGroupRuleIds": [text(rule, "SecurityGroupRuleId")]}
        cloud.call("ec2", f"RevokeSecurityGroup{way}", ids)


_SOURCES: Mapping[str, str] = {
    "cidrIpv4": "CidrIpv4",
    "cidrIpv6": "CidrIpv6",
    "prefixListId": "PrefixListId",
    "referencedSecurityGroupId": "ReferencedGroupId",
}
_PROTOCOL_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": "-1"}


class SecurityGroupIngressRule(ResourceHandler):
    """Who may connect to the members of a security group, on which port."""

    type = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    table = table(
        "internal/service/ec2/vpc_security_group_ingress_rule.go",
        updates=("description", "fromPort", "ipProtocol", "tags", "toPort", *_SOURCES),
        replaces=("securityGroupId",),
    )

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """AuthorizeSecurityGroupIngress with exactly one permission."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        self._check(cloud, "AuthorizeSecurityGroupIngress", given)
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
        # The provider doesn't read a new rule back, so visibility doesn't matter to it.
        existing = partial(self._existing, cloud, State(rule_id, given))
        with completing(State(rule_id, merged(given, tag_outputs(given), {"securityGroupRuleId": rule_id}))):
            return retrying(cloud, existing, while_=has_code(_NO_RULE))

    def read(self, cloud: Cloud, state: State) -> State | None:
        """DescribeSecurityGroupRules."""
        query: dict[str, Json] = {"SecurityGroupRuleIds": [state.id]}
        answer = unless_gone(lambda: cloud.call("ec2", "DescribeSecurityGroupRules", query), _NO_RULE)
        if answer is None:
            return None
        found = records(answer, "SecurityGroupRules")[0]
        outputs: dict[str, Json] = {
            "arn": cloud.arn("ec2", f"security-group-rule/{state.id}"),
            "ipProtocol": text(found, "IpProtocol"),
            "region": cloud.region,
            "securityGroupId": text(found, "GroupId"),
            "securityGroupRuleId": state.id,
            **tags_in(found, "Tags"),
        }
        for key, name in {"fromPort": "FromPort", "toPort": "ToPort"}.items():
            port = number(found, name, -1)
            if port != -1 or key in state.outputs:  # -1 means no port
                outputs[key] = port
        sources = merged(found, {"ReferencedGroupId": text(record(found, "ReferencedGroupInfo"), "GroupId")})
        for key, name in {"description": "Description", **_SOURCES}.items():
            if text(sources, name):
                outputs[key] = text(sources, name)
        return State(state.id, outputs)

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """ModifySecurityGroupRules with the whole rule, then CreateTags and DeleteTags."""
        operation = "ModifySecurityGroupRules"
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        self._check(cloud, operation, given)
        if set(self.difference(state, given).updates) - {"tags"}:
            names = {
                "description": "Description",
                "fromPort": "FromPort",
                "ipProtocol": "IpProtocol",
                "toPort": "ToPort",
                **_SOURCES,
            }
            rule: Json = {"SecurityGroupRuleId": state.id, "SecurityGroupRule": api_parameters(given, names)}
            changes: dict[str, Json] = {"GroupId": given.get("securityGroupId"), "SecurityGroupRules": [rule]}
            cloud.call("ec2", operation, changes)
        _update_tags(cloud, state, given)
        return self._existing(cloud, State(state.id, given))

    def delete(self, cloud: Cloud, state: State) -> None:
        """RevokeSecurityGroupIngress."""
        rule: dict[str, Json] = {
            "GroupId": state.outputs.get("securityGroupId"),
            "SecurityGroupRuleIds": [state.id],
        }
        # moto calls an unknown rule an unknown permission.
        gone = (_NO_GROUP, _NO_RULE, "InvalidPermission.NotFound")
        unless_gone(lambda: cloud.call("ec2", "RevokeSecurityGroupIngress", rule), *gone)

    def is_same(self, key: str, found: Json, wanted: Json) -> bool:
        """A protocol may be given by number, but is read back by name."""
        protocol = str(wanted).lower()
        return key == "ipProtocol" and _PROTOCOL_NUMBERS.get(protocol, protocol) == found

    def difference(self, state: State, inputs: Mapping[str, Json]) -> Difference:
        """A different kind of source replaces the rule (ModifyPlan in the source file)."""
        changed = super().difference(state, inputs)
        kinds = [{key for key in _SOURCES if values.get(key)} for values in (state.outputs, inputs)]
        if kinds[0] == kinds[1]:
            return changed
        return Difference(
            updates=tuple(key for key in changed.updates if key not in _SOURCES),
            replaces=(*changed.replaces, *(key for key in changed.updates if key in _SOURCES)),
        )

    def _existing(self, cloud: Cloud, state: State) -> State:
        found = self.read(cloud, state)
        if found is None:
            message = f"The security group rule ID '{state.id}' does not exist"
            raise cloud.refuse("ec2", "DescribeSecurityGroupRules", _NO_RULE, message)
        return found

    def _check(self, cloud: Cloud, operation: str, given: Mapping[str, Json]) -> None:
        """What AWS or the provider refuses and moto doesn't."""
        sources = [key for key in _SOURCES if key in given]
        if len(sources) != 1:
            raise cloud.refuse(
                "ec2",
                operation,
                "InvalidParameterCombination",
                f"exactly one of {', '.join(_SOURCES)} is needed, not {', '.join(sources) or 'none'}",
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
            # Another VPC's group can be referenced only over a peering connection, which the world lacks.
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
        """DescribeSubnets; finding none isn't an error."""
        given = read_inputs(self.token, cloud, args, ("filters", "tags"))
        found = records(cloud.call("ec2", "DescribeSubnets", filters_of(given)), "Subnets")
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
        parameters = filters_of(given, extra)
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
            "arn": cloud.arn("ec2", f"subnet/{subnet_id}"),  # moto's is always in partition aws
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
            "outpostArn": text(subnet, "OutpostArn"),
            "ownerId": text(subnet, "OwnerId"),
            "privateDnsHostnameTypeOnLaunch": text(dns, "HostnameType"),
            "region": cloud.region,
            "state": text(subnet, "State"),
            "tags": _tag_map(subnet),
            "vpcId": text(subnet, "VpcId"),
        }


class GetRouteTables:
    """The ids of the route tables that match."""

    token = "aws:ec2/getRouteTables:getRouteTables"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """DescribeRouteTables; finding none isn't an error."""
        given = read_inputs(self.token, cloud, args, ("filters", "tags", "vpcId"))
        query = filters_of(given, api_parameters(given, {"vpcId": "vpc-id"}))
        found = records(cloud.call("ec2", "DescribeRouteTables", query), "RouteTables")
        return {
            "id": cloud.region,
            "ids": json_list(text(table, "RouteTableId") for table in found),
            "filters": given.get("filters"),
            "tags": record(given, "tags"),
            "vpcId": given.get("vpcId"),
            "region": cloud.region,
        }


class GetRouteTable:
    """The routes of one route table, and the subnets that it is associated with."""

    token = "aws:ec2/getRouteTable:getRouteTable"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """DescribeRouteTables; exactly one must match."""
        names = {
            "gatewayId": "association.gateway-id",
            "routeTableId": "route-table-id",
            "subnetId": "association.subnet-id",
            "vpcId": "vpc-id",
        }
        given = read_inputs(self.token, cloud, args, (*names, "filters", "tags"))
        query = filters_of(given, api_parameters(given, names))
        found = records(cloud.call("ec2", "DescribeRouteTables", query), "RouteTables")
        if len(found) != 1:
            problem = "multiple Route Tables matched" if found else "no matching Route Table found"
            raise cloud.refuse("ec2", "DescribeRouteTables", "InvalidRouteTableID.NotFound", problem)
        (table,) = found
        table_id = text(table, "RouteTableId")
        return {
            "id": table_id,
            "arn": cloud.arn("ec2", f"route-table/{table_id}"),
            "associations": [
                {
                    "gatewayId": text(each, "GatewayId"),
                    "main": flag(each, "Main"),
                    "routeTableAssociationId": text(each, "RouteTableAssociationId"),
                    "routeTableId": table_id,
                    "subnetId": text(each, "SubnetId"),
                }
                for each in records(table, "Associations")
            ],
            "filters": given.get("filters"),
            "gatewayId": text(given, "gatewayId"),
            "ownerId": text(table, "OwnerId"),
            "region": cloud.region,
            "routeTableId": table_id,
            "routes": [
                {key: text(route, name) for key, name in _ROUTE.items()}
                for route in records(table, "Routes")
                if text(route, "GatewayId") != "local"
            ],
            "subnetId": text(given, "subnetId"),
            "tags": _tag_map(table),
            "vpcId": text(table, "VpcId"),
        }


# A route's fields, as the provider and AWS name them.
_ROUTE: Mapping[str, str] = {
    "carrierGatewayId": "CarrierGatewayId",
    "cidrBlock": "DestinationCidrBlock",
    "coreNetworkArn": "CoreNetworkArn",
    "destinationPrefixListId": "DestinationPrefixListId",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "gatewayId": "GatewayId",
    "instanceId": "InstanceId",
    "ipv6CidrBlock": "DestinationIpv6CidrBlock",
    "localGatewayId": "LocalGatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "odbNetworkArn": "OdbNetworkArn",
    "transitGatewayId": "TransitGatewayId",
    "vpcEndpointId": "VpcEndpointId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}


class GetSecurityGroups:
    """The ids, ARNs and VPCs of the security groups that match."""

    token = "aws:ec2/getSecurityGroups:getSecurityGroups"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """DescribeSecurityGroups; finding none isn't an error."""
        given = read_inputs(self.token, cloud, args, ("filters", "tags"))
        found = records(cloud.call("ec2", "DescribeSecurityGroups", filters_of(given)), "SecurityGroups")
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
    """The group with this id; raises AwsError (InvalidGroup.NotFound) in the name of `operation`."""
    try:
        answer = cloud.call("ec2", "DescribeSecurityGroups", {"GroupIds": [group_id]})
    except AwsError as error:
        raise cloud.refuse("ec2", operation, error.code, error.message) from error
    return records(answer, "SecurityGroups")[0]


def _tagged(given: Mapping[str, Json], resource_type: str) -> dict[str, Json]:
    tags = api_tags(given)
    return {"TagSpecifications": [{"ResourceType": resource_type, "Tags": tags}]} if tags else {}


def _update_tags(cloud: Cloud, state: State, given: Mapping[str, Json]) -> None:
    changes = tag_changes(state.outputs, given)
    if changes.removed:
        keys: list[Json] = [{"Key": key} for key in changes.removed]
        cloud.call("ec2", "DeleteTags", {"Resources": [state.id], "Tags": keys})
    if changes.added:
        cloud.call("ec2", "CreateTags", {"Resources": [state.id], "Tags": changes.added_pairs})


def _tag_map(described: Mapping[str, Json]) -> dict[str, Json]:
    return {text(tag, "Key"): text(tag, "Value") for tag in records(described, "Tags")}


def filters_of(given: Mapping[str, Json], extra: Mapping[str, Json] | None = None) -> dict[str, Json]:
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
    """Names have the form of descriptions, and don't start like an id.

    Source: EC2 API reference, CreateSecurityGroup.
    """
    if name.startswith("sg-") or not _DESCRIPTION.fullmatch(name):
        message = f"Value ({name}) for parameter GroupName is invalid"
        raise cloud.refuse("ec2", "CreateSecurityGroup", "InvalidParameterValue", message)


RESOURCES: tuple[ResourceHandler, ...] = (SecurityGroup(), SecurityGroupIngressRule())
FUNCTIONS: tuple[FunctionHandler, ...] = (
    GetSubnets(),
    GetSubnet(),
    GetRouteTables(),
    GetRouteTable(),
    GetSecurityGroups(),
)
TAGGABLE = frozenset({SecurityGroup.type, SecurityGroupIngressRule.type})
