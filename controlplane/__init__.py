"""A real Kubernetes control plane on loopback, with fake nodes in three zones.

In it: etcd, kube-apiserver, controller-manager, scheduler and kwok, each a process of its own
(`ControlPlane`), and a proxy that records calls to the API server and makes chosen ones fail (`ApiProxy`).
No containers run: kwok writes the status that a kubelet would write.
Not in it: anything about Maestro; `rehearsal.kubelet` decides when a pod is ready.
For others: `MERGE_PATCH`, `Api`, `ApiError`, `ControlPlane`, `ControlPlaneError`.
"""

from controlplane.api import MERGE_PATCH, Api, ApiError, Watch
from controlplane.errors import ControlPlaneError, ToolsMissingError
from controlplane.plane import KUBERNETES_VERSION, TOOLS, ControlPlane
from controlplane.proxy import ApiCall, ApiProxy, Fault

__all__ = [
    "KUBERNETES_VERSION",
    "MERGE_PATCH",
    "TOOLS",
    "Api",
    "ApiCall",
    "ApiError",
    "ApiProxy",
    "ControlPlane",
    "ControlPlaneError",
    "Fault",
    "ToolsMissingError",
    "Watch",
]
