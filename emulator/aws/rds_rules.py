"""What Amazon RDS refuses and moto doesn't."""

import re
from collections.abc import Collection, Iterator, Mapping

from common.json_values import Json, flag, json_list, number, record, records, text, texts
from emulator.aws import rds_catalogue as catalogue
from emulator.aws.cloud import Cloud
from emulator.aws.ec2 import describe_security_group
from emulator.aws.errors import AwsError


def check_new_instance(cloud: Cloud, given: Mapping[str, Json], operation: str = "CreateDBInstance") -> None:
    """What CreateDBInstance refuses and moto doesn't: raises AwsError for the first problem, as RDS does.

    `given` holds the program's inputs; `operation` may be a restore.
    Sources: RDS API reference, CreateDBInstance; RDS user guide, "Amazon RDS DB instance storage".
    """
    for code, message in (
        *_engine_problems(given),
        *_storage_problems(given),
        *_login_problems(given),
        *_operation_problems(given),
    ):
        raise cloud.refuse("rds", operation, code, message)
    _check_network(cloud, operation, given)
    if operation == "CreateDBInstance":  # a restore has the source's version
        _check_parameter_group(cloud, operation, given)


def check_changed_instance(
    cloud: Cloud, actual: Mapping[str, Json], given: Mapping[str, Json], changed: Collection[str]
) -> None:
    """What ModifyDBInstance refuses and moto doesn't.

    `actual` is the instance as in DescribeDBInstances, `given` the program's inputs, `changed` those that are
    about to change. Raises AwsError.
    Sources: RDS API reference, ModifyDBInstance; RDS user guide, "Upgrading a PostgreSQL DB engine version".
    """
    operation = "ModifyDBInstance"
    size, actual_size = number(given, "allocatedStorage"), number(actual, "AllocatedStorage")
    storage: dict[str, Json] = {**given, "allocatedStorage": max(size, actual_size)}
    problems = [*_storage_problems(storage), *_login_problems(given), *_operation_problems(given)]
    if "engineVersion" in changed or "instanceClass" in changed:
        problems += _engine_problems(given)
    if "engineVersion" in changed:
        problems += _upgrade_problems(actual, given)
    if "allocatedStorage" in changed and size < actual_size:
        kind = text(actual, "StorageType")
        problems.append(
            _combination(
                f"Invalid storage size for engine name postgres and storage type {kind}: {size}. "
                f"Storage can't be reduced from {actual_size} GiB."
            )
        )
    for code, message in problems:
        raise cloud.refuse("rds", operation, code, message)
    if "dbSubnetGroupName" in changed:
        _check_move(cloud, actual, given)
    if not {"dbSubnetGroupName", "networkType", "vpcSecurityGroupIds"}.isdisjoint(changed):
        _check_network(cloud, operation, given)
    if not {"engineVersion", "parameterGroupName"}.isdisjoint(changed):
        _check_parameter_group(cloud, operation, given)


Problem = tuple[str, str]
"""An error code and its message."""


def _value(message: str) -> Problem:
    return "InvalidParameterValue", message


def _combination(message: str) -> Problem:
    return "InvalidParameterCombination", message


def _engine_problems(given: Mapping[str, Json]) -> Iterator[Problem]:
    name, version = text(given, "instanceClass"), text(given, "engineVersion")
    full = catalogue.full_version(version) if version else catalogue.full_version(max(catalogue.MINORS))
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


def _upgrade_problems(actual: Mapping[str, Json], given: Mapping[str, Json]) -> Iterator[Problem]:
    running, wanted = text(actual, "EngineVersion"), catalogue.full_version(text(given, "engineVersion"))
    if wanted is None:
        return  # reported as an engine problem
    if not catalogue.can_upgrade(running, wanted):
        yield _combination(f"Cannot upgrade postgres from {running} to {wanted}")
    is_major = wanted.partition(".")[0] != running.partition(".")[0]
    if is_major and not flag(given, "allowMajorVersionUpgrade"):
        yield _combination(
            "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version."
        )


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
    if not is_identifier(identifier, 63):
        yield _value(identifier_message("DBInstanceIdentifier", identifier))
    # The provider itself checks this one, since a bad name would only show on deletion.
    if snapshot and not is_identifier(snapshot, 255):
        yield _value(identifier_message("FinalDBSnapshotIdentifier", snapshot))
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


