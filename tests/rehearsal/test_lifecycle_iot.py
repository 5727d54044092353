"""AWS IoT's resources after their creation: what a change does, a refresh sees, a deletion needs."""

import json
from collections.abc import Iterator

import pytest

from common.json_values import Json, record, records, text
from emulator.aws import AwsError
from emulator.aws.cloud import Cloud
from emulator.aws.in_process import in_process_cloud
from emulator.lifecycle import Difference
from emulator.world import World
from tests.rehearsal.lives import Life, check_update, create, refuse

CERTIFICATE = "aws:iot/certificate:Certificate"
POLICY = "aws:iot/policy:Policy"
ATTACHMENT = "aws:iot/policyAttachment:PolicyAttachment"


def document(action: str = "iot:Connect") -> str:
    statement = {"Effect": "Allow", "Action": [action], "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with in_process_cloud("us-east-1", World()) as cloud:
        yield cloud


def certificate(cloud: Cloud, *, active: bool = True) -> Life:
    return create(cloud, CERTIFICATE, {"active": active})


def policy(cloud: Cloud, name: str = "server", **inputs: Json) -> Life:
    return create(cloud, POLICY, {"name": name, "policy": document(), **inputs})


def attachment(cloud: Cloud) -> tuple[Life, Life, Life]:
    """An attachment of a policy to a certificate; returns all three."""
    rights, holder = policy(cloud), certificate(cloud)
    target: dict[str, Json] = {"policy": rights.id, "target": holder["arn"]}
    return create(cloud, ATTACHMENT, target), rights, holder


def code(life: Life) -> str:
    with pytest.raises(AwsError) as refusal:
        life.deleted()
    return refusal.value.code


# -- certificates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after", "status"), [(True, False, "INACTIVE"), (False, True, "ACTIVE")])
def test_a_certificate_is_switched_off_and_on_in_place(
    cloud: Cloud, *, before: bool, after: bool, status: str
) -> None:
    life = check_update(certificate(cloud, active=before), {"active": after})

    described = cloud.call("iot", "DescribeCertificate", {"certificateId": life.id})
    assert record(described, "certificateDescription")["status"] == status


def test_another_signing_request_makes_another_certificate(cloud: Cloud) -> None:
    assert certificate(cloud).changed({"csr": "…"}) == Difference(replaces=("csr",))


def test_the_keys_of_a_certificate_are_kept_by_the_state_alone(cloud: Cloud) -> None:
    life = certificate(cloud)

    assert text(life.state.outputs, "privateKey").startswith("-----BEGIN")
    assert life.updated({"active": False})["privateKey"] == life["privateKey"]


def test_a_certificate_cannot_be_imported(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="doesn't support import"):
        certificate(cloud).seen_in_aws("arn")


def test_a_certificate_switched_off_by_hand_is_drift(cloud: Cloud) -> None:
    life = certificate(cloud)
    cloud.call("iot", "UpdateCertificate", {"certificateId": life.id, "newStatus": "INACTIVE"})

    assert life.refreshed().changed({}) == Difference(updates=("active",))


def test_an_active_certificate_is_deactivated_and_deleted(cloud: Cloud) -> None:
    life = certificate(cloud).deleted()

    assert cloud.call("iot", "ListCertificates", {})["certificates"] == []
    assert life.read() is None
    life.deleted()


def test_a_certificate_with_a_policy_is_not_deleted(cloud: Cloud) -> None:
    _, _, holder = attachment(cloud)

    assert code(holder) == "DeleteConflictException"


# -- policies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"policy": document("iot:Publish")},
        {"tags": {"team": "platform", "env": "dev"}},
        {"tags": {"team": "network"}},
        {"tags": None},
    ],
)
def test_a_policy_is_changed_in_place(cloud: Cloud, change: dict[str, Json]) -> None:
    life = check_update(policy(cloud, tags={"team": "platform"}), change)

    for key, value in change.items():
        assert life.seen_in_aws(key) == (value or {})
        assert life.seen_in_aws("tagsAll") == life["tags"]


def test_every_input_of_a_policy_updates_but_its_name(cloud: Cloud) -> None:
    life = policy(cloud)

    assert life.changed({"name": "other"}) == Difference(replaces=("name",))
    assert life.handler.table.changes.keys() == {"name", "policy", "tags"}


def test_a_changed_policy_is_a_new_default_version(cloud: Cloud) -> None:
    life = check_update(policy(cloud), {"policy": document("iot:Publish")})

    assert life["defaultVersionId"] == "2"


def test_a_sixth_version_takes_the_place_of_the_oldest(cloud: Cloud) -> None:
    life = policy(cloud)
    for number in range(6):
        life = check_update(life, {"policy": document(f"iot:Action{number}")})

    versions = records(cloud.call("iot", "ListPolicyVersions", {"policyName": life.id}), "policyVersions")
    assert [text(version, "versionId") for version in versions] == ["3", "4", "5", "6", "7"]
    assert life["defaultVersionId"] == "7"


