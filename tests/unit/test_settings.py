"""The configuration: what is accepted, and every kind of problem with its key, reason and example."""

import copy
import json
import re
import shlex
from collections.abc import Collection, Mapping
from itertools import pairwise
from pathlib import Path
from typing import cast

import pulumi_aws
import pytest

from maestro_stack.constraints import WIRED_VALUES
from maestro_stack.errors import ConfigurationError, Problem
from maestro_stack.schema import PROFILE_DEFAULTS, Json, Profile, Tree
from maestro_stack.settings import Settings, parse
from maestro_stack.sizing import storage_performance

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "maestro-stack"
REQUIRED: Tree = {"clusterName": "regional-xyz", "profile": "dev"}
PRODUCTION: Tree = {"profile": "production"}
AMBIENT: Tree = {"kubernetes": {"mode": "ambient", "context": "regional"}}
ROLE = "arn:aws:iam::123456789012:role/deployer"
BACKUP = "arn:aws:rds:us-west-2:123456789012:auto-backup:ab-0123456789abcdefghijklmnop"
KEY_HERE, KEY_THERE = (f"arn:aws:kms:{region}:123456789012:key/a" for region in ("us-east-1", "us-west-2"))
KUBECONFIG = "apiVersion: v1\nkind: Config\n"


def settings(
    own: Tree | None = None,
    *,
    region: str | None = "us-east-1",
    aws: Mapping[str, str] | None = None,
    root: Path = ROOT,
    secret: Collection[str] = (),
) -> Settings:
    """Parse keys of our namespace as the engine would pass them: objects and lists as JSON text."""
    keys = {**REQUIRED, **(own or {})}
    config = {f"{PROJECT}:{k}": v if isinstance(v, str) else json.dumps(v) for k, v in keys.items()}
    for key in [k for k, v in keys.items() if v is None]:
        del config[f"{PROJECT}:{key}"]
    config |= {f"aws:{k}": v for k, v in (aws or {}).items()}
    if region is not None:
        config["aws:region"] = region
    hidden = {key if ":" in key else f"{PROJECT}:{key}" for key in secret}
    return parse(config, project=PROJECT, root=root, secret=hidden)


def problems(own: Tree | None = None, **more: object) -> tuple[Problem, ...]:
    """Every problem of such a configuration."""
    with pytest.raises(ConfigurationError) as refused:
        settings(own, **more)  # pyright: ignore[reportArgumentType] the same keywords
    return refused.value.problems


def only(found: tuple[Problem, ...]) -> Problem:
    [problem] = found
    return problem


# --- what is accepted -----------------------------------------------------------------------------


def test_a_cluster_a_profile_and_a_region_are_enough() -> None:
    found = settings()
    assert (found.cluster_name, found.region, found.is_production) == ("regional-xyz", "us-east-1", False)
    assert (found.server.replicas, found.server.namespace, found.mqtt.source_id) == (2, "maestro", "maestro")
    assert found.ca_bundle is None
    assert found.kubernetes.mode == "eks"


@pytest.mark.parametrize("profile", Profile)
def test_the_profile_fills_in_the_database(profile: Profile) -> None:
    found = settings({"profile": profile.value})
    assert found.is_production == (profile == Profile.PRODUCTION)
    chosen = found.database.model_dump(by_alias=True)
    assert {key: chosen[key] for key in PROFILE_DEFAULTS[profile]} == PROFILE_DEFAULTS[profile]


def test_both_profiles_choose_the_same_keys() -> None:
    assert PROFILE_DEFAULTS[Profile.DEV].keys() == PROFILE_DEFAULTS[Profile.PRODUCTION].keys()


@pytest.mark.parametrize("profile", Profile)
def test_an_explicit_key_wins_over_the_profile(profile: Profile) -> None:
    explicit: Tree = {"instanceClass": "db.r7g.xlarge", "backupRetentionDays": 21, "applyImmediately": True}
    found = settings({"profile": profile.value, "database": explicit}).database.model_dump(by_alias=True)
    assert {key: found[key] for key in explicit} == explicit
    assert found["multiAz"] == PROFILE_DEFAULTS[profile]["multiAz"]


def test_whole_numbers_are_taken_where_text_is_meant() -> None:
    found = settings(
        {
            "database": {"engineVersion": 16},
            "rotation": {"database": 2, "certificate": 20261123},
            "mqtt": {"sourceId": 7},
            "server": {"image": {"tag": 1234567}, "requests": {"cpu": 1}},
            "tags": {"cost-centre": 4711},
        }
    )
    assert found.database.engine_version == "16"
    assert (found.rotation.database, found.rotation.certificate) == ("2", "20261123")
    assert (found.mqtt.source_id, found.server.image.tag, found.server.requests.cpu) == ("7", "1234567", "1")
    assert found.tags == {"cost-centre": "4711"}


@pytest.mark.parametrize("version", ["17", "17.6", "17.10"])
def test_a_version_is_a_major_or_a_full_one(version: str) -> None:
    assert settings({"database": {"engineVersion": version}}).database.engine_version == version


@pytest.mark.parametrize(
    ("storage", "performance"),
    [
        ({"allocatedStorageGiB": 399}, (None, None)),
        ({"allocatedStorageGiB": 400}, (12000, 500)),
        ({"allocatedStorageGiB": 400, "iops": 16000}, (16000, 500)),
        ({"allocatedStorageGiB": 400, "storageThroughput": 3000}, (12000, 3000)),
    ],
)
def test_the_free_baseline_of_gp3_is_asked_for_from_400_gib_on(
    storage: Tree, performance: tuple[int | None, int | None]
) -> None:
    found = settings({"database": {**storage, "maxAllocatedStorageGiB": 1000}})
    assert storage_performance(found.database) == performance


@pytest.mark.parametrize(
    "restore",
    [
        {"snapshot": "maestro-east-final-1a2b3c4d"},
        {"snapshot": "rds:maestro-east-2026-11-30-03-00"},
        {"snapshot": "arn:aws:rds:us-east-1:210987654321:snapshot:shared"},
        {"instance": "maestro-east", "latest": True},
        {"instance": "maestro-east", "time": "2026-11-30T12:00:00Z"},
        {"automatedBackup": BACKUP.replace("us-west-2", "us-east-1"), "latest": True},
    ],
)
def test_a_database_is_restored_from_a_snapshot_or_from_backups_as_of_a_time(restore: Tree) -> None:
    found = settings({"database": {"restoreFrom": restore}}).database.restore_from
    assert found is not None
    assert found.model_dump(by_alias=True, exclude_none=True) == restore


