"""What the Kubernetes provider does with a changed input, and what counts as a change.

Its rule for all types: a field in the program's inputs that differs from the object as last read is a change,
and so is a field that the program no longer sets; what others have added isn't. It names each such field,
however deep.
"""

from collections.abc import Iterator, Mapping
from typing import cast

from common.json_values import Json, dig, flag, record, text
from emulator.aws import NoHandlerError, UnmappedInputError
from emulator.kubernetes.objects import (
    CONFIG_MAP,
    CONFIG_MAP_PATCH,
    FIELD_MANAGER,
    INPUTS,
    NAMESPACE,
    RELEASE,
    last_inputs,
)
from emulator.lifecycle import Difference, Kind, State, Table, table
from engine import properties

Path_ = tuple[str | int, ...]

_PROVIDER = "pulumi/pulumi-kubernetes provider/pkg/provider/"
_OBJECT_SOURCE = _PROVIDER + "diff.go (forceNewProperties), provider.go (Diff)"
_RELEASE_SOURCE = _PROVIDER + "helm_release.go (Diff)"

_IDENTITY = ("metadata.name", "metadata.namespace")
_METADATA = ("metadata.labels", "metadata.annotations")

TABLES: Mapping[str, Table] = {
    NAMESPACE: table(_OBJECT_SOURCE, replaces=_IDENTITY, updates=(*_METADATA, "spec")),
    # New data replaces a ConfigMap unless the provider has enableConfigMapMutable.
    CONFIG_MAP: table(
        _OBJECT_SOURCE, replaces=(*_IDENTITY, "data", "binaryData"), updates=(*_METADATA, "immutable")
    ),
    # "Patch resources can be updated in place for all other properties."
    CONFIG_MAP_PATCH: table(
        _OBJECT_SOURCE, replaces=_IDENTITY, updates=(*_METADATA, "data", "binaryData", "immutable")
    ),
    # Whatever changes, the release is upgraded: a new revision even for a timeout.
    RELEASE: table(
        _RELEASE_SOURCE,
        replaces=("name", "namespace"),
        updates=(
            "atomic", "chart", "cleanupOnFail", "createNamespace", "description", "maxHistory", "resetValues",
            "reuseValues", "skipAwait", "timeout", "values", "version",
        ),
        defaults={
            "atomic": False, "cleanupOnFail": False, "createNamespace": False, "description": "",
            "namespace": "default", "resetValues": False, "reuseValues": False, "skipAwait": False,
            "timeout": 300,
        },
    ),
}  # fmt: skip
"""By type, the inputs as dotted paths, and what changing each does."""

NOT_REHEARSED: Mapping[str, Json] = {
    "allowNullValues": False, "dependencyUpdate": False, "devel": False, "disableCRDHooks": False,
    "disableOpenapiValidation": False, "disableWebhooks": False, "forceUpdate": False, "keyring": "",
    "lint": False, "postrender": "", "recreatePods": False, "renderSubchartNotes": False, "replace": False,
    "skipCrds": False, "verify": False, "waitForJobs": False,
}  # fmt: skip
"""Inputs of a release that Check fills in, and that are supported only with these values."""

# Sent by the SDK: an object's API, and how old providers should read a release.
_SDK_ONLY: Mapping[str, frozenset[str]] = {
    RELEASE: frozenset({"compat"}),
    **dict.fromkeys((NAMESPACE, CONFIG_MAP, CONFIG_MAP_PATCH), frozenset({"apiVersion", "kind"})),
}
PATCH_FORCE = "pulumi.com/patchForce"


