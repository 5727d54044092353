"""What moto lacks or gets wrong about RDS's backups: restores, automated backups, and their replication.

It lives in moto's own objects, as in `moto_gaps_ec2_rds`. Where a restore takes its values from: RDS API
reference, RestoreDBInstanceFromDBSnapshot and RestoreDBInstanceToPointInTime; RDS user guide, "Restoring a DB
instance to a specified time". Error codes are AWS's, messages are partly our own.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

from emulator.aws.regions import find_region

if TYPE_CHECKING:
    from moto.rds.models import DBInstance, DBSnapshot, RDSBackend

# Attributes that a restored instance gets from its source, unless the request sets them. All others have
# RDS's defaults: one zone, the default groups, no protection, no logs.
_FROM_SOURCE = (
    "allocated_storage", "backup_retention_period", "db_instance_class", "db_name", "engine",
    "engine_version", "iops", "license_model", "master_username", "port", "storage_encrypted",
    "storage_throughput", "storage_type",
)  # fmt: skip
# Parameters of the two calls that say what to restore.
_SOURCES = frozenset({
    "db_snapshot_identifier", "restore_time", "source_db_instance_automated_backups_arn",
    "source_db_instance_identifier", "source_dbi_resource_id", "target_db_instance_identifier",
    "use_latest_restorable_time",
})  # fmt: skip


@dataclass
class Backup:
    """One instance's automated backups in one region."""

    arn: str
    database: DBInstance
    retention: int
    """Days."""
    kms_key_id: str | None
    since: datetime
    until: datetime | None = None
    """None while the instance exists and the backups continue."""
    is_replica: bool = False

    @property
    def latest(self) -> datetime:
        """The latest time to which it can be restored."""
        return self.until or latest_since(self.since)

    @property
    def earliest(self) -> datetime:
        """The earliest time to which it can be restored."""
        return max(self.since, self.latest - timedelta(days=self.retention))

    def described(self) -> dict[str, object]:
        """As in DescribeDBInstanceAutomatedBackups."""
        source = self.database
        status = "retained" if self.until else "replicating" if self.is_replica else "active"
        return {
            "AllocatedStorage": source.allocated_storage,
            "BackupRetentionPeriod": self.retention,
            "DBInstanceArn": source.db_instance_arn,
            "DBInstanceAutomatedBackupsArn": self.arn,
            "DBInstanceIdentifier": source.db_instance_identifier,
            "DbiResourceId": source.dbi_resource_id,
            "Encrypted": source.storage_encrypted,
            "Engine": source.engine,
            "EngineVersion": source.engine_version,
            "InstanceCreateTime": source.created,
            "KmsKeyId": self.kms_key_id,
            "MasterUsername": source.master_username,
            "Port": source.port,
            "Region": source.region,
            "RestoreWindow": {"EarliestTime": self.earliest, "LatestTime": self.latest},
            "Status": status,
            "StorageType": source.storage_type,
        }


def install() -> None:
    """Patch moto in this process; `moto_gaps_ec2_rds` makes sure that this happens once."""
    _mend_restores()
    _mend_automated_backups()
    _mend_replication()


def _mend_restores() -> None:
    """moto takes everything from the source, and accepts any point in time."""
    from moto.rds.models import RDSBackend

    def restore_db_instance_from_db_snapshot(
        self: RDSBackend, from_snapshot_id: str, overrides: Mapping[str, object]
    ) -> DBInstance:
        snapshot = _snapshot(self, from_snapshot_id)
        return _restore(self, snapshot.database, snapshot.kms_key_id, overrides)

    def restore_db_instance_to_point_in_time(
        self: RDSBackend,
        source_db_identifier: str | None,
        target_db_identifier: str,
        overrides: Mapping[str, object],
    ) -> DBInstance:
        backup = _backup(self, source_db_identifier, overrides)
        _check_time(backup, overrides)
        named = {**overrides, "db_instance_identifier": target_db_identifier}
        return _restore(self, backup.database, backup.kms_key_id, named)

    for method in (restore_db_instance_from_db_snapshot, restore_db_instance_to_point_in_time):
        patch.object(RDSBackend, method.__name__, method).start()


