"""The cluster's side: objects and Helm Releases, rendered by Helm's engine and validated, kept in memory.

Each object is judged by Kubernetes' own JSON schemas of the cluster's version; kinds that come from a
CustomResourceDefinition (SecretProviderClass) have none there.
"""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, cast

import yaml
from referencing import Registry, Resource

from rehearsal.aws import Created, NoHandlerError, UnmappedInputError
from rehearsal.values import Json, record

CUSTOM_KINDS = frozenset({"SecretProviderClass"})
ALWAYS_THERE = ("default", "kube-system", "kube-public", "kube-node-lease")

RELEASE = "kubernetes:helm.sh/v3:Release"
RELEASE_INPUTS = frozenset(
    {
        "atomic", "chart", "cleanupOnFail", "compat", "createNamespace", "maxHistory", "name", "namespace",
        "timeout", "values",
    }
)  # fmt: skip


class KubernetesError(Exception):
    """The API server, or Helm, refused."""

    def __init__(self, message: str, *, is_surroundings: bool = False) -> None:
        super().__init__(message)
        self.is_surroundings = is_surroundings
        """Because of what was there before, not because of what was asked."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One object of a release, and the template that it came from."""

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

    def one(self, kind: str, name: str | None = None) -> Mapping[str, Json]:
        """The release's one object of a kind (and name). Raises LookupError."""
        found = [m for m in self.manifests if m.kind == kind and (name is None or m.name == name)]
        if len(found) != 1:
            raise LookupError(f"the release has {len(found)} objects of kind {kind}, not one")
        return found[0].content


class Kubernetes:
    """One cluster's API server, as far as the program can tell."""

    def __init__(self, *, root: Path, version: str, config_maps: Mapping[str, Mapping[str, str]]) -> None:
        self.version = version
        """Kubernetes version, such as 1.33: whose schemas judge the objects."""
        self.releases: list[Release] = []
        self._root = root
        self._objects: dict[tuple[str, str, str], Mapping[str, Json]] = {}
        for namespace in ALWAYS_THERE:
            self._objects["Namespace", "", namespace] = {}
        for path, data in config_maps.items():
            namespace, name = path.split("/", 1)
            self._objects["ConfigMap", namespace, name] = {"data": dict(data)}
            self._objects["Namespace", "", namespace] = {}

    def create(self, type_: str, inputs: Mapping[str, Json]) -> Created:
        """A resource of the Kubernetes provider.

        Raises:
            KubernetesError: the API server or Helm would refuse it.
            NoHandlerError: for a type or an input that isn't known here.
        """
        if type_ == RELEASE:
            return self._install(inputs)
        if type_ in ("kubernetes:core/v1:Namespace", "kubernetes:core/v1:ConfigMap"):
            return self._create_object(inputs)
        if type_ == "kubernetes:core/v1:ConfigMapPatch":
            return self._patch_config_map(inputs)
        raise NoHandlerError(f"no handler for resource type {type_}: add one in rehearsal/kubernetes.py")

    def _create_object(self, inputs: Mapping[str, Json]) -> Created:
        key = _key(inputs)
        kind, namespace, name = key
        if key in self._objects:
            raise KubernetesError(f'{kind.lower()}s "{name}" already exists', is_surroundings=True)
        self._require_namespace(namespace)
        self._validate(inputs)
        self._objects[key] = inputs
        return Created(id=f"{namespace}/{name}".removeprefix("/"), outputs=dict(inputs))

    def _patch_config_map(self, inputs: Mapping[str, Json]) -> Created:
        """Server-side apply of our keys; another owner's value of one of them is a conflict."""
        key = ("ConfigMap", *_key(inputs)[1:])
        _, namespace, name = key
        if key not in self._objects:
            raise KubernetesError(f'configmaps "{name}" not found', is_surroundings=True)
        theirs, ours = record(self._objects[key], "data"), record(inputs, "data")
        conflicts = [f".data.{k}" for k, v in ours.items() if k in theirs and theirs[k] != v]
        if conflicts:
            message = f"Apply failed with {len(conflicts)} conflict: conflict with another manager: "
            raise KubernetesError(message + ", ".join(conflicts), is_surroundings=True)
        merged: dict[str, Json] = {**theirs, **ours}
        self._objects[key] = {"data": merged}
        return Created(id=f"{namespace}/{name}", outputs={**inputs, "data": merged})

    def _install(self, inputs: Mapping[str, Json]) -> Created:
        unknown = sorted(
            key for key, value in inputs.items() if value is not None and key not in RELEASE_INPUTS
        )
        if unknown:
            raise UnmappedInputError(
                f"{RELEASE}: {', '.join(unknown)} is not rehearsed: rehearsal/kubernetes.py"
            )
        name, namespace = str(inputs["name"]), str(inputs["namespace"])
        if any(release.name == name and release.namespace == namespace for release in self.releases):
            raise KubernetesError("cannot re-use a name that is still in use", is_surroundings=True)
        self._require_namespace(namespace)
        rendered, metadata = _render(
            self._root / str(inputs["chart"]), record(inputs, "values"), name=name, namespace=namespace
        )
        manifests = tuple(_manifests(rendered))
        for manifest in manifests:
            self._validate(manifest.content)
            where = str(record(manifest.content, "metadata").get("namespace", namespace))
            self._objects[manifest.kind, where, manifest.name] = manifest.content
        self.releases.append(Release(name=name, namespace=namespace, manifests=manifests, text=rendered))
        status: dict[str, Json] = {
            "name": name,
            "namespace": namespace,
            "revision": 1,
            "status": "deployed",
            "version": metadata.get("version"),
            "appVersion": metadata.get("appVersion"),
            "chart": metadata.get("name"),
        }
        return Created(id=f"{namespace}/{name}", outputs={**inputs, "status": status})

    def _require_namespace(self, namespace: str) -> None:
        if namespace and ("Namespace", "", namespace) not in self._objects:
            raise KubernetesError(f'namespaces "{namespace}" not found')

    def _validate(self, content: Mapping[str, Json]) -> None:
        if content["kind"] not in CUSTOM_KINDS:
            validate(content, self.version)


