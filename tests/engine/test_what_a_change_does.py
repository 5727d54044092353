"""Every row of review/effects.py, planned by the real engine; and those with an aftermath, made.

A plan takes a second where the providers already run: the engine attaches to those of each base.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import pytest

from common.json_values import Json, overlaid, record, records, text, texts
from emulator.client import Emulation
from emulator.kubernetes.helm import render
from emulator.world import Cluster, SecurityGroup, Subnet, Vpc, World
from engine.driver import Result
from engine.remedies import remedies_of
from review.effects import (
    BASES,
    CLIENTS,
    FAR_CLUSTER,
    MORE_SUBNETS,
    OTHER_CLUSTER,
    OTHER_REGION,
    OTHER_VPC,
    OTHER_VPC_SUBNETS,
    PROVIDER,
    REGION,
    ROWS,
    SERVER_RELEASE,
    Base,
    Refusal,
    Row,
    Way,
)
from tests.checkouts import ROOT
from tests.engine.attached import Attached
from tests.engine.conftest import CLUSTER, Region, succeeded
from tests.rds import apply_pending

PACKAGES = ("aws", "kubernetes", "random")
INSTANCE = "aws:rds/instance:Instance instance"
DATABASE = f"maestro-{CLUSTER}"


def row(key: str, base: Base, after: Json) -> Row:
    """The one row that sets `key` to `after`."""
    (found,) = [r for r in ROWS if r.base is base and (key, after) in [(p, new) for p, _, new in r.changes]]
    return found


def stack_file(own: Mapping[str, Json]) -> dict[str, object]:
    """A stack's configuration as its file has it; the kubeconfig, a secret, is set separately."""
    plain = overlaid({"clusterName": CLUSTER, "aws:region": REGION}, own)
    if access := record(plain, "kubernetes"):
        plain["kubernetes"] = {key: value for key, value in access.items() if key != "kubeconfig"}
    return {key if ":" in key else f"maestro-stack:{key}": value for key, value in plain.items()}


def with_choices(world: World) -> World:
    """The world with everything that a row's change names."""
    return world.model_copy(
        update={
            "clusters": [
                *world.clusters,
                Cluster(name=OTHER_CLUSTER, region=REGION, network_of=CLUSTER),
                Cluster(name=FAR_CLUSTER, region=REGION),
            ],
            "vpcs": [Vpc(id=OTHER_VPC, cidr="10.9.0.0/16")],
            "subnets": [
                *(Subnet(id=id_, vpc_id=OTHER_VPC) for id_ in OTHER_VPC_SUBNETS),
                *(Subnet(id=id_) for id_ in MORE_SUBNETS),
            ],
            "security_groups": [SecurityGroup(id=CLIENTS)],
        }
    )


# --- stacks that are built once -------------------------------------------------------------------


Built = Callable[[Base], Region]


def stack_of(running: ExitStack, emulation: Emulation, folder: Path, account: str, base: Base) -> Region:
    """A stack that isn't built yet, whose providers run until `running` ends."""
    attached = running.enter_context(Attached())
    settings = stack_file(BASES[base])
    return Region(emulation, folder, account, settings, world=with_choices, attached=attached)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """The stack of each base, built when it is first asked for, and only planned with after that."""
    stacks: dict[Base, Region] = {}
    with ExitStack() as running:
        emulation = running.enter_context(Emulation.start(tmp_path_factory.mktemp("aws") / "aws.state"))

        def of(base: Base) -> Region:
            if base not in stacks:
                account = f"30000000000{[*Base].index(base)}"
                folder = tmp_path_factory.mktemp(base.value)
                stack = stack_of(running, emulation, folder, account, base)
                for name in map(str, stack.world.config_maps):
                    seed(stack, *name.split("/"))
                elsewhere = World(account=account, clusters=[Cluster(name=CLUSTER, region=OTHER_REGION)])
                emulation.build(account=account, region=OTHER_REGION, world=elsewhere)
                stack.up()
                stacks[base] = stack
            return stacks[base]

        yield of


_accounts = itertools.count(310_000_000_000)


