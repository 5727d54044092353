"""EKS Pod Identity inside moto, which lacks it: the calls, EKS's rules, and the tags of associations.

It runs where moto's data is. `install` adds the calls to moto's EKS; the associations then live in moto's own
EKS backend for an account and region, and are reset and saved with it. Only `emulator` imports this module,
which imports all of moto's EKS and IAM.
Sources: EKS API reference (…PodIdentityAssociation…), EKS user guide "EKS Pod Identities".
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import cast
from unittest.mock import patch

from moto.core.responses import ActionResult, EmptyResult
from moto.eks import urls
from moto.eks.exceptions import (
    InvalidParameterException,
    ResourceInUseException,
    ResourceNotFoundException,
)
from moto.eks.models import EKSBackend
from moto.eks.responses import EKSResponse
from moto.iam.models import iam_backends

from common.json_values import Json, one_or_many, parse_document

PRINCIPAL = "pods.eks.amazonaws.com"  # the same in every partition
_ACTIONS = ("sts:AssumeRole", "sts:TagSession")

_PATH = "{0}/clusters/(?P<name>[^/]+)/pod-identity-associations"


@dataclass(frozen=True, kw_only=True)
class Association:
    """A stored Pod Identity association: a plain value, which the emulated AWS saves with moto's backends."""

    association_id: str
    arn: str
    cluster_name: str
    namespace: str
    service_account: str
    role_arn: str
    target_role_arn: str
    """Empty if there is none."""
    disable_session_tags: bool
    created_at: datetime
    modified_at: datetime
    token: str
    """The client request token of its creation; a repeated request is answered with this association."""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    def summary(self) -> dict[str, object]:
        """As in the answer of ListPodIdentityAssociations."""
        return {
            "associationArn": self.arn,
            "associationId": self.association_id,
            "clusterName": self.cluster_name,
            "namespace": self.namespace,
            "serviceAccount": self.service_account,
        }

    def description(self) -> dict[str, object]:
        """As in the answers of the other calls."""
        _, _, _, region, account, _ = self.arn.split(":", 5)
        optional = {
            "targetRoleArn": self.target_role_arn,
            # Needed only for the trust policy of a role in another account.
            "externalId": f"{region}/{account}/{self.cluster_name}/{self.association_id}",
        }
        return {
            **self.summary(),
            "roleArn": self.role_arn,
            "disableSessionTags": self.disable_session_tags,
            "tags": dict(self.tags),
            "createdAt": self.created_at,
            "modifiedAt": self.modified_at,
            **(optional if self.target_role_arn else {}),
        }


def install() -> None:
    """Add Pod Identity to moto's EKS, for the rest of the process's life; may be called again."""
    if hasattr(EKSResponse, "create_pod_identity_association"):
        return
    urls.url_paths[f"{_PATH}$"] = urls.response.dispatch
    urls.url_paths[f"{_PATH}/(?P<associationId>[^/]+)$"] = urls.response.dispatch
    for action in (
        create_pod_identity_association,
        describe_pod_identity_association,
        list_pod_identity_associations,
        update_pod_identity_association,
        delete_pod_identity_association,
        untag_resource,
    ):
        setattr(EKSResponse, action.__name__, action)
    _tag_associations_too()


# -- the calls, as methods of moto's EKSResponse -------------------------------------------------------------


