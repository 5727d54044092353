"""In-memory clusters: their objects with field owners, and their releases. Everything is ready at once.

A chart's path is relative to where the program runs, so charts are rendered there: by `Kubernetes`, a cluster
in this process, or by `RemoteCluster`, which passes the result to the `MemoryClusters` in another one.
"""

import copy
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from common.json_values import Json, flag, json_list, number, overlaid, record, text, texts, whole_numbers
from emulator.aws import NoHandlerError
from emulator.kubernetes import helm, tables
from emulator.kubernetes.objects import (
    API_VERSION,
    CONFIG_MAP_PATCH,
    FIELD_MANAGER,
    INPUTS,
    KINDS,
    NAME_IN_USE,
    RELEASE,
    KubernetesError,
    Manifest,
    ObjectKey,
    PartialError,
    Release,
    conflict,
    key_of_state,
    object_key,
    release_key,
)
from emulator.kubernetes.schemas import validate
from emulator.lifecycle import Difference, State
from engine import properties

ALWAYS_THERE = ("default", "kube-system", "kube-public", "kube-node-lease")
DEFAULT_VERSION = "1.33"
_TAKEN_OVER = ("kubectl", "before-first-apply")
"""Prefixes of the managers whose fields the provider takes over."""
SEED_MANAGER = "bootstrap"
"""The manager that owns what existed before."""
_HELM = "helm"

Path_ = tuple[str, ...]


@dataclass
class _Object:
    """An object, and the owners of its fields."""

    content: dict[str, Json]
    owners: dict[str, set[Path_]] = field(default_factory=dict[str, set[Path_]])
    appliers: set[str] = field(default_factory=set[str])
    """The owners that apply; the others update."""
    writes: int = 1
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))

    def take_over(self, manager: str) -> None:
        """Give `manager` the fields written by kubectl, as the provider does before each update.

        Source: pulumi-kubernetes, provider/pkg/await/await.go, fixCSAFieldManagers.
        """
        for owner in [owner for owner in self.owners if owner.startswith(_TAKEN_OVER)]:
            self.owners.setdefault(manager, set()).update(self.owners.pop(owner))

    def apply(self, manager: str, content: Mapping[str, Json], *, force: bool) -> None:
        """Server-side apply: the manager's fields become exactly these.

        Source: Kubernetes documentation, "Server-Side Apply".
        """
        wanted = dict(_fields(content))
        taken = {
            owner: sorted(path for path in owned & wanted.keys() if _get(self.content, path) != wanted[path])
            for owner, owned in self.owners.items()
            if owner != manager
        }
        taken = {owner: paths for owner, paths in taken.items() if paths}
        if taken and not force:
            raise conflict(manager, _conflict_text(taken))
        for owner, paths in taken.items():
            self.owners[owner] -= set(paths)
        before = copy.deepcopy(self.content)
        self.appliers.add(manager)
        given_up = self.owners.get(manager, set()) - wanted.keys()
        self.owners[manager] = set(wanted)
        for path in given_up:
            if not any(path in owned for owned in self.owners.values()):
                _remove(self.content, path)
        for path, value in wanted.items():
            _set(self.content, path, value)
        self.writes += self.content != before

    def require_mutable(self, key: ObjectKey, wanted: Mapping[str, Json]) -> None:
        """Raise KubernetesError if the object is immutable, and would change."""
        if flag(self.content, "immutable") and any(
            self.content.get(part) != wanted.get(part) for part in ("data", "binaryData", "immutable")
        ):
            raise KubernetesError(
                f'{key.kind} "{key.name}" is invalid: data: Forbidden: '
                "field is immutable when `immutable` is set"
            )

    def edit(self, manager: str, content: Mapping[str, Json]) -> None:
        """A plain update by another manager: what it changes becomes theirs; null removes a field."""
        for path, value in _fields(content):
            if _get(self.content, path) == value:
                continue
            self.writes += 1
            for owned in self.owners.values():
                owned.discard(path)
            if value is None:
                _remove(self.content, path)
            else:
                _set(self.content, path, value)
                self.owners.setdefault(manager, set()).add(path)


