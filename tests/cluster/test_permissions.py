"""The printed ClusterRoles are enough for the real provider on a real API server, and hold nothing more."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.json_values import Json, record, records, texts
from controlplane import MERGE_PATCH, ApiProxy, ControlPlane
from doctor.permissions import Purpose, cluster_role
from emulator.client import Emulation
from tests.checkouts import checkout
from tests.cluster.bound import CONTEXT, bound, kubeconfig
from tests.cluster.stacks import CONFIG_MAP, RELEASE, OnCluster, on_cluster
from tests.engine.conftest import config

Right = tuple[str, str, str]
"""API group, resource and verb."""
_PATH = re.compile(r"/(?:api|apis/(?P<group>[^/]+))/v\w+/(?:namespaces/[^/]+/)?(?P<resource>\w+)(?:/[^/]+)?")
PURPOSES: tuple[Purpose, ...] = ("deploy", "preview")
WITH_MONITORS = {"metrics": {"podMonitor": {"enabled": True}, "rules": {"enabled": True}}}
FORBIDDEN, CREATED = 403, 201
pytestmark = pytest.mark.usefixtures("prometheus_operator")


@dataclass(frozen=True)
class Guarded:
    """A stack on the cluster, whose provider is a service account with a printed ClusterRole."""

    stack: OnCluster
    proxy: ApiProxy
    kubeconfig: Path
    accounts: dict[Purpose, str]
    """A kubeconfig for each."""

    def act_as(self, purpose: Purpose) -> None:
        self.kubeconfig.write_text(self.accounts[purpose], encoding="utf-8")
        self.proxy.clear_calls()

    def used(self) -> set[Right]:
        """What the API server allowed. Server-side apply creates by a `patch`, and needs both verbs then."""
        return {
            (found["group"] or "", found["resource"], verb)
            for call in self.proxy.calls()
            if call.status != FORBIDDEN and (found := _PATH.fullmatch(call.path))
            for verb in {call.verb, "create" if call.status == CREATED else call.verb}
        }

    def refused(self) -> list[str]:
        return [f"{call.verb} {call.path}" for call in self.proxy.calls() if call.status == FORBIDDEN]


def granted(purpose: Purpose) -> set[Right]:
    return {
        (group, resource, verb)
        for rule in records(cluster_role(purpose, purpose), "rules")
        for group in texts(rule, "apiGroups")
        for resource in texts(rule, "resources")
        for verb in texts(rule, "verbs")
    }


@pytest.fixture
def guarded(emulation: Emulation, control_plane: ControlPlane, tmp_path: Path) -> Iterator[Guarded]:
    settings = config(
        kubernetes={"mode": "ambient", "context": CONTEXT},
        server={"values": WITH_MONITORS},
    )
    file, folder = tmp_path / "kubeconfig", tmp_path / "region"
    with ExitStack() as ending:
        proxy = ending.enter_context(ApiProxy.start(control_plane))
        around = on_cluster(emulation, control_plane, folder, settings, kubeconfig=file)
        stack = ending.enter_context(around)
        accounts: dict[Purpose, str] = {}
        for purpose in PURPOSES:
            role = cluster_role(purpose, f"maestro-{purpose}")
            token = ending.enter_context(bound(control_plane, stack.api, role))
            accounts[purpose] = kubeconfig(proxy.url, control_plane, token)
        yield Guarded(stack, proxy, file, accounts)


def test_a_deployment_uses_all_of_its_role_and_is_refused_nothing(guarded: Guarded, tmp_path: Path) -> None:
    region = guarded.stack.region
    guarded.act_as("deploy")
    region.up()
    edited = checkout(tmp_path / "checkout")
    chart = edited / "charts/maestro-server-eso/Chart.yaml"  # its version is on every object of the chart
    chart.write_text(re.sub(r"(?m)^version: .*", "version: 9.9.9", chart.read_text()))
    region.configure(region.settings, root=edited)
    assert region.up().changes == {RELEASE: "update"}
    region.refresh()
    region.destroy()
    assert guarded.refused() == []
    assert guarded.used() == granted("deploy")


def test_a_preview_only_reads_and_shows_what_a_deployment_would_do(guarded: Guarded) -> None:
    region = guarded.stack.region
    guarded.act_as("preview")
    first = region.preview().changes
    guarded.act_as("deploy")
    assert region.up().changes.keys() == first.keys()
    elsewhere: dict[str, Json] = {"data": {"cluster_name": "other"}}
    path = f"{CONFIG_MAP}?fieldManager=kubectl-edit"
    guarded.stack.api.call("PATCH", path, elsewhere, content_type=MERGE_PATCH)
    region.configure({**region.settings, "maestro-stack:server": {"replicas": 1, "values": WITH_MONITORS}})

    guarded.act_as("preview")
    region.refresh()
    shown = region.preview().changes
    assert guarded.used() == granted("preview")
    assert {refused.partition(" ")[0] for refused in guarded.refused()} == {"patch"}  # dry runs, done without
    assert not region.engine.up().succeeded
    assert guarded.used() == granted("preview")
    assert record(guarded.stack.config_map(), "data") == elsewhere["data"]

    guarded.act_as("deploy")
    assert region.preview().changes == shown
    assert len(shown) == 2
