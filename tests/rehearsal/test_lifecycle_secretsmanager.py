"""Secrets and their versions after their creation: changes, drift, recovery windows and stages."""

import json
import threading
from collections.abc import Iterator

import pytest

from common.json_values import Json, record, text, texts
from emulator.aws import AwsError, resource_handler
from emulator.aws.cloud import Cloud
from emulator.aws.errors import PartlyMadeError
from emulator.aws.in_process import in_process_cloud
from emulator.lifecycle import Difference
from emulator.world import World
from tests.rehearsal.lives import Life, check_update, create, refuse

SECRET = "aws:secretsmanager/secret:Secret"  # noqa: S105
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"

NAME = "regional-xyz/maestro/db-credentials"
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
        ],
    }
)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with in_process_cloud("us-east-1", World()) as cloud:
        yield cloud


def secret(cloud: Cloud, **inputs: Json) -> Life:
    return create(cloud, SECRET, {"name": NAME, **inputs})


def version(cloud: Cloud, value: str = "first", **inputs: Json) -> Life:
    """A version from a program that states its stage."""
    return create(
        cloud,
        VERSION,
        {"secretId": NAME, "secretString": value, "versionStages": ["AWSCURRENT"], **inputs},
    )


def current_value(cloud: Cloud) -> str:
    return text(cloud.call("secretsmanager", "GetSecretValue", {"SecretId": NAME}), "SecretString")


def stages(cloud: Cloud, life: Life) -> list[str]:
    described = cloud.call("secretsmanager", "DescribeSecret", {"SecretId": NAME})
    return texts(record(described, "VersionIdsToStages"), text(life.state.outputs, "versionId"))


def put_by_hand(cloud: Cloud, value: str) -> str:
    answer = cloud.call("secretsmanager", "PutSecretValue", {"SecretId": NAME, "SecretString": value})
    return text(answer, "VersionId")


# -- secrets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"description": "of the database"},
        {"description": None},
        {"kmsKeyId": "alias/ours"},
        {"policy": POLICY},
        {"tags": {"team": "platform", "env": "dev"}},
        {"tags": {"env": "dev"}},
        {"tags": None},
    ],
)
def test_a_secret_is_changed_in_place(cloud: Cloud, change: dict[str, Json]) -> None:
    life = check_update(secret(cloud, description="old", tags={"team": "platform"}), change)

    for key, value in change.items():
        assert life.seen_in_aws(key) == (value or ({} if key == "tags" else ""))


@pytest.mark.parametrize("change", [{"recoveryWindowInDays": 7}, {"forceOverwriteReplicaSecret": True}])
def test_what_steers_a_secrets_deletion_is_only_kept(cloud: Cloud, change: dict[str, Json]) -> None:
    life = secret(cloud)
    before = cloud.call("secretsmanager", "DescribeSecret", {"SecretId": NAME})

    after = check_update(life, change)

    assert after.state.outputs == {**life.state.outputs, **change}
    assert cloud.call("secretsmanager", "DescribeSecret", {"SecretId": NAME}) == before


def test_a_removed_recovery_window_is_the_default_again(cloud: Cloud) -> None:
    life = check_update(secret(cloud, recoveryWindowInDays=7), {"recoveryWindowInDays": None})

    assert life["recoveryWindowInDays"] == 30


def test_every_input_of_a_secret_is_in_its_table(cloud: Cloud) -> None:
    life = secret(cloud)

    assert life.changed({"name": "other"}) == Difference(replaces=("name",))
    assert life.handler.table.changes.keys() == {
        "name",
        "description",
        "kmsKeyId",
        "policy",
        "tags",
        "recoveryWindowInDays",
        "forceOverwriteReplicaSecret",
    }


def test_a_secrets_policy_is_compared_by_what_it_says_and_kept_if_left_out(cloud: Cloud) -> None:
    life = secret(cloud, policy=POLICY)

    assert not life.changed({"policy": json.dumps(json.loads(POLICY), indent=1)})
    assert not life.changed({"policy": None})
    assert check_update(life, {"policy": "{}"}).seen_in_aws("policy") == ""


def test_foreign_tags_show_after_a_refresh_and_are_then_removed(cloud: Cloud) -> None:
    life = secret(cloud, tags={"team": "platform"})
    cloud.call("secretsmanager", "TagResource", {"SecretId": NAME, "Tags": [{"Key": "x", "Value": "y"}]})

    without_refresh = life.updated({"recoveryWindowInDays": 7})
    assert without_refresh.seen_in_aws("tags") == {"team": "platform", "x": "y"}
    found = life.refreshed()
    assert found.changed({}) == Difference(updates=("tags",))
    assert found.updated({}).seen_in_aws("tags") == {"team": "platform"}