class Described:
    """What a provider says about its types, however it reaches its cluster."""

    def known_inputs(self, type_: str) -> frozenset[str]:
        """As `Cluster.known_inputs`."""
        if type_ not in TABLES:
            raise NoHandlerError(f"no handler for resource type {type_}: add one in emulator/kubernetes/")
        more = NOT_REHEARSED.keys() if type_ == RELEASE else frozenset[str]()
        return _SDK_ONLY[type_] | more | {key.partition(".")[0] for key in TABLES[type_].changes}

    def secret_outputs(self, type_: str) -> frozenset[str]:
        """As `Cluster.secret_outputs`."""
        return frozenset({INPUTS}) if type_ == RELEASE else frozenset()

    def deletes_first(self, type_: str, state: State, inputs: Mapping[str, Json]) -> bool:
        """As `Cluster.deletes_first`."""
        return deletes_first(type_, state, inputs)

    def live_inputs(self, type_: str, state: State, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """As `Cluster.live_inputs`."""
        return live_inputs(type_, state, inputs)


def check(type_: str, inputs: Mapping[str, Json]) -> None:
    """Raises NoHandlerError for an unknown type, and UnmappedInputError for an unknown input."""
    known = Described().known_inputs(type_)
    unknown = sorted(
        key
        for key, value in inputs.items()
        if key not in known or (key in NOT_REHEARSED and value != NOT_REHEARSED[key])
    )
    # Unknown fields of an object are left to the API server, whose message is better.
    if unknown and type_ == RELEASE:
        raise UnmappedInputError(f"{type_}: {', '.join(unknown)} is not rehearsed: emulator/kubernetes/")


def difference(
    type_: str, state: State, inputs: Mapping[str, Json], *, config_maps_mutable: bool = False
) -> Difference:
    """What an update would change; `inputs` as Check has completed them.

    `config_maps_mutable` is the provider's `enableConfigMapMutable`.
    Source: pulumi-kubernetes, provider/pkg/provider/: Diff and convertPatchToDiff.
    """
    check(type_, inputs)
    before = last_inputs(state.outputs)
    if type_ == RELEASE:
        # Compare with what Helm has, plus what the program no longer sets.
        found, replacing = state.outputs, ["name", "namespace"]
        inputs = cast("Mapping[str, Json]", _nulled(dict(inputs)))
    else:
        # Compare with the live object, reduced to the program's last inputs.
        found = before = {**_pruned(state.outputs, before), **_named(state.outputs)}
        replacing = list(_IDENTITY)
        is_mutable = config_maps_mutable and not (flag(inputs, "immutable") or flag(before, "immutable"))
        if type_ == CONFIG_MAP and not is_mutable:
            replacing += ["data", "binaryData"]
    kinds = dict(_changes((), found, inputs, before))
    replaces = tuple(path for path in kinds if any(_is_at_or_below(path, one) for one in replacing))
    return Difference(
        updates=tuple(path for path in kinds if path not in replaces),
        replaces=replaces,
        kinds=kinds,
        listed=tuple(sorted({path.partition(".")[0].partition("[")[0] for path in kinds}))
        if type_ == RELEASE
        else (),
    )


def _nulled(value: Json) -> Json:
    """The value with unknowns as null, which the provider then treats as a deletion."""
    match value:
        case dict():
            return {key: _nulled(inner) for key, inner in value.items()}
        case list():
            return [_nulled(inner) for inner in value]
        case _:
            return None if value == properties.UNKNOWN else value


def _named(live: Mapping[str, Json]) -> dict[str, Json]:
    """What identifies an object, which is compared whoever set it."""
    return {key: live[key] for key in ("apiVersion", "kind") if key in live}


def _changes(
    path: Path_, found: Mapping[str, Json], wanted: Mapping[str, Json], before: Mapping[str, Json]
) -> Iterator[tuple[str, Kind]]:
    """The fields that differ, each as deep as both sides go: added, changed, and no longer set."""
    for key, value in wanted.items():
        here = (*path, key)
        if value is None:
            yield written(here), "delete"
        elif key not in found:
            yield written(here), "add"
        else:
            yield from _change(here, found[key], value, before.get(key))
    for key in before.keys() - wanted.keys():
        yield written((*path, key)), "delete"


def _change(path: Path_, found: Json, wanted: Json, before: Json) -> Iterator[tuple[str, Kind]]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        yield from _changes(path, found, wanted, before if isinstance(before, dict) else {})
    elif isinstance(found, list) and isinstance(wanted, list) and found != wanted:
        both = min(len(found), len(wanted))
        for index in range(both):
            yield from _change((*path, index), found[index], wanted[index], found[index])
        for index in range(both, max(len(found), len(wanted))):
            yield written((*path, index)), "add" if index < len(wanted) else "delete"
    elif found != wanted:
        yield written(path), "update"


def written(path: Path_) -> str:
    """A path in the engine's notation, such as metadata.labels["app.kubernetes.io/name"]."""
    said = ""
    for step in path:
        if isinstance(step, int):
            said += f"[{step}]"
        elif any(mark in step for mark in '."[]'):
            quoted = step.replace('"', '\\"')
            said += f'["{quoted}"]'
        else:
            said += f".{step}"
    return said.removeprefix(".")


def _is_at_or_below(path: str, parent: str) -> bool:
    return path == parent or path.startswith((f"{parent}.", f"{parent}["))


def deletes_first(type_: str, state: State, inputs: Mapping[str, Json]) -> bool:
    """Whether a replacement deletes the old object before it creates the new one.

    The provider does so if both would have the same name; for a release it leaves that to the program.
    Source: pulumi-kubernetes, provider/pkg/provider/provider.go, Diff.
    """
    return type_ != RELEASE and all(dig(state.outputs, key) == dig(inputs, key) for key in _IDENTITY)


def live_inputs(type_: str, state: State, inputs: Mapping[str, Json]) -> dict[str, Json]:
    """The inputs that a refresh keeps: for an object, the program's, with the values found.

    For a release it keeps them unchanged, and on an import (no inputs) it takes everything that was found.
    """
    if type_ == RELEASE:
        return dict(inputs) or record(state.outputs, INPUTS)
    if inputs:
        return _pruned(state.outputs, inputs)
    kept = ("apiVersion", "kind", "data", "binaryData", "immutable", "spec")
    metadata = record(state.outputs, "metadata")
    named: dict[str, Json] = {
        key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if key in metadata
    }
    return {**{key: state.outputs[key] for key in kept if key in state.outputs}, "metadata": named}


def field_manager(outputs: Mapping[str, Json], inputs: Mapping[str, Json]) -> str:
    """The name under which the provider applies an object; empty if it has none yet.

    Source: pulumi-kubernetes, provider/pkg/provider/provider.go, fieldManagerName.
    """
    annotations = record(record(inputs, "metadata"), "annotations")
    return text(annotations, "pulumi.com/patchFieldManager") or text(outputs, FIELD_MANAGER)


def is_forced(inputs: Mapping[str, Json]) -> bool:
    """Whether the object says that its fields should be taken from other managers."""
    return text(record(record(inputs, "metadata"), "annotations"), PATCH_FORCE) == "true"


def _pruned(found: Mapping[str, Json], inputs: Mapping[str, Json]) -> dict[str, Json]:
    """What was found, reduced to what the inputs set."""
    kept: dict[str, Json] = {}
    for key, value in inputs.items():
        if key in found:
            here = found[key]
            is_map = isinstance(value, dict) and isinstance(here, dict)
            kept[key] = _pruned(record(found, key), record(inputs, key)) if is_map else here
    return kept
