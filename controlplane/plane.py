"""The control plane: starts it on free loopback ports, makes it ready, and ends it without a trace."""

import base64
import csv
import errno
import fcntl
import http.client
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self, cast
from urllib.parse import urlsplit

import yaml

from common.json_values import Json, record, records, text
from controlplane.api import Api, ApiError
from controlplane.certificates import Certificates, certificates_in, write_private
from controlplane.errors import ControlPlaneError, PortTakenError, ToolsMissingError
from controlplane.processes import Processes, free_ports

KUBERNETES_VERSION: Final = "1.37.2"
TOOLS: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
CONTEXT: Final = "rehearsal"
NODE_LEASE: Final = 40  # seconds; kubelet's default

_HERE: Final = Path(__file__).parent
_ATTEMPTS: Final = 3  # at finding ports that nobody else takes before the processes do
_SERVICES: Final = "10.96.0.0/16"
_PATIENCE: Final = 60.0  # seconds until everything must be ready; three or four are usual
_NEEDED_BYTES: Final = 256 * 1024 * 1024  # etcd alone preallocates 128 MiB for its log
_ADMIN, _CONTROLLERS, _SCHEDULER = "admin", "system:kube-controller-manager", "system:kube-scheduler"

Find = Callable[[str], Path | None]
"""From a program's name to its path; None if it isn't on this machine."""


def find_tool(name: str) -> Path | None:
    """A program that `make tools` has built."""
    import tools

    return tools.find(name)


@dataclass(frozen=True, kw_only=True)
class _Ports:
    api: int
    etcd: int
    etcd_peers: int


