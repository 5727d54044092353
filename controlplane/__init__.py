"""A real Kubernetes control plane on loopback, with nodes in three zones that only pretend.

    ControlPlane   etcd, kube-apiserver, controller-manager, scheduler and kwok, each a process of its own
    ApiProxy       stands before the API server, lists the calls and makes chosen ones fail
    kubelet.py     Kubelet decides, in place of kubelet and CSI driver, whether a pod's secrets would mount

No container runs: kwok writes the status that a kubelet would write.
"""

from __future__ import annotations

from controlplane.api import Api, ApiError, Watch
from controlplane.errors import ControlPlaneError, ToolsMissingError
from controlplane.plane import KUBERNETES_VERSION, TOOLS, ControlPlane
from controlplane.proxy import ApiCall, ApiProxy, Fault

__all__ = [
    "KUBERNETES_VERSION",
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