def _mend_automated_backups() -> None:
    """moto returns little about them, and drops those of a deleted instance."""
    from moto.rds.models import RDSBackend

    delete = RDSBackend.delete_db_instance

    def delete_db_instance(self: RDSBackend, db_instance_identifier: str, **given: object) -> DBInstance:
        found = self.databases.get(db_instance_identifier)
        own = _own_backup(found) if found and found.backup_retention_period else None
        deleted = cast("Callable[..., DBInstance]", delete)(self, db_instance_identifier, **given)
        if own and given.get("delete_automated_backups") is False:
            _kept(self)[own.arn] = own
            _end(own)
        for replica in _replicas(deleted):
            _end(replica)
        return deleted

    def describe_db_instance_automated_backups(self: RDSBackend, **given: object) -> list[dict[str, object]]:
        wanted = {name: given[key] for key, name in _KEYS.items() if given.get(key)}
        described = [backup.described() for backup in _backups(self)]
        found = [each for each in described if wanted.items() <= each.items()]
        if wanted and not found:
            raise _no_backup(", ".join(map(str, wanted.values())))
        return found

    for method in (delete_db_instance, describe_db_instance_automated_backups):
        patch.object(RDSBackend, method.__name__, method).start()


def _mend_replication() -> None:
    """moto has neither of the two calls."""
    from moto.core.responses import ActionResult
    from moto.rds.responses import RDSResponse

    def start_db_instance_automated_backups_replication(self: RDSResponse) -> ActionResult:
        backup = _replicate(self.backend, cast("Mapping[str, object]", self.params))
        return ActionResult({"DBInstanceAutomatedBackup": backup.described()})

    def stop_db_instance_automated_backups_replication(self: RDSResponse) -> ActionResult:
        source = _source(self.backend, str(self.params["SourceDBInstanceArn"]))
        running = [backup for backup in _replicas(source) if backup.arn in _kept(self.backend)]
        if not running:
            message = f"DB instance {source.db_instance_identifier} is not replicating to the current region"
            raise _error("InvalidDBInstanceState", message)
        _end(running[0])
        _show_replicas(source)
        return ActionResult({"DBInstanceAutomatedBackup": running[0].described()})

    for action in (
        start_db_instance_automated_backups_replication,
        stop_db_instance_automated_backups_replication,
    ):
        patch.object(RDSResponse, action.__name__, action, create=True).start()


_KEYS = {
    "db_instance_automated_backups_arn": "DBInstanceAutomatedBackupsArn",
    "db_instance_identifier": "DBInstanceIdentifier",
    "dbi_resource_id": "DbiResourceId",
}
"""The parameters that select automated backups, and their keys in the answer."""


def keep_backups(account: str, region: str, identifier: str, arn: str) -> None:
    """Keep an instance's automated backups under an ARN, as if the instance were gone."""
    from moto.rds.models import rds_backends

    backend = rds_backends[account][region]
    own = replace(_own_backup(backend.databases[identifier]), arn=arn)
    own.database.dbi_resource_id = f"db-{_digest(arn).upper()}"
    _end(own)
    _kept(backend)[arn] = own


def _kept(backend: RDSBackend) -> dict[str, Backup]:
    """The backups whose instance is gone, or in another region."""
    return cast("dict[str, Backup]", vars(backend).setdefault("rehearsal_backups", {}))


def _backups(backend: RDSBackend) -> Iterator[Backup]:
    for instance in backend.databases.values():
        if instance.backup_retention_period:
            yield _own_backup(instance)
    yield from _kept(backend).values()


def _own_backup(instance: DBInstance) -> Backup:
    """The automated backups of an existing instance."""
    return Backup(
        arn=_backup_arn(instance, instance.region),
        database=copy.copy(instance),
        retention=instance.backup_retention_period,
        kms_key_id=instance.kms_key_id,
        since=utc(instance.created),
    )


def _backup_arn(instance: DBInstance, region: str) -> str:
    partition, digest = find_region(region).partition, _digest(f"{instance.dbi_resource_id}/{region}")
    return f"arn:{partition}:rds:{region}:{instance.account_id}:auto-backup:ab-{digest}"


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:26]