@dataclass(frozen=True, kw_only=True)
class _Revision:
    """One revision of a release, as Helm would store it."""

    number: int
    status: str
    values: Mapping[str, Json]
    rendered: helm.Rendered


class MemoryCluster:
    """One cluster: its API server, and Helm's storage on it."""

    def __init__(
        self, *, version: str, config_maps: Mapping[str, Mapping[str, str]], namespaces: Iterable[str] = ()
    ) -> None:
        self.version = version
        """Kubernetes version, such as 1.33, whose schemas the objects are validated against."""
        self._objects: dict[ObjectKey, _Object] = {}
        self._releases: dict[tuple[str, str], list[_Revision]] = {}
        self.unready: set[str] = set()
        """The releases, as `namespace/name`, that never become ready from now on."""
        for namespace in (*ALWAYS_THERE, *namespaces, *(path.partition("/")[0] for path in config_maps)):
            self._objects.setdefault(ObjectKey("Namespace", "", namespace), _namespace(namespace))
        for path, data in config_maps.items():
            namespace, _, name = path.partition("/")
            key = ObjectKey("ConfigMap", namespace, name)
            self._store(key, SEED_MANAGER, {**_skeleton(key), "data": dict(data)})

    # The life of resources; for a release, creation and update also need `rendered`.

    def create(self, type_: str, inputs: Mapping[str, Json], rendered: helm.Rendered | None = None) -> State:
        """As `Cluster.create`."""
        tables.check(type_, inputs)
        if type_ == RELEASE:
            return self._install(inputs, _given(rendered))
        key, manager = object_key(type_, inputs), tables.field_manager({}, inputs) or fresh_manager()
        try:
            if type_ == CONFIG_MAP_PATCH and key in self._objects:
                self._objects[key].apply(manager, inputs, force=tables.is_forced(inputs))
            else:
                self._make(key, manager, inputs)
        except KubernetesError as refused:
            refused.framed = 'resource "{urn}" was not successfully created by the Kubernetes API server: '
            raise
        return self._state(key, inputs, manager)

    def planned(self, type_: str, state: State | None, inputs: Mapping[str, Json]) -> State:
        """What a creation or (with a state) an update would result in: the API server's dry run."""
        tried = copy.deepcopy(self)
        return tried.create(type_, inputs) if state is None else tried.updated(type_, state, inputs)

    def read(self, type_: str, state: State) -> State | None:
        """As `Cluster.read`."""
        tables.check(type_, {})
        if type_ == RELEASE:
            revisions = self._releases.get(release_key(state))
            return _release_state(state.outputs, release_key(state), revisions[-1]) if revisions else None
        key = key_of_state(type_, state)
        if key not in self._objects:
            return None
        inputs = tables.live_inputs(type_, self._state(key, {}, ""), record(state.outputs, INPUTS))
        return self._state(key, inputs, text(state.outputs, FIELD_MANAGER))

    def update(
        self,
        type_: str,
        state: State,
        inputs: Mapping[str, Json],
        rendered: helm.Rendered | None = None,
    ) -> State:
        """As `Cluster.update`."""
        tables.check(type_, inputs)
        if type_ == RELEASE:
            return self._upgrade(state, inputs, _given(rendered))
        key = object_key(type_, inputs)
        if type_ != CONFIG_MAP_PATCH and key in self._objects:
            self._objects[key].take_over(_manager(state, inputs))
        return self.updated(type_, state, inputs)

    def updated(self, type_: str, state: State, inputs: Mapping[str, Json]) -> State:
        """Update an object in place, unless another manager owns one of the fields."""
        key, manager = object_key(type_, inputs), _manager(state, inputs)
        if key not in self._objects:
            gone = f'{key.resource} "{key.name}" not found'
            raise KubernetesError(
                f"{gone}\nunable to get cluster state: {gone}",
                is_surroundings=True,
                framed='update of resource "{urn}" failed: ',
            )
        there = self._objects[key]
        try:
            if type_ != CONFIG_MAP_PATCH:
                validate(inputs, self.version)
            there.require_mutable(key, inputs)
            there.apply(manager, inputs, force=tables.is_forced(inputs))
        except KubernetesError as refused:
            raise PartialError(
                f'the Kubernetes API server reported that "{key.id}" failed to fully initialize or become '
                f"live: {refused}",
                state=self._state(key, inputs, manager),
                is_surroundings=refused.is_surroundings,
            ) from None
        return self._state(key, inputs, manager)

    def delete(self, type_: str, state: State) -> None:
        """As `Cluster.delete`; with a namespace, everything in it is deleted."""
        tables.check(type_, {})
        if type_ == RELEASE:
            self._uninstall(release_key(state))
            return
        key = key_of_state(type_, state)
        if type_ == CONFIG_MAP_PATCH:
            # By an apply without fields, which creates the object if it doesn't exist.
            if key not in self._objects:
                self._store(key, "", {})
            self._objects[key].apply(text(state.outputs, FIELD_MANAGER), {}, force=False)
            return
        if key.kind == "Namespace" and key.name in ALWAYS_THERE[:3]:
            raise KubernetesError(f'namespaces "{key.name}" is forbidden: this namespace may not be deleted')
        self._objects.pop(key, None)
        if key.kind == "Namespace":
            self._objects = {k: v for k, v in self._objects.items() if k.namespace != key.name}
            self._releases = {k: v for k, v in self._releases.items() if k[0] != key.name}

    # For others: what they see and do.

    def releases(self) -> list[Release]:
        """The installed releases, in order of installation."""
        return [
            Release(
                name=name,
                namespace=namespace,
                manifests=revisions[-1].rendered.manifests,
                text=revisions[-1].rendered.templates,
            )
            for (namespace, name), revisions in self._releases.items()
        ]

    def objects(self) -> list[dict[str, Json]]:
        """Every object, whoever created it."""
        return [copy.deepcopy(there.content) for there in self._objects.values()]

    def edit(self, manager: str, content: Mapping[str, Json]) -> None:
        """A change behind the program's back: merge `content` into an object, or create it."""
        metadata = record(content, "metadata")
        key = ObjectKey(text(content, "kind"), text(metadata, "namespace"), text(metadata, "name"))
        if key in self._objects:
            self._objects[key].edit(manager, content)
        else:
            self._require_namespace(key.namespace)
            self._store(key, manager, content)

    # Objects.

    def _make(self, key: ObjectKey, manager: str, inputs: Mapping[str, Json]) -> None:
        if key in self._objects:
            raise KubernetesError(f'{key.resource} "{key.name}" already exists', is_surroundings=True)
        self._require_namespace(key.namespace)
        validate(inputs, self.version)
        self._store(key, manager, inputs)
        self._objects[key].appliers.add(manager)

    def _store(self, key: ObjectKey, manager: str, content: Mapping[str, Json]) -> None:
        made = _namespace(key.name) if key.kind == "Namespace" else _Object(_skeleton(key))
        made.content = overlaid(made.content, copy.deepcopy(dict(content)))
        made.owners[manager] = {path for path, _ in _fields(content)}
        self._objects[key] = made

    def _state(self, key: ObjectKey, inputs: Mapping[str, Json], manager: str) -> State:
        there = self._objects[key]
        content = copy.deepcopy(there.content)
        metadata: dict[str, Json] = {
            **record(content, "metadata"),
            "uid": there.uid,
            "creationTimestamp": there.created,
            "managedFields": [_managed(there, owner) for owner in there.owners if there.owners[owner]],
            "resourceVersion": str(there.writes),
        }
        return State(
            id=key.id,
            outputs={
                **content,
                "metadata": metadata,
                INPUTS: dict(inputs),
                API_VERSION: text(content, "apiVersion"),
                FIELD_MANAGER: manager,
            },
        )

    def _require_namespace(self, namespace: str) -> None:
        if namespace and ObjectKey("Namespace", "", namespace) not in self._objects:
            raise KubernetesError(f'namespaces "{namespace}" not found')

    # Releases.

    def _install(self, inputs: Mapping[str, Json], rendered: helm.Rendered) -> State:
        key = (text(inputs, "namespace"), text(inputs, "name"))
        if key in self._releases:
            raise KubernetesError(NAME_IN_USE, is_surroundings=True)
        self._require_namespace(key[0])
        self._put(rendered.manifests, key[0], before=frozenset())
        revision = _Revision(
            number=1, status=self._status(key), values=record(inputs, "values"), rendered=rendered
        )
        self._releases[key] = [revision]
        return _awaited(inputs, key, revision, "was created, but failed to initialize completely")

    def _upgrade(self, state: State, inputs: Mapping[str, Json], rendered: helm.Rendered) -> State:
        key = release_key(state)
        revisions = self._releases.get(key)
        if not revisions:
            raise KubernetesError(f'"{key[1]}" has no deployed releases', is_surroundings=True)
        last = revisions[-1]
        before = frozenset(_place(manifest, key[0]) for manifest in last.rendered.manifests)
        self._put(rendered.manifests, key[0], before=before)
        for gone in before - {_place(manifest, key[0]) for manifest in rendered.manifests}:
            self._objects.pop(gone, None)
        values = helm.effective_values(inputs, last.values)
        number_, status = last.number + 1, self._status(key)
        revision = _Revision(number=number_, status=status, values=values, rendered=rendered)
        kept = number(inputs, "maxHistory")
        superseded = [
            _Revision(number=r.number, status="superseded", values=r.values, rendered=r.rendered)
            for r in revisions
        ]
        self._releases[key] = [*superseded, revision][-kept if kept else 0 :]
        return _awaited(inputs, key, revision, "failed to initialize completely")

    def _status(self, key: tuple[str, str]) -> str:
        return "failed" if "/".join(key) in self.unready else "deployed"

    def _put(self, manifests: tuple[Manifest, ...], namespace: str, *, before: frozenset[ObjectKey]) -> None:
        """Write all of a release's objects or, if one of them is refused, none."""
        for manifest in manifests:
            validate(manifest.content, self.version)
            place = _place(manifest, namespace)
            if place not in before and place in self._objects:
                raise KubernetesError(
                    f"Unable to continue with install: {place.kind} {place.name!r} in namespace "
                    f"{place.namespace!r} exists and cannot be imported into the current release",
                    is_surroundings=True,
                )
        for manifest in manifests:
            place = _place(manifest, namespace)
            if place in self._objects:
                self._objects[place].apply(_HELM, manifest.content, force=True)
            else:
                self._store(place, _HELM, manifest.content)

    def _uninstall(self, key: tuple[str, str]) -> None:
        if key not in self._releases:
            # Source: Helm 3, pkg/action/uninstall.go; the provider passes it on.
            raise KubernetesError(
                f"uninstall: Release not loaded: {key[1]}: release: not found", is_surroundings=True
            )
        for manifest in self._releases.pop(key)[-1].rendered.manifests:
            self._objects.pop(_place(manifest, key[0]), None)


