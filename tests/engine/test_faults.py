"""What goes wrong during an `up`, and the way back: a sample of `make test-faults`, and docs/recovery.md."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import tools
from common.json_values import Json, record, records, text
from emulator.aws.cloud import DEFAULT_ACCOUNT
from emulator.client import Emulation
from emulator.executables import write_plugins
from engine.driver import EngineError
from tests.engine.attached import Attached
from tests.engine.conftest import PRODUCTION, ROOT, NewRegion, Region, config, succeeded
from tests.faults import recovery
from tests.faults.accounts import inventory
from tests.faults.disturbed import Call, Disturbed, Outcome, is_locked
from tests.faults.survival import remove_what_is_in_the_way

AWS = ("ec2", "eks", "iam", "iot", "rds", "secretsmanager", "sts")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, list[Call]]:
    """The outcome of an undisturbed `up`, and its calls."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with Emulation.start(folder / "aws.state") as emulation, Attached() as attached:
        stack = Disturbed(emulation, folder / "stack", attached=attached)
        calls = stack.calls()
        return stack.outcome(), calls


@pytest.fixture
def undisturbed(first: tuple[Outcome, list[Call]]) -> Outcome:
    return first[0]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Disturbed]:
    with Emulation.start(tmp_path / "aws.state") as emulation, Attached() as attached:
        yield Disturbed(emulation, tmp_path / "stack", attached=attached)


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Disturbed]:
    """A stack whose engine can be killed."""
    with Emulation.start(tmp_path / "aws.state") as emulation:
        yield Disturbed(emulation, tmp_path / "stack")


# --- refused, for a while ---------------------------------------------------------------------------


def test_an_up_whose_every_call_is_throttled_and_then_meets_a_server_error_builds_the_same(
    stack: Disturbed, first: tuple[Outcome, list[Call]]
) -> None:
    undisturbed, calls = first
    faults: list[dict[str, Json]] = [
        {**call._asdict(), "nth": 3 * (call.nth - 1) + offset, "effect": effect}
        for call in calls
        if call.service in AWS
        for offset, effect in ((1, "throttle"), (2, "unavailable"))
    ]
    succeeded(stack.up(*faults))
    stack.assert_settled(undisturbed)


def test_what_is_new_and_not_visible_yet_is_waited_for(stack: Disturbed, undisturbed: Outcome) -> None:
    """A role, its policy, secrets and their values, a security group, a role that EKS hasn't heard of."""
    looks = [
        "iam:GetRole",
        "iam:GetRolePolicy",
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "rds:DescribeDBInstances",
        "eks:CreatePodIdentityAssociation",
    ]
    faults: list[dict[str, Json]] = [
        {"service": service, "operation": operation, "times": 2, "effect": "invisible"}
        for service, _, operation in (look.partition(":") for look in looks)
    ]
    succeeded(stack.up(*faults))
    stack.assert_settled(undisturbed)


def test_expired_credentials_are_named_and_after_their_renewal_an_up_goes_on(
    stack: Disturbed, undisturbed: Outcome
) -> None:
    fault: dict[str, Json] = {"service": "*", "nth": 30, "times": 1000, "effect": "expired"}
    refused = stack.up(fault)
    assert not refused.succeeded
    assert "The security token included in the request is expired" in "\n".join(refused.diagnostics)
    stack.region.up()
    stack.revoke_leftover_rules()
    stack.assert_settled(undisturbed)


def test_a_full_quota_is_named_and_after_its_raise_an_up_goes_on(
    stack: Disturbed, undisturbed: Outcome
) -> None:
    refused = stack.up({"service": "rds", "operation": "CreateDBInstance", "times": 1000, "effect": "quota"})
    assert not refused.succeeded
    assert "InstanceQuotaExceeded" in "\n".join(refused.diagnostics)
    stack.region.up()
    stack.assert_settled(undisturbed)


