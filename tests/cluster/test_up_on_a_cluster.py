"""The program on the real engine and the real API server: built, unchanged, drifted, changed, destroyed."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.json_values import Json, record, records, text, texts
from controlplane import MERGE_PATCH, Api, ControlPlane
from emulator.client import Emulation
from tests.checkouts import checkout
from tests.cluster.objects import CLUSTER, OURS, Tool, wait_until
from tests.cluster.stacks import (
    CONFIG_MAP,
    RELEASE,
    REPLICAS,
    OnCluster,
    on_cluster,
    rollout_faults,
)
from tests.engine.conftest import config

IMAGE = {"tag": "0123456789abcdef0123456789abcdef01234567"}


@pytest.fixture(scope="module")
def stack(
    emulation: Emulation, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OnCluster]:
    """A dev stack that is up; each test leaves it up, with whatever configuration."""
    folder = tmp_path_factory.mktemp("stack")
    with on_cluster(emulation, control_plane, folder / "region", config()) as stack:
        stack.region.up()
        yield stack


def test_nothing_is_written_to_the_users_home(stack: OnCluster) -> None:
    """Both Helm's engine and the AWS CLI keep things there otherwise."""
    assert not (stack.region.folder / "home").exists()


def changed(stack: OnCluster, **keys: object) -> dict[str, object]:
    """The stack's configuration with other values of some keys."""
    return stack.region.settings | {f"maestro-stack:{key}": value for key, value in keys.items()}


def test_helm_knows_the_release_and_its_pods_are_ready_when_up_is_done(stack: OnCluster, helm: Tool) -> None:
    (listed,) = json.loads(helm("list", "-n", OURS, "--all", "-o", "json"))
    assert (listed["name"], listed["status"]) == ("maestro-server", "deployed")
    assert len(stack.ready()) == REPLICAS
    assert stack.region.engine.outputs()["maestro_release_status"] == "deployed"
    assert record(stack.config_map(), "data") == {"cluster_name": CLUSTER}


def test_what_is_built_stays_as_it_is(stack: OnCluster) -> None:
    before = set(stack.pods())
    assert stack.region.up().changes == {}
    assert stack.region.refresh().changes == {}
    assert stack.region.preview().changes == {}
    assert set(stack.pods()) == before


def test_our_key_is_taken_back_with_what_kubectl_wrote_and_what_others_wrote_stays(
    stack: OnCluster, kubectl: Tool
) -> None:
    """The provider takes over the fields of kubectl's managers at each update. SECURITY.md says so."""
    theirs: Json = {
        "metadata": {"labels": {"team": "platform"}},
        "data": {"cluster_name": "other", "by_kubectl": "goes"},
    }
    name = ("-n", "kube-system", "configmap", "bootstrap-output")
    kubectl("patch", *name, "--type", "merge", "-p", json.dumps(theirs))
    more: Json = {
        "metadata": {"annotations": {"example.test/note": "theirs"}},
        "data": {"by_argocd": "stays"},
    }
    stack.api.call("PATCH", f"{CONFIG_MAP}?fieldManager=argocd", more, content_type=MERGE_PATCH)
    seen = stack.region.refresh()
    assert seen.of("update") == ["kubernetes:core/v1:ConfigMap"]
    assert stack.region.up().changes == {
        "kubernetes:core/v1:ConfigMap bootstrap-output-regional-xyz": "update"
    }
    repaired = stack.config_map()
    assert record(repaired, "data") == {"cluster_name": CLUSTER, "by_argocd": "stays"}
    assert "team" not in record(record(repaired, "metadata"), "labels")
    assert record(record(repaired, "metadata"), "annotations")["example.test/note"] == "theirs"
    assert stack.region.preview().changes == {}


def test_what_is_outside_the_pods_changes_and_no_pod_is_replaced(stack: OnCluster, tmp_path: Path) -> None:
    before, revision = set(stack.pods()), len(stack.revisions())
    edited = checkout(tmp_path / "checkout")
    service = edited / "charts/maestro-server-eso/templates/service.yaml"
    service.write_text(
        service.read_text().replace("\nspec:", "\n  annotations:\n    edited: yes-it-is\nspec:")
    )
    settings = changed(stack, tags={"team": "platform"}, database={"backupRetentionDays": 3})
    stack.region.configure(settings, root=edited)
    changes = stack.region.up().changes
    assert {changes[RELEASE], changes["aws:rds/instance:Instance instance"]} == {"update"}
    services = records(stack.api.call("GET", f"/api/v1/namespaces/{OURS}/services"), "items")
    annotations = [record(record(each, "metadata"), "annotations") for each in services]
    assert any(each.get("edited") == "yes-it-is" for each in annotations)
    assert len(stack.revisions()) == revision + 1
    assert set(stack.pods()) == stack.ready() == before


def test_another_image_rolls_the_pods_one_at_a_time(stack: OnCluster) -> None:
    before, seen = set(stack.pods()), len(stack.watch.moments)
    stack.region.configure(changed(stack, server={"image": IMAGE}))
    assert stack.region.up().changes == {RELEASE: "update"}
    wait_until(lambda: len(stack.pods()) == REPLICAS, "the old pods to go")
    assert set(stack.pods()) == stack.ready()
    assert not set(stack.pods()) & before
    containers = [records(record(pod, "spec"), "containers")[0] for pod in stack.pods().values()]
    assert {text(container, "image").rpartition(":")[2] for container in containers} == {IMAGE["tag"]}
    assert rollout_faults(stack.watch.moments[seen:], ready=before) == []