def test_the_default_version_is_spared_though_it_is_the_oldest(cloud: Cloud) -> None:
    life = policy(cloud)
    for number in range(4):
        addition: dict[str, Json] = {
            "policyName": life.id,
            "policyDocument": document(f"iot:Action{number}"),
        }
        cloud.call("iot", "CreatePolicyVersion", addition)

    life.updated({"policy": document("iot:Publish")})

    versions = records(cloud.call("iot", "ListPolicyVersions", {"policyName": life.id}), "policyVersions")
    assert [text(version, "versionId") for version in versions] == ["1", "3", "4", "5", "6"]


@pytest.mark.parametrize(
    ("rewritten", "is_same"),
    [
        (json.dumps(json.loads(document()), indent=2), True),
        (document().replace('["iot:Connect"]', '"iot:Connect"'), True),
        (json.dumps({"Statement": json.loads(document())["Statement"], "Version": "2012-10-17"}), True),
        (document().replace('"*"', '"arn:aws:iot:us-east-1:123456789012:client/x"'), False),
        (document().replace("Allow", "Deny"), False),
    ],
)
def test_a_policy_is_compared_by_what_it_says(cloud: Cloud, rewritten: str, *, is_same: bool) -> None:
    assert bool(policy(cloud).changed({"policy": rewritten})) is not is_same


def test_a_policy_edited_by_hand_is_drift_that_an_update_repairs(cloud: Cloud) -> None:
    life = policy(cloud)
    cloud.call(
        "iot",
        "CreatePolicyVersion",
        {"policyName": life.id, "policyDocument": document("iot:*"), "setAsDefault": True},
    )

    found = life.refreshed()
    assert found.changed({}) == Difference(updates=("policy",))
    assert not found.updated({}).has_drifted
    assert cloud.call("iot", "GetPolicy", {"policyName": life.id})["policyDocument"] == document()


def test_a_malformed_policy_is_refused_at_an_update(cloud: Cloud) -> None:
    life = policy(cloud)

    with pytest.raises(AwsError, match="MalformedPolicyException"):
        life.updated({"policy": "{}"})
    assert not life.has_drifted


def test_a_policy_is_deleted_with_all_its_versions(cloud: Cloud) -> None:
    life = policy(cloud)
    for number in range(3):
        life = life.updated({"policy": document(f"iot:Action{number}")})

    life.deleted()

    assert life.read() is None
    life.deleted()
    assert policy(cloud)["defaultVersionId"] == "1"


def test_an_attached_policy_is_not_deleted(cloud: Cloud) -> None:
    _, rights, _ = attachment(cloud)

    assert code(rights) == "DeleteConflictException"


def test_a_policy_that_aws_still_holds_on_to_goes_at_the_second_try(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    life, rights, _ = attachment(cloud)
    life.deleted()
    refuse(monkeypatch, cloud, "DeletePolicy", "DeleteConflictException")

    assert code(rights) == "DeleteConflictException"
    assert rights.deleted().read() is None


def test_a_policy_deleted_by_hand_is_created_again(cloud: Cloud) -> None:
    life = policy(cloud)
    cloud.call("iot", "DeletePolicy", {"policyName": life.id})

    assert life.read() is None


# -- attachments ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["policy", "target"])
def test_an_attachment_has_nothing_to_update(cloud: Cloud, key: str) -> None:
    life, _, _ = attachment(cloud)

    assert life.changed({key: "other"}) == Difference(replaces=(key,))
    assert life.handler.table.changes.keys() == {"policy", "target"}


def test_a_detached_policy_is_drift(cloud: Cloud) -> None:
    life, rights, holder = attachment(cloud)
    cloud.call("iot", "DetachPolicy", {"policyName": rights.id, "target": holder["arn"]})

    assert life.read() is None
    life.deleted()


def test_a_swapped_policy_goes_unnoticed_as_with_the_provider(cloud: Cloud) -> None:
    life, rights, holder = attachment(cloud)
    policy(cloud, "other")
    cloud.call("iot", "AttachPolicy", {"policyName": "other", "target": holder["arn"]})
    cloud.call("iot", "DetachPolicy", {"policyName": rights.id, "target": holder["arn"]})

    assert life.read() == life.state


def test_an_attachment_of_a_certificate_that_is_gone_is_gone(cloud: Cloud) -> None:
    life, _, holder = attachment(cloud)
    life.deleted()
    holder.deleted()

    assert life.read() is None
    life.deleted()


def test_certificate_and_policy_can_go_once_they_are_detached(cloud: Cloud) -> None:
    life, rights, holder = attachment(cloud)
    life.deleted()

    assert holder.deleted().read() is None
    assert rights.deleted().read() is None
