"""Which resources a revision changes, and how: in place or by replacement, as the providers' tables say."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from common.json_values import Json, dig, flag, json_list, record, records, text, texts
from emulator.aws import resource_handler
from emulator.kubernetes import CONFIG_MAP_PATCH, TABLES
from emulator.lifecycle import Change as OfInput
from emulator.packages import TYPES
from emulator.randomness import table_of
from engine.run import MASK, qualified
from policies import types
from review import permissions
from review.differences import differences
from review.effects import KUBERNETES_PROVIDER
from review.model import Difference, Way
from review.permissions import DOCUMENTS
from review.snapshot import CONSTANT, UNTOLD, Resource, Snapshot, renamed, symbol

CLUSTER_IDENTIFIER = "clusterIdentifier"
CONFIG_MAPS = frozenset({types.CONFIG_MAP, CONFIG_MAP_PATCH})
_IN_SECRETS = frozenset(
    {
        "aws:iot/certificate:Certificate",
        "aws:rds/instance:Instance",
        "random:index/randomPassword:RandomPassword",
    }
)
"""Types whose outputs are part of a secret."""
_PROVIDER_OPTION = "options.provider"
"""Another provider replaces the resource, unless both are default providers, which the option doesn't name.

Source: pulumi/pulumi pkg/resource/deploy/step_generator.go (providerChanged).
"""
BY_TRIGGER = "its replacement trigger"
BY_NAME = "its URN: it is another resource to Pulumi"
OTHERWISE = "its content is put together otherwise"
NO_SECRET = "it is a constant: whoever reads the program knows it"  # noqa: S105 that it is none
LOST = "its loss: it is gone, whoever deleted it"
FOLLOWS = "follows what it refers to, which is replaced"


@dataclass(frozen=True, kw_only=True)
class ResourceChange:
    """What happens to one resource."""

    resource: Resource
    """As it will be; if it is deleted, as it was."""
    before: Resource | None
    way: Way
    differences: tuple[Difference, ...]
    replaced_by: tuple[str, ...] = ()
    """The inputs or options that require its replacement."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs that differ: a release's values as dotted paths, others by their top-level name."""
        if self.resource.type == types.RELEASE:
            return tuple(difference.path.replace('"', "") for difference in self.differences)
        return tuple(dict.fromkeys(top(difference.path) for difference in self.differences))


def changes(before: Snapshot, after: Snapshot) -> dict[str, ResourceChange]:
    """The changes by subject, in the order in which they are made: a resource follows what it needs.

    Both snapshots must use the later one's subjects: see `aligned`.
    """
    found: dict[str, ResourceChange] = {}
    stays = before.resources.keys() & after.resources.keys()
    names = _names(after)
    for subject in _in_order(after.resources):
        old, new = before.resources.get(subject), after.resources[subject]
        is_same = old is not None and old.urn in names(new.urn)
        change = _created(new) if old is None else _changed(old, new, found, stays, is_same=is_same)
        if change is not None:
            found[subject] = change
    for subject, old in before.resources.items():
        if subject not in after.resources:
            found[subject] = ResourceChange(resource=old, before=old, way=Way.DELETED, differences=())
    return found | {each.resource.subject: each for each in _components(before, after)}


def _components(before: Snapshot, after: Snapshot) -> Iterator[ResourceChange]:
    """Components and the stack, with the options that the engine acts on; their children show the rest."""
    for urn, new in after.components.items():
        old = before.components.get(urn, replace(new, options={}))
        was, is_ = ({**_record(each.options), "aliases": None, "aliasURNs": None} for each in (old, new))
        if found := tuple(differences(was, is_, "options")):
            yield ResourceChange(resource=new, before=old, way=Way.UPDATED, differences=found)


def differences_of(old: Resource, new: Resource) -> tuple[Difference, ...]:
    """What differs in a resource, including its options."""
    return (*_of_inputs(old, new), *_of_options(old, new, ()))


def aligned(before: Snapshot, after: Snapshot) -> Snapshot:
    """The earlier snapshot, with the subjects that the same resources have in the later one.

    A resource is the same if its URN or one of its aliases is. One that has only the same type and name keeps
    its subject, but is a different resource to Pulumi.
    """
    earlier = {resource.urn: subject for subject, resource in before.resources.items()}
    names = _names(after)
    found: dict[str, str] = {}
    for subject, resource in after.resources.items():
        was = next((earlier[urn] for urn in names(resource.urn) if urn in earlier), None)
        if was is not None:
            found.setdefault(was, subject)
    # A resource whose subject another one takes, and that has no new one, is reported by its URN.
    taken = {*found.values()}
    lost = {was: before.resources[was].urn for was in before.resources if was not in found and was in taken}
    return renamed(before, {was: is_ for was, is_ in (found | lost).items() if was != is_})


