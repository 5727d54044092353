"""Known errors: the right row for the providers' own words, and pages that exist."""

import re
from pathlib import Path

import pytest

from docs.generate import title_of
from engine.remedies import REMEDIES, Remedy, named, remedies_of

# By what to do: errors as the providers, Helm, the engine and AWS print them.
ERRORS = {
    "helm rollback": ["another operation (install/upgrade/rollback) is in progress"],
    "helm uninstall maestro-server": ["cannot re-use a name that is still in use"],
    "`pulumi refresh`, then `pulumi up`": ['"maestro-server" has no deployed releases'],
    "then `pulumi destroy` again": ["uninstall: Release not loaded: maestro-server: release: not found"],
    "kubectl describe pods -n maestro": [
        "Helm Release maestro/maestro-server: context deadline exceeded",
        'Helm release "maestro-server" was created but has a failed status. Use the `helm` command to',
        'Helm release "maestro/maestro-server" was created, but failed to initialize completely.',
    ],
    "python -m rehearsal": [
        "values don't meet the specifications of the schema(s) in the following chart(s):"
    ],
    "server.namespaceMode external`": ['namespaces "team" already exists'],
    "kubectl create namespace team": ["Preview failed: resource 'team' does not exist"],
    "bootstrapConfigMap adopt": [
        (
            "resource kube-system/bootstrap-output was not successfully created by the Kubernetes API "
            'server: configmaps "bootstrap-output" already exists'
        )
    ],
    "--show-managed-fields": [
        "Server-Side Apply field conflict detected. See https://… for troubleshooting help.",
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .data.cluster_name',
    ],
    "only if the cluster is gone": [
        "configured Kubernetes cluster is unreachable: unable to load schema information",
        'can\'t delete Helm Release with unreachable cluster. Reason: "…"',
    ],
    "mqtt.sourceId east-2": [
        (
            "creating IoT Policy (east-server): operation error IoT: CreatePolicy, https response error "
            "StatusCode: 409, ResourceAlreadyExistsException: Policy cannot be created - name already exists "
            "(name=east-server)"
        )
    ],
    "--secret-id a/maestro/db-credentials`": [
        (
            "creating Secrets Manager Secret (a/maestro/db-credentials): operation error Secrets Manager: "
            "CreateSecret, InvalidRequestException: You can't create this secret because a secret with this "
            "name is already scheduled for deletion."
        )
    ],
    "--secret-id NAME`": ["a secret with this name is already scheduled for deletion."],
    "delete-log-group --log-group-name /aws/rds/instance/maestro-a/upgrade`": [
        (
            "creating CloudWatch Logs Log Group (/aws/rds/instance/maestro-a/upgrade): operation error "
            "CloudWatch Logs: CreateLogGroup, ResourceAlreadyExistsException: The specified log group "
            "already exists"
        )
    ],
    "applyImmediately true": [
        "operation error RDS: DeleteDBParameterGroup, InvalidDBParameterGroupState: One"
    ],
    "copy-db-snapshot --source-region": [
        "RestoreDBInstanceFromDBSnapshot, DBSnapshotNotFound: DBSnapshot kept not found.",
        "DBInstanceAutomatedBackupNotFound: Automated backup arn:… not found.",
        "InvalidParameterValue: The snapshot arn:aws:rds:us-west-2:123:snapshot:a is not in us-east-1",
    ],
    "`RestoreWindow`": [
        "InvalidParameterValue: The specified instance cannot be restored to a time later than 2026-11-30",
        "PointInTimeRestoreNotEnabled: Point-in-time restore is not enabled for maestro-a",
    ],
    "kms cancel-key-deletion": ["KMSKeyNotAccessibleFault: Specified KMS key [arn:…] does not exist, is not"],
    "engineVersion MAJOR": [
        (
            "operation error RDS: RestoreDBInstanceFromDBSnapshot, InvalidParameterCombination: The "
            "parameter group a with DBParameterGroupFamily postgres17 can't be used for this instance."
        )
    ],
    "ValidUpgradeTarget": [
        "api error InvalidParameterCombination: Cannot upgrade postgres from 16.13 to 17.6",
        "InvalidParameterCombination: Cannot find upgrade path from 16.13 to 16.8.",
    ],
    "after six hours": [
        (
            "You can't currently modify the storage of this DB instance because the previous storage change "
            "is being optimized."
        )
    ],
    "set `database.allocatedStorageGiB` to": [
        "InvalidParameterCombination: Invalid storage size for engine name postgres and storage type gp3: 105"
    ],
    "raise `database.maxAllocatedStorageGiB`": [
        "Invalid max storage size for engine name postgres and storage type gp3: 320"
    ],
    "old subnets as well": ["Some of the subnets to be deleted are currently in use: subnet-1"],
    "another network is another stack": [
        "InvalidParameterValue: The new Subnets are not in the same Vpc as the existing subnet group"
    ],
    "db-instance-available": [
        "InvalidDBInstanceState: Database instance is not in available state.",
        "api error InvalidDBInstanceStateFault: Database instance is not in available state.",
    ],
    "run it again": [
        (
            "operation error IoT: DeletePolicy, https response error StatusCode: 409, "
            "DeleteConflictException: Cannot delete the policy because it is attached to one or more "
            "certificates or users"
        )
    ],
    "another VPC is another stack": [
        "operation error EC2: DeleteSecurityGroup, DependencyViolation: resource sg-1 has a dependent object",
    ],
    "lift the guards": [
        "InvalidParameterCombination: Cannot delete protected DB Instance, please disable",
        'resource "urn:pulumi:…" cannot be deleted\nbecause it is protected.',
        'unable to replace resource "urn:pulumi:…"\nas it is currently marked for protection.',
    ],
    "renew the credentials": [
        "operation error IAM: CreateRole, ThrottlingException: Rate exceeded",
        "ExpiredTokenException: The security token included in the request is expired",
    ],
    "import what exists": ["with 1 pending operations from previous deployment."],
    "remove or import it": ["EntityAlreadyExists: Role with name maestro-server already exists."],
    "pulumi cancel": ["the stack is currently locked by 1 lock(s)."],
    "-size 0 -delete": ["could not load: failed to load checkpoint: EOF"],
    ".pulumi/backups": ["failed to load checkpoint: snapshot integrity failure; refusing to use it"],
    "PULUMI_CONFIG_PASSPHRASE": ["incorrect passphrase"],
    "free some space": ["write /state: no space left on device"],
}