def create_pod_identity_association(response: EKSResponse) -> ActionResult:
    """CreatePodIdentityAssociation."""
    backend = response.eks_backend
    cluster = backend.describe_cluster(_text(response, "name")).name
    namespace, account = _text(response, "namespace"), _text(response, "serviceAccount")
    empty = [name for name, value in (("namespace", namespace), ("serviceAccount", account)) if not value]
    if empty:
        raise _invalid(f"{' and '.join(empty)} must not be empty")
    _refuse_policy(response)
    kept = associations(backend)
    token = _text(response, "clientRequestToken")
    role, target = _text(response, "roleArn"), _text(response, "targetRoleArn")
    for other in kept.values():
        if (other.cluster_name, other.namespace, other.service_account) == (cluster, namespace, account):
            if token and (other.token, other.role_arn) == (token, role):
                return _answer(other)
            raise ResourceInUseException(message=f"Association already exists: {other.association_id}")
    _require_trust(backend, role)
    identity = f"a-{uuid.uuid4().hex[:17]}"
    now = datetime.now(UTC)
    path = f"podidentityassociation/{cluster}/{identity}"
    association = Association(
        association_id=identity,
        arn=f"arn:{backend.partition}:eks:{backend.region_name}:{backend.account_id}:{path}",
        cluster_name=cluster,
        namespace=namespace,
        service_account=account,
        role_arn=role,
        target_role_arn=target,
        disable_session_tags=_flag(response, "disableSessionTags"),
        created_at=now,
        modified_at=now,
        token=token,
        tags=cast("dict[str, str] | None", _param(response, "tags")) or {},
    )
    kept[identity] = association
    return _answer(association)


def describe_pod_identity_association(response: EKSResponse) -> ActionResult:
    """DescribePodIdentityAssociation."""
    return _answer(_find(response))


def list_pod_identity_associations(response: EKSResponse) -> ActionResult:
    """ListPodIdentityAssociations: all in one page, filtered by namespace and service account."""
    backend = response.eks_backend
    cluster = backend.describe_cluster(_text(response, "name")).name
    namespace, account = _text(response, "namespace"), _text(response, "serviceAccount")
    found = [
        association.summary()
        for association in associations(backend).values()
        if association.cluster_name == cluster
        and namespace in ("", association.namespace)
        and account in ("", association.service_account)
    ]
    return ActionResult({"associations": found})


def update_pod_identity_association(response: EKSResponse) -> ActionResult:
    """UpdatePodIdentityAssociation: what the request omits stays; an empty target role removes it."""
    association = _find(response)
    _refuse_policy(response)
    role = _text(response, "roleArn") or association.role_arn
    if role != association.role_arn:
        _require_trust(response.eks_backend, role)
    target, disabled = _param(response, "targetRoleArn"), _param(response, "disableSessionTags")
    changed = replace(
        association,
        role_arn=role,
        target_role_arn=association.target_role_arn if target is None else str(target),
        disable_session_tags=association.disable_session_tags if disabled is None else bool(disabled),
        modified_at=datetime.now(UTC),
    )
    associations(response.eks_backend)[association.association_id] = changed
    return _answer(changed)


def delete_pod_identity_association(response: EKSResponse) -> ActionResult:
    """DeletePodIdentityAssociation."""
    association = _find(response)
    del associations(response.eks_backend)[association.association_id]
    return _answer(association)


def untag_resource(response: EKSResponse) -> ActionResult:
    """UntagResource for all the keys given; moto's own only uses the first."""
    keys = cast("Mapping[str, list[str]]", response.querystring).get("tagKeys", [])
    arn = cast("Callable[[], str]", getattr(response, "_extract_arn_from_path"))()  # noqa: B009 (private)
    response.eks_backend.untag_resource(arn, list(keys))
    return EmptyResult()


def associations(backend: EKSBackend) -> dict[str, Association]:
    """The associations in one account and region by id, stored in moto's own backend object."""
    # Not set by the class: moto resets a backend by emptying its __dict__.
    return cast("dict[str, Association]", vars(backend).setdefault("pod_identity_associations", {}))


# -- EKS's rules ---------------------------------------------------------------------------------------------


def _find(response: EKSResponse) -> Association:
    cluster = response.eks_backend.describe_cluster(_text(response, "name")).name
    identity = _text(response, "associationId")
    association = associations(response.eks_backend).get(identity)
    if association is None or association.cluster_name != cluster:
        message = f"No association found with id: {identity} for cluster: {cluster}."
        raise ResourceNotFoundException(message=message)
    return association


