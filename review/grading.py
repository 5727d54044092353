"""How bad a resource's change is, and why.

Harmless changes are listed: a change is SAFE or LOOK only if a rule below says so. All others are DANGEROUS:
rights, reach, secrets, data and identity are at stake until shown otherwise. The rotation of a credential is
LOOK; any other replacement of one is DANGEROUS (docs/operating.md).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from common.json_values import Json, record, records
from emulator.kubernetes import CONFIG_MAP_PATCH, NAMESPACE
from engine.run import MASK
from maestro_stack.database import RESTORED_FROM
from maestro_stack.names import BOOTSTRAP_CONFIG_MAP, BOOTSTRAP_NAMESPACE
from maestro_stack.support import leaving_support
from policies import types
from review.effects import ATTACHMENT, KUBERNETES_PROVIDER, PASSWORD
from review.model import Difference, Grade, Way
from review.permissions import DOCUMENTS, PermissionChange
from review.resources import (
    CONFIG_MAPS,
    FOLLOWS,
    LOST,
    NO_SECRET,
    OTHERWISE,
    ResourceChange,
    is_downgrade,
    is_known,
    is_minor_upgrade,
    top,
)
from review.snapshot import RANDOM_ID, Resource

UNSEEN = ("tags", "tagsAll", "description")
"""Inputs whose change no user of the region notices."""


@dataclass(frozen=True)
class Judgement:
    """A grade and its reason."""

    grade: Grade
    reason: str


UPGRADES = "Helm upgrades the release"
"""The reason for a release's change that consists of its objects' changes alone."""
_DANGEROUS, _LOOK, _SAFE = Grade.DANGEROUS, Grade.LOOK, Grade.SAFE
Rule = Callable[[Difference], Judgement]


def is_less(before: Json, after: Json) -> bool:
    """Whether a number shrinks."""
    return isinstance(before, int | float) and isinstance(after, int | float) and after < before


def is_more(before: Json, after: Json) -> bool:
    """Whether a number grows."""
    return is_less(after, before)


def looked_at(reason: str) -> Rule:
    """LOOK, whatever the values are."""
    return lambda _: Judgement(_LOOK, reason)


def dangerous(reason: str) -> Rule:
    """DANGEROUS, whatever the values are, with a better reason than that no rule knows it."""
    return lambda _: Judgement(_DANGEROUS, reason)


def looked_at_if(holds: Callable[[Json, Json], bool], reason: str, otherwise: str) -> Rule:
    """LOOK if `holds` is true of the two values, else DANGEROUS."""
    return lambda each: (
        Judgement(_LOOK, reason) if holds(each.before, each.after) else Judgement(_DANGEROUS, otherwise)
    )


def _becomes(wanted: Json) -> Callable[[Json, Json], bool]:
    return lambda _, after: after == wanted


def _engine_version(difference: Difference) -> Judgement:
    if is_downgrade(difference):
        return Judgement(_DANGEROUS, "RDS can't go back to an older version, so `up` fails")
    if is_minor_upgrade(difference):
        return Judgement(_LOOK, "another minor version restarts the database")
    upgrade = "a major upgrade takes the database offline, and can't be undone"
    return Judgement(_DANGEROUS, "; ".join(filter(None, (upgrade, _leaving(difference.after)))))


def leaving(resource: Resource) -> str | None:
    """A warning if a new database's version will soon leave RDS standard support; else None."""
    return _leaving(resource.inputs.get("engineVersion")) if resource.type == types.INSTANCE else None


def _leaving(version: Json) -> str | None:
    return leaving_support(str(version), datetime.now(UTC).date())


def _parameters(difference: Difference) -> Judgement:
    """Of the whole list, or of one parameter, which the path names."""

    def tls(parameters: Json) -> set[str]:
        found = (json.dumps(each, sort_keys=True) for each in records({"of": parameters}, "of"))
        return {each for each in found if "ssl" in each}

    if "ssl" in difference.path or tls(difference.before) != tls(difference.after):
        return Judgement(_DANGEROUS, "connections without TLS, or with a weaker one, may be accepted")
    return Judgement(_LOOK, "dynamic ones count at once, static ones after a restart")


def _password(difference: Difference) -> Judgement:
    if difference.note == OTHERWISE:
        return Judgement(_DANGEROUS, "it is made from something else, and may be easier to guess")
    return Judgement(_LOOK, "a rotation: new connections need the new password at once")


