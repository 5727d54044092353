"""What every `emulator.kubernetes.Cluster` does, as cases that each tier runs on its own kind of cluster.

That way a real API server judges the cluster in memory.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.json_values import Json, record
from emulator.kubernetes import (
    CONFIG_MAP,
    CONFIG_MAP_PATCH,
    NAMESPACE,
    RELEASE,
    Cluster,
    KubernetesError,
    PartialError,
    deletes_first,
    live_inputs,
)
from emulator.lifecycle import State

_CHART = "apiVersion: v2\nname: tiny\nversion: 1.2.3\nappVersion: '9'\n"
_TEMPLATE = """\
{{- if .Values.refuse }}{{ fail "refused by the chart" }}{{ end }}
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-settings, namespace: {{ .Release.Namespace }}}
data: {colour: {{ .Values.colour | quote }}, revision: {{ .Release.Revision | quote }}}
{{- if .Values.second }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-second, namespace: {{ .Release.Namespace }}}
{{- end }}
"""
_VALUES = "colour: red\nsecond: false\nrefuse: false\n"


def write_chart(root: Path) -> None:
    """Write the chart `tiny` below a root; all its objects are ready at once."""
    (root / "tiny" / "templates").mkdir(parents=True, exist_ok=True)
    (root / "tiny" / "Chart.yaml").write_text(_CHART)
    (root / "tiny" / "values.yaml").write_text(_VALUES)
    (root / "tiny" / "templates" / "settings.yaml").write_text(_TEMPLATE)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A cluster with a namespace for the case alone, and what only its tier can do."""

    cluster: Cluster
    namespace: str
    root: Path
    """Holds the chart `tiny`."""
    edit: Callable[[str, Mapping[str, Json]], object]
    """Merges fields into an object, or creates it, as another field manager."""
    find: Callable[[str, str], Mapping[str, Json] | None]
    """An object of the namespace by kind and name."""

    def config_map(self, data: Json = None, *, name: str = "ours", **metadata: Json) -> dict[str, Json]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.namespace, **metadata},
            "data": {"key": "1"} if data is None else data,
        }

    def release(self, **more: Json) -> dict[str, Json]:
        return {
            "name": "rel",
            "namespace": self.namespace,
            "chart": "./tiny",
            "values": {"colour": "green"},
            "maxHistory": 10,
            "cleanupOnFail": True,
            "compat": "true",
            "timeout": 30.0,
            **more,
        }

    def data_of(self, name: str) -> Json:
        return (self.find("ConfigMap", name) or {}).get("data")


def an_object_is_created_once(on: Subject) -> None:
    state = on.cluster.create(CONFIG_MAP, on.config_map())
    assert state.id == f"{on.namespace}/ours"
    assert on.data_of("ours") == {"key": "1"}
    with pytest.raises(KubernetesError, match='configmaps "ours" already exists') as refused:
        on.cluster.create(CONFIG_MAP, on.config_map())
    assert refused.value.is_surroundings


def what_was_created_is_read_back_and_differs_in_nothing(on: Subject) -> None:
    inputs = on.config_map(labels={"a": "b"})
    state = on.cluster.create(CONFIG_MAP, inputs)
    assert on.cluster.read(CONFIG_MAP, state) == state
    assert not on.cluster.difference(CONFIG_MAP, state, inputs)


def an_object_in_a_missing_namespace_is_refused(on: Subject) -> None:
    inputs = on.config_map()
    inputs["metadata"] = {"name": "ours", "namespace": "nowhere"}
    with pytest.raises(KubernetesError, match='namespaces "nowhere" not found'):
        on.cluster.create(CONFIG_MAP, inputs)


