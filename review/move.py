"""A stack that moves to another cluster: pairs what is deleted with the old one and created with the new."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from common.json_values import Json
from maestro_stack.names import Names
from policies import types
from review.effects import KUBERNETES_PROVIDER
from review.model import Change, Difference, Grade, Part, Way
from review.resources import CLUSTER_IDENTIFIER, ResourceChange, differences_of
from review.snapshot import KNOWN_LATER, Resource, Snapshot

_PREFIX = "kubernetes-"
"""The provider's logical name, up to the cluster's name."""
_OF_CLUSTER: Mapping[str, tuple[str, ...]] = {
    KUBERNETES_PROVIDER: (CLUSTER_IDENTIFIER, "context", "kubeconfig"),
    types.INGRESS_RULE: ("description", "referencedSecurityGroupId"),
}
"""By type, the inputs that differ per cluster without being derived from its name."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """A move from one cluster to another, both by name."""

    old: str
    new: str
    region: str

    def told(self, value: Json) -> Json:
        """The value with the new cluster's name for either's; a kept `name` is often the old cluster's."""
        match value:
            case str():
                return re.sub(self._pattern, self.new, value)
            case list():
                return [self.told(item) for item in value]
            case dict():
                return {key: self.told(item) for key, item in value.items()}
            case _:
                return value

    @property
    def _pattern(self) -> str:
        roles = (Names(cluster, self.region, cluster).role for cluster in (self.old, self.new))
        names = sorted([self.old, self.new, *roles], key=len, reverse=True)
        return f"(?<![0-9A-Za-z])(?:{'|'.join(map(re.escape, names))})(?![0-9A-Za-z])"


def clusters_of(before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    """The names of the clusters that a stack is on."""
    found = [each for snapshot in (before, after) for each in snapshot.resources.values()]
    names = [each.name.removeprefix(_PREFIX) for each in found if each.type == KUBERNETES_PROVIDER]
    return tuple(dict.fromkeys(names))


def move_of(found: Mapping[str, ResourceChange], region: str) -> Move | None:
    """The move, if one provider is deleted and another created; else None."""
    of = {
        way: [
            change.resource.name.removeprefix(_PREFIX)
            for change in found.values()
            if change.resource.type == KUBERNETES_PROVIDER and change.way is way
        ]
        for way in (Way.DELETED, Way.CREATED)
    }
    old, new = of[Way.DELETED], of[Way.CREATED]
    return Move(old=old[0], new=new[0], region=region) if len(old) == len(new) == 1 else None


def paired(found: Mapping[str, ResourceChange], move: Move | None) -> dict[str, ResourceChange]:
    """The same changes, with each pair merged into one that holds what differs besides the cluster."""
    if move is None:
        return {**found}
    pairs = dict(_pairs(found, move))
    gone = {*pairs.values()}
    return {
        subject: _moved(change, found[pairs[subject]], move) if subject in pairs else change
        for subject, change in found.items()
        if subject not in gone
    }


def told(found: Mapping[str, ResourceChange], move: Move | None, stack: str) -> Iterator[Change]:
    """The change that says that the stack moves, and whether the database stays."""
    if move is None:
        return
    of_database = (change for change in found.values() if change.resource.type == types.INSTANCE)
    stays = all(change.way is Way.UPDATED for change in of_database)
    kept = "the database stays; whether the new cluster is in its VPC, `python -m doctor before` asks"
    lost = f"the database doesn't move along; `pulumi config set name {move.old}` keeps it"
    yield Change(
        part=Part.STACK,
        subject=stack,
        way=Way.UPDATED,
        sentence=f"it moves to another cluster: from {move.old} to {move.new}",
        effect="the pods on the old cluster go when those on the new one are ready" if stays else "",
        grade=Grade.LOOK if stays else Grade.DANGEROUS,
        reason=kept if stays else lost,
    )


def _pairs(found: Mapping[str, ResourceChange], move: Move) -> Iterator[tuple[str, str]]:
    """Pairs of subjects: the new resource's, and the old one's."""
    gone = {
        (change.resource.type, change.resource.name): subject
        for subject, change in found.items()
        if change.way is Way.DELETED
    }
    made = {subject: change.resource for subject, change in found.items() if change.way is Way.CREATED}
    for subject, new in made.items():
        base = new.name.removesuffix(f"-{move.new}")
        if base != new.name and (old := gone.get((new.type, f"{base}-{move.old}"))):
            yield subject, old
    # Of the admitted security groups, only the cluster's may change.
    rules = [subject for subject, each in made.items() if each.type == types.INGRESS_RULE]
    closed = [subject for (type_, _), subject in gone.items() if type_ == types.INGRESS_RULE]
    if len(rules) == len(closed) == 1:
        yield rules[0], closed[0]


def _moved(change: ResourceChange, gone: ResourceChange, move: Move) -> ResourceChange:
    new = change.resource
    before = _as_of(gone.resource, new, move)
    return replace(
        change,
        before=before,
        way=Way.MOVED,
        differences=tuple(_differences(before, _as_of(new, new, move), _OF_CLUSTER.get(new.type, ()))),
    )


def _as_of(resource: Resource, new: Resource, move: Move) -> Resource:
    inputs, options = move.told({**resource.inputs}), move.told(resource.options)
    return replace(
        resource,
        name=new.name,
        urn=new.urn,
        inputs=inputs if isinstance(inputs, dict) else {},
        options=options,
        needs=frozenset(),
    )


def _differences(before: Resource, after: Resource, own: tuple[str, ...]) -> Iterator[Difference]:
    for each in differences_of(before, after):
        if each.path.partition(".")[0] not in own and each.after != KNOWN_LATER:
            yield each