class _Charted(tables.Described):
    """A cluster whose charts are in `_root`."""

    _root: Path

    def checked(self, type_: str, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """As `Cluster.checked`."""
        if type_ == RELEASE:
            return helm.complete(inputs, self._root / text(inputs, "chart"))
        return {key: value for key, value in inputs.items() if value is not None}


class Kubernetes(_Charted):
    """One cluster in this process, for charts in `root`."""

    def __init__(
        self,
        *,
        root: Path,
        version: str,
        config_maps: Mapping[str, Mapping[str, str]],
        namespaces: Iterable[str] = (),
    ) -> None:
        self.version = version
        """Kubernetes version, such as 1.33, whose schemas the objects are validated against."""
        self.memory = MemoryCluster(version=version, config_maps=config_maps, namespaces=namespaces)
        self._root = root

    @property
    def releases(self) -> list[Release]:
        """The installed releases, in order of installation."""
        return self.memory.releases()

    def create(self, type_: str, inputs: Mapping[str, Json]) -> State:
        """As `Cluster.create`."""
        given = prepare(type_, inputs, self._root)
        return self.memory.create(type_, given, rendered(type_, given, self._root))

    def read(self, type_: str, state: State) -> State | None:
        """As `Cluster.read`."""
        return self.memory.read(type_, state)

    def update(self, type_: str, state: State, inputs: Mapping[str, Json]) -> State:
        """As `Cluster.update`."""
        given = prepare(type_, inputs, self._root)
        return self.memory.update(type_, state, given, rendered(type_, given, self._root, state))

    def delete(self, type_: str, state: State) -> None:
        """As `Cluster.delete`."""
        self.memory.delete(type_, state)

    def planned(self, type_: str, state: State | None, inputs: Mapping[str, Json]) -> dict[str, Json] | None:
        """As `Cluster.planned`."""
        return planned(type_, state, prepare(type_, inputs, self._root), self.memory.planned)

    def difference(self, type_: str, state: State, inputs: Mapping[str, Json]) -> Difference:
        """As `Cluster.difference`."""
        return tables.difference(type_, state, prepare(type_, inputs, self._root))


class MemoryClusters:
    """Any number of clusters by id, for keeping them in a separate process; can be pickled."""

    def __init__(self) -> None:
        self._clusters: dict[str, MemoryCluster] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        with self._lock:
            return {"clusters": copy.deepcopy(self._clusters)}

    def __setstate__(self, kept: dict[str, object]) -> None:
        self._clusters = cast("dict[str, MemoryCluster]", kept["clusters"])
        self._lock = threading.Lock()

    def handle(self, payload: Mapping[str, Json]) -> dict[str, Json]:
        """Answer a request of a `RemoteCluster`.

        It names a `cluster` (created on first use, with the request's `version`, `configMaps` and
        `namespaces`) and an `operation`: create, plan, read, update or delete, with `type`, `state` and
        `inputs` (for a release also `rendered`), answered with `state`; seed; objects, answered with
        `objects` and `releases`; edit, which merges `object` into what exists, as `manager`; or unready,
        which names the `releases`, as `namespace/name`, that never become ready from now on.
        A refusal is answered with `error`.
        """
        with self._lock:
            name = text(payload, "cluster")
            if name not in self._clusters:
                self._clusters[name] = _cluster(payload)
            cluster = self._clusters[name]
            try:
                return _answer(cluster, payload)
            except (KubernetesError, NoHandlerError) as refusal:
                return {"error": _encode_error(refusal)}


class RemoteCluster(_Charted):
    """A cluster in the `MemoryClusters` of another process, for charts in `root`.

    `call` sends a payload there and returns the answer.
    """

    def __init__(  # noqa: PLR0913
        self,
        call: Callable[[dict[str, Json]], dict[str, Json]],
        cluster: str,
        *,
        root: Path,
        version: str = DEFAULT_VERSION,
        config_maps: Mapping[str, Mapping[str, str]] | None = None,
        config_maps_mutable: bool = False,
    ) -> None:
        self._call = call
        self._root = root
        self._mutable = config_maps_mutable
        maps: dict[str, Json] = {path: dict(data) for path, data in (config_maps or {}).items()}
        self._base: dict[str, Json] = {"cluster": cluster, "version": version, "configMaps": maps}

    def create(self, type_: str, inputs: Mapping[str, Json]) -> State:
        """As `Cluster.create`."""
        given = prepare(type_, inputs, self._root)
        return _decode_state(self._send("create", type_, inputs=given))

    def read(self, type_: str, state: State) -> State | None:
        """As `Cluster.read`."""
        answer = self._send("read", type_, state)
        return _decode_state(answer) if record(answer, "state") else None

    def update(self, type_: str, state: State, inputs: Mapping[str, Json]) -> State:
        """As `Cluster.update`."""
        given = prepare(type_, inputs, self._root)
        return _decode_state(self._send("update", type_, state, given))

    def delete(self, type_: str, state: State) -> None:
        """As `Cluster.delete`."""
        self._send("delete", type_, state)

    def planned(self, type_: str, state: State | None, inputs: Mapping[str, Json]) -> dict[str, Json] | None:
        """As `Cluster.planned`."""

        def ask(type_: str, state: State | None, inputs: Mapping[str, Json]) -> State:
            return _decode_state(self._send("plan", type_, state, inputs))

        return planned(type_, state, prepare(type_, inputs, self._root), ask)

    def difference(self, type_: str, state: State, inputs: Mapping[str, Json]) -> Difference:
        """As `Cluster.difference`; computed here."""
        given = prepare(type_, inputs, self._root)
        return tables.difference(type_, state, given, config_maps_mutable=self._mutable)

    def _send(
        self,
        operation: str,
        type_: str,
        state: State | None = None,
        inputs: Mapping[str, Json] | None = None,
    ) -> dict[str, Json]:
        payload: dict[str, Json] = {**self._base, "operation": operation, "type": type_}
        if state is not None:
            payload["state"] = _encode_state(state)
        if inputs is not None:
            payload["inputs"] = dict(inputs)
            payload["rendered"] = _encode_rendered(rendered(type_, inputs, self._root, state))
        answer = self._call(payload)
        if record(answer, "error"):
            raise _decode_error(record(answer, "error"))
        return answer


def prepare(type_: str, inputs: Mapping[str, Json], root: Path) -> dict[str, Json]:
    """Inputs with what the provider's Check fills in; raises NoHandlerError for an unknown one."""
    tables.check(type_, inputs)
    if type_ == RELEASE:
        return helm.complete(inputs, root / text(inputs, "chart"))
    given = {key: whole_numbers(value) for key, value in inputs.items() if value is not None}
    return {"apiVersion": "v1", "kind": KINDS[type_], **given}


def planned(
    type_: str,
    state: State | None,
    inputs: Mapping[str, Json],
    dry_run: Callable[[str, State | None, Mapping[str, Json]], State],
) -> dict[str, Json]:
    """The outputs in a preview: for an object the API server's, if all inputs are known.

    Source: pulumi-kubernetes, provider/pkg/provider/provider.go and helm_release.go (Create, Update).
    """
    if type_ == RELEASE:
        unknown: dict[str, Json] = dict.fromkeys(("resourceNames", "status"), properties.UNKNOWN)
        return {**inputs, INPUTS: dict(inputs), **unknown}
    if properties.holds_unknown(dict(inputs)) or (state is None and type_ == CONFIG_MAP_PATCH):
        return dict(inputs)
    try:
        return dry_run(type_, state, inputs).outputs
    except KubernetesError:
        if state is not None:
            raise
        return dict(inputs)  # the namespace may not exist yet, or a replacement's name may be taken


def rendered(
    type_: str, inputs: Mapping[str, Json], root: Path, state: State | None = None
) -> helm.Rendered | None:
    """A release's chart, rendered for its installation or (with a state) its upgrade; else None."""
    if type_ != RELEASE:
        return None
    current = record(state.outputs, "values") if state else {}
    revision = number(record(state.outputs, "status"), "revision") if state else 0
    return helm.render(
        root / text(inputs, "chart"),
        helm.effective_values(inputs, current),
        name=text(inputs, "name"),
        namespace=text(inputs, "namespace"),
        revision=revision + 1,
    )


def _manager(state: State, inputs: Mapping[str, Json]) -> str:
    return tables.field_manager(state.outputs, inputs) or fresh_manager()


def fresh_manager() -> str:
    """A new field manager's name; the provider also makes one for each object."""
    return f"pulumi-kubernetes-{uuid.uuid4().hex[:8]}"


def _given(chart: helm.Rendered | None) -> helm.Rendered:
    if chart is None:
        raise ValueError("a release comes with its rendered chart")
    return chart


def _release_state(
    outputs: Mapping[str, Json],
    key: tuple[str, str],
    revision: _Revision,
    *,
    inputs: Mapping[str, Json] | None = None,
) -> State:
    """A release's state from its last revision; without `inputs`, it keeps those it had, as in a read."""
    namespace, name = key
    status: dict[str, Json] = {
        "name": name,
        "namespace": namespace,
        "revision": revision.number,
        "status": revision.status,
        "version": revision.rendered.version,
        "appVersion": revision.rendered.app_version,
        "chart": revision.rendered.chart,
    }
    return State(
        id=f"{namespace}/{name}",
        outputs=helm.outputs(
            inputs if inputs is not None else helm.known_inputs(outputs, status),
            values=revision.values,
            manifests=revision.rendered.manifests,
            status=status,
        ),
    )


# Fields of an object, by path. A list counts as a whole: what we apply has none.


def _fields(content: Mapping[str, Json], path: Path_ = ()) -> Iterator[tuple[Path_, Json]]:
    for key, value in content.items():
        here = (*path, key)
        if here in _IDENTITY:
            continue
        if isinstance(value, dict):
            yield from _fields(value, here)
        elif value is not None or path:
            yield here, value


_IDENTITY = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}


