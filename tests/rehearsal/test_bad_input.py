"""A user's mistake gets a message with key, problem and example; exit status 2, never a traceback."""

import gc
import shutil
from pathlib import Path

import pytest

from engine import go_yaml
from rehearsal.__main__ import main
from tests.checkouts import ROOT, STACK_FILE
from tests.rehearsal.conftest import Rehearse, sound

HERE = {"name": "regional-xyz", "region": "us-east-1"}


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ({"clusterName": None}, "clusterName", "is missing"),
        ({"clusterName": ""}, "clusterName", "is missing"),
        ({"clusterName": "x" * 101}, "clusterName", "must be an EKS cluster name"),
        ({"clusterName": "-x"}, "clusterName", "must be an EKS cluster name"),
        ({"clusterName": "a b"}, "clusterName", "must be an EKS cluster name"),
        ({"clusterName": "a/b"}, "clusterName", "must be an EKS cluster name"),
        ({"aws:region": None}, "aws:region", "is missing"),
        ({"aws:region": "us-east-9"}, "aws:region", "did you mean us-east-"),
        ({"clustrName": "x"}, "clustrName", "did you mean clusterName?"),
        ({"server": {"replcas": 2}}, "server.replcas", "did you mean replicas?"),
        ({"server": {"image": {"tagg": "x"}}}, "server.image.tagg", "did you mean tag?"),
        ({"server": {"replicas": "two"}}, "server.replicas", 'must be a whole number, not "two"'),
        ({"server": ["x"]}, "server", 'must be an object, not ["x"]'),
        ({"server": {"replicas": 0}}, "server.replicas", "below 1"),
        ({"server": {"zoneCount": 0}}, "server.zoneCount", "below 1"),
        ({"database": {"allocatedStorageGiB": 19}}, "database.allocatedStorageGiB", "below 20"),
        (
            {"database": {"allocatedStorageGiB": 200, "maxAllocatedStorageGiB": 100}},
            "database.allocatedStorageGiB",
            "above database.maxAllocatedStorageGiB (100)",
        ),
        ({"database": {"iops": 12000}}, "database.iops", "below 400 GiB"),
        ({"database": {"storageThroughput": 500}}, "database.storageThroughput", "below 400 GiB"),
        ({"database": {"engineVersion": "19"}}, "database.engineVersion", "without an RDS parameter-group"),
        ({"database": {"engineVersion": 13}}, "database.engineVersion", "out of RDS standard support"),
        ({"database": {"backupRetentionDays": 0}}, "database.backupRetentionDays", "below 1"),
        ({"database": {"backupRetentionDays": 36}}, "database.backupRetentionDays", "above 35"),
        (
            {"profile": "production", "database": {"deletionProtection": False}},
            "database.deletionProtection",
            "weakens profile production",
        ),
        (
            {"server": {"values": {"deployment": {"replicas": 9}}}},
            "server.values.deployment.replicas",
            "set by the program",
        ),
        ({"server": {"namespace": "Kube_System"}}, "server.namespace", "must be a DNS label"),
        ({"server": {"namespace": "kube-system"}}, "server.namespace", "belongs to Kubernetes"),
        ({"server": {"releaseName": "-x"}}, "server.releaseName", "must be a Helm release name"),
        ({"server": {"image": {"repository": "Not An Image"}}}, "server.image.repository", "an image repo"),
    ],
)  # fmt: skip
def test_configuration_mistake(rehearse: Rehearse, keys: dict[str, object], key: str, words: str) -> None:
    config = sound()
    for name, value in keys.items():
        full = name if ":" in name else f"maestro-stack:{name}"
        config.pop(full, None)
        if value is not None:
            config[full] = value
    outcome = rehearse(config)
    assert outcome.status == 2
    assert words in outcome.problems[key]
    assert all(problem["example"] for problem in outcome.report["problems"])
    assert "Traceback" not in outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    ("world", "keys", "words"),
    [
        (
            {"clusters": [{**HERE, "name": "other"}, {**HERE, "name": "third"}]},
            {},
            "does not exist in us-east-1: the clusters there are other, third",
        ),
        ({"clusters": []}, {}, "does not exist in us-east-1: there are none"),
        ({"clusters": [{**HERE, "region": "us-west-2"}]}, {}, "does not exist in us-east-1"),
        ({"clusters": [{**HERE, "status": "CREATING"}]}, {}, "is CREATING, not ACTIVE"),
        ({"clusters": [{**HERE, "kind": "outposts"}]}, {}, "has no cluster security group"),
        ({"clusters": [{**HERE, "kind": "connected"}]}, {}, "has no VPC, no cluster security group, no cert"),
        ({"clusters": [{**HERE, "zones": ["us-east-1a"]}]}, {}, "only in us-east-1a; RDS needs two zones"),
        (
            {"clusters": [HERE]},
            {"network": {"subnetIds": ["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"]}},
            'subnet "subnet-0123456789abcdef0" does not exist',
        ),
    ],
)  # fmt: skip
def test_surroundings_that_do_not_fit(
    rehearse: Rehearse, world: dict[str, object], keys: dict[str, object], words: str
) -> None:
    outcome = rehearse(sound(**keys), world=world)
    assert outcome.status == 2
    problems = outcome.report["problems"]
    assert words in " ".join(problem["problem"] for problem in problems)
    assert all(problem["example"] for problem in problems)


