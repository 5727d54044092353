"""names: is each physical name free, or this stack's own?

What is there and isn't in the state would make `up` fail with AWS's or the cluster's own message; the remedy
is the row of engine.remedies that knows it.
"""

from collections.abc import Mapping

from checks.finding import Findings
from common.json_values import Json, dig, record, records, text
from doctor.case import Case, absent
from doctor.errors import AwsError
from doctor.question import Category, Question
from engine.remedies import remedies_of
from maestro_stack.names import (
    BOOTSTRAP_CONFIG_MAP,
    BOOTSTRAP_KEY,
    BOOTSTRAP_NAMESPACE,
    SERVICE_ACCOUNT,
)
from policies import types

NAMESPACE = "kubernetes:core/v1:Namespace"
RELEASE_LABEL = "owner=helm"
PENDING = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")


def _remedy(message: str) -> str:
    """What to do about an error of this text."""
    [row] = remedies_of([message])
    return row.do


def _free(findings: Findings, what: str) -> None:
    findings.holds(f"{what} is free")


def _ours(findings: Findings, what: str) -> None:
    findings.holds(f"{what} is this stack's")


def _iot_policy(case: Case, findings: Findings) -> None:
    name = case.mqtt.policy_name
    try:
        case.aws.call("iot:GetPolicy", policyName=name)
    except AwsError as refusal:
        absent(refusal, "ResourceNotFoundException")
        _free(findings, f"IoT policy {name}")
        return
    if case.is_ours(types.IOT_POLICY, name):
        _ours(findings, f"IoT policy {name}")
    else:
        findings.fail(
            f"IoT policy {name} is there and not in this stack's state: another Maestro server uses source "
            f"id {case.settings.mqtt.source_id} here, or an earlier run was cut off",
            _remedy(f"policy cannot be created - name already exists (name={name})"),
        )


def _secrets(case: Case, findings: Findings) -> None:
    for name in (case.names.server_mqtt_cert_secret, case.names.db_credentials_secret):
        try:
            found = case.aws.call("secretsmanager:DescribeSecret", SecretId=name)
        except AwsError as refusal:
            absent(refusal, "ResourceNotFoundException")
            _free(findings, f"secret {name}")
            continue
        if found.get("DeletedDate"):
            remedy = _remedy(f"Secrets Manager Secret ({name}): already scheduled for deletion")
            findings.fail(f"secret {name} is scheduled for deletion, which holds its name", remedy)
        elif case.is_ours(types.SECRET, text(found, "ARN")):
            _ours(findings, f"secret {name}")
        else:
            findings.fail(
                f"secret {name} is there and not in this stack's state",
                f"aws secretsmanager describe-secret --secret-id {name}; if its tags name this stack: pulumi "
                f"import {types.SECRET} NAME {text(found, 'ARN')}",
            )


def _database(case: Case, findings: Findings) -> None:
    names, family = case.names, f"postgres{case.settings.database.engine_version.partition('.')[0]}"
    wanted = {
        "DBInstance": (names.database, "DBInstanceNotFound", types.INSTANCE),
        "DBSubnetGroup": (names.database_subnet_group, "DBSubnetGroupNotFoundFault", types.SUBNET_GROUP),
        "DBParameterGroup": (
            names.database_parameter_group(family),
            "DBParameterGroupNotFound",
            types.PARAMETER_GROUP,
        ),
    }
    for what, (name, gone, type_) in wanted.items():
        parameter = "DBInstanceIdentifier" if what == "DBInstance" else f"{what}Name"
        found: list[dict[str, Json]] = []
        try:
            found = case.aws.records(f"rds:Describe{what}s", f"{what}s", **{parameter: name})
        except AwsError as refusal:
            absent(refusal, gone)
        if not found:
            _free(findings, f"{what} {name}")
        elif case.is_ours(type_, text(found[0], "DbiResourceId", name)):
            _ours(findings, f"{what} {name}")
        else:
            findings.fail(
                f"{what} {name} is there and not in this stack's state", _remedy(f"{what} already exists")
            )


def _role(case: Case, findings: Findings) -> None:
    name = case.names.role
    try:
        case.aws.call("iam:GetRole", RoleName=name)
    except AwsError as refusal:
        absent(refusal, "NoSuchEntity")
        _free(findings, f"IAM role {name}")
        return
    if case.is_ours(types.ROLE, name):
        _ours(findings, f"IAM role {name}")
    else:
        findings.fail(
            f"IAM role {name} is there and not in this stack's state", _remedy("EntityAlreadyExists")
        )


