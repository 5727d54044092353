"""Objects for the tests of this tier, and waiting for them."""

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import pytest

from common.json_values import Json, record, records, text, texts
from controlplane import Api, ApiError
from controlplane.api import MERGE_PATCH

REGION = "us-east-1"
ACCOUNT = "123456789012"
CLUSTER = "regional-xyz"
OURS = "maestro"
"""The namespace of the release."""
RELEASE_SECONDS = 10
"""How long impatient.py waits for a release to get ready."""
SYSTEM = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})


class Tool(Protocol):
    """Runs a program against the control plane; returns its standard output. A failure fails the test."""

    def __call__(self, *arguments: str, check: bool = True, stdin: str | None = None) -> str: ...


def clean(api: Api) -> None:
    """Remove every namespace but Kubernetes' own, and the ConfigMap bootstrap-output; uncordon nodes."""
    listed = records(api.call("GET", "/api/v1/namespaces"), "items")
    for name in {text(record(each, "metadata"), "name") for each in listed} - SYSTEM:
        remove_namespace(api, name)
    config_map = "/api/v1/namespaces/kube-system/configmaps/bootstrap-output"
    if api.exists(config_map):
        api.raw("DELETE", config_map)
    for each in records(api.call("GET", "/api/v1/nodes"), "items"):
        if record(each, "spec").get("unschedulable"):
            path = f"/api/v1/nodes/{text(record(each, 'metadata'), 'name')}"
            free: dict[str, Json] = {"spec": {"unschedulable": None}}
            api.call("PATCH", path, free, content_type=MERGE_PATCH)


def is_served(api: Api, path: str) -> bool:
    """Whether the API server has this collection of custom resources."""
    try:
        return api.exists(path)
    except ApiError as refusal:
        if refusal.reason == "TooManyRequests":  # its storage is being set up
            return False
        raise


def remove_namespace(api: Api, name: str) -> None:
    """Delete a namespace with all that is in it, at once.

    The controller would wait five seconds before it starts.
    """
    path = f"/api/v1/namespaces/{name}"
    found = api.call("DELETE", path)  # from now on nothing new can be created in it
    for collection in _collections(api, name):
        api.raw("DELETE", f"{collection}?gracePeriodSeconds=0")
    wait_until(lambda: not records(api.call("GET", f"{path}/pods"), "items"), f"the pods of {name} to go")
    metadata: dict[str, Json] = {"name": name, "uid": record(found, "metadata")["uid"]}
    try:
        api.call("PUT", f"{path}/finalize", {"metadata": metadata, "spec": {"finalizers": []}})
    except ApiError as refusal:
        if refusal.status not in (404, 409):  # the controller was quicker
            raise
    wait_until(lambda: not api.exists(path), f"{name} to be gone")


def _collections(api: Api, namespace: str) -> list[str]:
    """The paths of all kinds of objects that can be in a namespace."""
    groups = records(api.call("GET", "/apis"), "groups")
    versions = [f"/apis/{text(record(group, 'preferredVersion'), 'groupVersion')}" for group in groups]
    return [
        f"{version}/namespaces/{namespace}/{text(resource, 'name')}"
        for version in ("/api/v1", *versions)
        for resource in records(api.call("GET", version), "resources")
        if resource.get("namespaced") and "deletecollection" in texts(resource, "verbs")
    ]


def make_namespace(api: Api, name: str, *, pod_security: str = "restricted") -> None:
    """Make a namespace in which pods can be created."""
    metadata: dict[str, Json] = {
        "name": name,
        "labels": {"pod-security.kubernetes.io/enforce": pod_security},
    }
    api.call("POST", "/api/v1/namespaces", {"metadata": metadata})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    wait_until(lambda: api.exists(account), f"service account default of {name}")


def wait_until(reached: Callable[[], object], what: str, *, seconds: float = 20) -> None:
    """Poll until the condition holds; fail the test if it doesn't in time."""
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)


def pod(name: str, spec: Mapping[str, Json] | None = None, *, root: bool = False) -> dict[str, Json]:
    """A pod that "restricted" admits, unless it should run as root; `spec` is merged into its own."""
    container: dict[str, Json] = {
        "name": "main",
        "image": "example.test/nothing:1",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "containers": [container],
            "securityContext": {"runAsNonRoot": not root, "seccompProfile": {"type": "RuntimeDefault"}},
            **(spec or {}),
        },
    }


def condition(thing: Mapping[str, Json], kind: str) -> str:
    """The status of a condition: "True", "False", "Unknown", or nothing."""
    conditions = records(record(thing, "status"), "conditions")
    return next((text(c, "status") for c in conditions if text(c, "type") == kind), "")


def is_ready(api: Api, namespace: str, name: str) -> bool:
    """Whether a pod is ready."""
    return condition(api.call("GET", f"/api/v1/namespaces/{namespace}/pods/{name}"), "Ready") == "True"
