"""The runbooks of docs/restore.md: its commands, run by a shell, and what each step plans and does."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from common.json_values import Json, records, text
from emulator.aws.cloud import DEFAULT_ACCOUNT
from emulator.client import Emulation
from emulator.world import Database, World
from engine.driver import EngineError, Result
from tests.checkouts import ROOT
from tests.engine.conftest import CLUSTER, PRODUCTION, NewRegion, Region, config
from tests.faults import recovery
from tests.rds import is_password_in_force

INSTANCE = "aws:rds/instance:Instance instance"
CREDENTIALS = "aws:secretsmanager/secretVersion:SecretVersion db-credentials-regional-xyz"
RELEASE = "kubernetes:helm.sh/v3:Release release-regional-xyz"
REPLICATION = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication"
PASSWORD = "random:index/randomPassword:RandomPassword"  # noqa: S105
NAME = f"maestro-{CLUSTER}"
SECOND, KEY = "us-west-2", "arn:aws:kms:us-west-2:123456789012:key/1234abcd"
LIFTED: dict[str, object] = {
    "database": {"deletionProtection": False},
    "acknowledge": [{"key": "database.deletionProtection", "reason": "the region closes"}],
}
UP = "pulumi up\n"


@pytest.fixture
def emulation(tmp_path: Path) -> Iterator[Emulation]:
    """One for each test, since the `aws` command knows only one account."""
    with Emulation.start(tmp_path / "aws.state") as running:
        yield running


@pytest.fixture
def new(region: NewRegion) -> NewRegion:
    """A stack in the account that the `aws` command uses."""
    return partial(region, account=DEFAULT_ACCOUNT)


def runbook(heading: str) -> tuple[str, ...]:
    """The section's command blocks; its `sh` blocks need a cluster or PostgreSQL."""
    return recovery.sections(ROOT / "docs/restore.md")[heading]


def run(stack: Region, commands: str, **variables: str) -> str:
    assert commands != UP
    return recovery.run(stack, commands, INSTANCE=NAME, **variables)


def up(stack: Region, commands: str) -> Result:
    """Plan, then update, which must do what was planned."""
    assert commands == UP
    planned = stack.preview().changes
    built = stack.up()
    assert built.changes == planned
    return built


def is_settled(stack: Region) -> bool:
    return not (stack.preview().changes or stack.refresh().changes or stack.up().changes)


def instance(stack: Region, name: str = NAME) -> dict[str, Json]:
    (found,) = records(stack.call("rds", "DescribeDBInstances", DBInstanceIdentifier=name), "DBInstances")
    return found


def credentials(stack: Region, cluster: str = CLUSTER) -> str:
    secret = stack.call("secretsmanager", "GetSecretValue", SecretId=f"{cluster}/maestro/db-credentials")
    return text(secret, "SecretString")


def knows_the_password(stack: Region, name: str = NAME) -> bool:
    """Whether the credentials that the pods get let them in."""
    (password,) = re.findall(r'"password": "(\w+)"', credentials(stack))
    return is_password_in_force(stack.cloud(), name, password)


def calls(stack: Region) -> list[str]:
    """What RDS was asked to change since the calls were cleared."""
    made = [call["operation"] for call in stack.emulation.calls() if call["service"] == "rds"]
    return [each for each in made if each.startswith(("Create", "Restore", "Modify", "Start"))]


def test_a_destroyed_production_stack_is_built_again_from_its_final_snapshot(new: NewRegion) -> None:
    find, let_go, name, take_back, build = runbook("A destroyed stack")
    stack = new(config(**PRODUCTION))
    stack.up()
    first = instance(stack)
    stack.configure(config(**PRODUCTION, **LIFTED))
    stack.up()
    stack.engine.pulumi("state", "unprotect", "--all", "--yes", "--stack", stack.name)
    assert set(stack.destroy().changes.values()) == {"delete"}

    snapshot, _, version, user = run(stack, find).split()
    assert snapshot.startswith(f"{NAME}-final-")
    assert (version, user) == (first["EngineVersion"], "maestro")
    run(stack, let_go, CLUSTER=CLUSTER)
    run(stack, name, SNAPSHOT=snapshot)
    run(stack, take_back)
    stack.emulation.clear_calls()
    built = up(stack, build)
    assert set(built.changes.values()) == {"create"}
    assert calls(stack)[-2:] == ["RestoreDBInstanceFromDBSnapshot", "ModifyDBInstance"]
    again = instance(stack)
    assert again["DbiResourceId"] != first["DbiResourceId"]
    kept = ("MasterUsername", "DBName", "KmsKeyId", "StorageEncrypted", "AllocatedStorage", "EngineVersion")
    wanted = ("BackupRetentionPeriod", "PreferredBackupWindow", "DeletionProtection", "MultiAZ", "Endpoint")
    assert {key: again[key] for key in (*kept, *wanted)} == {key: first[key] for key in (*kept, *wanted)}
    assert knows_the_password(stack)
    assert is_settled(stack)
    # Nothing looks for the snapshot any more, and the key has no effect.
    stack.call("rds", "DeleteDBSnapshot", DBSnapshotIdentifier=snapshot)
    assert is_settled(stack)
    stack.configure(config(**PRODUCTION))
    assert stack.preview().changes == {}