def _is_first(before: Json, after: Json) -> bool:
    return before is None and after is not None


_WINDOW = looked_at("RDS does its work at another time")
_COSTS = looked_at("its price changes")
_POD_SECURITY = 'metadata.labels."pod-security.kubernetes.io/'
_LEVELS = ("privileged", "baseline", "restricted")
"""Of Pod Security, each stricter than the one before. Kubernetes treats a missing one as the first."""


def _is_stricter(before: Json, after: Json) -> bool:
    levels = [_LEVELS.index(str(each)) if each in _LEVELS else 0 for each in (before, after)]
    return levels[1] >= levels[0]


_RUN_BY_THE_ENGINE: Mapping[str, str] = {
    "hooks": "the engine runs code of the program for it, which a rehearsal doesn't",
    "invokeTransforms": "code of the program may change every look-up, and only the engine runs it",
    "pluginDownloadURL": "another plugin runs with the deploy role",
    "transforms": "code of the program may change it or its children, and only the engine runs it",
    "version": "another plugin runs with the deploy role",
}
"""By option, why it is dangerous: only the engine acts on it."""
_ANY: Mapping[str, Rule] = {
    **{key: lambda _: Judgement(_SAFE, "nobody who uses the region notices it") for key in UNSEEN},
    "protect": looked_at_if(
        _becomes(wanted=True),
        "nothing in the program can delete or replace it by mistake",
        "a mistake in the program can now delete or replace it",
    ),
    "dependsOn": looked_at("the order in which it is made changes"),
    "urn": looked_at("its alias says that it is the same resource"),
    "options.aliases": looked_at("Pulumi looks for it under other names in the state"),
    "options.aliasURNs": looked_at("Pulumi looks for it under other names in the state"),
    "options.external": looked_at_if(
        _becomes(wanted=True),
        "it stays, and is only read from now on: its owner decides what happens to it",
        "it is to be created, and already exists",
    ),
    "options.customTimeouts": looked_at("how long Pulumi waits changes"),
    "options.ignoreChanges": looked_at("Pulumi will ignore changes of some settings"),
    "options.deleteBeforeReplace": looked_at("it matters when it is replaced"),
}
"""For every type. A rule covers a path and everything below it; the longest match wins."""

