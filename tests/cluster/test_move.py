"""A stack moves between two real API servers, and from one that is gone, as docs/move.md says.

Both clusters are in one VPC of one emulated account; what happens to the pods of each is followed.
"""

import itertools
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.json_values import Json, record, records, text
from controlplane import Api, ControlPlane
from emulator.aws.cloud import Clients
from emulator.client import Emulation
from emulator.world import World
from engine.remedies import remedies_of
from rehearsal.environment import with_real_kubernetes
from rehearsal.kubelet import Kubelet
from tests.checkouts import ROOT
from tests.cluster.objects import CLUSTER, OURS, REGION, clean, wait_until
from tests.cluster.stacks import CONFIG_MAP, EMULATED, PODS, REPLICAS, Moment, Pods
from tests.engine.attached import Attached
from tests.engine.conftest import PRODUCTION, Region, config
from tests.faults import recovery

NEW = "regional-new"
MOVE = ROOT / "docs/move.md"
_accounts = itertools.count(320_000_000_000)


@dataclass
class Two:
    """A stack, and the two clusters that it may be on."""

    region: Region
    second: ControlPlane
    apis: Mapping[str, Api]
    watches: Mapping[str, Pods]
    kubelets: Mapping[str, Kubelet]

    def lose(self, cluster: str) -> None:
        """The second cluster is gone for good, in EKS too."""
        self.kubelets[cluster].stop()
        self.watches[cluster].__exit__()
        self.second.stop()
        self.region.call("eks", "DeleteCluster", name=cluster)

    def ready(self, cluster: str) -> int:
        pods = records(self.apis[cluster].call("GET", PODS), "items")
        return sum(
            any(text(c, "type") == "Ready" and text(c, "status") == "True" for c in conditions(pod))
            for pod in pods
            if "deletionTimestamp" not in record(pod, "metadata")
        )

    def leftovers(self, cluster: str) -> list[str]:
        api = self.apis[cluster]
        found = (f"/api/v1/namespaces/{OURS}", CONFIG_MAP)
        return [path for path in found if api.exists(path)]

    def moments(self) -> list[Moment]:
        """Those of both clusters, in order."""
        return sorted((m for watch in self.watches.values() for m in watch.moments), key=lambda m: m.at)


def conditions(pod: Mapping[str, Json]) -> list[dict[str, Json]]:
    return list(records(record(pod, "status"), "conditions"))


def longest_without_a_ready_pod(moments: Iterable[Moment], begun: float, ended: float) -> float:
    """The longest time, in seconds, without a ready pod on either cluster. A terminating pod isn't ready."""
    alive: dict[str, bool] = {}
    since: float | None = None
    longest = 0.0
    for moment in moments:
        if moment.at > begun and since is None and not any(alive.values()):
            since = begun
        alive[moment.uid] = moment.is_ready and not moment.is_leaving
        if moment.at < begun:
            continue
        if any(alive.values()):
            longest = max(longest, moment.at - since) if since else longest
            since = None
        else:
            since = since or moment.at
    return max(longest, ended - since) if since else longest


def test_the_time_without_a_ready_pod_is_measured() -> None:
    def moment(at: float, uid: str, *, is_ready: bool, is_leaving: bool = False) -> Moment:
        return Moment(at, uid, uid, is_ready=is_ready, is_leaving=is_leaving, is_gone=False, image="")

    history = [moment(1, "old", is_ready=True), moment(5, "old", is_ready=True, is_leaving=True)]
    late = [*history, moment(5.5, "new", is_ready=False), moment(8, "new", is_ready=True)]
    early = [history[0], moment(4, "new", is_ready=True), history[1]]
    assert longest_without_a_ready_pod(late, 2, 9) == 3
    assert longest_without_a_ready_pod(history, 2, 9) == 4
    assert longest_without_a_ready_pod(early, 2, 9) == 0


