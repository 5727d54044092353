"""The installed release: admitted, spread, rolled one pod at a time, kept during drains, healed."""

import json
import os
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

import tools
from common.json_values import Json, number, record, records, text
from controlplane import Api, ApiError, ControlPlane
from engine.remedies import remedies_of
from tests.cluster.objects import Tool, condition, pod, wait_until
from tests.cluster.server import CHART, DATABASE, RELEASE, Server

TROUBLESHOOTING = CHART.joinpath("README.md").read_text(encoding="utf-8").partition("## Troubleshooting")[2]


@dataclass
class History:
    """A collection of objects after every change, not counting those that are being deleted."""

    present: dict[str, Mapping[str, Json]]
    """By UID."""
    moments: list[tuple[Mapping[str, Json], ...]] = field(
        default_factory=list[tuple[Mapping[str, Json], ...]]
    )

    def take(self, kind: str, changed: Mapping[str, Json]) -> None:
        """One change of the watch."""
        uid = text(record(changed, "metadata"), "uid")
        if kind == "DELETED" or "deletionTimestamp" in record(changed, "metadata"):
            self.present.pop(uid, None)
        else:
            self.present[uid] = changed
        self.moments.append(tuple(self.present.values()))

    @property
    def ready(self) -> list[int]:
        """How many were ready at each moment."""
        return [sum(condition(each, "Ready") == "True" for each in moment) for moment in self.moments]


def by_uid(listed: Mapping[str, Json]) -> dict[str, Mapping[str, Json]]:
    return {text(record(each, "metadata"), "uid"): each for each in records(listed, "items")}


@contextmanager
def watched(server: Server, api: Api, version: str, plural: str) -> Generator[History]:
    """Record from now on; at the end the history holds everything that happened until then."""
    listed = server.object(version, plural)
    history = History(by_uid(listed))
    path = f"/{'apis' if '/' in version else 'api'}/{version}/namespaces/{server.namespace}/{plural}"
    with api.watch(path, text(record(listed, "metadata"), "resourceVersion")) as watch:

        def follow() -> None:
            for kind, changed in watch:
                if kind != "BOOKMARK":
                    history.take(kind, changed)

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            yield history
            now = by_uid(server.object(version, plural)).keys()
            wait_until(lambda: history.present.keys() == now, "the watch to catch up")
        finally:
            watch.close()
            thread.join()


def restarts(server: Server, change: Callable[[], object]) -> bool:
    """Whether a change replaces all pods; fails if it replaces only some of them."""
    before = server.uids()
    change()
    server.wait_for_pods(len(before))
    after = server.uids()
    assert after == before or not after & before
    return after != before


def zones(server: Server) -> Counter[str]:
    """How many pods each zone has."""
    nodes = {
        text(record(node, "metadata"), "name"): text(
            record(record(node, "metadata"), "labels"), "topology.kubernetes.io/zone"
        )
        for node in records(server.api.call("GET", "/api/v1/nodes"), "items")
    }
    return Counter(nodes[text(record(each, "spec"), "nodeName")] for each in server.pods())


def test_pods_are_admitted_where_restricted_is_enforced(server: Server) -> None:
    pods = f"/api/v1/namespaces/{server.namespace}/pods"
    with pytest.raises(ApiError, match=r'violates PodSecurity "restricted'):
        server.api.call("POST", pods, pod("root", root=True))
    server.start()


def test_an_update_starts_one_pod_at_a_time_and_no_ready_pod_is_missed(server: Server, api: Api) -> None:
    replicas = 3
    server.start(f"--set=deployment.replicas={replicas}", replicas=replicas)
    assert set(zones(server).values()) == {1}
    before = server.uids()
    with (
        watched(server, api, "v1", "pods") as pods,
        watched(server, api, "apps/v1", "replicasets") as replica_sets,
    ):
        annotate = ("--reuse-values", "--set=deployment.podAnnotations.a=b")
        server.upgrade(*annotate, "--wait", "--timeout=30s")
        # Helm has waited for all new pods, not only for some.
        new = [each for each in server.pods() if text(record(each, "metadata"), "uid") not in before]
        assert [condition(each, "Ready") for each in new] == ["True"] * replicas
        server.wait_for_pods(replicas)
    assert set(zones(server).values()) == {1}  # as evenly spread as before
    assert min(pods.ready) == replicas
    unready = [len(moment) - ready for moment, ready in zip(pods.moments, pods.ready, strict=True)]
    assert max(unready) == 1
    # The desired number: the pod that has to go may be there for a moment longer.
    wanted = [
        sum(number(record(each, "spec"), "replicas") for each in moment) for moment in replica_sets.moments
    ]
    assert max(wanted) == replicas + 1


@pytest.fixture
def cordoned(api: Api, kubectl: Tool) -> Iterator[list[str]]:
    """Cordon all nodes, so that they take no new pods; their names."""
    nodes = [
        text(record(node, "metadata"), "name") for node in records(api.call("GET", "/api/v1/nodes"), "items")
    ]
    yield nodes
    kubectl("uncordon", *nodes)


