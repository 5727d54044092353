"""Amazon RDS: subnet groups, parameter groups and PostgreSQL instances."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from rehearsal.aws import rds_catalogue as catalogue
from rehearsal.aws.cloud import Cloud
from rehearsal.aws.ec2 import describe_security_group
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

_PARAMETERS_A_CALL = 20  # RDS API reference, ModifyDBParameterGroup
_NO_SECRETS: frozenset[str] = frozenset()


class SubnetGroup:
    """The subnets that an instance may be put in."""

    type = "aws:rds/subnetGroup:SubnetGroup"
    secret_outputs = _NO_SECRETS

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> Created:
        """CreateDBSubnetGroup."""
        given = read_inputs(self.type, cloud, inputs, ("name", "description", "subnetIds", "tags"))
        description = text(given, "description", MANAGED_BY)
        subnets = self._check(cloud, text(given, "name"), texts(given, "subnetIds"))
        names = {"name": "DBSubnetGroupName", "subnetIds": "SubnetIds"}
        parameters = api_parameters(given, names) | {"DBSubnetGroupDescription": description}
        if "tags" in given:
            parameters["Tags"] = api_tags(given)
        made = record(cloud.call("rds", "CreateDBSubnetGroup", parameters), "DBSubnetGroup")
        name = text(made, "DBSubnetGroupName")
        return Created(
            name,
            merged(
                given,
                tag_outputs(given),
                {
                    "arn": cloud.arn("rds", f"subgrp:{name}"),
                    "description": description,
                    "name": name,
                    "namePrefix": "",
                    "supportedNetworkTypes": json_list(_network_types(subnets)),
                    "vpcId": text(made, "VpcId"),
                    "region": cloud.region,
                },
            ),
        )

    def _check(self, cloud: Cloud, name: str, subnet_ids: list[str]) -> list[dict[str, Json]]:
        """What RDS refuses and moto doesn't; returns the subnets.

        Source: RDS API reference, CreateDBSubnetGroup (name, errors).
        """
        operation = "CreateDBSubnetGroup"
        if name != name.lower() or not re.fullmatch(r"[a-z0-9 ._-]{1,255}", name or "-") or name == "default":
            message = (
                f"The parameter DBSubnetGroupName is not a valid identifier: {name!r}. Only lowercase "
                "letters, digits, periods, underscores, spaces and hyphens are allowed, and not the name "
                "default."
            )
            raise cloud.refuse("rds", operation, "InvalidParameterValue", message)
        with_group = _try(cloud, "DescribeDBSubnetGroups", {"DBSubnetGroupName": name})
        if with_group:
            message = f"The DB subnet group '{name}' already exists."
            raise cloud.refuse("rds", operation, "DBSubnetGroupAlreadyExists", message)
        subnets = _subnets(cloud, operation, subnet_ids)
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
        return subnets


class ParameterGroup:
    """Settings of the database engine."""

    type = "aws:rds/parameterGroup:ParameterGroup"
    secret_outputs = _NO_SECRETS

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> Created:
        """CreateDBParameterGroup, then ModifyDBParameterGroup for every twenty parameters."""
        known = ("name", "family", "description", "parameters", "skipDestroy", "tags")
        given = read_inputs(self.type, cloud, inputs, known)
        family, name = text(given, "family"), text(given, "name")
        self._check(cloud, name, family)
        description = text(given, "description", MANAGED_BY)
        parameters = api_parameters(
            given, {"name": "DBParameterGroupName", "family": "DBParameterGroupFamily"}
        )
        parameters["Description"] = description
        if "tags" in given:
            parameters["Tags"] = api_tags(given)
        settings = [self._setting(cloud, setting) for setting in records(given, "parameters")]
        made = record(cloud.call("rds", "CreateDBParameterGroup", parameters), "DBParameterGroup")
        for start in range(0, len(settings), _PARAMETERS_A_CALL):
            some: list[Json] = [*settings[start : start + _PARAMETERS_A_CALL]]
            change: dict[str, Json] = {"DBParameterGroupName": name, "Parameters": some}
            cloud.call("rds", "ModifyDBParameterGroup", change)
        return Created(
            name,
            merged(
                given,
                tag_outputs(given),
                {
                    "arn": cloud.arn("rds", f"pg:{text(made, 'DBParameterGroupName')}"),
                    "description": description,
                    "namePrefix": "",
                    "parameters": [
                        {"applyMethod": "immediate"} | item for item in records(given, "parameters")
                    ],
                    "skipDestroy": flag(given, "skipDestroy"),
                    "region": cloud.region,
                },
            ),
        )

    def _setting(self, cloud: Cloud, setting: Mapping[str, Json]) -> dict[str, Json]:
        method = text(setting, "applyMethod", "immediate")
        if method not in ("immediate", "pending-reboot"):
            message = f"Invalid apply method {method}: valid are immediate and pending-reboot"
            raise cloud.refuse("rds", "ModifyDBParameterGroup", "InvalidParameterValue", message)
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
        if name and not _is_identifier(name, 255):
            message = _identifier_message("DBParameterGroupName", name)
            raise cloud.refuse("rds", operation, "InvalidParameterValue", message)


class Instance:
    """A PostgreSQL instance."""

    type = "aws:rds/instance:Instance"
    secret_outputs = frozenset({"password", "passwordWo"})

    _names: ClassVar[Mapping[str, str]] = {
        "allocatedStorage": "AllocatedStorage",
        "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
        "availabilityZone": "AvailabilityZone",
        "backupRetentionPeriod": "BackupRetentionPeriod",
        "backupTarget": "BackupTarget",
        "backupWindow": "PreferredBackupWindow",
        "caCertIdentifier": "CACertificateIdentifier",
        "copyTagsToSnapshot": "CopyTagsToSnapshot",
        "databaseInsightsMode": "DatabaseInsightsMode",
        "dbName": "DBName",
        "dbSubnetGroupName": "DBSubnetGroupName",
        "dedicatedLogVolume": "DedicatedLogVolume",
        "deletionProtection": "DeletionProtection",
        "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
        "engine": "Engine",
        "engineLifecycleSupport": "EngineLifecycleSupport",
        "engineVersion": "EngineVersion",
        "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
        "identifier": "DBInstanceIdentifier",
        "instanceClass": "DBInstanceClass",
        "iops": "Iops",
        "kmsKeyId": "KmsKeyId",
        "licenseModel": "LicenseModel",
        "maintenanceWindow": "PreferredMaintenanceWindow",
        "maxAllocatedStorage": "MaxAllocatedStorage",
        "monitoringInterval": "MonitoringInterval",
        "monitoringRoleArn": "MonitoringRoleArn",
        "multiAz": "MultiAZ",
        "networkType": "NetworkType",
        "optionGroupName": "OptionGroupName",
        "parameterGroupName": "DBParameterGroupName",
        "password": "MasterUserPassword",
        "performanceInsightsEnabled": "EnablePerformanceInsights",
        "performanceInsightsKmsKeyId": "PerformanceInsightsKMSKeyId",
        "performanceInsightsRetentionPeriod": "PerformanceInsightsRetentionPeriod",
        "port": "Port",
        "publiclyAccessible": "PubliclyAccessible",
        "storageEncrypted": "StorageEncrypted",
        "storageThroughput": "StorageThroughput",
        "storageType": "StorageType",
        "username": "MasterUsername",
        "vpcSecurityGroupIds": "VpcSecurityGroupIds",
    }
    # Inputs that steer the provider's later updates and deletion, and are no parameters of the creation.
    _steering = (
        "allowMajorVersionUpgrade",
        "applyImmediately",
        "deleteAutomatedBackups",
        "finalSnapshotIdentifier",
        "skipFinalSnapshot",
    )
    # What the provider sends when the program says nothing.
    _defaults: ClassVar[Mapping[str, Json]] = {
        "autoMinorVersionUpgrade": True,
        "backupRetentionPeriod": 0,
        "copyTagsToSnapshot": False,
        "deletionProtection": False,
        "publiclyAccessible": False,
        "storageEncrypted": False,
    }

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> Created:
        """CreateDBInstance, then DescribeDBInstances."""
        given = read_inputs(self.type, cloud, inputs, (*self._names, *self._steering, "tags"))
        if given.get("maxAllocatedStorage") == 0:  # the provider's way to say: no autoscaling
            del given["maxAllocatedStorage"]
        if text(given, "engine", "postgres") != "postgres":
            raise UnmappedInputError(
                f"{self.type}: the emulation knows the engine postgres only, not {text(given, 'engine')}: "
                f"add it in {handler_file(self.type)}"
            )
        _check_instance(cloud, given)
        parameters = api_parameters(merged(self._defaults, given), self._names)
        if "tags" in given:
            parameters["Tags"] = api_tags(given)
        cloud.call("rds", "CreateDBInstance", parameters)
        query: dict[str, Json] = {"DBInstanceIdentifier": given["identifier"]}
        made = records(cloud.call("rds", "DescribeDBInstances", query), "DBInstances")[0]
        outputs = _instance_outputs(cloud, given, made)
        return Created(
            text(outputs, "resourceId"), merged(self._defaults, given, tag_outputs(given), outputs)
        )


def _instance_outputs(cloud: Cloud, given: Mapping[str, Json], made: Mapping[str, Json]) -> dict[str, Json]:
    """What the provider reads back; moto's answer, mended where it isn't RDS's."""
    resource_id = dbi_resource_id(made)
    address = _address(cloud, text(made, "DBInstanceIdentifier"))
    port = number(record(made, "Endpoint"), "Port", catalogue.DEFAULT_PORT)
    version = text(given, "engineVersion") or text(made, "EngineVersion")
    is_encrypted = flag(made, "StorageEncrypted")
    storage_type = text(made, "StorageType")
    return {
        "address": address,
        "allocatedStorage": number(made, "AllocatedStorage"),
        "arn": cloud.arn("rds", f"db:{text(made, 'DBInstanceIdentifier')}"),
        "availabilityZone": text(made, "AvailabilityZone"),
        "backupTarget": text(given, "backupTarget", "region"),
        "backupWindow": text(made, "PreferredBackupWindow"),
        # moto answers rds-ca-default, which is no CA of RDS's.
        "caCertIdentifier": text(given, "caCertIdentifier", catalogue.DEFAULT_CA_IDENTIFIER),
        "characterSetName": "",
        "databaseInsightsMode": text(given, "databaseInsightsMode", "standard"),
        "dbName": text(made, "DBName"),
        "dbSubnetGroupName": text(record(made, "DBSubnetGroup"), "DBSubnetGroupName"),
        "deleteAutomatedBackups": flag(given, "deleteAutomatedBackups", default=True),
        "domainFqdn": "",
        "endpoint": f"{address}:{port}",
        "engine": "postgres",
        "engineLifecycleSupport": text(given, "engineLifecycleSupport", "open-source-rds-extended-support"),
        "engineVersion": version,
        "engineVersionActual": catalogue.full_version(version) or version,
        "hostedZoneId": "Z" + _digest(cloud.region)[:13].upper(),
        "identifier": text(made, "DBInstanceIdentifier"),
        "identifierPrefix": "",
        "iops": number(made, "Iops", 3000 if storage_type == "gp3" else 0),
        # Encryption without a key of one's own uses the account's key for RDS.
        "kmsKeyId": _kms_key(cloud, text(given, "kmsKeyId")) if is_encrypted else "",
        "latestRestorableTime": text(made, "LatestRestorableTime")
        if number(given, "backupRetentionPeriod")
        else "",
        "licenseModel": text(given, "licenseModel", "postgresql-license"),
        "listenerEndpoints": [],
        "maintenanceWindow": text(made, "PreferredMaintenanceWindow"),
        "masterUserSecretKmsKeyId": "",
        "masterUserSecrets": [],
        "monitoringInterval": number(given, "monitoringInterval"),
        "monitoringRoleArn": text(given, "monitoringRoleArn"),
        "multiAz": flag(made, "MultiAZ"),
        "ncharCharacterSetName": "",
        "networkType": text(given, "networkType", "IPV4"),
        "optionGroupName": text(given, "optionGroupName", f"default:postgres-{version.partition('.')[0]}"),
        "parameterGroupName": text(
            given, "parameterGroupName", f"default.postgres{version.partition('.')[0]}"
        ),
        "performanceInsightsKmsKeyId": text(given, "performanceInsightsKmsKeyId"),
        "performanceInsightsRetentionPeriod": number(given, "performanceInsightsRetentionPeriod"),
        "port": port,
        "region": cloud.region,
        "replicaMode": "",
        "replicas": [],
        "resourceId": resource_id,
        "snapshotIdentifier": "",
        "status": text(made, "DBInstanceStatus"),
        "storageThroughput": number(made, "StorageThroughput", 125 if storage_type == "gp3" else 0),
        "storageType": storage_type,
        "timezone": "",
        "upgradeRolloutOrder": "second",
        "username": text(made, "MasterUsername"),
        "vpcSecurityGroupIds": [
            text(group, "VpcSecurityGroupId") for group in records(made, "VpcSecurityGroups")
        ],
    }


