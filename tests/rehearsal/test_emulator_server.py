"""The emulated AWS as a process of its own: control API, the real `aws` command, tokens, start and end."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from urllib.error import HTTPError

import pytest

from common.json_values import Json, number, record, records, text
from emulator.aws.authenticator import review
from emulator.aws.cloud import OutsideWorldError
from emulator.aws.errors import AwsError, NoHandlerError
from emulator.client import ROOT, Emulation, EmulationError
from emulator.world import World, default_world, parse_world

ACCOUNT, REGION, CLUSTER = "123456789012", "us-east-1", "regional-xyz"
CA = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n").decode()
AWS = Path(sys.executable).with_name("aws")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    with Emulation.start(tmp_path_factory.mktemp("server") / "aws") as aws:
        aws.build(account=ACCOUNT, region=REGION, world=default_world(CLUSTER, REGION))
        yield aws


@pytest.fixture
def aws(running: Emulation) -> Iterator[Emulation]:
    """The module's server with the default world, an empty call log and no latencies."""
    running.clear_calls()
    yield running
    running.delay({})


def cluster_world(name: str, region: str, **more: Json) -> World:
    return parse_world({"clusters": [{"name": name, "region": region, **more}]})


def describe(aws: Emulation, account: str, region: str, name: str) -> dict[str, Json]:
    cloud = aws.cloud(region, account, retries=1)
    return record(cloud.call("eks", "DescribeCluster", {"name": name}), "cluster")


# The control API


def test_status_names_version_process_state_and_worlds(aws: Emulation) -> None:
    status = aws.status()

    assert status["version"] == "5.2.5"
    assert Path(text(status, "state")).exists()
    os.kill(number(status, "pid"), 0)
    world: Json = {"account": ACCOUNT, "region": REGION, "clusters": [CLUSTER]}
    assert world in cast("list[Json]", status["worlds"])


def test_a_world_is_built_once(aws: Emulation) -> None:
    before = describe(aws, ACCOUNT, REGION, CLUSTER)

    assert not aws.build(account=ACCOUNT, region=REGION, world=default_world(CLUSTER, REGION))

    assert describe(aws, ACCOUNT, REGION, CLUSTER) == before


def test_another_world_in_the_same_place_is_refused(aws: Emulation) -> None:
    with pytest.raises(EmulationError, match="already has another world in us-east-1"):
        aws.build(account=ACCOUNT, region=REGION, world=default_world("regional-abc", REGION))

    with pytest.raises(AwsError, match="ResourceNotFoundException"):
        describe(aws, ACCOUNT, REGION, "regional-abc")


def test_a_restarted_control_plane_is_taken_over(aws: Emulation) -> None:
    account = "111111111111"
    first = cluster_world("a", REGION, endpoint="https://127.0.0.1:6443", certificateAuthority=CA)
    second = cluster_world("a", REGION, endpoint="https://127.0.0.1:7443", certificateAuthority=CA)
    assert aws.build(account=account, region=REGION, world=first)
    before = describe(aws, account, REGION, "a")
    assert before["endpoint"] == "https://127.0.0.1:6443"
    assert record(before, "certificateAuthority") == {"data": CA}

    assert not aws.build(account=account, region=REGION, world=second)

    assert describe(aws, account, REGION, "a") == {**before, "endpoint": "https://127.0.0.1:7443"}


def test_a_world_can_be_asked_for(aws: Emulation) -> None:
    found = aws.world(account=ACCOUNT, region=REGION)

    assert found == default_world(CLUSTER, REGION)
    assert aws.world(account=ACCOUNT, region="eu-west-3") is None


def test_a_failure_of_the_emulation_itself_is_reported_and_not_retried(aws: Emulation) -> None:
    # moto takes the token for a number, and crashes.
    cloud = aws.cloud(REGION, ACCOUNT)

    with pytest.raises(AwsError) as caught:
        cloud.call("secretsmanager", "ListSecrets", {"NextToken": "no number"})

    assert caught.value.code == "EmulationFailure"
    assert [call["status"] for call in aws.calls()] == [501]