class ControlPlane:
    """A running control plane; as a context manager, it is stopped on exit.

    Everything listens on 127.0.0.1 only. RBAC and Pod Security admission are on. All files are in `folder`:
    `kubeconfig`, `logs/`, etcd's data, keys and pid files.
    """

    url: str
    """https://127.0.0.1:PORT"""
    certificate_authority: str
    """PEM in base64, as in EKS' answers and in a kubeconfig."""
    kubeconfig: Path
    """The administrator's, with a token; only its owner can read it."""
    admin_kubeconfig_text: str
    node_names: tuple[str, ...]
    certificates: Certificates
    """The proxy in front of the API server uses them, too."""

    def __init__(self, folder: Path, *, region: str, authenticator_url: str | None, find: Find) -> None:
        """Use `start`."""
        if authenticator_url is not None and urlsplit(authenticator_url).query:
            raise ValueError(f"kube-apiserver would drop the query of {authenticator_url}")
        missing = tuple(name for name in TOOLS if find(name) is None)
        if missing:
            raise ToolsMissingError(missing)
        self.folder = folder
        self._tools = {name: str(find(name)) for name in TOOLS}
        self._region = region
        self._authenticator_url = authenticator_url
        self._lock: IO[str] | None = None
        self.node_names = tuple(f"node-{region}{zone}" for zone in "abc")

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        authenticator_url: str | None = None,
        region: str = "us-east-1",
        keep: bool = False,
        find: Find = find_tool,
    ) -> Self:
        """Start a control plane and wait until its three nodes accept pods.

        `authenticator_url` answers TokenReviews (v1) for tokens that the API server doesn't know. The nodes
        are in zones a, b and c of `region`. With `keep`, the cluster that an earlier start left in `folder`
        is resumed, on the same ports if they are free; otherwise the cluster is empty.

        Raises:
            ValueError: the authenticator's URL has a query, which kube-apiserver would drop.
            ToolsMissingError: programs are missing.
            ControlPlaneError: another control plane runs in the folder, the disk is full, a process died or
                it took too long. Nothing is left running.
        """
        plane = cls(folder, region=region, authenticator_url=authenticator_url, find=find)
        try:
            plane._prepare(keep=keep)
            plane._launch(time.monotonic() + _PATIENCE)
        except BaseException as error:
            plane.stop()
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise _no_space(folder) from error
            raise
        return plane

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pids(self) -> Mapping[str, int]:
        """Its processes' ids, by program."""
        return self._processes.pids if hasattr(self, "_processes") else {}

    def check(self) -> None:
        """Raises DiedError if one of its processes has ended."""
        self._processes.check()

    def log(self, name: str) -> Path:
        """The log of one of its programs."""
        return self._processes.log(name)

    def api(self, url: str | None = None) -> Api:
        """A client with the administrator's rights; `url` reaches the API server through a proxy."""
        return self._api(self._tokens[_ADMIN], url)

    def anonymous(self, token: str | None = None) -> Api:
        """A client without rights, or with those of a token."""
        return self._api(token)

    def stop(self) -> None:
        """End all processes and wait for them. May be called again."""
        if hasattr(self, "_processes"):
            self._processes.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # --- the folder ---------------------------------------------------------------------------------

    def _prepare(self, *, keep: bool) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.folder / "lock")
        self._processes = Processes(self.folder)
        self._processes.end_leftovers()
        if not keep:
            for leftover in ("data", "keys"):
                shutil.rmtree(self.folder / leftover, ignore_errors=True)
        if shutil.disk_usage(self.folder).free < _NEEDED_BYTES:
            raise _no_space(self.folder)
        keys = self.folder / "keys"
        self.certificates = certificates_in(keys)
        self._authority = self.certificates.authority.read_text(encoding="utf-8")
        self.certificate_authority = base64.b64encode(self._authority.encode()).decode()
        self._tokens = _tokens_in(keys / "tokens.csv")
        if self._authenticator_url is not None:
            webhook = _kubeconfig(self._authenticator_url, None, None)
            write_private(keys / "authenticator.yaml", webhook.encode())

    # --- the processes ------------------------------------------------------------------------------

    def _launch(self, deadline: float) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._run_all(deadline, fresh_ports=attempt > 1)
            except PortTakenError:
                self._processes.stop()
                if attempt == _ATTEMPTS:
                    raise
            else:
                return

    def _run_all(self, deadline: float, *, fresh_ports: bool) -> None:
        ports = self._choose_ports(fresh=fresh_ports)
        self.url = f"https://127.0.0.1:{ports.api}"
        self.admin_kubeconfig_text = _kubeconfig(self.url, self.certificate_authority, self._tokens[_ADMIN])
        self.kubeconfig = self.folder / "kubeconfig"
        write_private(self.kubeconfig, self.admin_kubeconfig_text.encode())
        self._start("etcd", _etcd_flags(self.folder / "data", ports))
        self._processes.wait_until(lambda: _listens(ports.etcd), deadline, "etcd")
        self._start("kube-apiserver", self._api_server_flags(ports))
        # The others would wait for the API server themselves, but take two seconds longer.
        self._processes.wait_until(lambda: _listens(ports.api), deadline, "kube-apiserver")
        self._start("kube-controller-manager", self._controller_flags())
        self._start("kube-scheduler", self._scheduler_flags())
        api = self.api()
        self._processes.wait_until(lambda: _is_ready(api), deadline, "kube-apiserver to be ready")
        self._furnish(api)
        self._start("kwok", self._kwok_flags())
        self._processes.wait_until(lambda: self._takes_pods(api), deadline, "the nodes to be ready")
        api.close()

    def _start(self, name: str, flags: Sequence[str]) -> None:
        # Nothing from the user's environment: no proxy, no cloud credentials, no KUBECONFIG.
        environment = {"HOME": str(self.folder), "PATH": os.defpath}
        self._processes.start(name, [self._tools[name], *flags], environment)

    def _choose_ports(self, *, fresh: bool) -> _Ports:
        """Those of the last start if they are free, so that a kubeconfig handed out then stays valid."""
        file = self.folder / "ports.json"
        last = _numbers(file) if not fresh else ()
        ports = free_ports(3, last)
        file.write_text(json.dumps(ports), encoding="utf-8")
        return _Ports(api=ports[0], etcd=ports[1], etcd_peers=ports[2])

    def _api_server_flags(self, ports: _Ports) -> list[str]:
        keys = self.folder / "keys"
        webhook = (
            []
            if self._authenticator_url is None
            else [
                f"--authentication-token-webhook-config-file={keys / 'authenticator.yaml'}",
                "--authentication-token-webhook-version=v1",
                "--authentication-token-webhook-cache-ttl=10s",
            ]
        )
        return [
            f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={ports.api}",
            f"--tls-cert-file={self.certificates.serving}",
            f"--tls-private-key-file={self.certificates.serving_key}",
            # Endpoints must not be on loopback, so nothing may write those of Service "kubernetes".
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            "--authorization-mode=RBAC",
            f"--token-auth-file={keys / 'tokens.csv'}",
            *webhook,
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.certificates.service_account_key}",
            f"--service-account-signing-key-file={self.certificates.service_account_key}",
            f"--service-cluster-ip-range={_SERVICES}",
            "--profiling=false",
        ]

    def _controller_flags(self) -> list[str]:
        return [
            f"--kubeconfig={self._kubeconfig_of(_CONTROLLERS)}",
            "--leader-elect=false",
            "--secure-port=0",
            f"--root-ca-file={self.certificates.authority}",
            f"--service-account-private-key-file={self.certificates.service_account_key}",
            f"--service-cluster-ip-range={_SERVICES}",
            "--profiling=false",
            # The defaults, 20 and 30 per second, slow down a busy test.
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ]

    def _scheduler_flags(self) -> list[str]:
        return [
            f"--kubeconfig={self._kubeconfig_of(_SCHEDULER)}",
            "--leader-elect=false",
            "--secure-port=0",
            "--profiling=false",
        ]

    def _kwok_flags(self) -> list[str]:
        return [
            f"--kubeconfig={self.kubeconfig}",
            "--manage-all-nodes",
            f"--config={_HERE / 'stages.yaml'}",
            f"--node-lease-duration-seconds={NODE_LEASE}",
            "--cidr=10.244.0.0/16",
        ]

    def _kubeconfig_of(self, user: str) -> Path:
        path = self.folder / "keys" / f"{user.rpartition(':')[2]}.yaml"
        text_ = _kubeconfig(self.url, self.certificate_authority, self._tokens[user])
        write_private(path, text_.encode())
        return path

    # --- what is in the cluster ---------------------------------------------------------------------

    def _furnish(self, api: Api) -> None:
        """Create the nodes, and what an installed Secrets Store CSI driver consists of."""
        for manifest in _manifests(_HERE / "objects.yaml"):
            api.apply(_path(manifest), manifest)
        for name, zone in zip(self.node_names, "abc", strict=True):
            try:
                api.call("POST", "/api/v1/nodes", _node(name, region=self._region, zone=zone))
            except ApiError as refusal:
                if refusal.reason != "AlreadyExists":  # kept from an earlier start
                    raise

    def _takes_pods(self, api: Api) -> bool:
        nodes = records(api.call("GET", "/api/v1/nodes"), "items")
        definitions = records(
            api.call("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"), "items"
        )
        return (
            all(_condition(node, "Ready") and not records(record(node, "spec"), "taints") for node in nodes)
            and all(_condition(definition, "Established") for definition in definitions)
            # A pod is admitted only if its service account exists, which a controller creates.
            and api.exists("/api/v1/namespaces/default/serviceaccounts/default")
        )

    def _api(self, token: str | None, url: str | None = None) -> Api:
        return Api(url or self.url, certificate_authority=self._authority, token=token)


