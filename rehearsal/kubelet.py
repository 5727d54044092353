"""A stand-in for kubelet and the CSI driver: a pod becomes ready only if its secrets would really mount.

For every scheduled pod with a volume of the Secrets Store CSI driver it does what the driver and its AWS
provider would do, using the pod's real objects: the SecretProviderClass from the API server, and from the
emulated AWS the Pod Identity association of its service account, the role and the secrets. If that works, an
annotation lets kwok's stage (stages.yaml) make the pod ready; otherwise the pod gets a FailedMount event and
the mount is retried, so the pod recovers once the fault is fixed. Other pods are ready at once.

Sources: kubernetes/pkg/volume/util/operationexecutor (text of the event), pkg/kubelet/events;
secrets-store-csi-driver pkg/secrets-store/nodeserver.go and utils.go.
"""

import hashlib
import heapq
import http.client
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Self, cast

from botocore.exceptions import BotoCoreError

from checks import aws_policy
from checks.csi_provider import MountedFile, MountError, mount, parse_class
from checks.pod import fetcher, session_of
from checks.region import Secret
from common.json_values import Json, record, records, text, texts
from controlplane import MERGE_PATCH, Api, ApiError
from emulator.aws import AwsError
from emulator.aws.cloud import Clients, Cloud
from rehearsal.gather import association_of, secret_of

DRIVER: Final = "secrets-store.csi.k8s.io"
MOUNTED: Final = "rehearsal/volume-mounted"
"""Annotation that lets a pod become ready: "true"."""
VERSIONS: Final = "rehearsal/secret-versions"
"""Annotation that says what the pod mounted: JSON, secret to version id."""

_FIRST_DELAY: Final = 0.5  # seconds, as in kubelet
_LONGEST_DELAY: Final = 2.0  # seconds; kubelet keeps doubling up to two minutes
_CLASSES: Final = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces"
_VARIABLE: Final = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_TOO_MANY: Final = http.client.TOO_MANY_REQUESTS
_UNREACHABLE: Final = (OSError, http.client.HTTPException)


@dataclass(frozen=True, kw_only=True)
class MountedPod:
    """A pod whose volume was mounted, and what was mounted. Holds no secret content."""

    namespace: str
    name: str
    uid: str
    client_id: str | None
    """MQTT client id (`--client-id` of a container), with its variables expanded."""
    versions: Mapping[str, str]
    """From secret, as the SecretProviderClass names it, to the id of the version that was read."""
    files: Mapping[str, str] = field(repr=False)
    """From file below the mount point to its content's SHA-256, in hex; empty if an earlier run did it."""
    mounted_at: float
    """`time.time()`; the pod becomes ready shortly after."""
    gone_at: float | None = None
    """When the pod disappeared from the API server; None while it exists."""


@dataclass(frozen=True, kw_only=True)
class _Pod:
    """The parts of a pod needed to mount its volumes."""

    namespace: str
    name: str
    uid: str
    node: str
    service_account: str
    client_id: str | None
    volumes: Mapping[str, str]
    """The driver's: from volume name to the name of its SecretProviderClass."""


@dataclass
class _Trial:
    """A pod that is yet to be mounted, or being retried."""

    pod: _Pod
    delay: float = _FIRST_DELAY


@dataclass
class _Event:
    """A FailedMount event that exists, whose count is raised when it recurs."""

    name: str
    message: str
    count: int = 1


