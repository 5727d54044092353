"""What the Kubernetes provider does with a changed input, and what counts as a change.

Its rule for every type: a field of the program's inputs that differs from the object as last read is a
change, and so is a field that the program has stopped setting; what others have added is none.
"""

from collections.abc import Mapping

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
from emulator.lifecycle import Change, Difference, State, Table, table

_PROVIDER = "pulumi/pulumi-kubernetes provider/pkg/provider/"
_OBJECT_SOURCE = _PROVIDER + "diff.go (forceNewProperties), provider.go (Diff)"
_RELEASE_SOURCE = _PROVIDER + "helm_release.go (Diff)"

_IDENTITY = ("metadata.name", "metadata.namespace")
_METADATA = ("metadata.labels", "metadata.annotations")

TABLES: Mapping[str, Table] = {
    NAMESPACE: table(_OBJECT_SOURCE, replaces=_IDENTITY, updates=(*_METADATA, "spec")),
    # The data of a ConfigMap is replaced unless the provider has enableConfigMapMutable.
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
        defaults={"namespace": "default", "timeout": 300},
    ),
}  # fmt: skip
"""By type: its inputs, dotted, and what changing each does."""

_SECRET_OUTPUTS = frozenset({INPUTS})
# Sent by the SDK: which API an object is of, and how old providers are to read a release.
_SDK_ONLY: Mapping[str, frozenset[str]] = {
    RELEASE: frozenset({"compat"}),
    **dict.fromkeys((NAMESPACE, CONFIG_MAP, CONFIG_MAP_PATCH), frozenset({"apiVersion", "kind"})),
}
PATCH_FORCE = "pulumi.com/patchForce"


class Described:
    """What a provider says of its types, however it reaches its cluster."""

    def known_inputs(self, type_: str) -> frozenset[str]:
        """As `Cluster.known_inputs`."""
        if type_ not in TABLES:
            raise NoHandlerError(f"no handler for resource type {type_}: add one in emulator/kubernetes/")
        return _SDK_ONLY[type_] | {key.partition(".")[0] for key in TABLES[type_].changes}

    def secret_outputs(self, type_: str) -> frozenset[str]:
        """As `Cluster.secret_outputs`."""
        return _SECRET_OUTPUTS if type_ in TABLES else frozenset()

    def deletes_first(self, type_: str, state: State, inputs: Mapping[str, Json]) -> bool:
        """As `Cluster.deletes_first`."""
        return deletes_first(type_, state, inputs)

    def live_inputs(self, type_: str, state: State, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """As `Cluster.live_inputs`."""
        return live_inputs(type_, state, inputs)


def check(type_: str, inputs: Mapping[str, Json]) -> None:
    """Raises NoHandlerError for a type, and UnmappedInputError for an input, that isn't known here."""
    known = Described().known_inputs(type_)
    unknown = sorted(key for key, value in inputs.items() if value is not None and key not in known)
    # Unknown fields of an object are the API server's to refuse, which has the better message.
    if unknown and type_ == RELEASE:
        raise UnmappedInputError(f"{type_}: {', '.join(unknown)} is not rehearsed: emulator/kubernetes/")


def difference(
    type_: str, state: State, inputs: Mapping[str, Json], *, config_maps_mutable: bool = False
) -> Difference:
    """What an update would change; of a release, `inputs` with its chart's version filled in.

    `config_maps_mutable` is the provider's `enableConfigMapMutable`.
    """
    check(type_, inputs)
    rules, before = TABLES[type_], last_inputs(state.outputs)
    changed = [
        key
        for key in rules.changes
        if _differs(
            dig(before, key),
            dig(state.outputs, key),
            rules.defaults.get(key) if dig(inputs, key) is None else dig(inputs, key),
        )
    ]
    replaces = [key for key in changed if rules.changes[key] is Change.REPLACE]
    is_frozen = flag(inputs, "immutable") or flag(record(state.outputs, INPUTS), "immutable")
    if type_ == CONFIG_MAP and config_maps_mutable and not is_frozen:
        replaces = [key for key in replaces if key in _IDENTITY]
    return Difference(updates=tuple(k for k in changed if k not in replaces), replaces=tuple(replaces))


def deletes_first(type_: str, state: State, inputs: Mapping[str, Json]) -> bool:
    """Whether a replacement deletes the old object before it makes the new one.

    The provider does so where both would have one name; of a release it leaves that to the program.
    Source: pulumi-kubernetes, provider/pkg/provider/provider.go, Diff.
    """
    return type_ != RELEASE and all(dig(state.outputs, key) == dig(inputs, key) for key in _IDENTITY)


def live_inputs(type_: str, state: State, inputs: Mapping[str, Json]) -> dict[str, Json]:
    """The inputs that a refresh keeps: of an object, those of the program with the values found.

    Of a release it keeps them as they were, and on an import (no inputs) it takes all that was found.
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
    """Whether the object says that its fields are to be taken from other managers."""
    return text(record(record(inputs, "metadata"), "annotations"), PATCH_FORCE) == "true"


def _differs(before: Json, found: Json, wanted: Json) -> bool:
    """Whether a three-way merge of the last inputs, what was found and what is wanted changes anything."""
    if isinstance(wanted, dict):
        before, found = (value if isinstance(value, dict) else {} for value in (before, found))
        return any(_differs(before.get(key), found.get(key), value) for key, value in wanted.items()) or any(
            key not in wanted and found.get(key) is not None for key in before
        )
    if wanted is None:
        return before is not None and found is not None and before != {}
    return found != wanted


def _pruned(found: Mapping[str, Json], inputs: Mapping[str, Json]) -> dict[str, Json]:
    """Of what was found only what the inputs set."""
    kept: dict[str, Json] = {}
    for key, value in inputs.items():
        if key in found:
            here = found[key]
            is_map = isinstance(value, dict) and isinstance(here, dict)
            kept[key] = _pruned(record(found, key), record(inputs, key)) if is_map else here
    return kept