def _end(backup: Backup) -> None:
    backup.until = backup.latest


def latest_since(begin: datetime) -> datetime:
    """The latest time to which an existing instance can be restored, if its backups began at `begin`.

    RDS ships the log every five minutes. Source: RDS user guide, "Restoring … to a specified time".
    """
    return max(begin, _now() - timedelta(minutes=5))


# --- what is restored -----------------------------------------------------------------------------


def _snapshot(backend: RDSBackend, identifier: str) -> DBSnapshot:
    """The account's snapshot with this name, or by ARN another account's, if it is shared."""
    from moto.rds.exceptions import DBSnapshotNotFoundFault
    from moto.rds.models import rds_backends

    name, home = identifier, backend
    if identifier.startswith("arn:"):
        _, _, _, region, account, _, name = identifier.split(":", 6)
        if region != backend.region_name:
            message = f"The snapshot {identifier} is not in {backend.region_name}"
            raise _error("InvalidParameterValue", message)
        home = rds_backends[account][region]
    found = home.database_snapshots.get(name)
    is_shared = found is not None and bool(
        {backend.account_id, "all"} & {*found.attributes.get("restore", [])}
    )
    if found is None or (home is not backend and not is_shared):
        raise DBSnapshotNotFoundFault(identifier)
    if found.status != "available":
        message = f"The snapshot {identifier} is {found.status}, and must be available"
        raise _error("InvalidDBSnapshotState", message)
    return found


def _backup(backend: RDSBackend, identifier: str | None, given: Mapping[str, object]) -> Backup:
    arn = given.get("source_db_instance_automated_backups_arn")
    resource_id = given.get("source_dbi_resource_id")
    if identifier:
        [instance] = backend.describe_db_instances(identifier)  # raises AWS's error if there is none
        if not instance.backup_retention_period:
            message = f"Point-in-time restore is not enabled for {identifier}: it has no automated backups"
            raise _error("PointInTimeRestoreNotEnabled", message)
        return _own_backup(instance)
    for backup in _backups(backend):
        if arn == backup.arn or (resource_id and resource_id == backup.database.dbi_resource_id):
            return backup
    raise _no_backup(str(arn or resource_id))


def _check_time(backup: Backup, given: Mapping[str, object]) -> None:
    time = given.get("restore_time")
    if bool(time) == bool(given.get("use_latest_restorable_time")):
        message = "Specify either RestoreTime or UseLatestRestorableTime"
        raise _error("InvalidParameterCombination", message)
    if time:
        moment = utc(time if isinstance(time, datetime) else datetime.fromisoformat(str(time)))
        if not backup.earliest <= moment <= backup.latest:
            which, limit = "later", backup.latest
            if moment < backup.earliest:
                which, limit = "earlier", backup.earliest
            message = f"The specified instance cannot be restored to a time {which} than {limit:%FT%TZ}"
            raise _error("InvalidParameterValue", message)


def _restore(
    backend: RDSBackend, source: DBInstance, kms_key_id: str | None, given: Mapping[str, object]
) -> DBInstance:
    given = {key: value for key, value in given.items() if value is not None and key not in _SOURCES}
    _check_key(backend, kms_key_id)
    if str(given.get("engine", source.engine)).lower() != source.engine:
        message = f"The engine {given['engine']} isn't compatible with the source's, {source.engine}"
        raise _error("InvalidParameterCombination", message)
    _check_parameter_group(backend, source, str(given.get("db_parameter_group_name", "")))
    size = int(cast("str | int", given.get("allocated_storage", source.allocated_storage)))
    if size < source.allocated_storage:
        message = f"The allocated storage can't be less than the source's, {source.allocated_storage} GiB"
        raise _error("InvalidParameterValue", message)
    taken = {key: copy.copy(getattr(source, key)) for key in _FROM_SOURCE}
    password = getattr(source, "_master_user_password", None)
    own = {"kms_key_id": kms_key_id, "master_user_password": password, "availability_zone": None}
    return backend.create_db_instance({**taken, **own, **given})