def test_what_was_made_but_never_noted_is_removed_by_its_command(
    stack: Disturbed, undisturbed: Outcome
) -> None:
    """And a certificate that was made twice leaves one that nothing uses."""
    lost = ("iot:CreateKeysAndCertificate", "rds:CreateDBInstance")
    faults: list[dict[str, Json]] = [
        {"service": service, "operation": operation, "effect": "unavailable", "when": "after"}
        for service, _, operation in (call.partition(":") for call in lost)
    ]
    assert not stack.up(*faults).succeeded
    refused = stack.region.engine.up()
    assert not refused.succeeded
    remove_what_is_in_the_way(stack, refused)
    stack.region.up()
    assert len(stack.remove_idle_certificates()) == 1
    stack.assert_settled(undisturbed)


# --- killed -----------------------------------------------------------------------------------------

KILLED: dict[str, tuple[str, dict[str, int]]] = {
    "broker, role, security group and a log group": (
        (
            "iot:CreateKeysAndCertificate iot:CreatePolicy iam:CreateRole ec2:CreateSecurityGroup "
            "logs:CreateLogGroup"
        ),
        {
            "aws:cloudwatch/logGroup:LogGroup": 1,
            "aws:ec2/securityGroup:SecurityGroup": 1,
            "aws:iam/role:Role": 1,
            "aws:iot/policy:Policy": 1,
        },
    ),
    "secrets, groups and the cluster's objects": (
        (
            "secretsmanager:CreateSecret secretsmanager:CreateSecret rds:CreateDBSubnetGroup "
            "rds:CreateDBParameterGroup kubernetes:create kubernetes:create"
        ),
        {
            "aws:rds/parameterGroup:ParameterGroup": 1,
            "aws:rds/subnetGroup:SubnetGroup": 1,
            "aws:secretsmanager/secret:Secret": 2,
            "kubernetes:core/v1:ConfigMap": 1,
            "kubernetes:core/v1:Namespace": 1,
        },
    ),
    "all that connects them, and the database": (
        (
            "iot:AttachPolicy secretsmanager:PutSecretValue iam:PutRolePolicy "
            "eks:CreatePodIdentityAssociation "
            "ec2:AuthorizeSecurityGroupIngress rds:CreateDBInstance"
        ),
        {
            "aws:eks/podIdentityAssociation:PodIdentityAssociation": 1,
            "aws:rds/instance:Instance": 1,
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": 1,
        },
    ),
}
"""Calls that are executed, but not answered before the engine is killed; and what there is to import then.

On two cores the engine makes eight resources at once.
"""


@pytest.mark.parametrize(("calls", "imported"), KILLED.values(), ids=KILLED)
def test_a_killed_up_is_recovered_as_the_document_says(
    killable: Disturbed, undisturbed: Outcome, calls: str, imported: dict[str, int]
) -> None:
    """With the test below, each resource type is once caught between its creation and the checkpoint."""
    killable.killed_when(Counter(calls.split()))
    assert Counter(killable.recover()) >= Counter(imported)  # something else may have been on its way
    killable.region.up()
    assert bool(killable.remove_idle_certificates()) >= ("CreateKeys" in calls)
    killable.revoke_leftover_rules()
    killable.assert_settled(undisturbed)


def test_after_a_kill_the_lock_and_what_is_pending_are_named(
    killable: Disturbed, undisturbed: Outcome
) -> None:
    """An `up` before the recovery does no harm."""
    killable.killed_up(Call("kubernetes", "create", 3), "after")  # the release, the last of all
    assert is_locked(killable.region)
    recovery.run(killable.region, recovery.sections()["A lock left behind"][0])
    named = killable.region.engine.up()
    assert not named.succeeded
    assert "helm.sh/v3:Release::release-regional-xyz, interrupted while creating" in named.text
    assert killable.recover() == ["kubernetes:helm.sh/v3:Release"]
    killable.region.up()
    killable.assert_settled(undisturbed)


