"""Amazon RDS: PostgreSQL instances."""

import hashlib
from collections.abc import Collection, Mapping
from functools import partial
from typing import ClassVar

from common.json_values import Json, flag, json_list, merged, number, record, records, text, texts
from emulator.aws import rds_catalogue as catalogue
from emulator.aws.cloud import Cloud
from emulator.aws.errors import AwsError, UnmappedInputError
from emulator.aws.handler import (
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
from emulator.aws.rds_rules import check_changed_instance, check_new_instance
from emulator.aws.retry import has_code, retrying
from emulator.lifecycle import Difference, State, table

_REPLACES = (
    "availabilityZone",
    "backupTarget",
    "dbName",
    "engine",
    "kmsKeyId",
    "restoreToPointInTime",
    "snapshotIdentifier",
    "storageEncrypted",
    "username",
)
# Inputs that only affect the provider's later updates and deletion, and aren't parameters of the creation.
_STEERS = (
    "allowMajorVersionUpgrade",
    "applyImmediately",
    "deleteAutomatedBackups",
    "finalSnapshotIdentifier",
    "skipFinalSnapshot",
)
# Inputs that are lists in Pulumi and sets in Terraform.
_SETS = frozenset({"enabledCloudwatchLogsExports", "vpcSecurityGroupIds"})
# Parameters with a different name in ModifyDBInstance than in CreateDBInstance.
_MODIFIED_NAMES = {"identifier": "NewDBInstanceIdentifier", "port": "DBPortNumber"}
_STORAGE = frozenset({"allocatedStorage", "iops", "storageThroughput"})
# Inputs that the provider doesn't send with a restore: for another call, or for a modification after it.
# Source: internal/service/rds/instance.go, resourceInstanceCreate.
_NOT_RESTORED = frozenset({"backupRetentionPeriod", "kmsKeyId", "password", "storageEncrypted", "username"})
_AFTER_SNAPSHOT = frozenset({
    "allocatedStorage", "backupRetentionPeriod", "backupWindow", "databaseInsightsMode", "engineVersion",
    "iops", "maintenanceWindow", "maxAllocatedStorage", "monitoringInterval", "monitoringRoleArn", "password",
    "performanceInsightsEnabled", "performanceInsightsKmsKeyId", "performanceInsightsRetentionPeriod",
    "storageThroughput", "storageType",
})  # fmt: skip
_AFTER_POINT_IN_TIME = frozenset({"monitoringInterval", "monitoringRoleArn", "password"})
_NOT_AT_A_POINT_IN_TIME = frozenset({
    "allocatedStorage", "backupWindow", "caCertIdentifier", "databaseInsightsMode", "engineVersion",
    "maintenanceWindow", "networkType", "performanceInsightsEnabled", "performanceInsightsKmsKeyId",
    "performanceInsightsRetentionPeriod", "storageThroughput",
})  # fmt: skip
_POINT_IN_TIME = {
    "restoreTime": "RestoreTime",
    "sourceDbInstanceAutomatedBackupsArn": "SourceDBInstanceAutomatedBackupsArn",
    "sourceDbInstanceIdentifier": "SourceDBInstanceIdentifier",
    "sourceDbiResourceId": "SourceDbiResourceId",
    "useLatestRestorableTime": "UseLatestRestorableTime",
}


class Instance(ResourceHandler):
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
    # What the provider sends for inputs that the program doesn't set.
    _sent: ClassVar[Mapping[str, Json]] = {
        "autoMinorVersionUpgrade": True,
        "backupRetentionPeriod": 0,
        "copyTagsToSnapshot": False,
        "deletionProtection": False,
        "publiclyAccessible": False,
        "storageEncrypted": False,
    }
    table = table(
        "internal/service/rds/instance.go",
        updates=(*sorted(_names.keys() - set(_REPLACES)), "tags"),
        replaces=_REPLACES,
        steers=_STEERS,
        defaults={"autoMinorVersionUpgrade": True, "deleteAutomatedBackups": True},
        computed=(
            "allocatedStorage",
            "applyImmediately",
            "availabilityZone",
            "backupRetentionPeriod",
            "backupTarget",
            "backupWindow",
            "caCertIdentifier",
            "databaseInsightsMode",
            "dbName",
            "dbSubnetGroupName",
            "engine",
            "engineLifecycleSupport",
            "engineVersion",
            "identifier",
            "iops",
            "kmsKeyId",
            "licenseModel",
            "maintenanceWindow",
            "monitoringRoleArn",
            "multiAz",
            "networkType",
            "optionGroupName",
            "parameterGroupName",
            "performanceInsightsKmsKeyId",
            "performanceInsightsRetentionPeriod",
            "port",
            "snapshotIdentifier",
            "storageThroughput",
            "storageType",
            "username",
            "vpcSecurityGroupIds",
        ),
    )

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """CreateDBInstance or one of the restores, then DescribeDBInstances.

        After a restore, one ModifyDBInstance sets what the restore doesn't accept.
        """
        given = self._given(cloud, inputs)
        made, later = self._made(cloud, given)
        identity = text(made, "DbiResourceId")
        describe = partial(_described, cloud, identity)
        own: dict[str, Json] = {"arn": _arn(cloud, made), "resourceId": identity}
        with completing(State(identity, merged(given, tag_outputs(given), own))):
            # The provider waits for it, visible or not.
            found = retrying(cloud, describe, while_=has_code(*_GONE))
            if later:
                check_changed_instance(cloud, found, given, later)
                parameters = self._modification(State(identity, {}), given, later)
                parameters |= {"ApplyImmediately": True, "DBInstanceIdentifier": text(given, "identifier")}
                cloud.call("rds", "ModifyDBInstance", parameters)
                found = _described(cloud, identity)
            return self._state(cloud, given, found)

    def _made(self, cloud: Cloud, given: Mapping[str, Json]) -> tuple[dict[str, Json], frozenset[str]]:
        """Create the instance; returns it, and the inputs that still have to be set."""
        operation, source, named, later = "CreateDBInstance", {}, self._names, frozenset[str]()
        point_in_time = record(given, "restoreToPointInTime")
        left_out: frozenset[str] = frozenset()
        if "snapshotIdentifier" in given:
            operation = "RestoreDBInstanceFromDBSnapshot"
            source: dict[str, Json] = {"DBSnapshotIdentifier": given["snapshotIdentifier"]}
            later = _AFTER_SNAPSHOT
            left_out = _NOT_RESTORED | {"caCertIdentifier", "dbName"}
        elif point_in_time:
            operation = "RestoreDBInstanceToPointInTime"
            source = api_parameters(point_in_time, _POINT_IN_TIME)
            named = {**named, "identifier": "TargetDBInstanceIdentifier"}
            later = _AFTER_POINT_IN_TIME
            left_out = _NOT_RESTORED | _NOT_AT_A_POINT_IN_TIME
        check_new_instance(cloud, given, operation)
        sent = merged({k: v for k, v in self._sent.items() if k not in left_out}, given)
        parameters = api_parameters(
            {key: value for key, value in sent.items() if key not in left_out | later}, named
        )
        if "tags" in given:
            parameters["Tags"] = api_tags(given)
        made = record(cloud.call("rds", operation, {**source, **parameters}), "DBInstance")
        return made, later & given.keys()

    def read(self, cloud: Cloud, state: State) -> State | None:
        """DescribeDBInstances and ListTagsForResource."""
        found = _find(cloud, state.id)
        return self._state(cloud, state.outputs, found) if found else None

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """One ModifyDBInstance if anything differs that isn't only for later calls, then the tags.

        Without applyImmediately, most of it waits for the maintenance window and is read back unchanged.
        """
        given = self._given(cloud, inputs)
        found = _described(cloud, state.id)
        changed = set(self.difference(state, given).updates) - {*_STEERS, "tags"}
        if changed:
            given = merged(_performance(state.outputs, given, changed), given)
            check_changed_instance(cloud, found, given, changed)
            parameters = self._modification(state, given, changed)
            parameters["DBInstanceIdentifier"] = text(found, "DBInstanceIdentifier")
            modify = partial(cloud.call, "rds", "ModifyDBInstance", parameters)
            retrying(cloud, modify, while_=_is_optimizing)
        found = _described(cloud, state.id)
        arn: dict[str, Json] = {"arn": _arn(cloud, found)}  # a rename changed it
        update_tags(cloud, State(state.id, state.outputs | arn), given)
        first_read: dict[str, Json] = {
            key: state.outputs[key] for key in _AS_FIRST_READ if key in state.outputs
        }
        return self._state(cloud, merged(given, first_read), found)

    def delete(self, cloud: Cloud, state: State) -> None:
        """DeleteDBInstance, with the final snapshot as in the state.

        Deletion protection is switched off first if the state has it off and applies changes immediately.
        """
        skips, snapshot = (
            flag(state.outputs, "skipFinalSnapshot"),
            text(state.outputs, "finalSnapshotIdentifier"),
        )
        if not skips and not snapshot:
            # The provider's own refusal.
            message = "final_snapshot_identifier is required when skip_final_snapshot is false"
            raise cloud.refuse("rds", "DeleteDBInstance", "InvalidParameterCombination", message)
        found = _find(cloud, state.id)
        if found is None:
            return
        name: dict[str, Json] = {"DBInstanceIdentifier": text(found, "DBInstanceIdentifier")}
        parameters: dict[str, Json] = {
            **name,
            "DeleteAutomatedBackups": flag(state.outputs, "deleteAutomatedBackups", default=True),
            "SkipFinalSnapshot": skips,
        }
        if not skips:
            parameters["FinalDBSnapshotIdentifier"] = snapshot
        try:
            unless_gone(lambda: cloud.call("rds", "DeleteDBInstance", parameters), *_GONE)
        except AwsError as error:
            is_off = not flag(state.outputs, "deletionProtection") and flag(state.outputs, "applyImmediately")
            if "disable deletion pro" not in error.message or not is_off:
                raise
            change: dict[str, Json] = {"ApplyImmediately": True, "DeletionProtection": False}
            cloud.call("rds", "ModifyDBInstance", name | change)
            unless_gone(lambda: cloud.call("rds", "DeleteDBInstance", parameters), *_GONE)

    def is_same(self, key: str, found: Json, wanted: Json) -> bool:
        """Whether they are sets in a different order, or names in a different case."""
        if key in _SETS:
            return set(texts({key: found}, key)) == set(texts({key: wanted}, key))
        is_name = key in ("engine", "identifier", "maintenanceWindow")
        return is_name and str(found).lower() == str(wanted).lower()

    def difference(self, state: State, inputs: Mapping[str, Json]) -> Difference:
        """Storage that grew by itself, as maxAllocatedStorage allows, isn't a change."""
        changed = super().difference(state, inputs)
        same: set[str] = set()
        wanted, most = _whole(inputs, "allocatedStorage"), _whole(inputs, "maxAllocatedStorage")
        if _whole(state.outputs, "allocatedStorage") > wanted and most > wanted:
            same.add("allocatedStorage")
        if not _whole(state.outputs, "maxAllocatedStorage") and most == wanted:
            same.add("maxAllocatedStorage")
        return Difference(
            updates=tuple(key for key in changed.updates if key not in same), replaces=changed.replaces
        )

    def _given(self, cloud: Cloud, inputs: Mapping[str, Json]) -> dict[str, Json]:
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        if given.get("maxAllocatedStorage") == 0:  # the provider's way to switch off autoscaling
            del given["maxAllocatedStorage"]
        if text(given, "engine", "postgres").lower() != "postgres":
            raise UnmappedInputError(
                f"{self.type}: the emulation knows the engine postgres only, not {text(given, 'engine')}: "
                f"add it in {handler_file(self.type)}"
            )
        return given

    def _modification(
        self, state: State, given: Mapping[str, Json], changed: Collection[str]
    ) -> dict[str, Json]:
        """The parameters of ModifyDBInstance, without the instance's name."""
        # Deletion protection is always sent.
        keys = {*changed, "deletionProtection"} - {"enabledCloudwatchLogsExports", "maxAllocatedStorage"}
        if not _STORAGE.isdisjoint(changed):
            keys |= _STORAGE & given.keys()
        # What the program no longer sets is switched off, if possible.
        wanted = merged(_OFF, self._sent, given)
        names = {**self._names, **_MODIFIED_NAMES}
        parameters = api_parameters({key: value for key, value in wanted.items() if key in keys}, names)
        parameters["ApplyImmediately"] = flag(given, "applyImmediately")
        if "engineVersion" in changed:
            parameters["AllowMajorVersionUpgrade"] = flag(given, "allowMajorVersionUpgrade")
        if "maxAllocatedStorage" in changed:
            # A maximum equal to the current size switches autoscaling off.
            size = number(given, "allocatedStorage", number(state.outputs, "allocatedStorage"))
            parameters["MaxAllocatedStorage"] = number(given, "maxAllocatedStorage") or size
        if "enabledCloudwatchLogsExports" in changed:
            old = texts(state.outputs, "enabledCloudwatchLogsExports")
            new = texts(given, "enabledCloudwatchLogsExports")
            parameters["CloudwatchLogsExportConfiguration"] = {
                "EnableLogTypes": json_list(log for log in new if log not in old),
                "DisableLogTypes": json_list(log for log in old if log not in new),
            }
        return parameters

    def _state(self, cloud: Cloud, kept: Mapping[str, Json], found: Mapping[str, Json]) -> State:
        outputs = _outputs(cloud, kept, found) | read_tags(cloud, _arn(cloud, found))
        unreadable = {key: kept[key] for key in _UNREAD if kept.get(key) is not None}
        return State(text(found, "DbiResourceId"), {"deleteAutomatedBackups": True, **outputs, **unreadable})


_UNREAD = ("password", "restoreToPointInTime", "snapshotIdentifier", *_STEERS)
_AS_FIRST_READ = ("latestRestorableTime",)
_GONE = ("DBInstanceNotFound", "DBInstanceNotFoundFault")

# Values that switch off an input that the program no longer sets.
_OFF: Mapping[str, Json] = {
    "copyTagsToSnapshot": False,
    "dedicatedLogVolume": False,
    "iamDatabaseAuthenticationEnabled": False,
    "monitoringInterval": 0,
    "performanceInsightsEnabled": False,
    "publiclyAccessible": False,
}


def _performance(
    state: Mapping[str, Json], given: Mapping[str, Json], changed: Collection[str]
) -> dict[str, Json]:
    """The IOPS that the provider sends with a new size: the state's, if the program sets none.

    Below the threshold it sends none. Source: internal/service/rds/instance.go, resourceInstanceUpdate;
    terraform-provider-aws #28382.
    """
    threshold = catalogue.STORAGE["gp3"].tunable_from or 0
    is_small = text(given, "storageType") == "gp3" and number(given, "allocatedStorage") < threshold
    return {"iops": state.get("iops")} if "allocatedStorage" in changed and not is_small else {}


def _is_optimizing(error: AwsError) -> bool:
    # Retried for up to 80 minutes, the timeout of an update. Source: internal/service/rds/instance.go.
    return (
        error.code == "InvalidParameterCombination"
        and "previous storage change is being optimized" in error.message
    )


def _find(cloud: Cloud, id_: str) -> dict[str, Json] | None:
    """Find it by DbiResourceId, which survives a rename; an import may use the identifier instead."""
    by_id: dict[str, Json] = {"Filters": [{"Name": "dbi-resource-id", "Values": [id_]}]}
    by_name: dict[str, Json] = {"DBInstanceIdentifier": id_}
    for query in (by_id, by_name):
        answer = unless_gone(partial(cloud.call, "rds", "DescribeDBInstances", query), *_GONE)
        for found in records(answer or {}, "DBInstances"):
            return found
    return None


def _described(cloud: Cloud, id_: str) -> dict[str, Json]:
    found = _find(cloud, id_)
    if found is None:
        raise cloud.refuse("rds", "DescribeDBInstances", "DBInstanceNotFound", f"DBInstance {id_} not found.")
    return found


def _outputs(cloud: Cloud, kept: Mapping[str, Json], found: Mapping[str, Json]) -> dict[str, Json]:
    """What the provider reads back."""
    address, port = text(record(found, "Endpoint"), "Address"), number(record(found, "Endpoint"), "Port")
    actual = text(found, "EngineVersion")
    groups = [text(group, "VpcSecurityGroupId") for group in records(found, "VpcSecurityGroups")]
    logs = texts(found, "EnabledCloudwatchLogsExports")
    largest = number(found, "MaxAllocatedStorage")
    outputs: dict[str, Json] = {
        "address": address,
        "allocatedStorage": number(found, "AllocatedStorage"),
        "arn": _arn(cloud, found),
        "autoMinorVersionUpgrade": flag(found, "AutoMinorVersionUpgrade"),
        "availabilityZone": text(found, "AvailabilityZone"),
        "backupRetentionPeriod": number(found, "BackupRetentionPeriod"),
        "backupTarget": text(found, "BackupTarget", "region"),
        "backupWindow": text(found, "PreferredBackupWindow"),
        "caCertIdentifier": text(found, "CACertificateIdentifier"),
        "characterSetName": "",
        "copyTagsToSnapshot": flag(found, "CopyTagsToSnapshot"),
        "databaseInsightsMode": text(found, "DatabaseInsightsMode", "standard"),
        "dbName": text(found, "DBName"),
        "dbSubnetGroupName": text(record(found, "DBSubnetGroup"), "DBSubnetGroupName"),
        "dedicatedLogVolume": flag(found, "DedicatedLogVolume"),
        "deletionProtection": flag(found, "DeletionProtection"),
        "domainFqdn": "",
        "enabledCloudwatchLogsExports": json_list(
            in_order_of(texts(kept, "enabledCloudwatchLogsExports"), logs)
        ),
        "endpoint": f"{address}:{port}",
        "engine": text(found, "Engine"),
        "engineLifecycleSupport": text(found, "EngineLifecycleSupport", "open-source-rds-extended-support"),
        "engineVersion": _version(kept, found, actual),
        "engineVersionActual": actual,
        "hostedZoneId": "Z" + hashlib.sha256(cloud.region.encode()).hexdigest()[:13].upper(),
        "iamDatabaseAuthenticationEnabled": flag(found, "IAMDatabaseAuthenticationEnabled"),
        "identifier": text(found, "DBInstanceIdentifier"),
        "identifierPrefix": "",
        "instanceClass": text(found, "DBInstanceClass"),
        "iops": number(found, "Iops"),
        "kmsKeyId": text(found, "KmsKeyId"),
        "latestRestorableTime": _restorable(kept, found),
        "licenseModel": text(found, "LicenseModel"),
        "listenerEndpoints": [],
        "maintenanceWindow": text(found, "PreferredMaintenanceWindow"),
        "masterUserSecretKmsKeyId": "",
        "masterUserSecrets": [],
        "monitoringInterval": number(found, "MonitoringInterval"),
        "monitoringRoleArn": text(found, "MonitoringRoleArn"),
        "multiAz": flag(found, "MultiAZ"),
        "ncharCharacterSetName": "",
        "networkType": text(found, "NetworkType", "IPV4"),
        "optionGroupName": _only(found, "OptionGroupMemberships", "OptionGroupName"),
        "parameterGroupName": _only(found, "DBParameterGroups", "DBParameterGroupName"),
        "performanceInsightsEnabled": flag(found, "PerformanceInsightsEnabled"),
        "performanceInsightsKmsKeyId": text(found, "PerformanceInsightsKMSKeyId"),
        "performanceInsightsRetentionPeriod": number(found, "PerformanceInsightsRetentionPeriod"),
        "port": port,
        "publiclyAccessible": flag(found, "PubliclyAccessible"),
        "region": cloud.region,
        "replicaMode": "",
        "replicas": [],
        "resourceId": text(found, "DbiResourceId"),
        "snapshotIdentifier": "",
        "status": text(found, "DBInstanceStatus"),
        "storageEncrypted": flag(found, "StorageEncrypted"),
        "storageThroughput": number(found, "StorageThroughput"),
        "storageType": text(found, "StorageType"),
        "timezone": "",
        "upgradeRolloutOrder": "second",
        "username": text(found, "MasterUsername"),
        "vpcSecurityGroupIds": json_list(in_order_of(texts(kept, "vpcSecurityGroupIds"), groups)),
    }
    if largest > number(found, "AllocatedStorage"):
        outputs["maxAllocatedStorage"] = largest
    return outputs


def _version(kept: Mapping[str, Json], found: Mapping[str, Json], actual: str) -> str:
    """The version as the program writes it, if it covers what runs or is pending for the window.

    Source: internal/service/rds/engine_version.go, compareActualEngineVersion.
    """
    own = text(kept, "engineVersion")
    waiting = text(record(found, "PendingModifiedValues"), "EngineVersion")
    if own and own == waiting:
        return own
    return own if own and actual.startswith(f"{own}.") else actual


def _restorable(kept: Mapping[str, Json], found: Mapping[str, Json]) -> str:
    """The value first read: it changes all the time, and two runs could never be compared."""
    if not number(found, "BackupRetentionPeriod"):
        return ""
    return text(kept, "latestRestorableTime") or text(found, "LatestRestorableTime")


def _only(found: Mapping[str, Json], key: str, name: str) -> str:
    """The name of the only member that PostgreSQL instances have in a list."""
    return next((text(member, name) for member in records(found, key)), "")


def _arn(cloud: Cloud, found: Mapping[str, Json]) -> str:
    return cloud.arn("rds", f"db:{text(found, 'DBInstanceIdentifier')}")


def _whole(values: Mapping[str, Json], key: str) -> float:
    value = values.get(key)
    return value if isinstance(value, int | float) else 0