def _check_key(backend: RDSBackend, arn: str | None) -> None:
    """A key that moto knows must be enabled; the account's own for RDS, unknown to it, always is."""
    from moto.kms.models import kms_backends
    from moto.rds.exceptions import KMSKeyNotAccessibleFault

    key = kms_backends[backend.account_id][backend.region_name].keys.get((arn or "").rpartition("/")[2])
    if key is not None and key.key_state != "Enabled":
        raise KMSKeyNotAccessibleFault(arn or "")


def _check_parameter_group(backend: RDSBackend, source: DBInstance, name: str) -> None:
    group = backend.db_parameter_groups.get(name)
    family = f"{source.engine}{source.engine_version.partition('.')[0]}"
    if group is not None and group.family != family:
        message = (
            f"The parameter group {name} with DBParameterGroupFamily {group.family} can't be used for this "
            f"instance. Use a parameter group with DBParameterGroupFamily {family}."
        )
        raise _error("InvalidParameterCombination", message)


# --- replication ----------------------------------------------------------------------------------


def _source(backend: RDSBackend, arn: str) -> DBInstance:
    """The instance with this ARN, in any region."""
    from moto.rds.exceptions import DBInstanceNotFoundError
    from moto.rds.models import rds_backends

    region, name = arn.split(":")[3], arn.rpartition(":")[2]
    found = rds_backends[backend.account_id][region].databases.get(name)
    if found is None:
        raise DBInstanceNotFoundError(name)
    return found


def _replicas(instance: DBInstance) -> list[Backup]:
    """The running replications of an instance, in all regions."""
    from moto.rds.models import rds_backends

    return [
        backup
        for backend in list(rds_backends[instance.account_id].values())
        for backup in _kept(backend).values()
        if backup.is_replica
        and not backup.until
        and backup.database.dbi_resource_id == instance.dbi_resource_id
    ]


def _show_replicas(instance: DBInstance) -> None:
    """Update what DescribeDBInstances says about replications."""
    arns = [{"DBInstanceAutomatedBackupsArn": backup.arn} for backup in _replicas(instance)]
    instance.db_instance_automated_backups_replications = arns  # type: ignore[attr-defined]


def _replicate(backend: RDSBackend, given: Mapping[str, object]) -> Backup:
    from moto.rds.exceptions import KMSKeyNotAccessibleFault

    source = _source(backend, str(given["source_db_instance_arn"]))
    name, key = source.db_instance_identifier, str(given.get("kms_key_id") or "")
    if source.region == backend.region_name:
        raise _error("InvalidParameterValue", f"The backups of {name} are in {source.region} already")
    if not source.backup_retention_period:
        raise _error("InvalidDBInstanceState", f"Automated backups of {name} are not enabled")
    if _replicas(source):
        raise _error("InvalidDBInstanceState", f"The backups of {name} are being replicated already")
    if source.storage_encrypted and not key:
        raise _error("InvalidParameterCombination", "Encrypted instances require a valid KMS key ID")
    if key and key.split(":")[3] != backend.region_name:
        raise KMSKeyNotAccessibleFault(key)
    _check_key(backend, key)
    arn = _backup_arn(source, backend.region_name)
    earlier = _kept(backend).get(arn)
    if earlier and earlier.kms_key_id != key:
        message = f"The backups of {name} that are kept here are under another key, {earlier.kms_key_id}"
        raise _error("InvalidParameterCombination", message)
    backup = Backup(
        arn=arn,
        database=copy.copy(source),
        retention=int(cast("str | int", given.get("backup_retention_period", 7))),
        kms_key_id=key or None,
        since=earlier.since if earlier else _now(),
        is_replica=True,
    )
    _kept(backend)[arn] = backup
    _show_replicas(source)
    return backup


def _error(code: str, message: str) -> Exception:
    from moto.rds.exceptions import RDSClientError

    return RDSClientError(code, message)


def _no_backup(what: str) -> Exception:
    return _error("DBInstanceAutomatedBackupNotFound", f"Automated backup {what} not found.")


def _now() -> datetime:
    return datetime.now(UTC)


def utc(moment: datetime) -> datetime:
    """The time to the second, as in RDS's answers; moto's times have no zone, and are UTC."""
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).replace(microsecond=0)
