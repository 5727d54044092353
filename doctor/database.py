"""database: can it be created, and is it as the program made it?"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from checks.finding import Findings
from common.json_values import Json, dig, flag, number, record, records, text
from doctor.case import Case, absent
from doctor.errors import AwsError
from doctor.question import Category, Question
from doctor.state import State
from maestro_stack.database import CA_CERTIFICATE, STORAGE_TYPE
from maestro_stack.schema import RestoreSettings
from maestro_stack.support import SOON
from policies import types

STANDARD = "open-source-rds-standard-support"
SYMMETRIC = "SYMMETRIC_DEFAULT"
STALE = timedelta(minutes=30)
"""RDS ships the log every five minutes. Source: RDS user guide, "Restoring … to a specified time"."""
_QUOTAS = {
    "DBInstances": "instances",
    "AllocatedStorage": "GiB of storage",
    "DBParameterGroups": "parameter groups",
    "DBSubnetGroups": "subnet groups",
}


def _orderable(case: Case, findings: Findings) -> None:
    """Whether RDS offers the class, engine, storage and Multi-AZ in the subnets' zones."""
    settings = case.settings.database
    version = settings.engine_version
    offers = [
        offer
        for offer in case.aws.records(
            "rds:DescribeOrderableDBInstanceOptions",
            "OrderableDBInstanceOptions",
            Engine="postgres",
            DBInstanceClass=settings.instance_class,
            Vpc=True,
        )
        if version in (text(offer, "EngineVersion"), text(offer, "EngineVersion").partition(".")[0])
        and text(offer, "StorageType") == STORAGE_TYPE
        and (flag(offer, "MultiAZCapable") or not settings.multi_az)
    ]
    what = f"PostgreSQL {version} on {settings.instance_class}{', Multi-AZ' if settings.multi_az else ''}"
    remedy = (
        "aws rds describe-orderable-db-instance-options --engine postgres --query "
        "'OrderableDBInstanceOptions[].[EngineVersion,DBInstanceClass]'; pulumi config set --path "
        "database.instanceClass CLASS"
    )
    if not offers:
        findings.fail(f"RDS doesn't offer {what} in {case.settings.region}", remedy)
        return
    offered = {text(zone, "Name") for offer in offers for zone in records(offer, "AvailabilityZones")}
    zones = {text(subnet, "AvailabilityZone") for subnet in case.subnets()}
    need = 2 if settings.multi_az else 1
    findings.expect(
        len(offered & zones) >= need,
        f"RDS offers {what} in {', '.join(sorted(offered & zones))}",
        f"RDS offers {what} in {', '.join(sorted(offered))}; the subnets are in {', '.join(sorted(zones))}",
        remedy,
    )


def _support(case: Case, findings: Findings) -> None:
    major = case.settings.database.engine_version.partition(".")[0]
    found = case.aws.records(
        "rds:DescribeDBMajorEngineVersions",
        "DBMajorEngineVersions",
        Engine="postgres",
        MajorEngineVersion=major,
    )
    ends = [
        text(each, "LifecycleSupportEndDate")
        for version in found
        for each in records(version, "SupportedEngineLifecycles")
        if text(each, "LifecycleSupportName") == STANDARD
    ]
    if not ends:
        findings.unverified(f"when RDS's standard support of PostgreSQL {major} ends", None)
        return
    end = date.fromisoformat(min(ends)[:10])
    findings.expect(
        end - datetime.now(UTC).date() > SOON,
        f"PostgreSQL {major} has RDS's standard support until {end}",
        f"RDS's standard support of PostgreSQL {major} ends on {end}",
        "pulumi config set --path database.engineVersion NEWER",
    )


def _quotas(case: Case, findings: Findings) -> None:
    """Whether the quotas leave room for one more database; one that exists needs no more."""
    if isinstance(case.state, State) and case.state.of_type(types.INSTANCE):
        findings.holds("the database is built, and needs no more of the quotas")
        return
    wanted = dict.fromkeys(_QUOTAS, 1)
    wanted["DBParameterGroups"] = 2  # for the version, and for the one before
    wanted["AllocatedStorage"] = case.settings.database.allocated_storage_gib
    for quota in case.aws.records("rds:DescribeAccountAttributes", "AccountQuotas"):
        name = text(quota, "AccountQuotaName")
        if name not in _QUOTAS:
            continue
        left = number(quota, "Max") - number(quota, "Used")
        findings.expect(
            left >= wanted[name],
            f"{left} more {_QUOTAS[name]} of {number(quota, 'Max')}",
            f"{left} more {_QUOTAS[name]} of {number(quota, 'Max')} are allowed, and {wanted[name]} needed",
            "aws service-quotas list-service-quotas --service-code rds; aws service-quotas "
            "request-service-quota-increase --service-code rds --quota-code CODE --desired-value NUMBER",
        )