@pytest.mark.parametrize(("do", "error"), [(do, error) for do, errors in ERRORS.items() for error in errors])
def test_an_error_gets_what_to_do(do: str, error: str) -> None:
    [remedy] = remedies_of([error])
    assert do in remedy.do


def test_every_row_that_has_a_pattern_is_tried_here() -> None:
    tried = {remedy.message for errors in ERRORS.values() for remedy in remedies_of(errors)}
    assert {remedy.message for remedy in REMEDIES if remedy.message} == tried


def test_an_unknown_error_gets_nothing_and_a_remedy_is_given_once() -> None:
    locked = "error: the stack is currently locked by 1 lock(s)"
    assert remedies_of(["this is new"]) == ()
    assert len(remedies_of([locked, "this is new", locked])) == 1


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: remedy.sign)
def test_the_page_of_a_remedy_exists_with_its_heading(remedy: Remedy) -> None:
    if remedy.page:
        assert title_of(remedy.page)


def test_a_missing_page_is_named() -> None:
    with pytest.raises(SystemExit, match=re.escape("docs/recovery.md#nowhere leads nowhere")):
        title_of("docs/recovery.md#nowhere")


def test_a_remedy_is_lines_for_a_person_and_an_object_for_a_program() -> None:
    remedy = named(
        Remedy(sign="x", because="{name} is there", do="remove {name}", page="docs/recovery.md"), "it"
    )
    assert str(remedy) == "why: it is there\ndo: remove it\nmore: docs/recovery.md"
    assert remedy.as_json() == {"because": "it is there", "do": "remove it", "page": "docs/recovery.md"}


def test_the_page_has_every_row() -> None:
    page = (Path(__file__).parents[2] / "docs/operating.md").read_text(encoding="utf-8")
    assert [row.sign for row in REMEDIES if f"\n| {row.sign} |" not in page] == []
