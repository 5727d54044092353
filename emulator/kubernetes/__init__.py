"""The cluster: objects and Helm releases in memory, with the real provider's behaviour.

`objects` has the shared types, `tables` says what a changed input does, `schemas` validates objects, `helm`
renders charts, and `memory` keeps clusters. `tests/cluster/test_conformance.py` compares all of it with the
real provider on an API server.
"""

from emulator.kubernetes.helm import manifests_of
from emulator.kubernetes.memory import Kubernetes, MemoryClusters, RemoteCluster
from emulator.kubernetes.objects import (
    CONFIG_MAP,
    CONFIG_MAP_PATCH,
    NAMESPACE,
    RELEASE,
    Cluster,
    InputError,
    KubernetesError,
    Manifest,
    PartialError,
    Release,
)
from emulator.kubernetes.schemas import validate
from emulator.kubernetes.situations import custom_resource_definitions, situations
from emulator.kubernetes.tables import TABLES, deletes_first, live_inputs

__all__ = [
    "CONFIG_MAP",
    "CONFIG_MAP_PATCH",
    "NAMESPACE",
    "RELEASE",
    "TABLES",
    "Cluster",
    "InputError",
    "Kubernetes",
    "KubernetesError",
    "Manifest",
    "MemoryClusters",
    "PartialError",
    "Release",
    "RemoteCluster",
    "custom_resource_definitions",
    "deletes_first",
    "live_inputs",
    "manifests_of",
    "situations",
    "validate",
]