def fields_of_other_managers_are_not_drift_and_stay(on: Subject) -> None:
    state = on.cluster.create(CONFIG_MAP, on.config_map())
    theirs = on.config_map({"theirs": "2"}, labels={"their": "label"}, annotations={"their": "note"})
    on.edit("argocd", theirs)
    read = on.cluster.read(CONFIG_MAP, state)
    assert read is not None
    assert not on.cluster.difference(CONFIG_MAP, read, on.config_map())
    assert live_inputs(CONFIG_MAP, read, on.config_map()) == on.config_map()
    labelled = on.config_map(labels={"our": "label"})
    assert on.cluster.difference(CONFIG_MAP, read, labelled).updates == ("metadata.labels",)
    on.cluster.update(CONFIG_MAP, read, labelled)
    there = on.find("ConfigMap", "ours") or {}
    assert there["data"] == {"key": "1", "theirs": "2"}
    assert record(there, "metadata")["labels"] == {"their": "label", "our": "label"}
    assert record(there, "metadata")["annotations"] == {"their": "note"}


def what_kubectl_wrote_is_not_drift_and_is_removed_by_the_next_update(on: Subject) -> None:
    state = on.cluster.create(CONFIG_MAP, on.config_map())
    on.edit("kubectl-edit", on.config_map({"theirs": "2"}, labels={"their": "label"}))
    read = on.cluster.read(CONFIG_MAP, state)
    assert read is not None
    assert not on.cluster.difference(CONFIG_MAP, read, on.config_map())
    on.cluster.update(CONFIG_MAP, read, on.config_map(labels={"our": "label"}))
    assert on.data_of("ours") == {"key": "1"}
    assert record(on.find("ConfigMap", "ours") or {}, "metadata")["labels"] == {"our": "label"}


def a_key_of_ours_that_was_changed_is_drift_which_replaces(on: Subject) -> None:
    state = on.cluster.create(CONFIG_MAP, on.config_map())
    on.edit("kubectl-edit", on.config_map({"key": "theirs"}))
    read = on.cluster.read(CONFIG_MAP, state)
    assert read is not None
    assert on.cluster.difference(CONFIG_MAP, read, on.config_map()).replaces == ("data.key",)
    assert deletes_first(CONFIG_MAP, read, on.config_map())


def an_update_conflicts_with_the_manager_who_changed_our_key_unless_it_is_forced(on: Subject) -> None:
    state = on.cluster.create(CONFIG_MAP, on.config_map())
    on.edit("argocd", on.config_map({"key": "theirs", "other": "2"}))
    conflict = r'"\S+/ours" failed to fully initialize(.|\n)*conflict with "argocd" using v1: \.data\.key'
    with pytest.raises(PartialError, match=conflict):
        on.cluster.update(CONFIG_MAP, state, on.config_map())
    with pytest.raises(PartialError, match=conflict):
        on.cluster.planned(CONFIG_MAP, state, on.config_map())
    forced = on.config_map(annotations={"pulumi.com/patchForce": "true"})
    updated = on.cluster.update(CONFIG_MAP, state, forced)
    assert on.data_of("ours") == {"key": "1", "other": "2"}
    assert not on.cluster.difference(CONFIG_MAP, updated, forced)


def a_key_that_the_program_stops_setting_goes(on: Subject) -> None:
    state = on.cluster.create(CONFIG_MAP, on.config_map({"key": "1", "old": "2"}))
    assert on.cluster.difference(CONFIG_MAP, state, on.config_map())
    on.cluster.update(CONFIG_MAP, state, on.config_map())
    assert on.data_of("ours") == {"key": "1"}


def an_object_that_is_gone_is_read_as_gone_and_may_be_deleted(on: Subject) -> None:
    state = on.cluster.create(CONFIG_MAP, on.config_map())
    on.cluster.delete(CONFIG_MAP, state)
    assert on.find("ConfigMap", "ours") is None
    assert on.cluster.read(CONFIG_MAP, state) is None
    on.cluster.delete(CONFIG_MAP, state)
    on.cluster.create(CONFIG_MAP, on.config_map())


def an_object_is_imported_by_its_id(on: Subject) -> None:
    on.edit("bootstrap", on.config_map())
    read = on.cluster.read(CONFIG_MAP, State(f"{on.namespace}/ours", {}))
    assert read is not None
    assert live_inputs(CONFIG_MAP, read, {}) == on.config_map()
    assert not on.cluster.difference(CONFIG_MAP, read, on.config_map())


