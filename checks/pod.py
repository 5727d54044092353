"""The server's pod as the rendered release describes it, and what AWS lets it do."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from checks import aws_policy
from checks.csi_provider import MountError, access_denied, secret_not_found
from common.json_values import Json, flag, record, records, text, texts
from emulator.aws import AwsError
from emulator.aws.cloud import Cloud
from emulator.kubernetes import Release

POD_NAME = "maestro-6d5f7c9b4d-x2x7q"
POD_UID = "0f0b6c1e-5f0a-4f0e-9c52-7d2f6a1d3b11"


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container of the pod: its flags and where its files come from."""

    name: str
    arguments: Sequence[str]
    env: Mapping[str, Json]
    """By name: the value, or the reference that gives it."""
    mounts: Mapping[str, str]
    """Mount path to volume name."""

    def flag(self, name: str) -> str | None:
        """Value of `--name=value`; None if it isn't given."""
        return next((a.partition("=")[2] for a in self.arguments if a.partition("=")[0] == f"--{name}"), None)


@dataclass(frozen=True, kw_only=True)
class Pod:
    """The pod of the release's Deployment."""

    namespace: str
    service_account: str
    containers: tuple[Container, ...]
    """Init containers first."""
    volumes: Mapping[str, Mapping[str, Json]]
    """By name."""

    @property
    def service(self) -> Container:
        """The server itself."""
        return next(c for c in self.containers if c.name == "service")


def pod_of(release: Release) -> Pod:
    """The server's pod, from the rendered Deployment."""
    deployment = release.one("Deployment", "maestro")
    spec = record(record(record(deployment, "spec"), "template"), "spec")
    return Pod(
        namespace=text(record(deployment, "metadata"), "namespace", release.namespace),
        service_account=text(spec, "serviceAccountName", "default"),
        containers=tuple(
            _container(c) for c in (*records(spec, "initContainers"), *records(spec, "containers"))
        ),
        volumes={text(volume, "name"): volume for volume in records(spec, "volumes")},
    )


def _container(spec: Mapping[str, Json]) -> Container:
    return Container(
        name=text(spec, "name"),
        arguments=tuple(texts(spec, "args")),
        env={text(e, "name"): e.get("value", e.get("valueFrom")) for e in records(spec, "env")},
        mounts={text(m, "mountPath"): text(m, "name") for m in records(spec, "volumeMounts")},
    )


@dataclass(frozen=True, kw_only=True)
class Session:
    """The role session that EKS Pod Identity gives the pod."""

    identity: aws_policy.PodIdentity
    role_name: str
    policies: tuple[aws_policy.PolicyDocument, ...]
    tags_disabled: bool

    def may(self, action: str, resource: str) -> aws_policy.Decision:
        """Whether the role's policies allow a call."""
        context = aws_policy.session_context(self.identity, tags_disabled=self.tags_disabled)
        request = aws_policy.Request(action=action, resource=resource, context=context)
        return aws_policy.is_allowed(self.policies, request)


def identity_of(pod: Pod, cloud: Cloud, *, cluster_name: str, cluster_arn: str) -> aws_policy.PodIdentity:
    """What EKS would vouch for about the pod."""
    return aws_policy.PodIdentity(
        account_id=cloud.account_id,
        cluster_arn=cluster_arn,
        cluster_name=cluster_name,
        namespace=pod.namespace,
        service_account=pod.service_account,
        pod_name=POD_NAME,
        pod_uid=POD_UID,
    )


@dataclass(frozen=True, kw_only=True)
class Association:
    """What an EKS Pod Identity association gives a pod."""

    role_arn: str
    tags_disabled: bool
    """Whether the session goes without the tags that name cluster, namespace and pod."""


def association_of(identity: aws_policy.PodIdentity, cloud: Cloud) -> Association | None:
    """The association that EKS would find for the pod; there is at most one."""
    cluster: dict[str, Json] = {"clusterName": identity.cluster_name}
    account: dict[str, Json] = {"namespace": identity.namespace, "serviceAccount": identity.service_account}
    try:
        found = records(cloud.call("eks", "ListPodIdentityAssociations", cluster | account), "associations")
    except AwsError as refusal:
        if refusal.code == "ResourceNotFoundException":  # there is no such cluster
            return None
        raise
    if not found:
        return None
    key = cluster | {"associationId": found[0]["associationId"]}
    association = record(cloud.call("eks", "DescribePodIdentityAssociation", key), "association")
    return Association(
        role_arn=text(association, "roleArn"), tags_disabled=flag(association, "disableSessionTags")
    )


def trust_of(association: Association, cloud: Cloud) -> aws_policy.PolicyDocument:
    """The trust policy of the association's role."""
    name = association.role_arn.rpartition("/")[2]
    role = record(cloud.call("iam", "GetRole", {"RoleName": name}), "Role")
    return aws_policy.parse(
        _document(role["AssumeRolePolicyDocument"]), kind="trust", name=f"trust of {name}"
    )


def session_of(identity: aws_policy.PodIdentity, cloud: Cloud) -> Session:
    """The session that the pod gets.

    Raises:
        MountError: it gets none, as the CSI provider would report it.
        aws_policy.PolicyError: a policy holds what the evaluator doesn't know.
    """
    association = association_of(identity, cloud)
    if association is None:
        raise MountError(
            f"{cloud.region}: failed to get pod identity credentials: no association of service account "
            f"{identity.namespace}/{identity.service_account} on cluster {identity.cluster_name}"
        )
    trusted = aws_policy.pod_may_assume(
        trust_of(association, cloud), identity, tags_disabled=association.tags_disabled
    )
    if not trusted.allowed:
        raise MountError(f"{cloud.region}: the role's trust policy refuses the pod: {trusted}")
    name = association.role_arn.rpartition("/")[2]
    return Session(
        identity=identity,
        role_name=name,
        policies=_policies(name, cloud),
        tags_disabled=association.tags_disabled,
    )


def _policies(role: str, cloud: Cloud) -> tuple[aws_policy.PolicyDocument, ...]:
    if records(cloud.call("iam", "ListAttachedRolePolicies", {"RoleName": role}), "AttachedPolicies"):
        raise aws_policy.UnsupportedPolicyError(role, "managed policies are attached; they aren't read here")
    names = texts(cloud.call("iam", "ListRolePolicies", {"RoleName": role}), "PolicyNames")
    answers = (cloud.call("iam", "GetRolePolicy", {"RoleName": role, "PolicyName": n}) for n in names)
    return tuple(
        aws_policy.parse(_document(answer["PolicyDocument"]), name=text(answer, "PolicyName"))
        for answer in answers
    )


def fetcher(session: Session, cloud: Cloud, region: str) -> Callable[[str], str]:
    """How the CSI provider fetches a secret in `region`, with the session's rights."""
    there = cloud if region == cloud.region else cloud.in_region(region)

    def fetch(name: str) -> str:
        try:
            arn = text(there.call("secretsmanager", "DescribeSecret", {"SecretId": name}), "ARN")
        except AwsError as refusal:
            if refusal.code == "ResourceNotFoundException":
                raise secret_not_found(name, region) from None
            raise
        for action in ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"):
            decision = session.may(action, arn)
            if not decision.allowed:
                raise access_denied(name, region, f"{action}: {decision}")
        return text(there.call("secretsmanager", "GetSecretValue", {"SecretId": name}), "SecretString")

    return fetch


def _document(value: Json) -> str:
    """botocore decodes the policy documents of IAM's answers."""
    return value if isinstance(value, str) else json.dumps(value)
