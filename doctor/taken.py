"""names: is each physical name free, or this stack's own?

A name that is taken by something outside the state would make `up` fail with a message of AWS's or the
cluster's; the remedy is the one in engine.remedies that matches that message.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from checks.finding import Findings
from common.json_values import Json, dig, record, records, text
from doctor.case import NAMESPACE, Case, absent
from doctor.errors import AwsError
from doctor.question import Category, Question
from engine.remedies import remedies_of
from maestro_stack.database import LOGS
from maestro_stack.names import (
    BOOTSTRAP_CONFIG_MAP,
    BOOTSTRAP_KEY,
    BOOTSTRAP_NAMESPACE,
    SERVICE_ACCOUNT,
)
from policies import types

PENDING = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")


@dataclass(frozen=True, kw_only=True)
class _Thing:
    """Something with a name that `up` wants to use."""

    what: str
    """In words, with the name."""
    type: str
    refusal: str = "already exists"
    """The message that `up` would get, which engine.remedies knows."""
    why: str = ""
    """What else to say if it isn't this stack's."""


def _remedy(message: str) -> str:
    """What to do about an error of this text."""
    [row] = remedies_of([message])
    return row.do


def _judge(case: Case, findings: Findings, thing: _Thing, physical: str | None) -> None:
    """Judge by `physical`, the id of what has the name; None if nothing has it."""
    if physical is None:
        findings.holds(f"{thing.what} is free")
    elif case.is_ours(thing.type, physical):
        findings.holds(f"{thing.what} is this stack's")
    else:
        text = f"{thing.what} is there and not in this stack's state{thing.why}"
        findings.fail(text, _remedy(thing.refusal))


def _found(case: Case, action: str, *gone: str, **parameters: Json) -> dict[str, Json] | None:
    """AWS's answer about a thing; None if it doesn't exist."""
    try:
        return case.aws.call(action, **parameters)
    except AwsError as refusal:
        absent(refusal, *gone)
        return None


def _iot_policy(case: Case, findings: Findings) -> None:
    name = case.mqtt.policy_name
    thing = _Thing(
        what=f"IoT policy {name}",
        type=types.IOT_POLICY,
        refusal=f"policy cannot be created - name already exists (name={name})",
        why=f": another Maestro server uses source id {case.settings.mqtt.source_id} here, or an earlier run "
        "was cut off",
    )
    found = _found(case, "iot:GetPolicy", "ResourceNotFoundException", policyName=name)
    _judge(case, findings, thing, name if found else None)


def _secrets(case: Case, findings: Findings) -> None:
    for name in (case.names.server_mqtt_cert_secret, case.names.db_credentials_secret):
        thing = _Thing(what=f"secret {name}", type=types.SECRET)
        found = _found(case, "secretsmanager:DescribeSecret", "ResourceNotFoundException", SecretId=name)
        if found and found.get("DeletedDate"):
            remedy = _remedy(f"Secrets Manager Secret ({name}): already scheduled for deletion")
            findings.fail(f"secret {name} is scheduled for deletion, which holds its name", remedy)
        else:
            _judge(case, findings, thing, text(found, "ARN") if found else None)


def _database(case: Case, findings: Findings) -> None:
    names, major = case.names, int(case.settings.database.engine_version.partition(".")[0])
    groups = [names.database_parameter_group(f"postgres{version}") for version in (major, major - 1)]
    wanted = [
        ("DBInstance", "DBInstanceIdentifier", names.database, types.INSTANCE),
        ("DBSubnetGroup", "DBSubnetGroupName", names.database_subnet_group, types.SUBNET_GROUP),
        *(("DBParameterGroup", "DBParameterGroupName", name, types.PARAMETER_GROUP) for name in groups),
    ]
    for what, parameter, name, type_ in wanted:
        gone = (f"{what}NotFound", f"{what}NotFoundFault")
        found = records(_found(case, f"rds:Describe{what}s", *gone, **{parameter: name}) or {}, f"{what}s")
        physical = text(found[0], "DbiResourceId", name) if found else None
        _judge(case, findings, _Thing(what=f"{what} {name}", type=type_), physical)
    for log in LOGS:
        name = names.database_log_group(log)
        there = case.aws.records("logs:DescribeLogGroups", "logGroups", logGroupNamePrefix=name)
        thing = _Thing(
            what=f"log group {name}",
            type=types.LOG_GROUP,
            refusal=f"Log Group ({name}): The specified log group already exists",
        )
        is_there = any(text(each, "logGroupName") == name for each in there)
        _judge(case, findings, thing, name if is_there else None)


def _role(case: Case, findings: Findings) -> None:
    name = case.names.role
    found = _found(case, "iam:GetRole", "NoSuchEntity", RoleName=name)
    _judge(case, findings, _Thing(what=f"IAM role {name}", type=types.ROLE), name if found else None)


def _association(case: Case, findings: Findings) -> None:
    namespace = case.settings.server.namespace
    found = case.aws.records(
        "eks:ListPodIdentityAssociations",
        "associations",
        clusterName=case.settings.cluster_name,
        namespace=namespace,
        serviceAccount=SERVICE_ACCOUNT,
    )
    thing = _Thing(
        what=f"the Pod Identity association of {namespace}/{SERVICE_ACCOUNT}",
        type=types.POD_IDENTITY,
        why="; a service account has one at most",
    )
    _judge(case, findings, thing, text(found[0], "associationId") if found else None)


def _namespace(case: Case, findings: Findings) -> None:
    name, mode = case.settings.server.namespace, case.settings.server.namespace_mode
    found = case.api.find(case.namespace_path)
    if case.settings.server.install == "external":
        findings.holds(f"namespace {name} and the release in it are left to others (server.install)")
    elif found and dig(found, "status.phase") == "Terminating":
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
    else:
        thing = _Thing(
            what=f"namespace {name}", type=NAMESPACE, refusal=f'namespaces "{name}" already exists'
        )
        _judge(case, findings, thing, name if found else None)


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


def newest_revision(case: Case) -> tuple[int, str] | None:
    """Number and status of the release's newest revision; None without a release. Raises as Api.

    Read from Helm's own record: Secrets labelled owner=helm, of which only the metadata is read.
    Source: Helm, pkg/storage/driver/secrets.go.
    """
    of_release = f"owner=helm,name={case.settings.server.release_name}"
    kept = case.api.items(f"{case.namespace_path}/secrets", labelSelector=of_release)
    labels = [record(record(each, "metadata"), "labels") for each in kept]
    revisions = [(int(text(each, "version", "0")), text(each, "status", "unknown")) for each in labels]
    return max(revisions, default=None)


def _release(case: Case, findings: Findings) -> None:
    if case.settings.server.install == "external":
        return  # reported by namespace-name
    newest = newest_revision(case)
    what = f"release {case.settings.server.release_name}"
    if newest and newest[1] in PENDING:
        remedy = _remedy("another operation (install/upgrade/rollback) is in progress")
        findings.fail(f"{what} is stuck: {newest[1]}", remedy)
        return
    ours = case.built(types.RELEASE) if newest else ()
    thing = _Thing(what=what, type=types.RELEASE, refusal="cannot re-use a name that is still in use")
    _judge(case, findings, thing, (ours[0].id if ours else what) if newest else None)


_ALL = (
    Question(name="iot-policy-name", that="that the IoT policy's name is free, or ours", ask=_iot_policy),
    Question(name="secrets-names", that="that the secrets' names are free, or ours", ask=_secrets),
    Question(name="database-names", that="that RDS's names are free, or ours", ask=_database),
    Question(name="role-name", that="that the role's name is free, or ours", ask=_role),
    Question(name="association-name", that="that no other association is in the way", ask=_association),
    Question(name="namespace-name", that="that the namespace is free, or ours", ask=_namespace),
    Question(name="config-map-name", that="that the ConfigMap is free, or ours", ask=_config_map),
    Question(name="release-name", that="that the release's name is free, or ours", ask=_release),
)

CATEGORY = Category(
    name="names",
    question="Is each physical name free, or this stack's own?",
    before=_ALL,
    after=_ALL,
)