def _require_trust(backend: EKSBackend, role_arn: str) -> None:
    """EKS checks the role's trust policy when the association is created, and again on each use."""
    match = re.fullmatch(rf"arn:{backend.partition}:iam::(\d{{12}}):role/(?:.+/)?([^/]+)", role_arn)
    if not match:
        raise _invalid(f"Invalid role ARN: {role_arn}")
    if match[1] != backend.account_id:
        raise _invalid("Cross-account pass role is not allowed.")
    roles = iam_backends[backend.account_id][backend.partition].roles.values()
    role = next((role for role in roles if role.arn == role_arn), None)
    if role is None:
        # The provider retries this one, since IAM is eventually consistent.
        raise _invalid("Role provided in the request does not exist.")
    trust = parse_document(role.assume_role_policy_document) or {}
    if not all(_allows(trust, action) for action in _ACTIONS):
        raise _invalid("Trust policy of the role provided is invalid")


def _allows(trust: Mapping[str, Json], action: str) -> bool:
    """Whether some statement allows EKS Pod Identity an action; conditions are evaluated only on use."""
    for statement in one_or_many(trust.get("Statement")):
        if not isinstance(statement, dict) or statement.get("Effect") != "Allow":
            continue
        principal = statement.get("Principal")
        services = one_or_many(principal.get("Service")) if isinstance(principal, dict) else [principal]
        actions = {str(item).lower() for item in one_or_many(statement.get("Action"))}
        trusts_pods = {PRINCIPAL, "*"} & {str(item) for item in services}
        if trusts_pods and actions & {action.lower(), "sts:*", "*"}:
            return True
    return False


def _refuse_policy(response: EKSResponse) -> None:
    if _param(response, "policy") is not None:
        raise NotImplementedError("Session policies of Pod Identity associations are not emulated")


def _invalid(message: str) -> InvalidParameterException:
    return InvalidParameterException(message=message)


# -- reading requests, writing answers -----------------------------------------------------------------------


def _answer(association: Association) -> ActionResult:
    return ActionResult({"association": association.description()})


def _param(response: EKSResponse, name: str) -> object:
    # moto's parameter reader, untyped and marked private, is what all of its own calls use.
    read = cast("Callable[[str], object]", getattr(response, "_get_param"))  # noqa: B009
    return read(name)


def _text(response: EKSResponse, name: str) -> str:
    value = _param(response, name)
    return value if isinstance(value, str) else ""


def _flag(response: EKSResponse, name: str) -> bool:
    return _param(response, name) is True


def _tag_associations_too() -> None:
    """moto only tags clusters."""
    tag, untag, tags_of = (
        EKSBackend.tag_resource,
        EKSBackend.untag_resource,
        EKSBackend.list_tags_for_resource,
    )

    def find(backend: EKSBackend, arn: str) -> Association | None:
        return next((found for found in associations(backend).values() if found.arn == arn), None)

    def keep(backend: EKSBackend, association: Association, tags: dict[str, str]) -> None:
        associations(backend)[association.association_id] = replace(association, tags=tags)

    def tag_resource(backend: EKSBackend, resource_arn: str, tags: dict[str, str]) -> None:
        if association := find(backend, resource_arn):
            keep(backend, association, {**association.tags, **tags})
        else:
            tag(backend, resource_arn, tags)

    def untag_resource(backend: EKSBackend, resource_arn: str, tag_keys: list[str]) -> None:
        if association := find(backend, resource_arn):
            left = {key: value for key, value in association.tags.items() if key not in tag_keys}
            keep(backend, association, left)
        else:
            untag(backend, resource_arn, tag_keys)

    def list_tags_for_resource(backend: EKSBackend, resource_arn: str) -> dict[str, str]:
        association = find(backend, resource_arn)
        return dict(association.tags) if association else tags_of(backend, resource_arn)

    for replacement in (tag_resource, untag_resource, list_tags_for_resource):
        patch.object(EKSBackend, replacement.__name__, replacement).start()
