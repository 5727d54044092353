"""Objects and a release on one cluster, as the stack's configuration describes them."""

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random

TYPES: dict[str, Any] = {
    "Namespace": kubernetes.core.v1.Namespace,
    "ConfigMap": kubernetes.core.v1.ConfigMap,
    "ConfigMapPatch": kubernetes.core.v1.ConfigMapPatch,
    "Release": kubernetes.helm.v3.Release,
}
config = pulumi.Config()
# Known only after `up` whenever the keeper has changed.
token = random.RandomId("token", byte_length=4, keepers={"is": config.require("keeper")})
provider = kubernetes.Provider(
    "kubernetes",
    kubeconfig=config.require("kubeconfig"),
    cluster_identifier="conformance",
    enable_config_map_mutable=True,
)
before: list[pulumi.Resource] = []
for wanted in config.require_object("resources"):
    arguments = {
        key: {**value, "token": token.hex} if key in wanted.get("tokens", ()) else value
        for key, value in wanted["arguments"].items()
    }
    made = TYPES[wanted["type"]](
        wanted["name"], **arguments, opts=pulumi.ResourceOptions(provider=provider, depends_on=before)
    )
    if wanted["type"] == "Namespace":
        before = [made]