def test_one_world_serves_two_regions(aws: Emulation) -> None:
    account = "222222222222"
    clusters: list[Json] = [{"name": "a", "region": "us-east-1"}, {"name": "a", "region": "eu-west-1"}]
    world = parse_world({"clusters": clusters, "iotPolicies": ["taken"]})

    assert aws.build(account=account, region="us-east-1", world=world)
    assert aws.build(account=account, region="eu-west-1", world=world)

    for region in ("us-east-1", "eu-west-1"):
        assert describe(aws, account, region, "a")["status"] == "ACTIVE"
        policies = aws.cloud(region, account).call("iot", "ListPolicies", {})
        assert [policy["policyName"] for policy in records(policies, "policies")] == ["taken"]


def test_a_world_with_mistakes_is_refused_with_all_of_them(aws: Emulation) -> None:
    world: dict[str, Json] = {"clusters": [{"name": "a", "region": "us-east-9"}], "vpc": []}

    with pytest.raises(EmulationError) as caught:
        aws.build(account="333333333333", region=REGION, world=world)

    assert "no AWS region is called us-east-9" in str(caught.value)
    assert "vpc: unknown key" in str(caught.value)


def test_a_world_that_cannot_be_built_leaves_nothing(aws: Emulation) -> None:
    # A /28 has room for one subnet only.
    account = "444444444444"
    world: dict[str, Json] = {
        "iotPolicies": ["first"],
        "vpcs": [{"id": "vpc-0123456789abcdef0", "cidr": "10.9.0.0/28"}],
        "subnets": [
            {"id": f"subnet-0123456789abcdef{index}", "vpcId": "vpc-0123456789abcdef0"} for index in range(2)
        ],
    }

    with pytest.raises(EmulationError):
        aws.build(account=account, region=REGION, world=world)

    vpcs = aws.cloud(REGION, account).call("ec2", "DescribeVpcs", {})
    assert all(text(vpc, "VpcId") != "vpc-0123456789abcdef0" for vpc in records(vpcs, "Vpcs"))
    assert aws.build(account=account, region=REGION, world={"iotPolicies": ["first"]})


def test_a_cluster_can_be_named_in_the_path_and_in_the_query(aws: Emulation, token: str) -> None:
    content = json.dumps({"spec": {"token": token}}).encode()

    for path in (f"authenticate/{CLUSTER}", f"authenticate?cluster={CLUSTER}"):
        request = urllib.request.Request(f"{aws.url}/_rehearsal/{path}", data=content)  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            assert json.load(answer)["status"]["authenticated"] is True


def test_accounts_are_separate(aws: Emulation) -> None:
    for account in (ACCOUNT, "555555555555"):
        cloud = aws.cloud(REGION, account)
        made = cloud.call("secretsmanager", "CreateSecret", {"Name": "shared-name"})
        assert f":{account}:" in text(made, "ARN")
        assert cloud.call("sts", "GetCallerIdentity", {})["Account"] == account


def test_calls_are_logged_in_every_protocol(aws: Emulation) -> None:
    cloud = aws.cloud("eu-west-1", "666666666666", retries=1)
    calls: list[tuple[str, str, dict[str, Json]]] = [
        ("ec2", "DescribeVpcs", {}),
        ("eks", "ListClusters", {}),
        ("iot", "CreatePolicy", {"policyName": "a+b=c", "policyDocument": "{}"}),
        ("iot", "GetPolicy", {"policyName": "a+b=c"}),
        ("iot", "ListTargetsForPolicy", {"policyName": "a+b=c"}),
        ("rds", "DescribeDBInstances", {}),
        ("secretsmanager", "CreateSecret", {"Name": "a/b"}),
        ("iam", "ListRoles", {}),
    ]

    begun = time.time()
    for service, operation, parameters in calls:
        cloud.call(service, operation, parameters)

    logged = aws.calls()
    assert [(call["service"], call["operation"]) for call in logged] == [call[:2] for call in calls]
    assert [call["index"] for call in logged] == [*range(len(calls))]
    times = [call["at"] for call in logged]
    assert begun <= times[0]
    assert times == sorted(times)
    assert times[-1] <= time.time()
    assert {(call["account"], call["status"]) for call in logged} == {("666666666666", 200)}
    assert {call["region"] for call in logged[:-1]} == {"eu-west-1"}  # IAM is signed for one region only


def test_a_refusal_is_logged_with_its_status(aws: Emulation) -> None:
    with pytest.raises(AwsError, match="ResourceNotFoundException"):
        aws.cloud(REGION, ACCOUNT).call("iot", "GetPolicy", {"policyName": "none"})

    assert [call["status"] for call in aws.calls()] == [404]


