"""The role: which pod may take it, evaluated as AWS evaluates it."""

import json
from dataclasses import replace

import pytest

from checks.aws_policy import (
    POD_IDENTITY_SERVICE,
    PodIdentity,
    PolicyDocument,
    Principal,
    Request,
    assume_role_context,
    is_allowed,
    parse,
    pod_may_assume,
)
from maestro_stack.names import SERVICE_ACCOUNT
from maestro_stack.permissions import trust_policy

POD = PodIdentity(
    account_id="111122223333",
    cluster_arn="arn:aws:eks:us-east-1:111122223333:cluster/regional-xyz",
    cluster_name="regional-xyz",
    namespace="maestro",
    service_account=SERVICE_ACCOUNT,
    pod_name="maestro-5d4f8b7c9-abcde",
    pod_uid="00000000-0000-4000-8000-000000000000",
)


def trust(pod: PodIdentity = POD) -> PolicyDocument:
    """The trust policy of the role that is made for this pod."""
    document = trust_policy(
        sid="MaestroServerPods",
        service=POD_IDENTITY_SERVICE,
        account_id=pod.account_id,
        cluster_arn=pod.cluster_arn,
        namespace=pod.namespace,
        service_account=pod.service_account,
    )
    return parse(json.dumps(document), kind="trust")


@pytest.mark.parametrize("pod", [POD, replace(POD, pod_name="another", pod_uid="1")])
def test_the_servers_pods_may_take_the_role(pod: PodIdentity) -> None:
    assert pod_may_assume(trust(), pod).allowed


@pytest.mark.parametrize("partition", ["aws-us-gov", "aws-cn"])
def test_the_clusters_own_arn_counts_in_every_partition(partition: str) -> None:
    arn = POD.cluster_arn.replace("arn:aws:", f"arn:{partition}:")
    pod = replace(POD, cluster_arn=arn)
    assert pod_may_assume(trust(pod), pod).allowed
    assert not pod_may_assume(trust(pod), POD).allowed


@pytest.mark.parametrize(
    "changed",
    [
        {"namespace": "default"},
        {"namespace": "maestro-2"},
        {"namespace": "Maestro"},
        {"service_account": "default"},
        {"service_account": "maestro-agent"},
        {"cluster_arn": "arn:aws:eks:us-east-1:111122223333:cluster/regional-xyz-2"},
        {"cluster_arn": "arn:aws:eks:us-west-2:111122223333:cluster/regional-xyz"},
        {"account_id": "444455556666"},
    ],
)
def test_no_other_pod_may_take_the_role(changed: dict[str, str]) -> None:
    assert not pod_may_assume(trust(), replace(POD, **changed)).allowed


def test_a_session_without_tags_may_not_take_the_role() -> None:
    assert not pod_may_assume(trust(), POD, tags_disabled=True).allowed


@pytest.mark.parametrize(
    "principal",
    [
        Principal(type="Service", value="ec2.amazonaws.com"),
        Principal(type="Service", value="eks.amazonaws.com"),
        Principal(type="AWS", value="arn:aws:iam::111122223333:role/admin"),
    ],
)
def test_nobody_but_the_pod_identity_service_may_take_the_role(principal: Principal) -> None:
    request = Request(action="sts:AssumeRole", principal=principal, context=assume_role_context(POD))
    assert not is_allowed([trust()], request).allowed


@pytest.mark.parametrize("action", ["sts:AssumeRoleWithWebIdentity", "sts:SetSourceIdentity"])
def test_the_role_can_be_taken_in_no_other_way(action: str) -> None:
    principal = Principal(type="Service", value=POD_IDENTITY_SERVICE)
    request = Request(action=action, principal=principal, context=assume_role_context(POD))
    assert not is_allowed([trust()], request).allowed