def test_backups_are_replicated_to_another_region_for_two_weeks() -> None:
    keys: Tree = {"region": "us-west-2", "kmsKeyArn": KEY_THERE}
    found = settings({"database": {"backupReplication": keys}}).database.backup_replication
    assert found is not None
    assert (found.region, found.retention_days, found.kms_key_arn) == ("us-west-2", 14, KEY_THERE)


@pytest.mark.parametrize("name", ["a", "9", "A_b-C", "x" * 100, "Regional_XYZ", "1-", "0_"])
def test_every_name_that_eks_allows_is_accepted(name: str) -> None:
    assert settings({"clusterName": name}).cluster_name == name


def test_the_name_is_the_clusters_where_there_is_none() -> None:
    """Pulumi.yaml's default is an empty one."""
    for own in (settings({}), settings({"name": ""})):
        assert own.names.name == "regional-xyz"
    kept = settings({"clusterName": "new", "name": "regional-xyz"}).names
    assert (kept.name, kept.cluster) == ("regional-xyz", "new")


@pytest.mark.parametrize("size", [{}, {"maxAllocatedStorageGiB": 800}, {"maxAllocatedStorageGiB": 440}])
def test_fast_storage_is_accepted_from_400_gib(size: Tree) -> None:
    fast: Tree = {"allocatedStorageGiB": 400, "iops": 16000, "storageThroughput": 1000}
    most: Tree = {"maxAllocatedStorageGiB": 400}
    assert settings({"database": {**fast, **most, **size}}).database.iops == 16000


@pytest.mark.parametrize(
    ("kubernetes", "mode"),
    [
        ({}, "eks"),
        ({"mode": "kubeconfig", "kubeconfig": KUBECONFIG, "context": "regional"}, "kubeconfig"),
        ({"mode": "ambient", "context": "regional"}, "ambient"),
    ],
)
def test_each_way_to_reach_kubernetes_is_accepted(kubernetes: Tree, mode: str) -> None:
    assert settings({"kubernetes": kubernetes}, secret={"kubernetes"}).kubernetes.mode == mode


def test_a_kubeconfig_in_the_clear_is_refused() -> None:
    problem = only(problems({"kubernetes": {"mode": "kubeconfig", "kubeconfig": KUBECONFIG}}))
    assert problem.key == "kubernetes.kubeconfig"
    assert "in the clear" in problem.problem
    assert "--secret" in problem.example


def test_the_role_and_the_profile_of_the_aws_provider_are_passed_on() -> None:
    found = settings(aws={"assumeRoles": json.dumps([{"roleArn": ROLE}]), "profile": "regional"})
    assert found.authentication.role_arn == ROLE
    assert found.authentication.environment == {"AWS_PROFILE": "regional"}


@pytest.mark.parametrize(
    ("aws", "environment"),
    [
        (
            {"assumeRoleWithWebIdentity": {"roleArn": "arn:x", "webIdentityTokenFile": "/token"}},
            {"AWS_ROLE_ARN": "arn:x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/token"},
        ),
        (
            {"sharedConfigFiles": ["config"], "sharedCredentialsFiles": ["credentials"]},
            {"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"},
        ),
    ],
)
def test_the_token_is_fetched_as_the_provider_authenticates(aws: Tree, environment: Tree) -> None:
    found = settings(aws={key: json.dumps(value) for key, value in aws.items()})
    assert found.authentication.environment == environment


def test_a_chain_of_roles_is_fine_where_no_token_is_fetched() -> None:
    chain = json.dumps([{"roleArn": "arn:aws:iam::123456789012:role/a"}, {"roleArn": "b"}])
    assert (
        settings(
            {"kubernetes": {"mode": "ambient", "context": "regional"}}, aws={"assumeRoles": chain}
        ).kubernetes.mode
        == "ambient"
    )


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "il-central-1"])
def test_a_bundle_makes_up_for_a_region_without_certificates(region: str, tmp_path: Path) -> None:
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    (tmp_path / "bundle.pem").write_text(pem, encoding="utf-8")
    found = settings({"database": {"caBundleFile": "bundle.pem"}}, region=region, root=tmp_path)
    assert found.ca_bundle == pem


def test_keys_of_other_namespaces_are_not_ours() -> None:
    assert not settings(aws={"skipMetadataApiCheck": "true"}).authentication.environment


def test_chart_values_that_the_program_leaves_alone_are_accepted() -> None:
    values: Tree = {
        "networkPolicy": {"metrics": {"from": [{"podSelector": {}}]}},
        "deployment": {"limits": {"memory": "2Gi"}},
        "image": {},
    }
    assert settings({"server": {"values": values}}).server.values == values


# --- problems -------------------------------------------------------------------------------------

NAME = "must be an EKS cluster name (1 to 100 letters, digits, - or _, beginning with a letter or digit)"
WEAK = "which weakens profile production"