_RULES: Mapping[str, Mapping[str, Rule]] = {
    types.INSTANCE: {
        "allocatedStorage": looked_at_if(
            is_more,
            "more storage costs more, and can't be made smaller again",
            "RDS can't make storage smaller, so `up` fails",
        ),
        "applyImmediately": looked_at("it says when later changes are made"),
        "autoMinorVersionUpgrade": looked_at("automatic minor upgrades are switched on or off"),
        "backupRetentionPeriod": looked_at_if(
            is_more, "backups are kept longer", "older backups are deleted"
        ),
        "backupWindow": _WINDOW,
        "copyTagsToSnapshot": looked_at("whether snapshots carry tags changes"),
        "deleteAutomatedBackups": looked_at_if(
            _becomes(wanted=False), "backups outlive the database", "its backups go with the database"
        ),
        "deletionProtection": looked_at_if(
            _becomes(wanted=True), "RDS refuses to delete it", "RDS lets it be deleted"
        ),
        "enabledCloudwatchLogsExports": looked_at("other logs are kept"),
        "engineVersion": _engine_version,
        "finalSnapshotIdentifier": looked_at_if(
            lambda _, after: bool(after),
            "it matters when it is deleted",
            "no snapshot is taken when it is deleted",
        ),
        "identifier": dangerous("it gets another address, and restarts"),
        "instanceClass": looked_at("the price changes with the size, and the instance restarts"),
        "iops": _COSTS,
        "maintenanceWindow": _WINDOW,
        "maxAllocatedStorage": looked_at("the size up to which storage grows by itself changes"),
        "multiAz": looked_at_if(_becomes(wanted=True), "it gets a standby", "it no longer has a standby"),
        "options.ignoreChanges": looked_at(
            "a database that is there isn't restored again: docs/restore.md has the ways to get data back"
        ),
        "parameterGroupName": looked_at("it has other parameters: see its parameter group"),
        "password": _password,
        "publiclyAccessible": looked_at_if(
            _becomes(wanted=False), "it loses its public address", "it gets a public address"
        ),
        "skipFinalSnapshot": looked_at_if(
            _becomes(wanted=False), "it matters when it is deleted", "no snapshot is taken when it is deleted"
        ),
        "storageThroughput": _COSTS,
    },
    types.RELEASE: {
        "cleanupOnFail": looked_at("what a failed upgrade leaves behind changes"),
        "maxHistory": looked_at("how many revisions Helm keeps changes"),
        "timeout": looked_at("how long Helm waits for ready pods changes"),
        "values": looked_at(UPGRADES),
        "version": looked_at("the chart has another version"),
    },
    types.SECRET: {
        "recoveryWindowInDays": looked_at_if(
            is_more,
            "a deleted secret can be restored for longer",
            "a deleted secret is gone sooner",
        ),
        "kmsKeyId": looked_at_if(
            _is_first,
            "its values are re-encrypted with another key",
            "its values stay under the old key, which the pods may lose",
        ),
    },
    types.SECRET_VERSION: {"secretString": looked_at("the secret gets a new version")},
    types.SECURITY_GROUP: {"ingress": dangerous("others may reach the database")},
    types.LOG_GROUP: {
        "retentionInDays": looked_at_if(
            is_more, "log events are kept longer", "older log events are deleted"
        ),
    },
    types.PARAMETER_GROUP: {"parameters": _parameters},
    types.ROLE: {
        "permissionsBoundary": looked_at_if(
            _is_first,
            "the role can do no more than its boundary allows",
            "what limited the role's rights no longer does",
        ),
    },
    types.SUBNET_GROUP: {"subnetIds": dangerous("the database may be placed where others reach it")},
    NAMESPACE: {
        "metadata.labels": looked_at("what selects namespaces may select other ones"),
        "metadata.annotations": looked_at("its annotations change"),
        **{
            f'{_POD_SECURITY}{mode}"': looked_at_if(
                _is_stricter, "Kubernetes refuses more pods", "Kubernetes admits pods that it refused"
            )
            for mode in ("enforce", "audit", "warn")
        },
    },
    types.CONFIG_MAP: {"metadata.labels": looked_at("its labels change")},
    CONFIG_MAP_PATCH: {"metadata.labels": looked_at("its labels change")},
    KUBERNETES_PROVIDER: {
        "kubeconfig": dangerous("another cluster may be reached, or another server mistaken for it"),
        "context": dangerous("another cluster may be reached"),
    },
    PASSWORD.type: {
        "keepers": looked_at("a rotation: a new value is generated"),
        "length": looked_at_if(is_more, "the password is longer", "the password is shorter"),
        **{
            key: looked_at_if(
                lambda _, after: after is not False,
                "the password uses more kinds of characters",
                "the password uses fewer kinds of characters",
            )
            for key in ("lower", "numeric", "upper")
        },
    },
    RANDOM_ID: {
        "keepers": looked_at("a new value is generated"),
    },
}

# By type, what it means to lose a resource, by replacement or for good.
_LOSS: Mapping[str, str] = {
    types.INSTANCE: "the database's data is lost, except for its snapshots",
    types.BACKUP_REPLICATION: "its backups are in one region alone, and would be lost with it",
    types.SECRET: "every version of the secret is lost, and its name may be blocked for days",
    types.ROLE: "pods can't read their secrets until the new role is there",
    types.POD_IDENTITY: "pods that start meanwhile can't read their secrets",
    types.IOT_POLICY: "connected servers lose their rights on the broker",
    types.RELEASE: "the server is offline until its pods are ready again",
    types.CONFIG_MAP: "other owners' keys of the ConfigMap go with it",
    types.SECURITY_GROUP: "the database can't be reached while its rules are recreated",
    NAMESPACE: "everything in the namespace is deleted, other owners' objects too",
    KUBERNETES_PROVIDER: "everything in the cluster is recreated",
    types.CERTIFICATE: "connected servers are cut off",
    types.LOG_GROUP: "its log events are lost",
    types.INGRESS_RULE: "those it admits can no longer reach the database",
}
_MADE_ANEW: Mapping[str, str] = {
    types.SECRET_VERSION: "the secret gets a new version, and keeps the old one for a while",
    types.BACKUP_REPLICATION: "it starts again; what was copied is kept until it expires",
    types.PARAMETER_GROUP: "it is recreated",
    types.SUBNET_GROUP: "it is recreated",
    types.ROLE_POLICY: "it is recreated",
    ATTACHMENT.type: "it is recreated",
    RANDOM_ID: "a new value is generated",
}
"""Types that hold nothing that a replacement would lose."""
_NEW: Mapping[str, str] = {
    types.CONFIG_MAP: "it is new",
    CONFIG_MAP_PATCH: "it is new",
    types.PARAMETER_GROUP: "it is new",
    types.INSTANCE: "it is new, and empty",
    types.LOG_GROUP: "it is new, and its cost depends on what is logged",
    types.BACKUP_REPLICATION: "the backups are copied to another region, which costs money",
}
"""Types of which a new resource admits nobody, holds nothing and runs nothing."""


