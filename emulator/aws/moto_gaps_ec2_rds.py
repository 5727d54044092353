"""What moto lacks or gets wrong in the later life of EC2's and RDS's resources, fixed in moto itself.

A handler can refuse what AWS refuses, but it can't keep AWS's state, which lives where moto's data is, for
every handler and for the `aws` command. So this runs in that process.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

from emulator.aws import moto_gaps_restores
from emulator.aws import rds_catalogue as catalogue
from emulator.aws.regions import find_region

if TYPE_CHECKING:
    from moto.core.responses import ActionResult
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.availability_zones_and_regions import Zone
    from moto.ec2.models.security_groups import SecurityGroupBackend, SecurityGroupRule
    from moto.ec2.models.subnets import Subnet
    from moto.rds.models import DBInstance, DBSubnetGroup, RDSBackend
    from moto.rds.responses import RDSResponse

PASSWORD_TAG = "aws:rehearsal:password"  # noqa: S105
"""A tag on each instance with the fingerprint of the current master password.

The provider ignores tags whose keys begin with `aws:`, like AWS's own.
"""

_NOTE = "rehearsal_note"
"""The attribute in which a rule for a prefix list keeps its description."""

# What waits for the maintenance window unless ApplyImmediately is set, and its name in PendingModifiedValues.
# Everything else is applied as soon as possible in any case.
# Source: RDS user guide, "Settings for DB instances".
_WAITS: Mapping[str, str | None] = {
    "allocated_storage": "AllocatedStorage",
    "ca_certificate_identifier": "CACertificateIdentifier",
    "db_instance_class": "DBInstanceClass",
    "db_subnet_group_name": "DBSubnetGroupName",
    "dedicated_log_volume": "DedicatedLogVolume",
    "enable_iam_database_authentication": "IAMDatabaseAuthenticationEnabled",
    "engine_version": "EngineVersion",
    "iops": "Iops",
    "license_model": "LicenseModel",
    "multi_az": "MultiAZ",
    "network_type": None,
    "new_db_instance_identifier": "DBInstanceIdentifier",
    "option_group_name": None,
    "storage_throughput": "StorageThroughput",
    "storage_type": "StorageType",
}

# Parameters whose attributes moto names differently, so that DescribeDBInstances doesn't return them.
_ATTRIBUTES = {"db_port_number": "port", "enable_performance_insights": "performance_insights_enabled"}

# Parameters that moto accepts on creation and then drops.
_FORGOTTEN = (
    "backup_target",
    "database_insights_mode",
    "dedicated_log_volume",
    "enable_performance_insights",
    "engine_lifecycle_support",
    "network_type",
    "performance_insights_kms_key_id",
    "performance_insights_retention_period",
)

# What counts as a storage change, which RDS accepts once in six hours. Source: RDS user guide, "Working with
# storage for Amazon RDS DB instances".
_STORAGE = frozenset({"allocated_storage", "iops", "storage_throughput", "storage_type"})
_OPTIMIZING = timedelta(hours=6)
# The statuses in which an instance accepts changes. Source: RDS user guide, "Viewing DB instance status".
_AVAILABLE = frozenset({"available", "storage-optimization"})

# Parameters that say which instance to change and how, not what.
_NO_CHANGES = frozenset({"allow_major_version_upgrade", "apply_immediately", "db_instance_identifier"})


@cache
def install() -> None:
    """Patch moto in this process, once."""
    _mend_zones()
    _mend_security_group_rules()
    _mend_subnet_groups()
    _mend_parameter_groups()
    _mend_instances()
    _mend_windows()
    moto_gaps_restores.install()


def _mend_zones() -> None:
    """moto knows no local or wavelength zones: those with a subnet in them exist."""
    from moto.ec2.models import EC2Backend

    find = cast("Callable[..., list[Zone]]", EC2Backend.describe_availability_zones)

    def describe_availability_zones(self: EC2Backend, *args: object, **given: object) -> list[Zone]:
        # moto itself calls this while it creates the backend, which has no subnets yet.
        by_zone = cast("dict[str, dict[str, Subnet]]", vars(self).get("subnets", {}))
        subnets = [subnet for of_zone in by_zone.values() for subnet in of_zone.values()]
        used = [cast("Zone", vars(subnet)["_availability_zone"]) for subnet in subnets]
        known = self.zones.get(self.region_name, [])
        by_name = {zone.name: zone for zone in (*known, *used)}
        with patch.dict(self.zones, {self.region_name: list(by_name.values())}):
            return find(self, *args, **given)

    patch.object(EC2Backend, "describe_availability_zones", describe_availability_zones).start()


def _mend_windows() -> None:
    """In moto, a window that begins when the other ends overlaps it."""
    from moto.rds import utils

    overlap = utils.get_overlap_between_two_date_ranges

    def overlap_in_seconds(*ranges: datetime) -> int:
        return overlap(*ranges) or -1

    patch.object(utils, "get_overlap_between_two_date_ranges", overlap_in_seconds).start()


def fingerprint(resource_id: str, password: str) -> str:
    """The value of PASSWORD_TAG for a password of the instance with this DbiResourceId."""
    return _digest(f"{resource_id}/{password}")


def _mend_security_group_rules() -> None:
    """moto only modifies IPv4 rules, and drops the descriptions of rules without an address range."""
    from moto.ec2.models.security_groups import SecurityGroupBackend, SecurityGroupRule

    modify = SecurityGroupBackend.modify_security_group_rules

    def modify_security_group_rules(
        self: SecurityGroupBackend, group_id: str, rules: dict[str, dict[str, object]]
    ) -> None:
        for wanted in rules.values():
            # Ports mean nothing with protocol -1, but moto requires them.
            if wanted.get("IpProtocol") == "-1":
                wanted |= {"FromPort": -1, "ToPort": -1}
        modify(self, group_id, rules)
        group = self.get_security_group_by_name_or_id(group_id)
        for rule_id, wanted in rules.items():
            rule = group.get_rule(rule_id) if group else None
            if rule is not None:
                _complete_rule(rule, {key: str(value) for key, value in wanted.items() if value is not None})

    make = SecurityGroupRule.__init__

    def __init__(self: SecurityGroupRule, *args: object, **given: object) -> None:  # noqa: N807
        cast("Callable[..., None]", make)(self, *args, **given)
        # Positional, as moto passes it, or by name.
        prefix_list = cast("dict[str, str] | None", args[7] if len(args) > 7 else given.get("prefix_list_id"))
        setattr(self, _NOTE, (prefix_list or {}).get("Description"))

    def description(self: SecurityGroupRule) -> str | None:
        notes = (self.ip_range.get("Description"), self.source_group.get("Description"))
        return next((note for note in (*notes, getattr(self, _NOTE, None)) if note), None)

    patch.object(SecurityGroupBackend, "modify_security_group_rules", modify_security_group_rules).start()
    patch.object(SecurityGroupRule, "__init__", __init__).start()
    patch.object(SecurityGroupRule, "description", property(description)).start()


def _complete_rule(rule: SecurityGroupRule, wanted: Mapping[str, str]) -> None:
    if rule.ip_protocol == "-1":
        rule.from_port = rule.to_port = None
    rule.ip_range.pop("Description", None)
    note = {"Description": wanted["Description"]} if wanted.get("Description") else {}
    if "ReferencedGroupId" in wanted:
        owner = rule.owner_id
        rule.source_group = {
            "GroupId": wanted["ReferencedGroupId"],
            "OwnerId": owner,
            "UserId": owner,
            **note,
        }
        return
    if "PrefixListId" in wanted:
        rule.prefix_list_id = wanted["PrefixListId"]
        setattr(rule, _NOTE, wanted.get("Description"))
        return
    if "CidrIpv6" in wanted:
        rule.ip_range["CidrIpv6"] = wanted["CidrIpv6"]
    rule.ip_range |= note


def _mend_subnet_groups() -> None:
    """moto deletes the group that it modifies, and accepts any subnets for it."""
    from moto.rds.exceptions import RDSClientError
    from moto.rds.models import RDSBackend

    modify = RDSBackend.modify_db_subnet_group

    def modify_db_subnet_group(
        self: RDSBackend, subnet_name: str, description: str, subnets: list[Subnet]
    ) -> DBSubnetGroup:
        (group,) = self.describe_db_subnet_groups(subnet_name)  # raises AWS's error if there is none
        # Both messages: terraform-provider-aws #27459, #36441.
        if {subnet.vpc_id for subnet in subnets} - {group.vpc_id}:
            message = "The new Subnets are not in the same Vpc as the existing subnet group"
            raise RDSClientError("InvalidParameterValue", message)
        members = [one for one in self.databases.values() if _group_of(one) == subnet_name]
        lived_in = {home for one in members for home in _homes(one)}
        if gone := sorted(lived_in - {subnet.id for subnet in subnets}):
            message = f"Some of the subnets to be deleted are currently in use: {', '.join(gone)}"
            raise RDSClientError("SubnetAlreadyInUse", message)
        group = modify(self, subnet_name, description, subnets)
        self.subnet_groups[subnet_name] = group
        return group

    patch.object(RDSBackend, "modify_db_subnet_group", modify_db_subnet_group).start()


def _group_of(instance: DBInstance) -> str | None:
    group = getattr(instance, "db_subnet_group", None)
    return group.name if group else None


def _homes(instance: DBInstance) -> list[str]:
    """The subnets that the instance and its standby live in."""
    return cast("list[str]", vars(instance).get("rehearsal_homes", []))


def _settle(instance: DBInstance, homes: list[str]) -> None:
    """Choose a subnet of the group for the instance and one in another zone for its standby, if it has none.

    Source: RDS user guide, "Working with a DB instance in a VPC".
    """
    group = getattr(instance, "db_subnet_group", None)
    if group is None:
        return
    zones = {
        str(subnet["SubnetIdentifier"]): str(subnet["SubnetAvailabilityZone"]["Name"])
        for subnet in group.subnets
    }
    # Preferably where it is, else in its zone, else anywhere.
    own = min(zones, key=lambda id_: (id_ not in homes[:1], zones[id_] != instance.availability_zone, id_))
    instance.availability_zone = zones[own]
    others = [id_ for id_ in zones if zones[id_] != zones[own]] if instance.multi_az else []
    standby = min(others, key=lambda id_: (id_ not in homes[1:], id_), default=None)
    instance.rehearsal_homes = [own, *([standby] if standby else [])]  # type: ignore[attr-defined]


def _mend_parameter_groups() -> None:
    """moto has no ResetDBParameterGroup, and always returns how a parameter was set."""

    from moto.core.responses import ActionResult
    from moto.rds.exceptions import DBParameterGroupNotFoundError
    from moto.rds.models import DBParameterGroup
    from moto.rds.responses import RDSResponse

    def reset_db_parameter_group(self: RDSResponse) -> ActionResult:
        name = str(self.params["DBParameterGroupName"])
        groups = self.backend.db_parameter_groups
        if name not in groups:
            raise DBParameterGroupNotFoundError(name)
        group = groups[name]
        if self.params.get("ResetAllParameters"):
            group.parameters.clear()
        for parameter in self.params.get("Parameters", []):
            group.parameters.pop(parameter["ParameterName"], None)
        return ActionResult({"DBParameterGroupName": name})

    update = DBParameterGroup.update_parameters

    def update_parameters(self: DBParameterGroup, new_parameters: list[dict[str, str]]) -> None:
        update(self, new_parameters)
        # RDS returns a parameter with its family's default as pending-reboot, however it was set:
        # terraform-provider-aws, documentation of aws_db_parameter_group, "Problematic Plan Changes".
        forced = self.parameters.get("rds.force_ssl")
        if forced and forced["ParameterValue"] == _default_of_force_ssl(str(self.family)):
            forced["ApplyMethod"] = "pending-reboot"

    patch.object(DBParameterGroup, "update_parameters", update_parameters).start()
    patch.object(RDSResponse, "reset_db_parameter_group", reset_db_parameter_group, create=True).start()


def _default_of_force_ssl(family: str) -> str:
    """Source: RDS user guide, "Using SSL with a PostgreSQL DB instance"."""
    return "1" if int(family.removeprefix("postgres")) >= 15 else "0"


def _mend_instances() -> None:
    """Instances keep an id of their own, everything they were given, and what waits for the window."""
    from moto.rds.exceptions import DBInstanceAlreadyExists, DBSnapshotAlreadyExistsError
    from moto.rds.models import DBInstance, RDSBackend

    make, modify, save = DBInstance.__init__, RDSBackend.modify_db_instance, DBInstance.save_automated_backup

    def __init__(self: DBInstance, backend: RDSBackend, *args: object, **given: object) -> None:  # noqa: N807
        cast("Callable[..., None]", make)(self, backend, *args, **given)
        # moto gives every instance the same one.
        self.dbi_resource_id = f"db-{base64.b32encode(secrets.token_bytes(17)).decode()[:26]}"
        for parameter in _FORGOTTEN:
            if given.get(parameter) is not None:
                setattr(self, _ATTRIBUTES.get(parameter, parameter), given[parameter])
        _fill_in(self, has_own_key=bool(given.get("kms_key_id")))

    def modify_db_instance(
        self: RDSBackend, db_instance_identifier: str, db_kwargs: Mapping[str, object]
    ) -> DBInstance:
        instance = self.describe_db_instances(db_instance_identifier)[0]
        asked = _asked(instance, db_kwargs)
        if str(asked.get("new_db_instance_identifier", "")) in self.databases:  # moto would overwrite it
            raise DBInstanceAlreadyExists
        changes = _due(instance, asked, is_immediate=db_kwargs.get("apply_immediately") is True)
        if any(_value(instance, key) != changes[key] for key in _STORAGE & changes.keys()):
            _change_storage(instance)
        changes = {_ATTRIBUTES.get(key, key): value for key, value in changes.items()}
        # The storage type first, since moto drops a throughput that the type doesn't support.
        storage = {"storage_type": changes.pop("storage_type")} if "storage_type" in changes else {}
        own = {"db_instance_identifier": instance.db_instance_identifier}
        changed = modify(self, instance.db_instance_identifier, {**own, **storage, **changes})
        _settle(changed, [] if "db_subnet_group_name" in changes else _homes(changed))
        _complete(changed)
        return changed

    def save_automated_backup(self: DBInstance) -> None:
        # moto names backups by the minute, so a second instance of the same name within it would be refused.
        try:
            save(self)
        except DBSnapshotAlreadyExistsError:
            self.add_event("DB_INSTANCE_BACKUP_FINISH")

    patch.object(DBInstance, "__init__", __init__).start()
    patch.object(DBInstance, "address", property(_address)).start()
    patch.object(DBInstance, "save_automated_backup", save_automated_backup).start()
    patch.object(RDSBackend, "modify_db_instance", modify_db_instance).start()


def _asked(instance: DBInstance, given: Mapping[str, object]) -> dict[str, object]:
    """What a modification asks for, as RDS interprets it: full versions, and growth by at least a tenth.

    Source: RDS API reference, ModifyDBInstance. Raises RDS's error if the instance isn't available.
    """
    from moto.rds.exceptions import RDSClientError

    if instance.status not in _AVAILABLE:
        raise RDSClientError("InvalidDBInstanceState", "Database instance is not in available state.")
    asked = {key: value for key, value in given.items() if key not in _NO_CHANGES and value is not None}
    for key in {"allocated_storage", "iops"} & asked.keys():
        now, wanted = int(_value(instance, key) or 0), int(cast("str | int", asked[key]))
        asked[key] = max(wanted, -(-now * 11 // 10)) if wanted > now else wanted
    if "engine_version" in asked:
        version = str(asked["engine_version"])
        asked["engine_version"] = catalogue.full_version(version) or version
    return asked


def _fill_in(instance: DBInstance, *, has_own_key: bool) -> None:
    """Set what RDS chooses for a new instance if it wasn't specified, or not exactly."""
    instance.engine_version = catalogue.full_version(instance.engine_version) or instance.engine_version
    if instance.ca_certificate_identifier not in catalogue.CA_IDENTIFIERS:
        instance.ca_certificate_identifier = catalogue.DEFAULT_CA_IDENTIFIER
    if instance.storage_encrypted and not has_own_key:
        instance.kms_key_id = _own_key(instance)
    _settle(instance, [])
    _complete(instance)


