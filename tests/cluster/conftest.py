"""One real control plane and one emulated AWS for all tests of the tier (one each per xdist worker)."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml

import tools
from common.json_values import record, text
from controlplane import Api, ControlPlane
from emulator.aws.cloud import Clients, Cloud
from emulator.client import Emulation
from emulator.world import default_world
from rehearsal.kubelet import Kubelet
from tests.cluster.objects import (
    ACCOUNT,
    CLUSTER,
    REGION,
    Tool,
    clean,
    is_served,
    make_namespace,
    remove_namespace,
    wait_until,
)
from tests.cluster.server import Identity, Server

MONITORING = sorted((Path(__file__).parent / "crds" / "monitoring").glob("*.yaml"))


@pytest.fixture(scope="session")
def emulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    """The emulated AWS, whose account 123456789012 has the cluster regional-xyz."""
    with Emulation.start(tmp_path_factory.mktemp("aws") / "state") as emulation:
        emulation.build(account=ACCOUNT, region=REGION, world=default_world(CLUSTER, REGION))
        yield emulation


@pytest.fixture(scope="session")
def control_plane(emulation: Emulation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The control plane; it asks the emulated AWS who a token belongs to."""
    folder = tmp_path_factory.mktemp("control-plane")
    authenticator = emulation.authenticator_url(CLUSTER)
    with ControlPlane.start(folder, authenticator_url=authenticator, region=REGION) as plane:
        yield plane


@pytest.fixture
def api(control_plane: ControlPlane) -> Iterator[Api]:
    """The API server, as the administrator."""
    api = control_plane.api()
    yield api
    api.close()


@pytest.fixture(scope="module")
def prometheus_operator(control_plane: ControlPlane) -> Iterator[None]:
    """Prometheus Operator's custom resource definitions, installed."""
    definitions = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in MONITORING]
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    with closing(control_plane.api()) as api:
        for each in definitions:
            api.call("POST", f"{path}?fieldValidation=Strict", each)
        for each in definitions:
            plural = text(record(record(each, "spec"), "names"), "plural")
            served = f"/apis/monitoring.coreos.com/v1/namespaces/default/{plural}"
            wait_until(lambda served=served: is_served(api, served), f"{plural} to be served")
        yield
        for each in definitions:
            name = f"{path}/{text(record(each, 'metadata'), 'name')}"
            api.raw("DELETE", name)
            wait_until(lambda name=name: not api.exists(name), f"{name} to be gone")


@pytest.fixture
def cloud(emulation: Emulation) -> Cloud:
    """The account that the cluster is in."""
    return emulation.cloud(REGION, ACCOUNT)


@pytest.fixture
def kubectl(control_plane: ControlPlane, tmp_path: Path) -> Tool:
    return tool("kubectl", control_plane, tmp_path)


@pytest.fixture
def helm(control_plane: ControlPlane, tmp_path: Path) -> Tool:
    """Helm 3, the provider's version."""
    return tool("helm", control_plane, tmp_path)


def tool(name: str, control_plane: ControlPlane, home: Path) -> Tool:
    program = tools.find(name)
    assert program is not None
    # HOME: caches go there, and the user's configuration is ignored.
    environment = {"PATH": os.defpath, "HOME": str(home), "KUBECONFIG": str(control_plane.kubeconfig)}

    def run(*arguments: str, check: bool = True, stdin: str | None = None) -> str:
        done = subprocess.run(
            [str(program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            input=stdin,
            timeout=120,
        )
        if check and done.returncode:
            pytest.fail(f"{name} {' '.join(arguments)}: {done.stderr}{done.stdout}")
        return done.stdout if done.returncode == 0 else done.stderr + done.stdout

    return run


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A fresh namespace for this test alone."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    make_namespace(api, name)
    yield name
    remove_namespace(api, name)


@pytest.fixture
def clean_cluster(api: Api) -> Iterator[None]:
    """For tests with fixed names: nothing of other tests is in the cluster, and nothing of this one stays."""
    clean(api)
    yield
    clean(api)


@pytest.fixture(scope="session")
def clients(emulation: Emulation) -> Clients:
    """Clients of the emulated AWS."""
    return Clients(emulation.url)


@pytest.fixture
def kubelet(control_plane: ControlPlane, clients: Clients) -> Iterator[Kubelet]:
    """The kubelet that lets pods become ready when their secrets mount."""
    api = control_plane.api()
    with Kubelet(api, clients, cluster_name=CLUSTER, region=REGION, account_id=ACCOUNT) as kubelet:
        yield kubelet


@pytest.fixture
def server(
    api: Api,
    cloud: Cloud,
    helm: Tool,
    namespace: str,
    kubelet: Kubelet,  # noqa: ARG001 without it no pod becomes ready
) -> Iterator[Server]:
    """All that a release needs, in a fresh namespace that enforces "restricted"; nothing is installed."""
    identity = Identity(cloud, namespace, namespace, regions=(REGION,))
    identity.make()
    yield Server(api=api, helm=helm, identity=identity)
    identity.remove()