def _keys(case: Case, findings: Findings) -> None:
    """Whether the KMS keys that are configured for the database and the secrets can be used."""
    settings = case.settings
    given = {"RDS": settings.database.kms_key_arn, "Secrets Manager": settings.credentials.kms_key_arn}
    for service, arn in given.items():
        if arn is None:
            findings.holds(f"{service} has a key of its own in the account")
            continue
        _judge_key(case, findings, service, arn)


def _judge_key(case: Case, findings: Findings, whose: str, arn: str) -> None:
    try:
        key = record(case.aws.call("kms:DescribeKey", KeyId=arn), "KeyMetadata")
    except AwsError as refusal:
        absent(refusal, "NotFoundException")
        findings.fail(f"there is no KMS key {arn}", "aws kms list-keys")
        return
    state, kind = text(key, "KeyState"), text(key, "KeySpec", SYMMETRIC)
    findings.expect(
        (state, kind) == ("Enabled", SYMMETRIC),
        f"{whose}'s key is enabled",
        f"KMS key {arn} is {state}, {kind}: {whose} needs an enabled symmetric one",
        f"aws kms cancel-key-deletion --key-id {arn}; aws kms enable-key --key-id {arn}",
    )


# --- what it is restored from --------------------------------------------------------------------


def _restorable(case: Case, findings: Findings) -> None:
    """Whether the snapshot, or a backup for the given time, exists and fits the stack."""
    restore = case.settings.database.restore_from
    if restore is None:
        findings.holds("the database isn't restored from a backup")
        return
    if isinstance(case.state, State) and case.state.of_type(types.INSTANCE):
        findings.holds("the database is built, and isn't restored again")
        return
    if restore.snapshot:
        what, source = f"snapshot {restore.snapshot}", _snapshot(case, restore.snapshot)
    else:
        what = (
            f"automated backup of {restore.instance}" if restore.instance else str(restore.automated_backup)
        )
        source = _backup(case, restore)
    if source is None:
        findings.fail(
            f"there is no {what} in {case.settings.region}",
            "aws rds describe-db-snapshots; aws rds describe-db-instance-automated-backups",
        )
        return
    _judge_source(case, findings, what, source)
    if not restore.snapshot:
        _judge_time(findings, what, restore, record(source, "RestoreWindow"))


def _snapshot(case: Case, identifier: str) -> dict[str, Json] | None:
    try:
        found = case.aws.records(
            "rds:DescribeDBSnapshots",
            "DBSnapshots",
            DBSnapshotIdentifier=identifier,
            IncludeShared=identifier.startswith("arn:"),
        )
    except AwsError as refusal:
        absent(refusal, "DBSnapshotNotFound", "DBSnapshotNotFoundFault")
        return None
    return next(iter(found), None)


def _backup(case: Case, restore: RestoreSettings) -> dict[str, Json] | None:
    wanted: dict[str, Json] = {"DBInstanceIdentifier": restore.instance}
    if restore.automated_backup:
        wanted = {"DBInstanceAutomatedBackupsArn": restore.automated_backup}
    try:
        found = case.aws.records(
            "rds:DescribeDBInstanceAutomatedBackups", "DBInstanceAutomatedBackups", **wanted
        )
    except AwsError as refusal:
        absent(refusal, "DBInstanceAutomatedBackupNotFound", "DBInstanceAutomatedBackupNotFoundFault")
        return None
    return next(iter(found), None)


