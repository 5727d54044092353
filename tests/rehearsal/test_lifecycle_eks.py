"""EKS Pod Identity: the emulated calls, through every way to reach them, and the life of an association."""

import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from common.json_values import Json, record, records, text
from emulator.aws import AwsError, NoHandlerError
from emulator.aws.cloud import Cloud
from emulator.aws.in_process import in_process_cloud
from emulator.client import Emulation
from emulator.lifecycle import Difference
from emulator.world import default_world
from rehearsal.gather import association_of
from tests.rehearsal.lives import Life, check_update, create

ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"

CLUSTER = "regional-xyz"
TARGET = "arn:aws:iam::210987654321:role/target"
RIGHTS = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
)


def trust(service: str = "pods.eks.amazonaws.com") -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with in_process_cloud("us-east-1", default_world(CLUSTER, "us-east-1")) as cloud:
        yield cloud


def role(cloud: Cloud, name: str = "server", document: str | None = None) -> str:
    """A role's ARN."""
    made = create(cloud, ROLE, {"name": name, "assumeRolePolicy": document or trust()})
    return text(made.state.outputs, "arn")


def association(cloud: Cloud, **inputs: Json) -> Life:
    return create(
        cloud,
        ASSOCIATION,
        {
            "clusterName": CLUSTER,
            "namespace": "maestro",
            "serviceAccount": "maestro",
            "roleArn": inputs["roleArn"] if "roleArn" in inputs else role(cloud),
            **inputs,
        },
    )


def refusal(cloud: Cloud, operation: str, parameters: dict[str, Json]) -> AwsError:
    with pytest.raises(AwsError) as refused:
        cloud.call("eks", operation, parameters)
    return refused.value


# -- the life of an association ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"targetRoleArn": TARGET},
        {"disableSessionTags": True},
        {"tags": {"team": "platform", "env": "dev"}},
        {"tags": {"env": "dev"}},
        {"tags": {"env": "dev", "a": "b", "c": "d"}},
        {"tags": None},
    ],
)
def test_an_association_is_changed_in_place(cloud: Cloud, change: dict[str, Json]) -> None:
    life = check_update(association(cloud, tags={"team": "platform", "old": "gone"}), change)

    for key, value in change.items():
        assert life.seen_in_aws(key) == (value or {})


def test_an_association_gets_another_role_in_place(cloud: Cloud) -> None:
    other = role(cloud, "other")
    life = association(cloud, targetRoleArn=TARGET)

    after = check_update(life, {"roleArn": other})

    assert after.seen_in_aws("roleArn") == other
    assert after["targetRoleArn"] == TARGET


def test_a_target_role_brings_an_external_id_and_takes_it_away(cloud: Cloud) -> None:
    life = check_update(association(cloud), {"targetRoleArn": TARGET})
    assert life["externalId"] == f"us-east-1/123456789012/{CLUSTER}/{life.id}"

    assert check_update(life, {"targetRoleArn": None})["externalId"] == ""


@pytest.mark.parametrize("key", ["clusterName", "namespace", "serviceAccount"])
def test_an_association_for_others_is_another_one(cloud: Cloud, key: str) -> None:
    assert association(cloud).changed({key: "other"}) == Difference(replaces=(key,))


def test_every_input_of_an_association_is_in_its_table(cloud: Cloud) -> None:
    assert association(cloud).handler.table.changes.keys() == {
        "clusterName",
        "namespace",
        "serviceAccount",
        "roleArn",
        "targetRoleArn",
        "disableSessionTags",
        "tags",
    }


def test_an_association_removed_by_hand_is_drift(cloud: Cloud) -> None:
    life = association(cloud)
    cloud.call("eks", "DeletePodIdentityAssociation", {"clusterName": CLUSTER, "associationId": life.id})

    assert life.read() is None
    life.deleted()


def test_a_role_changed_by_hand_is_drift_that_an_update_repairs(cloud: Cloud) -> None:
    life = association(cloud)
    key: dict[str, Json] = {"clusterName": CLUSTER, "associationId": life.id}
    cloud.call("eks", "UpdatePodIdentityAssociation", {**key, "roleArn": role(cloud, "other")})

    found = life.refreshed()
    assert found.changed({}) == Difference(updates=("roleArn",))
    assert not found.updated({}).has_drifted
    assert life.seen_in_aws("roleArn") == life["roleArn"]