def dbi_resource_id(described: Mapping[str, Json]) -> str:
    """The id of one instance for its whole life, through renames; moto gives the same to every instance."""
    seed = f"{text(described, 'DBInstanceArn')}/{text(described, 'InstanceCreateTime')}"
    letters = base64.b32encode(hashlib.sha256(seed.encode()).digest()).decode()
    return f"db-{letters[:26]}"


def _address(cloud: Cloud, identifier: str) -> str:
    """`<identifier>.<account's part>.<region>.rds.amazonaws.com`.

    In China the service comes before the region.
    """
    part = "c" + _digest(f"{cloud.account_id}/{cloud.region}")[:11]
    service = f"rds.{cloud.region}" if cloud.partition == "aws-cn" else f"{cloud.region}.rds"
    return f"{identifier}.{part}.{service}.{cloud.dns_suffix}"


def _kms_key(cloud: Cloud, given: str) -> str:
    digest = _digest(f"{cloud.account_id}/{cloud.region}/rds")
    key = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
    return given or cloud.arn("kms", f"key/{key}")


def _check_instance(cloud: Cloud, given: Mapping[str, Json]) -> None:
    """What CreateDBInstance refuses and moto doesn't: the first of its problems, as RDS reports them.

    Sources: RDS API reference, CreateDBInstance; RDS user guide, "Amazon RDS DB instance storage".
    """
    for code, message in (
        *_engine_problems(given),
        *_storage_problems(given),
        *_login_problems(given),
        *_operation_problems(given),
    ):
        raise cloud.refuse("rds", "CreateDBInstance", code, message)
    _check_network(cloud, given)
    _check_parameter_group(cloud, given)


