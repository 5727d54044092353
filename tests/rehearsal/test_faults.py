"""Faults on request: each service's own errors, counted as asked, healed by the SDK where AWS's would be."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError, ConnectionClosedError

from common.json_values import Json
from emulator.aws.calls import SERVICES, operations, service_model
from emulator.aws.cloud import Cloud
from emulator.aws.errors import AwsError
from emulator.aws.faults import Effect, refusal
from emulator.client import Emulation, EmulationError

ACCOUNT, REGION = "123456789012", "us-east-1"

# An operation of each service that needs no parameters.
ANY = {
    "ec2": "DescribeSecurityGroups",
    "eks": "ListClusters",
    "iam": "ListRoles",
    "iot": "ListPolicies",
    "logs": "DescribeLogGroups",
    "rds": "DescribeDBInstances",
    "secretsmanager": "ListSecrets",
    "sts": "GetCallerIdentity",
}
EXPECTED: dict[str, dict[str, tuple[str, int]]] = {
    "throttle": {
        "ec2": ("RequestLimitExceeded", 503),
        "eks": ("ThrottlingException", 429),
        "iam": ("Throttling", 400),
        "iot": ("ThrottlingException", 400),
        "logs": ("ThrottlingException", 400),
        "rds": ("Throttling", 400),
        "secretsmanager": ("ThrottlingException", 400),
        "sts": ("Throttling", 400),
    },
    "unavailable": {
        "ec2": ("InternalError", 500),
        "eks": ("ServerException", 500),
        "iam": ("ServiceFailure", 500),
        "iot": ("InternalFailureException", 500),
        "logs": ("ServiceUnavailableException", 500),
        "rds": ("InternalFailure", 500),
        "secretsmanager": ("InternalServiceError", 500),
        "sts": ("InternalFailure", 500),
    },
    "expired": {
        "ec2": ("RequestExpired", 400),
        "eks": ("ExpiredTokenException", 403),
        "iam": ("ExpiredToken", 403),
        "iot": ("ExpiredTokenException", 403),
        "logs": ("ExpiredTokenException", 400),
        "rds": ("ExpiredToken", 403),
        "secretsmanager": ("ExpiredTokenException", 400),
        "sts": ("ExpiredToken", 403),
    },
    "quota": {
        "ec2": ("ResourceLimitExceeded", 400),
        "eks": ("ResourceLimitExceededException", 400),
        "iam": ("LimitExceeded", 409),
        "iot": ("LimitExceededException", 410),
        "logs": ("LimitExceededException", 400),
        "rds": ("InstanceQuotaExceeded", 400),
        "secretsmanager": ("LimitExceededException", 400),
    },
    "invisible": {
        "ec2": ("InvalidGroup.NotFound", 400),
        "eks": ("ResourceNotFoundException", 404),
        "iam": ("NoSuchEntity", 404),
        "iot": ("ResourceNotFoundException", 404),
        "logs": ("ResourceNotFoundException", 400),
        "rds": ("DBInstanceNotFound", 404),
        "secretsmanager": ("ResourceNotFoundException", 400),
    },
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    with Emulation.start(tmp_path_factory.mktemp("faults") / "aws") as aws:
        yield aws


@pytest.fixture
def aws(running: Emulation) -> Iterator[Emulation]:
    """The module's server, without faults and with an empty call log."""
    running.clear_calls()
    yield running
    running.inject([])


@pytest.fixture(scope="module")
def once(running: Emulation) -> Cloud:
    """A cloud whose SDK makes each call once."""
    return running.cloud(REGION, ACCOUNT, retries=1)


@pytest.fixture(scope="module")
def patient(running: Emulation) -> Cloud:
    """A cloud whose SDK retries as the provider's does."""
    return running.cloud(REGION, ACCOUNT)


def fault(service: str, operation: str, effect: str, **more: Json) -> dict[str, Json]:
    return {"service": service, "operation": operation, "effect": effect, **more}


def statuses(aws: Emulation) -> list[int]:
    return [call["status"] for call in aws.calls()]


@pytest.mark.parametrize(
    ("effect", "service"), [(effect, service) for effect, row in EXPECTED.items() for service in row]
)
def test_botocore_sees_each_effect_as_the_services_own_error(
    aws: Emulation, once: Cloud, effect: str, service: str
) -> None:
    aws.inject([fault(service, ANY[service], effect)])
    method = getattr(once.client(service), xform_name(ANY[service]))

    with pytest.raises(ClientError) as caught:
        method()

    response = cast("dict[str, Any]", caught.value.response)
    code, status = EXPECTED[effect][service]
    assert response["Error"]["Code"] == code
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert "injected by the rehearsal" in response["Error"]["Message"]
    assert statuses(aws) == [status]
    method()  # once only