def _complete(instance: DBInstance) -> None:
    """Set what follows from an instance's current settings."""
    instance.license_model = "postgresql-license"
    if instance.option_group_name.startswith("default:"):
        instance.option_group_name = f"default:postgres-{instance.engine_version.partition('.')[0]}"
    _give_baseline(instance)
    _note_password(instance)
    _open_log_groups(instance)


def _own_key(instance: DBInstance) -> str:
    """The account's own key for RDS, which is used if no other is given."""
    digest = _digest(f"{instance.account_id}/{instance.region}/rds")
    key = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
    partition = find_region(instance.region).partition
    return f"arn:{partition}:kms:{instance.region}:{instance.account_id}:key/{key}"


def _address(instance: DBInstance) -> str:
    """`<identifier>.<account's part>.<region>.rds.amazonaws.com`.

    In China the service comes before the region.
    """
    region = find_region(instance.region)
    part = "c" + _digest(f"{instance.account_id}/{instance.region}")[:11]
    service = f"rds.{instance.region}" if region.partition == "aws-cn" else f"{instance.region}.rds"
    return f"{instance.db_instance_identifier}.{part}.{service}.{region.dns_suffix}"


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _give_baseline(instance: DBInstance) -> None:
    """Raise IOPS and throughput to the minimum of a gp3 volume, by its size.

    Source: RDS user guide, "Amazon RDS DB instance storage", gp3 storage.
    """
    if instance.storage_type != "gp3":
        return
    threshold = catalogue.STORAGE["gp3"].tunable_from
    if threshold and instance.allocated_storage < threshold:
        iops, throughput = catalogue.GP3_SMALL
    else:
        iops, throughput = catalogue.GP3_IOPS.start, catalogue.GP3_THROUGHPUT.start
    instance.iops = str(max(int(instance.iops or 0), iops))
    instance.storage_throughput = max(instance.storage_throughput or 0, throughput)