Problem = tuple[str, str]
"""An error code and its message."""


def _value(message: str) -> Problem:
    return "InvalidParameterValue", message


def _combination(message: str) -> Problem:
    return "InvalidParameterCombination", message


def _engine_problems(given: Mapping[str, Json]) -> Iterator[Problem]:
    name, version = text(given, "instanceClass"), text(given, "engineVersion")
    full = catalogue.full_version(version) if version else f"{max(catalogue.NEWEST_MINORS)}"
    if full is None:
        yield _combination(f"Cannot find version {version} for postgres")
    if name and not catalogue.is_instance_class(name):
        yield _value(f"Invalid DB Instance class: {name}")
    if name and not catalogue.runs_postgresql(name):
        yield _combination(
            "RDS does not support creating a DB instance with the following combination: "
            f"DBInstanceClass={name}, Engine=postgres, EngineVersion={full}, "
            "LicenseModel=postgresql-license."
        )
    support = text(given, "engineLifecycleSupport", "open-source-rds-extended-support")
    if support not in ("open-source-rds-extended-support", "open-source-rds-extended-support-disabled"):
        yield _value(f"Invalid engine lifecycle support: {support}")


def _storage_problems(given: Mapping[str, Json]) -> Iterator[Problem]:
    kind = text(given, "storageType", "io1" if "iops" in given else "gp2")
    size = number(given, "allocatedStorage")
    limits = catalogue.STORAGE.get(kind)
    if limits is None:
        yield _value(f"Invalid storage type: {kind}")
        return
    if not limits.smallest <= size <= limits.largest:
        yield _value(f"Invalid storage size for engine name postgres and storage type {kind}: {size}")
    largest = number(given, "maxAllocatedStorage", limits.largest)
    # RDS user guide, "Managing capacity automatically with storage autoscaling": at least 10 % more.
    too_close = "maxAllocatedStorage" in given and largest < size * 1.1
    if largest > limits.largest or too_close:
        yield _combination(
            f"Invalid max storage size for engine name postgres and storage type {kind}: {largest}"
        )
    if limits.tunable_from is not None:
        yield from _gp3_problems(given, size, limits.tunable_from)