def a_moment_ago(stack: Region) -> str:
    """The latest time that the backups can restore."""
    return f"{datetime.fromisoformat(text(instance(stack), 'LatestRestorableTime')):%FT%TZ}"


def test_lost_rows_are_copied_from_a_side_instance_and_the_stack_is_left_alone(new: NewRegion) -> None:
    side, remove = runbook("A side instance")
    stack = new(config(**PRODUCTION))
    stack.up()
    own = instance(stack)
    run(stack, side, TIME=a_moment_ago(stack))
    there = instance(stack, f"{NAME}-side")
    same = ("MasterUsername", "DBName", "KmsKeyId", "VpcSecurityGroups", "DBSubnetGroup", "DBInstanceClass")
    assert {key: there[key] for key in same} == {key: own[key] for key in same}
    assert knows_the_password(stack, f"{NAME}-side")
    assert is_settled(stack)
    run(stack, remove)
    assert is_settled(stack)
    assert len(records(stack.call("rds", "DescribeDBInstances"), "DBInstances")) == 1


def test_a_side_instance_takes_the_databases_place_and_the_preview_after_it_changes_nothing(
    new: NewRegion,
) -> None:
    side, _ = runbook("A side instance")
    standby, swap, adopt, rotate, build, remove = runbook("The whole database")
    stack = new(config(**PRODUCTION))
    stack.up()
    first = instance(stack)
    time = a_moment_ago(stack)
    run(stack, side, TIME=time)
    run(stack, standby)
    run(stack, swap)
    side_id = instance(stack)["DbiResourceId"]
    assert side_id != first["DbiResourceId"]

    # Why `pulumi state delete` isn't the way, nor an import, which needs it first.
    urn = next(text(r, "urn") for r in resources(stack) if text(r, "id") == text(first, "DbiResourceId"))
    with pytest.raises(EngineError, match="depend on it"):
        stack.engine.pulumi("state", "delete", urn, "--force", "--yes", "--stack", stack.name)

    run(stack, adopt)
    run(stack, rotate, TIME=time)
    built = up(stack, build)
    assert built.changes == {
        f"{PASSWORD} password": "replace",
        INSTANCE: "update",
        CREDENTIALS: "replace",
        RELEASE: "update",
    }
    assert instance(stack)["DbiResourceId"] == side_id
    as_before = (
        "MultiAZ",
        "DeletionProtection",
        "BackupRetentionPeriod",
        "PreferredBackupWindow",
        "Endpoint",
    )
    assert {key: instance(stack)[key] for key in as_before} == {key: first[key] for key in as_before}
    assert knows_the_password(stack)
    assert is_settled(stack)
    run(stack, remove)
    assert is_settled(stack)


def resources(stack: Region) -> list[dict[str, Json]]:
    deployment = stack.engine.export()["deployment"]
    assert isinstance(deployment, dict)
    return records(deployment, "resources")


