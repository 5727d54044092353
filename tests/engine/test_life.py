"""A stack's life on the real engine: built, unchanged, refreshed, moved, destroyed and built again."""

import json
import shutil
from pathlib import Path

import pytest

from rehearsal.values import record, records
from tests.engine.conftest import CLUSTER, PRODUCTION, ROOT, NewRegion, config

AWS_TYPES = {
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    "aws:iam/role:Role",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iot/certificate:Certificate",
    "aws:iot/policy:Policy",
    "aws:iot/policyAttachment:PolicyAttachment",
    "aws:rds/instance:Instance",
    "aws:rds/parameterGroup:ParameterGroup",
    "aws:rds/subnetGroup:SubnetGroup",
    "aws:secretsmanager/secret:Secret",
    "aws:secretsmanager/secretVersion:SecretVersion",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
}


@pytest.mark.parametrize("settings", [config(), config(**PRODUCTION)], ids=["dev", "production"])
def test_the_first_up_builds_all_and_everything_after_it_changes_nothing(
    region: NewRegion, settings: dict[str, object], tmp_path: Path
) -> None:
    stack = region(settings)
    built = stack.up()
    assert set(built.of("create")) >= {
        *AWS_TYPES,
        "kubernetes:core/v1:ConfigMap",
        "kubernetes:core/v1:Namespace",
        "kubernetes:helm.sh/v3:Release",
    }
    assert stack.engine.outputs()["cluster_name"] == CLUSTER
    assert stack.up().changes == {}
    assert stack.refresh().changes == {}
    assert stack.preview().changes == {}
    elsewhere = tmp_path / "another" / "checkout"
    shutil.copytree(ROOT, elsewhere, ignore=shutil.ignore_patterns(".git", ".venv", ".rehearsal", "tests"))
    stack.configure(settings, root=elsewhere)
    assert stack.preview().changes == {}
    # Besides inputs and outputs a resource has its place in the source, which the engine doesn't compare.
    kept = [
        (r.get("inputs"), r.get("outputs"))
        for r in records(record(stack.engine.export(), "deployment"), "resources")
    ]
    assert str(ROOT) not in json.dumps(kept)
    assert str(elsewhere) not in json.dumps(kept)


def test_a_preview_before_the_first_up_plans_what_it_then_builds(region: NewRegion) -> None:
    stack = region()
    assert stack.preview().changes == stack.up().changes


def test_a_dev_stack_leaves_nothing_of_ours_behind_and_can_be_built_again(region: NewRegion) -> None:
    stack = region()
    for _ in range(2):
        stack.up()
        stack.destroy()
        assert stack.leftovers() == []


def test_a_production_stack_refuses_to_be_destroyed_until_its_protection_is_lifted(region: NewRegion) -> None:
    stack = region(config(**PRODUCTION))
    stack.up()
    refused = stack.engine.destroy()
    assert not refused.succeeded
    assert "protected" in refused.text
    assert stack.refresh().changes == {}
    stack.engine.pulumi("state", "unprotect", "--all", "--yes", "--stack", stack.name)
    refused = stack.engine.destroy()
    assert not refused.succeeded
    assert "deletion protection" in refused.text.lower()