def _gp3_problems(given: Mapping[str, Json], size: int, tunable_from: int) -> Iterator[Problem]:
    tuned = [key for key in ("iops", "storageThroughput") if key in given]
    if tuned and size < tunable_from:
        yield _combination(
            "You can't specify IOPS or storage throughput for engine postgres and a storage size less "
            f"than {tunable_from}."
        )
    if "iops" in given and number(given, "iops") not in catalogue.GP3_IOPS:
        yield _value(f"Invalid iops value for engine name postgres and storage type gp3: {given['iops']}")
    if "storageThroughput" in given and number(given, "storageThroughput") not in catalogue.GP3_THROUGHPUT:
        yield _value(
            "Invalid storage throughput value for engine name postgres and storage type gp3: "
            f"{given['storageThroughput']}"
        )


def _login_problems(given: Mapping[str, Json]) -> Iterator[Problem]:
    password, user, database = text(given, "password"), text(given, "username"), text(given, "dbName")
    if not password:
        yield _value("Invalid master password")
    if password and not 8 <= len(password) <= 128:
        yield _value(
            "The parameter MasterUserPassword is not a valid password because it is shorter than 8 "
            "characters or longer than 128."
        )
    if not all("!" <= character <= "~" and character not in '/@"' for character in password):
        yield _value(
            "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters "
            "besides '/', '@', '\"', ' ' may be used."
        )
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", user):
        yield _value(f"The parameter MasterUsername is not a valid identifier: {user!r}.")
    if user.lower() in ("admin", "rdsadmin"):
        yield _value(f"MasterUsername {user} cannot be used as it is a reserved word used by the engine")
    if database and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", database):
        yield _value(
            "DBName must begin with a letter or underscore and contain only alphanumeric characters and "
            f"underscores: {database!r}."
        )