@pytest.mark.parametrize("service", SERVICES)
def test_codes_have_the_statuses_of_the_services_models(service: str) -> None:
    model = service_model(service)
    modelled: dict[str, int] = {}
    for name in model.shape_names:
        metadata = model.shape_for(name).metadata
        error = cast("dict[str, Any]", metadata.get("error", {}))
        if metadata.get("exception") and "httpStatusCode" in error:
            modelled[str(error.get("code", name))] = int(error["httpStatusCode"])
    effects: tuple[Effect, ...] = ("throttle", "unavailable", "quota", "invisible")

    ours = {
        found.code: found.status
        for operation in operations(service)
        for effect in effects
        if (found := refusal(service, operation, effect))
    }

    assert {code: modelled.get(code, status) for code, status in ours.items()} == ours


@pytest.mark.parametrize(
    ("service", "operation", "effect", "code"),
    [
        ("ec2", "CreateSecurityGroup", "quota", "SecurityGroupLimitExceeded"),
        ("ec2", "AuthorizeSecurityGroupIngress", "quota", "RulesPerSecurityGroupLimitExceeded"),
        ("ec2", "DescribeSecurityGroupRules", "invisible", "InvalidSecurityGroupRuleId.NotFound"),
        ("iot", "CreatePolicyVersion", "quota", "VersionsLimitExceededException"),
        ("rds", "CreateDBSubnetGroup", "quota", "DBSubnetGroupQuotaExceeded"),
        ("rds", "CreateDBParameterGroup", "quota", "DBParameterGroupQuotaExceeded"),
        ("rds", "ModifyDBInstance", "quota", "StorageQuotaExceeded"),
        ("rds", "DescribeDBSubnetGroups", "invisible", "DBSubnetGroupNotFoundFault"),
        ("rds", "ModifyDBParameterGroup", "invisible", "DBParameterGroupNotFound"),
        ("eks", "CreatePodIdentityAssociation", "invisible", "InvalidParameterException"),
    ],
)
def test_an_operation_has_its_own_error_where_aws_has_one(
    service: str, operation: str, effect: Effect, code: str
) -> None:
    found = refusal(service, operation, effect)

    assert operation in operations(service)
    assert found is not None
    assert found.code == code


def test_a_role_that_is_not_visible_yet_is_reported_in_the_words_that_the_provider_waits_for() -> None:
    found = refusal("eks", "CreatePodIdentityAssociation", "invisible")

    assert found is not None
    assert "Role provided in the request does not exist" in found.message


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("effect", ["throttle", "unavailable"])
def test_the_sdk_heals_what_can_be_retried(aws: Emulation, patient: Cloud, service: str, effect: str) -> None:
    aws.inject([fault(service, ANY[service], effect, times=2)])
    began = time.monotonic()

    patient.call(service, ANY[service], {})

    assert aws.fired()
    assert statuses(aws) == [EXPECTED[effect][service][1]] * 2 + [200]
    assert time.monotonic() - began < 2  # two pauses of half a second at most


@pytest.mark.parametrize("effect", ["expired", "invisible"])
def test_the_sdk_does_not_retry_the_rest(aws: Emulation, patient: Cloud, effect: str) -> None:
    aws.inject([fault("iam", "ListRoles", effect)])

    with pytest.raises(AwsError) as caught:
        patient.call("iam", "ListRoles", {})

    assert caught.value.code == EXPECTED[effect]["iam"][0]
    assert len(aws.calls()) == 1


def test_attempts_end(aws: Emulation) -> None:
    cloud = aws.cloud(REGION, ACCOUNT, retries=3)
    aws.inject([fault("iot", "ListPolicies", "unavailable", times=100)])

    with pytest.raises(AwsError) as caught:
        cloud.call("iot", "ListPolicies", {})

    assert caught.value.code == "InternalFailureException"
    assert statuses(aws) == [500, 500, 500]


def test_a_fault_hits_the_nth_matching_call_and_as_many_as_asked(aws: Emulation, once: Cloud) -> None:
    aws.inject([fault("iot", "ListPolicies", "throttle", nth=2, times=2)])

    for _ in range(5):
        with suppress(AwsError):
            once.call("iot", "ListPolicies", {})
        once.call("iot", "ListCertificates", {})

    assert statuses(aws)[::2] == [200, 400, 400, 200, 200]
    assert set(statuses(aws)[1::2]) == {200}


