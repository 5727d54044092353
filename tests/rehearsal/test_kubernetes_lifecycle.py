"""Objects and releases on clusters in memory, from creation to deletion."""

import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import pytest

from common.json_values import Json, record, records, text
from emulator.aws import NoHandlerError, UnmappedInputError
from emulator.kubernetes import (
    CONFIG_MAP,
    CONFIG_MAP_PATCH,
    NAMESPACE,
    RELEASE,
    TABLES,
    Kubernetes,
    KubernetesError,
    MemoryClusters,
    PartialError,
    RemoteCluster,
)
from emulator.kubernetes.tables import difference
from emulator.lifecycle import Change, State
from tests.cluster_contract import CASES, Subject, write_chart

SEED = {"team/theirs": {"theirs": "1"}}


class Wire:
    """A `MemoryClusters` as another process holds it: JSON both ways, and pickled between any two calls."""

    def __init__(self) -> None:
        self.kept = pickle.dumps(MemoryClusters())

    def __call__(self, payload: dict[str, Json]) -> dict[str, Json]:
        clusters: MemoryClusters = pickle.loads(self.kept)  # noqa: S301 our own
        answer = clusters.handle(json.loads(json.dumps(payload)))
        self.kept = pickle.dumps(clusters)
        return json.loads(json.dumps(answer))


@pytest.fixture(params=["here", "elsewhere"])
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    """A cluster in this process, and one in another."""
    write_chart(tmp_path)
    where: Literal["here", "elsewhere"] = request.param
    if where == "here":
        local = Kubernetes(root=tmp_path, version="1.33", config_maps=SEED)
        return Subject(
            cluster=local,
            namespace="team",
            root=tmp_path,
            edit=local.memory.edit,
            find=lambda kind, name: _find(local.memory.objects(), kind, name),
        )
    wire = Wire()

    def edit(manager: str, content: Mapping[str, Json]) -> object:
        return wire({"cluster": "c", "operation": "edit", "manager": manager, "object": dict(content)})

    def find(kind: str, name: str) -> Mapping[str, Json] | None:
        return _find(records(wire({"cluster": "c", "operation": "objects"}), "objects"), kind, name)

    seeds: dict[str, Json] = {path: dict(data) for path, data in SEED.items()}
    wire({"cluster": "c", "version": "1.33", "configMaps": seeds, "operation": "seed"})
    remote = RemoteCluster(wire, "c", root=tmp_path)
    return Subject(cluster=remote, namespace="team", root=tmp_path, edit=edit, find=find)