def _no_space(folder: Path) -> ControlPlaneError:
    return ControlPlaneError(
        f"no disk space is left for {folder}: the control plane needs {_NEEDED_BYTES // 1024**2} MiB. "
        "Free some and start again"
    )


def _locked(path: Path) -> IO[str]:
    """Lock the folder until the file is closed, or this process ends."""
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise ControlPlaneError(
            f"another control plane runs in {path.parent} (started by process {holder}): "
            "stop that one, or choose another folder"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _tokens_in(path: Path) -> dict[str, str]:
    """Tokens by user name, kept in the file that the API server reads (token, user, uid, groups)."""
    users = (_ADMIN, _CONTROLLERS, _SCHEDULER)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            known = {row[1]: row[0] for row in csv.reader(file)}
    except (FileNotFoundError, IndexError):
        known = {}
    if set(known) == set(users):
        return known
    made = {user: secrets.token_urlsafe(24) for user in users}
    # All may do everything: the controllers share one user here, and the scheduler would otherwise be refused
    # until RBAC has loaded its roles, and retry only seconds later.
    rows = [f'{token},{user},{user},"system:masters"' for user, token in made.items()]
    write_private(path, ("\n".join(rows) + "\n").encode())
    return made


def _kubeconfig(url: str, authority: str | None, token: str | None) -> str:
    cluster = {"server": url} | ({"certificate-authority-data": authority} if authority else {})
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": {"token": token} if token else {}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "current-context": CONTEXT,
    }
    return yaml.safe_dump(content, sort_keys=False)


def _etcd_flags(data: Path, ports: _Ports) -> list[str]:
    clients, peers = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peers}"
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",  # a machine crash may lose the data, which is only emulated
        "--log-level=warn",
    ]


def _numbers(file: Path) -> tuple[int, ...]:
    try:
        content = cast("object", json.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return ()
    entries = cast("list[object]", content) if isinstance(content, list) else []
    return tuple(entry for entry in entries if isinstance(entry, int))


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _is_ready(api: Api) -> bool:
    try:
        return api.raw("GET", "/readyz") == b"ok"
    except (ApiError, OSError, http.client.HTTPException):
        return False


def _manifests(file: Path) -> list[dict[str, Json]]:
    loaded = cast("list[Json]", list(yaml.safe_load_all(file.read_text(encoding="utf-8"))))
    return [manifest for manifest in loaded if isinstance(manifest, dict)]


def _path(manifest: Mapping[str, Json]) -> str:
    metadata = record(manifest, "metadata")
    namespace = f"namespaces/{text(metadata, 'namespace')}/" if "namespace" in metadata else ""
    kinds = f"{text(manifest, 'kind').lower()}s"
    return f"/apis/{text(manifest, 'apiVersion')}/{namespace}{kinds}/{text(metadata, 'name')}"


def _node(name: str, *, region: str, zone: str) -> dict[str, Json]:
    resources: dict[str, Json] = {"cpu": "4", "memory": "16Gi", "pods": "58", "ephemeral-storage": "20Gi"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "node.kubernetes.io/instance-type": "m7i.xlarge",
                "topology.kubernetes.io/region": region,
                "topology.kubernetes.io/zone": f"{region}{zone}",
            },
        },
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": f"10.0.{'abc'.index(zone)}.10"},
                {"type": "Hostname", "address": name},
            ],
            "capacity": resources,
            "allocatable": resources,
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": "",
                "containerRuntimeVersion": "kwok://0.8.0",
                "kernelVersion": "",
                "kubeProxyVersion": "",
                "kubeletVersion": f"v{KUBERNETES_VERSION}",
                "machineID": "",
                "operatingSystem": "linux",
                "osImage": "",
                "systemUUID": "",
            },
        },
    }


def _condition(thing: Mapping[str, Json], kind: str) -> bool:
    conditions = records(record(thing, "status"), "conditions")
    return any(text(c, "type") == kind and text(c, "status") == "True" for c in conditions)
