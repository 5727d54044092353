"""Types shared by both kinds of cluster: resource types, refusals, rendered objects and installed releases.

KubernetesError      the API server, or Helm, refused
├── InputError       the provider refused, before asking them
└── PartialError     the resource was created or changed, but isn't ready
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from common.json_values import Json, json_list, record, text
from emulator.lifecycle import Provider, State

NAMESPACE = "kubernetes:core/v1:Namespace"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
CONFIG_MAP_PATCH = "kubernetes:core/v1:ConfigMapPatch"
RELEASE = "kubernetes:helm.sh/v3:Release"

KINDS: Mapping[str, str] = {NAMESPACE: "Namespace", CONFIG_MAP: "ConfigMap", CONFIG_MAP_PATCH: "ConfigMap"}
"""The kind of object behind each type except the release."""

API_VERSION = "__initialApiVersion"
"""The output in which the provider keeps the object's first apiVersion."""
INPUTS = "__inputs"
"""The output in which the provider keeps the program's last inputs."""
FIELD_MANAGER = "__fieldManager"
"""The output in which the provider keeps the name under which it applies the object."""

NAME_IN_USE = "cannot re-use a name that is still in use"


class KubernetesError(Exception):
    """The API server, or Helm, refused."""

    def __init__(self, message: str, *, is_surroundings: bool = False, framed: str = "") -> None:
        super().__init__(message)
        self.is_surroundings = is_surroundings
        """Whether it is because of what existed before, not because of the request."""
        self.framed = framed
        """The provider's sentence before the message; {urn} in it stands for the resource's URN."""

    def told_of(self, urn: str) -> str:
        """The message as the provider words it."""
        return self.framed.format(urn=urn) + str(self)


class InputError(KubernetesError):
    """The provider itself refuses an input, before anything is done."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key


class PartialError(KubernetesError):
    """It was created or changed, but didn't become ready: the next update must repair it."""

    def __init__(
        self, message: str, *, state: State, reasons: tuple[str, ...] = (), is_surroundings: bool = False
    ) -> None:
        super().__init__(message, is_surroundings=is_surroundings)
        self.state = state
        """The resource as it is."""
        self.reasons = reasons or (message,)
        """What the engine records as the resource's initialization errors."""


class Cluster(Provider, Protocol):
    """One cluster, on which resources are managed as by Pulumi's Kubernetes provider.

    Every method raises KubernetesError for what the API server or Helm refuses. `create` and `update` wait
    until the resource is ready, and raise PartialError if it never is; `delete` waits until it is gone.
    """


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One object of a release, and the template that rendered it."""

    template: str
    content: Mapping[str, Json]

    @property
    def kind(self) -> str:
        """Kind of the object."""
        return str(self.content["kind"])

    @property
    def name(self) -> str:
        """Name of the object."""
        return str(record(self.content, "metadata")["name"])


@dataclass(frozen=True, kw_only=True)
class Release:
    """An installed Helm release."""

    name: str
    namespace: str
    manifests: tuple[Manifest, ...]
    text: Mapping[str, str]
    """Rendered YAML by template path."""


@dataclass(frozen=True)
class ObjectKey:
    """Identifies an object: its kind, namespace (empty if it has none) and name."""

    kind: str
    namespace: str
    name: str

    @property
    def id(self) -> str:
        """Its id in Pulumi: `namespace/name`, or the name alone."""
        return f"{self.namespace}/{self.name}".removeprefix("/")

    @property
    def resource(self) -> str:
        """Its kind in the API server's messages, such as configmaps."""
        return f"{self.kind.lower()}s"


def object_key(type_: str, values: Mapping[str, Json]) -> ObjectKey:
    """The object in the inputs or outputs of a type other than the release.

    Raises KubernetesError if they have no name.
    """
    metadata = record(values, "metadata")
    kind, name = KINDS[type_], text(metadata, "name")
    if not name:
        raise KubernetesError(f"{kind}: metadata.name is missing; generated names aren't rehearsed")
    namespace = "" if kind == "Namespace" else text(metadata, "namespace") or "default"
    return ObjectKey(kind, namespace, name)


def key_of_state(type_: str, state: State) -> ObjectKey:
    """The object in a state: by its outputs, or on an import by its id."""
    if record(state.outputs, "metadata"):
        return object_key(type_, state.outputs)
    namespace, _, name = state.id.rpartition("/")
    kind = KINDS[type_]
    return ObjectKey(kind, "" if kind == "Namespace" else namespace or "default", name)


def release_key(state: State) -> tuple[str, str]:
    """Namespace and name of a release: by its outputs, or on an import by its id."""
    if text(state.outputs, "name"):
        return text(state.outputs, "namespace", "default"), text(state.outputs, "name")
    namespace, _, name = state.id.rpartition("/")
    return namespace or "default", name


def last_inputs(outputs: Mapping[str, Json]) -> dict[str, Json]:
    """The program's inputs when the outputs were made; empty on an import."""
    return record(outputs, INPUTS)


# The message's help: pulumi-kubernetes, provider/pkg/await/await.go, handleSSAErr.
_CONFLICT_HELP = (
    "https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/"
    "managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources"
)


def conflict(manager: str, cause: str) -> KubernetesError:
    """The error of a server-side apply that conflicts with another manager; `cause` is the server's text."""
    return KubernetesError(
        f"Server-Side Apply field conflict detected. See {_CONFLICT_HELP} for troubleshooting help.\n"
        f'The resource managed by field manager "{manager}" had an apply conflict: {cause}',
        is_surroundings=True,
    )


def resource_names(manifests: tuple[Manifest, ...]) -> dict[str, Json]:
    """A release's output `resourceNames`: names by kind, group and version.

    Source: pulumi-kubernetes, provider/pkg/provider/manifest_json.go, convertYAMLManifestToJSON.
    """
    names: dict[str, set[str]] = {}
    for manifest in manifests:
        version = text(manifest.content, "apiVersion")
        group = version.rpartition("/")[0]
        kind = f"{manifest.kind}.{group}" if group else manifest.kind
        namespace = text(record(manifest.content, "metadata"), "namespace")
        names.setdefault(f"{kind}/{version}", set()).add(f"{namespace}/{manifest.name}".removeprefix("/"))
    return {key: json_list(sorted(found)) for key, found in sorted(names.items())}