def _get(content: Mapping[str, Json], path: Path_) -> Json:
    *parents, last = path
    for parent in parents:
        content = record(content, parent)
    return content.get(last)


def _set(content: dict[str, Json], path: Path_, value: Json) -> None:
    for parent in path[:-1]:
        inner = content.get(parent)
        if not isinstance(inner, dict):
            inner = content[parent] = {}
        content = inner
    content[path[-1]] = copy.deepcopy(value)


def _remove(content: dict[str, Json], path: Path_) -> None:
    """Remove a field, and parents that become empty."""
    step, *rest = path
    if rest and isinstance(inner := content.get(step), dict):
        _remove(inner, tuple(rest))
        if inner:
            return
    content.pop(step, None)


def _conflict_text(taken: Mapping[str, list[Path_]]) -> str:
    """The API server's words. Source: kubernetes/apimachinery, pkg/util/managedfields, conflict.go."""
    count = sum(map(len, taken.values()))
    fields = {owner: [f".{'.'.join(path)}" for path in paths] for owner, paths in taken.items()}
    if count == 1:
        ((owner, paths),) = fields.items()
        return f'Apply failed with 1 conflict: conflict with "{owner}" using v1: {paths[0]}'
    parts = [
        f'conflicts with "{owner}" using v1:\n' + "\n".join(f"- {path}" for path in paths)
        for owner, paths in fields.items()
    ]
    return f"Apply failed with {count} conflicts: " + "\n".join(parts)