def _operation_problems(given: Mapping[str, Json]) -> Iterator[Problem]:
    identifier, snapshot = text(given, "identifier"), text(given, "finalSnapshotIdentifier")
    days = number(given, "backupRetentionPeriod")
    if not _is_identifier(identifier, 63):
        yield _value(_identifier_message("DBInstanceIdentifier", identifier))
    # The provider itself checks this one, since a bad name would only show at deletion.
    if snapshot and not _is_identifier(snapshot, 255):
        yield _value(_identifier_message("FinalDBSnapshotIdentifier", snapshot))
    if not 0 <= days <= 35:
        yield _value(f"Invalid backup retention period: {days}. Must be between 0 and 35.")
    ca = text(given, "caCertIdentifier", catalogue.DEFAULT_CA_IDENTIFIER)
    if ca not in catalogue.CA_IDENTIFIERS:
        yield "CertificateNotFound", f"Certificate {ca} not found."
    logs = set(texts(given, "enabledCloudwatchLogsExports")) - catalogue.LOG_EXPORTS
    if logs:
        yield _combination(
            f"You cannot use the log types '{', '.join(sorted(logs))}' with engine version postgres "
            f"{text(given, 'engineVersion')}."
        )
    port = number(given, "port", catalogue.DEFAULT_PORT)
    if port not in catalogue.PORTS:
        yield _value(f"Invalid endpoint port {port}, must be in the range 1150-65535")
    retention = number(given, "performanceInsightsRetentionPeriod", 7)
    if flag(given, "performanceInsightsEnabled") and retention not in catalogue.PERFORMANCE_INSIGHTS_DAYS:
        yield _value(f"Invalid Performance Insights retention period: {retention}")