BAD: list[tuple[Tree, str, str]] = [
    # clusterName
    ({"clusterName": None}, "clusterName", "is missing"),
    ({"clusterName": ""}, "clusterName", "is missing"),
    ({"clusterName": "x" * 101}, "clusterName", NAME),
    ({"clusterName": "-abc"}, "clusterName", f'{NAME}, not "-abc"'),
    ({"clusterName": "_abc"}, "clusterName", NAME),
    ({"name": "x" * 101}, "name", NAME),
    ({"name": "-abc"}, "name", f'{NAME}, not "-abc"'),
    ({"name": ["abc"]}, "name", "must be text"),
    ({"clusterName": "a b"}, "clusterName", f'{NAME}, not "a b"'),
    ({"clusterName": "a/b"}, "clusterName", f'{NAME}, not "a/b"'),
    ({"clusterName": "a.b"}, "clusterName", NAME),
    ({"clusterName": "straße"}, "clusterName", NAME),
    ({"clusterName": "abc\n"}, "clusterName", NAME),
    ({"clusterName": {"name": "x"}}, "clusterName", "must be text"),
    # unknown keys, at every level
    ({"clustername2": "x"}, "clustername2", "is not a known key (did you mean clusterName?)"),
    ({"replicas": 3}, "replicas", "is not a known key (did you mean server.replicas?)"),
    ({"multiaz": True}, "multiaz", "is not a known key (did you mean database.multiAz?)"),
    ({"database": {"tag": "x"}}, "database.tag", "is not a known key (did you mean server.image.tag?)"),
    ({"server": {"database": {}}}, "server.database", "(did you mean database or rotation.database?)"),
    ({"kmsKeyArn": "x"}, "kmsKeyArn", "did you mean database.kmsKeyArn or credentials.kmsKeyArn?"),
    ({"sever": {}}, "sever", "is not a known key (did you mean server?)"),
    ({"database": {"multiAZ": True}}, "database.multiAZ", "is not a known key (did you mean multiAz?)"),
    ({"database": {"allocatedStorage": 20}}, "database.allocatedStorage", "mean allocatedStorageGiB?"),
    ({"mqtt": {"source": "x"}}, "mqtt.source", "is not a known key (did you mean sourceId?)"),
    ({"server": {"replica": 3}}, "server.replica", "is not a known key (did you mean replicas?)"),
    ({"server": {"image": {"tags": "x"}}}, "server.image.tags", "is not a known key (did you mean tag?)"),
    ({"server": {"requests": {"mem": "1Gi"}}}, "server.requests.mem", "(did you mean memory?)"),
    ({"network": {"subnets": []}}, "network.subnets", "is not a known key (did you mean subnetIds?)"),
    ({"kubernetes": {"kubeConfig": "x"}}, "kubernetes.kubeConfig", "(did you mean kubeconfig?)"),
    ({"rotation": {"certificates": "x"}}, "rotation.certificates", "(did you mean certificate?)"),
    ({"policies": {"exception": []}}, "policies.exception", "(did you mean exceptions?)"),
    # who installs the chart, and which certificates there are
    ({"server": {"install": "argocd"}}, "server.install", "must be 'pulumi' or 'external', not \"argocd\""),
    ({"server": {"install": "external", "releaseName": "x"}}, "server.releaseName", "is given, but with"),
    ({"server": {"install": "external", "timeoutSeconds": 600}}, "server.timeoutSeconds", "is given, but"),
    ({"server": {"install": "external", "namespaceMode": "create"}}, "server.namespaceMode", "is given, but"),
    ({"server": {"install": "external", "namespaceLabels": {}}}, "server.namespaceLabels", "is given, but"),
    (
        {"server": {"install": "external", "namespaceAnnotations": {}}},
        "server.namespaceAnnotations",
        "is given, but with server.install external the program makes no release and no namespace",
    ),
    (
        {"rotation": {"certificate": "2", "keepCertificate": "2"}},
        "rotation.keepCertificate",
        '"2" is rotation.certificate, the certificate in use',
    ),
    ({"rotation": {"keepCertificate": ""}}, "rotation.keepCertificate", '"" is rotation.certificate'),
    ({"rotation": {"certificate": "a::b"}}, "rotation.certificate", "must be at most 40 letters, digits,"),
    (
        {"rotation": {"certificate": "x" * 41}},
        "rotation.certificate",
        "must be at most 40 letters, digits,",
    ),
    ({"rotation": {"keepCertificate": "a/b"}}, "rotation.keepCertificate", "must be at most 40 letters"),
    (
        {"acknowledge": [{"key": "x", "reason": "y", "reasons": "z"}]},
        "acknowledge[0].reasons",
        "is not a known key (did you mean reason?)",
    ),
    (
        {"policies": {"exceptions": [{"rule": "x", "resource": "y", "reason": "z", "until": "w"}]}},
        "policies.exceptions[0].until",
        "is not a known key",
    ),
    ({"server": {"xyzzy": 1}}, "server.xyzzy", "is not a known key"),
    # wrong types
    ({"server": {"replicas": "two"}}, "server.replicas", 'must be a whole number, not "two"'),
    ({"server": {"replicas": "2"}}, "server.replicas", 'must be a whole number, not "2"'),
    ({"server": {"replicas": 1.5}}, "server.replicas", "must be a whole number, not 1.5"),
    ({"server": {"replicas": True}}, "server.replicas", "must be a whole number, not true"),
    ({"server": [1]}, "server", "must be an object, not [1]"),
    ({"server": "big"}, "server", 'must be an object, not "big"'),
    ({"server": '{"replicas": 3'}, "server", "must be an object"),
    ({"server": {"image": ["x"]}}, "server.image", 'must be an object, not ["x"]'),
    ({"server": {"values": [1]}}, "server.values", "must be an object, not [1]"),
    ({"database": [1]}, "database", "must be an object, not [1]"),
    ({"database": {"multiAz": "yes"}}, "database.multiAz", 'must be true or false, not "yes"'),
    ({"database": {"multiAz": None}}, "database.multiAz", "must be true or false, not null"),
    ({"database": {"instanceClass": 4}}, "database.instanceClass", "must be text, not 4"),
    ({"network": {"subnetIds": "subnet-0123456789abcdef0"}}, "network.subnetIds", "must be a list"),
    ({"acknowledge": {"key": "x", "reason": "y"}}, "acknowledge", "must be a list"),
    ({"tags": ["a"]}, "tags", 'must be an object, not ["a"]'),
    ({"tags": {"a": True}}, "tags.a", "must be text, not true"),
    ({"profile": None}, "profile", "is missing"),
    ({"profile": ""}, "profile", "is missing"),
    ({"profile": "prod"}, "profile", "must be 'dev' or 'production', not \"prod\""),
    ({"bootstrapConfigMap": "adpot"}, "bootstrapConfigMap", "must be 'create', 'adopt' or 'external'"),
    # server
    ({"server": {"replicas": 0}}, "server.replicas", "0 is below 1, the minimum"),
    ({"server": {"replicas": 30}}, "server.replicas", "need more connections than db.t4g.micro has"),
    ({"server": {"zoneCount": 0}}, "server.zoneCount", "0 is below 1, the minimum"),
    ({"server": {"timeoutSeconds": 59}}, "server.timeoutSeconds", "59 is below 60"),
    ({"server": {"timeoutSeconds": 3601}}, "server.timeoutSeconds", "3601 is above 3600"),
    ({"server": {"namespace": "Maestro"}}, "server.namespace", "must be a DNS label"),
    ({"server": {"namespace": "a.b"}}, "server.namespace", "must be a DNS label"),
    ({"server": {"namespace": "x" * 64}}, "server.namespace", "must be a DNS label"),
    ({"server": {"namespace": "-a"}}, "server.namespace", "must be a DNS label"),
    ({"server": {"namespace": "default"}}, "server.namespace", "belongs to Kubernetes"),
    ({"server": {"namespace": "kube-system"}}, "server.namespace", "belongs to Kubernetes"),
    ({"server": {"releaseName": "Maestro_1"}}, "server.releaseName", "must be a Helm release name"),
    ({"server": {"releaseName": "x" * 54}}, "server.releaseName", "must be a Helm release name"),
    (
        {"server": {"image": {"repository": "quay.io/x:v1"}}},
        "server.image.repository",
        "must be an image repository",
    ),
    (
        {"server": {"image": {"repository": "maestro"}}},
        "server.image.repository",
        "must be an image repository",
    ),
    (
        {"server": {"image": {"repository": "Quay.io/X"}}},
        "server.image.repository",
        "must be an image repository",
    ),
    (
        {"server": {"image": {"repository": "-quay.io/x"}}},
        "server.image.repository",
        "must be an image repository",
    ),
    (
        {"server": {"image": {"repository": "quay.io/x_"}}},
        "server.image.repository",
        "must be an image repository",
    ),
    ({"server": {"image": {"tag": "a b"}}}, "server.image.tag", 'must be an image tag, not "a b"'),
    ({"server": {"image": {"tag": ""}}}, "server.image.tag", 'must be an image tag, not ""'),
    ({"server": {"image": {"digest": "sha256:12"}}}, "server.image.digest", "must be an image digest"),
    ({"server": {"requests": {"cpu": "1 core"}}}, "server.requests.cpu", "must be a Kubernetes CPU quantity"),
    ({"server": {"requests": {"cpu": "0.0001"}}}, "server.requests.cpu", "must be a Kubernetes CPU quantity"),
    ({"server": {"requests": {"memory": "512MB"}}}, "server.requests.memory", "must be a Kubernetes memory"),
    ({"server": {"requests": {"memory": "512K"}}}, "server.requests.memory", "must be a Kubernetes memory"),
    ({"server": {"requests": {"memory": 512}}}, "server.requests.memory", "must be a Kubernetes memory"),
    # database
    ({"database": {"allocatedStorageGiB": 19}}, "database.allocatedStorageGiB", "19 is below 20"),
    ({"database": {"maxAllocatedStorageGiB": 70000}}, "database.maxAllocatedStorageGiB", "above 65536"),
    (
        {"database": {"allocatedStorageGiB": 200}},
        "database.allocatedStorageGiB",
        "200 is above database.maxAllocatedStorageGiB (100)",
    ),
    (
        {"database": {"allocatedStorageGiB": 100, "maxAllocatedStorageGiB": 109}},
        "database.maxAllocatedStorageGiB",
        "109 is less than 10 % above database.allocatedStorageGiB (100)",
    ),
    ({"database": {"iops": 16000}}, "database.iops", "gp3 storage below 400 GiB has fixed performance"),
    (
        {"database": {"allocatedStorageGiB": 400, "maxAllocatedStorageGiB": 400, "iops": 3000}},
        "database.iops",
        "3000 is not between 12000 and 64000",
    ),
    (
        {"database": {"allocatedStorageGiB": 400, "maxAllocatedStorageGiB": 400, "storageThroughput": 4000}},
        "database.storageThroughput",
        "needs database.iops of at least 16000",
    ),
    ({"database": {"instanceClass": "t4g.micro"}}, "database.instanceClass", "must be an RDS instance class"),
    ({"database": {"engineVersion": 13}}, "database.engineVersion", "13 is a PostgreSQL version out of RDS"),
    ({"database": {"engineVersion": "9"}}, "database.engineVersion", "out of RDS standard support"),
    ({"database": {"engineVersion": "13.23"}}, "database.engineVersion", "out of RDS standard support"),
    ({"database": {"engineVersion": "17.6.1"}}, "database.engineVersion", 'a full one such as "17.6"'),
    ({"database": {"engineVersion": "17."}}, "database.engineVersion", 'a full one such as "17.6"'),
    ({"database": {"engineVersion": 17.10}}, "database.engineVersion", "17.10 would be read as 17.1"),
    ({"database": {"engineVersion": 99}}, "database.engineVersion", "without an RDS parameter-group family"),
    ({"database": {"backupRetentionDays": 0}}, "database.backupRetentionDays", "0 is below 1"),
    ({"database": {"backupRetentionDays": 36}}, "database.backupRetentionDays", "36 is above 35"),
    ({"database": {"backupWindow": "3-4"}}, "database.backupWindow", "must be a window of the form"),
    ({"database": {"backupWindow": "03:00-03:29"}}, "database.backupWindow", "shorter than 30 minutes"),
    ({"database": {"backupWindow": "24:00-01:00"}}, "database.backupWindow", "must be a window of the form"),
    ({"database": {"maintenanceWindow": "mon:04:30"}}, "database.maintenanceWindow", "must be a window"),
    (
        {"database": {"maintenanceWindow": "mon:04:30-tue:04:31"}},
        "database.maintenanceWindow",
        "is not between 30 minutes and 24 hours long",
    ),
    (
        {"database": {"maintenanceWindow": "sun:23:30-mon:03:01"}},
        "database.maintenanceWindow",
        "overlaps database.backupWindow (03:00-04:00)",
    ),
    (
        {"database": {"backupWindow": "23:45-00:45", "maintenanceWindow": "tue:00:30-tue:01:00"}},
        "database.maintenanceWindow",
        "overlaps database.backupWindow (23:45-00:45)",
    ),
    ({"database": {"kmsKeyArn": "alias/rds"}}, "database.kmsKeyArn", "must be the ARN of a KMS key"),
    ({"database": {"username": "maestro admin"}}, "database.username", "must be up to 63 of A-Z"),
    ({"database": {"username": "rdsadmin"}}, "database.username", "must not be a reserved word"),
    ({"database": {"username": "PG_maestro"}}, "database.username", "must not be a reserved word"),
    ({"database": {"databaseName": "maestro-db"}}, "database.databaseName", "must be up to 63 of A-Z"),
    ({"database": {"restoreFrom": {}}}, "database.restoreFrom", "must be a snapshot alone, or an instance"),
    ({"database": {"restoreFrom": {"snapshot": "a b"}}}, "database.restoreFrom.snapshot", "an RDS snapshot"),
    (
        {"database": {"restoreFrom": {"snapshot": "a", "latest": True}}},
        "database.restoreFrom",
        "must be a snapshot alone, or an instance or automatedBackup with time or latest",
    ),
    ({"database": {"restoreFrom": {"snapshot": "a", "instance": "b"}}}, "database.restoreFrom", "alone"),
    ({"database": {"restoreFrom": {"instance": "a"}}}, "database.restoreFrom", "with time or latest"),
    (
        {"database": {"restoreFrom": {"instance": "a", "latest": True, "time": "2026-11-30T12:00:00Z"}}},
        "database.restoreFrom",
        "with time or latest",
    ),
    (
        {"database": {"restoreFrom": {"instance": "a", "latest": False}}},
        "database.restoreFrom.latest",
        "must be True, not false",
    ),
    (
        {"database": {"restoreFrom": {"instance": "a", "time": "2026-11-30 12:00"}}},
        "database.restoreFrom.time",
        "must be a time in UTC",
    ),
    (
        {"database": {"restoreFrom": {"automatedBackup": "a", "latest": True}}},
        "database.restoreFrom.automatedBackup",
        "must be an automated backup's ARN",
    ),
    (
        {"database": {"restoreFrom": {"snapshot": "arn:aws:rds:us-west-2:123456789012:snapshot:a"}}},
        "database.restoreFrom.snapshot",
        "must be in us-east-1",
    ),
    (
        {"database": {"restoreFrom": {"automatedBackup": BACKUP, "latest": True}}},
        "database.restoreFrom.automatedBackup",
        "must be in us-east-1",
    ),
    (
        {"database": {"backupReplication": {"region": "us-west-2"}}},
        "database.backupReplication.kmsKeyArn",
        "is missing",
    ),
    (
        {"database": {"backupReplication": {"region": "us-east-1", "kmsKeyArn": KEY_HERE}}},
        "database.backupReplication.region",
        '"us-east-1" must be another region of partition aws',
    ),
    (
        {"database": {"backupReplication": {"region": "cn-north-1", "kmsKeyArn": KEY_THERE}}},
        "database.backupReplication.region",
        '"cn-north-1" must be another region of partition aws',
    ),
    (
        {"database": {"backupReplication": {"region": "us-west-2", "kmsKeyArn": KEY_HERE}}},
        "database.backupReplication.kmsKeyArn",
        "must be in us-west-2",
    ),
    (
        {
            "database": {
                "backupReplication": {"region": "us-west-2", "kmsKeyArn": KEY_THERE, "retentionDays": 36}
            }
        },
        "database.backupReplication.retentionDays",
        "36 is above 35",
    ),
    ({"database": {"caBundleFile": "nowhere.pem"}}, "database.caBundleFile", "can't be read: No such file"),
    ({"database": {"caBundleFile": "docs"}}, "database.caBundleFile", "can't be read: Is a directory"),
    ({"database": {"caBundleFile": "LICENSE"}}, "database.caBundleFile", "must hold PEM cert"),
    # the rest
    ({"mqtt": {"sourceId": "maestro-server"}}, "mqtt.sourceId", 'without "-server"'),
    ({"mqtt": {"sourceId": "maestro-server-2"}}, "mqtt.sourceId", 'without "-server"'),
    ({"mqtt": {"sourceId": "Maestro"}}, "mqtt.sourceId", "1 to 40 lower-case letters, digits or hyphens"),
    ({"mqtt": {"sourceId": "x" * 41}}, "mqtt.sourceId", "1 to 40 lower-case letters, digits or hyphens"),
    ({"mqtt": {"sourceId": ""}}, "mqtt.sourceId", "1 to 40 lower-case letters, digits or hyphens"),
    ({"network": {"vpcId": "x"}}, "network.vpcId", 'must be a VPC id, not "x"'),
    ({"network": {"subnetIds": ["subnet-0123456789abcdef0"]}}, "network.subnetIds", "has fewer than 2"),
    (
        {"network": {"clientSecurityGroupIds": ["x"]}},
        "network.clientSecurityGroupIds[0]",
        "must be a security group",
    ),
    (
        {"network": {"clientCidrs": ["10.1.2.3/16"]}},
        "network.clientCidrs[0]",
        "has host bits set: the block is 10.1.0.0/16",
    ),
    ({"network": {"clientCidrs": ["10.1.0.0/33"]}}, "network.clientCidrs[0]", "must be a CIDR block"),
    (
        {"iam": {"permissionsBoundaryArn": "boundary"}},
        "iam.permissionsBoundaryArn",
        "must be the ARN of an IAM policy",
    ),
    (
        {"iam": {"permissionsBoundaryArn": "arn:aws-cn:iam::123456789012:policy/boundary"}},
        "iam.permissionsBoundaryArn",
        "must be in partition aws",
    ),
    ({"iam": {"path": "maestro"}}, "iam.path", "must begin and end with a slash"),
    ({"iam": {"path": "/maestro"}}, "iam.path", "must begin and end with a slash"),
    ({"credentials": {"kmsKeyArn": "alias/x"}}, "credentials.kmsKeyArn", "must be the ARN of a KMS key"),
    (
        {"credentials": {"kmsKeyArn": "arn:aws:kms:us-west-2:123456789012:key/a"}},
        "credentials.kmsKeyArn",
        "must be in us-east-1",
    ),
    ({"database": {"logRetentionDays": 8}}, "database.logRetentionDays", "must be 1, 3, 5"),
    (
        {"database": {"parameters": {"rds.force_ssl": "0"}}},
        "database.parameters.rds.force_ssl",
        "must not be set: the program sets it",
    ),
    (
        {"database": {"parameters": {"max_connections": 20}}},
        "database.parameters.max_connections",
        "must not be set: the program sets it",
    ),
    (
        {"database": {"parameters": {"Log-Statement": "ddl"}}},
        "database.parameters.Log-Statement",
        "must be the name of an RDS parameter",
    ),
    ({"server": {"namespaceMode": "adopt"}}, "server.namespaceMode", "must be 'create' or 'external'"),
    (
        {"server": {"namespaceMode": "external", "namespaceLabels": {"team": "a"}}},
        "server.namespaceLabels",
        "external leaves the namespace as it is",
    ),
    (
        {"server": {"namespaceLabels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
        "server.namespaceLabels.pod-security.kubernetes.io/enforce",
        "must not be set: the namespace is under Pod Security",
    ),
    (
        {"server": {"namespaceLabels": {"team": "a b"}}},
        "server.namespaceLabels.team",
        "must be a Kubernetes label value",
    ),
    (
        {"server": {"namespaceAnnotations": {"-x": "a"}}},
        "server.namespaceAnnotations.-x",
        "must be a Kubernetes label key",
    ),
    ({"kubernetes": {"mode": "token"}}, "kubernetes.mode", "must be 'eks', 'kubeconfig' or 'ambient'"),
    ({"kubernetes": {"mode": "kubeconfig"}}, "kubernetes.kubeconfig", "is missing in mode kubeconfig"),
    ({"kubernetes": {"kubeconfig": KUBECONFIG}}, "kubernetes.kubeconfig", "but mode eks doesn't use it"),
    (
        {"kubernetes": {"mode": "ambient", "context": "x", "kubeconfig": KUBECONFIG}},
        "kubernetes.kubeconfig",
        "but mode ambient doesn't use it",
    ),
    ({"kubernetes": {"context": "x"}}, "kubernetes.context", "but mode eks makes its own"),
    ({"kubernetes": {"mode": "ambient", "context": ""}}, "kubernetes.context", "is empty"),
    ({"kubernetes": {"mode": "ambient"}}, "kubernetes.context", "is missing in mode ambient"),
    ({"tags": {"aws:team": "x"}}, "tags.aws:team", "must be a tag key"),
    ({"tags": {"a": "x" * 257}}, "tags.a", "must be a tag value"),
    ({"tags": {f"k{i}": "x" for i in range(41)}}, "tags", "has more than 40"),
    ({"acknowledge": [{"key": "x", "reason": ""}]}, "acknowledge[0].reason", "is empty"),
    ({"acknowledge": [{"key": "x"}]}, "acknowledge[0].reason", "is missing"),
    ({"acknowledge": [{"key": "database.multiAz", "reason": "x"}]}, "acknowledge[0].key", "weakens nothing"),
    # production, weakened
    (
        {**PRODUCTION, "database": {"deletionProtection": False}},
        "database.deletionProtection",
        f"is false, {WEAK}",
    ),
    ({**PRODUCTION, "database": {"multiAz": False}}, "database.multiAz", f"is false, {WEAK}"),
    (
        {**PRODUCTION, "database": {"backupRetentionDays": 6}},
        "database.backupRetentionDays",
        f"6 is below 7, {WEAK}",
    ),
    ({**PRODUCTION, "server": {"replicas": 1}}, "server.replicas", f"is 1, {WEAK}"),
    ({**PRODUCTION, "server": {"zoneCount": 1}}, "server.zoneCount", f"is 1, {WEAK}"),
    (
        {**PRODUCTION, "server": {"image": {"tag": "latest"}}},
        "server.image.tag",
        f"no digest is given, {WEAK}",
    ),
]


def configured(value: Json) -> Json:
    """A value as `pulumi config set --path` stores it: whole numbers and booleans are recognised."""
    if value in ("true", "false"):
        return value == "true"
    return int(value) if isinstance(value, str) and re.fullmatch("0|-?[1-9][0-9]*", value) else value


def with_command(own: Tree, command: str) -> Tree:
    """The configuration after a `pulumi config set`."""
    path, value = [word for word in shlex.split(command)[3:] if word != "--path"]
    steps: list[str | int] = [int(s) if s.isdigit() else s for s in re.findall(r"[^.\[\]]+", path)]
    changed = copy.deepcopy({**REQUIRED, **own})
    below = cast(Json, changed)
    for step, following in pairwise(steps):
        if isinstance(below, list):
            below = below[int(step)]
        elif isinstance(below, dict):
            below = below.setdefault(str(step), [] if isinstance(following, int) else {})
    if isinstance(below, list):
        below[int(steps[-1])] = configured(value)
    elif isinstance(below, dict):
        below[str(steps[-1])] = value if len(steps) == 1 else configured(value)
    return changed


def mended(own: Tree, example: str) -> Tree | None:
    """The configuration after what an example says, unless that is neither a command nor a line."""
    if line := re.search(r"in the stack's file: (\w+): (.*)", example):
        return {**REQUIRED, **own, line[1]: cast(Json, json.loads(line[2]))}
    if command := re.search("pulumi config set (?!.*--secret ).*", example):
        return with_command(own, command[0])
    return None


@pytest.mark.parametrize(
    ("own", "key", "words"), BAD, ids=[f"{key}-{i}" for i, (_, key, _) in enumerate(BAD)]
)
def test_a_problem_names_its_key_the_reason_and_an_example_that_mends_it(
    own: Tree, key: str, words: str
) -> None:
    problem = only(problems(own))
    assert problem.key == key
    assert words in problem.problem
    assert re.match("example[:,] |known keys here: |remove ", problem.example), problem.example
    if changed := mended(own, problem.example):
        try:
            settings(changed)
        except ConfigurationError as refused:
            left = [p for p in refused.problems if p.key == key and words in p.problem]
            # The file that the example names doesn't exist in a test.
            assert bool(left) == words.startswith("can't be read: No such file"), changed


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (None, "is missing"),
        ("", "is missing"),
        ("us-east-9", '"us-east-9" is not an AWS region (did you mean us-east-'),
        ("US-EAST-1", '"US-EAST-1" is not an AWS region (did you mean us-east-1?)'),
        ("frankfurt", '"frankfurt" is not an AWS region'),
    ],
)
def test_the_region_must_be_one(region: str | None, words: str) -> None:
    problem = only(problems(region=region))
    assert problem.key == "aws:region"
    assert words in problem.problem
    assert problem.example == "example: pulumi config set aws:region us-east-1"


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "il-central-1"])
def test_a_region_without_certificates_says_how_to_supply_them(region: str) -> None:
    problem = only(problems(region=region))
    assert problem.key == "database.caBundleFile"
    assert f"the chart ships no RDS CA certificates for {region}" in problem.problem
    assert "example: pulumi config set --path database.caBundleFile" in problem.example


