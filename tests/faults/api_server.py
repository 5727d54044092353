"""The disturbed stack's cluster as a real API server, whose calls from the `up` a fault can meet."""

import os
import re
import signal
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from common.json_values import Json, number, record, records, text
from controlplane import Api, ApiProxy, ControlPlane, Fault
from controlplane.processes import free_ports
from controlplane.proxy import Effect, Verb
from emulator.aws.cloud import DEFAULT_ACCOUNT, Clients
from emulator.client import Emulation
from emulator.world import World
from rehearsal.environment import with_real_kubernetes
from rehearsal.kubelet import Kubelet
from tests.checkouts import ROOT
from tests.cluster.objects import OURS, REGION, clean
from tests.cluster.stacks import CONFIG_MAP, revisions
from tests.engine.conftest import CLUSTER
from tests.faults import recovery
from tests.faults.disturbed import KUBERNETES, Call, Disturbed, numbered

_KINDS = (
    "/api/v1/namespaces/{}/configmaps",
    "/api/v1/namespaces/{}/serviceaccounts",
    "/api/v1/namespaces/{}/services",
    "/apis/apps/v1/namespaces/{}/deployments",
    "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{}/secretproviderclasses",
)
_PROVIDERS = "pgrep -f '[p]ulumi-resource-kubernetes'"
_OF_THE_SERVER = frozenset({"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"})
_OF_A_SERVICE = frozenset({"clusterIP", "clusterIPs"})


@dataclass(frozen=True)
class ApiServer:
    """A control plane for one stack after another, each with an emulated AWS of its own."""

    plane: ControlPlane
    proxy: ApiProxy
    port: int
    """The port of the emulated AWS, which the API server asks who a token belongs to."""

    @classmethod
    @contextmanager
    def start(cls, folder: Path) -> Generator["ApiServer"]:
        (port,) = free_ports(1)
        authenticator = Emulation(f"http://127.0.0.1:{port}").authenticator_url(CLUSTER)
        with (
            ControlPlane.start(folder, authenticator_url=authenticator, region=REGION) as plane,
            ApiProxy.start(plane) as proxy,
        ):
            yield cls(plane, proxy, port)

    @contextmanager
    def stack(self, folder: Path) -> Generator["OnApiServer"]:
        """A stack that isn't built yet, in a clean account and cluster."""
        with (
            Emulation.start(folder / "aws.state", port=self.port) as emulation,
            closing(self.plane.api()) as api,
        ):
            clean(api)
            stack = OnApiServer(self, emulation, api, folder / "stack")
            with Kubelet(
                self.plane.api(),
                Clients(emulation.url),
                cluster_name=CLUSTER,
                region=REGION,
                account_id=DEFAULT_ACCOUNT,
            ):
                try:
                    yield stack
                finally:
                    self.proxy.inject([])
                    for process in stack.providers():
                        os.kill(process, signal.SIGKILL)
            clean(api)


class OnApiServer(Disturbed):
    """A stack whose `up` meets faults at calls to the API server."""

    def __init__(self, server: ApiServer, emulation: Emulation, api: Api, folder: Path) -> None:
        self._proxy = server.proxy
        self._api = api

        def behind_the_proxy(world: World) -> World:
            return world.with_endpoint(CLUSTER, REGION, server.proxy.url, server.plane.certificate_authority)

        super().__init__(
            emulation,
            folder,
            world=behind_the_proxy,
            environment={"KUBECONFIG": str(server.plane.kubeconfig)},
            plugins=with_real_kubernetes(),
            program=str(ROOT / "tests/cluster/impatient.py"),
        )

    def providers(self) -> list[int]:
        """The Kubernetes provider's processes, as a killed engine leaves them behind."""
        return [int(found) for found in recovery.run(self.region, f"{_PROVIDERS} || true").split()]

    def calls(self) -> list[Call]:
        """The calls of an undisturbed `up` to the API server; of those that only read, the first alone."""
        self._proxy.clear_calls()
        self.region.up()
        made = numbered((KUBERNETES, f"{call.verb} {call.pattern}") for call in self._proxy.calls())
        return [call for call in made if call.changes or call.nth == 1]

    def inject(self, faults: Iterable[Mapping[str, Json]]) -> None:
        self._inject([_fault(fault) for fault in faults])

    def inject_kill(self, fault: Mapping[str, Json]) -> None:
        self._inject([_fault(fault, self.engine_pid)])

    def _inject(self, faults: Sequence[Fault]) -> None:
        self._proxy.clear_calls()
        self._proxy.inject(faults)

    def end_faults(self) -> None:
        calls = self._proxy.calls()
        assert any(call.failed_by for call in calls), calls  # what isn't retried doesn't meet the second one
        self._proxy.inject([])

    def find_in_cluster(self, type_: str, command: str) -> str:  # noqa: ARG002 as for any stack
        return recovery.run(self.region, command)

    def remove_from_cluster(self, type_: str, command: str) -> None:  # noqa: ARG002 as of any stack
        recovery.run(self.region, command)

    def free_release(self) -> bool:
        look, roll_back, uninstall, _ = recovery.sections()["A stuck release"]
        said = recovery.run(self.region, look)
        for status, command in (("pending-install", uninstall), ("pending-upgrade", roll_back)):
            if status in said:
                recovery.run(self.region, command)
                return True
        return False

    def status(self) -> str:
        """The release's status, as Helm stores it."""
        return text(record(revisions(self._api)[-1], "info"), "status")

    def objects(self) -> Iterator[Mapping[str, Json]]:
        yield _lasting(self._api.call("GET", f"/api/v1/namespaces/{OURS}"))
        yield _lasting(self._api.call("GET", CONFIG_MAP))
        for kind in _KINDS:
            for found in records(self._api.call("GET", kind.format(OURS)), "items"):
                yield {"kind": kind.rpartition("/")[2], **_lasting(found)}
        last = revisions(self._api)[-1]
        yield {
            "kind": "release",
            "status": self.status(),
            "manifest": text(last, "manifest"),
            "values": record(last, "config"),
        }


def _fault(fault: Mapping[str, Json], pid: Callable[[], int] | None = None) -> Fault:
    verb, _, pattern = text(fault, "operation").partition(" ")
    path = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(pattern))
    return Fault(
        verb=cast(Verb, verb),
        path=f"^{path}$",
        effect=cast(Effect, text(fault, "effect")),
        nth=number(fault, "nth"),
        times=number(fault, "times") or 1,
        when=cast(Literal["before", "after"], text(fault, "when") or "before"),
        pid=pid,
    )


def _lasting(found: Mapping[str, Json]) -> dict[str, Json]:
    """An object as requested, as far as two runs have it in common."""
    metadata = {key: value for key, value in record(found, "metadata").items() if key not in _OF_THE_SERVER}
    spec = {key: value for key, value in record(found, "spec").items() if key not in _OF_A_SERVICE}
    rest = {key: value for key, value in found.items() if key not in ("metadata", "spec", "status")}
    return {**rest, "metadata": metadata, "spec": spec}