def test_a_drain_takes_one_pod_and_waits_with_the_next_until_it_is_replaced(
    server: Server, api: Api, kubectl: Tool, cordoned: list[str]
) -> None:
    server.start()
    first, second = sorted(text(record(each, "spec"), "nodeName") for each in server.pods())
    (spare,) = set(cordoned) - {first, second}
    with watched(server, api, "v1", "pods") as pods:
        kubectl("cordon", *cordoned)
        kubectl("drain", first, "--ignore-daemonsets")
        # The pod's successor finds no node, so only one of two is ready.
        refused = kubectl("drain", second, "--ignore-daemonsets", "--timeout=1s", check=False)
        assert "Cannot evict pod as it would violate the pod's disruption budget" in refused
        assert len([each for each in server.pods() if condition(each, "Ready") == "True"]) == 1
        kubectl("uncordon", spare)
        server.wait_for_pods()
        kubectl("drain", second, "--ignore-daemonsets")
        server.wait_for_pods()
    assert {text(record(each, "spec"), "nodeName") for each in server.pods()} == {spare}
    assert min(pods.ready) == 1


def test_a_drain_is_not_held_up_by_pods_that_are_not_ready(
    server: Server, kubectl: Tool, cordoned: list[str]
) -> None:
    """As in an outage of the database, when no pod is."""
    server.start()
    conditions: list[Json] = [{"type": kind, "status": "False"} for kind in ("Ready", "ContainersReady")]
    for each in server.pods():
        path = f"/api/v1/namespaces/{server.namespace}/pods/{text(record(each, 'metadata'), 'name')}/status"
        patch: dict[str, Json] = {"status": {"conditions": conditions}}
        server.api.call("PATCH", path, patch, content_type="application/strategic-merge-patch+json")
    before = server.uids()
    kubectl("cordon", *cordoned)
    kubectl("drain", *cordoned, "--ignore-daemonsets", "--timeout=5s")
    assert server.uids().isdisjoint(before)


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A copy of the chart, to be edited. The folder's name is the chart's."""
    return shutil.copytree(CHART, tmp_path / CHART.name)


def edit(chart: Path, file: str, old: str, new: str) -> None:
    path = chart / file
    content = path.read_text(encoding="utf-8")
    assert old in content, f"{file} no longer holds {old!r}"
    path.write_text(content.replace(old, new, 1), encoding="utf-8")


def test_only_what_the_pods_are_made_of_restarts_them(server: Server, chart: Path) -> None:
    revisions = iter(range(2, 10))

    def manifest_after(*flags: str) -> str:
        answer = server.upgrade("--reuse-values", *flags, "-o", "json", chart=chart)
        release = cast("dict[str, Json]", json.loads(answer))
        assert release["version"] == next(revisions)
        return text(release, "manifest")

    server.start(chart=chart)
    before = server.uids()
    first = manifest_after()
    # None of these is in the pod template or in one of its checksums.
    peers = "networkPolicy.metrics.from[0].podSelector.matchLabels.tier=metrics"
    edit(chart, "Chart.yaml", "version: ", "version: 9")
    edit(chart, "templates/NOTES.txt", "Next:", "Then:")
    edit(chart, "templates/service.yaml", "  labels:\n", "  labels:\n    tier: api\n")
    edited = manifest_after("--set=chartDigest=sha256:abc", f"--set={peers}")
    for sign in ("maestro-server-eso-9", "tier: api", "sha256:abc", "tier: metrics"):
        assert sign in edited
        assert sign not in first
    assert manifest_after() == edited
    server.wait_for_pods()
    assert server.uids() == before
    # And each of these is.
    for change in (
        lambda: edit(chart, "values.yaml", "logLevel: 2", "logLevel: 3"),
        lambda: edit(chart, "values.yaml", "memory: 512Mi", "memory: 513Mi"),
    ):
        change()
        assert restarts(server, lambda: server.upgrade(chart=chart))
    for value in ("deployment.podAnnotations.a=b", "broker.endpoint=other.example.test"):
        assert restarts(server, lambda value=value: server.upgrade(f"--set={value}", chart=chart))


FAILED = (
    'MountVolume.SetUp failed for volume "secrets-store" : rpc error: code = Unknown desc = '
    "failed to mount secrets store objects"
)
ANY_REGION = "Failed to fetch secret from all regions"


def no_association(server: Server) -> None:
    server.identity.dissociate()


def no_rights(server: Server) -> None:
    server.identity.forbid()


def no_port(server: Server) -> None:
    server.identity.write_database({key: value for key, value in DATABASE.items() if key != "port"})


def with_association(server: Server) -> None:
    server.identity.associate()


def with_rights(server: Server) -> None:
    server.identity.allow()


def with_port(server: Server) -> None:
    server.identity.write_database(DATABASE)


def waits(server: Server, kubectl: Tool, *flags: str) -> str:
    """Install what can't get ready: Helm gives up, the pods wait for their volume. The event's text."""
    told = server.install(*flags, "--wait", "--timeout=1s", check=False)
    assert "Error: INSTALLATION FAILED: " in told
    assert "deadline exceeded" in told
    (message,) = server.wait_for_failed_mounts()
    shown = kubectl("get", "pods", "-n", server.namespace, "--no-headers").splitlines()
    assert [line.split()[1:3] for line in shown] == [["0/1", "Init:0/1"]] * 2
    place = f" for pod {server.namespace}/POD, err: rpc error: code = Unknown desc = "
    assert message.startswith(FAILED + place)
    assert FAILED in TROUBLESHOOTING
    return message.removeprefix(FAILED + place)


@pytest.mark.parametrize(
    ("spoil", "mend", "reason"),
    [
        (no_association, with_association, "us-east-1: failed to get pod identity credentials: "),
        (no_rights, with_rights, f"{ANY_REGION}: {{prefix}}/maestro/server-mqtt-cert"),
        (no_port, with_port, f"{ANY_REGION}: {{prefix}}/maestro/db-credentials"),
    ],
    ids=["association", "rights", "port"],
)
def test_missing_secrets_fail_the_installation_which_heals_once_they_can_be_read(
    server: Server,
    kubectl: Tool,
    spoil: Callable[[Server], None],
    mend: Callable[[Server], None],
    reason: str,
) -> None:
    spoil(server)
    assert waits(server, kubectl).startswith(reason.format(prefix=server.identity.prefix))
    if ANY_REGION in reason:
        assert ANY_REGION in TROUBLESHOOTING
    waiting = server.uids()
    mend(server)
    server.wait_for_pods()
    assert server.uids() == waiting
    server.upgrade("--wait", "--timeout=30s")
    assert server.uids() == waiting
    assert '"status":"deployed"' in server.helm("status", RELEASE, "-n", server.namespace, "-o", "json")


def test_another_clusters_name_fails_the_installation_and_the_right_one_heals_it(
    server: Server, kubectl: Tool
) -> None:
    reason = waits(server, kubectl, "--set=clusterName=elsewhere")
    secret = "elsewhere/maestro/server-mqtt-cert"  # noqa: S105 a name
    assert reason.startswith(f"us-east-1: Failed fetching secret {secret}: ResourceNotFoundException: ")
    # The pods that wait see the corrected SecretProviderClass: none has to be replaced.
    waiting = server.uids()
    server.upgrade("--wait", "--timeout=30s")
    assert server.uids() == waiting


def test_a_failed_update_leaves_the_old_pods_and_is_ended_by_a_rollback(server: Server) -> None:
    server.start()
    before = server.uids()
    server.identity.forbid()
    told = server.upgrade("--set=deployment.podAnnotations.a=b", "--wait", "--timeout=1s", check=False)
    assert "Error: UPGRADE FAILED: " in told
    assert before < server.uids()
    assert sum(condition(each, "Ready") == "True" for each in server.pods()) == 2
    server.helm("rollback", RELEASE, "1", "-n", server.namespace)
    server.wait_for_pods()
    assert server.uids() == before


def test_an_update_that_was_cut_off_is_rolled_back_by_the_commands_of_the_readme(
    server: Server, control_plane: ControlPlane, tmp_path: Path
) -> None:
    server.start()
    before = server.uids()
    server.identity.forbid()
    helm = tools.find("helm")
    assert helm is not None
    change = ["--reuse-values", "--set=deployment.podAnnotations.a=b", "--wait"]
    with subprocess.Popen(
        [helm, "upgrade", RELEASE, CHART, "-n", server.namespace, *change],
        env={"PATH": os.defpath, "HOME": str(tmp_path), "KUBECONFIG": str(control_plane.kubeconfig)},
        stdout=subprocess.DEVNULL,
    ) as upgrade:
        wait_until(lambda: len(server.pods()) == 3, "the update to begin")
        upgrade.send_signal(signal.SIGKILL)
    busy = "another operation (install/upgrade/rollback) is in progress"
    assert busy in server.upgrade(check=False)
    [remedy] = remedies_of([busy])
    assert "`helm history maestro-server -n maestro`, then `helm rollback`" in remedy.do
    history = server.helm("history", RELEASE, "-n", server.namespace).splitlines()
    assert "deployed" in history[1]
    assert "pending-upgrade" in history[2]
    server.helm("rollback", RELEASE, "1", "-n", server.namespace)
    server.wait_for_pods()
    assert server.uids() == before
    server.upgrade()


def test_an_uninstalled_release_leaves_the_namespace_and_nothing_in_it(server: Server, kubectl: Tool) -> None:
    def names() -> set[str]:
        kinds = "all,configmap,secret,serviceaccount,secretproviderclass,networkpolicy,poddisruptionbudget"
        return set(kubectl("get", kinds, "-n", server.namespace, "-o", "name").split())

    before = names()
    server.start()
    assert {"deployment.apps/maestro", "networkpolicy.networking.k8s.io/maestro"} <= names()
    twice = server.install(check=False)
    assert "cannot re-use a name that is still in use" in twice
    server.helm("uninstall", RELEASE, "-n", server.namespace, "--wait")
    wait_until(lambda: names() == before, "everything to go")
