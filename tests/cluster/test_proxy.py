"""The proxy before the API server: what passes, what is listed, and the faults."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

import tools
from common.json_values import Json, record, records, text
from controlplane import Api, ApiError, ApiProxy, ControlPlane, Fault
from controlplane.proxy import Effect, Verb, described
from tests.cluster.objects import wait_until

CONFIG_MAPS = "/api/v1/namespaces/{namespace}/configmaps"


@pytest.fixture(scope="module")
def running(control_plane: ControlPlane) -> Iterator[ApiProxy]:
    with ApiProxy.start(control_plane) as proxy:
        yield proxy


@pytest.fixture
def proxy(running: ApiProxy) -> ApiProxy:
    """Without faults, and with an empty list of calls."""
    running.inject([])
    running.clear_calls()
    return running


@pytest.fixture
def through(proxy: ApiProxy) -> Iterator[Api]:
    """The API server through the proxy."""
    api = proxy.api()
    yield api
    api.close()


def config_map(name: str) -> dict[str, Json]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": "value"}}


def make(api: Api, namespace: str, name: str) -> dict[str, Json]:
    return api.call("POST", CONFIG_MAPS.format(namespace=namespace), config_map(name))


def exists(api: Api, namespace: str, name: str) -> bool:
    return api.exists(f"{CONFIG_MAPS.format(namespace=namespace)}/{name}")


@pytest.mark.parametrize(
    ("method", "target", "verb", "pattern"),
    [
        ("GET", "/readyz", "get", "/readyz"),
        ("GET", "/apis", "get", "/apis"),
        ("GET", "/api/v1/namespaces", "list", "/api/v1/namespaces"),
        ("GET", "/api/v1/namespaces/a", "get", "/api/v1/namespaces/{name}"),
        ("PUT", "/api/v1/namespaces/a/finalize", "update", "/api/v1/namespaces/{name}/finalize"),
        ("GET", "/api/v1/namespaces/a/pods", "list", "/api/v1/namespaces/{namespace}/pods"),
        ("GET", "/api/v1/namespaces/a/pods?watch=true", "watch", "/api/v1/namespaces/{namespace}/pods"),
        ("GET", "/api/v1/namespaces/a/pods?watch=0", "list", "/api/v1/namespaces/{namespace}/pods"),
        ("DELETE", "/api/v1/namespaces/a/pods", "deletecollection", "/api/v1/namespaces/{namespace}/pods"),
        (
            "POST",
            "/api/v1/namespaces/a/pods/b/eviction",
            "create",
            "/api/v1/namespaces/{namespace}/pods/{name}/eviction",
        ),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/a/deployments/b?fieldManager=x",
            "patch",
            "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
        ),
        (
            "DELETE",
            "/apis/storage.k8s.io/v1/csidrivers/a",
            "delete",
            "/apis/storage.k8s.io/v1/csidrivers/{name}",
        ),
    ],
)
def test_a_request_is_described_as_authorization_sees_it(
    method: str, target: str, verb: str, pattern: str
) -> None:
    assert described(method, target)[1:] == (verb, pattern)


def test_what_passes_is_what_the_api_server_says_and_is_listed(
    proxy: ApiProxy, through: Api, api: Api, namespace: str
) -> None:
    made = make(through, namespace, "a")
    path = f"{CONFIG_MAPS.format(namespace=namespace)}/a"
    assert through.call("GET", path) == api.call("GET", path) == {**config_map("a"), **made}
    with pytest.raises(ApiError, match='configmaps "b" not found') as refusal:
        through.call("GET", path.removesuffix("a") + "b")
    assert refusal.value.status == 404
    assert [(call.verb, call.pattern, call.status) for call in proxy.calls()] == [
        ("create", CONFIG_MAPS, 201),
        ("get", CONFIG_MAPS + "/{name}", 200),
        ("get", CONFIG_MAPS + "/{name}", 404),
    ]


def test_a_stranger_stays_a_stranger(proxy: ApiProxy, control_plane: ControlPlane) -> None:
    answer = request(proxy, control_plane, "GET", "/api/v1/namespaces")
    assert answer.status == 403


def test_a_watch_streams(through: Api, api: Api, namespace: str) -> None:
    collection = CONFIG_MAPS.format(namespace=namespace)
    version = text(record(through.call("GET", collection), "metadata"), "resourceVersion")
    with through.watch(collection, version) as watch:
        make(api, namespace, "late")
        seen = next(changed for _, changed in watch if text(record(changed, "metadata"), "name") == "late")
    assert record(seen, "data") == {"key": "value"}


def test_a_watch_that_the_client_leaves_is_left_at_the_api_server_too(
    control_plane: ControlPlane, api: Api, namespace: str
) -> None:
    collection = CONFIG_MAPS.format(namespace=namespace)
    version = text(record(api.call("GET", collection), "metadata"), "resourceVersion")
    with ApiProxy.start(control_plane) as proxy:
        through = proxy.api()
        before = threading.active_count()
        with through.watch(collection, version):
            wait_until(lambda: threading.active_count() > before, "the stream")
        through.close()
        wait_until(lambda: threading.active_count() <= before, "the stream's threads to end")


def test_kubectl_and_helm_work_through_it(
    proxy: ApiProxy, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    config = yaml.safe_load(control_plane.admin_kubeconfig_text)
    config["clusters"][0]["cluster"]["server"] = proxy.url
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "KUBECONFIG": str(kubeconfig)}
    for name, arguments in (
        ("kubectl", ["create", "configmap", "made", "-n", namespace]),
        ("helm", ["list", "-n", namespace]),
    ):
        program = tools.find(name)
        assert program is not None
        done = subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
    patterns = {(call.verb, call.pattern) for call in proxy.calls()}
    assert ("create", CONFIG_MAPS) in patterns
    assert ("list", "/api/v1/namespaces/{namespace}/secrets") in patterns


@pytest.mark.parametrize(
    ("effect", "status", "reason"),
    [("throttle", 429, "TooManyRequests"), ("unavailable", 503, "ServiceUnavailable")],
)
@pytest.mark.parametrize(("when", "carried_out"), [("before", False), ("after", True)])
def test_a_refusal_comes_before_or_after_the_call_is_carried_out(
    proxy: ApiProxy,
    through: Api,
    api: Api,
    namespace: str,
    effect: Effect,
    status: int,
    reason: str,
    when: str,
    carried_out: bool,  # noqa: FBT001 the table's
) -> None:
    moment = "after" if when == "after" else "before"
    fault = Fault(verb="create", path="/configmaps$", effect=effect, when=moment)
    proxy.inject([fault])
    with pytest.raises(ApiError) as refusal:
        make(through, namespace, "a")
    assert (refusal.value.status, refusal.value.reason) == (status, reason)
    assert exists(api, namespace, "a") is carried_out
    assert proxy.fired() == (fault,)
    assert [(call.status, call.failed_by) for call in proxy.calls()] == [(status, effect)]
    make(through, namespace, "b")  # the fault is over


def test_throttling_says_when_to_retry(proxy: ApiProxy, control_plane: ControlPlane) -> None:
    proxy.inject([Fault(verb="*", path="/readyz", effect="throttle", retry_after=1)])
    assert request(proxy, control_plane, "GET", "/readyz").getheader("Retry-After") == "1"


@pytest.mark.parametrize(("when", "carried_out"), [("before", False), ("after", True)])
def test_a_connection_can_be_reset(
    proxy: ApiProxy,
    control_plane: ControlPlane,
    through: Api,
    api: Api,
    namespace: str,
    when: str,
    carried_out: bool,  # noqa: FBT001 the table's
) -> None:
    moment = "after" if when == "after" else "before"
    proxy.inject([Fault(verb="patch", path="/configmaps/a$", effect="gone", when=moment, times=2)])
    path = f"{CONFIG_MAPS.format(namespace=namespace)}/a"
    with pytest.raises((OSError, http.client.HTTPException)):
        through.apply(path, config_map("a"))  # which tries twice
    assert exists(api, namespace, "a") is carried_out
    assert request(proxy, control_plane, "GET", "/readyz").status == 200


def test_a_process_is_killed_at_a_call(proxy: ApiProxy, through: Api, namespace: str) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as victim:
        proxy.inject([Fault(verb="create", path="/configmaps", effect="kill", pid=victim.pid, times=2)])
        with pytest.raises((OSError, http.client.HTTPException)):
            make(through, namespace, "a")
        assert victim.wait(10) == -signal.SIGKILL


def test_the_nth_calls_fail_and_the_others_do_not(proxy: ApiProxy, through: Api) -> None:
    proxy.inject([Fault(verb="get", path="^/readyz$", effect="unavailable", nth=2, times=2)])
    statuses: list[int] = []
    for _ in range(5):
        try:
            through.raw("GET", "/readyz")
        except ApiError as refusal:
            statuses.append(refusal.status)
        else:
            statuses.append(200)
    assert statuses == [200, 503, 503, 200, 200]


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ({"effect": "kill"}, "needs a pid"),
        ({"effect": "gone", "pid": 1}, "no other effect accepts one"),
        ({"effect": "gone", "nth": 0}, "count from 1"),
        ({"effect": "gone", "path": "("}, "unterminated subpattern"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fault: dict[str, object], problem: str) -> None:
    verb: Verb = "get"
    content: dict[str, object] = {"verb": verb, "path": "/"} | fault
    with pytest.raises(ValueError, match=problem):
        Fault(**content)  # pyright: ignore[reportArgumentType] the table's


def test_an_api_server_that_is_gone_is_a_reset_connection(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = closed.getsockname()
    monkeypatch.setattr(control_plane, "url", f"https://127.0.0.1:{address[1]}")
    with ApiProxy.start(control_plane) as proxy:
        through = proxy.api()
        with pytest.raises((OSError, http.client.HTTPException)):
            through.raw("GET", "/readyz")
        through.close()


def test_a_request_in_chunks_passes(
    proxy: ApiProxy, control_plane: ControlPlane, api: Api, namespace: str
) -> None:
    name = uuid.uuid4().hex
    headers = {**authorization(control_plane), "Content-Type": "application/json"}
    body = b'{"metadata": {"name": "' + name.encode() + b'"}}'
    chunks = [body[:7], body[7:]]
    path = CONFIG_MAPS.format(namespace=namespace)
    assert request(proxy, control_plane, "POST", path, body=chunks, headers=headers).status == 201
    found = records(api.call("GET", path), "items")
    assert name in {text(record(each, "metadata"), "name") for each in found}


def test_a_connection_is_good_for_many_calls_however_soon_the_next_one_comes(
    proxy: ApiProxy, control_plane: ControlPlane
) -> None:
    """Long answers come in chunks, as watches do, whose end is the client's leaving."""
    connection = connect(proxy, control_plane)
    for _ in range(200):
        connection.request("GET", "/apis", headers=authorization(control_plane))
        response = connection.getresponse()
        assert response.getheader("Transfer-Encoding") == "chunked"
        assert json.loads(response.read())["kind"] == "APIGroupList"
    connection.close()


def authorization(plane: ControlPlane) -> dict[str, str]:
    """Headers of the administrator."""
    kubeconfig = yaml.safe_load(plane.admin_kubeconfig_text)
    return {"Authorization": f"Bearer {kubeconfig['users'][0]['user']['token']}"}


def connect(proxy: ApiProxy, plane: ControlPlane) -> http.client.HTTPSConnection:
    parts = urlsplit(proxy.url)
    tls = ssl.create_default_context(cafile=str(plane.certificates.authority))
    return http.client.HTTPSConnection(parts.hostname or "", parts.port, context=tls, timeout=10)


def request(
    proxy: ApiProxy,
    plane: ControlPlane,
    method: str,
    path: str,
    *,
    body: list[bytes] | None = None,
    headers: dict[str, str] | None = None,
) -> http.client.HTTPResponse:
    """One anonymous request, whose answer is read to its end."""
    connection = connect(proxy, plane)
    connection.request(
        method, path, iter(body) if body else None, headers or {}, encode_chunked=body is not None
    )
    response = connection.getresponse()
    response.read()
    connection.close()
    return response
