"""What happens to the release's Kubernetes objects, told and graded, and why the server's pods roll."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from policies import types
from review import manifests
from review.grading import SECRET_VERSION, Judgement, is_less
from review.model import Change, Difference, Grade, Part, Way
from review.resources import ResourceChange
from review.snapshot import Snapshot


@dataclass(frozen=True, kw_only=True)
class _Danger:
    """A field whose change is dangerous."""

    kind: str
    holds: Callable[[Difference], bool]
    reason: str
    in_place: bool = False
    """Whether it is dangerous only where the object is kept."""


def _at(*paths: str) -> Callable[[Difference], bool]:
    return lambda difference: difference.path.startswith(paths)


def _within(*fields: str) -> Callable[[Difference], bool]:
    return lambda difference: any(field in difference.path for field in fields)


_SELECTOR = "spec.template.spec.nodeSelector"
# Source: Kubernetes API reference.
_DANGERS = (
    _Danger(
        kind="Deployment",
        holds=lambda each: each.path == "spec.replicas" and is_less(each.before, each.after),
        reason="fewer pods are left to fail",
    ),
    _Danger(
        kind="Deployment",
        holds=_at("spec.selector"),
        reason="a Deployment's selector can't be changed, so the upgrade fails",
        in_place=True,
    ),
    _Danger(
        kind="Deployment",
        holds=_within("securityContext", "hostNetwork", "hostPID", "hostIPC", "hostPath"),
        reason="what the pods may do on their nodes changes",
    ),
    _Danger(
        kind="Deployment",
        holds=lambda each: each.path.startswith(_SELECTOR) and each.after is None,
        reason="pods may run on nodes that the image wasn't built for",
    ),
    _Danger(
        kind="Deployment",
        holds=_at("spec.strategy"),
        reason="other numbers of pods may be away during an update",
    ),
    _Danger(
        kind="PodDisruptionBudget",
        holds=_at("spec.maxUnavailable", "spec.minAvailable"),
        reason="other numbers of pods may be evicted at once",
    ),
    _Danger(
        kind="Service",
        holds=_at("spec.type", "spec.externalIPs", "spec.externalName"),
        reason="the server may be reached from outside the cluster",
    ),
)
_RIGHTS_IN_THE_CLUSTER = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"})


def why_pods_roll(before: Snapshot, after: Snapshot, found: Mapping[str, ResourceChange]) -> list[str]:
    """Why all of the server's pods are replaced; nothing if they aren't."""
    if _is_replaced(found):
        return ["their release is replaced"]
    reasons = manifests.why_pods_roll(before, after)
    for subject, change in found.items():
        if change.resource.type == SECRET_VERSION and change.way is Way.REPLACED:
            annotation = manifests.annotated_with(after, subject)
            if annotation:
                reasons.append(manifests.EXPLAINED.get(annotation, f"{annotation} changes"))
    return list(dict.fromkeys(reasons))


def told(
    before: Snapshot, after: Snapshot, found: Mapping[str, ResourceChange], reasons: list[str]
) -> Iterator[Change]:
    """Every object that differs; `reasons` are those for which the pods roll."""
    replaced = _is_replaced(found)
    for change in manifests.changes(before, after):
        way = Way.REPLACED if replaced and change.way is Way.UPDATED else change.way
        judgement = _judged(change, reasons, is_replaced=replaced)
        rolls = change.subject == manifests.DEPLOYMENT and reasons and not replaced
        yield Change(
            part=Part.OBJECT,
            subject=change.subject,
            way=way,
            sentence=f"{change.subject} is {way.value}",
            effect="rolling restart" if rolls else "",
            grade=judgement.grade,
            reason=judgement.reason,
            differences=change.differences,
        )


def _is_replaced(found: Mapping[str, ResourceChange]) -> bool:
    return any(
        change.resource.type == types.RELEASE and change.way is Way.REPLACED for change in found.values()
    )


def _judged(change: manifests.ObjectChange, reasons: list[str], *, is_replaced: bool) -> Judgement:
    danger = _danger(change, is_replaced=is_replaced)
    if danger:
        return Judgement(Grade.DANGEROUS, danger)
    if is_replaced:
        return Judgement(Grade.LOOK, "its release is replaced")
    if change.subject == manifests.DEPLOYMENT and reasons:
        return Judgement(Grade.LOOK, f"pods roll because {'; '.join(reasons)}")
    return Judgement(Grade.LOOK, "the release changes, and no pod is replaced by it alone")


def _danger(change: manifests.ObjectChange, *, is_replaced: bool) -> str:
    """What is dangerous about an object's change; empty if nothing is."""
    kind = change.subject.partition(" ")[0]
    for difference in change.differences:
        for danger in _DANGERS:
            if danger.kind == kind and danger.holds(difference) and not (is_replaced and danger.in_place):
                return danger.reason
    if kind in _RIGHTS_IN_THE_CLUSTER:
        return "rights in the cluster change"
    if change.way is Way.DELETED:
        return "what it does for the server ends"
    if kind == "NetworkPolicy" and not is_replaced:
        return "others may reach the server, or it may no longer be reached"
    return ""