@pytest.mark.parametrize(
    ("keys", "world"),
    [
        ({}, {"clusters": [{**HERE, "status": "UPDATING"}]}),
        ({"aws:allowedAccountIds": [123456789012]}, None),
        ({"database": {"backupWindow": "03:00-06:00", "maintenanceWindow": "Mon:00:00-Mon:03:00"}}, None),
        ({"server": {"requests": {"cpu": 0.5, "memory": "0.5Gi"}}}, None),
        ({"aws:assumeRoleWithWebIdentity": {"roleArn": "arn:x", "webIdentityTokenFile": "/token"}}, None),
    ],
)
def test_what_aws_and_kubernetes_accept_is_accepted(
    rehearse: Rehearse, keys: dict[str, object], world: dict[str, object] | None
) -> None:
    of_aws = {key: keys.pop(key) for key in [*keys] if key.startswith("aws:")}
    assert rehearse({**sound(**keys), **of_aws}, world=world).status == 0


AMBIENT = {"kubernetes": {"mode": "ambient", "context": "regional"}}


@pytest.mark.parametrize(
    ("keys", "access", "is_warned_of"),
    [({}, "private", True), ({}, "public", False), (AMBIENT, "private", False)],
)
def test_a_private_endpoint_comes_with_who_must_reach_it(
    rehearse: Rehearse,
    keys: dict[str, object],
    access: str,
    is_warned_of: bool,  # noqa: FBT001 a table's column
) -> None:
    outcome = rehearse(sound(**keys), world={"clusters": [{**HERE, "endpointAccess": access}]})
    assert outcome.status == 0
    said = [w for w in outcome.report["warnings"] if "reachable only from" in w and "hosted" in w]
    assert bool(said) is is_warned_of


def test_a_version_that_leaves_support_is_warned_of_and_not_refused(rehearse: Rehearse) -> None:
    outcome = rehearse(sound(database={"engineVersion": "14"}))
    assert outcome.status == 0
    [warning] = outcome.report["warnings"]
    assert warning.startswith("database.engineVersion: RDS standard support for PostgreSQL 14 ends on")
    assert rehearse().report["warnings"] == []