def test_clearing_empties_the_log(aws: Emulation) -> None:
    aws.cloud(REGION, ACCOUNT).call("iot", "ListPolicies", {})

    aws.clear_calls()

    assert aws.calls() == []


def test_a_call_that_moto_lacks_is_called_a_gap_in_the_emulation(aws: Emulation) -> None:
    with pytest.raises(NoHandlerError, match="moto has no IoT: DescribeAuditTask"):
        aws.cloud(REGION, ACCOUNT).call("iot", "DescribeAuditTask", {"taskId": "a"})


def test_a_latency_delays_its_call_and_holds_up_no_other(aws: Emulation) -> None:
    aws.delay({"iot:ListPolicies": 0.6})
    done: dict[str, float] = {}
    cloud = aws.cloud(REGION, ACCOUNT)
    began = time.monotonic()

    def ask(operation: str) -> None:
        cloud.call("iot", operation, {})
        done[operation] = time.monotonic() - began

    slow = threading.Thread(target=ask, args=("ListPolicies",))
    slow.start()
    _until(lambda: len(aws.calls()) == 1)
    ask("ListCertificates")
    assert "ListPolicies" not in done
    slow.join(10)

    assert done["ListPolicies"] >= 0.6
    assert done["ListCertificates"] < done["ListPolicies"]


def test_a_latency_of_one_type_on_a_cluster_takes_precedence_over_that_of_the_operation(
    aws: Emulation,
) -> None:
    aws.delay({"kubernetes:read": 30, "kubernetes:read kubernetes:core/v1:Namespace": 0.3})
    namespace: dict[str, Json] = {"id": "default", "outputs": {"metadata": {"name": "default"}}}
    request: dict[str, Json] = {"cluster": CLUSTER, "operation": "read", "state": namespace}
    began = time.monotonic()

    aws.kubernetes({**request, "type": "kubernetes:core/v1:Namespace"})

    assert 0.3 <= time.monotonic() - began < 30


def test_an_unknown_region_is_answered_with_a_close_one(aws: Emulation) -> None:
    with pytest.raises(EmulationError, match="did you mean eu-west-3"):
        aws.build(account=ACCOUNT, region="eu-wst-3", world={})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "problem"),
    [
        ("GET", "/_rehearsal/nothing", None, 404, "there are authenticate, calls, faults"),
        ("DELETE", "/_rehearsal/faults", None, 405, "faults supports GET, PUT"),
        ("POST", "/_rehearsal/worlds", b"{", 400, "isn't JSON"),
        ("POST", "/_rehearsal/worlds", b"[]", 400, "must be a JSON object"),
        ("PUT", "/_rehearsal/latencies", b'{"rds:CreateDBInstance": "slow"}', 400, "latencies are seconds"),
        ("PUT", "/_rehearsal/latencies", b'{"rds:CreateDBInstance": -1}', 400, "latencies are seconds"),
        ("PUT", "/_rehearsal/latencies", b'{"CreateDBInstance": 1}', 400, "for example"),
        ("PUT", "/_rehearsal/faults", b"{}", 400, "valid list"),
        ("POST", "/_rehearsal/authenticate", b"{}", 400, "name the cluster"),
        ("GET", "/policies", None, 400, "not a signed request"),
    ],
)
def test_a_wrong_request_is_refused_with_a_reason(
    aws: Emulation, method: str, path: str, body: bytes | None, status: int, problem: str
) -> None:
    request = urllib.request.Request(aws.url + path, method=method, data=body)  # noqa: S310

    with pytest.raises(HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)  # noqa: S310

    with caught.value as answer:
        assert answer.code == status
        assert problem in json.load(answer)["error"]


# The real command