@pytest.mark.parametrize("window", [0, 7])
def test_a_deleted_secret_is_gone_for_read(cloud: Cloud, window: int) -> None:
    life = secret(cloud, recoveryWindowInDays=window)

    assert life.deleted().read() is None


def test_a_secret_without_recovery_window_gives_its_name_back_at_once(cloud: Cloud) -> None:
    secret(cloud, recoveryWindowInDays=0).deleted().deleted()

    assert secret(cloud)["name"] == NAME


def test_a_secret_in_its_recovery_window_keeps_its_name(cloud: Cloud) -> None:
    secret(cloud, recoveryWindowInDays=7).deleted()

    with pytest.raises(AwsError, match="scheduled for deletion") as refusal:
        secret(cloud)
    assert refusal.value.code == "InvalidRequestException"


def test_the_window_of_the_state_decides_how_a_secret_is_deleted(cloud: Cloud) -> None:
    life = secret(cloud, recoveryWindowInDays=30).updated({"recoveryWindowInDays": 0})
    life.deleted()

    assert secret(cloud)["name"] == NAME


def test_a_creation_waits_while_the_name_is_being_given_back(cloud: Cloud) -> None:
    life = secret(cloud, recoveryWindowInDays=7).deleted()
    give_up: dict[str, Json] = {"SecretId": life.id, "ForceDeleteWithoutRecovery": True}
    cloud.patience = 20
    freed = threading.Timer(0.15, lambda: cloud.call("secretsmanager", "DeleteSecret", give_up))
    freed.start()

    again = secret(cloud)

    freed.join()
    assert again.id != life.id