def an_immutable_config_map_is_replaced_and_not_updated(on: Subject) -> None:
    frozen: dict[str, Json] = {**on.config_map(), "immutable": True}
    state = on.cluster.create(CONFIG_MAP, frozen)
    changed: dict[str, Json] = {**on.config_map({"key": "2"}), "immutable": True}
    assert on.cluster.difference(CONFIG_MAP, state, changed).replaces == ("data.key",)
    with pytest.raises(KubernetesError, match="field is immutable when `immutable` is set"):
        on.cluster.update(CONFIG_MAP, state, changed)


def a_patch_owns_its_keys_only_and_gives_them_up(on: Subject) -> None:
    on.edit("bootstrap", on.config_map({"theirs": "1"}))
    patch = on.config_map({"ours": "2"})
    state = on.cluster.create(CONFIG_MAP_PATCH, patch)
    assert record(state.outputs, "data") == {"theirs": "1", "ours": "2"}
    assert not on.cluster.difference(CONFIG_MAP_PATCH, state, patch)
    changed = on.config_map({"ours": "3"})
    assert on.cluster.difference(CONFIG_MAP_PATCH, state, changed).updates == ("data.ours",)
    updated = on.cluster.update(CONFIG_MAP_PATCH, state, changed)
    assert on.data_of("ours") == {"theirs": "1", "ours": "3"}
    on.cluster.delete(CONFIG_MAP_PATCH, updated)
    assert on.data_of("ours") == {"theirs": "1"}


def a_patch_leaves_a_value_that_another_owns_too(on: Subject) -> None:
    on.edit("bootstrap", on.config_map({"shared": "1"}))
    state = on.cluster.create(CONFIG_MAP_PATCH, on.config_map({"shared": "1"}))
    on.cluster.delete(CONFIG_MAP_PATCH, state)
    assert on.data_of("ours") == {"shared": "1"}


def a_patch_conflicts_with_the_owner_of_another_value(on: Subject) -> None:
    on.edit("bootstrap", on.config_map({"theirs": "1", "more": "1"}))
    with pytest.raises(KubernetesError, match=r'conflict with "bootstrap" using v1: \.data\.theirs'):
        on.cluster.create(CONFIG_MAP_PATCH, on.config_map({"theirs": "2"}))
    with pytest.raises(KubernetesError, match=r"2 conflicts") as refused:
        on.cluster.create(CONFIG_MAP_PATCH, on.config_map({"theirs": "2", "more": "2"}))
    assert 'conflicts with "bootstrap" using v1:\n- .data.more\n- .data.theirs' in str(refused.value)


def a_patch_of_a_missing_object_creates_it_and_leaves_it_empty(on: Subject) -> None:
    patch = on.cluster.create(CONFIG_MAP_PATCH, on.config_map())
    assert on.data_of("ours") == {"key": "1"}
    on.cluster.delete(CONFIG_MAP_PATCH, patch)
    assert on.find("ConfigMap", "ours") is not None
    assert on.data_of("ours") is None


def a_patch_whose_object_is_gone_leaves_an_empty_one(on: Subject) -> None:
    base = on.cluster.create(CONFIG_MAP, on.config_map())
    patch = on.cluster.create(CONFIG_MAP_PATCH, on.config_map({"more": "2"}))
    on.cluster.delete(CONFIG_MAP, base)
    on.cluster.delete(CONFIG_MAP_PATCH, patch)
    assert on.find("ConfigMap", "ours") is not None  # giving up fields makes an object that has none
    assert on.data_of("ours") is None