def test_a_bundle_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bundle.der").write_bytes(b"\x30\x82\xff")
    problem = only(problems({"database": {"caBundleFile": "bundle.der"}}, root=tmp_path))
    assert (problem.key, problem.problem) == (
        "database.caBundleFile",
        '"bundle.der" can\'t be read: it is not UTF-8 text',
    )


def test_a_chain_of_roles_is_refused_where_a_token_is_fetched() -> None:
    chain = json.dumps([{"roleArn": "arn:aws:iam::123456789012:role/a"}, {"roleArn": "b"}])
    problem = only(problems(aws={"assumeRoles": chain}))
    assert problem.key == "kubernetes.mode"
    assert "can't follow the chain of several aws:assumeRoles" in problem.problem
    assert problem.example == "example: pulumi config set --path kubernetes.mode kubeconfig"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (
            "assumeRoles",
            [{"roleArn": "a", "externalId": "7"}],
            "can't pass the externalId of aws:assumeRoles",
        ),
        ("accessKey", "AKIDEXAMPLE", "doesn't see the keys of the stack's aws:accessKey"),
        ("assumeRoleWithWebIdentity", {"roleArn": "a", "webIdentityToken": "x"}, "from a file only"),
        ("sharedConfigFiles", ["a", "b"], "aws:sharedConfigFiles names several"),
    ],
)
def test_a_mode_whose_token_is_fetched_by_somebody_else_is_refused(key: str, value: Json, words: str) -> None:
    given = {key: value if isinstance(value, str) else json.dumps(value)}
    problem = only(problems(aws=given))
    assert problem.key == "kubernetes.mode"
    assert words in problem.problem
    assert settings(AMBIENT, aws=given)


