"""secrets: would a pod that starts now get its secrets, and do running pods have the current ones?"""

import json
from collections.abc import Mapping

from checks import aws_policy
from checks.csi_provider import MountError
from checks.finding import Findings
from checks.pod import POD_NAME, POD_UID, Session, known_policy, session_of
from checks.region import Association, Document, Missing, Secret
from common.json_values import Json, flag, record, text, texts
from doctor.case import Case, absent
from doctor.errors import AwsError, UnaskedError
from doctor.question import Category, Question
from maestro_stack.names import SERVICE_ACCOUNT
from policies import types

ANNOTATION = "secret-version/"
CURRENT = "AWSCURRENT"
GONE = "ResourceNotFoundException"
READS = ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")
AGAIN = "pulumi refresh; pulumi up"


def _wanted(case: Case) -> tuple[str, ...]:
    """The secrets that have a value in the state: what isn't built is reported by state-complete."""
    valued = {text(version.outputs, "secretId") for version in case.built(types.SECRET_VERSION)}
    return tuple(text(each.outputs, "name") for each in case.built(types.SECRET) if each.id in valued)


def _secret(case: Case, name: str) -> dict[str, Json] | None:
    try:
        return case.aws.call("secretsmanager:DescribeSecret", SecretId=name)
    except AwsError as refusal:
        absent(refusal, GONE)
        return None


def _current(secret: Mapping[str, Json]) -> str:
    stages = record(secret, "VersionIdsToStages")
    return next((version for version in stages if CURRENT in texts(stages, version)), "")


def _there(case: Case, findings: Findings) -> None:
    for name in _wanted(case):
        found = _secret(case, name)
        if found is None:
            findings.fail(f"there is no secret {name}", AGAIN)
        elif found.get("DeletedDate"):
            findings.fail(
                f"secret {name} is scheduled for deletion: no new pod gets it",
                f"aws secretsmanager restore-secret --secret-id {name}",
            )
        else:
            findings.expect(
                bool(_current(found)), f"secret {name} has a value", f"secret {name} has no value", AGAIN
            )


def _versions(case: Case, findings: Findings) -> None:
    """Whether the pods have the current versions: annotations set by the program say which they have."""
    pods = case.server_pods()
    for name in _wanted(case):
        found = _secret(case, name)
        if found is None or found.get("DeletedDate"):
            continue
        current, short = _current(found), name.rpartition("/")[2]
        noted = {
            text(record(record(pod, "metadata"), "annotations"), f"{ANNOTATION}{short}") for pod in pods
        } - {""}
        old = sorted(noted - {current})
        findings.expect(
            not old,
            f"the pods have {short} in its current version, {current[:8]}…",
            f"pods started with {short} {', '.join(each[:8] for each in old)}…; {current[:8]}… is current",
            f"{AGAIN}; if it was changed by hand: kubectl rollout restart deployment/maestro -n "
            f"{case.settings.server.namespace}",
        )


def _association(case: Case) -> Association | None:
    """The pods' association and its role, according to EKS and IAM."""
    cluster: dict[str, Json] = {"clusterName": case.settings.cluster_name}
    found = case.aws.records(
        "eks:ListPodIdentityAssociations",
        "associations",
        **cluster,
        namespace=case.settings.server.namespace,
        serviceAccount=SERVICE_ACCOUNT,
    )
    if not found:
        return None
    answer = case.aws.call(
        "eks:DescribePodIdentityAssociation", **cluster, associationId=found[0]["associationId"]
    )
    association = record(answer, "association")
    arn = text(association, "roleArn")
    name: dict[str, Json] = {"RoleName": arn.rpartition("/")[2]}
    names = texts(case.aws.call("iam:ListRolePolicies", **name), "PolicyNames")
    documents = {
        each: case.aws.call("iam:GetRolePolicy", **name, PolicyName=each)["PolicyDocument"] for each in names
    }
    attached = case.aws.records("iam:ListAttachedRolePolicies", "AttachedPolicies", **name)
    role = record(case.aws.call("iam:GetRole", **name), "Role")
    boundary = text(record(role, "PermissionsBoundary"), "PermissionsBoundaryArn")
    return Association(
        role_arn=arn,
        tags_disabled=flag(association, "disableSessionTags"),
        trust=_document(role["AssumeRolePolicyDocument"]),
        policies={each: _document(document) for each, document in documents.items()},
        managed_policies=tuple(text(each, "PolicyName") for each in attached),
        boundary=Document(arn=boundary, content=_managed(case, boundary)) if boundary else None,
    )


