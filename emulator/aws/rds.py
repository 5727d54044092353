"""Amazon RDS: subnet groups, parameter groups and, in files of their own, instances and their replication."""

import re
from collections.abc import Mapping, Sequence

from common.json_values import Json, flag, json_list, merged, record, records, text, texts
from emulator.aws import rds_catalogue as catalogue
from emulator.aws.cloud import Cloud
from emulator.aws.errors import UnmappedInputError
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
from emulator.aws.rds_common import in_order_of, read_tags, update_tags
from emulator.aws.rds_instance import Instance
from emulator.aws.rds_replication import BackupReplication
from emulator.aws.rds_rules import (
    attempt,
    check_identifier,
    describe_subnets,
    network_types,
)
from emulator.aws.retry import has_code, retrying
from emulator.lifecycle import State, table
from maestro_stack.parameters import belongs, is_static

_PARAMETERS_A_CALL = 20  # RDS API reference, ModifyDBParameterGroup


class SubnetGroup(ResourceHandler):
    """The subnets in which an instance may be placed."""

    type = "aws:rds/subnetGroup:SubnetGroup"
    table = table(
        "internal/service/rds/subnet_group.go",
        updates=("description", "subnetIds", "tags"),
        replaces=("name",),
        defaults={"description": MANAGED_BY},
        computed=("name",),
    )

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """CreateDBSubnetGroup."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        self._check_name(cloud, text(given, "name"))
        self._check_subnets(cloud, "CreateDBSubnetGroup", texts(given, "subnetIds"))
        names = {"name": "DBSubnetGroupName", "subnetIds": "SubnetIds"}
        parameters = api_parameters(given, names)
        parameters["DBSubnetGroupDescription"] = text(given, "description", MANAGED_BY)
        if "tags" in given:
            parameters["Tags"] = api_tags(given)
        made = record(cloud.call("rds", "CreateDBSubnetGroup", parameters), "DBSubnetGroup")
        with completing(State(text(made, "DBSubnetGroupName"), merged(given, tag_outputs(given)))):
            return self._state(cloud, given, made)

    def read(self, cloud: Cloud, state: State) -> State | None:
        """DescribeDBSubnetGroups and ListTagsForResource."""
        found = self._find(cloud, state.id)
        return self._state(cloud, state.outputs, found) if found else None

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """ModifyDBSubnetGroup with all subnets, AddTagsToResource and RemoveTagsFromResource."""
        operation = "ModifyDBSubnetGroup"
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        if set(self.difference(state, given).updates) - {"tags"}:
            self._check_subnets(cloud, operation, texts(given, "subnetIds"))
            cloud.call(
                "rds",
                operation,
                {
                    "DBSubnetGroupName": state.id,
                    "DBSubnetGroupDescription": text(given, "description", MANAGED_BY),
                    "SubnetIds": given.get("subnetIds"),
                },
            )
        update_tags(cloud, state, given)
        query: dict[str, Json] = {"DBSubnetGroupName": state.id}
        found = records(cloud.call("rds", "DescribeDBSubnetGroups", query), "DBSubnetGroups")[0]
        return self._state(cloud, given, found)

    def delete(self, cloud: Cloud, state: State) -> None:
        """DeleteDBSubnetGroup, which RDS refuses while an instance is in the group."""
        users = _users(cloud, "DBSubnetGroup", state.id)
        if users:
            message = (
                f"Cannot delete the subnet group '{state.id}' because at least one database instance: "
                f"{', '.join(users)} is still using it."
            )
            raise cloud.refuse("rds", "DeleteDBSubnetGroup", "InvalidDBSubnetGroupStateFault", message)
        query: dict[str, Json] = {"DBSubnetGroupName": state.id}
        unless_gone(lambda: cloud.call("rds", "DeleteDBSubnetGroup", query), "DBSubnetGroupNotFoundFault")

    def is_same(self, key: str, found: Json, wanted: Json) -> bool:
        """Subnets are a set."""
        return key == "subnetIds" and sorted(texts({key: found}, key)) == sorted(texts({key: wanted}, key))

    def _find(self, cloud: Cloud, name: str) -> dict[str, Json] | None:
        query: dict[str, Json] = {"DBSubnetGroupName": name}
        answer = unless_gone(
            lambda: cloud.call("rds", "DescribeDBSubnetGroups", query), "DBSubnetGroupNotFoundFault"
        )
        return next(iter(records(answer or {}, "DBSubnetGroups")), None)

    def _state(self, cloud: Cloud, kept: Mapping[str, Json], found: Mapping[str, Json]) -> State:
        name = text(found, "DBSubnetGroupName")
        arn = cloud.arn("rds", f"subgrp:{name}")
        subnets = [text(subnet, "SubnetIdentifier") for subnet in records(found, "Subnets")]
        described = describe_subnets(cloud, "DescribeDBSubnetGroups", subnets)
        outputs: dict[str, Json] = {
            "arn": arn,
            "description": text(found, "DBSubnetGroupDescription"),
            "name": name,
            "namePrefix": "",
            "region": cloud.region,
            "subnetIds": json_list(in_order_of(texts(kept, "subnetIds"), subnets)),
            "supportedNetworkTypes": json_list(network_types(described)),
            "vpcId": text(found, "VpcId"),
        }
        return State(name, outputs | read_tags(cloud, arn))

    def _check_name(self, cloud: Cloud, name: str) -> None:
        """What RDS refuses and moto doesn't. Source: RDS API reference, CreateDBSubnetGroup."""
        operation = "CreateDBSubnetGroup"
        if name != name.lower() or not re.fullmatch(r"[a-z0-9 ._-]{1,255}", name or "-") or name == "default":
            message = (
                f"The parameter DBSubnetGroupName is not a valid identifier: {name!r}. Only lowercase "
                "letters, digits, periods, underscores, spaces and hyphens are allowed, and not the name "
                "default."
            )
            raise cloud.refuse("rds", operation, "InvalidParameterValue", message)
        if attempt(cloud, "DescribeDBSubnetGroups", {"DBSubnetGroupName": name}):
            message = f"The DB subnet group '{name}' already exists."
            raise cloud.refuse("rds", operation, "DBSubnetGroupAlreadyExists", message)

    def _check_subnets(self, cloud: Cloud, operation: str, subnet_ids: list[str]) -> None:
        subnets = describe_subnets(cloud, operation, subnet_ids)
        if len({text(subnet, "VpcId") for subnet in subnets}) > 1:
            message = "The DB subnet group's subnets are in different VPCs."
            raise cloud.refuse("rds", operation, "InvalidSubnet", message)
        zones = sorted({text(subnet, "AvailabilityZone") for subnet in subnets})
        if subnets and len(zones) < 2:
            raise cloud.refuse(
                "rds",
                operation,
                "DBSubnetGroupDoesNotCoverEnoughAZs",
                "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. "
                f"Current AZ coverage: {', '.join(zones)}. Add subnets to cover at least 2 AZs.",
            )


