"""IAM's resources after their creation: what a change does, what a refresh sees, what a deletion needs."""

import json
import threading
from collections.abc import Iterator

import pytest

from common.json_values import Json, record
from emulator.aws import AwsError, resource_handler
from emulator.aws.cloud import Cloud
from emulator.aws.errors import PartlyMadeError
from emulator.aws.in_process import in_process_cloud
from emulator.lifecycle import Difference
from emulator.world import World
from tests.rehearsal.lives import Life, check_update, create, refuse

ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"

BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"


def trust(service: str = "pods.eks.amazonaws.com") -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def rights(action: str = "secretsmanager:GetSecretValue") -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with in_process_cloud("us-east-1", World()) as cloud:
        yield cloud


def role(cloud: Cloud, **inputs: Json) -> Life:
    return create(cloud, ROLE, {"name": "server", "assumeRolePolicy": trust(), **inputs})


def role_policy(cloud: Cloud) -> Life:
    role(cloud)
    return create(cloud, ROLE_POLICY, {"name": "read", "role": "server", "policy": rights()})


def found_role(cloud: Cloud) -> dict[str, Json]:
    return record(cloud.call("iam", "GetRole", {"RoleName": "server"}), "Role")


# -- roles ---------------------------------------------------------------------------------------------------


def test_tag_keys_that_differ_by_case_are_refused_at_a_creation(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="Duplicate tag keys found") as caught:
        role(cloud, tags={"Team": "a", "team": "b"})
    assert caught.value.code == "InvalidInput"


def test_another_spelling_takes_an_existing_tags_place_and_comes_back_with_each_update(cloud: Cloud) -> None:
    life = role(cloud, tags={"team": "a"})

    both = life.updated({"tags": {"team": "a", "Team": "b"}})

    assert both["tags"] == {"Team": "b"}
    assert both.changed({}).updates == ("tags",)
    assert both.updated({})["tags"] == {"team": "a"}
    assert both.updated({"tags": {}})["tags"] == {}


@pytest.mark.parametrize(
    "change",
    [
        {"assumeRolePolicy": trust("ec2.amazonaws.com")},
        {"description": "of the server"},
        {"description": None},
        {"maxSessionDuration": 7200},
        {"permissionsBoundary": BOUNDARY},
        {"tags": {"team": "platform", "env": "dev"}},
        {"tags": {"env": "dev"}},
        {"tags": None},
    ],
)
def test_a_role_is_changed_in_place(cloud: Cloud, change: dict[str, Json]) -> None:
    life = check_update(role(cloud, description="old", tags={"team": "platform"}), change)

    for key, value in change.items():
        seen = life.seen_in_aws(key)
        assert (json.loads(str(seen)) if key == "assumeRolePolicy" else seen) == (
            json.loads(str(value)) if key == "assumeRolePolicy" else value or ({} if key == "tags" else "")
        )


def test_one_changed_input_leaves_the_others_as_they_are(cloud: Cloud) -> None:
    life = role(cloud, description="kept", permissionsBoundary=BOUNDARY, tags={"team": "platform"})

    after = check_update(life, {"maxSessionDuration": 7200})

    assert after.state.outputs == {**life.state.outputs, "maxSessionDuration": 7200}


def test_a_boundary_and_a_duration_can_be_taken_out_again(cloud: Cloud) -> None:
    life = role(cloud, permissionsBoundary=BOUNDARY, maxSessionDuration=7200)

    life = check_update(life, {"permissionsBoundary": None})
    life = check_update(life, {"maxSessionDuration": None})

    assert (life.seen_in_aws("permissionsBoundary"), life.seen_in_aws("maxSessionDuration")) == ("", 3600)


@pytest.mark.parametrize("change", [{"name": "other"}, {"path": "/maestro/"}])
def test_another_name_or_path_is_another_role(cloud: Cloud, change: dict[str, Json]) -> None:
    assert role(cloud).changed(change) == Difference(replaces=tuple(change))


def test_forced_detaching_is_only_kept(cloud: Cloud) -> None:
    life = role(cloud)
    before = found_role(cloud)

    assert check_update(life, {"forceDetachPolicies": True})["forceDetachPolicies"] is True
    assert found_role(cloud) == before


def test_every_input_of_a_role_is_in_its_table(cloud: Cloud) -> None:
    assert role(cloud).handler.table.changes.keys() == {
        "name",
        "path",
        "assumeRolePolicy",
        "description",
        "maxSessionDuration",
        "permissionsBoundary",
        "tags",
        "forceDetachPolicies",
    }


def test_a_trust_policy_is_compared_by_what_it_says(cloud: Cloud) -> None:
    life = role(cloud)

    assert not life.changed({"assumeRolePolicy": json.dumps(json.loads(trust()), indent=1, sort_keys=True)})


def test_a_trust_policy_edited_by_hand_is_drift_that_an_update_repairs(cloud: Cloud) -> None:
    life = role(cloud)
    edited: dict[str, Json] = {"RoleName": "server", "PolicyDocument": trust("ec2.amazonaws.com")}
    cloud.call("iam", "UpdateAssumeRolePolicy", edited)

    found = life.refreshed()
    assert found.changed({}) == Difference(updates=("assumeRolePolicy",))
    assert not found.updated({}).has_drifted
    assert found_role(cloud)["AssumeRolePolicyDocument"] == json.loads(trust())


@pytest.mark.parametrize("document", ["not JSON", "{}", rights()])
def test_a_malformed_trust_policy_is_refused_at_an_update(cloud: Cloud, document: str) -> None:
    life = role(cloud)

    with pytest.raises(AwsError) as refusal:
        life.updated({"assumeRolePolicy": document})
    assert (refusal.value.code, refusal.value.operation) == (
        "MalformedPolicyDocument",
        "UpdateAssumeRolePolicy",
    )
    assert not life.has_drifted


