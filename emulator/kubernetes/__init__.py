"""The cluster's side: objects and Helm releases, in memory, as the real provider has them.

`objects` says what both speak of, `tables` what a changed input does, `schemas` judges objects, `helm`
renders charts, and `memory` keeps clusters. `tests/cluster/test_conformance.py` holds all of it against the
real provider on an API server.
"""

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
    "situations",
    "validate",
]
