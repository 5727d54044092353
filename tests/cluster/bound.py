"""A service account that may do what one ClusterRole grants, and nothing else."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from common.json_values import Json, record, records, text
from controlplane import Api, ControlPlane
from tests.cluster.objects import wait_until

CONTEXT = "bound"
_ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
_GROUP = "rbac.authorization.k8s.io"
_RBAC = f"/apis/{_GROUP}/v1"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"


@contextmanager
def bound(control_plane: ControlPlane, api: Api, role: Mapping[str, Json]) -> Generator[str]:
    """The token of a service account with this ClusterRole; both are gone on exit."""
    name = text(record(role, "metadata"), "name")
    named: dict[str, Json] = {"metadata": {"name": name}}
    subject: Json = {"kind": "ServiceAccount", "name": name, "namespace": "default"}
    reference: Json = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name}
    made: list[tuple[str, dict[str, Json]]] = [
        (_ACCOUNTS, named),
        (f"{_RBAC}/clusterroles", dict(role)),
        (f"{_RBAC}/clusterrolebindings", {**named, "roleRef": reference, "subjects": [subject]}),
    ]
    for path, body in made:
        api.call("POST", path, body)
    try:
        answer = api.call("POST", f"{_ACCOUNTS}/{name}/token", {"spec": {"expirationSeconds": 3600}})
        token = text(record(answer, "status"), "token")
        own = control_plane.anonymous(token)
        wait_until(lambda: _rules(own) >= _as_texts(records(role, "rules")), f"role {name} to count")
        own.close()
        yield token
    finally:
        for path, _ in made:
            api.raw("DELETE", f"{path}/{name}")


def _rules(api: Api) -> set[str]:
    """What the caller may do, as the API server knows by now."""
    answer = api.call("POST", _REVIEWS, {"spec": {"namespace": "default"}})
    return _as_texts(records(record(answer, "status"), "resourceRules"))


def _as_texts(rules: list[dict[str, Json]]) -> set[str]:
    return {json.dumps(rule, sort_keys=True) for rule in rules}


def kubeconfig(url: str, control_plane: ControlPlane, token: str) -> str:
    """The text of one for whoever has the token; `url` leads to the API server."""
    cluster: Json = {
        "server": url,
        "certificate-authority-data": control_plane.certificate_authority,
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": CONTEXT,
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
            "users": [{"name": CONTEXT, "user": {"token": token}}],
            "clusters": [{"name": CONTEXT, "cluster": cluster}],
        }
    )