def test_an_inline_policy_shows_on_the_role_but_is_no_difference(cloud: Cloud) -> None:
    life = role(cloud)
    create(cloud, ROLE_POLICY, {"name": "read", "role": "server", "policy": rights()})

    found = life.refreshed()
    assert found["inlinePolicies"] == [{"name": "read", "policy": rights()}]
    assert not found.changed({})


def test_a_role_is_deleted_and_a_second_time_is_no_error(cloud: Cloud) -> None:
    life = role(cloud).deleted().deleted()

    assert life.read() is None


def test_a_role_leaves_its_instance_profiles_before_it_goes(cloud: Cloud) -> None:
    life = role(cloud)
    profile: dict[str, Json] = {"InstanceProfileName": "nodes"}
    cloud.call("iam", "CreateInstanceProfile", profile)
    cloud.call("iam", "AddRoleToInstanceProfile", {**profile, "RoleName": "server"})

    life.deleted()

    found = record(cloud.call("iam", "GetInstanceProfile", profile), "InstanceProfile")
    assert found["Roles"] == []


def give_policies(cloud: Cloud) -> None:
    """Give the role policies, as somebody else would."""
    made = cloud.call("iam", "CreatePolicy", {"PolicyName": "managed", "PolicyDocument": rights()})
    arn = record(made, "Policy")["Arn"]
    cloud.call("iam", "AttachRolePolicy", {"RoleName": "server", "PolicyArn": arn})
    inline: dict[str, Json] = {"RoleName": "server", "PolicyName": "extra", "PolicyDocument": rights()}
    cloud.call("iam", "PutRolePolicy", inline)


def test_foreign_policies_that_no_refresh_saw_keep_a_role(cloud: Cloud) -> None:
    life = role(cloud)
    give_policies(cloud)

    with pytest.raises(AwsError) as refusal:
        life.deleted()
    assert refusal.value.code == "DeleteConflict"


def test_foreign_policies_go_with_the_role_after_a_refresh_or_by_force(cloud: Cloud) -> None:
    life = role(cloud)
    give_policies(cloud)
    assert life.refreshed().deleted().read() is None
    cloud.call("iam", "DeletePolicy", {"PolicyArn": "arn:aws:iam::123456789012:policy/managed"})

    life = role(cloud, forceDetachPolicies=True)
    give_policies(cloud)
    assert life.deleted().read() is None


def test_a_deletion_waits_while_policies_are_being_taken_away(cloud: Cloud) -> None:
    life = role(cloud)
    inline: dict[str, Json] = {"RoleName": "server", "PolicyName": "extra"}
    cloud.call("iam", "PutRolePolicy", {**inline, "PolicyDocument": rights()})
    cloud.patience = 20
    taken = threading.Timer(0.15, lambda: cloud.call("iam", "DeleteRolePolicy", inline))
    taken.start()

    life.deleted()

    taken.join()
    assert life.read() is None


@pytest.mark.parametrize("operation", ["GetRole", "GetRolePolicy"])
def test_what_iam_does_not_show_yet_is_waited_for(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    cloud.patience = 20
    refuse(monkeypatch, cloud, operation, "NoSuchEntity", "NoSuchEntity")

    assert role_policy(cloud).id == "server:read"


def test_a_role_that_does_not_become_visible_is_kept(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, cloud, "GetRole", "NoSuchEntity")
    inputs: dict[str, Json] = {"name": "server", "assumeRolePolicy": trust()}
    handler = resource_handler(ROLE)
    with pytest.raises(PartlyMadeError) as refusal:
        handler.create(cloud, inputs)

    life = Life(cloud, handler, refusal.value.state, inputs)
    assert life.read() == life.state
    assert not life.changed({})


# -- role policies -------------------------------------------------------------------------------------------


def test_a_role_policy_is_changed_in_place(cloud: Cloud) -> None:
    life = check_update(role_policy(cloud), {"policy": rights("secretsmanager:DescribeSecret")})

    seen = life.seen_in_aws("policy")
    assert json.loads(str(seen)) == json.loads(rights("secretsmanager:DescribeSecret"))


@pytest.mark.parametrize("key", ["name", "role"])
def test_another_name_or_role_is_another_policy(cloud: Cloud, key: str) -> None:
    life = role_policy(cloud)

    assert life.changed({key: "other"}) == Difference(replaces=(key,))
    assert life.handler.table.changes.keys() == {"name", "role", "policy"}


def test_a_role_policy_is_compared_by_what_it_says(cloud: Cloud) -> None:
    life = role_policy(cloud)

    assert not life.changed({"policy": rights().replace('"*"', '["*"]')})
    assert life.changed({"policy": rights().replace('"*"', '["*", "x"]')})


def test_a_role_policy_edited_or_removed_by_hand_is_drift(cloud: Cloud) -> None:
    life = role_policy(cloud)
    key: dict[str, Json] = {"RoleName": "server", "PolicyName": "read"}

    cloud.call("iam", "PutRolePolicy", {**key, "PolicyDocument": rights("s3:*")})
    assert life.refreshed().changed({}) == Difference(updates=("policy",))
    assert not life.refreshed().updated({}).has_drifted

    cloud.call("iam", "DeleteRolePolicy", key)
    assert life.read() is None


def test_a_role_policy_is_deleted_and_a_second_time_is_no_error(cloud: Cloud) -> None:
    life = role_policy(cloud).deleted()
    assert life.read() is None

    life.deleted()
    cloud.call("iam", "DeleteRole", {"RoleName": "server"})
    life.deleted()
    assert life.read() is None
