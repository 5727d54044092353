"""What production also needs: protection, backups, standbys."""

import re
from collections.abc import Iterator

from maestro_stack.constraints import FULL_SHA, PRODUCTION_BACKUP_DAYS_MIN
from maestro_stack.schema import Json
from policies import types
from policies.rule import Circumstances, Resource, Rule, Severity

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def _protected(resource: Resource, _: Circumstances) -> Iterator[str]:
    if not resource.protect:
        yield "it isn't protected, so a mistake in the program can delete or replace it"


def _deletion_protection(resource: Resource, _: Circumstances) -> Iterator[str]:
    if resource.inputs.get("deletionProtection") is not True:
        yield "RDS lets it be deleted"


def _backups(resource: Resource, _: Circumstances) -> Iterator[str]:
    days = resource.inputs.get("backupRetentionPeriod")
    kept = days if isinstance(days, int | float) else 0
    if kept < PRODUCTION_BACKUP_DAYS_MIN:
        yield f"its backups are kept for {kept:g} days, not {PRODUCTION_BACKUP_DAYS_MIN} or more"


def _final_snapshot(resource: Resource, _: Circumstances) -> Iterator[str]:
    inputs = resource.inputs
    if inputs.get("skipFinalSnapshot") is not False or not inputs.get("finalSnapshotIdentifier"):
        yield "no snapshot is taken when it is deleted"


def _standby(resource: Resource, _: Circumstances) -> Iterator[str]:
    if resource.inputs.get("multiAz") is not True:
        yield "it has no standby in another zone"


def _value(resource: Resource, section: str, key: str) -> Json:
    """One of the release's chart values."""
    values = resource.inputs.get("values")
    found = values.get(section) if isinstance(values, dict) else None
    return found.get(key) if isinstance(found, dict) else None


def _count(resource: Resource, key: str) -> float:
    value = _value(resource, "deployment", key)
    return value if isinstance(value, int | float) else 0


def _replicas(resource: Resource, _: Circumstances) -> Iterator[str]:
    if _count(resource, "replicas") < 2:
        yield "it has one pod, so each restart is an outage"


def _zones(resource: Resource, _: Circumstances) -> Iterator[str]:
    if _count(resource, "zoneCount") < 2:
        yield "its pods aren't spread over zones"


def _pinned_image(resource: Resource, _: Circumstances) -> Iterator[str]:
    digest, tag = _value(resource, "image", "digest"), _value(resource, "image", "tag")
    is_digest = isinstance(digest, str) and _DIGEST.fullmatch(digest)
    if not is_digest and not (isinstance(tag, str) and FULL_SHA.fullmatch(tag)):
        yield "its image has neither a digest nor a full commit's tag, and can change under the same name"


RULES = (
    Rule(
        name="protected-in-production",
        requires="The database and the secrets are protected by Pulumi.",
        severity=Severity.HIGH,
        reads={types.INSTANCE: (), types.SECRET: ()},
        check=_protected,
        remedy="Set protect in the resource's options.",
        source='Pulumi, resource options: "protect"',
        in_production_only=True,
    ),
    Rule(
        name="deletion-protection-in-production",
        requires="RDS refuses to delete the database.",
        severity=Severity.HIGH,
        reads={types.INSTANCE: ("deletionProtection",)},
        check=_deletion_protection,
        remedy="Remove database.deletionProtection from the stack's file.",
        source='RDS user guide, "Deleting a DB instance"',
        in_production_only=True,
        setting="database.deletionProtection",
    ),
    Rule(
        name="backups-in-production",
        requires=f"Automated backups are kept for {PRODUCTION_BACKUP_DAYS_MIN} days or more.",
        severity=Severity.HIGH,
        reads={types.INSTANCE: ("backupRetentionPeriod",)},
        check=_backups,
        remedy=f"Set database.backupRetentionDays to {PRODUCTION_BACKUP_DAYS_MIN} or more.",
        source='RDS user guide, "Backup retention period"',
        in_production_only=True,
        setting="database.backupRetentionDays",
    ),
    Rule(
        name="final-snapshot-in-production",
        requires="A snapshot is taken when the database is deleted.",
        severity=Severity.HIGH,
        reads={types.INSTANCE: ("skipFinalSnapshot", "finalSnapshotIdentifier")},
        check=_final_snapshot,
        remedy="Set skip_final_snapshot to false, and final_snapshot_identifier.",
        source='RDS user guide, "Deleting a DB instance"',
        in_production_only=True,
    ),
    Rule(
        name="standby-in-production",
        requires="The database has a standby in another zone.",
        severity=Severity.HIGH,
        reads={types.INSTANCE: ("multiAz",)},
        check=_standby,
        remedy="Remove database.multiAz from the stack's file.",
        source='RDS user guide, "Configuring and managing a Multi-AZ deployment"',
        in_production_only=True,
        setting="database.multiAz",
    ),
    Rule(
        name="replicas-in-production",
        requires="The server has two pods or more.",
        severity=Severity.HIGH,
        reads={types.RELEASE: ("values.deployment.replicas",)},
        check=_replicas,
        remedy="Set server.replicas to 2 or more.",
        source='Kubernetes, "Disruptions"',
        in_production_only=True,
        setting="server.replicas",
    ),
    Rule(
        name="zones-in-production",
        requires="The server's pods are spread over zones.",
        severity=Severity.MEDIUM,
        reads={types.RELEASE: ("values.deployment.zoneCount",)},
        check=_zones,
        remedy="Set server.zoneCount to 2 or more.",
        source='Kubernetes, "Pod Topology Spread Constraints"',
        in_production_only=True,
        setting="server.zoneCount",
    ),
    Rule(
        name="pinned-image-in-production",
        requires="The server's image is named by a digest or by a full commit's tag.",
        severity=Severity.MEDIUM,
        reads={types.RELEASE: ("values.image.digest", "values.image.tag")},
        check=_pinned_image,
        remedy="Set server.image.digest.",
        source='Kubernetes, "Images": image names',
        in_production_only=True,
        setting="server.image.tag",
    ),
)
