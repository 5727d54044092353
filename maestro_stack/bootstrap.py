"""The ConfigMap kube-system/bootstrap-output, in which people's `helm install` finds the cluster's name."""

from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_kubernetes as kubernetes

from maestro_stack.hooks import explain_failure
from maestro_stack.names import BOOTSTRAP_CONFIG_MAP, BOOTSTRAP_KEY, BOOTSTRAP_NAMESPACE

LABELS = {"app.kubernetes.io/managed-by": "pulumi", "app.kubernetes.io/part-of": "maestro"}
# Take our key back from whoever edited it; without this the update conflicts. Source: Pulumi Registry,
# Kubernetes provider, "Server-side apply".
TAKE_BACK = {"pulumi.com/patchForce": "true"}


@dataclass(frozen=True, kw_only=True)
class BootstrapArgs:
    """What the ConfigMap says, and whose it is."""

    cluster_name: str
    mode: Literal["create", "adopt", "external"]
    provider: kubernetes.Provider


class Bootstrap(pulumi.ComponentResource):
    """Our key of the ConfigMap: created with it, patched into an existing one, or left to something else."""

    published: tuple[pulumi.Resource, ...]
    """Exist once the ConfigMap names the cluster; empty in mode `external`."""

    def __init__(self, name: str, args: BootstrapArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("maestro:kubernetes:Bootstrap", name, opts=opts)
        self.published = self._publish(args)
        self.register_outputs({})

    def _publish(self, args: BootstrapArgs) -> tuple[pulumi.Resource, ...]:
        where = f"{BOOTSTRAP_NAMESPACE}/{BOOTSTRAP_CONFIG_MAP}"
        data = {BOOTSTRAP_KEY: args.cluster_name}
        if args.mode == "create":
            return (
                kubernetes.core.v1.ConfigMap(
                    BOOTSTRAP_CONFIG_MAP,
                    metadata=kubernetes.meta.v1.ObjectMetaArgs(
                        name=BOOTSTRAP_CONFIG_MAP,
                        namespace=BOOTSTRAP_NAMESPACE,
                        labels=LABELS,
                        annotations=TAKE_BACK,
                    ),
                    data=data,
                    opts=pulumi.ResourceOptions(
                        parent=self,
                        provider=args.provider,
                        hooks=explain_failure(
                            "explain-bootstrap-create",
                            f"ConfigMap {where} exists already and isn't this stack's. If it is this "
                            "cluster's, add our key to it: pulumi config set bootstrapConfigMap adopt",
                            when="already exists",
                        ),
                    ),
                ),
            )
        if args.mode == "adopt":
            return (
                kubernetes.core.v1.ConfigMapPatch(
                    BOOTSTRAP_CONFIG_MAP,
                    metadata=kubernetes.meta.v1.ObjectMetaPatchArgs(
                        name=BOOTSTRAP_CONFIG_MAP, namespace=BOOTSTRAP_NAMESPACE
                    ),
                    data=data,
                    opts=pulumi.ResourceOptions(
                        parent=self,
                        provider=args.provider,
                        hooks=explain_failure(
                            "explain-bootstrap-adopt",
                            f"The existing ConfigMap {where} gives {BOOTSTRAP_KEY} another value, owned by "
                            "something else: see `kubectl get configmap -n kube-system bootstrap-output "
                            "--show-managed-fields -o yaml`. Either clusterName is wrong, or that is.",
                            when="conflict",
                        ),
                    ),
                ),
            )
        return ()
