"""What changes behind the program's back: refresh sees it, `up` repairs it, what belongs to others stays."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import tools
from common.json_values import Json, record, records, text
from engine.project import read_yaml
from review.model import Grade
from review.plan import DRIFT_TAKEN_BACK, read_plan, reviewed
from review.resources import LOST
from tests.engine.conftest import CLUSTER, NewRegion, Region

POLICY = "maestro-server"
SECRET = f"{CLUSTER}/maestro/db-credentials"


class Drift(NamedTuple):
    """One thing that someone did by hand."""

    do: Callable[[Region], object]
    seen_on: str
    """Type of the resource that a refresh finds changed or gone."""
    is_repaired: Callable[[Region], bool]


def _edit_policy(region: Region) -> object:
    statement: Json = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    parameters: dict[str, Json] = {"policyName": POLICY, "policyDocument": document, "setAsDefault": True}
    return region.call("iot", "CreatePolicyVersion", **parameters)


def _policy_is_ours(region: Region) -> bool:
    document = text(region.call("iot", "GetPolicy", policyName=POLICY), "policyDocument")
    return "iot:*" not in document and "client/maestro-server-" in document


def _associations(region: Region) -> list[dict[str, Json]]:
    return records(region.call("eks", "ListPodIdentityAssociations", clusterName=CLUSTER), "associations")


def _has_one_association(region: Region) -> bool:
    return len(_associations(region)) == 1


def _remove_association(region: Region) -> object:
    (found,) = _associations(region)
    identity = found["associationId"]
    return region.call("eks", "DeletePodIdentityAssociation", clusterName=CLUSTER, associationId=identity)


def _add_version(region: Region) -> object:
    return region.call("secretsmanager", "PutSecretValue", SecretId=SECRET, SecretString='{"port": "1"}')


def _secret_is_ours(region: Region) -> bool:
    value = json.loads(text(region.call("secretsmanager", "GetSecretValue", SecretId=SECRET), "SecretString"))
    return value["port"] == "5432" and value["database"] == "maestro"


def _widen_role(region: Region) -> object:
    role = _role(region)
    statement: Json = {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return region.call(
        "iam", "PutRolePolicy", RoleName=role, PolicyName="read-server-secrets", PolicyDocument=document
    )


def _role(region: Region) -> str:
    roles = records(region.call("iam", "ListRoles"), "Roles")
    return next(text(role, "RoleName") for role in roles if text(role, "RoleName").startswith("maestro"))


def _role_is_narrow(region: Region) -> bool:
    answer = region.call("iam", "GetRolePolicy", RoleName=_role(region), PolicyName="read-server-secrets")
    return "secretsmanager:*" not in json.dumps(answer)


def _stop_backups(region: Region) -> object:
    change: dict[str, Json] = {"BackupRetentionPeriod": 0, "ApplyImmediately": True}
    return region.call("rds", "ModifyDBInstance", DBInstanceIdentifier="maestro-regional-xyz", **change)


def _database_has_backups(region: Region) -> bool:
    answer = region.call("rds", "DescribeDBInstances", DBInstanceIdentifier="maestro-regional-xyz")
    return records(answer, "DBInstances")[0]["BackupRetentionPeriod"] == 1


DRIFTS = {
    "a policy that was edited": Drift(_edit_policy, "aws:iot/policy:Policy", _policy_is_ours),
    "an association that was removed": Drift(
        _remove_association,
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        _has_one_association,
    ),
    "a secret version that was added": Drift(
        _add_version, "aws:secretsmanager/secretVersion:SecretVersion", _secret_is_ours
    ),
    "a role that was widened": Drift(_widen_role, "aws:iam/rolePolicy:RolePolicy", _role_is_narrow),
    "backups that were turned off": Drift(_stop_backups, "aws:rds/instance:Instance", _database_has_backups),
}


def test_the_nightly_workflow_tells_drift_from_none_and_from_a_failure(
    region: NewRegion, tmp_path: Path
) -> None:
    """Its own script, as GitHub runs it."""
    root = Path(__file__).parents[2]
    workflow: Any = read_yaml(root / ".github/workflows/drift.yml")
    job = workflow["jobs"]["drift"]
    [script] = [step["run"] for step in job["steps"] if step.get("id") == "refresh"]
    pulumi = tools.find("pulumi")
    assert pulumi is not None
    stack = region()
    output = tmp_path / "output"

    def run(name: str) -> tuple[int, str]:
        output.write_text("")
        done = subprocess.run(
            ["bash", "-e", "-c", script],  # noqa: S607
            cwd=stack.folder / "state" / "project",
            env=os.environ
            | stack.engine.variables
            | {
                "PATH": f"{pulumi.parent}{os.pathsep}{os.environ['PATH']}",
                "GITHUB_OUTPUT": str(output),
                "STACK": name,
            },
            capture_output=True,
            check=False,
        )
        return done.returncode, output.read_text()

    stack.up()
    assert run(stack.name) == (0, "drifted=false\n")
    _widen_role(stack)
    assert run(stack.name) == (0, "drifted=true\n")
    status, said = run("no-such-stack")
    assert (status != 0, said) == (True, "")


def test_refresh_sees_every_drift_and_up_repairs_it(region: NewRegion) -> None:
    stack = region()
    stack.up()
    for drift in DRIFTS.values():
        drift.do(stack)
    refreshed = stack.refresh()
    seen = {step.type for step in refreshed.steps if step.operation in ("update", "delete")}
    assert seen == {drift.seen_on for drift in DRIFTS.values()}
    stack.up()
    assert {name for name, drift in DRIFTS.items() if not drift.is_repaired(stack)} == set()
    assert stack.refresh().changes == {}
    assert stack.preview().changes == {}


def test_a_refreshed_plan_shows_what_was_lost_and_what_is_taken_back(
    region: NewRegion, tmp_path: Path
) -> None:
    stack = region()
    stack.up()
    _widen_role(stack)
    _remove_association(stack)
    stack.call("secretsmanager", "DeleteSecret", SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    instance = records(stack.call("rds", "DescribeDBInstances"), "DBInstances")[0]["DBInstanceIdentifier"]
    more_backups: dict[str, Json] = {"BackupRetentionPeriod": 14, "ApplyImmediately": True}
    stack.call("rds", "ModifyDBInstance", DBInstanceIdentifier=instance, **more_backups)
    file = tmp_path / "plan.json"
    file.write_text(stack.engine.plan("--refresh"))
    found = {change.subject: change for change in reviewed(read_plan(file, "maestro-stack")).changes}
    lost = {subject for subject, change in found.items() if LOST in change.sentence}
    assert lost == {
        "aws:eks/podIdentityAssociation:PodIdentityAssociation association-regional-xyz",
        "aws:secretsmanager/secret:Secret db-credentials-regional-xyz",
        "aws:secretsmanager/secretVersion:SecretVersion db-credentials-regional-xyz",
    }
    database = found["aws:rds/instance:Instance instance"]
    assert [(each.path, each.note) for each in database.differences] == [
        ("backupRetentionPeriod", DRIFT_TAKEN_BACK)
    ]
    assert {found[subject].grade for subject in (*lost, database.subject)} == {Grade.DANGEROUS}
    # The secret that it names is created anew, so the policy isn't known before `up`.
    assert found["aws:iam/rolePolicy:RolePolicy policy-regional-xyz"].grade is Grade.DANGEROUS


def test_tags_of_others_stay_through_an_up_that_changes_other_things(region: NewRegion) -> None:
    stack = region()
    stack.up()
    arn = text(records(stack.call("rds", "DescribeDBInstances"), "DBInstances")[0], "DBInstanceArn")
    theirs: Json = [{"Key": "cost-centre", "Value": "42"}]
    stack.call("rds", "AddTagsToResource", ResourceName=arn, Tags=theirs)
    stack.configure({**stack.settings, "maestro-stack:database": {"backupRetentionDays": 3}})
    stack.up()
    tags = records(stack.call("rds", "ListTagsForResource", ResourceName=arn), "TagList")
    assert "cost-centre" in {text(tag, "Key") for tag in tags}


def test_a_label_of_the_namespace_that_somebody_changed_is_taken_back(region: NewRegion) -> None:
    stack = region()
    stack.up()
    enforced = "pod-security.kubernetes.io/enforce"

    def labels() -> dict[str, Json]:
        named = [record(each, "metadata") for each in stack.objects() if each["kind"] == "Namespace"]
        [ours] = [metadata for metadata in named if text(metadata, "name") == "maestro"]
        return record(ours, "labels")

    theirs: Json = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "maestro", "labels": {enforced: "privileged"}},
    }
    cluster = stack.cloud().arn("eks", f"cluster/{CLUSTER}")
    stack.emulation.kubernetes({"cluster": cluster, "operation": "edit", "object": theirs})
    assert labels()[enforced] == "privileged"
    stack.refresh()
    # A preview dry-runs the update, and would end in a conflict.
    assert stack.preview().changes == {"kubernetes:core/v1:Namespace namespace-regional-xyz": "update"}
    stack.up()
    assert labels()[enforced] == "restricted"
    assert stack.preview().changes == {}


@pytest.mark.parametrize("is_refreshed", [False, True])
def test_a_swapped_policy_attachment_goes_unnoticed_as_with_the_real_provider(
    region: NewRegion,
    is_refreshed: bool,  # noqa: FBT001
) -> None:
    """docs/recovery.md says so, and how to look for it."""
    stack = region()
    stack.up()
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}
    )
    stack.call("iot", "CreatePolicy", policyName="other", policyDocument=document)
    arn = text(records(stack.call("iot", "ListCertificates"), "certificates")[0], "certificateArn")
    stack.call("iot", "AttachPolicy", policyName="other", target=arn)
    stack.call("iot", "DetachPolicy", policyName=POLICY, target=arn)
    if is_refreshed:
        assert stack.refresh().changes == {}
    assert stack.preview().changes == {}
    attached = records(stack.call("iot", "ListAttachedPolicies", target=arn), "policies")
    assert [text(policy, "policyName") for policy in attached] == ["other"]