def _association(case: Case, findings: Findings) -> None:
    namespace = case.settings.server.namespace
    what = f"the Pod Identity association of {namespace}/{SERVICE_ACCOUNT}"
    found = case.aws.records(
        "eks:ListPodIdentityAssociations",
        "associations",
        clusterName=case.settings.cluster_name,
        namespace=namespace,
        serviceAccount=SERVICE_ACCOUNT,
    )
    if not found:
        _free(findings, what)
    elif case.is_ours(types.POD_IDENTITY, text(found[0], "associationId")):
        _ours(findings, what)
    else:
        findings.fail(
            f"{what} is there and not in this stack's state; a service account has one at most",
            f"aws eks delete-pod-identity-association --cluster-name {case.settings.cluster_name} "
            f"--association-id {text(found[0], 'associationId')}",
        )


def _namespace(case: Case, findings: Findings) -> None:
    name, mode = case.settings.server.namespace, case.settings.server.namespace_mode
    found = case.api.find(case.namespace_path)
    if found and dig(found, "status.phase") == "Terminating":
        findings.fail(
            f"namespace {name} is being deleted, and doesn't end", f"kubectl get namespace {name} -o yaml"
        )
    elif mode == "external":
        findings.expect(
            found is not None,
            f"namespace {name} is there",
            f"namespace {name} is left to others (server.namespaceMode), and isn't there",
            f"kubectl create namespace {name}",
        )
    elif found is None:
        _free(findings, f"namespace {name}")
    elif case.is_ours(NAMESPACE, name):
        _ours(findings, f"namespace {name}")
    else:
        remedy = _remedy(f'namespaces "{name}" already exists')
        findings.fail(f"namespace {name} is there and not in this stack's state", remedy)


def _config_map(case: Case, findings: Findings) -> None:
    name, mode = f"{BOOTSTRAP_NAMESPACE}/{BOOTSTRAP_CONFIG_MAP}", case.settings.bootstrap_config_map
    found = case.api.find(f"/api/v1/namespaces/{BOOTSTRAP_NAMESPACE}/configmaps/{BOOTSTRAP_CONFIG_MAP}")
    if mode == "external":
        findings.holds(f"ConfigMap {name} is left to others")
    elif found is None:
        findings.expect(
            mode == "create",
            f"ConfigMap {name} is free",
            f"ConfigMap {name} isn't there to be adopted",
            "pulumi config set bootstrapConfigMap create",
        )
    elif mode == "create" and not case.is_ours("kubernetes:core/v1:ConfigMap", name):
        findings.fail(
            f"ConfigMap {name} is there and not in this stack's state; it belongs to {_owners(found)}",
            _remedy(f'configmaps "{BOOTSTRAP_CONFIG_MAP}" already exists'),
        )
    else:
        value = record(found, "data").get(BOOTSTRAP_KEY)
        findings.expect(
            value in (None, case.settings.cluster_name),
            f"ConfigMap {name} takes our key",
            f"ConfigMap {name} says {value}, and this stack {case.settings.cluster_name}; it belongs to "
            f"{_owners(found)}",
            _remedy("Server-Side Apply field conflict detected"),
        )


def _owners(found: Mapping[str, Json]) -> str:
    managers = {text(each, "manager") for each in records(record(found, "metadata"), "managedFields")}
    return ", ".join(sorted(managers)) or "nobody who says so"


def _release(case: Case, findings: Findings) -> None:
    """Helm's own record of it: Secrets labelled owner=helm, of which only the metadata is read.

    Source: Helm, pkg/storage/driver/secrets.go.
    """
    name = case.settings.server.release_name
    revisions = case.api.items(f"{case.namespace_path}/secrets", labelSelector=f"{RELEASE_LABEL},name={name}")
    what = f"release {name}"
    if not revisions:
        _free(findings, what)
        return
    newest = max(revisions, key=lambda each: int(str(dig(each, "metadata.labels.version") or 0)))
    status = str(dig(newest, "metadata.labels.status") or "unknown")
    if status in PENDING:
        remedy = _remedy("another operation (install/upgrade/rollback) is in progress")
        findings.fail(f"{what} is stuck: {status}", remedy)
    elif not case.known().of_type(types.RELEASE):
        remedy = _remedy("cannot re-use a name that is still in use")
        findings.fail(f"{what} is installed and not in this stack's state", remedy)
    else:
        _ours(findings, what)


RELEASE = Question(name="release-name", that="that the release's name is free, or ours", ask=_release)
_ALL = (
    Question(name="iot-policy-name", that="that the IoT policy's name is free, or ours", ask=_iot_policy),
    Question(name="secrets-names", that="that the secrets' names are free, or ours", ask=_secrets),
    Question(name="database-names", that="that RDS's names are free, or ours", ask=_database),
    Question(name="role-name", that="that the role's name is free, or ours", ask=_role),
    Question(name="association-name", that="that no other association is in the way", ask=_association),
    Question(name="namespace-name", that="that the namespace is free, or ours", ask=_namespace),
    Question(name="config-map-name", that="that the ConfigMap is free, or ours", ask=_config_map),
    RELEASE,
)

CATEGORY = Category(
    name="names",
    question="Is each physical name free, or this stack's own?",
    before=_ALL,
    after=_ALL,
)