def _key(inputs: Mapping[str, Json]) -> tuple[str, str, str]:
    metadata = record(inputs, "metadata")
    return str(inputs["kind"]), str(metadata.get("namespace", "")), str(metadata["name"])


def _render(
    chart: Path, values: Mapping[str, Json], *, name: str, namespace: str
) -> tuple[dict[str, str], Mapping[str, Json]]:
    """Rendered templates by path, and Chart.yaml; `lookup` finds nothing, as in a preview."""
    import helm_python as helm

    try:
        with helm.Chart.load(chart) as loaded:
            loaded.validate_schema(dict(values))
            rendered = loaded.render(dict(values), name=name, namespace=namespace)
            return {k: v for k, v in rendered.items() if v.strip()}, loaded.metadata
    except helm.HelmError as refused:
        raise KubernetesError(f"Helm can't render the release: {refused}") from None


def _manifests(rendered: Mapping[str, str]) -> Iterator[Manifest]:
    for template, text in sorted(rendered.items()):
        if template.endswith((".yaml", ".yml")):
            for document in yaml.safe_load_all(text):
                if document is not None:
                    yield Manifest(template=template, content=cast(Mapping[str, Json], document))


def validate(content: Mapping[str, Json], version: str) -> None:
    """Judge an object by Kubernetes' JSON schemas, unknown fields included.

    Raises:
        KubernetesError: with everything that is wrong with it.
    """
    api_version, kind = str(content["apiVersion"]), str(content["kind"])
    errors = [
        f"{e.json_path}: {e.message}" for e in _validator(api_version, kind, version).iter_errors(content)
    ]
    if errors:
        name = record(content, "metadata").get("name")
        raise KubernetesError(f'{kind} "{name}" is invalid: {"; ".join(errors)}')


class _SchemaError(Protocol):
    json_path: str
    message: str


class _Validator(Protocol):
    def iter_errors(self, instance: object) -> Iterable[_SchemaError]: ...


# kubernetes-validate carries the schemas; its own function reads their 1.4 MB of definitions for each object.


@functools.cache
def _validator(api_version: str, kind: str, version: str) -> _Validator:
    """The validator of one kind; its schema is named by kind, first part of the group, and version."""
    from jsonschema import Draft202012Validator

    group, _, group_version = api_version.rpartition("/")
    parts = [kind.lower(), *([group.partition(".")[0]] if group else []), group_version]
    file = _schemas(version) / f"{'-'.join(parts)}.json"
    if not file.is_file():
        raise KubernetesError(f"Kubernetes {version} has no {kind} in {api_version}")
    schema = json.loads(file.read_text(encoding="utf-8"))
    return cast(_Validator, Draft202012Validator(schema, registry=_definitions(version)))


@functools.cache
def _definitions(version: str) -> Registry[Any]:
    definitions = json.loads((_schemas(version) / "_definitions.json").read_text(encoding="utf-8"))
    return Registry[Any]().with_resource(definitions["$id"], Resource.from_contents(definitions))


def _schemas(version: str) -> Path:
    folder = Path(str(files("kubernetes_validate"))) / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    if not folder.is_dir():
        raise NoHandlerError(f"kubernetes-validate carries no schemas of Kubernetes {version}")
    return folder