def _managed(case: Case, arn: str) -> str | Missing:
    """A policy of somebody else's. If it may not be read, it is unknown, and the evaluator ignores it."""
    try:
        policy = record(case.aws.call("iam:GetPolicy", PolicyArn=arn), "Policy")
        version = text(policy, "DefaultVersionId")
        answer = case.aws.call("iam:GetPolicyVersion", PolicyArn=arn, VersionId=version)
        return _document(record(answer, "PolicyVersion")["Document"])
    except UnaskedError as unasked:
        return Missing(str(unasked), is_unverified=True)


def _key(case: Case, id_: str) -> Document:
    """A secret's own KMS key, with its policy."""
    try:
        arn = text(record(case.aws.call("kms:DescribeKey", KeyId=id_), "KeyMetadata"), "Arn")
        return Document(arn=arn, content=text(case.aws.call("kms:GetKeyPolicy", KeyId=arn), "Policy"))
    except UnaskedError as unasked:
        return Document(arn=id_, content=Missing(str(unasked), is_unverified=True))


def _document(value: Json) -> str:
    """The document as JSON text: botocore decodes those in IAM's answers."""
    return value if isinstance(value, str) else json.dumps(value)


def _pod(case: Case) -> aws_policy.PodIdentity:
    name = case.settings.cluster_name
    return aws_policy.PodIdentity(
        account_id=case.identity.account,
        cluster_arn=case.arn("eks", f"cluster/{name}"),
        cluster_name=name,
        namespace=case.settings.server.namespace,
        service_account=SERVICE_ACCOUNT,
        pod_name=POD_NAME,
        pod_uid=POD_UID,
    )


def _role(case: Case, findings: Findings) -> None:
    """Whether the pods get the program's role."""
    if not case.has_built(types.POD_IDENTITY):
        return
    where = f"{case.settings.server.namespace}/{SERVICE_ACCOUNT}"
    try:
        association = _association(case)
    except AwsError as refusal:
        absent(refusal, "NoSuchEntity", GONE)
        findings.fail(f"the role of {where} is gone: {refusal.message}", AGAIN)
        return
    if association is None:
        findings.fail(f"no Pod Identity association of {where}: pods get no role", AGAIN)
        return
    findings.expect(
        association.role_name == case.names.role,
        f"pods of {where} get role {case.names.role}",
        f"pods of {where} get role {association.role_name}, not {case.names.role}",
        AGAIN,
    )
    trust = aws_policy.parse(association.trust, kind="trust", name=f"trust of {association.role_name}")
    decision = aws_policy.pod_may_assume(trust, _pod(case), tags_disabled=association.tags_disabled)
    findings.expect(
        decision.allowed,
        f"{association.role_name} trusts them",
        f"{association.role_name} refuses them: {decision}",
        AGAIN,
    )


def _reads(case: Case, findings: Findings) -> None:
    """Whether that role may read both secrets: by its policies, its boundary, and the secrets' own keys."""
    if not case.has_built(types.ROLE_POLICY, types.POD_IDENTITY):
        return
    try:
        association = _association(case)
        session = session_of(_pod(case), association, case.settings.region)
    except AwsError as refusal:
        absent(refusal, "NoSuchEntity", GONE)
        return  # reported by pods-role, as is the next
    except MountError:
        return
    for name in _wanted(case):
        found = _secret(case, name)
        if found is None:
            continue
        key = text(found, "KmsKeyId")
        secret = Secret(
            arn=text(found, "ARN"), content="", version_id="", key=_key(case, key) if key else None
        )
        _judge(session, secret, name, case.settings.region, findings)


def _judge(session: Session, secret: Secret, name: str, region: str, findings: Findings) -> None:
    denied = [action for action in READS if not session.may(action, secret.arn).allowed]
    if secret.key and not session.may_decrypt(secret, secret.key, region).allowed:
        denied.append(f"kms:Decrypt with {secret.key.arn}")
    unknown = [session.boundary, secret.key and known_policy(secret.key, "key")]
    unread = [each.reason for each in unknown if isinstance(each, Missing)]
    if unread and not denied:
        findings.unverified(f"that it may read {name}: {'; '.join(unread)}", None)
        return
    findings.expect(
        not denied,
        f"it may read {name}",
        f"{session.role_name} may not read {name}: {', '.join(denied)}",
        AGAIN,
    )


CATEGORY = Category(
    name="secrets",
    question="Does a pod get its secrets, and has each the current ones?",
    after=(
        Question(name="secrets-there", that="that the secrets are there", ask=_there),
        Question(name="secrets-current", that="that the pods have the current versions", ask=_versions),
        Question(name="pods-role", that="that the pods get their role", ask=_role),
        Question(name="role-reads", that="that the role may read both secrets", ask=_reads),
    ),
)
