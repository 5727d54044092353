"""The real provider on a real API server, asked what the clusters in memory are asked."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from common.json_values import Json, record, text
from controlplane import MERGE_PATCH, Api, ApiError, ControlPlane
from emulator.kubernetes import KubernetesError
from tests.cluster.provider import RealProvider, real_provider
from tests.cluster_contract import (
    CASES,
    Subject,
    an_object_in_a_missing_namespace_is_refused,
    an_object_is_created_once,
    an_object_is_imported_by_its_id,
    write_chart,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("charts")
    write_chart(root)
    return root


@pytest.fixture(scope="module")
def provider(
    control_plane: ControlPlane, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealProvider]:
    with real_provider(root, tmp_path_factory.mktemp("provider")) as running:
        running.configure(control_plane.admin_kubeconfig_text)
        yield running


@pytest.fixture
def on(provider: RealProvider, api: Api, namespace: str, root: Path) -> Subject:
    def path(kind: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{name}".rstrip("/")

    def find(kind: str, name: str) -> Mapping[str, Json] | None:
        try:
            return api.call("GET", path(kind, name))
        except ApiError as refusal:
            if refusal.status == 404:
                return None
            raise

    def edit(manager: str, content: Mapping[str, Json]) -> object:
        kind, name = text(content, "kind"), text(record(content, "metadata"), "name")
        query = f"?fieldManager={manager}"
        if find(kind, name) is None:
            return api.call("POST", path(kind) + query, content)
        return api.call("PATCH", path(kind, name) + query, content, content_type=MERGE_PATCH)

    write_chart(root)
    return Subject(cluster=provider, namespace=namespace, root=root, edit=edit, find=find)


NOT_HERE: Mapping[Callable[[Subject], None], str] = {
    an_object_is_created_once: "it applies what pulumi-kubernetes 4.29 and later create",
    an_object_in_a_missing_namespace_is_refused: "it tries for a minute",
    an_object_is_imported_by_its_id: "that takes the schema, which it is built without",
}
"""The cases that this provider doesn't pass, or takes too long for, and why."""


@pytest.mark.parametrize(
    "case", [case for case in CASES if case not in NOT_HERE], ids=lambda case: case.__name__
)
def test_the_real_provider_does_what_the_clusters_in_memory_do(
    case: Callable[[Subject], None], on: Subject
) -> None:
    case(on)


def test_a_kubeconfig_that_points_elsewhere_is_refused_before_the_provider_sees_it(
    root: Path, tmp_path: Path
) -> None:
    cluster = {"name": "theirs", "cluster": {"server": "https://192.0.2.1:6443"}}
    with (
        real_provider(root, tmp_path) as provider,
        pytest.raises(KubernetesError, match=r"at https://192\.0\.2\.1:6443, which isn't on this machine"),
    ):
        provider.configure(json.dumps({"clusters": [cluster]}))
