"""A stack's life on the real engine: built, unchanged, refreshed, moved, destroyed and built again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from common.json_values import record, records, text
from emulator.aws import TAGGABLE_TYPES
from emulator.world import World
from engine.remedies import remedies_of
from maestro_stack.names import BOOTSTRAP_CONFIG_MAP, BOOTSTRAP_NAMESPACE
from tests.checkouts import ROOT, checkout
from tests.engine.conftest import CLUSTER, PRODUCTION, NewRegion, Region, config

AWS_TYPES = {
    "aws:cloudwatch/logGroup:LogGroup",
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
def test_the_first_up_builds_all_that_was_planned_and_everything_after_it_changes_nothing(
    region: NewRegion, settings: dict[str, object], tmp_path: Path
) -> None:
    stack = region(settings)
    planned = stack.preview()
    built = stack.up()
    assert built.changes == planned.changes
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
    elsewhere.parent.mkdir()
    checkout(elsewhere)
    stack.configure(settings, root=elsewhere)
    assert stack.preview().changes == {}
    # Besides inputs and outputs a resource has its place in the source, which the engine doesn't compare.
    kept = [
        (r.get("inputs"), r.get("outputs"))
        for r in records(record(stack.engine.export(), "deployment"), "resources")
    ]
    assert str(ROOT) not in json.dumps(kept)
    assert str(elsewhere) not in json.dumps(kept)


def test_look_ups_that_need_nothing_from_each_other_are_made_at_the_same_time(region: NewRegion) -> None:
    stack = region()
    late = 2.0
    stack.emulation.clear_calls()
    stack.emulation.delay(dict.fromkeys(("iot:DescribeEndpoint", "eks:DescribeCluster"), late))
    try:
        stack.preview()
    finally:
        stack.emulation.delay({})
    at = {call["operation"]: call["at"] for call in stack.emulation.calls()}
    assert abs(at["DescribeEndpoint"] - at["DescribeCluster"]) < late


def test_a_dev_stack_leaves_nothing_of_ours_behind_and_can_be_built_again(region: NewRegion) -> None:
    stack = region()
    for _ in range(2):
        stack.up()
        stack.destroy()
        assert stack.leftovers() == []


def _lifted() -> dict[str, object]:
    """Production without RDS's protection, as README's "Tearing down" says."""
    reason = [{"key": "database.deletionProtection", "reason": "the region closes"}]
    return config(**PRODUCTION, database={"deletionProtection": False}, acknowledge=reason)


def _unprotect(stack: Region) -> None:
    stack.engine.pulumi("state", "unprotect", "--all", "--yes", "--stack", stack.name)


def test_a_production_stack_refuses_to_be_destroyed_and_says_what_to_do(region: NewRegion) -> None:
    stack = region(config(**PRODUCTION))
    stack.up()
    refused = stack.engine.destroy()
    assert not refused.succeeded
    assert "pulumi state unprotect" in refused.text
    _unprotect(stack)
    refused = stack.engine.destroy()
    assert not refused.succeeded
    assert "deletion protection" in refused.text.lower()
    (instance,) = records(stack.call("rds", "DescribeDBInstances"), "DBInstances")
    assert instance["DBInstanceStatus"] == "available"


def test_a_production_stack_whose_protection_was_lifted_can_be_destroyed_and_built_again_and_again(
    region: NewRegion,
) -> None:
    stack = region(config(**PRODUCTION))
    stack.up()
    for time in (1, 2):
        stack.configure(_lifted())
        stack.up()
        _unprotect(stack)
        stack.destroy()
        snapshots = records(stack.call("rds", "DescribeDBSnapshots"), "DBSnapshots")
        names = {text(s, "DBSnapshotIdentifier") for s in snapshots if s["SnapshotType"] == "manual"}
        assert len(names) == time
        assert all(name.startswith("maestro-regional-xyz-final-") for name in names)
        stack.configure(config(**PRODUCTION))
        if time == 1:
            # The deleted secrets can be restored for 30 days, and keep their names until then.
            refused = stack.engine.up()
            assert not refused.succeeded
            [remedy] = remedies_of(refused.diagnostics)
            assert "aws secretsmanager delete-secret --force-delete-without-recovery" in remedy.do
            for secret in ("server-mqtt-cert", "db-credentials"):
                name = f"{CLUSTER}/maestro/{secret}"
                stack.call("secretsmanager", "DeleteSecret", SecretId=name, ForceDeleteWithoutRecovery=True)
            stack.up()
            assert stack.preview().changes == {}


def _with_config_map(data: dict[str, str]) -> Callable[[World], World]:
    """The world in which something else has written the bootstrap ConfigMap."""
    maps = {f"{BOOTSTRAP_NAMESPACE}/{BOOTSTRAP_CONFIG_MAP}": data}

    def with_it(world: World) -> World:
        return world.model_copy(update={"config_maps": maps})

    return with_it


def test_another_owners_config_map_stays_with_all_its_keys(region: NewRegion) -> None:
    theirs = {"cluster_type": "regional", "cluster_name": CLUSTER}
    stack = region(config(bootstrapConfigMap="adopt"), world=_with_config_map(theirs))
    stack.up()
    assert stack.preview().changes == {}
    stack.destroy()
    assert stack.leftovers() == []
    (left,) = [o for o in stack.objects() if o["kind"] == "ConfigMap"]
    assert record(left, "data") == theirs


def test_a_foreign_config_map_is_not_taken_over_and_what_to_do_is_known(region: NewRegion) -> None:
    stack = region(world=_with_config_map({"cluster_type": "regional"}))
    refused = stack.engine.up()
    assert not refused.succeeded
    [remedy] = remedies_of(refused.diagnostics)
    assert "pulumi config set bootstrapConfigMap adopt" in remedy.do
    stack.configure(config(bootstrapConfigMap="adopt"))
    stack.up()
    assert stack.preview().changes == {}


def test_default_tags_come_and_go_with_the_configuration(region: NewRegion) -> None:
    tagged = {**config(), "aws:defaultTags": {"tags": {"owner": "us", "managed-by": "default"}}}
    stack = region(tagged)
    stack.up()
    assert stack.up().changes == {}
    assert stack.refresh().changes == {}
    instances = records(stack.call("rds", "DescribeDBInstances"), "DBInstances")
    tags = {each["Key"]: each["Value"] for each in records(instances[0], "TagList")}
    assert (tags["owner"], tags["managed-by"]) == ("us", "pulumi")
    stack.configure(config())
    without = stack.up()
    assert set(without.changes.values()) == {"update"}
    assert {step.partition(" ")[0] for step in without.changes} == {*TAGGABLE_TYPES, "pulumi:providers:aws"}
    instances = records(stack.call("rds", "DescribeDBInstances"), "DBInstances")
    assert "owner" not in [each["Key"] for each in records(instances[0], "TagList")]
    assert stack.up().changes == {}
