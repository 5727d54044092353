"""What a platform demands of a stack: boundary, path, key, namespace, addresses, and who vouches for them."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.rehearsal.conftest import Outcome, Rehearse, sound

ACCOUNT = "123456789012"
HERE = {"name": "regional-xyz", "region": "us-east-1"}
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/team/boundary"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHERS = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:another-team/*"
ROOT_OF_ACCOUNT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
READS = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]

GUARDED = sound(iam={"permissionsBoundaryArn": BOUNDARY, "path": "/maestro/"}, credentials={"kmsKeyArn": KEY})


def document(*statements: Mapping[str, object]) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: object, **more: object) -> dict[str, object]:
    return {"Effect": "Allow", "Action": action, "Resource": "*", **more}


def world(
    boundary: Mapping[str, object] | None = None, key: Mapping[str, object] | None = None
) -> dict[str, object]:
    return {
        "clusters": [HERE],
        "iamPolicies": {BOUNDARY: boundary} if boundary else {},
        "kmsKeys": {KEY: key} if key else {},
    }


LETS_READ = document(allow([*READS, "kms:Decrypt"]))
LETS_ACCOUNT = document(allow("kms:*", Principal=ROOT_OF_ACCOUNT))


def mount(outcome: Outcome) -> str:
    return "\n".join(finding["text"] for finding in outcome.check("mount")["findings"])


def inputs(outcome: Outcome, type_: str, name: str) -> dict[str, Any]:
    found = [r for r in outcome.report["resources"] if r["type"] == type_ and r["name"] == name]
    assert len(found) == 1
    return found[0]["inputs"]


def test_a_guarded_stack_holds_where_boundary_and_key_let_it(rehearse: Rehearse) -> None:
    outcome = rehearse(GUARDED, world=world(LETS_READ, LETS_ACCOUNT))
    assert outcome.status == 0, outcome.stdout
    assert outcome.check("mount")["status"] == "holds"
    assert "its boundary lets it" in mount(outcome)
    assert "their key lets it decrypt them" in mount(outcome)
    role = inputs(outcome, "aws:iam/role:Role", "role-regional-xyz")
    assert (role["path"], role["permissionsBoundary"]) == ("/maestro/", BOUNDARY)
    for secret in ("server-mqtt-cert", "db-credentials"):
        assert (
            inputs(outcome, "aws:secretsmanager/secret:Secret", f"{secret}-regional-xyz")["kmsKeyId"] == KEY
        )
    arn = outcome.report["outputs"]["maestro_role_arn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:role/maestro/maestro-server-regional-xyz-us-east-1"


def test_a_boundary_and_a_key_that_nobody_describes_are_unverified(rehearse: Rehearse) -> None:
    outcome = rehearse(GUARDED)
    assert outcome.status == 0, outcome.stdout
    remedies = [f["remedy"] for f in outcome.check("mount")["findings"] if f["status"] == "unverified"]
    assert len(remedies) == 2
    assert remedies[0].startswith("aws iam simulate-principal-policy")
    assert remedies[1].startswith("aws kms get-key-policy")


@pytest.mark.parametrize(
    ("boundary", "key", "words"),
    [
        (document(allow("s3:*")), LETS_ACCOUNT, f"implicitly denied: no statement of {BOUNDARY}"),
        (document(allow(READS)), LETS_ACCOUNT, f"kms:Decrypt with {KEY}: implicitly denied"),
        (
            document(allow("*"), {**allow("kms:*"), "Effect": "Deny"}),
            LETS_ACCOUNT,
            f"explicitly denied by {BOUNDARY}.Statement[1]",
        ),
        (
            LETS_READ,
            document(allow("kms:*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"})),
            f"no statement of policy of {KEY} applies",
        ),
    ],
)  # fmt: skip
def test_a_boundary_or_key_that_refuses_keeps_the_volume_from_being_mounted(
    rehearse: Rehearse, boundary: Mapping[str, object], key: Mapping[str, object], words: str
) -> None:
    outcome = rehearse(GUARDED, world=world(boundary, key))
    assert outcome.status == 1
    assert words in mount(outcome)


@pytest.mark.parametrize(
    ("boundary", "key"),
    [
        (document({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}), LETS_ACCOUNT),
        (LETS_READ, document(allow("kms:*", Principal={"AWS": "*"}))),
    ],
)
def test_a_policy_with_what_the_evaluator_does_not_know_is_unverified(
    rehearse: Rehearse, boundary: Mapping[str, object], key: Mapping[str, object]
) -> None:
    outcome = rehearse(GUARDED, world=world(boundary, key))
    assert outcome.status == 0, outcome.stdout
    assert outcome.check("mount")["status"] == "unverified"


def test_the_role_decrypts_through_secrets_manager_and_these_two_secrets_only(rehearse: Rehearse) -> None:
    policy = inputs(rehearse(GUARDED), "aws:iam/rolePolicy:RolePolicy", "policy-regional-xyz")["policy"]
    assert '"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"' in policy
    assert '"kms:EncryptionContext:SecretARN": ["arn:' in policy


def test_an_external_namespace_is_looked_at_and_not_made(rehearse: Rehearse) -> None:
    external = sound(server={"namespaceMode": "external"})
    assert rehearse(external).status == 0
    there = rehearse(external, world={"clusters": [HERE], "namespaces": ["maestro"]})
    assert there.status == 0, there.stdout
    assert there.report["outputs"]["maestro_namespace"] == "maestro"
    namespace = next(r for r in there.report["resources"] if r["type"].endswith(":Namespace"))
    assert namespace["options"] == {"external": True}
    missing = rehearse(external, world={"clusters": [HERE]})
    assert missing.status == 2
    [failure] = missing.report["failures"]
    assert "resource 'maestro' does not exist" in failure["message"]
    assert "kubectl create namespace maestro" in failure["remedies"][0]["do"]


def test_a_made_namespace_keeps_pod_security_whatever_else_it_is_labelled(rehearse: Rehearse) -> None:
    outcome = rehearse(
        sound(server={"namespaceLabels": {"team": "a"}, "namespaceAnnotations": {"example.com/owner": "b"}})
    )
    metadata = inputs(outcome, "kubernetes:core/v1:Namespace", "namespace-regional-xyz")["metadata"]
    assert metadata["labels"]["team"] == "a"
    assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert metadata["annotations"]["example.com/owner"] == "b"
    assert metadata["annotations"]["pulumi.com/patchForce"] == "true"


def test_private_blocks_are_admitted_and_public_ones_break_a_rule(rehearse: Rehearse) -> None:
    private = rehearse(sound(network={"clientCidrs": ["10.20.0.0/16", "fd00:1::/32"]}))
    assert private.status == 0, private.stdout
    rule = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    assert inputs(private, rule, "ingress-10.20.0.0-16")["cidrIpv4"] == "10.20.0.0/16"
    assert inputs(private, rule, "ingress-fd00-1---32")["cidrIpv6"] == "fd00:1::/32"
    public = rehearse(sound(network={"clientCidrs": ["0.0.0.0/0"]}))
    assert public.failed == ["rules"]
    assert "internet addresses (0.0.0.0/0)" in str(public.check("rules"))


def test_without_these_keys_nothing_of_them_is_sent(rehearse: Rehearse) -> None:
    outcome = rehearse()
    assert not {"path", "permissionsBoundary"} & {*inputs(outcome, "aws:iam/role:Role", "role-regional-xyz")}
    assert "kmsKeyId" not in inputs(
        outcome, "aws:secretsmanager/secret:Secret", "db-credentials-regional-xyz"
    )
    assert "kms:" not in inputs(outcome, "aws:iam/rolePolicy:RolePolicy", "policy-regional-xyz")["policy"]


def test_a_boundary_of_another_account_is_refused_before_anything_is_built(rehearse: Rehearse) -> None:
    outcome = rehearse(sound(iam={"permissionsBoundaryArn": BOUNDARY.replace(ACCOUNT, "999999999999")}))
    assert outcome.status == 2
    [problem] = outcome.report["problems"]
    assert problem["key"] == "iam.permissionsBoundaryArn"
    assert f"must be a policy of account {ACCOUNT}" in problem["problem"]
    assert problem["example"].endswith(BOUNDARY)


@pytest.mark.parametrize(
    ("nodes", "values", "status", "words"),
    [
        (None, {}, "unverified", "that the cluster has a node with kubernetes.io/arch=amd64"),
        ([{"kubernetes.io/arch": "amd64"}], {}, "holds", "1 of 1 nodes have kubernetes.io/arch=amd64"),
        ([{"kubernetes.io/arch": "arm64"}], {}, "fails", "none of 1 nodes has kubernetes.io/arch=amd64"),
        ([{"kubernetes.io/arch": "amd64"}], {"pool": "a"}, "fails", "kubernetes.io/arch=amd64,pool=a"),
        ([{"kubernetes.io/arch": "arm64"}], {"kubernetes.io/arch": "*"}, "holds", "on any node"),
    ],
)
def test_the_pods_need_a_node_with_the_labels_that_they_ask_for(
    rehearse: Rehearse,
    nodes: list[dict[str, str]] | None,
    values: dict[str, str],
    status: str,
    words: str,
) -> None:
    config = sound(server={"values": {"deployment": {"nodeSelector": values}}})
    outcome = rehearse(config, world={"clusters": [{**HERE, "nodes": nodes}]})
    placement = outcome.check("placement")
    assert placement["status"] == status
    assert words in placement["findings"][0]["text"]
    assert outcome.status == (status == "fails")


def test_the_programs_pod_annotations_lie_over_the_users(rehearse: Rehearse) -> None:
    given = {"example.com/owner": "a", "secret-version/db-credentials": "mine"}
    outcome = rehearse(sound(server={"values": {"deployment": {"podAnnotations": given}}}))
    assert outcome.status == 0, outcome.stdout
    values = inputs(outcome, "kubernetes:helm.sh/v3:Release", "release-regional-xyz")["values"]
    annotations = values["deployment"]["podAnnotations"]
    assert annotations["example.com/owner"] == "a"
    assert annotations["secret-version/db-credentials"] not in ("mine", "")
    assert "secret-version/server-mqtt-cert" in annotations


def test_parameters_go_to_the_groups_of_both_versions_that_have_them(rehearse: Rehearse) -> None:
    given = {"transaction_timeout": "60000", "max_worker_processes": 16, "pgaudit.role": "auditor"}
    outcome = rehearse(sound(database={"parameters": given}))
    assert outcome.status == 0, outcome.stdout

    def of(version: int) -> dict[str, tuple[str, str]]:
        group = inputs(outcome, "aws:rds/parameterGroup:ParameterGroup", f"parameter-group-postgres{version}")
        return {each["name"]: (each["value"], each["applyMethod"]) for each in group["parameters"]}

    assert of(17) == {
        "max_worker_processes": ("16", "pending-reboot"),
        "pgaudit.role": ("auditor", "pending-reboot"),
        "rds.force_ssl": ("1", "immediate"),
        "transaction_timeout": ("60000", "immediate"),
    }
    assert of(16) == {name: value for name, value in of(17).items() if name != "transaction_timeout"}
    [unknown] = [f for f in outcome.check("database")["findings"] if f["status"] == "unverified"]
    assert "has the parameter pgaudit.role" in unknown["text"]
    assert "--db-parameter-group-family postgres17" in unknown["remedy"]


def test_a_parameter_that_the_version_does_not_have_is_refused_as_rds_does(rehearse: Rehearse) -> None:
    database = {"engineVersion": "16", "parameters": {"transaction_timeout": "60000"}}
    outcome = rehearse(sound(database=database))
    assert outcome.status == 1
    [failure] = outcome.report["failures"]
    assert "Could not find parameter with name: transaction_timeout" in failure["message"]


@pytest.mark.parametrize(("profile", "days"), [("dev", 7), ("production", 90)])
def test_the_databases_logs_are_the_stacks_and_there_before_it(
    rehearse: Rehearse, profile: str, days: int
) -> None:
    outcome = rehearse(sound(profile=profile))
    assert outcome.status == 0, outcome.stdout
    groups = [r for r in outcome.report["resources"] if r["type"] == "aws:cloudwatch/logGroup:LogGroup"]
    assert {g["inputs"]["name"]: g["inputs"]["retentionInDays"] for g in groups} == {
        "/aws/rds/instance/maestro-regional-xyz/postgresql": days,
        "/aws/rds/instance/maestro-regional-xyz/upgrade": days,
    }
    instance = next(r for r in outcome.report["resources"] if r["type"] == "aws:rds/instance:Instance")
    assert {group["urn"] for group in groups} <= {*instance["dependencies"]}
