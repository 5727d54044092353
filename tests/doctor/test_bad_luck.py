"""What can't be asked is unverified, with what is missing; with nothing to ask at all: one line, status 2."""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from common.terminal import WIDTH, Colours
from doctor.__main__ import main
from doctor.api import LiveApi, with_token
from doctor.as_json import SCHEMA, as_json
from doctor.aws import Aws
from doctor.catalogue import CATEGORIES
from doctor.credentials import session_of
from doctor.errors import RefusedError, UnaskedError, UnreachableError, UnusableError
from doctor.memo import Memo
from doctor.report import as_text
from emulator.client import Emulation
from maestro_stack.kubeconfig import eks_kubeconfig
from tests.doctor import patient as p
from tests.doctor.faults import denied
from tests.doctor.patient import Patient


def test_a_refused_call_makes_its_questions_unverified_and_names_the_action(region: Patient) -> None:
    region.guard = denied("rds:DescribeAccountAttributes", "iam:SimulatePrincipalPolicy")
    assert region.fails() == {}
    unverified = region.unverified()
    assert unverified.keys() == {"database-quotas", "rights-deploy"}
    assert "rds:DescribeAccountAttributes is refused" in unverified["database-quotas"]


def test_a_cluster_that_cant_be_asked_fails_once_and_leaves_the_rest_unverified(region: Patient) -> None:
    region.cluster.refusal = lambda _: UnreachableError("connection refused")
    assert region.fails().keys() == {"cluster-answers"}
    assert {"room", "csi-driver", "namespace-name"} <= region.unverified().keys()


def test_a_kind_that_may_not_be_read_is_named(region: Patient) -> None:
    path = "/api/v1/nodes"
    region.cluster.refusal = lambda asked: RefusedError(f"kubernetes get {path}") if asked == path else None
    assert f"kubernetes get {path} is refused" in region.unverified()["room"]
    assert region.fails() == {}


def test_aws_that_throttles_or_is_away_is_unverified_never_failed(region: Patient) -> None:
    def away(action: str, parameters: object) -> None:
        del parameters
        if action.startswith("rds:"):
            raise EndpointConnectionError(endpoint_url="https://rds.us-east-1.amazonaws.com")
        if action.startswith("iot:"):
            error: Any = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
            raise ClientError(error, action)

    region.guard = away
    assert region.fails() == {}
    assert "Rate exceeded" in region.unverified()["broker-tls"]


def test_without_the_state_names_that_exist_are_unverified(built: Patient) -> None:
    built.state = UnaskedError("pulumi isn't on the PATH", "https://www.pulumi.com/docs/iac/download-install")
    assert built.fails("before") == {}
    assert "pulumi isn't on the PATH" in built.unverified("before")["iot-policy-name"]
    assert built.examine().phase == "before"


def test_half_a_region_destroyed_by_hand_is_reported_part_by_part(built: Patient) -> None:
    built.backend("rds").databases.clear()
    built.backend("iot").certificates.clear()
    built.cluster.objects = p.healthy_objects()
    assert built.fails().keys() >= {
        "database-available",
        "certificate-active",
        "release-deployed",
        "pods-ready",
    }


def test_three_thousand_nodes_take_less_than_a_second(region: Patient) -> None:
    region.cluster.remove("Node")
    region.cluster.objects += [p.node(f"node-{n}", f"i-{n:017x}", "a") for n in range(3000)]
    begun = time.monotonic()
    diagnosis = region.examine()
    assert diagnosis.is_content
    assert time.monotonic() - begun < 10


def test_hostile_names_and_messages_neither_drive_the_terminal_nor_overflow_it(built: Patient) -> None:
    p.unready(built, "CrashLoopBackOff", "\x1b[2J\r\n" + "x" * 5000)
    text = as_text(built.examine(), Colours(sys.stdout), verbose=False)
    assert "\x1b" not in text
    assert "\r" not in text


@pytest.mark.parametrize("verbose", [False, True])
def test_the_report_fits_a_terminal(built: Patient, verbose: bool) -> None:  # noqa: FBT001
    built.backend("rds").databases.clear()
    text = as_text(built.examine(), Colours(sys.stdout), verbose=verbose)
    # What contains no space, such as an ARN, can't be broken.
    assert [line for line in text.splitlines() if len(line) > WIDTH and " " in line.strip()[:60]] == []


def test_the_json_keeps_its_schema(built: Patient) -> None:
    built.backend("rds").databases.clear()
    jsonschema.validate(as_json(built.examine()), SCHEMA)


def test_no_secret_is_asked_for_or_revealed(built: Patient) -> None:
    found = built.call("secretsmanager", "GetSecretValue", SecretId=f"{p.CLUSTER}/maestro/db-credentials")
    password = json.loads(str(found["SecretString"]))["password"]
    for phase in ("before", "after"):
        assert password not in json.dumps(as_json(built.examine(phase)))
    assert "secretsmanager:GetSecretValue" not in built.calls