_BEFORE_THE_OLD = "it is created before the old cluster's is deleted"
_MOVED: Mapping[str, str] = {
    types.INGRESS_RULE: "the new cluster is admitted before the old one is shut out",
    types.SECRET: "the new one holds the same; if the old one is protected, docs/move.md says what to do",
    types.CONFIG_MAP: f"{_BEFORE_THE_OLD}, with what others keep in it",
    NAMESPACE: f"{_BEFORE_THE_OLD}, with what others keep in it",
}


def judged(
    change: ResourceChange, permissions: PermissionChange | None, among: Mapping[str, ResourceChange]
) -> Judgement:
    """The grade of a resource's change `among` all, by subject."""
    if reason := _whatever_else(change, permissions):
        return Judgement(_DANGEROUS, reason)
    by_generation = _BY_GENERATION.get(change.resource.type)
    if by_generation and change.way in (Way.CREATED, Way.DELETED):
        return by_generation(change, among)
    if change.way is Way.CREATED:
        return _created(change)
    if change.way in (Way.REPLACED, Way.DELETED):
        return _lost(change)
    found = [*_of_inputs(change, permissions)]
    if change.way is Way.MOVED:
        found.append(Judgement(_LOOK, _MOVED.get(change.resource.type, _BEFORE_THE_OLD)))
    grade = max(each.grade for each in found)
    return Judgement(grade, "; ".join(dict.fromkeys(each.reason for each in found if each.grade is grade)))


def _whatever_else(change: ResourceChange, permissions: PermissionChange | None) -> str:
    """Why it is dangerous whatever else happens to it; empty if it isn't."""
    if permissions is not None and (permissions.gained or permissions.unread):
        return "it allows more than before" if permissions.gained else permissions.unread
    told = {each.path for each in change.differences if each.after is not None}
    if change.way is Way.CREATED and isinstance(change.resource.options, dict):
        told = {f"options.{option}" for option in change.resource.options}
    found = (reason for option, reason in _RUN_BY_THE_ENGINE.items() for path in told
             if f"{path}.".startswith(f"options.{option}."))  # fmt: skip
    return next(found, "")


def _created(change: ResourceChange) -> Judgement:
    type_ = change.resource.type
    if reason := _why_not_to_be(change.resource):
        return Judgement(_DANGEROUS, reason)
    if type_.startswith("random:"):
        return Judgement(_SAFE, "its value is in Pulumi's state alone")
    if type_ == types.INSTANCE and not change.resource.inputs.keys().isdisjoint(RESTORED_FROM):
        return Judgement(_LOOK, "it is new, and made from a backup: see that it is the right one")
    if type_ in _NEW:
        return Judgement(_LOOK, _NEW[type_])
    said = "it is new, and not known to be harmless"
    return Judgement(_DANGEROUS, said if is_known(type_) else "it is new, and its type is unknown")


def _why_not_to_be(new: Resource) -> str | None:
    """Why a new resource of a type that may be harmless isn't; None if it may be."""
    if new.type == types.INGRESS_RULE:
        return "more can reach the database than before"
    metadata = record(new.inputs, "metadata")
    named = metadata.get("namespace"), metadata.get("name")
    if new.type in CONFIG_MAPS and named != (BOOTSTRAP_NAMESPACE, BOOTSTRAP_CONFIG_MAP):
        return "others in the cluster may act on what it says"
    return leaving(new)


