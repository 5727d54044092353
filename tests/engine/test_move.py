"""A stack moves to another cluster: docs/move.md on the real engine, and what RDS refuses."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from common.json_values import Json, record, records, text
from emulator.world import Cluster, World
from engine.driver import Result
from engine.remedies import remedies_of
from review.model import Grade, Part, Way
from review.plan import read_plan, reviewed
from tests.checkouts import ROOT
from tests.engine.conftest import CLUSTER, PRODUCTION, NewRegion, Region, config, succeeded
from tests.faults import recovery

NEW, FAR = "regional-new", "regional-far"
SECRETS = ("server-mqtt-cert", "db-credentials")
MOVED = {
    "aws:eks/podIdentityAssociation:PodIdentityAssociation association",
    "aws:iam/role:Role role",
    "aws:iam/rolePolicy:RolePolicy policy",
    *(f"aws:secretsmanager/secret:Secret {secret}" for secret in SECRETS),
    *(f"aws:secretsmanager/secretVersion:SecretVersion {secret}" for secret in SECRETS),
    "kubernetes:core/v1:ConfigMap bootstrap-output",
    "kubernetes:core/v1:Namespace namespace",
    "kubernetes:helm.sh/v3:Release release",
    "pulumi:providers:kubernetes kubernetes",
}
"""What belongs to a cluster, without its name; the ingress rule is named after the cluster's group."""
READS = ("Describe", "Get", "List", "Head")


def with_choices(world: World) -> World:
    """A cluster in the same VPC, and one in another."""
    region = world.clusters[0].region
    others = [
        Cluster(name=NEW, region=region, network_of=CLUSTER),
        Cluster(name=FAR, region=region),
    ]
    return world.model_copy(update={"clusters": [*world.clusters, *others]})


def moved(settings: Mapping[str, object], to: str, **keys: object) -> dict[str, object]:
    """The same configuration for another cluster."""
    own = {f"maestro-stack:{key}": value for key, value in keys.items()}
    return {**settings, "maestro-stack:clusterName": to, **own}


def lasting(stack: Region) -> dict[str, Json]:
    """What a move must not touch, as AWS has it."""
    (instance,) = records(stack.call("rds", "DescribeDBInstances"), "DBInstances")
    (certificate,) = records(stack.call("iot", "ListCertificates"), "certificates")
    (policy,) = records(stack.call("iot", "ListPolicies"), "policies")
    name = text(policy, "policyName")
    return {
        "instance": text(instance, "DbiResourceId"),
        "address": record(instance, "Endpoint"),
        "tags": instance["TagList"],
        "certificate": text(certificate, "certificateId"),
        "policy": stack.call("iot", "GetPolicy", policyName=name)["defaultVersionId"],
        "source id": stack.engine.outputs()["maestro_mqtt_source_id"],
    }


def secret(stack: Region, cluster: str, name: str) -> str:
    answer = stack.call("secretsmanager", "GetSecretValue", SecretId=f"{cluster}/maestro/{name}")
    return text(answer, "SecretString")


def secrets(stack: Region) -> list[str]:
    found = records(stack.call("secretsmanager", "ListSecrets"), "SecretList")
    return sorted(text(each, "Name") for each in found)


def objects(stack: Region, cluster: str) -> set[str]:
    """The stack's objects in one of the clusters."""
    arn = stack.cloud().arn("eks", f"cluster/{cluster}")
    held = records(stack.emulation.kubernetes({"cluster": arn, "operation": "objects"}), "objects")
    names = {f"{text(each, 'kind')} {text(record(each, 'metadata'), 'name')}" for each in held}
    return {name for name in names if name in ("Namespace maestro", "ConfigMap bootstrap-output")} | {
        name for name in names if name.startswith("Deployment")
    }


def steps(run: Callable[..., Result]) -> tuple[Result, list[tuple[str, str]]]:
    """A run of the engine, and its steps in order: whether one has `begun` or `ended`, and its operation."""
    seen: list[tuple[str, str]] = []

    def note(event: Mapping[str, Json]) -> None:
        for moment, key in (("begun", "resourcePreEvent"), ("ended", "resOutputsEvent")):
            step = record(record(event, key), "metadata")
            if text(step, "op") in ("create", "delete", "update", "replace"):
                seen.append((moment, text(step, "op")))

    return succeeded(run(observer=note)), seen


def command(heading: str, number: int = 0) -> str:
    """A block of docs/move.md, with the names of these clusters."""
    block = recovery.sections(ROOT / "docs/move.md")[heading][number]
    return block.replace("NEW-CLUSTER", NEW).replace("OLD-CLUSTER", CLUSTER)