def _check_network(cloud: Cloud, given: Mapping[str, Json]) -> None:
    """The security groups exist and are in the subnet group's VPC; the network type suits the subnets."""
    operation, group_name = "CreateDBInstance", text(given, "dbSubnetGroupName")
    if not group_name:
        return  # the default VPC's
    query: dict[str, Json] = {"DBSubnetGroupName": group_name}
    try:
        found = records(cloud.call("rds", "DescribeDBSubnetGroups", query), "DBSubnetGroups")[0]
    except AwsError as error:
        raise cloud.refuse("rds", operation, error.code, error.message) from error
    vpc_id = text(found, "VpcId")
    for group in texts(given, "vpcSecurityGroupIds"):
        try:
            group_vpc = text(describe_security_group(cloud, group), "VpcId")
        except AwsError as error:
            message = f"Invalid security group , groupId= {group}, groupName=."
            raise cloud.refuse("rds", operation, "InvalidParameterValue", message) from error
        if group_vpc != vpc_id:
            message = (
                "The DB instance and EC2 security group are in different VPCs. The DB instance is in "
                f"{vpc_id} and the EC2 security group is in {group_vpc}"
            )
            raise cloud.refuse("rds", operation, "InvalidParameterCombination", message)
    subnet_ids = [text(subnet, "SubnetIdentifier") for subnet in records(found, "Subnets")]
    kind = text(given, "networkType", "IPV4")
    if kind not in _network_types(_subnets(cloud, operation, subnet_ids)):
        message = f"The DB subnet group {group_name} doesn't support the network type {kind}."
        raise cloud.refuse("rds", operation, "InvalidVPCNetworkStateFault", message)


def _check_parameter_group(cloud: Cloud, given: Mapping[str, Json]) -> None:
    """The group's family is the engine version's."""
    name, major = text(given, "parameterGroupName"), text(given, "engineVersion").partition(".")[0]
    if not name or not major:
        return
    found = _try(cloud, "DescribeDBParameterGroups", {"DBParameterGroupName": name})
    for group in records(found, "DBParameterGroups"):
        family = text(group, "DBParameterGroupFamily")
        if family != f"postgres{major}":
            message = (
                f"The parameter group {name} with DBParameterGroupFamily {family} can't be used for this "
                f"instance. Use a parameter group with DBParameterGroupFamily postgres{major}."
            )
            raise cloud.refuse("rds", "CreateDBInstance", "InvalidParameterCombination", message)


def _subnets(cloud: Cloud, operation: str, subnet_ids: list[str]) -> list[dict[str, Json]]:
    if not subnet_ids:
        return []
    try:
        answer = cloud.call("ec2", "DescribeSubnets", {"SubnetIds": json_list(subnet_ids)})
    except AwsError as error:
        message = f"Some input subnets are invalid: {error.message}"
        raise cloud.refuse("rds", operation, "InvalidSubnet", message) from error
    return records(answer, "Subnets")


def _network_types(subnets: list[dict[str, Json]]) -> list[str]:
    has_ipv6 = bool(subnets) and all(records(subnet, "Ipv6CidrBlockAssociationSet") for subnet in subnets)
    return ["IPV4", "DUAL"] if has_ipv6 else ["IPV4"]


def _is_identifier(name: str, limit: int) -> bool:
    """A letter first, then letters, digits and single hyphens, none at the end. Source: RDS API reference."""
    return len(name) <= limit and bool(re.fullmatch(r"[A-Za-z](?:-?[A-Za-z0-9])*", name))


def _identifier_message(parameter: str, name: str) -> str:
    return (
        f"The parameter {parameter} is not a valid identifier: {name!r}. Identifiers must begin with a "
        "letter;  must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or "
        "contain two consecutive hyphens."
    )


def _try(cloud: Cloud, operation: str, parameters: Mapping[str, Json]) -> dict[str, Json]:
    """The answer, or nothing if AWS refuses."""
    try:
        return cloud.call("rds", operation, parameters)
    except AwsError:
        return {}


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


RESOURCES: tuple[ResourceHandler, ...] = (SubnetGroup(), ParameterGroup(), Instance())
FUNCTIONS: tuple[FunctionHandler, ...] = ()
TAGGABLE = frozenset({SubnetGroup.type, ParameterGroup.type, Instance.type})