class Kubelet:
    """Mounts pods' secrets, from `start` to `stop`, in threads of its own.

    `clients` talk to the emulated AWS, where `account_id` has the cluster `cluster_name` in `region`.
    """

    def __init__(
        self, api: Api, clients: Clients, *, cluster_name: str, region: str, account_id: str
    ) -> None:
        self._api = api
        self._clients = clients
        self._cluster_name, self._region, self._account_id = cluster_name, region, account_id
        self._changed = threading.Condition()
        self._due: list[tuple[float, str]] = []  # a heap of (time, uid)
        self._trials: dict[str, _Trial] = {}
        self._mounted: dict[str, MountedPod] = {}
        self._events: dict[str, _Event] = {}
        self._stopping = threading.Event()
        self._hang_up: Callable[[], None] = lambda: None
        self._failure: BaseException | None = None
        self._threads = tuple(
            threading.Thread(target=self._guarded, args=(work,), name=f"kubelet-{name}", daemon=True)
            for name, work in (("watch", self._watch_pods), ("mount", self._mount_pods))
        )

    def start(self) -> Self:
        """Start the threads; returns itself."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Stop the threads and wait for them.

        Raises:
            RuntimeError: it had crashed, which is a bug in it.
        """
        self._stopping.set()
        with self._changed:
            self._hang_up()
            self._changed.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self.check()

    @property
    def is_running(self) -> bool:
        """Whether it has been started, and neither stopped nor crashed."""
        return not self._stopping.is_set() and all(thread.is_alive() for thread in self._threads)

    def check(self) -> None:
        """Raises RuntimeError if it has crashed."""
        if self._failure is not None:
            raise RuntimeError("the stand-in for kubelet crashed") from self._failure

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def mounted(self) -> tuple[MountedPod, ...]:
        """Every pod mounted since the start, in that order, including those that are gone."""
        with self._changed:
            return tuple(self._mounted.values())

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 raised by `check`, since nobody waits for this thread
            self._failure = error
            self._stopping.set()
            with self._changed:
                self._hang_up()
                self._changed.notify_all()
        finally:
            self._api.close()

    # --- watching pods ------------------------------------------------------------------------------

    def _watch_pods(self) -> None:
        version = ""
        while not self._stopping.is_set():
            try:
                version = self._follow(version or self._list())
            except ApiError as refusal:
                if refusal.status == http.client.GONE:
                    version = ""  # the version has expired: list everything again
                elif not _is_passing(refusal):
                    raise
                self._pause()
            except _UNREACHABLE:
                self._pause()

    def _list(self) -> str:
        listed = self._api.call("GET", "/api/v1/pods")
        pods = records(listed, "items")
        for pod in pods:
            self._see(pod)
        present = {text(record(pod, "metadata"), "uid") for pod in pods}
        with self._changed:
            known = set(self._trials) | {uid for uid, pod in self._mounted.items() if pod.gone_at is None}
        for uid in known - present:
            self._forget(uid)
        return text(record(listed, "metadata"), "resourceVersion")

    def _follow(self, version: str) -> str:
        """Handle changes until the server ends the watch; returns the version to resume from."""
        with self._api.watch("/api/v1/pods", version) as watch:
            with self._changed:
                self._hang_up = watch.close
            if self._stopping.is_set():
                return version
            for kind, pod in watch:
                version = text(record(pod, "metadata"), "resourceVersion") or version
                if kind in ("ADDED", "MODIFIED"):
                    self._see(pod)
                elif kind == "DELETED":
                    self._forget(text(record(pod, "metadata"), "uid"))
        self._stopping.wait(0.05)  # don't hammer a server that hangs up at once
        return version

    def _see(self, manifest: Mapping[str, Json]) -> None:
        metadata = record(manifest, "metadata")
        pod = _parsed(manifest)
        if not pod.volumes or not pod.node:
            return
        with self._changed:
            if pod.uid in self._mounted:
                return
            annotations = record(metadata, "annotations")
            if annotations.get(MOUNTED) == "true":  # by an earlier run of ours
                self._mounted[pod.uid] = _mounted_pod(pod, _versions_in(annotations), {})
            elif "deletionTimestamp" in metadata:
                self._trials.pop(pod.uid, None)
            elif pod.uid not in self._trials:
                self._trials[pod.uid] = _Trial(pod)
                self._schedule(pod.uid, 0.0)

    def _forget(self, uid: str) -> None:
        with self._changed:
            self._trials.pop(uid, None)
            self._events.pop(uid, None)
            known = self._mounted.get(uid)
            if known is not None and known.gone_at is None:
                self._mounted[uid] = replace(known, gone_at=time.time())

    def _pause(self) -> None:
        self._stopping.wait(_FIRST_DELAY)

    # --- mounting -----------------------------------------------------------------------------------

    def _schedule(self, uid: str, delay: float) -> None:
        """Call it with `_changed` held."""
        heapq.heappush(self._due, (time.monotonic() + delay, uid))
        self._changed.notify_all()

    def _mount_pods(self) -> None:
        while (trial := self._next()) is not None:
            if self._is_done(trial.pod):
                continue
            with self._changed:
                if trial.pod.uid in self._trials:
                    self._schedule(trial.pod.uid, trial.delay)
                    trial.delay = min(trial.delay * 2, _LONGEST_DELAY)

    def _is_done(self, pod: _Pod) -> bool:
        """Try to mount a pod's volumes; returns whether nothing is left to do for it."""
        try:
            try:
                problem = self._try(pod)
                if problem is not None:
                    self._tell(pod, problem)
            except ApiError as refusal:
                if _is_passing(refusal):
                    return False
                if self._is_leaving(pod, refusal):
                    self._forget(pod.uid)
                    return True
                raise
        except _UNREACHABLE:
            return False
        return problem is None

    def _next(self) -> _Trial | None:
        """Wait for the next pod that is due, and return it; None when stopping."""
        with self._changed:
            while not self._stopping.is_set():
                if self._due:
                    when, uid = self._due[0]
                    wait = when - time.monotonic()
                    if wait <= 0:
                        heapq.heappop(self._due)
                        if uid in self._trials:
                            return self._trials[uid]
                        continue
                    self._changed.wait(wait)
                else:
                    self._changed.wait()
        return None

    def _try(self, pod: _Pod) -> str | None:
        """Mount the pod's volumes and let it become ready, or return the text of the event."""
        versions: dict[str, str] = {}
        files: dict[str, str] = {}
        for volume, class_name in pod.volumes.items():
            try:
                mounted = self._mount(pod, class_name, versions)
            except MountError as error:
                what = f'MountVolume.SetUp failed for volume "{volume}"'
                return f"{what} : rpc error: code = Unknown desc = {error.event}"
            files |= {file.name: hashlib.sha256(file.content.encode()).hexdigest() for file in mounted}
        done = _mounted_pod(pod, versions, files)
        for class_name in pod.volumes.values():
            self._write_status(pod, class_name, versions)
        with self._changed:
            self._mounted[pod.uid] = done  # before the pod can be ready
        try:
            self._let_go_on(pod, versions)
        except BaseException:
            with self._changed:
                del self._mounted[pod.uid]
            raise
        with self._changed:
            self._trials.pop(pod.uid, None)
        return None

    def _mount(self, pod: _Pod, class_name: str, versions: dict[str, str]) -> tuple[MountedFile, ...]:
        """Raises MountError; its event text begins with what the driver says."""
        cloud = Cloud(self._region, self._account_id, clients=self._clients)
        identity = aws_policy.PodIdentity(
            account_id=self._account_id,
            cluster_arn=cloud.arn("eks", f"cluster/{self._cluster_name}"),
            cluster_name=self._cluster_name,
            namespace=pod.namespace,
            service_account=pod.service_account,
            pod_name=pod.name,
            pod_uid=pod.uid,
        )
        manifest = self._class(pod.namespace, class_name)
        try:
            wanted = parse_class(manifest)
            session = session_of(
                identity,
                association_of(cloud, self._cluster_name, pod.namespace, pod.service_account),
                self._region,
            )

            def secret(name: str) -> Secret | None:
                found = secret_of(cloud, name, wanted.region)
                if found is not None:
                    versions[name] = found.version_id
                return found

            return mount(wanted, fetcher(session, wanted.region, secret))
        except MountError as error:
            reason, event = str(error), error.event
        except (AwsError, BotoCoreError, aws_policy.PolicyError) as error:
            reason = event = f"{self._region}: {error}"
        # Raised outside the blocks above, so that no exception holding a secret is chained to it.
        place = f"failed to mount secrets store objects for pod {pod.namespace}/{pod.name}"
        raise MountError(reason, event=f"{place}, err: rpc error: code = Unknown desc = {event}")

    def _class(self, namespace: str, name: str) -> dict[str, Json]:
        try:
            return self._api.call("GET", f"{_CLASSES}/{namespace}/secretproviderclasses/{name}")
        except ApiError as refusal:
            if refusal.status != http.client.NOT_FOUND:
                raise
        why = f'SecretProviderClass.secrets-store.csi.x-k8s.io "{name}" not found'
        raise MountError(why, event=f"failed to get secretproviderclass {namespace}/{name}, error: {why}")

    def _write_status(self, pod: _Pod, class_name: str, versions: Mapping[str, str]) -> None:
        """Write the driver's own record of the mount, which is deleted with the pod."""
        name = f"{pod.name}-{pod.namespace}-{class_name}"
        owner: dict[str, Json] = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
        objects: list[Json] = [{"id": secret, "version": version} for secret, version in versions.items()]
        status: dict[str, Json] = {
            "mounted": True,
            "podName": pod.name,
            "secretProviderClassName": class_name,
            "targetPath": f"/var/lib/kubelet/pods/{pod.uid}/volumes/kubernetes.io~csi/secrets-store/mount",
            "objects": objects,
        }
        manifest: dict[str, Json] = {
            "apiVersion": "secrets-store.csi.x-k8s.io/v1",
            "kind": "SecretProviderClassPodStatus",
            "metadata": {
                "name": name,
                "namespace": pod.namespace,
                "labels": {"internal.secrets-store.csi.k8s.io/node-name": pod.node},
                "ownerReferences": [owner],
            },
            "status": status,
        }
        self._api.apply(f"{_CLASSES}/{pod.namespace}/secretproviderclasspodstatuses/{name}", manifest)

    def _let_go_on(self, pod: _Pod, versions: Mapping[str, str]) -> None:
        annotations: dict[str, Json] = {MOUNTED: "true", VERSIONS: json.dumps(versions, sort_keys=True)}
        # With the uid, the API server refuses the patch for another pod of the same name.
        patch: dict[str, Json] = {"metadata": {"uid": pod.uid, "annotations": annotations}}
        self._api.call("PATCH", _path(pod), patch, content_type=MERGE_PATCH)

    # --- events -------------------------------------------------------------------------------------

    def _tell(self, pod: _Pod, message: str) -> None:
        """Write a FailedMount event, or raise its count."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        events = f"/api/v1/namespaces/{pod.namespace}/events"
        known = self._events.get(pod.uid)
        if known is not None and known.message == message:
            known.count += 1
            patch: dict[str, Json] = {"count": known.count, "lastTimestamp": now}
            try:
                self._api.call("PATCH", f"{events}/{known.name}", patch, content_type=MERGE_PATCH)
            except ApiError as refusal:
                if refusal.status != http.client.NOT_FOUND:
                    raise
            else:
                return
        known = _Event(name=f"{pod.name}.{time.time_ns():x}", message=message)
        self._api.call(
            "POST",
            events,
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": known.name, "namespace": pod.namespace},
                "involvedObject": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "namespace": pod.namespace,
                    "name": pod.name,
                    "uid": pod.uid,
                },
                "type": "Warning",
                "reason": "FailedMount",
                "message": message,
                "source": {"component": "kubelet", "host": pod.node},
                "reportingComponent": "kubelet",
                "reportingInstance": pod.node,
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            },
        )
        self._events[pod.uid] = known

    def _is_leaving(self, pod: _Pod, refusal: ApiError) -> bool:
        """Whether a call was refused because the pod is gone or its namespace is being deleted."""
        if refusal.status == http.client.FORBIDDEN:
            return "because it is being terminated" in refusal.message
        if refusal.status not in (http.client.NOT_FOUND, http.client.CONFLICT):
            return False
        try:
            found = self._api.call("GET", _path(pod))
        except ApiError as answer:
            return answer.status == http.client.NOT_FOUND
        return text(record(found, "metadata"), "uid") != pod.uid


def _is_passing(refusal: ApiError) -> bool:
    """Whether the refusal is transient: the API server may soon answer differently."""
    return refusal.status >= http.client.INTERNAL_SERVER_ERROR or refusal.status == _TOO_MANY


def _path(pod: _Pod) -> str:
    return f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"


def _mounted_pod(pod: _Pod, versions: Mapping[str, str], files: Mapping[str, str]) -> MountedPod:
    return MountedPod(
        namespace=pod.namespace,
        name=pod.name,
        uid=pod.uid,
        client_id=pod.client_id,
        versions=dict(versions),
        files=files,
        mounted_at=time.time(),
    )


def _versions_in(annotations: Mapping[str, Json]) -> dict[str, str]:
    written = cast("Json", json.loads(text(annotations, VERSIONS, "{}")))
    entries = written if isinstance(written, dict) else {}
    return {secret: version for secret, version in entries.items() if isinstance(version, str)}


def _parsed(manifest: Mapping[str, Json]) -> _Pod:
    metadata, spec = record(manifest, "metadata"), record(manifest, "spec")
    name = text(metadata, "name")
    volumes = {
        text(volume, "name"): text(record(record(volume, "csi"), "volumeAttributes"), "secretProviderClass")
        for volume in records(spec, "volumes")
        if text(record(volume, "csi"), "driver") == DRIVER
    }
    return _Pod(
        namespace=text(metadata, "namespace"),
        name=name,
        uid=text(metadata, "uid"),
        node=text(spec, "nodeName"),
        service_account=text(spec, "serviceAccountName", "default"),
        client_id=next(_client_ids(records(spec, "containers"), metadata), None),
        volumes=volumes,
    )


def _client_ids(containers: Iterable[Mapping[str, Json]], metadata: Mapping[str, Json]) -> Iterator[str]:
    for container in containers:
        env = {text(entry, "name"): _value(entry, metadata) for entry in records(container, "env")}
        for argument in texts(container, "args"):
            flag, _, value = argument.partition("=")
            if flag == "--client-id":
                yield _expanded(value, env)


def _expanded(argument: str, env: Mapping[str, str]) -> str:
    """Expand `$(NAME)` from the container's variables, as kubelet does; unknown ones stay."""
    return _VARIABLE.sub(lambda found: env.get(found[1], found[0]), argument)


def _value(entry: Mapping[str, Json], metadata: Mapping[str, Json]) -> str:
    path = text(record(record(entry, "valueFrom"), "fieldRef"), "fieldPath")
    if path.startswith("metadata."):
        return text(metadata, path.removeprefix("metadata."))
    return text(entry, "value")