def test_importing_by_a_refresh_only_forgets_as_the_document_warns(killable: Disturbed) -> None:
    """Should this fail with a newer engine, the document can give the simpler way."""
    killable.killed_up(Call("rds", "CreateDBSubnetGroup", 1), "after")
    recovery.run(killable.region, recovery.sections()["A lock left behind"][0])
    (group,) = [
        r for r in records(killable.pending(), "resources") if text(r, "type").endswith(":SubnetGroup")
    ]
    urn = (
        f"urn:pulumi:test::maestro-stack::maestro:index:RegionalMaestro$maestro:aws:Database${group['type']}"
    )
    option = "--import-pending-creates"
    recovery.run(
        killable.region,
        f'pulumi refresh --yes --skip-preview {option} "$URN" {option} "$ID"',
        URN=f"{urn}::subnet-group",
        ID="maestro-regional-xyz",
    )
    resources = records(record(killable.region.engine.export(), "deployment"), "resources")
    assert f"{urn}::subnet-group" not in [r["urn"] for r in resources]
    assert "subnet-group" not in [r["name"] for r in records(killable.pending(), "resources")]


def _interrupt_at_the_database(process: subprocess.Popen[str], folder: Path) -> None:
    assert process.stdout
    interrupted = False
    for line in process.stdout:
        # Once interrupted, the emulation may be about to end.
        if (
            "updating" in line.lower()
            and not interrupted
            and (running := Emulation.serving(folder / "aws.state"))
        ):
            running.delay({"rds:CreateDBInstance": 2.0})
        if "rds:Instance" in line and "creating" in line and not interrupted:
            interrupted = True
            os.killpg(process.pid, signal.SIGINT)
    assert interrupted


def test_ctrl_c_leaves_nothing_pending_and_the_next_up_finishes(tmp_path: Path, undisturbed: Outcome) -> None:
    """SIGINT to the process group, as a terminal sends it, while the database is being made."""
    folder = tmp_path / "state"
    example = tmp_path / "Pulumi.test.yaml"
    example.write_text(json.dumps({"config": config()}))
    command = [sys.executable, "-m", "rehearsal", "up", "--config", str(example), "--state", str(folder)]
    with subprocess.Popen(
        [*command, "--stack", "test"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        _interrupt_at_the_database(process, folder)
    assert process.returncode == 130
    with Emulation.start(folder / "aws.state") as emulation:
        region = Region(emulation, tmp_path / "again", DEFAULT_ACCOUNT, config(), build=False)
        (region.folder / "state").rename(tmp_path / "unused")
        (folder / "pulumi-state").rename(region.folder / "state")
        region.engine = type(region.engine)(
            region.engine.stack,
            region.folder / "state",
            pulumi=Path(str(tools.find("pulumi"))),
            plugins=write_plugins,
            environment={**emulation.environment("us-east-1"), "KUBECONFIG": os.devnull},
        )
        state = record(region.engine.export(), "deployment")
        assert not state.get("pending_operations")
        assert any(r["type"] == "aws:rds/instance:Instance" for r in records(state, "resources"))
        region.up()
        assert inventory(region, region.objects()) == undisturbed.inventory
        assert region.preview().changes == {}


# --- docs/recovery.md ---------------------------------------------------------------------------------


def _follow(region: Region, commands: str) -> None:
    """Run the lines in order; those that need the program run on this test's engine."""
    for line in commands.splitlines():
        if line == "pulumi up":
            region.up()
        elif line == "pulumi preview":
            assert region.preview().changes == {}
        else:
            recovery.run(region, line)


def test_a_swapped_policy_is_found_and_put_right_by_its_commands(stack: Disturbed) -> None:
    region = stack.region
    region.up()
    look, mend = recovery.sections()["A swapped policy"]
    assert recovery.run(region, look) == "maestro-server"
    arn = text(records(region.call("iot", "ListCertificates"), "certificates")[0], "certificateArn")
    document = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}'
    )
    region.call("iot", "CreatePolicy", policyName="other", policyDocument=document)
    region.call("iot", "AttachPolicy", policyName="other", target=arn)
    region.call("iot", "DetachPolicy", policyName="maestro-server", target=arn)
    assert recovery.run(region, look) == "other"
    recovery.run(region, mend, OTHER="other")
    assert recovery.run(region, look) == "maestro-server"