def _find(objects: list[dict[str, Json]], kind: str, name: str) -> Mapping[str, Json] | None:
    return next(
        (o for o in objects if text(o, "kind") == kind and record(o, "metadata")["name"] == name), None
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_cluster_in_memory_behaves_as_a_real_one(case: Callable[[Subject], None], on: Subject) -> None:
    case(on)


def test_what_was_there_before_is_patched_by_key(on: Subject) -> None:
    on.cluster.create(CONFIG_MAP_PATCH, on.config_map({"ours": "2"}, name="theirs"))
    assert on.data_of("theirs") == {"theirs": "1", "ours": "2"}


def test_clusters_know_nothing_of_each_other(tmp_path: Path) -> None:
    wire = Wire()
    metadata: Json = {"name": "a", "namespace": "default"}
    first, second = (RemoteCluster(wire, name, root=tmp_path) for name in ("first", "second"))
    state = first.create(CONFIG_MAP, {"metadata": metadata})
    assert second.read(CONFIG_MAP, state) is None


def test_refusals_of_another_process_arrive_as_what_they_are(on: Subject) -> None:
    with pytest.raises(NoHandlerError, match="core/v1:Secret"):
        on.cluster.create("kubernetes:core/v1:Secret", {"metadata": {"name": "x"}})
    with pytest.raises(UnmappedInputError, match="postrender"):
        on.cluster.create(RELEASE, on.release(postrender="x"))
    with pytest.raises(KubernetesError, match=r"metadata\.name is missing"):
        on.cluster.create(CONFIG_MAP, {"metadata": {}, "data": {}})
    with pytest.raises(KubernetesError, match="'dta' was unexpected"):
        on.cluster.create(CONFIG_MAP, {**on.config_map(), "dta": {}})


def test_a_partly_made_resource_survives_the_wire(tmp_path: Path) -> None:
    state: Json = {"id": "maestro/rel", "outputs": {"status": {"status": "failed"}}}
    error: dict[str, Json] = {
        "message": "not ready",
        "partial": state,
        "reasons": ["not ready", "FailedMount"],
    }
    cluster = RemoteCluster(lambda _: {"error": error}, "c", root=tmp_path)
    with pytest.raises(PartialError, match="not ready") as refused:
        cluster.delete(CONFIG_MAP, State("maestro/x", {}))
    assert refused.value.state == State("maestro/rel", {"status": {"status": "failed"}})
    assert refused.value.reasons == ("not ready", "FailedMount")


def test_old_revisions_of_a_release_are_dropped_and_objects_of_others_are_not_taken_over(on: Subject) -> None:
    state = on.cluster.create(RELEASE, on.release())
    on.edit("kubectl", on.config_map({}, name="rel-second"))
    with pytest.raises(KubernetesError, match="exists and cannot be imported into the current release"):
        on.cluster.update(RELEASE, state, on.release(values={"second": True}))
    assert on.cluster.read(RELEASE, state) == state


def test_namespaces_of_kubernetes_itself_cannot_be_deleted(on: Subject) -> None:
    with pytest.raises(KubernetesError, match="may not be deleted"):
        on.cluster.delete(NAMESPACE, State("kube-system", {}))


# One row per input: a change of it, and what the provider does about it.
CHANGED: dict[str, dict[str, tuple[Json, Json]]] = {
    NAMESPACE: {
        "metadata.name": ("a", "b"),
        "metadata.namespace": ("", "b"),
        "metadata.labels": ({"a": "1"}, {"a": "2"}),
        "metadata.annotations": ({}, {"a": "2"}),
        "spec": ({}, {"finalizers": ["kubernetes"]}),
    },
    CONFIG_MAP: {
        "metadata.name": ("a", "b"),
        "metadata.namespace": ("a", "b"),
        "metadata.labels": ({"a": "1"}, {}),
        "metadata.annotations": ({}, {"a": "2"}),
        "data": ({"k": "1"}, {"k": "2"}),
        "binaryData": ({"k": "MQ=="}, {}),
        "immutable": (None, True),
    },
    RELEASE: {
        "name": ("a", "b"),
        "namespace": ("a", "b"),
        "atomic": (None, True),
        "chart": ("./a", "./b"),
        "cleanupOnFail": (True, None),
        "createNamespace": (None, True),
        "description": (None, "x"),
        "maxHistory": (10, 5),
        "resetValues": (None, True),
        "reuseValues": (None, True),
        "skipAwait": (None, True),
        "timeout": (600, 900),
        "values": ({"a": {"b": 1}}, {"a": {}}),
        "version": ("1.0.0", "1.0.1"),
    },
}
CHANGED[CONFIG_MAP_PATCH] = CHANGED[CONFIG_MAP]
ROWS = [(type_, key, *change) for type_, rows in CHANGED.items() for key, change in rows.items()]


def _nested(key: str, value: Json) -> dict[str, Json]:
    parent, _, child = key.rpartition(".")
    return {parent: {child: value}} if parent else {key: value}


@pytest.mark.parametrize(
    ("type_", "key", "before", "after"), ROWS, ids=[f"{row[0]} {row[1]}" for row in ROWS]
)
def test_a_changed_input_does_what_the_table_says(type_: str, key: str, before: Json, after: Json) -> None:
    old = _nested(key, before)
    state = State("x", {**old, "__inputs": old})
    found = difference(type_, state, _nested(key, after))
    in_place = TABLES[type_].changes[key] is Change.UPDATE
    assert {path[: len(key)] for path in (found.updates if in_place else found.replaces)} == {key}
    assert set(found.replaces if in_place else found.updates) == set()


def test_every_input_of_a_table_has_a_row() -> None:
    assert {type_: set(rows) for type_, rows in CHANGED.items()} == {
        type_: set(table.changes) for type_, table in TABLES.items()
    }


def test_the_provider_may_be_told_to_update_config_maps_in_place() -> None:
    old: dict[str, Json] = {"metadata": {"name": "a"}, "data": {"k": "1"}}
    state = State("x", {**old, "__inputs": old})
    new: dict[str, Json] = {**old, "data": {"k": "2"}}
    assert difference(CONFIG_MAP, state, new).replaces == ("data.k",)
    assert difference(CONFIG_MAP, state, new, config_maps_mutable=True).updates == ("data.k",)
    frozen: dict[str, Json] = {**new, "immutable": True}
    assert difference(CONFIG_MAP, state, frozen, config_maps_mutable=True).replaces == ("data.k",)