def test_a_deleted_association_makes_room_for_the_next(cloud: Cloud) -> None:
    life = association(cloud)
    life.deleted()

    assert association(cloud, roleArn=life["roleArn"]).id != life.id


def test_a_creation_waits_for_a_new_role_and_for_the_old_association_to_go(cloud: Cloud) -> None:
    life = association(cloud)
    late = text(life.state.outputs, "roleArn").replace("server", "late")
    cloud.patience = 20
    steps = (
        threading.Timer(0.1, life.deleted),
        threading.Timer(0.4, lambda: create(cloud, ROLE, {"name": "late", "assumeRolePolicy": trust()})),
    )
    for step in steps:
        step.start()

    again = association(cloud, roleArn=late)

    for step in steps:
        step.join()
    assert again["roleArn"] == late


def test_patience_has_an_end(cloud: Cloud) -> None:
    cloud.patience = 0.2
    with pytest.raises(AwsError, match="Role provided in the request does not exist"):
        association(cloud, roleArn="arn:aws:iam::123456789012:role/absent")


# -- the emulated calls --------------------------------------------------------------------------------------


def test_associations_are_listed_by_namespace_and_service_account(cloud: Cloud) -> None:
    arn = role(cloud)
    for namespace, account in (("maestro", "maestro"), ("maestro", "other"), ("other", "maestro")):
        association(cloud, roleArn=arn, namespace=namespace, serviceAccount=account)

    def found(**filters: Json) -> list[tuple[str, str]]:
        answer = cloud.call("eks", "ListPodIdentityAssociations", {"clusterName": CLUSTER, **filters})
        return [(text(a, "namespace"), text(a, "serviceAccount")) for a in records(answer, "associations")]

    assert len(found()) == 3
    assert found(namespace="maestro") == [("maestro", "maestro"), ("maestro", "other")]
    assert found(namespace="other", serviceAccount="maestro") == [("other", "maestro")]
    assert found(serviceAccount="nobody") == []


@pytest.mark.parametrize(
    "operation",
    [
        "DescribePodIdentityAssociation",
        "UpdatePodIdentityAssociation",
        "DeletePodIdentityAssociation",
    ],
)
@pytest.mark.parametrize("cluster", [CLUSTER, "absent"])
def test_an_unknown_association_or_cluster_is_not_found(cloud: Cloud, operation: str, cluster: str) -> None:
    error = refusal(cloud, operation, {"clusterName": cluster, "associationId": "a-1"})

    assert error.code == "ResourceNotFoundException"
    assert ("a-1" if cluster == CLUSTER else cluster) in error.message


def test_an_update_judges_the_role_as_a_creation_does(cloud: Cloud) -> None:
    key: dict[str, Json] = {"clusterName": CLUSTER, "associationId": association(cloud).id}
    untrusting = role(cloud, "other", trust("ec2.amazonaws.com"))

    for arn, message in (
        (untrusting, "Trust policy of the role provided is invalid"),
        (untrusting.replace("other", "absent"), "does not exist"),
        (TARGET, "Cross-account"),
    ):
        error = refusal(cloud, "UpdatePodIdentityAssociation", {**key, "roleArn": arn})
        assert error.code == "InvalidParameterException"
        assert message in error.message


def test_the_same_request_again_is_the_same_association(cloud: Cloud) -> None:
    request: dict[str, Json] = {
        "clusterName": CLUSTER,
        "namespace": "maestro",
        "serviceAccount": "maestro",
        "roleArn": role(cloud),
        "clientRequestToken": "one",
    }
    first, again = (
        record(cloud.call("eks", "CreatePodIdentityAssociation", request), "association") for _ in range(2)
    )

    assert first == again
    other = refusal(cloud, "CreatePodIdentityAssociation", {**request, "clientRequestToken": "two"})
    assert other.code == "ResourceInUseException"


def test_a_session_policy_is_refused_and_not_dropped(cloud: Cloud) -> None:
    request: dict[str, Json] = {
        "clusterName": CLUSTER,
        "namespace": "maestro",
        "serviceAccount": "maestro",
        "roleArn": role(cloud),
        "policy": "{}",
    }
    with pytest.raises(NoHandlerError):
        cloud.call("eks", "CreatePodIdentityAssociation", request)