@pytest.fixture
def fresh(emulation: Emulation, tmp_path: Path) -> Iterator[Built]:
    """Build a stack of a base for this test alone."""
    with ExitStack() as running:

        def of(base: Base) -> Region:
            stack = stack_of(running, emulation, tmp_path, str(next(_accounts)), base)
            stack.up()
            return stack

        yield of


def seed(stack: Region, namespace: str, name: str) -> None:
    """A ConfigMap that somebody else made."""
    content: Json = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": namespace, "name": name},
        "data": {"cluster_type": "regional"},
    }
    edit: dict[str, Json] = {"operation": "edit", "manager": "somebody", "object": content}
    stack.emulation.kubernetes({"cluster": cluster_id(stack), **edit})


def cluster_id(stack: Region) -> str:
    return f"arn:aws:eks:{REGION}:{stack.account}:cluster/{CLUSTER}"


# --- plans ----------------------------------------------------------------------------------------


@dataclass
class Plan:
    """What an operation of the engine touches, and the release's inputs before and after."""

    result: Result
    ways: dict[tuple[str, str], set[str]]
    inputs: dict[tuple[str, str], tuple[str, ...]]
    release: tuple[dict[str, Json], dict[str, Json]] = field(default_factory=lambda: ({}, {}))


def planned(stack: Region, own: Mapping[str, Json]) -> Plan:
    """Plan another configuration of a built stack."""
    stack.configure(stack_file(own))
    kubeconfig = text(record(own, "kubernetes"), "kubeconfig")
    if kubeconfig:
        path = "maestro-stack:kubernetes.kubeconfig"
        secret = ("--secret", "--path", path, "--", kubeconfig)
        stack.engine.pulumi("config", "set", "--stack", stack.name, *secret)
    found: list[dict[str, Json]] = []
    result = stack.engine.preview(
        observer=lambda event: found.append(record(record(event, "resourcePreEvent"), "metadata"))
    )
    plan = Plan(result, {}, {})
    for step in found:
        name = text(step, "urn").rpartition("::")[2]
        operation, type_ = text(step, "op"), text(step, "type")
        # A component is the sum of its resources, and a default provider the engine's own.
        if not step or operation in ("same", "read") or type_.startswith(("maestro:", "pulumi:pulumi:")):
            continue
        if name.startswith("default_"):
            continue
        plan.ways.setdefault((type_, name), set()).add(operation)
        if operation in ("update", "replace"):
            plan.inputs[type_, name] = tuple(sorted({*texts(step, "diffs"), *record(step, "detailedDiff")}))
            if type_ == SERVER_RELEASE.type:
                old, new = inputs_of(step, "old"), inputs_of(step, "new")
                # While a value is unknown, the provider hasn't read the chart's version.
                plan.release = (old, {**new, "version": new.get("version") or old.get("version")})
                plan.inputs[type_, name] = tuple(sorted(differing(*plan.release)))
    return plan


PlanOf = Callable[[Row], Plan]


@pytest.fixture(scope="session")
def plan_of(built: Built) -> PlanOf:
    """The plan of a row, made once."""
    plans: dict[int, Plan] = {}

    def of(row: Row) -> Plan:
        number = ROWS.index(row)
        if number not in plans:
            plans[number] = planned(built(row.base), row.configuration)
        return plans[number]

    return of


def inputs_of(step: Mapping[str, Json], side: str) -> dict[str, Json]:
    return record(record(step, side), "inputs")


def differing(before: Mapping[str, Json], after: Mapping[str, Json], prefix: str = "") -> Iterator[str]:
    """Dotted paths at which two trees differ."""
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) or isinstance(new, dict):
            yield from differing(record(before, key), record(after, key), f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}"


def way_of(operations: set[str]) -> Way:
    if "replace" in operations:
        return Way.REPLACED
    # A resource that the program no longer has is deleted before what it depends on is replaced.
    if operations <= {"delete", "delete-replaced", "remove-pending-replace"}:
        return Way.DELETED
    assert len(operations) == 1, operations
    (operation,) = operations
    return {"create": Way.CREATED, "update": Way.UPDATED}[operation]


