"""The server's pod as the rendered release describes it, and what AWS lets it do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from checks import aws_policy
from checks.csi_provider import MountError, access_denied, secret_not_found
from checks.region import Association, Document, Missing, Secret
from common.json_values import Json, record, records, text, texts

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


def pod_of(deployment: Mapping[str, Json], namespace: str) -> Pod:
    """The pod of a rendered Deployment, which is in `namespace` unless it names one itself."""
    spec = record(record(record(deployment, "spec"), "template"), "spec")
    return Pod(
        namespace=text(record(deployment, "metadata"), "namespace", namespace),
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
    role_arn: str
    policies: tuple[aws_policy.PolicyDocument, ...]
    boundary: aws_policy.PolicyDocument | Missing | None
    tags_disabled: bool

    def may(
        self, action: str, resource: str, context: Mapping[str, aws_policy.ContextValue] | None = None
    ) -> aws_policy.Decision:
        """Whether the role's policies, and its boundary as far as that is known, allow a call."""
        session = aws_policy.session_context(self.identity, tags_disabled=self.tags_disabled)
        request = aws_policy.Request(action=action, resource=resource, context={**session, **(context or {})})
        decision = aws_policy.is_allowed(self.policies, request)
        if not decision.allowed or not isinstance(self.boundary, aws_policy.PolicyDocument):
            return decision
        limit = aws_policy.is_allowed([self.boundary], request)
        return decision if limit.allowed else replace(limit, by=self.boundary.name)

    def may_decrypt(self, secret: Secret, key: Document, region: str) -> aws_policy.Decision:
        """Whether Secrets Manager may decrypt a secret with its own key for this session.

        Both the role and, as far as it is known, the key's policy must allow it: AWS would be content with a
        key's policy that names the role itself. Source: KMS developer guide, "Key policies in AWS KMS".
        """
        context = {
            "kms:ViaService": f"secretsmanager.{region}.amazonaws.com"
            + (".cn" if region.startswith("cn-") else ""),
            "kms:CallerAccount": self.identity.account_id,
            "kms:EncryptionContext:SecretARN": secret.arn,
        }
        decision = self.may("kms:Decrypt", key.arn, context)
        policy = known_policy(key, "key")
        if not decision.allowed or isinstance(policy, Missing):
            return decision
        asking = aws_policy.Principal(type="AWS", value=self.role_arn)
        request = aws_policy.Request(
            action="kms:Decrypt", resource=key.arn, context=context, principal=asking
        )
        return replace(aws_policy.is_allowed([policy], request), by=policy.name)


def known_policy(document: Document, kind: aws_policy.PolicyKind) -> aws_policy.PolicyDocument | Missing:
    """Somebody else's policy, or why it can't be evaluated here. Raises MalformedPolicyError."""
    if isinstance(document.content, Missing):
        return document.content
    name = f"{'policy of ' if kind == 'key' else ''}{document.arn}"
    try:
        return aws_policy.parse(document.content, kind=kind, name=name)
    except aws_policy.UnsupportedPolicyError as unknown:
        return Missing(str(unknown), is_unverified=True)


def session_of(identity: aws_policy.PodIdentity, association: Association | None, region: str) -> Session:
    """The session that the pod gets.

    Raises:
        MountError: it gets none, as the CSI provider would report it.
        aws_policy.PolicyError: a policy holds what the evaluator doesn't know.
    """
    if association is None:
        raise MountError(
            f"{region}: failed to get pod identity credentials: no association of service account "
            f"{identity.namespace}/{identity.service_account} on cluster {identity.cluster_name}"
        )
    trusted = aws_policy.pod_may_assume(
        trust_of(association), identity, tags_disabled=association.tags_disabled
    )
    if not trusted.allowed:
        raise MountError(f"{region}: the role's trust policy refuses the pod: {trusted}")
    name = association.role_name
    if association.managed_policies:
        raise aws_policy.UnsupportedPolicyError(name, "managed policies are attached; they aren't read here")
    return Session(
        identity=identity,
        role_name=name,
        role_arn=association.role_arn,
        boundary=known_policy(association.boundary, "identity") if association.boundary else None,
        policies=tuple(aws_policy.parse(text, name=name) for name, text in association.policies.items()),
        tags_disabled=association.tags_disabled,
    )


def trust_of(association: Association) -> aws_policy.PolicyDocument:
    """The trust policy of the association's role."""
    return aws_policy.parse(association.trust, kind="trust", name=f"trust of {association.role_name}")


def fetcher(session: Session, region: str, secret_of: Callable[[str], Secret | None]) -> Callable[[str], str]:
    """How the CSI provider fetches a secret in `region` with the session's rights, if `secret_of` has it."""

    def fetch(name: str) -> str:
        secret = secret_of(name)
        if secret is None:
            raise secret_not_found(name, region)
        for action in ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"):
            decision = session.may(action, secret.arn)
            if not decision.allowed:
                raise access_denied(name, region, f"{action}: {decision}")
        if secret.key is not None:
            decision = session.may_decrypt(secret, secret.key, region)
            if not decision.allowed:
                raise access_denied(name, region, f"kms:Decrypt with {secret.key.arn}: {decision}")
        return secret.content

    return fetch