def test_a_key_in_a_namespace_that_is_almost_the_projects_is_a_problem() -> None:
    config = {
        "aws:region": "us-east-1",
        "maestro-stack:profile": "dev",
        "datadog:tags": "a",
        "maestro:x": "y",
    }
    with pytest.raises(ConfigurationError) as unusable:
        parse({**config, "maestro:clusterName": "x"}, project="maestro-stack", root=ROOT)
    stray, missing = sorted(unusable.value.problems, key=lambda problem: problem.key, reverse=True)
    assert (missing.key, missing.problem) == ("clusterName", "is missing")
    assert stray.key == "maestro:clusterName"
    assert stray.problem.endswith("(did you mean maestro-stack:clusterName?)")


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("regoin", "is not a key of the AWS provider (did you mean region?)"),
        ("assumeRole", "is not a key of the AWS provider (renamed to assumeRoles)"),
        ("somethingElse", "is not a key of the AWS provider, which"),
    ],
)
def test_keys_that_the_aws_provider_refuses_are_problems(key: str, hint: str) -> None:
    problem = only(problems(aws={key: "AKIDSECRET"}))
    assert problem.key == f"aws:{key}"
    assert hint in problem.problem
    assert "AKIDSECRET" not in str(problem)


@pytest.mark.parametrize(
    "key", ["assumeRoles", "assumeRoleWithWebIdentity", "allowedAccountIds", "defaultTags"]
)
@pytest.mark.parametrize("value", ["AKIDSECRET", "2026-12", "7"])
def test_lists_and_objects_of_the_aws_provider_must_be_such(key: str, value: str) -> None:
    problem = only(problems(aws={key: value}))
    assert (problem.key, problem.problem) == (f"aws:{key}", "must be a list or an object")
    assert value not in str(problem)