def _names(after: Snapshot) -> Callable[[str], list[str]]:
    """A function from a resource's URN to all URNs that it may have in the state, its own first.

    Source: pulumi/pulumi pkg/resource/deploy/step_generator.go (generateAliases, inheritedChildAlias).
    """
    later = {**after.components, **{each.urn: each for each in after.resources.values()}}
    aliases: dict[str, list[str]] = {}

    def names(urn: str) -> list[str]:
        if urn not in aliases:
            aliases[urn] = [urn]  # set first, so that a resource that is its own parent ends
            if resource := later.get(urn):
                parents = names(resource.parent) if resource.parent else [""]
                specs: list[Mapping[str, Json]] = [{}, *_own_aliases(resource)]
                found = (_alias(resource, parent, spec) for parent in parents for spec in specs)
                aliases[urn] = list(dict.fromkeys([urn, *found]))
        return aliases[urn]

    return names


def _own_aliases(resource: Resource) -> list[Mapping[str, Json]]:
    options = _record(resource.options)
    urns: list[Mapping[str, Json]] = [{"urn": urn} for urn in texts(options, "aliasURNs")]
    given = records(options, "aliases")
    return [*urns, *(each if "urn" in each else record(each, "spec") for each in given)]


def _alias(resource: Resource, parent: str, spec: Mapping[str, Json]) -> str:
    """The URN that a resource's alias stands for, if its parent's URN is `parent`."""
    if "urn" in spec:
        return text(spec, "urn")
    head, project, types_, name = resource.urn.split("::", 3)
    own, aliased = (urn.rpartition("::")[2] for urn in (resource.parent, parent))
    if own and name.startswith(own):  # a child that is named after its parent
        name = aliased + name.removeprefix(own)
    parent = "" if flag(spec, "noParent") else text(spec, "parentUrn") or parent
    type_ = text(spec, "type", types_.rpartition("$")[2])
    stack = f"urn:pulumi:{text(spec, 'stack')}" if "stack" in spec else head
    name = text(spec, "name", name)
    return "::".join((stack, text(spec, "project", project), qualified(type_, parent), name))


def dependents(after: Snapshot, subject: str) -> tuple[str, ...]:
    """The resources that need this one directly."""
    return tuple(sorted(s for s, resource in after.resources.items() if subject in resource.needs))


def _in_order(resources: Mapping[str, Resource]) -> Iterator[str]:
    done: set[str] = set()

    providers = {subject for subject, each in resources.items() if each.type == KUBERNETES_PROVIDER}

    def visit(subject: str) -> Iterator[str]:
        if subject in done or subject not in resources:
            return
        done.add(subject)
        of_kubernetes = providers if _is_of_kubernetes(resources[subject]) else set[str]()
        for needed in sorted(resources[subject].needs | of_kubernetes):
            yield from visit(needed)
        yield subject

    for subject in sorted(resources):
        yield from visit(subject)


def _created(new: Resource) -> ResourceChange:
    # What a ConfigMap says is all that it does.
    says = differences({}, {**new.inputs}) if new.type in CONFIG_MAPS else ()
    return ResourceChange(resource=new, before=None, way=Way.CREATED, differences=tuple(says))


def _changed(
    old: Resource,
    new: Resource,
    found: Mapping[str, ResourceChange],
    stays: Collection[str],
    *,
    is_same: bool,
) -> ResourceChange | None:
    was_external, is_external = (_record(each.options).get("external") is True for each in (old, new))
    if is_same and is_external and not was_external:
        # It is only read from now on, so nothing is sent to its provider. Source: as for `_names`.
        left = Difference(path="options.external", before=None, after=True)
        return ResourceChange(resource=new, before=old, way=Way.UPDATED, differences=(left,))
    own = (*_of_inputs(old, new), *_of_options(old, new, stays))
    told = {difference.path for difference in own}
    if not is_same:
        return ResourceChange(
            resource=new, before=old, way=Way.REPLACED, differences=own, replaced_by=(BY_NAME,)
        )
    following = tuple(each for each in _following(old, new, found) if each.path not in told)
    if old.replacement_trigger != new.replacement_trigger and UNTOLD not in (
        old.replacement_trigger,
        new.replacement_trigger,
    ):
        return ResourceChange(
            resource=new,
            before=old,
            way=Way.REPLACED,
            differences=(*own, *following),
            replaced_by=(BY_TRIGGER,),
        )
    of_kubernetes = _is_of_kubernetes(new) and any(
        each.resource.type == KUBERNETES_PROVIDER and each.way is Way.REPLACED for each in found.values()
    )
    if not own and not following and not of_kubernetes:
        return None
    told_ = [difference.path for difference in (*own, *following)]
    asked = texts(_record(new.options), "replaceOnChanges")
    replacing = tuple(
        sorted({key for p in told_ if (key := _replaces(new.type, p) or (top(p) if top(p) in asked else ""))})
    )
    if of_kubernetes or _PROVIDER_OPTION in told:
        replacing = (*replacing, "its provider")
    return ResourceChange(
        resource=new,
        before=old,
        way=Way.REPLACED if replacing else Way.UPDATED,
        differences=(*own, *following),
        replaced_by=replacing,
    )