def _check_network(cloud: Cloud, operation: str, given: Mapping[str, Json]) -> None:
    """The security groups must exist in the subnet group's VPC; the network type must suit the subnets."""
    group_name = text(given, "dbSubnetGroupName")
    if not group_name:
        return  # in the default VPC
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
    if kind not in network_types(describe_subnets(cloud, operation, subnet_ids)):
        message = f"The DB subnet group {group_name} doesn't support the network type {kind}."
        raise cloud.refuse("rds", operation, "InvalidVPCNetworkStateFault", message)


def _check_move(cloud: Cloud, actual: Mapping[str, Json], given: Mapping[str, Json]) -> None:
    """RDS accepts another subnet group only for moving an instance to another VPC."""
    own, name = record(actual, "DBSubnetGroup"), text(given, "dbSubnetGroupName")
    found = attempt(cloud, "DescribeDBSubnetGroups", {"DBSubnetGroupName": name})
    for group in records(found, "DBSubnetGroups"):
        if text(group, "VpcId") == text(own, "VpcId"):
            message = (
                f"You cannot move DB instance {text(actual, 'DBInstanceIdentifier')} to subnet group {name}. "
                "The specified DB subnet group and DB instance are in the same VPC. Choose a DB subnet group "
                "in different VPC than the specified DB instance and try again."
            )
            raise cloud.refuse("rds", "ModifyDBInstance", "InvalidVPCNetworkStateFault", message)


def _check_parameter_group(cloud: Cloud, operation: str, given: Mapping[str, Json]) -> None:
    """The group's family must be that of the engine version."""
    name, major = text(given, "parameterGroupName"), text(given, "engineVersion").partition(".")[0]
    if not name or not major:
        return
    found = attempt(cloud, "DescribeDBParameterGroups", {"DBParameterGroupName": name})
    for group in records(found, "DBParameterGroups"):
        family = text(group, "DBParameterGroupFamily")
        if family != f"postgres{major}":
            message = (
                f"The parameter group {name} with DBParameterGroupFamily {family} can't be used for this "
                f"instance. Use a parameter group with DBParameterGroupFamily postgres{major}."
            )
            raise cloud.refuse("rds", operation, "InvalidParameterCombination", message)


def describe_subnets(cloud: Cloud, operation: str, subnet_ids: list[str]) -> list[dict[str, Json]]:
    """The subnets; raises AwsError (InvalidSubnet) in the name of `operation`."""
    if not subnet_ids:
        return []
    try:
        answer = cloud.call("ec2", "DescribeSubnets", {"SubnetIds": json_list(subnet_ids)})
    except AwsError as error:
        message = f"Some input subnets are invalid: {error.message}"
        raise cloud.refuse("rds", operation, "InvalidSubnet", message) from error
    return records(answer, "Subnets")


def network_types(subnets: list[dict[str, Json]]) -> list[str]:
    """The network types; DUAL only if every subnet also has IPv6."""
    has_ipv6 = bool(subnets) and all(records(subnet, "Ipv6CidrBlockAssociationSet") for subnet in subnets)
    return ["IPV4", "DUAL"] if has_ipv6 else ["IPV4"]


def is_identifier(name: str, limit: int) -> bool:
    """A letter, then letters, digits and single hyphens, but not at the end. Source: RDS API reference."""
    return len(name) <= limit and bool(re.fullmatch(r"[A-Za-z](?:-?[A-Za-z0-9])*", name))


def identifier_message(parameter: str, name: str) -> str:
    """RDS's words for an invalid identifier."""
    return (
        f"The parameter {parameter} is not a valid identifier: {name!r}. Identifiers must begin with a "
        "letter;  must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or "
        "contain two consecutive hyphens."
    )


def attempt(cloud: Cloud, operation: str, parameters: Mapping[str, Json]) -> dict[str, Json]:
    """The answer, or nothing if AWS refuses."""
    try:
        return cloud.call("rds", operation, parameters)
    except AwsError:
        return {}


def check_identifier(cloud: Cloud, operation: str, parameter: str, name: str, limit: int) -> None:
    """Raises AwsError (InvalidParameterValue) for a name that RDS doesn't accept."""
    if not is_identifier(name, limit):
        raise cloud.refuse("rds", operation, "InvalidParameterValue", identifier_message(parameter, name))