def _of_attachment(change: ResourceChange, among: Mapping[str, ResourceChange]) -> Judgement:
    """Judged as its certificate is, if it comes and goes with that; otherwise as any other resource."""
    needed = [among[subject] for subject in sorted(change.resource.needs) if subject in among]
    if len(needed) == 1 and any(subject.startswith(types.IOT_POLICY) for subject in change.resource.needs):
        (certificate,) = needed
        if certificate.resource.type == types.CERTIFICATE and certificate.way is change.way:
            return _of_certificate(certificate, among)
    return _created(change) if change.way is Way.CREATED else _lost(change)


def _of_certificate(change: ResourceChange, among: Mapping[str, ResourceChange]) -> Judgement:
    """A generation of the server's certificate that is created or deleted (docs/operating.md)."""
    subject = change.resource.subject
    secrets = [each for each in among.values() if each.resource.type == types.SECRET_VERSION]
    if change.way is Way.CREATED:
        if any(subject in each.resource.needs for each in secrets):
            return Judgement(_LOOK, "the server gets a new certificate")
        return Judgement(_DANGEROUS, "it may connect as the server, and nothing uses it: it was never in use")
    if not any(each.before is not None and subject in each.before.needs for each in secrets):
        return Judgement(_LOOK, "it was kept until all pods have the new one: see that they do")
    if any(each.resource.type == types.RELEASE and each.way is Way.UPDATED for each in among.values()):
        return Judgement(_LOOK, "a rotation: the old certificate goes when all pods use the new one")
    wait = "nothing waits until they have the new one: keep it meanwhile with rotation.keepCertificate"
    return Judgement(_DANGEROUS, f"{_LOSS[types.CERTIFICATE]}, and {wait}")


_BY_GENERATION: Mapping[str, Callable[[ResourceChange, Mapping[str, ResourceChange]], Judgement]] = {
    types.CERTIFICATE: _of_certificate,
    ATTACHMENT.type: _of_attachment,
}


def _lost(change: ResourceChange) -> Judgement:
    type_ = change.resource.type
    if change.way is Way.REPLACED and LOST not in change.replaced_by:
        if type_ == types.BACKUP_REPLICATION and any(map(_keeps_shorter, change.differences)):
            return Judgement(_DANGEROUS, "older copies of its backups are deleted")
        if type_ in _MADE_ANEW:
            another = type_ == types.SECRET_VERSION and "secretId" in change.replaced_by
            return Judgement(_LOOK, "it belongs to another secret" if another else _MADE_ANEW[type_])
        if type_ == PASSWORD.type:
            return max(_of_inputs(change, None), key=lambda each: each.grade)
    if type_ == types.PARAMETER_GROUP and LOST not in change.replaced_by:
        return Judgement(_LOOK, "no database uses it any more, or RDS refuses")
    if type_.startswith("random:") and change.way is Way.DELETED:
        return Judgement(_LOOK, "its value is in Pulumi's state alone, and no longer used")
    unknown = "its type is unknown, and so is what is lost with it"
    return Judgement(_DANGEROUS, _LOSS.get(type_, "it goes away" if is_known(type_) else unknown))


def _keeps_shorter(difference: Difference) -> bool:
    return difference.path == "retentionPeriod" and is_less(difference.before, difference.after)


def _of_inputs(change: ResourceChange, permissions: PermissionChange | None) -> Iterator[Judgement]:
    """How bad each difference is."""
    own = _RULES.get(change.resource.type, {})
    if permissions is not None:
        yield Judgement(_LOOK, "it allows less than before")
    for difference in change.differences:
        if permissions is not None and top(difference.path) == DOCUMENTS[change.resource.type]:
            continue  # reported as permissions
        if difference.note == NO_SECRET:
            yield Judgement(_DANGEROUS, NO_SECRET)
            continue
        if difference.before == MASK != difference.after:
            yield Judgement(_DANGEROUS, "it was a secret, and is now visible")
            continue
        if difference.note == FOLLOWS:
            yield Judgement(_LOOK, "it follows what it refers to")
            continue
        yield rule_of(difference.path, own, _ANY)(difference)


def rule_of(path: str, *tables: Mapping[str, Rule]) -> Rule:
    """The rule for a path: that of the longest path above it, in the first table that has one."""
    for table in tables:
        above = [key for key in table if path == key or path.startswith((f"{key}.", f"{key}["))]
        if above:
            return table[max(above, key=len)]
    return dangerous("it isn't known to be harmless")