@pytest.mark.parametrize(
    "line",
    [
        "maestro-stack:rotation: {certificate: 2026-12-01, database: 012}",
        "maestro-stack:config:mqtt: {sourceId: on}",
        "aws:allowedAccountIds: [123456789012]",
    ],
)
def test_values_without_quotes_are_read_as_the_engine_passes_them_on(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "Pulumi.test.yaml"
    file.write_text(f"{go_yaml.dump({'config': sound()})}  {line}\n")
    monkeypatch.chdir(ROOT)
    assert main(["--config", str(file)]) == 0


def test_a_region_without_aws_iot_is_named_with_all_else_that_it_lacks(rehearse: Rehearse) -> None:
    outcome = rehearse(sound("af-south-1"), world={"clusters": []})
    assert outcome.status == 2
    assert "IoT has no endpoint in af-south-1" in outcome.problems["aws:region"]
    assert "there are none" in outcome.problems["clusterName"]


def test_all_that_the_region_lacks_is_reported_at_once(rehearse: Rehearse) -> None:
    cluster = {**HERE, "status": "CREATING", "zones": ["us-east-1a"]}
    outcome = rehearse(world={"clusters": [cluster]})
    assert [p["key"] for p in outcome.report["problems"]] == ["clusterName", "network.subnetIds"]


@pytest.mark.parametrize(
    ("mode", "known"),
    [
        ("create", "pulumi config set bootstrapConfigMap adopt"),
        ("adopt", "either `clusterName` is wrong, or that value is"),
    ],
)
def test_a_config_map_with_another_clusters_name_is_refused(
    rehearse: Rehearse, mode: str, known: str
) -> None:
    world = {"clusters": [HERE], "configMaps": {"kube-system/bootstrap-output": {"cluster_name": "other"}}}
    outcome = rehearse(sound(bootstrapConfigMap=mode), world=world)
    assert outcome.status == 2
    [failure] = outcome.report["failures"]
    assert known in failure["remedies"][0]["do"]


def test_a_second_server_with_the_same_source_id_is_refused(
    rehearse: Rehearse, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = rehearse(world={"clusters": [HERE], "iotPolicies": ["maestro-server"]})
    assert outcome.status == 2
    [failure] = outcome.report["failures"]
    assert "ResourceAlreadyExistsException" in failure["message"]
    assert "pulumi config set --path mqtt.sourceId maestro-2" in failure["remedies"][0]["do"]
    gc.collect()  # asyncio complains about forgotten futures when they are collected
    assert caplog.text == ""


def test_a_secret_that_is_still_being_deleted_is_explained(rehearse: Rehearse) -> None:
    outcome = rehearse(world={"clusters": [HERE], "deletedSecrets": ["regional-xyz/maestro/db-credentials"]})
    assert outcome.status == 2
    [failure] = outcome.report["failures"]
    assert "--force-delete-without-recovery" in failure["remedies"][0]["do"]


def test_a_namespace_that_exists_is_explained(rehearse: Rehearse) -> None:
    world = {"clusters": [HERE], "configMaps": {"control/theirs": {"key": "value"}}}
    outcome = rehearse(sound(server={"namespace": "control"}), world=world)
    assert outcome.status == 2
    [failure] = outcome.report["failures"]
    assert "pulumi config set --path server.namespace control-2" in failure["remedies"][0]["do"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"config: [unclosed", "can't be read as YAML"),
        (b"config: {}\nconfig: {}", 'mapping key "config" is already defined in line 1 (line 2, column 1)'),
        (b"\xe9\xfe", "must be UTF-8 text, but byte 1 is 0xe9"),
        (b"", "is empty"),
        (b"config:\n  maestro-stack:rotation: {certificate: .inf}\n", "holds .inf"),
        (b"config: {a:b:c: x}", "must be namespace:name"),
        (b"config: {maestro-stack:profile: dev, profile: dev}", "given twice, once as profile"),
        (b"environment: [maestro/dev]", 'may come from environment: ["maestro/dev"]'),
        (b"- a list", "must hold a mapping"),
        (b"config: text", "config must be a mapping"),
        (b"confg: {}", "did you mean config?"),
        (b"config: {1: x}", "must be namespace:name"),
    ],
)
def test_a_stack_file_that_cannot_be_used(
    content: bytes,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_bytes(content)
    monkeypatch.chdir(ROOT)
    assert main(["--config", str(file)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert str(file) in error


def test_a_missing_stack_names_those_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in (ROOT / "Pulumi.yaml", STACK_FILE):
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["--stack", "nope"]) == 2
    assert "Pulumi.dev.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere/maestro-stack/nope", "Pulumi.nope.yaml does not exist"),
        ("nowhere/nope", "Pulumi.nope.yaml does not exist"),
        ("nowhere/other/dev", "is of project other, and this is maestro-stack"),
        ("a/b/c/d", "must be STACK or ORGANIZATION/PROJECT/STACK"),
        ("nowhere/", "must be STACK or ORGANIZATION/PROJECT/STACK"),
    ],
)
def test_a_stack_may_have_the_name_that_pulumi_takes(
    name: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["--stack", name]) == 2
    assert said in capsys.readouterr().err


def test_a_stack_file_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["--config", str(tmp_path)]) == 2
    assert "can't be read: Is a directory" in capsys.readouterr().err


def test_no_message_repeats_a_secret_value(rehearse: Rehearse) -> None:
    outcome = rehearse(
        sound(server={"releaseName": {"secure": "AAABxyz"}}, mqtt={"sourceId": {"secure": "QQQ"}})
    )
    assert outcome.status == 2
    assert "placeholder-of-" not in outcome.stdout
    assert "the secret value" in outcome.problems["mqtt.sourceId"]