class ParameterGroup(ResourceHandler):
    """Settings of the database engine."""

    type = "aws:rds/parameterGroup:ParameterGroup"
    table = table(
        "internal/service/rds/parameter_group.go",
        updates=("parameters", "tags"),
        replaces=("description", "family", "name"),
        steers=("skipDestroy",),
        defaults={"description": MANAGED_BY},
        computed=("name",),
    )

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """CreateDBParameterGroup, then ModifyDBParameterGroup for every twenty parameters."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        self._check(cloud, text(given, "name"), text(given, "family"))
        parameters = api_parameters(
            given, {"name": "DBParameterGroupName", "family": "DBParameterGroupFamily"}
        )
        parameters["Description"] = text(given, "description", MANAGED_BY)
        if "tags" in given:
            parameters["Tags"] = api_tags(given)
        settings = self._settings(cloud, given)
        made = record(cloud.call("rds", "CreateDBParameterGroup", parameters), "DBParameterGroup")
        name = text(made, "DBParameterGroupName")
        # Without the settings, so that an update applies them.
        as_made: dict[str, Json] = merged(given, tag_outputs(given), {"parameters": []})
        with completing(State(name, as_made)):
            self._call(cloud, "ModifyDBParameterGroup", name, settings)
            return self._state(cloud, name, given, made)

    def read(self, cloud: Cloud, state: State) -> State | None:
        """DescribeDBParameterGroups, DescribeDBParameters and ListTagsForResource."""
        found = self._find(cloud, state.id)
        return self._state(cloud, state.id, state.outputs, found) if found else None

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """ModifyDBParameterGroup for new and changed parameters, ResetDBParameterGroup for the others."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        old, new = self._settings(cloud, state.outputs), self._settings(cloud, given)
        names = {_meaning(setting)[0] for setting in new}
        removed = [setting for setting in old if _meaning(setting)[0] not in names]
        there = {_meaning(setting) for setting in old}
        changed = [setting for setting in new if _meaning(setting) not in there]
        self._call(cloud, "ModifyDBParameterGroup", state.id, changed)
        self._call(cloud, "ResetDBParameterGroup", state.id, removed)
        update_tags(cloud, state, given)
        found = self._find(cloud, state.id)
        if found is None:
            message = f"DBParameterGroup not found: {state.id}"
            raise cloud.refuse("rds", "DescribeDBParameterGroups", "DBParameterGroupNotFound", message)
        return self._state(cloud, state.id, given, found)

    def delete(self, cloud: Cloud, state: State) -> None:
        """DeleteDBParameterGroup, repeated while an instance uses it; nothing with skipDestroy."""
        if not flag(state.outputs, "skipDestroy"):
            in_use = has_code("InvalidDBParameterGroupState")
            retrying(cloud, lambda: self._delete(cloud, state.id), while_=in_use)

    def is_same(self, key: str, found: Json, wanted: Json) -> bool:
        """Parameters are a set; their names are stored in lower case, and how they were set doesn't matter.

        Source: pulumi-aws, provider/pkg/rds/parameter_group.go.
        """
        return key == "parameters" and _as_set(found) == _as_set(wanted)

    def _delete(self, cloud: Cloud, name: str) -> None:
        users = _users(cloud, "DBParameterGroups", name)
        if users:
            message = "One or more database instances are still members of this parameter group "
            message += f"{name}, so the group cannot be deleted"
            raise cloud.refuse("rds", "DeleteDBParameterGroup", "InvalidDBParameterGroupState", message)
        query: dict[str, Json] = {"DBParameterGroupName": name}
        unless_gone(lambda: cloud.call("rds", "DeleteDBParameterGroup", query), *_GONE)

    def _call(self, cloud: Cloud, operation: str, name: str, settings: Sequence[dict[str, Json]]) -> None:
        for start in range(0, len(settings), _PARAMETERS_A_CALL):
            some: list[Json] = [*settings[start : start + _PARAMETERS_A_CALL]]
            cloud.call("rds", operation, {"DBParameterGroupName": name, "Parameters": some})

    def _find(self, cloud: Cloud, name: str) -> dict[str, Json] | None:
        query: dict[str, Json] = {"DBParameterGroupName": name}
        answer = unless_gone(lambda: cloud.call("rds", "DescribeDBParameterGroups", query), *_GONE)
        # moto answers with an empty list where RDS raises an error.
        return next(iter(records(answer or {}, "DBParameterGroups")), None)

    def _state(self, cloud: Cloud, id_: str, kept: Mapping[str, Json], found: Mapping[str, Json]) -> State:
        arn = cloud.arn("rds", f"pg:{id_}")
        query: dict[str, Json] = {"DBParameterGroupName": id_}
        # RDS also returns hundreds that nobody set; the provider ignores them, and moto has none.
        described = {
            text(setting, "ParameterName"): setting
            for setting in records(cloud.call("rds", "DescribeDBParameters", query), "Parameters")
        }
        order = [text(setting, "name") for setting in records(kept, "parameters")]
        outputs: dict[str, Json] = {
            "arn": arn,
            "description": text(found, "Description"),
            "family": text(found, "DBParameterGroupFamily"),
            "name": text(found, "DBParameterGroupName"),
            "namePrefix": "",
            "parameters": [
                {
                    "applyMethod": text(described[key], "ApplyMethod", "immediate").lower(),
                    "name": key.lower(),
                    "value": text(described[key], "ParameterValue"),
                }
                for key in in_order_of(order, list(described))
            ],
            "region": cloud.region,
            "skipDestroy": flag(kept, "skipDestroy"),
        }
        return State(id_, outputs | read_tags(cloud, arn))

    def _settings(self, cloud: Cloud, values: Mapping[str, Json]) -> list[dict[str, Json]]:
        family = text(values, "family")
        return [self._setting(cloud, family, setting) for setting in records(values, "parameters")]

    def _setting(self, cloud: Cloud, family: str, setting: Mapping[str, Json]) -> dict[str, Json]:
        method = text(setting, "applyMethod", "immediate")
        if method not in ("immediate", "pending-reboot"):
            message = f"Invalid apply method {method}: valid are immediate and pending-reboot"
            raise cloud.refuse("rds", "ModifyDBParameterGroup", "InvalidParameterValue", message)
        name, major = text(setting, "name"), int(family.removeprefix("postgres") or 0)
        if belongs(name, major) is False:
            message = f"Could not find parameter with name: {name}"
            raise cloud.refuse("rds", "ModifyDBParameterGroup", "InvalidParameterValue", message)
        if method == "immediate" and is_static(name):
            message = f"cannot use immediate apply method for static parameter: {name}"
            raise cloud.refuse("rds", "ModifyDBParameterGroup", "InvalidParameterCombination", message)
        return {
            "ParameterName": setting.get("name"),
            "ParameterValue": setting.get("value"),
            "ApplyMethod": method,
        }

    def _check(self, cloud: Cloud, name: str, family: str) -> None:
        operation = "CreateDBParameterGroup"
        if family and not family.startswith("postgres"):
            raise UnmappedInputError(
                f"{self.type}: the emulation knows families of PostgreSQL only, not {family}: "
                f"add it in {handler_file(self.type)}"
            )
        if family not in catalogue.PARAMETER_GROUP_FAMILIES:
            message = f"ParameterGroupFamily {family} is not a valid parameter group family"
            raise cloud.refuse("rds", operation, "InvalidParameterValue", message)
        if name:
            check_identifier(cloud, operation, "DBParameterGroupName", name, 255)


