"""Databases from backups: what a restore takes, what it is given, what is set afterwards, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from moto.kms.models import kms_backends
from moto.rds.models import rds_backends

from common.json_values import Json, record, records, text
from emulator.aws import AwsError, resource_handler
from emulator.aws.cloud import Cloud
from emulator.aws.in_process import in_process_cloud
from emulator.aws.tags import DefaultTags
from emulator.kubernetes import Kubernetes
from emulator.lifecycle import State
from emulator.mocks import run
from emulator.packages import Providers
from emulator.world import default_world
from engine.project import load_stack, write_config
from engine.settings import settings_of
from rehearsal.rehearse import world_of
from tests.checkouts import ROOT
from tests.rds import is_password_in_force
from tests.rehearsal.test_lifecycle_rds import INPUTS, Database, clients_of

INSTANCE = resource_handler("aws:rds/instance:Instance")
REPLICATION = resource_handler(
    "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication"
)
KEY = "arn:aws:kms:us-east-1:123456789012:key/1b2c"
BACKUP = "arn:aws:rds:us-east-1:123456789012:auto-backup:ab-0123456789abcdefghijklmnop"
KEY_THERE = "arn:aws:kms:us-west-2:123456789012:key/3d4e"
SECOND = "us-west-2"


@pytest.fixture
def database() -> Iterator[Database]:
    with in_process_cloud("us-east-1", default_world("xyz", "us-east-1")) as cloud:
        made = Database(cloud)
        made.subnet_group()
        made.parameter_group()
        yield made


def inputs_of(database: Database, **changes: Json) -> dict[str, Json]:
    """Inputs of a sound instance, in groups that `database` has made."""
    return {**INPUTS, "vpcSecurityGroupIds": [clients_of(database.cloud, database.vpc_id)], **changes}


def source(database: Database, **changes: Json) -> tuple[State, dict[str, Json]]:
    """An instance with a key and a window of its own, and its inputs."""
    inputs = inputs_of(
        database,
        username="owner",
        dbName="ledger",
        kmsKeyId=KEY,
        backupWindow="01:00-02:00",
        maintenanceWindow="tue:05:00-tue:06:00",
        backupRetentionPeriod=5.0,
        deletionProtection=True,
        **changes,
    )
    return database.create(inputs), inputs


def snapshot(database: Database, name: str = "kept") -> str:
    """Take a snapshot of the source, and delete everything else of it."""
    call = database.cloud.call
    identifier: dict[str, Json] = {"DBInstanceIdentifier": "xyz-maestro"}
    call("rds", "CreateDBSnapshot", {**identifier, "DBSnapshotIdentifier": name})
    call("rds", "ModifyDBInstance", {**identifier, "DeletionProtection": False, "ApplyImmediately": True})
    call("rds", "DeleteDBInstance", {**identifier, "SkipFinalSnapshot": True, "DeleteAutomatedBackups": True})
    return name


def wanted(database: Database, **changes: Json) -> dict[str, Json]:
    """Inputs that differ from the source in everything."""
    return inputs_of(
        database,
        **{
            "password": "another-password",
            "dbName": None,
            "kmsKeyId": None,
            "backupWindow": "03:00-04:00",
            "maintenanceWindow": "mon:04:30-mon:05:30",
            "backupRetentionPeriod": 14.0,
            "multiAz": False,
            **changes,
        },
    )


def test_a_snapshot_gives_data_user_and_key_and_the_rest_is_as_the_program_has_it(database: Database) -> None:
    first, _ = source(database)
    inputs = wanted(database, snapshotIdentifier=snapshot(database))
    made = database.create(inputs)
    assert made.id != first.id
    from_snapshot = {"username": "owner", "dbName": "ledger", "kmsKeyId": KEY, "storageEncrypted": True}
    assert {key: made.outputs[key] for key in from_snapshot} == from_snapshot
    set_ = (
        "backupWindow",
        "maintenanceWindow",
        "backupRetentionPeriod",
        "multiAz",
        "deletionProtection",
        "tags",
    )
    assert {key: made.outputs[key] for key in set_} == {key: inputs[key] for key in set_}
    assert is_password_in_force(database.cloud, "xyz-maestro", "another-password")
    assert INSTANCE.difference(made, inputs).replaces == ("username",)


def test_what_a_snapshot_gave_is_no_change_where_the_program_has_it_too(database: Database) -> None:
    source(database)
    inputs = wanted(
        database, snapshotIdentifier=snapshot(database), username="owner", dbName="ledger", kmsKeyId=KEY
    )
    made = database.create(inputs)
    assert not INSTANCE.difference(made, inputs)
    refreshed = INSTANCE.read(database.cloud, made)
    assert refreshed is not None
    assert not INSTANCE.difference(refreshed, inputs)


def test_without_the_restore_in_the_program_a_snapshot_is_no_change_and_a_point_in_time_a_replacement(
    database: Database,
) -> None:
    source(database)
    inputs = wanted(database, username="owner")
    made = database.create({**inputs, "snapshotIdentifier": snapshot(database)})
    assert not INSTANCE.difference(made, inputs)
    backup: dict[str, Json] = {"sourceDbInstanceIdentifier": "xyz-maestro", "useLatestRestorableTime": True}
    side = {**inputs, "identifier": "side", "restoreToPointInTime": backup}
    assert INSTANCE.difference(database.create(side), {**side, "restoreToPointInTime": None}).replaces == (
        "restoreToPointInTime",
    )


def test_after_a_restore_to_a_time_windows_and_backups_are_set_by_the_next_update(database: Database) -> None:
    source(database)
    backup: dict[str, Json] = {"sourceDbInstanceIdentifier": "xyz-maestro", "useLatestRestorableTime": True}
    inputs = wanted(database, identifier="side", username="owner", restoreToPointInTime=backup)
    made = database.create(inputs)
    assert (made.outputs["username"], made.outputs["dbName"], made.outputs["kmsKeyId"]) == (
        "owner",
        "ledger",
        KEY,
    )
    assert is_password_in_force(database.cloud, "side", "another-password")
    left = {"backupRetentionPeriod", "backupWindow", "maintenanceWindow", "performanceInsightsEnabled"}
    assert left <= {*INSTANCE.difference(made, inputs).updates}
    updated = database.update(made, inputs)
    assert not INSTANCE.difference(updated, inputs)


def refusal(database: Database, **inputs: Json) -> AwsError:
    with pytest.raises(AwsError) as refused:
        database.create(wanted(database, **inputs))
    return refused.value


def of_instance(**more: Json) -> Json:
    return {"sourceDbInstanceIdentifier": "xyz-maestro", **more}


def test_a_missing_snapshot_is_refused(database: Database) -> None:
    assert refusal(database, snapshotIdentifier="gone").code == "DBSnapshotNotFound"
    elsewhere = "arn:aws:rds:us-west-2:123456789012:snapshot:kept"
    assert refusal(database, snapshotIdentifier=elsewhere).code == "InvalidParameterValue"


def test_another_accounts_snapshot_is_refused_unless_it_is_shared(database: Database) -> None:
    source(database)
    name = snapshot(database)
    ours, theirs = (rds_backends[account]["us-east-1"] for account in ("123456789012", "210987654321"))
    theirs.database_snapshots[name] = ours.database_snapshots.pop(name)
    arn = f"arn:aws:rds:us-east-1:210987654321:snapshot:{name}"
    assert refusal(database, snapshotIdentifier=arn).code == "DBSnapshotNotFound"
    theirs.database_snapshots[name].attributes["restore"] = ["123456789012"]
    assert database.create(wanted(database, snapshotIdentifier=arn)).outputs["username"] == "owner"


def test_a_snapshot_of_another_engine_or_major_is_refused(database: Database) -> None:
    source(database)
    name = snapshot(database)
    kept = rds_backends["123456789012"]["us-east-1"].database_snapshots[name].database
    kept.engine = "mysql"
    assert refusal(database, snapshotIdentifier=name).code == "InvalidParameterCombination"
    kept.engine, kept.engine_version = "postgres", "16.9"
    refused = refusal(database, snapshotIdentifier=name)
    assert (refused.code, "postgres16" in refused.message) == ("InvalidParameterCombination", True)


def test_a_snapshot_that_is_larger_than_the_program_wants_is_restored_and_then_not_shrunk(
    database: Database,
) -> None:
    source(database)
    refused = refusal(database, snapshotIdentifier=snapshot(database), allocatedStorage=100.0)
    assert "can't be reduced from 400 GiB" in str(refused)


def test_a_key_that_is_gone_is_refused(database: Database) -> None:
    source(database)
    name = snapshot(database)
    made = record(database.cloud.call("kms", "CreateKey", {}), "KeyMetadata")
    backend = kms_backends["123456789012"]["us-east-1"]
    backend.keys["1b2c"] = backend.keys.pop(text(made, "KeyId"))
    backend.keys["1b2c"].key_state = "PendingDeletion"
    assert refusal(database, snapshotIdentifier=name).code == "KMSKeyNotAccessibleFault"


def test_a_time_outside_the_backups_or_none_is_refused(database: Database) -> None:
    source(database)
    for moment, which in ((timedelta(hours=1), "later"), (-timedelta(hours=1), "earlier")):
        time = f"{datetime.now(UTC) + moment:%FT%TZ}"
        refused = refusal(database, identifier="side", restoreToPointInTime=of_instance(restoreTime=time))
        assert (refused.code, which in refused.message) == ("InvalidParameterValue", True)
    refused = refusal(database, identifier="side", restoreToPointInTime=of_instance())
    assert refused.code == "InvalidParameterCombination"


def test_an_instance_without_backups_has_no_point_in_time(database: Database) -> None:
    database.create(inputs_of(database, backupRetentionPeriod=0.0))
    latest = of_instance(useLatestRestorableTime=True)
    refused = refusal(database, identifier="side", restoreToPointInTime=latest)
    assert refused.code == "PointInTimeRestoreNotEnabled"


def test_kept_backups_of_a_deleted_instance_can_be_restored(database: Database) -> None:
    state, inputs = source(database)
    state = database.update(state, {**inputs, "deletionProtection": False, "deleteAutomatedBackups": False})
    INSTANCE.delete(database.cloud, state)
    [backup] = backups(database.cloud)
    assert (backup["Status"], backup["DbiResourceId"], backup["KmsKeyId"]) == ("retained", state.id, KEY)
    arn = backup["DBInstanceAutomatedBackupsArn"]
    given: Json = {"sourceDbInstanceAutomatedBackupsArn": arn, "useLatestRestorableTime": True}
    assert database.create(wanted(database, restoreToPointInTime=given)).outputs["username"] == "owner"


# --- a second region ------------------------------------------------------------------------------


def backups(cloud: Cloud) -> list[dict[str, Json]]:
    return records(cloud.call("rds", "DescribeDBInstanceAutomatedBackups", {}), "DBInstanceAutomatedBackups")


def replication(state: State, **changes: Json) -> dict[str, Json]:
    arn = state.outputs["arn"]
    return {
        "region": SECOND,
        "sourceDbInstanceArn": arn,
        "kmsKeyId": KEY_THERE,
        "retentionPeriod": 9.0,
        **changes,
    }


def test_backups_are_replicated_and_stay_when_that_ends(database: Database) -> None:
    state, _ = source(database)
    inputs = replication(state)
    made = REPLICATION.create(database.cloud, inputs)
    assert not REPLICATION.difference(made, inputs)
    assert REPLICATION.read(database.cloud, made) == made
    there = database.cloud.in_region(SECOND)
    [backup] = backups(there)
    assert (backup["Status"], backup["BackupRetentionPeriod"], backup["KmsKeyId"]) == (
        "replicating",
        9,
        KEY_THERE,
    )
    assert records(database.described(), "DBInstanceAutomatedBackupsReplications") == [
        {"DBInstanceAutomatedBackupsArn": made.id}
    ]
    REPLICATION.delete(database.cloud, made)
    assert REPLICATION.read(database.cloud, made) is None
    assert [each["Status"] for each in backups(there)] == ["retained"]
    REPLICATION.delete(database.cloud, made)


def test_replicated_backups_outlive_the_region(database: Database) -> None:
    state, _ = source(database)
    made = REPLICATION.create(database.cloud, replication(state))
    snapshot(database)
    there = database.cloud.in_region(SECOND)
    assert [each["Status"] for each in backups(there)] == ["retained"]
    restored = there.call(
        "rds",
        "RestoreDBInstanceToPointInTime",
        {
            "SourceDBInstanceAutomatedBackupsArn": made.id,
            "TargetDBInstanceIdentifier": "again",
            "UseLatestRestorableTime": True,
        },
    )
    instance = record(restored, "DBInstance")
    assert (instance["MasterUsername"], instance["DBName"], instance["KmsKeyId"]) == (
        "owner",
        "ledger",
        KEY_THERE,
    )
    assert (instance["MultiAZ"], instance["DeletionProtection"]) == (False, False)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kmsKeyId": None}, "InvalidParameterCombination"),
        ({"kmsKeyId": KEY}, "KMSKeyNotAccessibleFault"),
        ({"region": "us-east-1"}, "InvalidParameterValue"),
        ({"sourceDbInstanceArn": "arn:aws:rds:us-east-1:123456789012:db:gone"}, "DBInstanceNotFound"),
    ],
)
def test_an_impossible_replication_is_refused(
    database: Database, changes: dict[str, Json], code: str
) -> None:
    state, _ = source(database)
    with pytest.raises(AwsError) as refused:
        REPLICATION.create(database.cloud, replication(state, **changes))
    assert refused.value.code == code


def test_an_instance_has_one_replication_at_a_time(database: Database) -> None:
    state, _ = source(database)
    REPLICATION.create(database.cloud, replication(state))
    third = replication(state, region="eu-west-1", kmsKeyId=KEY_THERE.replace(SECOND, "eu-west-1"))
    with pytest.raises(AwsError) as refused:
        REPLICATION.create(database.cloud, third)
    assert refused.value.code == "InvalidDBInstanceState"


# --- the program ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restore", "key", "name"),
    [
        ({"snapshot": "kept"}, "snapshotIdentifier", "maestro"),
        ({"snapshot": "arn:aws:rds:us-east-1:210987654321:snapshot:kept"}, "snapshotIdentifier", "maestro"),
        ({"instance": "kept", "latest": True}, "restoreToPointInTime", None),
        ({"automatedBackup": BACKUP, "latest": True}, "restoreToPointInTime", None),
    ],
)
def test_the_program_restores_what_is_named_and_a_rehearsal_assumes_that_it_exists(
    tmp_path: Path, restore: dict[str, object], key: str, name: str | None
) -> None:
    """In a restore to a time the database's name comes from AWS alone, so it isn't given."""
    own = {"clusterName": "regional-xyz", "profile": "dev", "database": {"restoreFrom": restore}}
    file = tmp_path / "Pulumi.test.yaml"
    write_config(file, {"aws:region": "us-east-1", **{f"maestro-stack:{k}": v for k, v in own.items()}})
    stack = load_stack(ROOT, name="test", file=file)
    settings = settings_of(stack)
    with in_process_cloud(settings.region, world_of(settings)) as cloud:
        kubernetes = Kubernetes(root=stack.root, version="1.33", config_maps={})
        providers = Providers(cloud, kubernetes, DefaultTags({}))
        done = run(stack, providers, preview=False, listener=lambda _: None)
    assert not done.failures
    (instance,) = (made for made in done.resources if made.type == INSTANCE.type)
    assert {each for each in ("snapshotIdentifier", "restoreToPointInTime") if instance.inputs.get(each)} == {
        key
    }
    assert instance.inputs.get("dbName") == name
    assert instance.outputs["dbName"] == "maestro"