def pod_template(inputs: Mapping[str, Json]) -> Json:
    """The Deployment's pod template that a release's inputs give."""
    chart = ROOT / text(inputs, "chart")
    name, namespace = text(inputs, "name"), text(inputs, "namespace")
    rendered = render(chart, record(inputs, "values"), name=name, namespace=namespace)
    (deployment,) = [m.content for m in rendered.manifests if text(m.content, "kind") == "Deployment"]
    return record(record(deployment, "spec"), "template")


def name_of(row: Row) -> str:
    (own,) = [after for path, _, after in row.changes if path == row.key]
    return f"{row.key}-{row.base.value}-{str(own)[:30]}"


@pytest.mark.parametrize("row", [r for r in ROWS if r.refusal is not Refusal.PROTECTION], ids=name_of)
def test_the_plan_touches_what_the_row_says_and_nothing_else(plan_of: PlanOf, row: Row) -> None:
    plan = plan_of(row)
    succeeded(plan.result)
    found = sorted((type_, way_of(ways).value, name) for (type_, name), ways in plan.ways.items())
    expected = sorted((t.resource.type, t.way.value, t.resource.name) for t in row.touches)
    assert [one[:2] for one in found] == [one[:2] for one in expected]
    for (_, _, name), (_, _, pattern) in zip(found, expected, strict=True):
        assert fnmatch(name, pattern)
    inputs = sorted((type_, keys) for (type_, _), keys in plan.inputs.items())
    assert inputs == sorted(
        (t.resource.type, t.inputs) for t in row.touches if t.way in (Way.UPDATED, Way.REPLACED)
    )


@pytest.mark.parametrize(
    "row",
    [r for r in ROWS if SERVER_RELEASE in [t.resource for t in r.touches if t.way is not Way.DELETED]],
    ids=name_of,
)
def test_the_pods_restart_exactly_where_the_row_says_so(plan_of: PlanOf, row: Row) -> None:
    before, after = plan_of(row).release
    is_new = any(text(before, key) != text(after, key) for key in ("name", "namespace"))
    is_moved = PROVIDER in [t.resource for t in row.touches]
    assert (is_new or is_moved or pod_template(before) != pod_template(after)) == row.restarts_pods


@pytest.mark.parametrize("row", [r for r in ROWS if r.refusal is Refusal.PROTECTION], ids=name_of)
def test_a_protected_resource_refuses_the_plan(plan_of: PlanOf, row: Row) -> None:
    refused = plan_of(row).result
    assert not refused.succeeded
    assert "marked for protection" in refused.text or "because it is protected" in refused.text


@pytest.mark.parametrize("base", BASES)
def test_the_base_itself_is_a_plan_that_touches_nothing(built: Built, base: Base) -> None:
    assert planned(built(base), BASES[base]).ways == {}


# --- aftermaths -----------------------------------------------------------------------------------


def database(stack: Region) -> dict[str, Json]:
    (found,) = records(stack.call("rds", "DescribeDBInstances"), "DBInstances")
    return found


def parameter_groups(stack: Region) -> list[str]:
    groups = records(stack.call("rds", "DescribeDBParameterGroups"), "DBParameterGroups")
    return sorted(text(group, "DBParameterGroupName") for group in groups)


def changed(stack: Region, row: Row) -> Result:
    stack.configure(stack_file(row.configuration))
    return stack.engine.up()


@pytest.mark.parametrize(
    "row",
    [
        row("database.instanceClass", Base.DEV, "db.t4g.small"),
        row("database.engineVersion", Base.DEV, "18"),
        row("mqtt.sourceId", Base.DEV, "maestro-east"),
        row("server.replicas", Base.DEV, 3),
    ],
    ids=name_of,
)
def test_a_change_that_is_made_at_once_leaves_nothing_to_do(fresh: Built, row: Row) -> None:
    stack = fresh(row.base)
    succeeded(changed(stack, row))
    assert stack.preview().changes == {}
    if row.key == "database.instanceClass":
        assert database(stack)["DBInstanceClass"] == "db.t4g.small"
    if row.key == "database.engineVersion":
        assert parameter_groups(stack) == [f"{DATABASE}-postgres17", f"{DATABASE}-postgres18"]
    if row.key == "mqtt.sourceId":
        policies = records(stack.call("iot", "ListPolicies"), "policies")
        assert [text(policy, "policyName") for policy in policies] == ["maestro-east-server"]


