"""Stacks of the unmodified program on the real engine and the real API server, and what their pods do."""

import base64
import gzip
import itertools
import json
import threading
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar, cast

from common.json_values import Json, record, records, text
from controlplane import Api, ControlPlane, Watch
from emulator.aws.cloud import Clients
from emulator.client import Emulation
from emulator.world import World
from rehearsal.environment import with_real_kubernetes
from rehearsal.kubelet import Kubelet
from tests.cluster.objects import CLUSTER, OURS, REGION, clean, condition
from tests.engine.attached import Attached
from tests.engine.conftest import Region

T = TypeVar("T")

CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/bootstrap-output"
PODS = f"/api/v1/namespaces/{OURS}/pods"
REPLICAS = 2
"""The program's default."""
RELEASE = "kubernetes:helm.sh/v3:Release release-regional-xyz"
EMULATED = ("aws", "random")
# The engine tier's begin at 200000000000; here each account's world has an API server of its own.
_accounts = itertools.count(300_000_000_000)


@dataclass(frozen=True)
class Moment:
    """One change of one pod, as the API server reported it."""

    at: float
    """`time.time()`."""
    uid: str
    name: str
    is_ready: bool
    is_leaving: bool
    """It is terminating, or is gone."""
    is_gone: bool
    image: str


class Pods:
    """What happens to the pods of the release's namespace, from `start` to `stop`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._moments: list[Moment] = []
        self._stopping = threading.Event()
        self._watch: Watch | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._follow, name="pods", daemon=True)

    def __enter__(self) -> Self:
        self._version = text(record(self._api.call("GET", "/api/v1/pods"), "metadata"), "resourceVersion")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with self._lock:
            if self._watch is not None:
                self._watch.close()
        self._thread.join()
        self._api.close()

    @property
    def moments(self) -> tuple[Moment, ...]:
        """In order."""
        return tuple(self._moments)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            with self._api.watch("/api/v1/pods", self._version) as watch:
                with self._lock:
                    self._watch = watch
                for kind, pod in watch if not self._stopping.is_set() else ():
                    metadata = record(pod, "metadata")
                    self._version = text(metadata, "resourceVersion") or self._version
                    if text(metadata, "namespace") == OURS:
                        self._moments.append(_moment(kind, pod))


def _moment(kind: str, pod: Mapping[str, Json]) -> Moment:
    metadata = record(pod, "metadata")
    return Moment(
        at=time.time(),
        uid=text(metadata, "uid"),
        name=text(metadata, "name"),
        is_ready=condition(pod, "Ready") == "True" and kind != "DELETED",
        is_leaving="deletionTimestamp" in metadata or kind == "DELETED",
        is_gone=kind == "DELETED",
        image=text(records(record(pod, "spec"), "containers")[0], "image"),
    )


def rollout_faults(moments: Iterable[Moment], *, ready: Iterable[str]) -> list[str]:
    """Where a rollout had fewer ready pods than replicas, or more than one pod besides them.

    It begins with the `ready` pods, by uid. A terminating pod counts as gone.
    """
    alive = dict.fromkeys(ready, True)
    faults: list[str] = []
    for moment in moments:
        if moment.is_leaving:
            alive.pop(moment.uid, None)
        else:
            alive[moment.uid] = moment.is_ready
        if sum(alive.values()) < REPLICAS:
            faults.append(f"{sum(alive.values())} ready pods after {moment}")
        if len(alive) > REPLICAS + 1:
            faults.append(f"{len(alive)} pods after {moment}")
    return faults


@dataclass(frozen=True)
class Served:
    """One request of the engine to a provider; times are `time.time()`."""

    method: str
    """Create, Update, Delete, …"""
    resource: str
    """Type and logical name."""
    begun: float
    ended: float


def served(log: str) -> list[Served]:
    """What was done to resources, according to the provider's log."""
    found: list[Served] = []
    for line in log.splitlines():
        ended, method, urn, outcome, seconds = line.split(" ")
        if outcome == "done" and "::" in urn:
            type_, name = urn.split("::")[2].rpartition("$")[2], urn.split("::")[3]
            at = float(ended)
            begun = at - float(seconds.removesuffix("s"))
            found.append(Served(method, f"{type_} {name}", begun=begun, ended=at))
    return found