def test_an_empty_attributes_file_is_removed_by_its_command(stack: Disturbed) -> None:
    region = stack.region
    region.up()
    backend = region.folder / "state" / "backend"
    (attributes,) = (backend / ".pulumi/stacks").rglob("test.json.attrs")
    attributes.write_text("")
    with pytest.raises(EngineError, match=r"failed to load checkpoint: EOF(.|\n)*`find BACKEND"):
        region.engine.pulumi("cancel", "--yes", "--stack", region.name)
    (remove,) = recovery.sections()["An empty attributes file"]
    recovery.run(region, remove, BACKEND=str(backend))
    assert region.preview().changes == {}


def test_a_damaged_state_file_is_replaced_by_the_newest_copy(stack: Disturbed, undisturbed: Outcome) -> None:
    region = stack.region
    region.up()
    backend = region.folder / "state" / "backend"
    (state,) = (backend / ".pulumi/stacks").rglob("test.json")
    state.write_text("garbage")
    _, copy, go_on = recovery.sections()["A damaged state file"]
    recovery.run(region, copy, BACKEND=str(backend))
    (region.folder / "state" / "project" / "state.json").rename(state)
    _follow(region, go_on)
    stack.assert_settled(undisturbed)


def test_a_production_stack_is_torn_down_by_the_commands(region: NewRegion) -> None:
    # In the account that the CLI acts in; no other stack of this module's emulation is there.
    stack = region(config(**PRODUCTION), account=DEFAULT_ACCOUNT)
    stack.up()
    (tear_down,) = recovery.sections(ROOT / "docs/operating.md")["Tear down"]
    _follow(stack, re.sub(r" +#.*", "", tear_down))
    left = records(stack.call("rds", "DescribeDBSnapshots"), "DBSnapshots")
    assert [each for each in left if "maestro-regional-xyz-final-" in text(each, "DBSnapshotIdentifier")]
    assert not records(stack.call("rds", "DescribeDBInstances"), "DBInstances")


RUN = {
    "": "every command gets these variables: recovery.VARIABLES",
    "Just again": "survival.survive, and the tests of refusals above",
    "Made, but never noted": "survival.survive",
    "After a kill": "Disturbed.recover",
    "A lock left behind": "test_after_a_kill_the_lock_and_what_is_pending_are_named",
    "Orphaned certificates": "Disturbed.remove_idle_certificates",
    "A swapped policy": "test_a_swapped_policy_is_found_and_put_right_by_its_commands",
    "A stuck release": "OnApiServer.free_release, in the cluster tier",
    "An empty attributes file": "test_an_empty_attributes_file_is_removed_by_its_command",
    "A damaged state file": "test_a_damaged_state_file_is_replaced_by_the_newest_copy",
}
"""By section with commands: what runs them."""


def test_every_command_of_the_document_is_run_or_said_not_to_be() -> None:
    types = {f"`{type_}`" for type_ in recovery.by_type()}
    with_commands = {heading for heading, blocks in recovery.sections().items() if blocks}
    assert with_commands - types <= {*RUN}
    (variables,) = recovery.sections()[""]
    assert all(f"{name}={value}" in variables for name, value in recovery.VARIABLES.items())


def test_the_document_knows_every_type_of_the_program(undisturbed: Outcome) -> None:
    types = {line.split("::")[2].rpartition("$")[2] for line in undisturbed.resources}
    of_providers = {t for t in types if t.startswith(("aws:", "kubernetes:", "random:"))}
    assert of_providers - set(recovery.by_type()) == set()
