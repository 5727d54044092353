"""How bad a resource's change is, and why: the rules of a careful colleague, by type.

What is DANGEROUS: data or availability at risk, access widened, protection weakened. A credential that is
rotated is looked at; one that is replaced otherwise is dangerous (docs/rotation.md).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from common.json_values import Json, records
from emulator.kubernetes import NAMESPACE
from maestro_stack.support import leaving_support
from policies import types
from policies.rules.encryption import FORCE_SSL
from review.effects import KUBERNETES_PROVIDER
from review.model import Grade, Way
from review.permissions import PermissionChange
from review.resources import BY_TRIGGER, ResourceChange, is_downgrade, is_known, is_minor_upgrade, top
from review.snapshot import Resource

SECRET_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"  # noqa: S105 a type's name
UNSEEN = frozenset({"tags", "tagsAll", "description"})
"""Inputs of which no user of the region notices anything."""


@dataclass(frozen=True)
class Judgement:
    """A grade and its reason."""

    grade: Grade
    reason: str


_DANGEROUS, _LOOK, _SAFE = Grade.DANGEROUS, Grade.LOOK, Grade.SAFE

# What it means that a resource of a type goes away, by replacement or for good.
_LOSS: Mapping[str, str] = {
    types.INSTANCE: "the database's data is lost but for its snapshots",
    types.SECRET: "every version of the secret is lost, and its name may be blocked for days",
    types.ROLE: "pods can't read their secrets until the new role is there",
    types.POD_IDENTITY: "pods that start meanwhile can't read their secrets",
    types.IOT_POLICY: "connected servers lose their rights on the broker",
    types.RELEASE: "the server is away until its pods are ready again",
    types.CONFIG_MAP: "other owners' keys of the ConfigMap go with it",
    types.SECURITY_GROUP: "the database can't be reached while its rules are made anew",
    NAMESPACE: "everything in the namespace is deleted, other owners' objects too",
    KUBERNETES_PROVIDER: "everything in the cluster is made anew",
    types.CERTIFICATE: "connected servers are cut off",
    types.LOG_GROUP: "its log events are lost",
    types.INGRESS_RULE: "those whom it admits can't reach the database any more",
}


def is_less(before: Json, after: Json) -> bool:
    """Whether a number shrinks."""
    return isinstance(before, int | float) and isinstance(after, int | float) and after < before


def _off(old: Json, new: Json) -> bool:
    return old is True and new is not True


def _on(old: Json, new: Json) -> bool:
    return old is not True and new is True


def _had(old: Json, new: Json) -> bool:
    return bool(old) and old != new


def _forces_tls_no_more(old: Json, new: Json) -> bool:
    def forces(parameters: Json) -> bool:
        found = records({"of": parameters}, "of")
        return any(each.get("name") == FORCE_SSL and each.get("value") == "1" for each in found)

    return forces(old) and not forces(new)


def _other(old: Json, new: Json) -> bool:
    return old != new


# What it means that a value changes, by type and input, where it weakens nothing.
_MEANS: Mapping[tuple[str, str], str] = {
    ("", "dependsOn"): "it is made in another order",
    ("", "options"): "Pulumi will treat it otherwise",
    ("", "urn"): "its aliases say that it is the same resource; the real preview says whether they hold",
    (types.INSTANCE, "allocatedStorage"): "more storage costs more, and can't be made smaller again",
    (types.INSTANCE, "engineVersion"): "another minor version restarts the database",
    (types.INSTANCE, "instanceClass"): "another size has another price, and the instance restarts",
    (types.INSTANCE, "password"): "a rotation: new connections need the new password at once",
    (types.PARAMETER_GROUP, "parameters"): "dynamic ones count at once, static ones after a restart",
    (types.ROLE, "permissionsBoundary"): "the role can do no more than its boundary allows",
    (types.SECRET, "kmsKeyId"): "its values are encrypted anew, with another key",
    (types.RELEASE, "timeout"): "Helm waits for ready pods for another time",
    (types.RELEASE, "values"): "Helm upgrades the release: what its objects become is told with them",
    (types.SECRET, "recoveryWindowInDays"): "it matters when the secret is deleted",
}

# Values that weaken something, by type and input.
_WEAKENS: Mapping[tuple[str, str], tuple[Callable[[Json, Json], bool], str]] = {
    (types.INSTANCE, "allocatedStorage"): (is_less, "RDS can't make storage smaller, so `up` fails"),
    (types.INSTANCE, "backupRetentionPeriod"): (is_less, "older backups are deleted"),
    (types.INSTANCE, "deletionProtection"): (_off, "RDS lets it be deleted"),
    (types.INSTANCE, "engineVersion"): (
        _other,
        "a major upgrade takes the database away, and can't be undone",
    ),
    (types.INSTANCE, "identifier"): (_other, "it gets another address, and restarts"),
    (types.INSTANCE, "multiAz"): (_off, "there is no standby any more"),
    (types.INSTANCE, "publiclyAccessible"): (_on, "it gets a public address"),
    (types.INSTANCE, "skipFinalSnapshot"): (_on, "no snapshot is taken when it is deleted"),
    (types.LOG_GROUP, "retentionInDays"): (is_less, "older log events are deleted"),
    (types.PARAMETER_GROUP, "parameters"): (_forces_tls_no_more, "connections without TLS may be accepted"),
    (types.ROLE, "permissionsBoundary"): (_had, "what limited the role's rights no longer does"),
    (types.SECRET, "kmsKeyId"): (_had, "its values stay under the old key, which the pods may lose"),
    (types.ROLE, "assumeRolePolicy"): (_other, "others may take the role, or its pods no longer"),
}


def judged(change: ResourceChange, permissions: PermissionChange | None) -> Judgement:
    """The grade of a resource's change."""
    if permissions is not None and permissions.gained:
        return Judgement(_DANGEROUS, "it allows more than before")
    if permissions is not None and permissions.unread:
        return Judgement(_DANGEROUS, permissions.unread)
    if change.way is Way.CREATED:
        return _created(change)
    if (change.resource.type, change.way) == (types.PARAMETER_GROUP, Way.DELETED):
        return Judgement(_LOOK, "no database uses it any more, or RDS refuses")
    if change.way in (Way.REPLACED, Way.DELETED):
        return _lost(change)
    return _updated(change)


