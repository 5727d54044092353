"""The emulated AWS on disk: what outlives its process, and which files can be used."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from common.json_values import Json, number, record, records, text
from emulator.aws.cloud import Cloud
from emulator.aws.errors import AwsError
from emulator.aws.store import Store, StoreError
from emulator.client import ROOT, Emulation, EmulationError
from emulator.world import default_world

ACCOUNT, REGION = "123456789012", "us-east-1"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }
        ],
    }
)
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}]}
)


def create_secret(cloud: Cloud, name: str = "kept") -> None:
    cloud.call("secretsmanager", "CreateSecret", {"Name": name, "SecretString": "a value"})


def has_secret(cloud: Cloud, name: str = "kept") -> bool:
    filters: Json = [{"Key": "name", "Values": [name]}]
    found = records(cloud.call("secretsmanager", "ListSecrets", {"Filters": filters}), "SecretList")
    if not found:
        return False
    return cloud.call("secretsmanager", "GetSecretValue", {"SecretId": name})["SecretString"] == "a value"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A sound state file with one secret in it."""
    state = tmp_path_factory.mktemp("written") / "aws"
    with Emulation.start(state) as aws:
        create_secret(aws.cloud(REGION, ACCOUNT))
    return state.read_bytes()


def test_everything_outlives_a_sigkill(tmp_path: Path) -> None:
    state = tmp_path / "aws"
    with Emulation.start(state) as aws:
        aws.build(account=ACCOUNT, region=REGION, world=default_world("regional-xyz", REGION))
        cloud = aws.cloud(REGION, ACCOUNT)
        vpcs = cloud.call("ec2", "DescribeVpcs", {})
        create_secret(cloud)
        cloud.call("iot", "CreatePolicy", {"policyName": "maestro-server", "policyDocument": POLICY})
        role = cloud.call("iam", "CreateRole", {"RoleName": "server", "AssumeRolePolicyDocument": TRUST})
        association = record(
            cloud.call(
                "eks",
                "CreatePodIdentityAssociation",
                {
                    "clusterName": "regional-xyz",
                    "namespace": "maestro",
                    "serviceAccount": "maestro",
                    "roleArn": text(record(role, "Role"), "Arn"),
                },
            ),
            "association",
        )
        os.kill(number(aws.status(), "pid"), signal.SIGKILL)

    with Emulation.start(state) as aws:
        cloud = aws.cloud(REGION, ACCOUNT)
        assert has_secret(cloud)
        assert (
            text(cloud.call("iot", "GetPolicy", {"policyName": "maestro-server"}), "policyDocument") == POLICY
        )
        identity = {"clusterName": "regional-xyz", "associationId": text(association, "associationId")}
        found = cloud.call("eks", "DescribePodIdentityAssociation", {**identity})
        assert text(record(found, "association"), "roleArn") == text(record(role, "Role"), "Arn")
        assert cloud.call("ec2", "DescribeVpcs", {}) == vpcs
        assert not aws.build(account=ACCOUNT, region=REGION, world=default_world("regional-xyz", REGION))


def test_the_keys_of_a_world_outlive_the_process(tmp_path: Path) -> None:
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    world = default_world("regional-xyz", REGION).model_copy(update={"kms_keys": {key: {"Statement": []}}})
    with Emulation.start(tmp_path / "aws") as aws:
        aws.build(account=ACCOUNT, region=REGION, world=world)
    with Emulation.start(tmp_path / "aws") as aws:
        found = aws.cloud(REGION, ACCOUNT).call("kms", "DescribeKey", {"KeyId": key})
    assert text(record(found, "KeyMetadata"), "Arn") == key


def test_a_state_file_is_its_users_alone(tmp_path: Path) -> None:
    state = tmp_path / "aws"

    with Emulation.start(state) as aws:
        create_secret(aws.cloud(REGION, ACCOUNT))

        assert stat.S_IMODE(state.stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "aws.lock").stat().st_mode) == 0o600


def test_only_the_state_file_is_left(tmp_path: Path) -> None:
    with Emulation.start(tmp_path / "aws") as aws:
        create_secret(aws.cloud(REGION, ACCOUNT))

    assert [path.name for path in tmp_path.iterdir()] == ["aws"]


def _with_header(content: bytes, **changes: object) -> bytes:
    header, _, payload = content.partition(b"\n")
    return json.dumps(json.loads(header) | changes).encode() + b"\n" + payload