def test_a_change_that_waits_for_the_window_shows_in_each_plan_until_then(fresh: Built) -> None:
    row_ = row("database.allocatedStorageGiB", Base.PRODUCTION, 200)
    stack = fresh(Base.PRODUCTION)
    succeeded(changed(stack, row_))
    assert database(stack)["AllocatedStorage"] == 100
    assert stack.preview().changes == {INSTANCE: "update"}
    apply_pending(stack.cloud(), DATABASE)
    stack.refresh()
    assert stack.preview().changes == {}
    assert database(stack)["AllocatedStorage"] == 200


def test_a_major_upgrade_that_waits_keeps_the_old_group_and_is_completed_by_the_window(fresh: Built) -> None:
    row_ = row("database.engineVersion", Base.PRODUCTION, "18")
    stack = fresh(Base.PRODUCTION)
    succeeded(changed(stack, row_))
    assert parameter_groups(stack) == [f"{DATABASE}-postgres17", f"{DATABASE}-postgres18"]
    assert database(stack)["EngineVersion"] != "18"
    apply_pending(stack.cloud(), DATABASE)
    stack.refresh()
    stack.up()
    assert stack.preview().changes == {}
    assert parameter_groups(stack) == [f"{DATABASE}-postgres17", f"{DATABASE}-postgres18"]


def test_a_major_upgrade_in_production_is_made_at_once_if_so_configured(fresh: Built) -> None:
    stack = fresh(Base.PRODUCTION)
    now: dict[str, Json] = {
        "profile": "production",
        "database": {"engineVersion": "18", "applyImmediately": True},
    }
    stack.configure(stack_file(now))
    stack.up()
    assert stack.preview().changes == {}
    assert parameter_groups(stack) == [f"{DATABASE}-postgres17", f"{DATABASE}-postgres18"]


def test_a_stack_with_every_guardrail_lives_and_leaves_nothing(fresh: Built) -> None:
    stack = fresh(Base.GUARDED)
    groups = records(stack.call("logs", "DescribeLogGroups"), "logGroups")
    assert {text(group, "logGroupName").rpartition("/")[2]: group["retentionInDays"] for group in groups} == {
        "postgresql": 30,
        "upgrade": 30,
    }
    stack.refresh()
    assert stack.preview().changes == {}
    succeeded(stack.engine.destroy())
    assert records(stack.call("logs", "DescribeLogGroups"), "logGroups") == []
    assert parameter_groups(stack) == []
    assert records(stack.call("secretsmanager", "ListSecrets"), "SecretList") == []
    assert records(stack.call("iam", "ListRoles", PathPrefix="/maestro/"), "Roles") == []
    assert "maestro" not in names_of(stack, "Namespace")


@pytest.mark.parametrize("base", BASES)
def test_after_the_first_up_a_second_a_refresh_and_a_third_change_nothing(fresh: Built, base: Base) -> None:
    stack = fresh(base)
    assert stack.up().changes == {}
    assert stack.refresh().changes == {}
    assert stack.up().changes == {}


def set_database(stack: Region, **values: Json) -> None:
    """Give the stack these database settings in addition to its base's."""
    stack.configure({**stack.settings, "maestro-stack:database": values})


def is_settled(stack: Region) -> bool:
    """Whether nothing is left to do, before and after a refresh."""
    return not (stack.preview().changes or stack.refresh().changes or stack.up().changes)


def test_storage_grows_past_400_gib(fresh: Built) -> None:
    stack = fresh(Base.DEV)
    set_database(stack, allocatedStorageGiB=400, maxAllocatedStorageGiB=500)
    assert stack.up().changes == {INSTANCE: "update"}
    grown = database(stack)
    assert (grown["AllocatedStorage"], grown["Iops"], grown["StorageThroughput"]) == (400, 12000, 500)
    assert is_settled(stack)


def test_growth_that_rds_rounds_up_is_settled_with_autoscaling(fresh: Built) -> None:
    stack = fresh(Base.DEV)
    set_database(stack, allocatedStorageGiB=21)
    stack.up()
    assert database(stack)["AllocatedStorage"] == 22
    assert is_settled(stack)