def _value(instance: DBInstance, key: str) -> str | int | None:
    value = getattr(instance, key)
    return int(value) if key == "iops" and value else value


def _change_storage(instance: DBInstance) -> None:
    """Note a storage change; raises RDS's error while it is still working on the last one."""
    from moto.rds.exceptions import RDSClientError

    last: datetime | None = vars(instance).get("rehearsal_storage_changed")
    now = datetime.now(UTC)
    if last and now < last + _OPTIMIZING:
        message = (
            "You can't currently modify the storage of this DB instance because the previous storage change "
            "is being optimized."
        )
        raise RDSClientError("InvalidParameterCombination", message)
    instance.rehearsal_storage_changed = now  # type: ignore[attr-defined]


def _open_log_groups(instance: DBInstance) -> None:
    """RDS creates a log group for each log that it exports, without retention, and never deletes one.

    Source: terraform-provider-aws #5348.
    """
    from moto.logs.models import logs_backends

    backend = logs_backends[instance.account_id][instance.region]
    for log in instance.enabled_cloudwatch_logs_exports:
        name = f"/aws/rds/instance/{instance.db_instance_identifier}/{log}"
        if name not in backend.groups:
            backend.create_log_group(name, {})


def _due(instance: DBInstance, asked: Mapping[str, object], *, is_immediate: bool) -> dict[str, object]:
    """What a modification changes now; the rest is queued for the window.

    An immediate one also applies the queue. Source: RDS user guide, "Using the schedule modifications
    setting".
    """
    queue: dict[str, object] = getattr(instance, "rehearsal_queue", {})
    if is_immediate:
        due, queue = {**queue, **asked}, {}
    else:
        later = {key: value for key, value in asked.items() if _waits(instance, key, asked)}
        queue = {**queue, **later}
        due = {key: value for key, value in asked.items() if key not in later}
    pending = {_WAITS[key]: value for key, value in queue.items() if _WAITS.get(key)}
    instance.rehearsal_queue = queue  # type: ignore[attr-defined]
    instance.pending_modified_values = pending  # type: ignore[attr-defined]
    return due


def _waits(instance: DBInstance, key: str, asked: Mapping[str, object]) -> bool:
    if key == "backup_retention_period":  # switching backups on or off
        return (instance.backup_retention_period == 0) != (asked[key] == 0)
    if key == "db_parameter_group_name":  # a new major version's group is applied with the upgrade
        return "engine_version" in asked
    return key in _WAITS


def _note_password(instance: DBInstance) -> None:
    password = getattr(instance, "_master_user_password", None)
    if password:
        mark = fingerprint(instance.dbi_resource_id, password)
        instance.add_tags([{"Key": PASSWORD_TAG, "Value": mark}])