@contextmanager
def two_clusters(
    emulation: Emulation, control_plane: ControlPlane, folder: Path, settings: Mapping[str, object]
) -> Generator[Two]:
    """A stack that isn't built yet; one cluster is the tier's own, and the other is started for the test."""
    account = str(next(_accounts))
    with ExitStack() as ending:
        authenticator = emulation.authenticator_url(NEW)
        second = ControlPlane.start(folder / "second", authenticator_url=authenticator, region=REGION)
        ending.callback(second.stop)
        planes = {CLUSTER: control_plane, NEW: second}

        def with_both(world: World) -> World:
            (first,) = world.clusters
            old = first.model_copy(update={"name": CLUSTER, "network_of": None})
            both = world.model_copy(
                update={"clusters": [old, old.model_copy(update={"name": NEW, "network_of": CLUSTER})]}
            )
            for name, plane in planes.items():
                both = both.with_endpoint(name, REGION, plane.url, plane.certificate_authority)
            return both

        apis = {name: ending.enter_context(closing(plane.api())) for name, plane in planes.items()}
        clean(apis[CLUSTER])
        ending.callback(clean, apis[CLUSTER])
        region = Region(
            emulation,
            folder / "region",
            account,
            settings,
            world=with_both,
            plugins=with_real_kubernetes(),
            attached=ending.enter_context(Attached(EMULATED)),
            environment={"HOME": str(folder / "home")},
        )
        watches = {name: ending.enter_context(Pods(plane.api())) for name, plane in planes.items()}
        kubelets = {
            name: Kubelet(
                plane.api(), Clients(emulation.url), cluster_name=name, region=REGION, account_id=account
            )
            for name, plane in planes.items()
        }
        for kubelet in kubelets.values():
            ending.callback(kubelet.stop)
            kubelet.start()
        yield Two(region, second, apis, watches, kubelets)


def command(heading: str, number: int = 0) -> str:
    """A block of docs/move.md, with the names of these clusters."""
    block = recovery.sections(MOVE)[heading][number]
    return block.replace("NEW-CLUSTER", NEW).replace("OLD-CLUSTER", CLUSTER)


def lasting(region: Region) -> tuple[str, ...]:
    """The database's id and address, the certificate's id, and the policy's version."""
    (instance,) = records(region.call("rds", "DescribeDBInstances"), "DBInstances")
    (certificate,) = records(region.call("iot", "ListCertificates"), "certificates")
    policy = region.call("iot", "GetPolicy", policyName="maestro-server")
    return (
        text(instance, "DbiResourceId"),
        text(record(instance, "Endpoint"), "Address"),
        text(certificate, "certificateId"),
        text(policy, "defaultVersionId"),
    )


def test_a_move_leaves_no_moment_without_a_ready_pod_and_what_lasts_as_it_is(
    emulation: Emulation,
    control_plane: ControlPlane,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with two_clusters(emulation, control_plane, tmp_path, config(**PRODUCTION)) as two:
        two.region.up()
        assert two.ready(CLUSTER) == REPLICAS
        before = lasting(two.region)
        recovery.run(two.region, command("Before"))
        assert not two.region.engine.preview().succeeded
        recovery.run(two.region, command("In production"))
        begun = time.time()
        planned = two.region.preview().changes
        assert two.region.up().changes == planned
        assert set(planned.values()) == {"create", "delete"}
        assert two.ready(NEW) == REPLICAS
        wait_until(lambda: sum(m.is_gone for m in two.watches[CLUSTER].moments) == REPLICAS, "word of it")
        longest = longest_without_a_ready_pod(two.moments(), begun, time.time())
        with capsys.disabled():
            print(f"\nwithout a ready pod on either cluster: {longest:.2f} seconds at most")  # noqa: T201
        assert longest == 0
        made = max(m.at for m in two.watches[NEW].moments if m.is_ready)
        assert made < min(m.at for m in two.watches[CLUSTER].moments if m.is_leaving)
        assert lasting(two.region) == before
        assert two.leftovers(CLUSTER) == []
        assert two.region.up().changes == {}
        assert two.region.refresh().changes == {}


@pytest.mark.parametrize("up_first", [False, True], ids=["forgotten first", "built first"])
def test_a_stack_leaves_a_cluster_that_is_gone(
    emulation: Emulation, control_plane: ControlPlane, tmp_path: Path, *, up_first: bool
) -> None:
    there = {**config(name=CLUSTER), "maestro-stack:clusterName": NEW}
    with two_clusters(emulation, control_plane, tmp_path, there) as two:
        two.region.up()
        before = lasting(two.region)
        two.lose(NEW)
        forget = command("An old cluster that is gone already")
        if not up_first:
            recovery.run(two.region, forget)
        two.region.configure(config())
        if up_first:
            failed = two.region.engine.up()
            assert not failed.succeeded
            [remedy] = remedies_of(failed.diagnostics)
            assert remedy.page == "docs/move.md#an-old-cluster-that-is-gone-already"
            assert two.ready(CLUSTER) == REPLICAS
            recovery.run(two.region, forget)
        two.region.up()
        assert two.ready(CLUSTER) == REPLICAS
        assert lasting(two.region) == before
        assert two.region.preview().changes == {}
