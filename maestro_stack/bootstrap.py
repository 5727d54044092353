"""The ConfigMap kube-system/bootstrap-output, where a manual `helm install` finds the cluster's name."""

from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_kubernetes as kubernetes

from maestro_stack.names import BOOTSTRAP_CONFIG_MAP, BOOTSTRAP_KEY, BOOTSTRAP_NAMESPACE

LABELS = {"app.kubernetes.io/managed-by": "pulumi", "app.kubernetes.io/part-of": "maestro"}
# Take our fields back from whoever edited them: previews of updates are dry runs on the API server, and would
# otherwise end in a conflict each time. Source: Pulumi Registry, Kubernetes provider, "Server-side apply".
TAKE_BACK = {"pulumi.com/patchForce": "true"}


@dataclass(frozen=True, kw_only=True)
class BootstrapArgs:
    """What the ConfigMap says, and whose it is."""

    cluster_name: str
    mode: Literal["create", "adopt", "external"]
    provider: kubernetes.Provider


class Bootstrap(pulumi.ComponentResource):
    """Our key in the ConfigMap: created with it, patched into an existing one, or left to something else."""

    published: tuple[pulumi.Resource, ...]
    """Resources that exist once the ConfigMap names the cluster; empty in mode `external`."""

    def __init__(self, name: str, args: BootstrapArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("maestro:kubernetes:Bootstrap", name, opts=opts)
        self.published = self._publish(args)
        self.register_outputs({})

    def _publish(self, args: BootstrapArgs) -> tuple[pulumi.Resource, ...]:
        options = pulumi.ResourceOptions(parent=self, provider=args.provider)
        name, data = f"{BOOTSTRAP_CONFIG_MAP}-{args.cluster_name}", {BOOTSTRAP_KEY: args.cluster_name}
        if args.mode == "create":
            return (
                kubernetes.core.v1.ConfigMap(
                    name,
                    metadata=kubernetes.meta.v1.ObjectMetaArgs(
                        name=BOOTSTRAP_CONFIG_MAP,
                        namespace=BOOTSTRAP_NAMESPACE,
                        labels=LABELS,
                        annotations=TAKE_BACK,
                    ),
                    data=data,
                    opts=options,
                ),
            )
        if args.mode == "adopt":
            return (
                kubernetes.core.v1.ConfigMapPatch(
                    name,
                    metadata=kubernetes.meta.v1.ObjectMetaPatchArgs(
                        name=BOOTSTRAP_CONFIG_MAP, namespace=BOOTSTRAP_NAMESPACE
                    ),
                    data=data,
                    opts=options,
                ),
            )
        return ()