def _skeleton(key: ObjectKey) -> dict[str, Json]:
    namespace: dict[str, Json] = {"namespace": key.namespace} if key.namespace else {}
    return {"apiVersion": "v1", "kind": key.kind, "metadata": {"name": key.name, **namespace}}


def _namespace(name: str) -> _Object:
    """A namespace, with what the API server adds to each."""
    made = _Object(_skeleton(ObjectKey("Namespace", "", name)))
    made.content["metadata"] = {"name": name, "labels": {"kubernetes.io/metadata.name": name}}
    made.content |= {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    return made


def _managed(there: _Object, owner: str) -> dict[str, Json]:
    """An entry of an object's managedFields."""
    fields: dict[str, Json] = {}
    for path in sorted(there.owners[owner]):
        at = fields
        for step in path:
            at = cast("dict[str, Json]", at.setdefault(f"f:{step}", {}))
    return {
        "manager": owner,
        "operation": "Apply" if owner in there.appliers else "Update",
        "apiVersion": text(there.content, "apiVersion"),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        "time": there.created,
    }


def _awaited(inputs: Mapping[str, Json], key: tuple[str, str], revision: _Revision, told: str) -> State:
    """The state of a release that was installed or upgraded; raises PartialError if it never got ready.

    Source: pulumi-kubernetes, provider/pkg/provider/helm_release.go (Create, Update, releaseFailedError).
    """
    state = _release_state(inputs, key, revision, inputs=inputs)
    if revision.status == "failed":
        raise PartialError(
            f'Helm release "{state.id}" {told}. Use Helm CLI to investigate: failed to become available '
            f"within allocated timeout. Error: Helm Release {state.id}: context deadline exceeded",
            state=state,
        )
    return state


def _place(manifest: Manifest, namespace: str) -> ObjectKey:
    where = text(record(manifest.content, "metadata"), "namespace", namespace)
    return ObjectKey(manifest.kind, where, manifest.name)


# The wire format.


def _cluster(payload: Mapping[str, Json]) -> MemoryCluster:
    maps = record(payload, "configMaps")
    return MemoryCluster(
        version=text(payload, "version") or DEFAULT_VERSION,
        config_maps={path: {k: text(record(maps, path), k) for k in record(maps, path)} for path in maps},
        namespaces=texts(payload, "namespaces"),
    )


def _answer(cluster: MemoryCluster, payload: Mapping[str, Json]) -> dict[str, Json]:
    type_, inputs = text(payload, "type"), record(payload, "inputs")
    match text(payload, "operation"):
        case "create":
            chart = _decode_rendered(record(payload, "rendered"))
            return {"state": _encode_state(cluster.create(type_, inputs, chart))}
        case "read":
            found = cluster.read(type_, _decode_state(payload))
            return {"state": None if found is None else _encode_state(found)}
        case "update":
            chart = _decode_rendered(record(payload, "rendered"))
            return {"state": _encode_state(cluster.update(type_, _decode_state(payload), inputs, chart))}
        case "delete":
            cluster.delete(type_, _decode_state(payload))
        case "plan":
            before = _decode_state(payload) if record(payload, "state") else None
            return {"state": _encode_state(cluster.planned(type_, before, inputs))}
        case "unready":
            cluster.unready = set(texts(payload, "releases"))
        case "seed":
            pass  # the cluster has been created
        case "objects":
            releases: list[Json] = [{"name": r.name, "namespace": r.namespace} for r in cluster.releases()]
            return {"objects": [*cluster.objects()], "releases": releases}
        case "edit":
            cluster.edit(text(payload, "manager", "kubectl-edit"), record(payload, "object"))
        case unknown:
            raise NoHandlerError(f"emulator/kubernetes/memory.py knows no operation {unknown!r}")
    return {}


def _encode_state(state: State) -> dict[str, Json]:
    return {"id": state.id, "outputs": dict(state.outputs)}


def _decode_state(values: Mapping[str, Json]) -> State:
    state = record(values, "state")
    return State(id=text(state, "id"), outputs=record(state, "outputs"))


def _encode_rendered(chart: helm.Rendered | None) -> dict[str, Json] | None:
    if chart is None:
        return None
    return {
        "templates": dict(chart.templates),
        "chart": chart.chart,
        "version": chart.version,
        "appVersion": chart.app_version,
    }


def _decode_rendered(values: Mapping[str, Json]) -> helm.Rendered | None:
    if not values:
        return None
    templates = record(values, "templates")
    return helm.Rendered(
        templates={path: text(templates, path) for path in templates},
        chart=text(values, "chart"),
        version=text(values, "version"),
        app_version=text(values, "appVersion"),
    )


def _encode_error(refusal: KubernetesError | NoHandlerError) -> dict[str, Json]:
    partial = refusal if isinstance(refusal, PartialError) else None
    return {
        "message": str(refusal),
        "is_known": isinstance(refusal, KubernetesError),
        "is_surroundings": isinstance(refusal, KubernetesError) and refusal.is_surroundings,
        "framed": refusal.framed if isinstance(refusal, KubernetesError) else "",
        "partial": _encode_state(partial.state) if partial else None,
        "reasons": json_list(partial.reasons if partial else ()),
    }


def _decode_error(error: Mapping[str, Json]) -> KubernetesError | NoHandlerError:
    message = text(error, "message")
    if not flag(error, "is_known", default=True):
        return NoHandlerError(message)
    if record(error, "partial"):
        state = _decode_state({"state": record(error, "partial")})
        return PartialError(
            message,
            state=state,
            reasons=tuple(texts(error, "reasons")),
            is_surroundings=flag(error, "is_surroundings"),
        )
    return KubernetesError(
        message, is_surroundings=flag(error, "is_surroundings"), framed=text(error, "framed")
    )