def deleting_a_namespace_deletes_what_is_in_it(on: Subject) -> None:
    name = f"{on.namespace}-more"
    kind: dict[str, Json] = {"apiVersion": "v1", "kind": "Namespace"}
    inputs: dict[str, Json] = {**kind, "metadata": {"name": name, "labels": {"a": "b"}}}
    state = on.cluster.create(NAMESPACE, inputs)
    assert state.id == name
    assert not on.cluster.difference(NAMESPACE, state, inputs)
    inside = on.config_map()
    inside["metadata"] = {"name": "inside", "namespace": name}
    made = on.cluster.create(CONFIG_MAP, inside)
    release = on.cluster.create(RELEASE, on.release(namespace=name))
    relabelled: dict[str, Json] = {**kind, "metadata": {"name": name, "labels": {"a": "c"}}}
    assert on.cluster.difference(NAMESPACE, state, relabelled).updates == ("metadata.labels.a",)
    state = on.cluster.update(NAMESPACE, state, relabelled)
    assert record(record(state.outputs, "metadata"), "labels")["a"] == "c"
    on.cluster.delete(NAMESPACE, state)
    assert on.cluster.read(NAMESPACE, state) is None
    assert on.cluster.read(CONFIG_MAP, made) is None
    assert on.cluster.read(RELEASE, release) is None
    on.cluster.delete(NAMESPACE, state)


def a_release_is_installed_once_and_reports_its_status(on: Subject) -> None:
    state = on.cluster.create(RELEASE, on.release())
    assert state.id == f"{on.namespace}/rel"
    assert state.outputs["status"] == {
        "name": "rel",
        "namespace": on.namespace,
        "revision": 1,
        "status": "deployed",
        "version": "1.2.3",
        "appVersion": "9",
        "chart": "tiny",
    }
    assert state.outputs["resourceNames"] == {"ConfigMap/v1": [f"{on.namespace}/rel-settings"]}
    assert on.data_of("rel-settings") == {"colour": "green", "revision": "1"}
    with pytest.raises(KubernetesError, match="cannot re-use a name that is still in use"):
        on.cluster.create(RELEASE, on.release())


def a_release_is_read_back_and_differs_in_nothing(on: Subject) -> None:
    state = on.cluster.create(RELEASE, on.release())
    assert on.cluster.read(RELEASE, state) == state
    assert not on.cluster.difference(RELEASE, state, on.release())


def a_release_is_upgraded_with_the_new_values_alone(on: Subject) -> None:
    state = on.cluster.create(RELEASE, on.release(values={"colour": "green", "second": True}))
    assert on.find("ConfigMap", "rel-second") is not None
    wanted = on.release(values={"second": False})
    found = on.cluster.difference(RELEASE, state, wanted)
    assert found.kinds == {"values.colour": "delete", "values.second": "update"}
    assert found.listed == ("values",)
    state = on.cluster.update(RELEASE, state, wanted)
    assert record(state.outputs, "status")["revision"] == 2
    assert on.data_of("rel-settings") == {"colour": "red", "revision": "2"}
    assert on.find("ConfigMap", "rel-second") is None
    assert on.cluster.read(RELEASE, state) == state
    assert not on.cluster.difference(RELEASE, state, wanted)


def changed_values_are_drift_and_added_ones_are_not(on: Subject) -> None:
    state = on.cluster.create(RELEASE, on.release())
    on.cluster.update(RELEASE, state, on.release(values={"colour": "green", "second": True}))
    read = on.cluster.read(RELEASE, state)
    assert read is not None
    assert record(read.outputs, "status")["revision"] == 2
    assert read.outputs["values"] == {"colour": "green", "second": True}
    assert not on.cluster.difference(RELEASE, read, on.release())
    on.cluster.update(RELEASE, state, on.release(values={"colour": "blue"}))
    read = on.cluster.read(RELEASE, state)
    assert read is not None
    assert on.cluster.difference(RELEASE, read, on.release()).updates == ("values.colour",)
    on.cluster.update(RELEASE, read, on.release())
    assert on.data_of("rel-settings") == {"colour": "green", "revision": "4"}


def a_chart_that_refuses_leaves_nothing(on: Subject) -> None:
    with pytest.raises(KubernetesError, match="refused by the chart"):
        on.cluster.create(RELEASE, on.release(values={"refuse": True}))
    assert on.cluster.read(RELEASE, State(f"{on.namespace}/rel", {})) is None
    state = on.cluster.create(RELEASE, on.release())
    with pytest.raises(KubernetesError, match="refused by the chart"):
        on.cluster.update(RELEASE, state, on.release(values={"refuse": True}))
    assert on.cluster.read(RELEASE, state) == state