@dataclass
class OnCluster:
    """A stack, the cluster that it is deployed to, and the kubelet there."""

    region: Region
    api: Api
    kubelet: Kubelet
    watch: Pods

    def pods(self) -> dict[str, dict[str, Json]]:
        """The server's pods by uid, without those that are terminating."""
        listed = records(self.api.call("GET", PODS), "items")
        found = {text(record(pod, "metadata"), "uid"): pod for pod in listed}
        return {uid: pod for uid, pod in found.items() if "deletionTimestamp" not in record(pod, "metadata")}

    def ready(self) -> set[str]:
        """The uids of the pods that are ready."""
        return {uid for uid, pod in self.pods().items() if condition(pod, "Ready") == "True"}

    def config_map(self) -> dict[str, Json]:
        return self.api.call("GET", CONFIG_MAP)

    def revisions(self) -> list[dict[str, Json]]:
        """The revisions that Helm keeps."""
        return revisions(self.api)

    def leftovers(self) -> list[str]:
        """What is in the cluster and wasn't there before the stack."""
        namespaces = records(self.api.call("GET", "/api/v1/namespaces"), "items")
        left = [name for n in namespaces if (name := text(record(n, "metadata"), "name")) == OURS]
        return left + ["bootstrap-output" for _ in range(self.api.exists(CONFIG_MAP))]


def revisions(api: Api) -> list[dict[str, Json]]:
    """The release's revisions, the oldest first, each in full as Helm stores it."""
    secrets = records(api.call("GET", f"/api/v1/namespaces/{OURS}/secrets"), "items")
    kept = [s for s in secrets if text(s, "type") == "helm.sh/release.v1"]
    decoded = [_release(text(record(s, "data"), "release")) for s in kept]
    return sorted(decoded, key=lambda release: cast(int, release["version"]))


def _release(stored: str) -> dict[str, Json]:
    """Decode Kubernetes' base64 around Helm's, around gzip, around JSON."""
    packed = base64.b64decode(base64.b64decode(stored))
    return cast(dict[str, Json], json.loads(gzip.decompress(packed)))


@contextmanager
def on_cluster(
    emulation: Emulation,
    control_plane: ControlPlane,
    folder: Path,
    settings: Mapping[str, object],
    *,
    secrets: Mapping[str, str] | None = None,
    kubelet: bool = True,
    program: str = "__main__.py",
    account: str | None = None,
    kubeconfig: Path | None = None,
) -> Generator[OnCluster]:
    """A stack that isn't built yet, in an account of its own, whose EKS cluster is the control plane.

    The cluster is clean before and after. Without `kubelet`, nothing mounts until its `start`.
    """
    account = account or str(next(_accounts))

    def with_api_server(world: World) -> World:
        return world.with_endpoint(CLUSTER, REGION, control_plane.url, control_plane.certificate_authority)

    with ExitStack() as ending:
        api = ending.enter_context(closing(control_plane.api()))
        clean(api)
        ending.callback(clean, api)
        region = Region(
            emulation,
            folder,
            account,
            settings,
            world=with_api_server,
            secrets=secrets,
            plugins=with_real_kubernetes(),
            program=program,
            attached=ending.enter_context(Attached(EMULATED)),
            environment={
                "KUBECONFIG": str(kubeconfig or control_plane.kubeconfig),
                "HOME": str(folder / "home"),
            },
        )
        watch = ending.enter_context(Pods(control_plane.api()))
        mounting = Kubelet(
            control_plane.api(),
            Clients(emulation.url),
            cluster_name=CLUSTER,
            region=REGION,
            account_id=account,
        )
        ending.callback(mounting.stop)
        if kubelet:
            mounting.start()
        yield OnCluster(region, api, mounting, watch)