def run_aws(aws: Emulation, *arguments: str, **environment: str) -> dict[str, Json]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    done = subprocess.run(
        [AWS, *arguments, "--output", "json"],
        env=inherited | aws.environment(REGION) | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return cast("dict[str, Json]", json.loads(done.stdout))


def test_the_real_command_finds_the_accounts_endpoint(aws: Emulation) -> None:
    found = run_aws(aws, "iot", "describe-endpoint", "--endpoint-type", "iot:Data-ATS")

    assert text(found, "endpointAddress").endswith("-ats.iot.us-east-1.amazonaws.com")
    assert [call["operation"] for call in aws.calls()] == ["DescribeEndpoint"]
    again = aws.cloud(REGION, ACCOUNT).call("iot", "DescribeEndpoint", {"endpointType": "iot:Data-ATS"})
    assert again == found


def test_the_real_command_describes_a_secret(aws: Emulation) -> None:
    made = aws.cloud(REGION, ACCOUNT).call("secretsmanager", "CreateSecret", {"Name": "regional-xyz/db"})

    found = run_aws(aws, "secretsmanager", "describe-secret", "--secret-id", "regional-xyz/db")

    assert found["ARN"] == made["ARN"]


# Tokens


@pytest.fixture(scope="module")
def token(running: Emulation) -> str:
    """A token from the real `aws eks get-token`."""
    credential = run_aws(running, "eks", "get-token", "--cluster-name", CLUSTER)
    return text(record(credential, "status"), "token")


def edited(token: str, old: str, new: str) -> str:
    encoded = token.removeprefix("k8s-aws-v1.")
    url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    assert old in url
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.replace(old, new).encode()).decode().rstrip("=")


def test_the_real_commands_token_is_accepted(aws: Emulation, token: str) -> None:
    status = aws.authenticate(token, CLUSTER)

    caller = aws.cloud(REGION, ACCOUNT).call("sts", "GetCallerIdentity", {})
    assert status["authenticated"] is True
    assert record(status, "user")["username"] == caller["Arn"]
    assert record(status, "user")["groups"] == ["system:masters"]


def test_a_token_for_another_cluster_is_refused(aws: Emulation, token: str) -> None:
    status = aws.authenticate(token, "regional-abc")

    assert status["authenticated"] is False
    assert "user" not in status
    assert "a cluster other than regional-abc" in text(status, "error")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("X-Amz-Expires=60", "X-Amz-Expires=61", "signature is wrong"),
        ("Version=2011-06-15", "Version=2011-06-16", "signature is wrong"),
        ("us-east-1", "us-east-2", "signature is wrong"),
        ("Action=GetCallerIdentity", "Action=AssumeRole", "isn't a request for GetCallerIdentity"),
        ("EMULATED", "AKIAIOSFODNN7EXAMPLE", "the key AKIAIOSFODNN7EXAMPLE, which"),
        ("x-k8s-aws-id", "x-other", "doesn't sign the header x-k8s-aws-id"),
        ("http://127.0.0.1", "https://sts.us-east-1.amazonaws.com", "not for the emulated STS"),
        ("Version=", "Note=1&Version=", "parameters that a presigned GetCallerIdentity lacks"),
        ("sts%2Faws4_request", "iam%2Faws4_request", "isn't signed for STS"),
    ],
)
def test_a_tampered_token_is_refused(aws: Emulation, token: str, old: str, new: str, reason: str) -> None:
    status = aws.authenticate(edited(token, old, new), CLUSTER)

    assert status["authenticated"] is False
    assert reason in text(status, "error")


@pytest.mark.parametrize("wrong", ["", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "k8s-aws-v1.%%%", "k8s-aws-v1.QUJD"])
def test_what_is_not_a_token_is_refused(aws: Emulation, wrong: str) -> None:
    assert aws.authenticate(wrong, CLUSTER)["authenticated"] is False


def test_a_token_of_another_secret_key_is_refused(aws: Emulation) -> None:
    other_key = {"AWS_SECRET_ACCESS_KEY": "another"}
    foreign = run_aws(aws, "eks", "get-token", "--cluster-name", CLUSTER, **other_key)

    status = aws.authenticate(text(record(foreign, "status"), "token"), CLUSTER)

    assert "signature is wrong" in text(status, "error")


@pytest.mark.parametrize(("minutes", "is_accepted"), [(-6, False), (-4, True), (14, True), (16, False)])
def test_a_token_lives_a_quarter_of_an_hour(token: str, minutes: int, is_accepted: bool) -> None:  # noqa: FBT001
    later = datetime.now(UTC) + timedelta(minutes=minutes)

    answer = review({"spec": {"token": token}}, CLUSTER, lambda _: {"Arn": "arn"}, now=later)

    assert (answer["apiVersion"], answer["kind"]) == ("authentication.k8s.io/v1", "TokenReview")
    assert record(answer, "status")["authenticated"] is is_accepted