def leaving(resource: Resource) -> str | None:
    """What there is to say of the version of a new database, where RDS doesn't support it much longer."""
    if resource.type != types.INSTANCE:
        return None
    return leaving_support(str(resource.inputs.get("engineVersion")), datetime.now(UTC).date())


def _created(change: ResourceChange) -> Judgement:
    if soon := leaving(change.resource):
        return Judgement(_DANGEROUS, soon)
    if change.resource.type == types.INGRESS_RULE:
        return Judgement(_DANGEROUS, "more can reach the database than before")
    if change.resource.type.startswith("random:"):
        return Judgement(_SAFE, "it is a value in Pulumi's state alone")
    known = is_known(change.resource.type)
    return Judgement(_LOOK, "it is new" if known else "it is new, and nothing here knows its type")


def _lost(change: ResourceChange) -> Judgement:
    type_ = change.resource.type
    if type_ == types.CERTIFICATE and change.way is Way.REPLACED and _is_rotation(change):
        return Judgement(_LOOK, "a rotation: the old certificate goes when all pods use the new one")
    if type_ in _LOSS:
        return Judgement(_DANGEROUS, _LOSS[type_])
    if type_ == SECRET_VERSION and change.way is Way.REPLACED:
        keeps = "the secret gets a new version, and keeps the old one for a while"
        return Judgement(_LOOK, "its secret is another" if "secretId" in change.replaced_by else keeps)
    if type_.startswith("random:"):
        unused = "what it made is in Pulumi's state alone, and no longer used"
        return Judgement(_LOOK, unused if change.way is Way.DELETED else "what it makes is made anew")
    if change.way is Way.DELETED or not is_known(type_):
        unknown = "nothing here knows its type, nor what is lost with it"
        return Judgement(_DANGEROUS, "it goes away" if is_known(type_) else unknown)
    return Judgement(_LOOK, "it is made anew")


def _is_rotation(change: ResourceChange) -> bool:
    return change.replaced_by == (BY_TRIGGER,)


def _updated(change: ResourceChange) -> Judgement:
    type_ = change.resource.type
    for difference in change.differences:
        if difference.path == "protect" and difference.after is not True:
            return Judgement(_DANGEROUS, "a mistake in the program can now delete or replace it")
        weakens = _WEAKENS.get((type_, top(difference.path)))
        if type_ == types.INSTANCE and is_downgrade(difference):
            return Judgement(_DANGEROUS, "RDS can't go back to an older version, so `up` fails")
        if type_ == types.INSTANCE and is_minor_upgrade(difference):
            continue
        if weakens and difference.note == "" and weakens[0](difference.before, difference.after):
            soon = leaving(change.resource) if top(difference.path) == "engineVersion" else None
            return Judgement(_DANGEROUS, "; ".join(filter(None, (weakens[1], soon))))
    touched = {top(difference.path) for difference in change.differences}
    if touched <= UNSEEN:
        return Judgement(_SAFE, "nobody who uses the region notices it")
    means = [why for key in sorted(touched) if (why := _MEANS.get((type_, key)) or _MEANS.get(("", key)))]
    return Judgement(_LOOK, "; ".join(means) or "it is changed, and stays the same resource")