def _judge_source(case: Case, findings: Findings, what: str, source: Mapping[str, Json]) -> None:
    settings, version = case.settings.database, text(source, "EngineVersion")
    size, wanted = number(source, "AllocatedStorage"), settings.allocated_storage_gib
    user, key = text(source, "MasterUsername"), text(source, "KmsKeyId")
    engine, status = text(source, "Engine"), text(source, "Status").lower()
    major, wanted_major = version.partition(".")[0], settings.engine_version.partition(".")[0]
    for holds, problem, remedy in (
        (
            status in ("available", "active", "retained", "replicating"),
            f"is {status}, and can't be restored yet",
            "aws rds wait db-snapshot-available --db-snapshot-identifier ID",
        ),
        (engine == "postgres", f"is of {engine}, and not of PostgreSQL", "aws rds describe-db-snapshots"),
        (
            major == wanted_major,
            f"is of PostgreSQL {version}, and database.engineVersion is {settings.engine_version}",
            f"pulumi config set --path database.engineVersion {major}",
        ),
        (
            flag(source, "Encrypted"),
            "isn't encrypted, and neither would be the database",
            "aws rds copy-db-snapshot --kms-key-id KEY",
        ),
        (
            size <= wanted,
            f"needs {size} GiB, and database.allocatedStorageGiB is {wanted}",
            f"pulumi config set --path database.allocatedStorageGiB {size}",
        ),
        (
            user == settings.username,
            f"has the master user {user}, and database.username is {settings.username}",
            f"pulumi config set --path database.username {user}",
        ),
        (
            settings.kms_key_arn in (None, key),
            f"is encrypted with {key}, and database.kmsKeyArn is {settings.kms_key_arn}",
            f"pulumi config set --path database.kmsKeyArn {key}",
        ),
    ):
        if not holds:
            findings.fail(f"{what} {problem}", remedy)
    if key and settings.kms_key_arn is None:
        _judge_key(case, findings, "the backup", key)
    findings.holds(f"{what} is there: PostgreSQL {version}, {size} GiB, {user}")


def _judge_time(findings: Findings, what: str, restore: RestoreSettings, window: Mapping[str, Json]) -> None:
    earliest, latest = text(window, "EarliestTime"), text(window, "LatestTime")
    if not latest:
        findings.fail(f"{what} has no backup yet", "aws rds describe-db-instance-automated-backups")
    elif restore.time:
        moment = datetime.fromisoformat(restore.time)
        findings.expect(
            datetime.fromisoformat(earliest) <= moment <= datetime.fromisoformat(latest),
            f"{what} goes back to {restore.time}",
            f"{what} can be restored from {earliest} to {latest}, and not to {restore.time}",
            "pulumi config set --path database.restoreFrom.time TIME",
        )


# --- after ---------------------------------------------------------------------------------------


def _instance(case: Case) -> dict[str, Json] | None:
    try:
        [found] = case.aws.records(
            "rds:DescribeDBInstances", "DBInstances", DBInstanceIdentifier=case.names.database
        )
    except AwsError as refusal:
        absent(refusal, "DBInstanceNotFound")
        return None
    return found


def _available(case: Case, findings: Findings) -> None:
    if not case.has_built(types.INSTANCE):
        return
    name, instance = case.names.database, _instance(case)
    if instance is None:
        findings.fail(f"there is no database {name}", "pulumi refresh; pulumi up")
        return
    status = text(instance, "DBInstanceStatus")
    # What RDS does while the database stays available. Source: RDS user guide, "Viewing DB instance status".
    serving = ("available", "backing-up", "storage-optimization", "configuring-enhanced-monitoring")
    findings.expect(
        status in serving,
        f"database {name} is {status}",
        f"database {name} is {status}",
        f"aws rds describe-events --source-type db-instance --source-identifier {name} --duration 1440",
    )


def _tls(case: Case, findings: Findings) -> None:
    instance = _instance(case)
    if instance is None:
        return
    group = text(records(instance, "DBParameterGroups")[0], "DBParameterGroupName")
    forced = [
        text(each, "ParameterValue")
        for each in case.aws.records("rds:DescribeDBParameters", "Parameters", DBParameterGroupName=group)
        if text(each, "ParameterName") == "rds.force_ssl"
    ]
    findings.expect(
        forced == ["1"],
        f"it refuses connections without TLS ({group})",
        f"{group} doesn't set rds.force_ssl=1: connections without TLS are taken",
        "pulumi refresh; pulumi up",
    )
    ca = text(instance, "CACertificateIdentifier")
    findings.expect(
        ca == CA_CERTIFICATE,
        f"its certificate is signed by {ca}, which the chart ships",
        f"its certificate is signed by {ca}, and the server trusts {CA_CERTIFICATE}",
        f"aws rds modify-db-instance --db-instance-identifier {case.names.database} "
        f"--ca-certificate-identifier {CA_CERTIFICATE} --apply-immediately",
    )


def _admits(case: Case, findings: Findings) -> None:
    """Whether the database's security groups, as they are now, admit the pods."""
    instance = _instance(case)
    if instance is None:
        return
    own: list[Json] = [text(each, "VpcSecurityGroupId") for each in records(instance, "VpcSecurityGroups")]
    rules = case.aws.records(
        "ec2:DescribeSecurityGroupRules",
        "SecurityGroupRules",
        Filters=[{"Name": "group-id", "Values": own}],
    )
    ingress = [each for each in rules if not flag(each, "IsEgress")]
    groups = {text(record(each, "ReferencedGroupInfo"), "GroupId") for each in ingress}
    admitted = {*groups, *(text(each, key) for each in ingress for key in ("CidrIpv4", "CidrIpv6"))} - {""}
    missing = sorted({*case.admitted_groups(), *case.settings.network.client_cidrs} - admitted)
    findings.expect(
        not missing,
        f"it admits {', '.join(sorted(admitted))}",
        f"its security group doesn't admit {', '.join(missing)}",
        "pulumi refresh; pulumi up",
    )