def test_the_report_says_how_often_a_fault_has_fired(aws: Emulation, once: Cloud) -> None:
    aws.inject([fault("iot", "*", "throttle", nth=2)])
    assert not aws.fired()

    once.call("iot", "ListPolicies", {})
    assert (aws.faults()[0]["seen"], aws.faults()[0]["fired"]) == (1, 0)
    with pytest.raises(AwsError):
        once.call("iot", "ListCertificates", {})

    assert (aws.faults()[0]["seen"], aws.faults()[0]["fired"]) == (2, 1)
    assert aws.fired()


@pytest.mark.parametrize(("when", "is_made"), [("before", False), ("after", True)])
def test_when_says_whether_the_call_is_executed(
    aws: Emulation,
    once: Cloud,
    when: str,
    is_made: bool,  # noqa: FBT001
) -> None:
    name = f"made-{when}"
    aws.inject([fault("secretsmanager", "CreateSecret", "unavailable", when=when)])

    with pytest.raises(AwsError) as caught:
        once.call("secretsmanager", "CreateSecret", {"Name": name})

    assert caught.value.code == "InternalServiceError"
    listed = once.call("secretsmanager", "ListSecrets", {})["SecretList"]
    assert any(secret["Name"] == name for secret in cast("list[dict[str, str]]", listed)) is is_made


@pytest.mark.parametrize(("when", "is_made"), [("before", False), ("after", True)])
def test_kill_ends_the_process_with_its_children_and_leaves_no_answer(
    aws: Emulation,
    once: Cloud,
    when: str,
    is_made: bool,  # noqa: FBT001
) -> None:
    name = f"killed-{when}"
    # The second runs in a process group of its own, as a plugin does.
    shell = ["/bin/sh", "-c", "sleep 600 & echo $!; setsid sleep 600 & echo $!; wait"]
    with subprocess.Popen(shell, stdout=subprocess.PIPE, start_new_session=True) as victim:
        assert victim.stdout is not None
        children = [int(victim.stdout.readline()) for _ in range(2)]
        aws.inject([fault("secretsmanager", "CreateSecret", "kill", when=when, pid=victim.pid)])

        with pytest.raises(ConnectionClosedError):
            cast(Any, once.client("secretsmanager")).create_secret(Name=name)

        assert victim.wait(5) == -9
        for child in children:
            _wait_until_gone(child)
    assert statuses(aws) == [0]
    listed = once.call("secretsmanager", "ListSecrets", {})["SecretList"]
    assert any(secret["Name"] == name for secret in cast("list[dict[str, str]]", listed)) is is_made


def test_killing_a_process_of_a_group_spares_its_leader(aws: Emulation, once: Cloud) -> None:
    shell = ["/bin/sh", "-c", "sleep 600 & echo $!; wait; echo spared"]
    with subprocess.Popen(shell, stdout=subprocess.PIPE, start_new_session=True) as leader:
        assert leader.stdout is not None
        child = int(leader.stdout.readline())
        aws.inject([fault("iam", "*", "kill", pid=child)])

        with pytest.raises(AwsError, match="send request failed"):
            once.call("iam", "ListRoles", {})

        assert leader.stdout.readline() == b"spared\n"
        assert leader.wait(5) == 0


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    status = Path(f"/proc/{pid}/stat")
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"service": "s3", "effect": "throttle"}, "no service s3 is emulated"),
        (fault("iot", "CreatePolcy", "throttle"), "iot has no operation CreatePolcy"),
        (fault("iot", "*", "explode"), "0.effect: Input should be"),
        (fault("iot", "*", "throttle", nth=0), "0.nth: Input should be greater than or equal to 1"),
        (fault("iot", "*", "throttle", time=2), "0.time: Extra inputs are not permitted"),
        (fault("sts", "*", "quota"), 'sts has no error for "quota"'),
        (fault("iot", "*", "kill"), '"kill" needs the pid'),
        (fault("iot", "*", "kill", pid=1), '"kill" needs the pid'),
        (fault("iot", "*", "kill", pid=-5), '"kill" needs the pid'),
    ],
)
def test_an_impossible_fault_is_refused_and_changes_nothing(
    aws: Emulation, wrong: dict[str, Json], problem: str
) -> None:
    aws.inject([fault("iot", "ListPolicies", "throttle")])

    with pytest.raises(EmulationError) as caught:
        aws.inject([wrong])

    assert problem in str(caught.value)
    assert [kept["operation"] for kept in aws.faults()] == ["ListPolicies"]


def test_the_server_does_not_kill_itself(aws: Emulation) -> None:
    with pytest.raises(EmulationError, match="other than 1 and the emulated AWS itself"):
        aws.inject([fault("iot", "*", "kill", pid=aws.status()["pid"])])
