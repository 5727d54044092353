"""Objects and releases on a real API server, from creation to deletion."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import pytest
import yaml

from common.json_values import Json, record, text
from controlplane import Api, ApiError, ApiProxy, ControlPlane, Fault
from emulator.aws.cloud import OutsideWorldError
from emulator.client import Emulation
from emulator.kubernetes import CONFIG_MAP, NAMESPACE, RELEASE, Cluster, KubernetesError, PartialError
from emulator.kubernetes.api import ApiCluster, server_of
from emulator.lifecycle import State
from tests.cluster.conftest import CLUSTER, REGION
from tests.cluster_contract import CASES, Subject, write_chart

HERE = Path(__file__).parents[2]
MERGE_PATCH = "application/merge-patch+json"
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      {{- with .Values.nodeSelector }}
      nodeSelector: {{ . | toYaml | nindent 8 }}
      {{- end }}
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: web
          image: example.test/nothing:1
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
"""
NOWHERE: Json = {"nodeSelector": {"disk": "none"}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Holds the charts `tiny`, and `web` whose pod waits for a node that its values ask for."""
    write_chart(tmp_path)
    (tmp_path / "web" / "templates").mkdir(parents=True)
    (tmp_path / "web" / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 0.1.0\n")
    (tmp_path / "web" / "templates" / "web.yaml").write_text(WEB)
    return tmp_path


@pytest.fixture
def cluster(control_plane: ControlPlane, root: Path) -> Iterator[ApiCluster]:
    with ApiCluster(control_plane.admin_kubeconfig_text, root=root) as cluster:
        yield cluster


@pytest.fixture
def on(cluster: ApiCluster, api: Api, namespace: str, root: Path) -> Subject:
    def path(kind: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{name}".rstrip("/")

    def find(kind: str, name: str) -> Mapping[str, Json] | None:
        try:
            return api.call("GET", path(kind, name))
        except ApiError as refusal:
            if refusal.status == 404:
                return None
            raise

    def edit(manager: str, content: Mapping[str, Json]) -> object:
        kind, name = text(content, "kind"), text(record(content, "metadata"), "name")
        query = f"?fieldManager={manager}"
        if find(kind, name) is None:
            return api.call("POST", path(kind) + query, content)
        return api.call("PATCH", path(kind, name) + query, content, content_type=MERGE_PATCH)

    return Subject(cluster=cluster, namespace=namespace, root=root, edit=edit, find=find)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_real_cluster_behaves_as_the_one_in_memory(case: Callable[[Subject], None], on: Subject) -> None:
    case(on)


def web(on: Subject, **more: Json) -> dict[str, Json]:
    return on.release(chart="./web", values={"nodeSelector": {}}, **more)


def test_a_release_that_does_not_become_ready_is_partly_made_and_the_next_update_repairs_it(
    on: Subject,
) -> None:
    with pytest.raises(PartialError, match="context deadline exceeded") as refused:
        on.cluster.create(RELEASE, {**web(on), "values": NOWHERE, "timeout": 2})
    assert f'Helm release "{on.namespace}/rel" was created, but failed to initialize' in str(refused.value)
    assert any("Pod web-" in reason and "FailedScheduling" in reason for reason in refused.value.reasons)
    state = refused.value.state
    assert record(state.outputs, "status")["status"] == "failed"
    assert on.cluster.read(RELEASE, state) == state
    mended = on.cluster.update(RELEASE, state, web(on))
    assert record(mended.outputs, "status")["status"] == "deployed"
    assert record(mended.outputs, "status")["revision"] == 2
    on.cluster.delete(RELEASE, mended)


def test_an_upgrade_that_does_not_become_ready_is_reported_and_the_next_one_repairs_it(on: Subject) -> None:
    state = on.cluster.create(RELEASE, web(on))
    broken = {**web(on), "values": NOWHERE, "timeout": 2}
    with pytest.raises(PartialError, match="error running update: failed to become available") as refused:
        on.cluster.update(RELEASE, state, broken)
    state = refused.value.state
    assert record(state.outputs, "status")["revision"] == 2
    assert on.cluster.difference(RELEASE, state, web(on)).updates == ("timeout", "values")
    mended = on.cluster.update(RELEASE, state, web(on))
    assert record(mended.outputs, "status")["status"] == "deployed"


def test_cancelling_ends_a_wait_and_leaves_what_the_next_update_repairs(
    control_plane: ControlPlane, on: Subject
) -> None:
    cancelled = threading.Event()
    with ApiCluster(control_plane.admin_kubeconfig_text, root=on.root, cancelled=cancelled) as cluster:
        timer = threading.Timer(1, cancelled.set)
        timer.start()
        begun = time.monotonic()
        with pytest.raises(PartialError, match="context canceled") as refused:
            cluster.create(RELEASE, {**web(on), "values": NOWHERE, "timeout": 60})
        assert time.monotonic() - begun < 20
        timer.join()
    mended = on.cluster.update(RELEASE, refused.value.state, web(on))
    assert record(mended.outputs, "status")["status"] == "deployed"


def test_a_release_whose_installation_was_killed_says_so_in_helms_words(
    control_plane: ControlPlane, on: Subject
) -> None:
    inputs = {**web(on), "values": NOWHERE, "timeout": 60}
    program = (
        "import json, sys; from pathlib import Path; from emulator.kubernetes.api import ApiCluster\n"
        f"cluster = ApiCluster(sys.stdin.read(), root=Path({str(on.root)!r}))\n"
        f"cluster.create({RELEASE!r}, json.loads({json.dumps(inputs)!r}))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, cwd=HERE, text=True)
    assert process.stdin is not None
    process.stdin.write(control_plane.admin_kubeconfig_text)
    process.stdin.close()
    state = State(f"{on.namespace}/rel", {})
    until(lambda: on.cluster.read(RELEASE, state) is not None, "the release to be begun")
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    found = on.cluster.read(RELEASE, state)
    assert found is not None
    assert record(found.outputs, "status")["status"] == "pending-install"
    with pytest.raises(KubernetesError, match=r"another operation .* is in progress") as refused:
        on.cluster.update(RELEASE, found, web(on))
    assert not isinstance(refused.value, PartialError)
    with pytest.raises(KubernetesError, match="cannot re-use a name that is still in use"):
        on.cluster.create(RELEASE, web(on))


def until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def test_a_release_may_bring_its_namespace(on: Subject) -> None:
    name = f"{on.namespace}-own"
    state = on.cluster.create(RELEASE, on.release(namespace=name, createNamespace=True))
    there = on.cluster.read(NAMESPACE, State(name, {}))
    assert there is not None
    on.cluster.delete(RELEASE, state)
    on.cluster.delete(NAMESPACE, there)


def test_an_object_that_a_finalizer_keeps_is_named_with_it(control_plane: ControlPlane, on: Subject) -> None:
    state = on.cluster.create(CONFIG_MAP, on.config_map(finalizers=["example.test/wait"]))
    cancelled = threading.Event()
    cancelled.set()
    with (
        ApiCluster(control_plane.admin_kubeconfig_text, root=on.root, cancelled=cancelled) as cluster,
        pytest.raises(KubernetesError, match=r"is being deleted.*example\.test/wait"),
    ):
        cluster.delete(CONFIG_MAP, state)
    on.edit("kubectl", {"kind": "ConfigMap", "metadata": {"name": "ours", "finalizers": None}})
    on.cluster.delete(CONFIG_MAP, state)


def config_of(control_plane: ControlPlane) -> dict[str, Json]:
    return yaml.safe_load(control_plane.admin_kubeconfig_text)


def test_both_clients_run_the_command_that_a_kubeconfig_gives_for_the_token(
    control_plane: ControlPlane, root: Path, namespace: str
) -> None:
    config = config_of(control_plane)
    users = config["users"]
    assert isinstance(users, list)
    assert isinstance(users[0], dict)
    token = text(record(users[0], "user"), "token")
    credential: dict[str, Json] = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "kind": "ExecCredential",
        "spec": {},
        "status": {"token": token},
    }
    command = root / "get-token"
    command.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(credential)}\nEND\n")
    command.chmod(0o700)
    users[0]["user"] = {
        "exec": {
            "apiVersion": credential["apiVersion"],
            "command": str(command),
            "interactiveMode": "Never",
        }
    }
    with ApiCluster(json.dumps(config), root=root) as cluster:
        _works(cluster, namespace)


def _works(cluster: Cluster, namespace: str) -> None:
    metadata: Json = {"name": "a", "namespace": namespace}
    assert cluster.create(CONFIG_MAP, {"metadata": metadata, "data": {}}).id == f"{namespace}/a"
    release: dict[str, Json] = {"name": "rel", "namespace": namespace, "chart": "./tiny"}
    assert cluster.create(RELEASE, release).id == f"{namespace}/rel"


def test_a_kubeconfig_may_name_files_beside_it(
    control_plane: ControlPlane, root: Path, namespace: str
) -> None:
    config = config_of(control_plane)
    clusters = config["clusters"]
    assert isinstance(clusters, list)
    assert isinstance(clusters[0], dict)
    entry = record(clusters[0], "cluster")
    embedded = text(entry, "certificate-authority-data")
    (root / "ca.pem").write_bytes(base64.b64decode(embedded))
    del entry["certificate-authority-data"]
    entry["certificate-authority"] = "ca.pem"
    with ApiCluster(json.dumps(config), root=root, folder=root) as cluster:
        _works(cluster, namespace)


def test_a_command_for_the_token_that_is_missing_is_named(control_plane: ControlPlane, root: Path) -> None:
    config = config_of(control_plane)
    users = config["users"]
    assert isinstance(users, list)
    assert isinstance(users[0], dict)
    users[0]["user"] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "no-such-command",
            "interactiveMode": "Never",
        }
    }
    with ApiCluster(json.dumps(config), root=root) as cluster:
        for type_ in (CONFIG_MAP, RELEASE):
            with pytest.raises(KubernetesError, match="no-such-command"):
                cluster.read(type_, State("default/x", {}))


def test_an_api_server_elsewhere_is_never_asked(control_plane: ControlPlane, root: Path) -> None:
    elsewhere = control_plane.admin_kubeconfig_text.replace("127.0.0.1", "192.0.2.1")
    assert server_of(elsewhere).startswith("https://192.0.2.1:")
    with pytest.raises(OutsideWorldError, match=r"192\.0\.2\.1"):
        ApiCluster(elsewhere, root=root)


@pytest.mark.parametrize("type_", [CONFIG_MAP, RELEASE])
def test_an_api_server_that_is_gone_is_an_error_and_not_a_resource_that_is_gone(
    control_plane: ControlPlane, root: Path, type_: str
) -> None:
    port = control_plane.url.rpartition(":")[2]
    gone = control_plane.admin_kubeconfig_text.replace(f":{port}", ":1")
    with (
        ApiCluster(gone, root=root) as cluster,
        pytest.raises(KubernetesError, match=r"cluster is unreachable|cluster unreachable"),
    ):
        cluster.read(type_, State("default/x", {}))


@pytest.mark.parametrize(
    ("content", "context", "words"),
    [
        ("{", None, "is not YAML"),
        ("[]", None, "is no mapping"),
        ("{}", "other", 'no context "other"'),
        ("{contexts: [{name: c, context: {cluster: x}}]}", "c", 'no cluster "x"'),
    ],
)
def test_a_kubeconfig_that_cannot_be_used(content: str, context: str | None, words: str, root: Path) -> None:
    with pytest.raises(KubernetesError, match=words):
        ApiCluster(content, context, root=root)


def test_no_file_is_left_and_none_is_open(control_plane: ControlPlane, root: Path, namespace: str) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("the system doesn't list a process's files")
    before = {str(fd.readlink()) for fd in descriptors.iterdir() if fd.is_symlink()}
    with ApiCluster(control_plane.admin_kubeconfig_text, root=root) as cluster:
        _works(cluster, namespace)
    after = {str(fd.readlink()) for fd in descriptors.iterdir() if fd.is_symlink()}
    assert not {name for name in after - before if "kubeconfig" in name}


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[ApiProxy]:
    with ApiProxy.start(control_plane) as proxy:
        yield proxy


@pytest.fixture
def through(proxy: ApiProxy, control_plane: ControlPlane, root: Path) -> Iterator[ApiCluster]:
    """The cluster, through a proxy that can make calls fail."""
    behind = control_plane.admin_kubeconfig_text.replace(control_plane.url, proxy.url)
    with ApiCluster(behind, root=root) as cluster:
        yield cluster


def test_a_throttled_call_is_made_again(on: Subject, proxy: ApiProxy, through: ApiCluster) -> None:
    proxy.inject([Fault(verb="patch", path="configmaps/ours", effect="throttle", times=3)])
    through.create(CONFIG_MAP, on.config_map())
    assert on.data_of("ours") == {"key": "1"}
    assert len(proxy.fired()) == 1
    proxy.inject([Fault(verb="patch", path="configmaps/ours", effect="throttle", times=100)])
    with pytest.raises(KubernetesError) as refused:
        through.update(CONFIG_MAP, through.create(CONFIG_MAP, on.config_map(name="other")), on.config_map())
    assert not isinstance(refused.value, PartialError)


# Helm's client asks for ten seconds before it takes a connection that is cut for an answer.
@pytest.mark.parametrize(
    ("type_", "effect"), [(CONFIG_MAP, "unavailable"), (CONFIG_MAP, "gone"), (RELEASE, "unavailable")]
)
def test_a_failed_read_is_an_error_and_the_next_one_succeeds(
    on: Subject,
    proxy: ApiProxy,
    through: ApiCluster,
    type_: str,
    effect: Literal["unavailable", "gone"],
) -> None:
    inputs = on.config_map() if type_ == CONFIG_MAP else on.release()
    state = on.cluster.create(type_, inputs)
    proxy.inject([Fault(verb=verb, path=on.namespace, effect=effect, times=20) for verb in ("get", "list")])
    with pytest.raises(KubernetesError):
        through.read(type_, state)
    assert any(call.failed_by == effect for call in proxy.calls())
    proxy.inject([])
    assert through.read(type_, state) == state


def test_an_installation_that_loses_the_api_server_is_repaired_by_the_next_update(
    on: Subject, proxy: ApiProxy, through: ApiCluster
) -> None:
    proxy.inject([Fault(verb="patch", path="configmaps/rel-settings", effect="unavailable", times=20)])
    with pytest.raises(PartialError) as refused:
        through.create(RELEASE, on.release())
    proxy.inject([])
    assert record(refused.value.state.outputs, "status")["status"] == "failed"
    mended = through.update(RELEASE, refused.value.state, on.release())
    assert record(mended.outputs, "status")["status"] == "deployed"
    assert on.data_of("rel-settings") == {"colour": "green", "revision": "2"}


def test_the_kubeconfig_of_the_program_logs_in_by_the_real_aws_command(
    control_plane: ControlPlane, emulation: Emulation, root: Path, namespace: str
) -> None:
    """In a process of its own, as a plugin is: Helm's library keeps the environment it was loaded with."""
    config = config_of(control_plane)
    users = config["users"]
    assert isinstance(users, list)
    assert isinstance(users[0], dict)
    arguments: list[Json] = ["--region", REGION, "eks", "get-token", "--cluster-name", CLUSTER]
    users[0]["user"] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "aws",
            "args": [*arguments, "--output", "json"],
            "interactiveMode": "Never",
        }
    }
    program = (
        "import sys; from pathlib import Path; from emulator.kubernetes.api import ApiCluster\n"
        f"with ApiCluster(sys.stdin.read(), root=Path({str(root)!r})) as cluster:\n"
        f"    metadata = {{'name': 'a', 'namespace': {namespace!r}}}\n"
        f"    print(cluster.create({CONFIG_MAP!r}, {{'metadata': metadata}}).id)\n"
        f"    release = {{'name': 'rel', 'namespace': {namespace!r}, 'chart': './tiny'}}\n"
        f"    print(cluster.create({RELEASE!r}, release).outputs['status']['status'])\n"
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=HERE,
        env={**emulation.environment(REGION), "PATH": path, "HOME": str(root)},
        input=json.dumps(config),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stderr, done.stdout.split()) == ("", [f"{namespace}/a", "deployed"])