def test_a_refused_major_upgrade_is_made_by_a_full_version(fresh: Built) -> None:
    stack = fresh(Base.DEV)
    stack.destroy()
    set_database(stack, engineVersion="16.13")
    stack.up()
    set_database(stack, engineVersion="17")
    refused = stack.engine.up()
    assert not refused.succeeded
    assert "Cannot upgrade postgres from 16.13 to 17.6" in refused.text
    [remedy] = remedies_of(refused.diagnostics)
    assert "pulumi config set --path database.engineVersion 17.9" in remedy.do

    set_database(stack, engineVersion="17.9")
    stack.up()
    assert database(stack)["EngineVersion"] == "17.9"
    assert database(stack)["AutoMinorVersionUpgrade"] is False
    assert is_settled(stack)


def test_a_full_version_is_reset_to_its_major_once_that_is_as_new(fresh: Built) -> None:
    stack = fresh(Base.DEV)
    stack.destroy()
    set_database(stack, engineVersion="17.5")
    stack.up()
    set_database(stack, engineVersion="17")
    stack.up()
    assert database(stack)["EngineVersion"] == "17.6"
    assert database(stack)["AutoMinorVersionUpgrade"] is True
    assert is_settled(stack)


def test_default_subnets_stay_whatever_they_would_be_now(fresh: Built) -> None:
    stack = fresh(Base.DEV)
    own = subnets(stack)
    more = {**stack.settings, "maestro-stack:network": {"subnetIds": [*own, *MORE_SUBNETS]}}
    without = stack.settings
    stack.configure(more)
    assert stack.up().changes == {"aws:rds/subnetGroup:SubnetGroup subnet-group": "update"}
    assert subnets(stack) == sorted([*own, *MORE_SUBNETS])
    stack.configure(without)
    assert is_settled(stack)
    assert subnets(stack) == sorted([*own, *MORE_SUBNETS])


def test_a_subnet_that_the_database_lives_in_stays(fresh: Built) -> None:
    stack = fresh(Base.DEV)
    refused = changed(stack, row("network.subnetIds", Base.DEV, list(MORE_SUBNETS)))
    assert not refused.succeeded
    assert "SubnetAlreadyInUse" in refused.text
    [remedy] = remedies_of(refused.diagnostics)
    assert "the old subnets as well" in remedy.do


def subnets(stack: Region) -> list[str]:
    (group,) = records(stack.call("rds", "DescribeDBSubnetGroups"), "DBSubnetGroups")
    return sorted(text(subnet, "SubnetIdentifier") for subnet in records(group, "Subnets"))


def test_a_configmap_that_is_handed_over_by_its_key_alone_is_lost(fresh: Built) -> None:
    stack = fresh(Base.DEV)
    assert "bootstrap-output" in config_maps(stack)
    succeeded(changed(stack, row("bootstrapConfigMap", Base.DEV, "adopt")))
    assert "bootstrap-output" not in config_maps(stack)


def test_a_configmap_is_handed_over_by_letting_it_go_first(fresh: Built) -> None:
    stack = fresh(Base.DEV)
    succeeded(changed(stack, row("bootstrapConfigMap", Base.DEV, "external")))
    assert "bootstrap-output" not in config_maps(stack)
    seed(stack, "kube-system", "bootstrap-output")
    succeeded(changed(stack, row("bootstrapConfigMap", Base.DEV, "adopt")))
    assert "bootstrap-output" in config_maps(stack)
    assert stack.preview().changes == {}


def test_a_namespace_is_handed_over_by_its_key_alone_and_outlives_the_stack(fresh: Built) -> None:
    stack = fresh(Base.DEV)
    succeeded(changed(stack, row("server.namespaceMode", Base.DEV, "external")))
    assert stack.preview().changes == {}
    stack.refresh()
    succeeded(stack.engine.destroy())
    assert "maestro" in names_of(stack, "Namespace")


def config_maps(stack: Region) -> list[str]:
    return names_of(stack, "ConfigMap")


def names_of(stack: Region, kind: str) -> list[str]:
    request: dict[str, Json] = {"cluster": cluster_id(stack), "operation": "objects"}
    there = records(stack.emulation.kubernetes(request), "objects")
    return [text(record(o, "metadata"), "name") for o in there if text(o, "kind") == kind]
