"""examples/argocd and examples/operator, judged by the API server with the custom resources' schemas."""

import json
import re
import string
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import Chart

from controlplane import Api, ApiError, ControlPlane
from controlplane.api import MERGE_PATCH
from engine.project import read_yaml
from maestro_stack.outputs import contract
from maestro_stack.settings import parse
from tests.checkouts import ROOT
from tests.cluster.objects import is_served, make_namespace, remove_namespace, wait_until
from tools.catalogue import numbers

Object = dict[str, Any]
CRDS = sorted((Path(__file__).parent / "crds").glob("*.yaml"))
OUTPUTS = {row.name: str(row.example) for row in contract()}
OPERATOR = (ROOT / "examples/operator/stack.yaml").read_text(encoding="utf-8")
VALUES: Object = {
    "clusterName": "regional-xyz",
    "broker": {"endpoint": "abc-ats.iot.us-east-1.amazonaws.com"},
}
"""A part of the output `maestro_chart_values`; test_external.py applies all of it."""
ARGOCD = string.Template((ROOT / "examples/argocd/application.yaml").read_text("utf-8")).substitute(
    {**OUTPUTS, "maestro_chart_values": json.dumps(VALUES)}
)
PATHS = {
    "Application": "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Namespace": "/api/v1/namespaces",
    "Pod": "/api/v1/namespaces/{namespace}/pods",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "Stack": "/apis/pulumi.com/v1/namespaces/{namespace}/stacks",
}
"""The API path of each kind's objects."""


def objects(document: str) -> list[Object]:
    return list(yaml.safe_load_all(document))


def path_of(found: Object) -> str:
    return PATHS[found["kind"]].format(namespace=found["metadata"].get("namespace"))


def create(api: Api, found: Object, *, dry: bool = False) -> Object:
    """What the API server makes of an object, under strict validation."""
    dry_run = "&dryRun=All" if dry else ""
    return api.call("POST", f"{path_of(found)}?fieldValidation=Strict{dry_run}", found)


def remove(api: Api, found: Object) -> None:
    path = f"{path_of(found)}/{found['metadata']['name']}"
    api.raw("DELETE", path)
    wait_until(lambda: not api.exists(path), f"{path} to be gone")


@pytest.fixture(scope="module")
def known(control_plane: ControlPlane) -> Iterator[Api]:
    """The API server, while it knows the two custom resources."""
    with ExitStack() as ending:
        api = ending.enter_context(closing(control_plane.api()))
        for definition in (each for file in CRDS for each in objects(file.read_text(encoding="utf-8"))):
            create(api, definition)
            ending.callback(remove, api, definition)
        for kind in ("Application", "Stack"):
            path = PATHS[kind].format(namespace="default")
            wait_until(lambda path=path: is_served(api, path), f"{kind} to be served")
        make_namespace(api, "argocd")
        ending.callback(remove_namespace, api, "argocd")
        yield api


def test_the_api_server_accepts_the_examples_as_they_are(known: Api) -> None:
    (application,) = objects(ARGOCD)
    made = create(known, application)
    assert made["spec"] == application["spec"]
    at = f"{path_of(application)}/{application['metadata']['name']}"
    freed: Object = {"metadata": {"finalizers": None}}
    known.call("PATCH", at, freed, content_type=MERGE_PATCH)  # no Argo CD is here to do it

    *others, stack = objects(OPERATOR)
    for each in others:
        create(known, each)
    assert create(known, stack)["spec"] == stack["spec"]
    # The pod that the operator would create, as far as the template says.
    template = stack["spec"]["workspaceTemplate"]["spec"]
    container: Object = {
        "name": "pulumi",
        "image": template["image"],
        "resources": template["resources"],
        # What the operator's documentation says about the profile "restricted".
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    account = stack["spec"]["serviceAccountName"]
    spec = {**template["podTemplate"]["spec"], "serviceAccountName": account, "containers": [container]}
    metadata = {"name": "workspace", "namespace": "maestro-regions"}
    create(known, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, dry=True)
    remove_namespace(known, "maestro-regions")
    remove(known, next(each for each in others if each["kind"] == "ClusterRoleBinding"))


@pytest.mark.parametrize(
    ("document", "old", "new", "refusal"),
    [
        (ARGOCD, "valuesObject:", "valueObject:", 'unknown field "spec.source.helm.valueObject"'),
        (ARGOCD, "prune: true", 'prune: "yes"', "prune: Invalid value"),
        (ARGOCD, "  project: default\n", "", "spec.project: Required value"),
        (OPERATOR, "secretsProvider:", "secretProvider:", 'unknown field "spec.secretProvider"'),
        (OPERATOR, "ReclaimPolicy: Delete", "ReclaimPolicy: Drop", "Unsupported value"),
        (OPERATOR, "    - name: us-east-1\n      requirement:", "    - requirement:", "name: Required value"),
        (OPERATOR, "securityProfile:", "profile:", 'unknown field "spec.workspaceTemplate.spec.profile"'),
    ],
)
def test_the_schemas_notice_a_slip(known: Api, document: str, old: str, new: str, refusal: str) -> None:
    assert old in document
    broken = {**objects(document.replace(old, new))[-1]}
    broken["metadata"] = {**broken["metadata"], "namespace": "argocd"}
    with pytest.raises(ApiError, match=re.escape(refusal)):
        create(known, broken, dry=True)


def test_the_applications_values_are_the_charts_and_the_regions() -> None:
    (application,) = objects(ARGOCD)
    source = application["spec"]["source"]
    assert source["helm"]["valuesObject"] == VALUES
    rendered = Chart.load(str(ROOT / source["path"])).render(
        values=source["helm"]["valuesObject"],
        name=source["helm"]["releaseName"],
        namespace=application["spec"]["destination"]["namespace"],
    )
    assert VALUES["broker"]["endpoint"] in "\n".join(rendered.values())


def test_the_operators_stack_configures_the_program_and_holds_no_secret() -> None:
    documents = objects(OPERATOR)
    assert {d["kind"] for d in documents} == {"Namespace", "ServiceAccount", "ClusterRoleBinding", "Stack"}
    spec = documents[-1]["spec"]
    assert not {"secrets", "secretsRef", "envSecrets", "accessTokenSecret", "gitAuthSecret"} & spec.keys()
    assert spec["destroyOnFinalize"] is False
    # The engine hands objects to the program as JSON text.
    config = {k: v if isinstance(v, str) else json.dumps(v) for k, v in spec["config"].items()}
    settings = parse(config, project="maestro-stack", root=ROOT)
    assert (settings.region, settings.is_production) == ("eu-west-1", True)
    project: Any = read_yaml(ROOT / "Pulumi.yaml")
    image = spec["workspaceTemplate"]["spec"]["image"]
    assert image.startswith("pulumi/pulumi:")
    assert numbers(image) >= numbers(project["requiredPulumiVersion"])