def test_every_question_has_a_name_of_its_own() -> None:
    once = {question.name: question for c in CATEGORIES for question in (*c.before, *c.after)}
    assert all(question is once[question.name] for c in CATEGORIES for question in (*c.before, *c.after))


# --- credentials ---------------------------------------------------------------------------------


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No credentials anywhere."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path


@pytest.mark.usefixtures("nobody")
def test_without_credentials_nothing_can_be_asked() -> None:
    with pytest.raises(UnusableError, match="without credentials: there are none"):
        session_of({}, "us-east-1")


@pytest.mark.usefixtures("nobody")
def test_a_missing_profile_is_named() -> None:
    with pytest.raises(UnusableError, match="nonesuch"):
        session_of({"aws:profile": "nonesuch"}, "us-east-1")


def test_the_stack_s_profile_is_used(nobody: Path) -> None:
    (nobody / "credentials").write_text("[region]\naws_access_key_id = A\naws_secret_access_key = B\n")
    credentials = session_of({"aws:profile": "region"}, "us-east-1").get_credentials()
    assert credentials is not None
    assert credentials.access_key == "A"


def test_the_stack_s_roles_are_taken_one_after_the_other(
    nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust = '{"Version": "2012-10-17", "Statement": []}'
    roles = [f"arn:aws:iam::{p.ACCOUNT}:role/{name}" for name in ("first", "second")]
    with Emulation.start(nobody / "state") as emulation:
        for name in ("first", "second"):
            cloud = emulation.cloud("us-east-1", p.ACCOUNT)
            cloud.call("iam", "CreateRole", {"RoleName": name, "AssumeRolePolicyDocument": trust})
        for name, value in emulation.environment("us-east-1").items():
            monkeypatch.setenv(name, value)
        emulation.clear_calls()
        chain = json.dumps([{"roleArn": role, "sessionName": "me"} for role in roles])
        identity = Aws(session_of({"aws:assumeRoles": chain}, "us-east-1")).call("sts:GetCallerIdentity")
        called = [call["operation"] for call in emulation.calls()]
    assert str(identity["Arn"]).endswith("assumed-role/second/me")
    assert called == ["AssumeRole", "AssumeRole", "GetCallerIdentity"]


@pytest.mark.usefixtures("nobody")
def test_encrypted_keys_of_the_stack_arent_decrypted() -> None:
    keys = {"aws:accessKey": "A", "aws:secretKey": "placeholder-of-aws-secretKey"}
    with pytest.raises(UnusableError, match="the doctor decrypts nothing"):
        session_of(keys, "us-east-1")


@pytest.mark.usefixtures("nobody")
def test_nothing_to_ask_with_is_status_2_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(p.ROOT)
    config = p.ROOT / "tests/project/Pulumi.dev.yaml"
    assert main(["--config", str(config)]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: AWS can't be asked without credentials")
    assert main(["--config", str(config), "--json"]) == 2
    jsonschema.validate(json.loads(capsys.readouterr().out), SCHEMA)


@pytest.mark.usefixtures("nobody")
def test_expired_credentials_are_status_2_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2026-01-01T00:00:00Z")
    monkeypatch.chdir(p.ROOT)
    assert main(["--config", str(p.ROOT / "tests/project/Pulumi.dev.yaml")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: AWS doesn't accept these credentials")
    assert "expired" in told


# --- the kubeconfig ------------------------------------------------------------------------------


def _kubeconfig() -> str:
    return eks_kubeconfig(
        name="x", arn="arn:x", region="us-east-1", endpoint="https://127.0.0.1:1", certificate_authority=""
    )


def test_a_kubeconfig_whose_command_is_missing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UnreachableError, match="executes `aws`, which isn't on the PATH"):
        LiveApi(_kubeconfig, None).find("/version")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Unable to locate credentials' >&2; exit 255", "gives no token: Unable to locate credentials"),
        ("echo nonsense", "fails: Expecting value"),
    ],
)
def test_a_command_that_gives_no_token_is_quoted(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "aws"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(UnreachableError, match=said):
        with_token(_kubeconfig(), None)


@pytest.mark.parametrize("text", ["[]", "{", "contexts: []"])
def test_an_invalid_kubeconfig_is_unreachable(text: str) -> None:
    with pytest.raises(UnreachableError):
        LiveApi(lambda: text, None).find("/version")


# --- parallel ------------------------------------------------------------------------------------


def test_what_several_questions_want_is_asked_once() -> None:
    asked: list[int] = []
    once = Memo[int]()

    def ask() -> int:
        time.sleep(0.05)
        asked.append(1)
        return 7

    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(once("key", ask))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers, len(asked)) == ([7] * 8, 1)


def test_each_call_is_made_once(region: Patient) -> None:
    region.examine()
    assert region.calls.count("eks:DescribeCluster") == 1


def test_a_healthy_region_at_100_ms_a_call_takes_less_than_ten_seconds(built: Patient) -> None:
    def slowly(action: str, parameters: object) -> None:
        del action, parameters
        time.sleep(0.1)

    built.guard = slowly
    begun = time.monotonic()
    built.examine("before")
    assert time.monotonic() - begun < 10
