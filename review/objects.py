"""What happens to the release's Kubernetes objects, with grades, and why the server's pods roll.

As for resources, harmless changes are listed, and whatever no rule names is dangerous.
Source: Kubernetes API reference; "Pod Security Standards".
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from common.json_values import Json, flag, record, records, texts
from policies import types
from review import manifests, reach
from review.grading import (
    Judgement,
    Rule,
    dangerous,
    is_less,
    looked_at,
    looked_at_if,
    rule_of,
)
from review.manifests import ObjectChange
from review.model import Change, Difference, Grade, Part, Way
from review.resources import ResourceChange
from review.snapshot import AGAIN, Snapshot

_LOOK, _DANGEROUS = Grade.LOOK, Grade.DANGEROUS
_PODS_OF = re.compile(r"(?:^|.*\.)template\.(?P<path>(?:spec|metadata)\b.*)")
_NAME = re.compile(r"\[[^\]]*\]")
_IS_IT: dict[str, tuple[Json, ...]] = {
    "allowPrivilegeEscalation": (False,),
    "privileged": (False, None),
    "readOnlyRootFilesystem": (True,),
    "runAsNonRoot": (True,),
    "hostNetwork": (False, None),
    "hostPID": (False, None),
    "hostIPC": (False, None),
    "automountServiceAccountToken": (False,),
    "type": ("RuntimeDefault",),
    "seccompProfile": ({"type": "RuntimeDefault"},),
}
"""By field of pods and containers, the strictest values."""


def _strict(difference: Difference) -> Judgement:
    """A field of a security context; of one that is added as a whole, every key is judged."""
    field = difference.path.rpartition(".")[2]
    if field == "securityContext" and isinstance(difference.after, dict) and difference.before is None:
        inner = (
            _strict(Difference(path=f"{difference.path}.{key}", before=None, after=value))
            for key, value in difference.after.items()
        )
        return max(inner, key=lambda each: each.grade, default=Judgement(_LOOK, "nothing is in it"))
    if field == "capabilities" and isinstance(difference.after, dict) and difference.before is None:
        adds = texts(difference.after, "add")
        return _STRICTER if not adds else _LOOSER
    if field == "drop":
        return _STRICTER if {*_texts(difference.before)} <= {*_texts(difference.after)} else _LOOSER
    if field == "add":
        return _STRICTER if {*_texts(difference.after)} <= {*_texts(difference.before)} else _LOOSER
    return _STRICTER if difference.after in _IS_IT.get(field, ()) else _LOOSER


_STRICTER = Judgement(_LOOK, "the pods may do less on their nodes")
_LOOSER = Judgement(_DANGEROUS, "what the pods may do on their nodes changes")


def _texts(value: Json) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _volume(difference: Difference) -> Judgement:
    new = difference.after if difference.before is None else None
    if isinstance(new, dict) and new.keys() <= {"name", "emptyDir", "configMap", "downwardAPI"}:
        return Judgement(_LOOK, "the pods get a volume that holds nothing of the node or of others")
    return Judgement(_DANGEROUS, "the pods can access other files")


def _container(difference: Difference) -> Judgement:
    """An additional container: what it may do, and what it can access."""
    new = difference.after
    if difference.before is not None or not isinstance(new, dict):
        return Judgement(_DANGEROUS, "what a container did for the server ends")
    context = record(new, "securityContext")
    is_restricted = (
        context.get("allowPrivilegeEscalation") is False
        and "ALL" in texts(record(context, "capabilities"), "drop")
        and not texts(record(context, "capabilities"), "add")
        and not flag(context, "privileged")
        and context.get("runAsUser") != 0
        and context.get("runAsNonRoot") is not False
    )
    gets_at = [
        *records(new, "volumeMounts"),
        *(each for each in records(new, "env") if "valueFrom" in each),
        *records(new, "envFrom"),
    ]
    if is_restricted and not gets_at:
        return Judgement(_LOOK, "another container runs beside the server, restricted, and without its files")
    return Judgement(_DANGEROUS, "another container runs beside the server, with access beyond its own")


def _fewer(before: Json, after: Json) -> bool:
    return not is_less(1 if before is None else before, 1 if after is None else after)


def _repository(image: Json) -> str:
    name = str(image).partition("@")[0]
    return name if ":" not in name.rpartition("/")[2] else name.rpartition(":")[0]


def _is_new(before: Json, after: Json) -> bool:
    return before is None and after is not None


_RESTARTS = looked_at("the pods run differently")
_PLACED = looked_at("the pods run on other nodes")
_READY = looked_at("when pods count as ready, or are restarted, changes")
_ANNOTATED = looked_at("its annotations change")
_OURS = ("checksum", "secret-version", "prometheus.io", "meta.helm.sh")
"""Domains of annotations that only this project, or a metrics scrape, reads."""


def _annotation(difference: Difference) -> Judgement:
    """Programs in a cluster act on annotations: only those known to trigger nothing are harmless."""
    if {*_domains(difference)} <= {"", *_OURS}:
        return _ANNOTATED(difference)
    return Judgement(_DANGEROUS, "programs in the cluster act on such annotations")


def _note(difference: Difference) -> Judgement:
    """An annotation of an object on which no program but Helm acts."""
    if "helm.sh" in _domains(difference):
        return Judgement(_DANGEROUS, "Helm installs it at another time, or not at all")
    return _ANNOTATED(difference)


def _domains(difference: Difference) -> Iterator[str]:
    """Of the annotations that differ, the part before the slash; empty if there is none."""
    keys = re.findall(r'annotations\."?([^"/]*/?)', difference.path)
    both = [side for side in (difference.before, difference.after) if isinstance(side, dict)]
    for key in keys or [key for side in both for key in side]:
        yield key.partition("/")[0] if "/" in key else ""


def _probe(difference: Difference) -> Judgement:
    """A probe may run a command in the container, or ask another host."""
    asked = f"{difference.path} {json.dumps(difference.after)}"
    if re.search(r'\.(exec|host)\b|"(exec|host)":', asked):
        return Judgement(_DANGEROUS, "the probe runs a command, or asks another host")
    return _READY(difference)


_POD: Mapping[str, Rule] = {
    "metadata.annotations": _annotation,
    "metadata.labels": looked_at_if(
        _is_new, "the pods carry another label", "what selects the pods by it may no longer, or others may"
    ),
    "spec.affinity": _PLACED,
    "spec.automountServiceAccountToken": _strict,
    "spec.containers[].args[--db-max-open-connections]": _RESTARTS,
    "spec.containers[].args[--http-read-timeout]": _RESTARTS,
    "spec.containers[].args[--http-write-timeout]": _RESTARTS,
    "spec.containers[].args[-v]": _RESTARTS,
    "spec.containers[].image": looked_at_if(
        lambda before, after: _repository(before) == _repository(after),
        "another build of the image runs",
        "another image runs, from another repository",
    ),
    "spec.containers[].imagePullPolicy": _RESTARTS,
    "spec.containers[].livenessProbe": _probe,
    "spec.containers[].readinessProbe": _probe,
    "spec.containers[].resources": _PLACED,
    "spec.containers[].securityContext": _strict,
    "spec.containers[].startupProbe": _probe,
    "spec.enableServiceLinks": looked_at("whether the pods' environment names Services changes"),
    "spec.hostIPC": _strict,
    "spec.hostNetwork": _strict,
    "spec.hostPID": _strict,
    "spec.imagePullSecrets": _RESTARTS,
    "spec.nodeSelector": looked_at_if(
        lambda _, after: after is not None,
        "the pods run on other nodes",
        "pods may run on nodes that the image wasn't built for",
    ),
    "spec.priorityClassName": _PLACED,
    "spec.securityContext": _strict,
    "spec.setHostnameAsFQDN": _RESTARTS,
    "spec.terminationGracePeriodSeconds": _RESTARTS,
    "spec.tolerations": _PLACED,
    "spec.topologySpreadConstraints": _PLACED,
}
"""For pods, in the template of whatever creates them; init containers follow the rules for containers."""
_ITEMS: Mapping[str, Rule] = {"spec.containers[]": _container, "spec.volumes[]": _volume}
"""For what is added to a pod, or removed, as a whole."""


_LABELS = looked_at("its labels change")
_RULES: Mapping[str, Mapping[str, Rule]] = {
    "ConfigMap": {
        "metadata.annotations": _note,
        "data": dangerous("what the server reads, and whom it trusts, changes"),
    },
    "Deployment": {
        "metadata.annotations": _note,
        "spec.minReadySeconds": _READY,
        "spec.progressDeadlineSeconds": _READY,
        "spec.replicas": looked_at_if(_fewer, "more pods run", "fewer pods are left when one fails"),
        "spec.revisionHistoryLimit": looked_at("how many revisions are kept changes"),
        "spec.selector": dangerous("a Deployment's selector can't be changed, so the upgrade fails"),
        "spec.strategy": dangerous("how many pods may be offline during an update changes"),
    },
    "NetworkPolicy": {"metadata.annotations": _note},
    "PodDisruptionBudget": {
        "metadata.annotations": _note,
        "spec.maxUnavailable": dangerous("how many pods may be evicted at once changes"),
        "spec.minAvailable": dangerous("how many pods may be evicted at once changes"),
        "spec.selector": dangerous("the pods may be evicted all at once"),
    },
    "SecretProviderClass": {
        "metadata.annotations": _note,
        "spec.parameters.objects": looked_at("the check `mount` says what the pods get"),
        "spec.parameters.preferredAddressType": looked_at("the check `mount` says what the pods get"),
        "spec.parameters.region": looked_at("the check `mount` says what the pods get"),
    },
    "Service": {
        "spec.selector": dangerous("other pods answer for the server, or none"),
        "spec.ports": dangerous("clients reach something else, or nothing"),
        "spec.type": looked_at_if(
            lambda _, after: after in (None, "ClusterIP"),
            "it can only be reached from inside the cluster",
            "the server may be reached from outside the cluster",
        ),
        "spec.ports[].appProtocol": looked_at("proxies speak another protocol to it"),
    },
    "ServiceAccount": {"automountServiceAccountToken": _strict},
}
_ANY: Mapping[str, Rule] = {"metadata.labels": _LABELS, "metadata.annotations": _annotation}
_NEW: Mapping[str, str] = {
    "ConfigMap": "it is new; nothing that was there reads it",
    "PodDisruptionBudget": "fewer pods may be evicted at once",
}
"""Kinds of which a new object admits nobody and runs nothing."""
_RIGHTS_IN_THE_CLUSTER = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"})
_DANGERS: Mapping[str, str] = {
    **dict.fromkeys(_RIGHTS_IN_THE_CLUSTER, "rights in the cluster change"),
    "Service": "the server may be reached in another way",
    "Ingress": "the server may be reached from outside the cluster",
    "Job": "it runs in the cluster",
    "CronJob": "it runs in the cluster",
    "MutatingWebhookConfiguration": "it changes what others apply to the cluster",
    "ValidatingWebhookConfiguration": "it decides what others may apply to the cluster",
    "CustomResourceDefinition": "the whole cluster gets a new kind of object",
    "NetworkPolicy": "others may reach the server, or it may no longer be reached",
}


def why_pods_roll(before: Snapshot, after: Snapshot, found: Mapping[str, ResourceChange]) -> list[str]:
    """Why all of the server's pods are replaced; empty if they aren't."""
    if _is_replaced(found):
        return ["their release is replaced"]
    if _is_moved(found):
        return ["they move to another cluster"]
    reasons = manifests.why_pods_roll(before, after)
    for subject, change in found.items():
        if change.resource.type == types.SECRET_VERSION and change.way is Way.REPLACED:
            annotation = manifests.annotated_with(after, subject)
            if annotation:
                reasons.append(manifests.EXPLAINED.get(annotation, f"{annotation} changes"))
    return list(dict.fromkeys(reasons))


def told(
    differing: Iterable[ObjectChange],
    before: Snapshot,
    after: Snapshot,
    found: Mapping[str, ResourceChange],
    reasons: list[str],
) -> Iterator[Change]:
    """The change of every object that differs; `reasons` say why the pods roll."""
    replaced, moved = _is_replaced(found), _is_moved(found)
    for change in differing:
        judgement, admitted = _judged(change, before, after, reasons, is_replaced=replaced)
        anew = Way.REPLACED if replaced else Way.MOVED if moved else Way.UPDATED
        way = anew if change.way is Way.UPDATED else change.way
        rolls = change.subject == manifests.DEPLOYMENT and reasons and anew is Way.UPDATED and not change.only
        where = f" {', '.join(change.only)}" if change.only else ""
        yield Change(
            part=Part.OBJECT,
            subject=change.subject,
            way=way,
            sentence=f"{change.subject} is {way.value}{where}",
            effect="rolling restart" if rolls else "",
            grade=judgement.grade,
            reason=judgement.reason,
            differences=(*admitted, *change.differences),
        )


def _is_replaced(found: Mapping[str, ResourceChange]) -> bool:
    return any(
        change.resource.type == types.RELEASE and change.way is Way.REPLACED for change in found.values()
    )


def _is_moved(found: Mapping[str, ResourceChange]) -> bool:
    return any(change.resource.type == types.RELEASE and change.way is Way.MOVED for change in found.values())


def _judged(
    change: ObjectChange, before: Snapshot, after: Snapshot, reasons: list[str], *, is_replaced: bool
) -> tuple[Judgement, tuple[Difference, ...]]:
    """A judgement and, for a NetworkPolicy, what it admits in addition or no longer."""
    if change.way is Way.CREATED:
        return _created(change), ()
    if change.way is Way.DELETED:
        return Judgement(_DANGEROUS, "what it does for the server ends"), ()
    if change.kind == "NetworkPolicy":
        return _reaching(change, before, after)
    rules = _RULES.get(change.kind, {})
    judged = [
        Judgement(_LOOK, "its release is replaced") if is_replaced and path == "spec.selector" else rule(each)
        for each in change.differences
        for path, rule in [_rule(each.path, rules, _DANGERS.get(change.kind))]
    ]
    worst = max(judged, key=lambda each: each.grade)
    if worst.grade is _LOOK and is_replaced:
        return Judgement(_LOOK, "its release is replaced"), ()
    if worst.grade is _LOOK and change.subject == manifests.DEPLOYMENT and reasons and not change.only:
        return Judgement(_LOOK, f"pods roll because {'; '.join(reasons)}"), ()
    return worst, ()


def _rule(path: str, rules: Mapping[str, Rule], danger: str | None) -> tuple[str, Rule]:
    pod = _PODS_OF.fullmatch(path)
    if pod:
        inner = pod["path"].replace("spec.initContainers[", "spec.containers[")
        generic = _NAME.sub("[]", inner, count=1)
        return path, _ITEMS.get(generic) or rule_of(generic, _POD)
    generic = _NAME.sub("[]", path)
    known = {*rules, *_ANY}
    if danger and not any(generic == key or generic.startswith((f"{key}.", f"{key}[")) for key in known):
        return path, dangerous(danger)
    return path, rule_of(generic, rules, _ANY)


def _created(change: ObjectChange) -> Judgement:
    """A new object, judged by what it is."""
    if change.subject.endswith(AGAIN):
        return Judgement(_DANGEROUS, "it replaces another object of the same name, or Helm refuses it")
    judged = _of_its_kind(change)
    if judged.grade is _LOOK and "/" in change.subject.partition(" ")[2]:
        return Judgement(_DANGEROUS, "it is in a namespace that isn't the server's")
    return judged


def _of_its_kind(change: ObjectChange) -> Judgement:
    new = change.after or {}
    annotations = record(record(new, "metadata"), "annotations")
    if any(key.startswith("helm.sh/hook") for key in annotations):
        return Judgement(_DANGEROUS, "Helm runs it before or after the release, with the deployer's rights")
    if change.kind in _NEW:
        return Judgement(_LOOK, _NEW[change.kind])
    if change.kind == "ServiceAccount" and not annotations:
        return Judgement(_LOOK, "it is new, and has no rights of its own")
    if change.kind == "NetworkPolicy" and reach.admitted(new, {}) == frozenset():
        return Judgement(_LOOK, "fewer can reach its pods")
    return Judgement(_DANGEROUS, _DANGERS.get(change.kind, "it is new, and not known to be harmless"))


def _reaching(
    change: ObjectChange, before: Snapshot, after: Snapshot
) -> tuple[Judgement, tuple[Difference, ...]]:
    old, new = (
        reach.admitted(side or {}, manifests.ports(snapshot.objects))
        for side, snapshot in ((change.before, before), (change.after, after))
    )
    selectors = [record(record(side or {}, "spec"), "podSelector") for side in (change.before, change.after)]
    if old is None or new is None or selectors[0] != selectors[1]:
        return Judgement(_DANGEROUS, _DANGERS["NetworkPolicy"]), ()
    gained = sorted(str(each) for each in new if not any(each.within(other) for other in old))
    lost = sorted(str(each) for each in old if not any(each.within(other) for other in new))
    shown = (
        *(Difference(path="admits", before=None, after=each) for each in gained),
        *(Difference(path="no longer admits", before=each, after=None) for each in lost),
    )
    if gained:
        return Judgement(_DANGEROUS, "others may reach the server, or it may reach others"), shown
    if lost:
        return Judgement(_LOOK, "fewer may reach the server, or be reached by it"), shown
    rest = [each for each in change.differences if not each.path.startswith("spec")]
    judged = [rule_of(each.path, _RULES["NetworkPolicy"], _ANY)(each) for each in rest]
    same = Judgement(_LOOK, "who may reach what stays the same")
    return max([same, *judged], key=lambda each: each.grade), shown