def _pending(case: Case, findings: Findings) -> None:
    instance = _instance(case)
    if instance is None:
        return
    arn = text(instance, "DBInstanceArn")
    changes = [
        key for key, value in record(instance, "PendingModifiedValues").items() if value not in (None, {}, [])
    ]
    window = text(instance, "PreferredMaintenanceWindow")
    actions = [
        text(detail, "Action")
        for resource in case.aws.records(
            "rds:DescribePendingMaintenanceActions",
            "PendingMaintenanceActions",
            ResourceIdentifier=arn,
        )
        for detail in records(resource, "PendingMaintenanceActionDetails")
    ]
    if changes or actions:
        findings.unverified(
            f"that nothing waits: {', '.join([*changes, *actions])} until the window {window} (UTC)",
            "pulumi refresh; pulumi config set --path database.applyImmediately true; pulumi up"
            if changes
            else f"aws rds describe-pending-maintenance-actions --resource-identifier {arn}",
        )
    else:
        findings.holds(f"no change waits for the window {window} (UTC)")


def _backups(case: Case, findings: Findings) -> None:
    instance = _instance(case)
    if instance is None:
        return
    days, wanted = number(instance, "BackupRetentionPeriod"), case.settings.database.backup_retention_days
    findings.expect(
        days >= wanted,
        f"backups are kept {days} days",
        f"backups are kept {days} days, and {wanted} are configured",
        "pulumi refresh; pulumi up",
    )
    last = dig(instance, "LatestRestorableTime")
    if not isinstance(last, str):
        findings.unverified(
            "that it can be restored: there is no backup yet", "aws rds describe-db-snapshots"
        )
        return
    age = datetime.now(UTC) - datetime.fromisoformat(last)
    findings.expect(
        age < STALE,
        f"it can be restored to {last}",
        f"the last time to which it can be restored is {last}, {int(age.total_seconds() // 60)} minutes ago",
        f"aws rds describe-events --source-type db-instance --source-identifier {case.names.database}",
    )


def _user(case: Case, findings: Findings) -> None:
    """Whether the pods use the right user: a restored database has the backup's, whatever the stack says."""
    instance = _instance(case)
    if instance is None:
        return
    user, told = text(instance, "MasterUsername"), case.settings.database.username
    findings.expect(
        user == told,
        f"its master user is {user}",
        f"its master user is {user}, and the pods log in as {told}",
        f"pulumi config set --path database.username {user}; pulumi up",
    )


def _replicated(case: Case, findings: Findings) -> None:
    replication, instance = case.settings.database.backup_replication, _instance(case)
    if replication is None or instance is None:
        return
    arns = [
        text(each, "DBInstanceAutomatedBackupsArn")
        for each in records(instance, "DBInstanceAutomatedBackupsReplications")
    ]
    findings.expect(
        any(arn.split(":")[3] == replication.region for arn in arns),
        f"its backups go to {replication.region}, too",
        f"its backups don't go to {replication.region}",
        "pulumi refresh; pulumi up",
    )


CATEGORY = Category(
    name="database",
    question="Can it be created, and is it as the program made it?",
    before=(
        Question(name="database-orderable", that="that RDS offers what is configured", ask=_orderable),
        Question(name="database-support", that="that its version is supported", ask=_support),
        Question(name="database-quotas", that="that the account's quotas have room for it", ask=_quotas),
        Question(
            name="database-restore", that="that what it is restored from is there and fits", ask=_restorable
        ),
        Question(name="keys", that="that RDS and Secrets Manager can use their keys", ask=_keys),
    ),
    after=(
        Question(name="database-available", that="that the database is available", ask=_available),
        Question(name="database-tls", that="that it takes TLS only, by a CA that the chart has", ask=_tls),
        Question(name="database-admits", that="that it admits the pods", ask=_admits),
        Question(name="database-pending", that="that no change waits", ask=_pending),
        Question(name="database-user", that="that the pods log in as its master user", ask=_user),
        Question(name="database-backups", that="that it can be restored", ask=_backups),
        Question(name="database-replication", that="that its backups go elsewhere, too", ask=_replicated),
    ),
)