def test_every_key_of_the_aws_provider_is_known() -> None:
    source = Path(pulumi_aws.__file__).parent.joinpath("config", "vars.py").read_text(encoding="utf-8")
    read = set(re.findall(r"__config__\.get\w*\('(\w+)'", source))
    assert "defaultTags" in read
    known = settings(
        {"kubernetes": {"mode": "ambient", "context": "regional"}}, aws=dict.fromkeys(read, "null")
    )
    assert known.region == "us-east-1"


@pytest.mark.parametrize("disabled", [["aws"], ["kubernetes", "*"]])
def test_without_the_default_aws_provider_nothing_can_be_built(disabled: list[str]) -> None:
    key = "pulumi:disable-default-providers"
    config = {"aws:region": "us-east-1", key: json.dumps(disabled)}
    config |= {f"{PROJECT}:{name}": str(value) for name, value in REQUIRED.items()}
    with pytest.raises(ConfigurationError) as refused:
        parse(config, project=PROJECT, root=ROOT)
    assert only(refused.value.problems).key == key


@pytest.mark.parametrize(
    "key", ["arn:aws:kms:us-west-2:123456789012:key/a", "arn:aws-cn:kms:us-east-1:123456789012:key/a"]
)
def test_a_key_that_rds_cannot_reach_is_refused(key: str) -> None:
    problem = only(problems({"database": {"kmsKeyArn": key}}))
    assert problem.key == "database.kmsKeyArn"
    assert "must be in us-east-1" in problem.problem
    assert (
        "pulumi config set --path database.kmsKeyArn arn:aws:kms:us-east-1:123456789012:key/a"
        in problem.example
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("assumeRoles", [{"roleArn": "arn:aws-cn:iam::123456789012:role/deployer"}]),
        ("assumeRoles", [{"roleArn": ROLE, "policyArns": ["arn:aws-us-gov:iam::aws:policy/ReadOnlyAccess"]}]),
        ("assumeRoleWithWebIdentity", {"roleArn": "arn:aws-cn:iam::123456789012:role/deployer"}),
    ],
)
def test_a_role_of_another_partition_is_refused(key: str, value: Json) -> None:
    problem = only(problems(aws={key: json.dumps(value)}))
    assert problem.key == f"aws:{key}"
    assert problem.problem.endswith("another partition than us-east-1, which is in aws")
    assert "deployer" not in problem.problem
    assert problem.example == f"example: {ROLE}"