def test_clusters_can_still_be_tagged(cloud: Cloud) -> None:
    arn: dict[str, Json] = {"resourceArn": cloud.arn("eks", f"cluster/{CLUSTER}")}
    cloud.call("eks", "TagResource", {**arn, "tags": {"a": "1", "b": "2", "c": "3"}})
    cloud.call("eks", "UntagResource", {**arn, "tagKeys": ["a", "b"]})

    assert cloud.call("eks", "ListTagsForResource", arn)["tags"] == {"c": "3"}


def test_the_tags_of_nothing_are_not_found(cloud: Cloud) -> None:
    error = refusal(cloud, "ListTagsForResource", {"resourceArn": cloud.arn("eks", "cluster/absent")})

    assert error.code == "ResourceNotFoundException"


def test_associations_are_separate_by_region_and_gone_with_the_account(cloud: Cloud) -> None:
    from moto.eks.models import eks_backends

    from emulator.aws.pod_identity import associations

    life = association(cloud)

    assert associations(eks_backends["123456789012"]["us-east-1"]).keys() == {life.id}
    assert associations(eks_backends["123456789012"]["eu-central-1"]) == {}
    eks_backends["123456789012"]["us-east-1"].reset()
    assert associations(eks_backends["123456789012"]["us-east-1"]) == {}


def test_associations_are_saved_with_motos_backend(cloud: Cloud) -> None:
    from moto.eks.models import EKSBackend, eks_backends

    from emulator.aws.pod_identity import associations

    association(cloud, tags={"team": "platform"})
    backend = eks_backends["123456789012"]["us-east-1"]

    restored = cast("EKSBackend", pickle.loads(pickle.dumps(backend)))  # noqa: S301 (our own)

    assert associations(restored) == associations(backend)


def test_the_pod_finds_its_association(cloud: Cloud) -> None:
    life = association(cloud, disableSessionTags=True)
    found = association_of(cloud, CLUSTER, "maestro", "maestro")

    assert found is not None
    assert (found.role_arn, found.tags_disabled) == (life["roleArn"], True)
    life.deleted()
    assert association_of(cloud, CLUSTER, "maestro", "maestro") is None


# -- in a process of its own ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def emulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    with Emulation.start(tmp_path_factory.mktemp("aws") / "state") as emulation:
        yield emulation


def far_cloud(emulation: Emulation, account: str, *, patience: float = 0) -> Cloud:
    """Another account for each test, since they share the process."""
    emulation.build(account=account, region="us-east-1", world=default_world(CLUSTER, "us-east-1"))
    return emulation.cloud("us-east-1", account, patience=patience)


def test_an_association_lives_its_life_over_http_too(emulation: Emulation) -> None:
    cloud = far_cloud(emulation, "111111111111")
    life = check_update(association(cloud, tags={"a": "1", "b": "2"}), {"tags": {"c": "3"}})
    life = check_update(life, {"targetRoleArn": TARGET})

    assert life.seen_in_aws("tags") == {"c": "3"}
    missing = refusal(
        cloud, "DescribePodIdentityAssociation", {"clusterName": CLUSTER, "associationId": "a-1"}
    )
    assert missing.code == "ResourceNotFoundException"
    life.deleted()
    assert life.read() is None


def test_a_role_policy_is_awaited_until_iam_shows_it(emulation: Emulation) -> None:
    cloud = far_cloud(emulation, "222222222222", patience=20)
    emulation.inject(
        [{"service": "iam", "operation": "GetRolePolicy", "nth": 1, "times": 2, "effect": "invisible"}]
    )
    role(cloud)
    create(cloud, ROLE_POLICY, {"name": "read", "role": "server", "policy": RIGHTS})

    assert emulation.fired()
    emulation.inject([])


def test_the_aws_command_lists_and_refuses_as_with_eks(emulation: Emulation) -> None:
    life = association(far_cloud(emulation, "123456789012"), tags={"team": "platform"})
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    environment = inherited | emulation.environment("us-east-1")

    def aws(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("aws")), "eks", *arguments, "--cluster-name", CLUSTER]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    listed = aws("list-pod-identity-associations", "--namespace", "maestro")
    missing = aws("describe-pod-identity-association", "--association-id", "a-1")

    assert [found["associationId"] for found in json.loads(listed.stdout)["associations"]] == [life.id]
    assert missing.returncode != 0
    assert "(ResourceNotFoundException)" in missing.stderr
    assert "a-1" in missing.stderr