def a_release_in_a_missing_namespace_is_refused(on: Subject) -> None:
    with pytest.raises(KubernetesError, match='namespaces "nowhere" not found'):
        on.cluster.create(RELEASE, on.release(namespace="nowhere"))


def a_release_without_its_chart_is_refused(on: Subject) -> None:
    with pytest.raises(KubernetesError, match=r'path "./none" not found; check the chart name'):
        on.cluster.create(RELEASE, on.release(chart="./none"))


def an_uninstalled_release_is_gone_with_its_objects(on: Subject) -> None:
    state = on.cluster.create(RELEASE, on.release())
    on.cluster.delete(RELEASE, state)
    assert on.find("ConfigMap", "rel-settings") is None
    assert on.cluster.read(RELEASE, state) is None
    with pytest.raises(KubernetesError, match="uninstall: Release not loaded: rel: release: not found"):
        on.cluster.delete(RELEASE, state)
    with pytest.raises(KubernetesError, match='"rel" has no deployed releases'):
        on.cluster.update(RELEASE, state, on.release())
    assert record(on.cluster.create(RELEASE, on.release()).outputs, "status")["revision"] == 1


def a_release_is_imported_by_its_id(on: Subject) -> None:
    on.cluster.create(RELEASE, on.release())
    read = on.cluster.read(RELEASE, State(f"{on.namespace}/rel", {}))
    assert read is not None
    assert (read.outputs["name"], read.outputs["namespace"]) == ("rel", on.namespace)
    # Helm doesn't know which folder the chart came from.
    assert set(on.cluster.difference(RELEASE, read, on.release()).updates) <= {
        "chart",
        "cleanupOnFail",
        "maxHistory",
        "timeout",
    }


def an_edit_of_the_chart_goes_unnoticed_and_a_new_version_does_not(on: Subject) -> None:
    state = on.cluster.create(RELEASE, on.release())
    with (on.root / "tiny" / "templates" / "settings.yaml").open("a") as file:
        file.write("\n# changed\n")
    assert not on.cluster.difference(RELEASE, state, on.release())
    (on.root / "tiny" / "Chart.yaml").write_text(_CHART.replace("1.2.3", "1.2.4"))
    assert on.cluster.difference(RELEASE, state, on.release()).updates == ("version",)
    state = on.cluster.update(RELEASE, state, on.release())
    assert record(state.outputs, "status")["version"] == "1.2.4"


CASES: tuple[Callable[[Subject], None], ...] = (
    an_object_is_created_once,
    what_was_created_is_read_back_and_differs_in_nothing,
    an_object_in_a_missing_namespace_is_refused,
    fields_of_other_managers_are_not_drift_and_stay,
    what_kubectl_wrote_is_not_drift_and_is_removed_by_the_next_update,
    a_key_of_ours_that_was_changed_is_drift_which_replaces,
    an_update_conflicts_with_the_manager_who_changed_our_key_unless_it_is_forced,
    a_key_that_the_program_stops_setting_goes,
    an_object_that_is_gone_is_read_as_gone_and_may_be_deleted,
    an_object_is_imported_by_its_id,
    an_immutable_config_map_is_replaced_and_not_updated,
    a_patch_owns_its_keys_only_and_gives_them_up,
    a_patch_leaves_a_value_that_another_owns_too,
    a_patch_conflicts_with_the_owner_of_another_value,
    a_patch_of_a_missing_object_creates_it_and_leaves_it_empty,
    a_patch_whose_object_is_gone_leaves_an_empty_one,
    deleting_a_namespace_deletes_what_is_in_it,
    a_release_is_installed_once_and_reports_its_status,
    a_release_is_read_back_and_differs_in_nothing,
    a_release_is_upgraded_with_the_new_values_alone,
    changed_values_are_drift_and_added_ones_are_not,
    a_chart_that_refuses_leaves_nothing,
    a_release_in_a_missing_namespace_is_refused,
    a_release_without_its_chart_is_refused,
    an_uninstalled_release_is_gone_with_its_objects,
    a_release_is_imported_by_its_id,
    an_edit_of_the_chart_goes_unnoticed_and_a_new_version_does_not,
)