_GONE = ("DBParameterGroupNotFound", "DBParameterGroupNotFoundFault")


def _users(cloud: Cloud, part: str, name: str) -> list[str]:
    """The instances in the group; `part` is the key in DescribeDBInstances that names it."""
    instances = records(cloud.call("rds", "DescribeDBInstances", {}), "DBInstances")
    return [
        text(instance, "DBInstanceIdentifier")
        for instance in instances
        for group in (record(instance, part), *records(instance, part))
        if name in (text(group, "DBSubnetGroupName"), text(group, "DBParameterGroupName"))
    ]


def _meaning(setting: Mapping[str, Json]) -> tuple[str, str]:
    """A parameter's name and value, from the API."""
    return text(setting, "ParameterName").lower(), text(setting, "ParameterValue")


def _as_set(parameters: Json) -> set[tuple[str, str]]:
    return {
        (text(item, "name").lower(), text(item, "value"))
        for item in records({"parameters": parameters}, "parameters")
    }


RESOURCES: tuple[ResourceHandler, ...] = (
    SubnetGroup(),
    ParameterGroup(),
    Instance(),
    BackupReplication(),
)
FUNCTIONS: tuple[FunctionHandler, ...] = ()
TAGGABLE = frozenset({SubnetGroup.type, ParameterGroup.type, Instance.type})