@pytest.mark.parametrize(
    ("values", "key", "words"),
    [
        ({"deployment": {"replicaz": 1}}, "deployment", "'replicaz' was unexpected"),
        ({"nodeSelector": {}}, "", "'nodeSelector' was unexpected"),
        ({"deployment": {"limits": {"memory": "1GB"}}}, "deployment.limits.memory", '"1GB" does not match'),
        ({"deployment": {"limits": None}}, "deployment.limits", "must not be null"),
        (
            {"deployment": {"nodeSelector": {"pool": None}}},
            "deployment.nodeSelector.pool",
            "must not be null",
        ),
    ],
)
def test_values_that_the_chart_refuses_are_problems_before_anything_is_built(
    values: Tree, key: str, words: str
) -> None:
    problem = only(problems({"server": {"values": values}}))
    assert problem.key == f"server.values.{key}".rstrip(".")
    assert words in problem.problem


def test_a_key_whose_path_was_left_out_is_shown_the_command() -> None:
    problem = only(problems({"server.replicas": "3"}))
    assert (problem.key, problem.problem) == (
        "server.replicas",
        "is read as a single key: --path was left out",
    )
    commands = "pulumi config rm server.replicas; pulumi config set --path server.replicas 2"
    assert problem.example == f"example: {commands}"


@pytest.mark.parametrize(
    ("tags", "defaults", "setting"),
    [
        ({"Managed-By": "me"}, {}, "tags"),
        ({"Team": "a", "team": "b"}, {}, "tags"),
        ({"Team": "a"}, {"team": "b"}, "tags"),
        ({}, {"MAESTRO:stack": "b"}, "aws:defaultTags"),
    ],
)
def test_tag_keys_that_differ_by_case_are_one_key_to_iam(tags: Tree, defaults: Tree, setting: str) -> None:
    given = {"defaultTags": json.dumps({"tags": defaults})}
    problem = only(problems({"tags": tags}, aws=given))
    assert problem.key == setting
    assert "differ only by case" in problem.problem


def test_a_default_tag_may_be_given_again() -> None:
    given = {"defaultTags": json.dumps({"tags": {"team": "a"}})}
    assert settings({"tags": {"team": "b"}}, aws=given).tags == {"team": "b"}


@pytest.mark.parametrize(("cpu", "memory"), [(0.5, "0.5Gi"), (1, "10Mi"), ("250m", "1.5Gi")])
def test_quantities_are_taken_as_kubernetes_takes_them(cpu: Json, memory: str) -> None:
    found = settings({"server": {"requests": {"cpu": cpu, "memory": memory}}}).server.requests
    assert (found.cpu, found.memory) == (str(cpu), memory)


def test_a_days_case_does_not_matter_as_for_the_provider() -> None:
    own: Tree = {"database": {"maintenanceWindow": "Mon:00:00-Mon:03:00"}}
    assert settings(own).database.maintenance_window == "mon:00:00-mon:03:00"


