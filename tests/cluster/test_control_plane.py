"""The control plane itself: what it is, that it is closed, and that it ends."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import tools
from common.json_values import Json, record, records, text
from controlplane import (
    TOOLS,
    Api,
    ApiError,
    ControlPlane,
    ControlPlaneError,
    ToolsMissingError,
    guardian,
)
from emulator.client import Emulation
from tests.cluster.objects import CLUSTER, REGION, Tool, condition, is_ready, pod, wait_until

ROOT = Path(__file__).parents[2]

RUN_PLANE = """
import sys, time
from pathlib import Path
from controlplane import ControlPlane
plane = ControlPlane.start(Path(sys.argv[1]))
plane.api().call("POST", "/api/v1/namespaces", {"metadata": {"name": "kept"}})
print("ready", flush=True)
time.sleep(600)
"""
RUN_SLEEPER = """
import sys, time
from pathlib import Path
from controlplane.processes import Processes
Processes(Path(sys.argv[1])).start("sleeper", ["/bin/sleep", "600"], {})
print("ready", flush=True)
time.sleep(600)
"""


def alive(pids: dict[str, str]) -> list[str]:
    """The processes that still run, of those given by pid and identity."""
    return [pid for pid, identity in pids.items() if guardian.identity(int(pid)) == identity]


def identities(folder: Path) -> dict[str, str]:
    """What the pid files of a folder say."""
    entries = [json.loads(file.read_text()) for file in (folder / "run").glob("*.pid")]
    return {str(entry["pid"]): entry["identity"] for entry in entries}


def crashed(program: str, folder: Path, kill_first: Callable[[], None] = lambda: None) -> dict[str, str]:
    """Processes in `folder` whose starter was killed with SIGKILL."""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "ready\n"
        pids = identities(folder)
        kill_first()
        starter.kill()
    return pids


def test_it_is_ready_and_gone_within_seconds_and_leaves_no_process(
    tmp_path: Path,
    control_plane: ControlPlane,  # noqa: ARG001 so that the programs are in the page cache
) -> None:
    begun = time.monotonic()
    with ControlPlane.start(tmp_path / "plane") as plane:
        ready = time.monotonic()
        pids = identities(tmp_path / "plane")
        assert set(plane.pids) == set(TOOLS)
        assert {str(pid) for pid in plane.pids.values()} == set(pids)
        assert alive(pids) == list(pids)
    gone = time.monotonic()
    assert alive(pids) == []
    assert list((tmp_path / "plane" / "run").iterdir()) == []
    # Four seconds and one on an idle machine; tests may run on a busy one.
    assert ready - begun < 25
    assert gone - ready < 15


def test_three_nodes_in_three_zones_are_ready(api: Api, kubectl: Tool) -> None:
    nodes = records(api.call("GET", "/api/v1/nodes"), "items")
    labels = [record(record(node, "metadata"), "labels") for node in nodes]
    assert {text(each, "topology.kubernetes.io/zone") for each in labels} == {f"{REGION}{z}" for z in "abc"}
    assert len({text(each, "kubernetes.io/hostname") for each in labels}) == 3
    assert [condition(node, "Ready") for node in nodes] == ["True"] * 3
    assert re.findall(r" Ready .* v1\.37\.2", kubectl("get", "nodes")) != []


def test_only_loopback_is_listened_on(control_plane: ControlPlane) -> None:
    inodes = {
        str(link.readlink())
        for pid in control_plane.pids.values()
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink()
    }
    listening: list[str] = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                listening.append(fields[1].partition(":")[0])
    assert len(listening) >= 3
    assert set(listening) == {"0100007F"}


def test_the_kubeconfig_is_for_its_owner_alone(control_plane: ControlPlane) -> None:
    assert stat.S_IMODE(control_plane.kubeconfig.stat().st_mode) == 0o600
    assert control_plane.kubeconfig.read_text() == control_plane.admin_kubeconfig_text
    keys = [
        file for file in (control_plane.folder / "keys").iterdir() if file.suffix in (".key", ".csv", ".yaml")
    ]
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


@pytest.mark.parametrize(("token", "status"), [(None, 403), ("made-up", 401)])
def test_rbac_refuses_whoever_is_not_known(
    control_plane: ControlPlane, token: str | None, status: int
) -> None:
    stranger = control_plane.anonymous(token)
    with pytest.raises(ApiError) as refusal:
        stranger.call("GET", "/api/v1/namespaces/kube-system/secrets")
    stranger.close()
    assert refusal.value.status == status


def test_rbac_refuses_a_service_account_without_a_role(
    control_plane: ControlPlane, api: Api, namespace: str
) -> None:
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
    token = text(record(api.call("POST", account, {"spec": {}}), "status"), "token")
    somebody = control_plane.anonymous(token)
    with pytest.raises(ApiError, match=f"system:serviceaccount:{namespace}:default.*cannot list"):
        somebody.call("GET", f"/api/v1/namespaces/{namespace}/secrets")
    somebody.close()


def test_a_token_of_the_emulated_aws_is_accepted(
    control_plane: ControlPlane, emulation: Emulation, tmp_path: Path
) -> None:
    def token(cluster: str) -> str:
        aws = Path(sys.executable).with_name("aws")
        environment = {"PATH": os.defpath, "HOME": str(tmp_path)} | emulation.environment(REGION)
        command = [sys.executable, str(aws), "eks", "get-token", "--cluster-name", cluster]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return json.loads(answer.stdout)["status"]["token"]

    someone = control_plane.anonymous(token(CLUSTER))
    review: dict[str, Json] = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = someone.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    user = record(record(answer, "status"), "userInfo")
    assert text(user, "username").startswith("arn:aws:")
    assert "system:masters" in str(user["groups"])
    someone.close()

    stranger = control_plane.anonymous(token("another"))
    with pytest.raises(ApiError) as refusal:
        stranger.call("GET", "/api/v1/namespaces")
    stranger.close()
    assert refusal.value.status == 401


def test_a_restricted_namespace_refuses_root_and_runs_the_rest(api: Api, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    with pytest.raises(ApiError, match=r'violates PodSecurity "restricted.*runAsNonRoot'):
        api.call("POST", pods, pod("root", root=True))
    api.call("POST", pods, pod("ordinary"))
    wait_until(lambda: is_ready(api, namespace, "ordinary"), "the pod")
    found = api.call("GET", f"{pods}/ordinary")
    assert text(record(found, "status"), "phase") == "Running"
    assert text(record(found, "status"), "podIP")


def test_a_deployment_is_spread_over_the_zones_and_its_pods_go_when_deleted(
    api: Api, kubectl: Tool, namespace: str
) -> None:
    labels: dict[str, Json] = {"app": "spread"}
    constraint: dict[str, Json] = {
        "topologyKey": "topology.kubernetes.io/zone",
        "maxSkew": 1,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": labels},
    }
    spec: dict[str, Json] = {**record(pod("unused"), "spec"), "topologySpreadConstraints": [constraint]}
    pods: dict[str, Json] = {"metadata": {"labels": labels}, "spec": spec}
    deployment: dict[str, Json] = {"replicas": 3, "selector": {"matchLabels": labels}, "template": pods}
    api.call(
        "POST",
        f"/apis/apps/v1/namespaces/{namespace}/deployments",
        {"metadata": {"name": "spread"}, "spec": deployment},
    )
    kubectl("rollout", "status", "deployment/spread", "-n", namespace, "--timeout=20s")
    path = f"/api/v1/namespaces/{namespace}/pods"
    nodes = [text(record(each, "spec"), "nodeName") for each in records(api.call("GET", path), "items")]
    assert len(set(nodes)) == 3
    kubectl("delete", "deployment", "spread", "-n", namespace, "--wait=false")
    wait_until(lambda: not records(api.call("GET", path), "items"), "the pods to be gone")


def test_a_drained_node_keeps_what_a_disruption_budget_keeps(api: Api, kubectl: Tool, namespace: str) -> None:
    node = "node-us-east-1a"
    labels: dict[str, Json] = {"app": "kept"}
    kept = pod("kept", {"nodeName": node})
    record(kept, "metadata")["labels"] = labels
    api.call("POST", f"/api/v1/namespaces/{namespace}/pods", kept)
    wait_until(lambda: is_ready(api, namespace, "kept"), "the pod")
    budgets = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    budget: dict[str, Json] = {"minAvailable": 1, "selector": {"matchLabels": labels}}
    api.call("POST", budgets, {"metadata": {"name": "kept"}, "spec": budget})

    def counted() -> bool:
        return record(api.call("GET", f"{budgets}/kept"), "status").get("currentHealthy") == 1

    wait_until(counted, "the budget to count the pod")
    drain = ["drain", node, "--ignore-daemonsets", "--force", "--timeout=2s", "--pod-selector=app=kept"]
    try:
        told = kubectl(*drain, check=False)
        assert "would violate the pod's disruption budget" in told
        assert is_ready(api, namespace, "kept")
        api.raw("DELETE", f"{budgets}/kept")
        kubectl(*drain)
        assert not api.exists(f"/api/v1/namespaces/{namespace}/pods/kept")
    finally:
        kubectl("uncordon", node)


def test_the_driver_and_its_kinds_are_registered(kubectl: Tool) -> None:
    audiences = kubectl(
        "get", "csidriver", "secrets-store.csi.k8s.io", "-o", "jsonpath={.spec.tokenRequests[*].audience}"
    )
    assert audiences == "sts.amazonaws.com pods.eks.amazonaws.com"
    assert "secrets-store-csi-driver-provider-aws" in kubectl("get", "daemonset", "-A")
    kinds = kubectl("api-resources", "--api-group=secrets-store.csi.x-k8s.io", "-o", "name").split()
    assert [kind.partition(".")[0] for kind in sorted(kinds)] == [
        "secretproviderclasses",
        "secretproviderclasspodstatuses",
    ]


def test_after_a_sigkill_of_the_starter_nothing_goes_on_running(tmp_path: Path) -> None:
    pids = crashed(RUN_SLEEPER, tmp_path)
    assert len(pids) == 1
    wait_until(lambda: not alive(pids), "the guardian to end it")


def test_what_a_crash_left_running_is_ended_by_the_next_start_and_its_data_can_be_kept(
    tmp_path: Path,
) -> None:
    pids = crashed(RUN_PLANE, tmp_path, lambda: kill_guardian(tmp_path))
    assert len(pids) == len(TOOLS)
    assert alive(pids) == list(pids)
    port = json.loads((tmp_path / "ports.json").read_text())[0]
    with ControlPlane.start(tmp_path, keep=True) as plane:
        assert alive(pids) == []
        assert plane.url == f"https://127.0.0.1:{port}"
        api = plane.api()
        assert api.exists("/api/v1/namespaces/kept")
        api.close()


def kill_guardian(folder: Path) -> None:
    """Kill the guardian, found by its arguments: no pid file names it."""
    wanted = f"guardian.py\0{folder}/run\0".encode()
    pids = [
        int(file.parent.name)
        for file in Path("/proc").glob("[0-9]*/cmdline")
        if file.read_bytes().endswith(wanted)
    ]
    assert len(pids) == 1
    os.kill(pids[0], signal.SIGKILL)


def test_a_process_with_a_recorded_pid_that_is_another_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "etcd.pid").write_text(json.dumps({"pid": os.getpid(), "identity": "of long ago"}))
    (tmp_path / "kwok.pid").write_text('{"pid": ')  # cut short
    assert guardian.end_recorded(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('.', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        guardian.record(tmp_path, "stubborn", stubborn.pid)
        assert guardian.end_recorded(tmp_path, patience=0.2) == ("stubborn",)
        assert stubborn.wait() == -signal.SIGKILL


def test_a_second_control_plane_in_the_folder_is_refused(control_plane: ControlPlane) -> None:
    with pytest.raises(ControlPlaneError, match=f"runs in .* \\(started by process {os.getpid()}\\)"):
        ControlPlane.start(control_plane.folder)
    control_plane.check()


def test_an_authenticator_with_a_query_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="would drop the query"):
        ControlPlane.start(tmp_path, authenticator_url="http://127.0.0.1:1/authenticate?cluster=a")


def test_missing_programs_are_named(tmp_path: Path) -> None:
    with pytest.raises(ToolsMissingError, match="needs etcd, kwok: run `make tools`"):
        ControlPlane.start(
            tmp_path, find=lambda name: None if name in ("etcd", "kwok") else Path("/bin") / name
        )
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_dies_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    failing = script(tmp_path, "echo first; echo 'the reason' >&2; exit 3")
    with pytest.raises(
        ControlPlaneError, match=r"etcd ended with exit code 3; the end of .*\nfirst\nthe reason"
    ):
        ControlPlane.start(tmp_path / "plane", find=instead_of_etcd(failing))
    assert list((tmp_path / "plane" / "run").iterdir()) == []


def test_a_full_disk_is_reported_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = script(tmp_path, "echo 'write wal: no space left on device'; exit 1")
    with pytest.raises(ControlPlaneError, match=r"no disk space is left for .*: free some and start again"):
        ControlPlane.start(tmp_path / "plane", find=instead_of_etcd(full))
    monkeypatch.setattr("controlplane.plane._NEEDED_BYTES", 2**80)
    with pytest.raises(ControlPlaneError, match="no disk space is left for"):
        ControlPlane.start(tmp_path / "other")


def test_a_port_that_is_taken_in_the_meantime_is_replaced(tmp_path: Path) -> None:
    marker = tmp_path / "tried"
    once = script(
        tmp_path,
        f"""if [ ! -e {marker} ]; then
              echo "$@" > {marker}; echo 'listen tcp 127.0.0.1:1: bind: address already in use'; exit 1
            fi
            exec {tools.find("etcd")} "$@" """,
    )
    with ControlPlane.start(tmp_path / "plane", find=instead_of_etcd(once)) as plane:
        plane.check()
        first = re.findall(r"--listen-client-urls=http://127.0.0.1:(\d+)", marker.read_text())
        assert json.loads((tmp_path / "plane" / "ports.json").read_text())[1] != int(first[0])


def test_the_ports_of_the_last_start_are_left_to_whoever_has_them_now() -> None:
    from controlplane.processes import free_ports

    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        first, second = free_ports(2, (taken,))
        assert first != taken
        assert 0 < second < 32_768
    assert free_ports(1, (taken,)) == (taken,)


def script(folder: Path, content: str) -> Path:
    path = folder / "script"
    path.write_text(f"#!/bin/sh\n{content}\n")
    path.chmod(0o700)
    return path


def instead_of_etcd(program: Path) -> Callable[[str], Path | None]:
    return lambda name: program if name == "etcd" else tools.find(name)