# Clusters in memory


def test_clusters_in_memory_are_kept_with_the_rest(tmp_path: Path) -> None:
    request: dict[str, Json] = {
        "cluster": CLUSTER,
        "version": "1.33",
        "operation": "create",
        "type": "kubernetes:core/v1:Namespace",
        "inputs": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "maestro"}},
    }
    with Emulation.start(tmp_path / "aws") as aws:
        made = record(aws.kubernetes(request), "state")
        assert made["id"] == "maestro"

    with Emulation.start(tmp_path / "aws") as aws:
        found = aws.kubernetes({**request, "operation": "read", "state": made})

    assert record(found, "state")["id"] == "maestro"


# Start and end


def start_server(state: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "emulator.server", "--state", state, *more],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0_and_leaves_only_its_state(tmp_path: Path, number: int) -> None:
    with start_server(tmp_path / "aws", "--json") as process:
        assert process.stdout is not None
        url = text(cast("dict[str, Json]", json.loads(process.stdout.readline())), "url")
        Emulation.attach(url).build(account=ACCOUNT, region=REGION, world={"iotPolicies": ["kept"]})

        process.send_signal(number)
        _, said = process.communicate(timeout=20)

    assert (process.returncode, said) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["aws"]


def test_its_end_is_not_held_up_by_late_answers(tmp_path: Path) -> None:
    with Emulation.start(tmp_path / "aws") as aws:
        aws.delay({"iot:ListPolicies": 600})
        cloud = aws.cloud(REGION, ACCOUNT, retries=1)

        def ask() -> None:
            with suppress(AwsError):  # the connection may go before the answer does
                cloud.call("iot", "ListPolicies", {})

        slow = threading.Thread(target=ask)
        slow.start()
        _until(lambda: len(aws.calls()) == 1)
        began = time.monotonic()
    slow.join(10)

    assert time.monotonic() - began < 5
    assert not slow.is_alive()


def test_a_port_in_use_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
        with start_server(tmp_path / "aws", "--port", str(port)) as process:
            output, said = process.communicate(timeout=20)

    assert (process.returncode, output) == (2, "")
    assert f"port {port} of 127.0.0.1 can't be used" in said
    assert "--port" in said
    assert [path.name for path in tmp_path.iterdir()] == []


def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time, pathlib\n"
        "from emulator.client import Emulation\n"
        "with Emulation.start(pathlib.Path(sys.argv[1])) as aws:\n"
        "    print(aws.status()['pid'], flush=True)\n"
        "    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "aws")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()

    _until(lambda: not _is_running(pid))
    assert not (tmp_path / "aws.lock").exists()


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_is_printed_about_calls_and_never_a_secret(tmp_path: Path) -> None:
    with start_server(tmp_path / "aws", "--json", "--verbose") as process:
        assert process.stdout is not None
        aws = Emulation.attach(text(cast("dict[str, Json]", json.loads(process.stdout.readline())), "url"))
        secret: dict[str, Json] = {"Name": "a", "SecretString": "hunter2-hunter2"}
        aws.cloud(REGION, ACCOUNT).call("secretsmanager", "CreateSecret", secret)
        url = f"{aws.url}/?Action=GetCallerIdentity&X-Amz-Signature=abcdef"
        with pytest.raises(HTTPError) as caught:
            urllib.request.urlopen(url, timeout=10)  # noqa: S310
        caught.value.close()

        process.terminate()
        output, said = process.communicate(timeout=20)

    assert said == f"secretsmanager:CreateSecret {ACCOUNT} {REGION} 200\n"
    assert output == ""


def test_only_loopback_is_attached_to() -> None:
    with pytest.raises(EmulationError, match="isn't on loopback"):
        Emulation.attach("http://10.0.0.1:80")
    with pytest.raises(OutsideWorldError):
        Emulation("http://10.0.0.1:80").cloud(REGION, ACCOUNT)


def test_nothing_listening_is_an_error_that_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = int(closed.getsockname()[1])

    with pytest.raises(EmulationError, match=r"doesn't answer: .*refused"):
        Emulation.attach(f"http://127.0.0.1:{port}")
    with pytest.raises(AwsError, match="RequestError: send request failed"):
        Emulation(f"http://127.0.0.1:{port}").cloud(REGION, ACCOUNT, retries=2).call(
            "iot", "ListPolicies", {}
        )