def test_an_unknown_mode_is_not_also_called_eks() -> None:
    chain = json.dumps([{"roleArn": "a"}, {"roleArn": "b"}])
    assert (
        "must be 'eks'"
        in only(problems({"kubernetes": {"mode": "kube"}}, aws={"assumeRoles": chain})).problem
    )


@pytest.mark.parametrize("path", WIRED_VALUES)
def test_chart_values_that_the_program_wires_cannot_be_overridden(path: str) -> None:
    values: Json = "mine"
    for key in reversed(path.split(".")):
        values = {key: values}
    problem = only(problems({"server": {"values": values}}))
    assert problem.key == f"server.values.{path}"
    assert problem.problem == "is set by the program; it can't be overridden"
    assert problem.example.startswith("remove it")


def test_a_value_in_place_of_a_wired_object_overrides_all_of_it() -> None:
    found = problems({"server": {"values": {"image": None}}})
    assert [p.key for p in found] == [f"server.values.image.{k}" for k in ("repository", "tag", "digest")]


def test_weakened_production_is_accepted_when_each_weakness_is_acknowledged() -> None:
    weak: Tree = {
        **PRODUCTION,
        "database": {"deletionProtection": False, "multiAz": False, "backupRetentionDays": 1},
        "server": {"replicas": 1, "zoneCount": 1, "image": {"tag": "latest"}},
    }
    keys = [p.key for p in problems(weak)]
    assert len(keys) == 6
    acknowledged: list[Json] = [{"key": key, "reason": "load test"} for key in keys]
    assert settings({**weak, "acknowledge": acknowledged}).is_production
    assert [p.key for p in problems({**weak, "acknowledge": acknowledged[1:]})] == keys[:1]
    # Nothing to acknowledge in a development region.
    assert len(problems({**weak, "profile": "dev", "acknowledge": acknowledged})) == 6


def test_a_digest_makes_up_for_a_tag() -> None:
    image: Tree = {"tag": "latest", "digest": "sha256:" + "0" * 64}
    assert settings({**PRODUCTION, "server": {"image": image}}).server.image.tag == "latest"


@pytest.mark.parametrize("profile", Profile)
def test_the_profiles_own_defaults_have_no_problem(profile: Profile) -> None:
    assert settings({"profile": profile.value})


def test_all_problems_come_at_once_and_in_one_error() -> None:
    own: Tree = {
        "clusterName": "a b",
        "sever": {},
        "server": {"replicas": 0, "image": {"tag": ""}},
        "database": {"backupRetentionDays": 36, "engineVersion": "12"},
        "kubernetes": {"mode": "kubeconfig"},
        "acknowledge": [{"key": "x", "reason": "y"}],
    }
    with pytest.raises(ConfigurationError) as refused:
        settings(own, region="nowhere")
    keys = {p.key for p in refused.value.problems}
    assert keys == {
        "aws:region",
        "clusterName",
        "sever",
        "server.replicas",
        "server.image.tag",
        "database.backupRetentionDays",
        "database.engineVersion",
        "kubernetes.kubeconfig",
        "acknowledge[0].key",
    }
    text = str(refused.value)
    assert text.startswith("The stack's configuration is not usable: 9 problems.\n")
    assert all(f"  {p.key}: {p.problem}\n    {p.example}" in text for p in refused.value.problems)


# --- one problem causes no other ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "key"),
    [
        # 300 GiB are above the development default of the maximum, and below the production one.
        ({"profile": "prod", "database": {"allocatedStorageGiB": 300}}, "profile"),
        ({"profile": "prod", "acknowledge": [{"key": "server.replicas", "reason": "x"}]}, "profile"),
        (
            {
                **PRODUCTION,
                "database": {"multiAz": False, "backupRetentionDays": 36},
                "acknowledge": [{"key": "database.multiAz", "reason": "x"}],
            },
            "database.backupRetentionDays",
        ),
        (
            {
                **PRODUCTION,
                "server": {"replicas": 1, "zoneCount": 0},
                "acknowledge": [{"key": "server.replicas", "reason": "x"}],
            },
            "server.zoneCount",
        ),
        (
            {
                **PRODUCTION,
                "database": {"multiAz": False},
                "acknowledge": [{"key": "database.multiAz", "reason": ""}],
            },
            "acknowledge[0].reason",
        ),
    ],
)
def test_a_rule_is_not_judged_by_the_default_of_what_is_broken(own: Tree, key: str) -> None:
    assert only(problems(own)).key == key


# --- secrets --------------------------------------------------------------------------------------

HUSH = "hush-hush"


@pytest.mark.parametrize(
    ("own", "key"),
    [
        ({"clusterName": f"-{HUSH}"}, "clusterName"),
        ({"profile": HUSH}, "profile"),
        ({"database": HUSH}, "database"),
        ({"database": {"engineVersion": HUSH}}, "database.engineVersion"),
        ({"database": {"caBundleFile": HUSH}}, "database.caBundleFile"),
        ({"server": {"image": {"tag": f"{HUSH} x"}}}, "server.image.tag"),
        ({"server": {"replicas": HUSH}}, "server.replicas"),
        ({**PRODUCTION, "server": {"image": {"tag": HUSH}}}, "server.image.tag"),
        ({"server": {"namespace": f"kube-{HUSH}"}}, "server.namespace"),
        ({"network": {"vpcId": HUSH}}, "network.vpcId"),
        ({"kubernetes": {"mode": HUSH}}, "kubernetes.mode"),
        ({"acknowledge": [{"key": HUSH, "reason": "x"}]}, "acknowledge[0].key"),
        ({"tags": {"a": f"{HUSH}~"}}, "tags.a"),
    ],
)
def test_no_message_repeats_a_value_that_is_secret(own: Tree, key: str) -> None:
    assert HUSH in str(ConfigurationError(problems(own)))  # shown as long as it isn't secret
    found = problems(own, secret={re.split(r"[.\[]", key, maxsplit=1)[0]})
    assert key in {p.key for p in found}
    assert HUSH not in str(ConfigurationError(found))


def test_a_secret_region_is_not_repeated_either() -> None:
    assert HUSH not in str(ConfigurationError(problems(region=HUSH, secret={"aws:region"})))


@pytest.mark.parametrize("kubeconfig", [[HUSH], {"token": HUSH}])
def test_a_kubeconfig_is_never_repeated(kubeconfig: Json) -> None:
    own: Tree = {"kubernetes": {"mode": "kubeconfig", "kubeconfig": kubeconfig}}
    assert HUSH not in str(ConfigurationError(problems(own)))


def test_a_secret_kubeconfig_that_no_mode_uses_is_explained() -> None:
    problem = only(problems({"kubernetes": {"kubeconfig": HUSH}}, secret={"kubernetes"}))
    assert problem.problem == "is given, but mode eks doesn't use it"
