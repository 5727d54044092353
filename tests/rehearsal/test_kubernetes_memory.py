"""The emulated cluster refuses what an API server and Helm refuse."""

import pytest

from common.json_values import Json
from emulator.aws import UnmappedInputError
from emulator.kubernetes import RELEASE, Kubernetes, KubernetesError
from tests.checkouts import ROOT

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
PATCH = "kubernetes:core/v1:ConfigMapPatch"
VALUES: dict[str, Json] = {
    "clusterName": "regional-xyz",
    "broker": {"endpoint": "abc-ats.iot.us-east-1.amazonaws.com"},
}


@pytest.fixture
def cluster() -> Kubernetes:
    return Kubernetes(root=ROOT, version="1.33", config_maps={"kube-system/there": {"theirs": "1"}})


def config_map(name: str = "new", namespace: str = "kube-system", **more: Json) -> dict[str, Json]:
    metadata: dict[str, Json] = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ours": "2"}, **more}


def release(**more: Json) -> dict[str, Json]:
    chart = "./charts/maestro-server-eso"
    return {"name": "maestro-server", "namespace": "default", "chart": chart, "values": VALUES, **more}


def test_an_object_is_created_once(cluster: Kubernetes) -> None:
    assert cluster.create(CONFIG_MAP, config_map()).id == "kube-system/new"
    with pytest.raises(KubernetesError, match='"new" already exists') as refused:
        cluster.create(CONFIG_MAP, config_map())
    assert refused.value.is_surroundings


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (config_map(data={"n": 1}), "not of type 'string'"),
        (config_map(dta={}), "'dta' was unexpected"),
        (config_map(namespace="nowhere"), 'namespaces "nowhere" not found'),
        (config_map(apiVersion="v9"), "has no ConfigMap in v9"),
    ],
)
def test_an_invalid_object_is_refused(cluster: Kubernetes, inputs: dict[str, Json], words: str) -> None:
    with pytest.raises(KubernetesError, match=words):
        cluster.create(CONFIG_MAP, inputs)


def test_a_patch_adds_our_key_and_keeps_theirs(cluster: Kubernetes) -> None:
    outputs = cluster.create(PATCH, config_map("there")).outputs
    assert outputs["data"] == {"theirs": "1", "ours": "2"}


def test_a_patch_conflicts_with_another_value_and_misses_its_namespace(cluster: Kubernetes) -> None:
    with pytest.raises(KubernetesError, match=r'conflict with "bootstrap" using v1: \.data\.theirs'):
        cluster.create(PATCH, config_map("there", data={"theirs": "2"}))
    with pytest.raises(KubernetesError, match='namespaces "nowhere" not found'):
        cluster.create(PATCH, config_map(namespace="nowhere"))


def test_a_release_is_rendered_and_its_objects_are_kept(cluster: Kubernetes) -> None:
    status = cluster.create(RELEASE, release()).outputs["status"]
    assert isinstance(status, dict)
    assert (status["status"], status["revision"], status["namespace"]) == ("deployed", 1, "default")
    deployments = [each for each in cluster.releases[0].manifests if each.kind == "Deployment"]
    assert [each.content["apiVersion"] for each in deployments] == ["apps/v1"]
    with pytest.raises(KubernetesError, match="cannot re-use a name") as refused:
        cluster.create(RELEASE, release())
    assert refused.value.is_surroundings


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (release(values={}), "Unable to determine cluster name"),
        (release(values={**VALUES, "nonsense": 1}), "nonsense"),
        (release(chart="./charts/none"), r'path "\./charts/none" not found'),
        (release(namespace="nowhere"), 'namespaces "nowhere" not found'),
    ],
)
def test_a_release_that_helm_refuses(cluster: Kubernetes, inputs: dict[str, Json], words: str) -> None:
    with pytest.raises(KubernetesError, match=words):
        cluster.create(RELEASE, inputs)


def test_an_input_that_is_not_rehearsed_is_an_error_and_not_dropped(cluster: Kubernetes) -> None:
    with pytest.raises(UnmappedInputError, match="postrender"):
        cluster.create(RELEASE, release(postrender="x"))