SPOILT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut short": (lambda content: content[:-7], "is damaged"),
    "one bit wrong": (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "is damaged"),
    "header only": (lambda content: content.partition(b"\n")[0], "is damaged"),
    "empty": (lambda _: b"", "isn't a state file of the emulated AWS"),
    "text": (lambda _: b"clusters: []\n", "isn't a state file of the emulated AWS"),
    "a pickle": (lambda _: b"\x80\x05]\x94.", "isn't a state file of the emulated AWS"),
    "another program's": (
        lambda content: _with_header(content, format="terraform"),
        "isn't a state file of the emulated AWS",
    ),
    "of a later version": (
        lambda content: _with_header(content, version=3),
        "has version 3 of the format; this project reads 2",
    ),
    "another moto's": (lambda content: _with_header(content, moto="4.0.0"), "was written by moto 4.0.0"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_file_that_is_unusable_is_named_and_left_alone(written: bytes, kind: str, tmp_path: Path) -> None:
    spoil, problem = SPOILT[kind]
    state = tmp_path / "aws"
    state.write_bytes(spoil(written))

    with pytest.raises(StoreError) as caught:
        Store(state)

    said = str(caught.value)
    assert said.startswith(f"{state} {problem}")
    assert f"mv {state} {state}.old" in said
    assert "pulumi refresh" in said
    assert state.read_bytes() == spoil(written)
    assert [path.name for path in tmp_path.iterdir()] == ["aws"]


def test_a_file_that_names_unknown_classes_is_unusable(written: bytes, tmp_path: Path) -> None:
    # The digest is right, as in a file of another version of this project with the same moto.
    payload = written.partition(b"\n")[2].replace(b"SecretsManagerBackend", b"SecretsManagerBockend")
    header = written.partition(b"\n")[0] + b"\n"
    state = tmp_path / "aws"
    state.write_bytes(_with_header(header + payload, sha256=hashlib.sha256(payload).hexdigest()))

    with pytest.raises(StoreError, match="was written by another version of this project"):
        Store(state)


def test_an_unusable_file_ends_the_process_with_status_2(tmp_path: Path) -> None:
    state = tmp_path / "aws"
    state.write_bytes(b"nothing of ours")

    ended = subprocess.run(
        [sys.executable, "-m", "emulator.server", "--state", state],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {state} isn't a state file of the emulated AWS")
    assert ended.stdout == ""


def test_the_reason_of_a_failed_start_reaches_the_caller(tmp_path: Path) -> None:
    state = tmp_path / "aws"
    state.write_bytes(b"nothing of ours")

    with (
        pytest.raises(EmulationError, match="isn't a state file of the emulated AWS"),
        Emulation.start(state),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StoreError, match="can't be used") as caught:
        Store(tmp_path / "file" / "aws")

    assert str(tmp_path / "file" / "aws") in str(caught.value)


def test_a_second_process_on_the_same_file_is_refused_naming_the_first(tmp_path: Path) -> None:
    state = tmp_path / "aws"
    with Emulation.start(state) as aws:
        with pytest.raises(StoreError) as caught:
            Store(state)

        assert f"process id {aws.status()['pid']} at {aws.url}" in str(caught.value)
        assert "another file with --state" in str(caught.value)
        create_secret(aws.cloud(REGION, ACCOUNT))


def test_what_a_killed_process_left_behind_is_no_obstacle(written: bytes, tmp_path: Path) -> None:
    state = tmp_path / "aws"
    state.write_bytes(written)
    (tmp_path / "aws.lock").write_text('{"pid": 1, "url": "http://127.0.0.1:1"}')
    (tmp_path / "aws.tmp").write_bytes(b"half of a file")

    with Emulation.start(state) as aws:
        assert has_secret(aws.cloud(REGION, ACCOUNT))

    assert [path.name for path in tmp_path.iterdir()] == ["aws"]


def test_without_disk_space_a_call_fails_is_undone_and_works_again_later(tmp_path: Path) -> None:
    state, said = tmp_path / "aws", list[str]()
    with Emulation.start(state, say=said.append) as aws:
        cloud = aws.cloud(REGION, ACCOUNT)
        create_secret(cloud, "before")
        content = state.read_bytes()
        for _ in range(2):
            # /dev/full answers each write as a full disk would.
            (tmp_path / "aws.tmp").symlink_to("/dev/full")
            with pytest.raises(AwsError, match="No space left on device") as caught:
                create_secret(cloud)
            assert caught.value.code == "InsufficientStorage"
            assert str(state) in caught.value.message
        assert state.read_bytes() == content
        (tmp_path / "aws.tmp").symlink_to("/dev/full")
        with pytest.raises(EmulationError, match="No space left on device"):
            aws.build(account=ACCOUNT, region=REGION, world={"iotPolicies": ["maestro-server"]})
        assert not has_secret(cloud)
        assert not aws.status()["worlds"]

        create_secret(cloud)
        assert has_secret(cloud)

    assert len([message for message in said if "No space left on device" in message]) == 1
    with Emulation.start(state) as aws:
        assert has_secret(aws.cloud(REGION, ACCOUNT), "before")
        assert has_secret(aws.cloud(REGION, ACCOUNT))


def test_reading_writes_nothing(tmp_path: Path) -> None:
    state = tmp_path / "aws"
    with Emulation.start(state) as aws:
        cloud = aws.cloud(REGION, ACCOUNT)
        create_secret(cloud)
        before = state.stat()

        assert has_secret(cloud)

        assert state.stat().st_ino == before.st_ino