def test_a_lost_regions_data_is_built_in_another_from_the_replicated_backup(new: NewRegion) -> None:
    replicate, find, name, build, again = runbook("A lost region")
    stack = new(config(**PRODUCTION))
    stack.up()
    run(stack, replicate, KEY=KEY)
    assert stack.preview().changes == {f"{REPLICATION} backup-replication": "create"}
    stack.up()
    assert is_settled(stack)
    lost = instance(stack)
    gone: dict[str, Json] = {
        "DBInstanceIdentifier": NAME,
        "ApplyImmediately": True,
        "DeletionProtection": False,
    }
    stack.call("rds", "ModifyDBInstance", **gone)
    stack.call("rds", "DeleteDBInstance", DBInstanceIdentifier=NAME, SkipFinalSnapshot=True)

    other = "regional-west"
    second = new({**config(SECOND, **PRODUCTION), "maestro-stack:clusterName": other})
    backup, _, version, status = run(second, find).split()
    assert (version, status.lower()) == (lost["EngineVersion"], "retained")
    run(second, name, BACKUP=backup)
    second.emulation.clear_calls()
    assert set(up(second, build).changes.values()) == {"create"}
    assert calls(second)[-2:] == ["RestoreDBInstanceToPointInTime", "ModifyDBInstance"]
    assert up(second, again).changes == {INSTANCE: "update"}
    built = instance(second, f"maestro-{other}")
    assert (built["MasterUsername"], built["DBName"]) == (lost["MasterUsername"], lost["DBName"])
    assert built["KmsKeyId"] == KEY
    assert (built["BackupRetentionPeriod"], built["MultiAZ"]) == (14, True)
    assert is_settled(second)


TERRAFORM = "terraform-maestro"


def with_terraforms(world: World) -> World:
    theirs = Database(name=TERRAFORM, username="maestro_admin", storage_gib=50)
    return world.model_copy(update={"databases": [theirs]})


def test_a_terraform_regions_snapshot_moves_with_its_user_and_database(new: NewRegion) -> None:
    take, tell, build = runbook("From the Terraform setup")
    stack = new(config(**PRODUCTION), world=with_terraforms)
    user, version, _, encrypted, key = run(stack, take, TERRAFORM=TERRAFORM).split()[-5:]
    assert (user, encrypted) == ("maestro_admin", "True")
    run(stack, tell, TERRAFORM=TERRAFORM)
    assert set(up(stack, build).changes.values()) == {"create"}
    made = instance(stack)
    told = {"MasterUsername": user, "DBName": "maestro", "KmsKeyId": key, "EngineVersion": version}
    assert {name: made[name] for name in told} == told
    assert made["AllocatedStorage"] == 100
    assert '"username": "maestro_admin"' in credentials(stack)
    assert knows_the_password(stack)
    assert is_settled(stack)
    assert instance(stack, TERRAFORM)["DBInstanceStatus"] == "available"
    # The instance has its user and database, and no longer needs the key.
    stack.configure(config(**PRODUCTION, database={"username": "maestro_admin"}))
    assert stack.preview().changes == {}


# --- what goes wrong ------------------------------------------------------------------------------


def restoring(settings: Mapping[str, object], **more: object) -> dict[str, object]:
    return config(database={"restoreFrom": settings, **more})


def test_a_user_that_the_snapshot_does_not_have_is_mended_without_the_instance(new: NewRegion) -> None:
    def world(given: World) -> World:
        kept = Database(name="kept", username="owner", snapshot="kept-one", gone=True)
        return given.model_copy(update={"databases": [kept]})

    stack = new(restoring({"snapshot": "kept-one"}), world=world)
    stack.up()
    assert '"username": "maestro"' in credentials(stack)
    assert instance(stack)["MasterUsername"] == "owner"
    assert is_settled(stack)
    stack.configure(restoring({"snapshot": "kept-one"}, username="owner"))
    assert stack.up().changes == {
        CREDENTIALS: "replace",
        RELEASE: "update",
    }
    assert '"username": "owner"' in credentials(stack)
    assert is_settled(stack)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"snapshot": "gone"}, "DBSnapshotNotFound"),
        ({"instance": "gone", "latest": True}, "DBInstanceNotFound"),
        ({"instance": "kept", "time": "2020-01-01T00:00:00Z"}, "cannot be restored to a time earlier than"),
        ({"instance": "kept", "time": "2099-01-01T00:00:00Z"}, "cannot be restored to a time later than"),
        ({"snapshot": "old-major"}, "DBParameterGroupFamily postgres16"),
    ],
)
def test_aws_refuses_what_it_does_not_have_and_the_next_up_is_as_if_nothing_had_happened(
    new: NewRegion, source: Mapping[str, object], said: str
) -> None:
    def world(given: World) -> World:
        kept = Database(name="kept", snapshot="kept-one")
        older = Database(name="older", version="16", snapshot="old-major")
        return given.model_copy(update={"databases": [kept, older]})

    stack = new(restoring(source), world=world)
    refused = stack.engine.up()
    assert not refused.succeeded
    assert said in refused.text
    stack.configure(restoring({"snapshot": "kept-one"}))
    stack.up()
    assert is_settled(stack)