def test_no_object_in_the_cluster_holds_a_secret(stack: OnCluster) -> None:
    secrets = stack.region.secrets()
    assert len(secrets) > 10
    releases = [json.dumps(revision) for revision in stack.revisions()]
    assert releases
    assert all("kind: Deployment" in release and CLUSTER in release for release in releases)
    places = {f"revision {n} of the release": release for n, release in enumerate(releases, 1)}
    places |= all_objects(stack.api, OURS) | all_objects(stack.api, "kube-system")
    kinds = {place.partition(" ")[0] for place in places}
    assert {"pods", "events", "configmaps", "secrets", "replicasets", "secretproviderclasses"} <= kinds
    assert [(place, value[:4]) for place, said in places.items() for value in secrets if value in said] == []


def all_objects(api: Api, namespace: str) -> dict[str, str]:
    """Everything in a namespace: the object by kind and name, and what it holds encoded."""
    groups = records(api.call("GET", "/apis"), "groups")
    versions = [f"/apis/{text(record(group, 'preferredVersion'), 'groupVersion')}" for group in groups]
    found: dict[str, str] = {}
    for version in ("/api/v1", *versions):
        for resource in records(api.call("GET", version), "resources"):
            kind = text(resource, "name")
            if resource.get("namespaced") and "list" in texts(resource, "verbs"):
                for each in records(api.call("GET", f"{version}/namespaces/{namespace}/{kind}"), "items"):
                    held = record(each, "data") if kind == "secrets" else {}
                    decoded = [
                        base64.b64decode(str(value)).decode(errors="replace") for value in held.values()
                    ]
                    said = [json.dumps(each), *decoded]
                    found[f"{kind} {text(record(each, 'metadata'), 'name')}"] = "\n".join(said)
    return found


def test_a_dev_stack_leaves_nothing_of_ours_behind_and_can_be_built_again(stack: OnCluster) -> None:
    stack.region.destroy()
    assert stack.leftovers() == []
    assert stack.region.leftovers() == []
    stack.region.up()
    assert len(stack.ready()) == REPLICAS


def test_the_config_map_of_another_owner_and_other_ways_to_reach_the_cluster(
    emulation: Emulation, control_plane: ControlPlane, kubectl: Tool, tmp_path: Path
) -> None:
    """One stack, through the shell's kubeconfig, then a given one; each mode of bootstrapConfigMap."""
    theirs: dict[str, Json] = {"cluster_type": "regional", "api": "arn:theirs"}
    settings = config(kubernetes={"mode": "ambient", "context": "rehearsal"})
    with on_cluster(emulation, control_plane, tmp_path / "region", settings) as stack:
        region = stack.region
        make_config_map(stack.api, theirs)
        region.configure(changed(stack, bootstrapConfigMap="external"))
        region.up()
        assert record(stack.config_map(), "data") == theirs
        assert len(stack.ready()) == REPLICAS
        pods = set(stack.pods())

        region.configure(changed(stack, kubernetes={"mode": "kubeconfig"}, bootstrapConfigMap="adopt"))
        secret = ("--secret", "--path", "maestro-stack:kubernetes.kubeconfig", "--")
        kubeconfig = control_plane.admin_kubeconfig_text
        region.engine.pulumi("config", "set", "--stack", region.name, *secret, kubeconfig)
        assert region.up().changes == {
            "pulumi:providers:kubernetes kubernetes-regional-xyz": "update",
            "kubernetes:core/v1:ConfigMapPatch bootstrap-output-regional-xyz": "create",
        }
        assert record(stack.config_map(), "data") == theirs | {"cluster_name": CLUSTER}
        assert set(stack.pods()) == pods
        assert region.preview().changes == {}

        # Somebody edits our key: `up` says who, and goes on when the value is put right.
        set_name = ("patch", "configmap", "bootstrap-output", "-n", "kube-system", "--type", "merge", "-p")
        kubectl(*set_name, '{"data": {"cluster_name": "other"}}')
        region.refresh()
        conflict = region.engine.up()
        assert not conflict.succeeded
        assert 'conflict with "kubectl-patch" using v1: .data.cluster_name' in "\n".join(conflict.diagnostics)
        kubectl(*set_name, json.dumps({"data": {"cluster_name": CLUSTER}}))
        region.refresh()
        region.up()
        assert region.preview().changes == {}

        region.destroy()
        # The key is theirs too, since they put it right.
        assert record(stack.config_map(), "data") == theirs | {"cluster_name": CLUSTER}
        assert stack.leftovers() == ["bootstrap-output"]
        assert region.leftovers() == []


def make_config_map(api: Api, data: dict[str, Json]) -> None:
    """As another program would make it: by create and not by apply."""
    path, _, name = CONFIG_MAP.rpartition("/")
    metadata: Json = {"name": name}
    api.call("POST", path, {"metadata": metadata, "data": data})