def _of_inputs(old: Resource, new: Resource) -> Iterator[Difference]:
    """What differs except in ignored inputs, for which the engine uses the state's values."""
    ignored = texts(_record(new.options), "ignoreChanges")
    yield from (each for each in _differing(old, new) if top(each.path) not in ignored)


def _differing(old: Resource, new: Resource) -> Iterator[Difference]:
    document = DOCUMENTS.get(new.type)
    means_the_same = document is not None and permissions.change(old, new) is None
    before, after = ({**each.inputs} for each in (old, new))
    if document is not None and means_the_same:
        before[document] = after[document] = ""
    yield from differences(before, after)
    for key in sorted({*old.secrets, *new.secrets}):
        was, is_ = old.secrets.get(key), new.secrets.get(key)
        if was == is_ or any(dig(dict(each.inputs), key) is None for each in (old, new)):
            continue
        note = NO_SECRET if is_ == CONSTANT else OTHERWISE
        yield Difference(path=key, before=MASK, after=MASK, note=note)


def _of_options(old: Resource, new: Resource, stays: Collection[str]) -> Iterator[Difference]:
    if old.protect != new.protect:
        yield Difference(path="protect", before=old.protect, after=new.protect)
    if UNTOLD not in (old.options, new.options):
        yield from differences(old.options, new.options, "options")
    if old.urn != new.urn:
        yield Difference(path="urn", before=old.urn, after=new.urn)
    # Resources that are created or deleted are reported by themselves.
    no_more, newly = (
        (one - other) & {*stays} for one, other in ((old.needs, new.needs), (new.needs, old.needs))
    )
    if no_more or newly:
        before, after = (json_list(sorted(each)) if each else None for each in (no_more, newly))
        yield Difference(path="dependsOn", before=before, after=after, note="what it waits for")


def _record(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _is_of_kubernetes(resource: Resource) -> bool:
    return resource.type.startswith("kubernetes:")


def is_downgrade(difference: Difference) -> bool:
    """Whether an instance's engine would get an older version, which RDS refuses."""
    versions = _versions(difference)
    # A major version alone stands for any of its minor versions.
    parts = min(map(len, versions)) if versions else 0
    return versions is not None and versions[1][:parts] < versions[0][:parts]


def is_minor_upgrade(difference: Difference) -> bool:
    """Whether an instance keeps the major version of its engine."""
    versions = _versions(difference)
    return versions is not None and versions[0][0] == versions[1][0]


def _versions(difference: Difference) -> tuple[list[int], list[int]] | None:
    """An instance's old and new engine version, major first; None if something else differs."""
    old, new = (str(value).split(".") for value in (difference.before, difference.after))
    if top(difference.path) != "engineVersion" or not all(part.isdigit() for part in [*old, *new]):
        return None
    return [int(part) for part in old], [int(part) for part in new]


def top(path: str) -> str:
    """The top-level input of a dotted path."""
    return path.partition(".")[0].partition("[")[0]


def _following(old: Resource, new: Resource, found: Mapping[str, ResourceChange]) -> Iterator[Difference]:
    """Inputs whose text stays the same, but which refer to a resource that is replaced or new."""
    gone = {subject.partition(" ")[0] for subject in old.needs - new.needs}
    replaced = {
        subject
        for subject in new.needs
        if subject in found and found[subject].way in (Way.REPLACED, Way.CREATED)
    }
    for key, value in new.inputs.items():
        if any(symbol(subject) in text for subject in replaced for text in _texts(value)):
            yield Difference(path=key, before=None, after=None, note=FOLLOWS)
        elif value == MASK and any(
            found[subject].resource.type in _IN_SECRETS
            and (found[subject].before is not None or found[subject].resource.type in gone)
            for subject in replaced
        ):
            yield Difference(path=key, before=MASK, after=MASK, note=FOLLOWS)


def _texts(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts(item)
        case dict():
            for item in value.values():
                yield from _texts(item)
        case _:
            return


def is_known(type_: str) -> bool:
    """Whether it is known here what a change of such a resource does."""
    return type_ == KUBERNETES_PROVIDER or type_ in TYPES


def _replaces(type_: str, path: str) -> str:
    """The input at or above a path whose change replaces the resource; empty if none does."""
    if type_ == KUBERNETES_PROVIDER:
        return path if path == CLUSTER_IDENTIFIER else ""
    if not is_known(type_):
        return top(path)  # assume the worst
    table = _table(type_)
    above = (key for key in table if path == key or path.startswith((f"{key}.", f"{key}[")))
    return next((key for key in above if table[key] is OfInput.REPLACE), "")


def _table(type_: str) -> Mapping[str, OfInput]:
    if type_ in TABLES:
        return TABLES[type_].changes
    if type_.startswith("random:"):
        return table_of(type_).changes
    return resource_handler(type_).table.changes