def test_a_secret_that_is_not_visible_yet_is_waited_for(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.patience = 20
    refuse(monkeypatch, cloud, "DescribeSecret", "ResourceNotFoundException", "ResourceNotFoundException")

    assert secret(cloud, policy=POLICY).seen_in_aws("policy") == POLICY


def test_a_secret_whose_policy_is_refused_is_kept_and_completed_by_an_update(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, cloud, "PutResourcePolicy", "InternalServiceError")
    inputs: dict[str, Json] = {"name": NAME, "policy": POLICY}
    handler = resource_handler(SECRET)
    with pytest.raises(PartlyMadeError) as refusal:
        handler.create(cloud, inputs)

    life = Life(cloud, handler, refusal.value.state, inputs)
    assert life.changed({}) == Difference(updates=("policy",))
    assert check_update(life, {"policy": POLICY}).seen_in_aws("policy") == POLICY
    assert "InternalServiceError" in refusal.value.reasons[0]


def test_a_secret_deleted_by_hand_is_created_again(cloud: Cloud) -> None:
    life = secret(cloud)
    cloud.call("secretsmanager", "DeleteSecret", {"SecretId": NAME, "RecoveryWindowInDays": 7})

    assert life.read() is None


# -- versions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"secretString": "second"}, {"secretId": "other"}])
def test_another_value_is_another_version(cloud: Cloud, change: dict[str, Json]) -> None:
    secret(cloud)
    life = version(cloud)

    assert life.changed(change) == Difference(replaces=tuple(change))
    assert life.handler.table.changes.keys() == {"secretId", "secretString", "versionStages"}


def test_stages_have_no_order_and_leaving_them_out_is_no_change(cloud: Cloud) -> None:
    secret(cloud)
    life = version(cloud, versionStages=["BLUE", "AWSCURRENT"])

    assert not life.changed({"versionStages": ["AWSCURRENT", "BLUE"]})
    assert not life.changed({"versionStages": None})


def test_stages_are_moved_in_place(cloud: Cloud) -> None:
    secret(cloud)
    life = check_update(version(cloud), {"versionStages": ["AWSCURRENT", "BLUE"]})
    assert sorted(stages(cloud, life)) == ["AWSCURRENT", "BLUE"]

    life = check_update(life, {"versionStages": ["AWSCURRENT"]})
    assert stages(cloud, life) == ["AWSCURRENT"]


def test_a_version_added_behind_our_back_is_drift_that_an_update_repairs(cloud: Cloud) -> None:
    secret(cloud)
    life = version(cloud)
    foreign = put_by_hand(cloud, "foreign")
    assert current_value(cloud) == "foreign"

    found = life.refreshed()
    assert found["versionStages"] == ["AWSPREVIOUS"]
    assert found.changed({}) == Difference(updates=("versionStages",))
    repaired = found.updated({})

    assert current_value(cloud) == "first"
    assert repaired["versionStages"] == ["AWSCURRENT"]
    assert not repaired.has_drifted
    described = cloud.call("secretsmanager", "DescribeSecret", {"SecretId": NAME})
    assert record(described, "VersionIdsToStages")[foreign] == ["AWSPREVIOUS"]


def test_two_foreign_versions_are_put_behind_ours_too(cloud: Cloud) -> None:
    secret(cloud)
    life = version(cloud)
    put_by_hand(cloud, "one")
    put_by_hand(cloud, "two")

    found = life.refreshed()
    assert found["versionStages"] == []
    found.updated({})

    assert current_value(cloud) == "first"
    # Values can still be put by hand: moto's own default must have moved along.
    assert put_by_hand(cloud, "three")
    assert current_value(cloud) == "three"


def test_without_stated_stages_a_foreign_version_goes_unnoticed(cloud: Cloud) -> None:
    secret(cloud)
    life = version(cloud, versionStages=None)
    put_by_hand(cloud, "foreign")

    assert not life.has_drifted


def test_a_replaced_version_stays_readable_as_the_previous_one(cloud: Cloud) -> None:
    secret(cloud)
    old = version(cloud)
    new = version(cloud, "second")
    # As in an update without a refresh: the state still says that the old one is current.
    old.deleted()

    assert current_value(cloud) == "second"
    assert (stages(cloud, old), stages(cloud, new)) == (["AWSPREVIOUS"], ["AWSCURRENT"])


def test_a_deletion_takes_all_stages_but_the_current_one(cloud: Cloud) -> None:
    secret(cloud)
    life = version(cloud, versionStages=["AWSCURRENT", "BLUE"]).deleted()

    assert stages(cloud, life) == ["AWSCURRENT"]
    assert current_value(cloud) == "first"


@pytest.mark.parametrize("window", [0, 7])
def test_the_versions_of_a_deleted_secret_are_gone(cloud: Cloud, window: int) -> None:
    home = secret(cloud, recoveryWindowInDays=window)
    life = version(cloud, versionStages=["AWSCURRENT", "BLUE"])
    home.deleted()

    assert life.read() is None
    life.deleted()


def test_the_current_stage_cannot_be_taken_away(cloud: Cloud) -> None:
    secret(cloud)
    life = version(cloud)
    with pytest.raises(AwsError) as refusal:
        cloud.call(
            "secretsmanager",
            "UpdateSecretVersionStage",
            {"SecretId": NAME, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": life["versionId"]},
        )

    assert refusal.value.code == "InvalidParameterException"


def test_a_version_that_does_not_become_visible_is_kept(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret(cloud)
    refuse(monkeypatch, cloud, "GetSecretValue", "ResourceNotFoundException")
    inputs: dict[str, Json] = {"secretId": NAME, "secretString": "first", "versionStages": ["AWSCURRENT"]}
    handler = resource_handler(VERSION)
    with pytest.raises(PartlyMadeError) as refusal:
        handler.create(cloud, inputs)

    life = Life(cloud, handler, refusal.value.state, inputs)
    assert life.read() == life.state
    assert life.updated({}).state == life.state
    assert "first" not in str(refusal.value)


@pytest.mark.parametrize("value", [4711471147, "x" * 65537])
def test_a_refused_value_is_not_in_the_message(cloud: Cloud, value: Json) -> None:
    secret(cloud)
    with pytest.raises(AwsError) as refusal:
        create(cloud, VERSION, {"secretId": NAME, "secretString": value})

    assert str(value) not in str(refusal.value)


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("GetSecretValue", {}),
        ("PutSecretValue", {"SecretString": "x"}),
        ("UpdateSecret", {"Description": "x"}),
        ("DeleteSecret", {}),
    ],
)
def test_a_secret_marked_for_deletion_answers_as_in_aws(
    cloud: Cloud, operation: str, parameters: dict[str, Json]
) -> None:
    secret(cloud)
    version(cloud)
    cloud.call("secretsmanager", "DeleteSecret", {"SecretId": NAME, "RecoveryWindowInDays": 7})

    with pytest.raises(AwsError, match=r"deletion|deleted") as refusal:
        cloud.call("secretsmanager", operation, {"SecretId": NAME, **parameters})
    assert refusal.value.code == "InvalidRequestException"
    assert "An error occurred" not in refusal.value.message