@pytest.mark.parametrize(
    "settings",
    [config(), config(name="east"), config(**PRODUCTION), config(bootstrapConfigMap="external")],
    ids=["without a name yet", "with a name", "production", "somebody else's ConfigMap"],
)
def test_a_move_makes_all_of_the_new_cluster_before_any_of_the_old_one_goes_and_touches_nothing_that_lasts(
    region: NewRegion, settings: dict[str, object]
) -> None:
    stack = region(settings, world=with_choices)
    stack.up()
    before, content = lasting(stack), [secret(stack, CLUSTER, each) for each in SECRETS]
    another, keep = command("Before").splitlines()
    recovery.run(stack, another if "maestro-stack:name" in settings else f"{another}\n{keep}")
    is_production = settings["maestro-stack:profile"] == "production"
    if is_production:
        refused = stack.engine.preview()
        assert not refused.succeeded
        [remedy] = remedies_of(refused.diagnostics)
        assert "protected" in remedy.sign
        recovery.run(stack, command("In production"))

    planned = stack.preview().changes
    ingress = {step for step in planned if "SecurityGroupIngressRule ingress-sg-" in step}
    assert sorted(planned[step] for step in ingress) == ["create", "delete"]
    expected = MOVED
    if settings.get("maestro-stack:bootstrapConfigMap") == "external":
        expected = {step for step in MOVED if "ConfigMap" not in step}
    assert {step: planned[step] for step in planned.keys() - ingress} == {
        **{f"{step}-{NEW}": "create" for step in expected},
        **{f"{step}-{CLUSTER}": "delete" for step in expected},
    }

    said = len(stack.emulation.calls())
    done, seen = steps(stack.engine.up)
    assert done.changes == planned
    last = max(at for at, step in enumerate(seen) if step == ("ended", "create"))
    assert min(at for at, step in enumerate(seen) if step == ("begun", "delete")) > last
    writes = {
        f"{call['service']}:{call['operation']}"
        for call in stack.emulation.calls()[said:]
        if call["account"] == stack.account and not call["operation"].startswith(READS)
    }
    assert {write for write in writes if write.startswith(("rds:", "iot:", "logs:"))} == set()
    assert lasting(stack) == before
    assert [secret(stack, NEW, each) for each in SECRETS] == content
    assert secrets(stack) == sorted(f"{NEW}/maestro/{each}" for each in SECRETS)
    assert objects(stack, CLUSTER) == set()
    assert objects(stack, NEW) >= {"Namespace maestro", "Deployment maestro"}
    assert stack.engine.outputs()["cluster_name"] == NEW
    assert stack.up().changes == {}
    assert stack.refresh().changes == {}


def test_the_review_of_a_plan_recognises_a_move(region: NewRegion, tmp_path: Path) -> None:
    stack = region(world=with_choices)
    stack.up()
    stack.configure(moved(config(), NEW, name=CLUSTER))
    file = tmp_path / "plan.json"
    file.write_text(stack.engine.plan())
    review = reviewed(read_plan(file, "maestro-stack"))
    (whole,) = [each for each in review.changes if each.part is Part.STACK]
    assert whole.sentence == f"it moves to another cluster: from {CLUSTER} to {NEW}"
    others = [each for each in review.changes if each.part is not Part.STACK]
    assert {each.way for each in others} == {Way.MOVED}
    # Which secrets the new role may read isn't known before they exist.
    dangerous = {each.subject for each in others if each.grade is Grade.DANGEROUS}
    assert dangerous <= {f"aws:iam/rolePolicy:RolePolicy policy-{NEW}"}


def test_an_old_cluster_that_is_named_among_the_clients_stays_admitted(region: NewRegion) -> None:
    stack = region(config(server={"install": "external"}), world=with_choices)
    stack.up()
    old = stack.call("eks", "DescribeCluster", name=CLUSTER)
    group = text(record(record(old, "cluster"), "resourcesVpcConfig"), "clusterSecurityGroupId")
    settings = config(server={"install": "external"}, network={"clientSecurityGroupIds": [group]})
    stack.configure(moved(settings, NEW, name=CLUSTER))
    done = stack.up().changes
    rules = [how for step, how in done.items() if "SecurityGroupIngressRule" in step]
    assert rules == ["create"]
    stack.configure(moved(config(server={"install": "external"}), NEW, name=CLUSTER))
    (how,) = stack.up().changes.values()
    assert how == "delete"


def test_a_stack_moves_there_and_back_and_can_be_destroyed(region: NewRegion) -> None:
    stack = region(world=with_choices)
    stack.up()
    before = lasting(stack)
    for cluster in (NEW, CLUSTER):
        stack.configure(moved(config(), cluster, name=CLUSTER))
        stack.up()
        assert lasting(stack) == before
    # `name` is the cluster's again, and may be removed.
    stack.configure(config())
    assert stack.preview().changes == {}
    stack.destroy()
    assert stack.leftovers() == []


def test_a_cluster_of_another_vpc_is_refused_with_what_to_do_and_can_be_taken_back(region: NewRegion) -> None:
    stack = region(world=with_choices)
    stack.up()
    before = lasting(stack)
    stack.configure(moved(config(), FAR, name=CLUSTER))
    refused = stack.engine.up()
    assert not refused.succeeded
    [remedy] = remedies_of(refused.diagnostics)
    assert "leads to another VPC" in remedy.because
    assert "Deployment maestro" in objects(stack, CLUSTER)
    stack.configure(config())
    stack.up()
    assert lasting(stack) == before
    assert objects(stack, FAR) == set()
    assert stack.preview().changes == {}


@pytest.mark.parametrize(
    ("to", "keys", "what"),
    [
        (FAR, {"name": CLUSTER}, "SecurityGroup::security-group"),
        (NEW, {}, "Instance::instance"),
        (CLUSTER, {"name": "other"}, "Instance::instance"),
    ],
    ids=["another VPC", "without the name", "another name"],
)
def test_what_a_production_database_cannot_follow_is_refused_before_anything_is_done(
    region: NewRegion, to: str, keys: dict[str, str], what: str
) -> None:
    stack = region(config(**PRODUCTION), world=with_choices)
    stack.up()
    recovery.run(stack, command("In production"))
    stack.configure(moved(config(**PRODUCTION), to, **keys))
    refused = stack.engine.preview()
    assert not refused.succeeded
    assert what in refused.text
    [remedy] = remedies_of(refused.diagnostics)
    assert "because it is protected" in remedy.sign
