"""The chart, installed by somebody else with a stack's output, as Argo CD does: rendered, and applied.

One stack is installed, rotates its certificate and retires the old one; each test looks at what happened.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from helm_python import Chart

from common.json_values import record, text
from controlplane import ControlPlane
from emulator.client import Emulation, LoggedCall
from maestro_stack.chart import CHART_PATH
from rehearsal.kubelet import MountedPod
from tests.checkouts import ROOT
from tests.cluster.conftest import tool
from tests.cluster.objects import CLUSTER, OURS, Tool, make_namespace, remove_namespace, wait_until
from tests.cluster.stacks import REPLICAS, Moment, OnCluster, on_cluster, rollout_faults
from tests.engine.conftest import Region, config
from tests.faults.recovery import run, sections
from tests.sharing import once

ATTACHMENT = "aws:iot/policyAttachment:PolicyAttachment policy-attachment"
CERTIFICATE = "aws:iot/certificate:Certificate certificate"
SECRET = f"{CLUSTER}/maestro/server-mqtt-cert"
EXTERNAL: Mapping[str, object] = {"server": {"install": "external"}}


@dataclass(frozen=True, kw_only=True)
class Life:
    """What was observed of the stack and its pods."""

    installed: frozenset[str]
    """Uids of the pods that the first installation created."""
    after_rotation: frozenset[str]
    """Uids of the ready pods when `up` with a new certificate was done, before anybody rolled them."""
    rotation: Mapping[str, str]
    """What that `up` changed."""
    retirement: Mapping[str, str]
    """What `up` without the kept certificate changed."""
    certificates: tuple[str, str]
    """SHA-256 of the first certificate's PEM, and of the second's."""
    pods: tuple[MountedPod, ...]
    moments: tuple[Moment, ...]
    rollout: tuple[Moment, ...]
    calls: tuple[LoggedCall, ...]
    left: tuple[str, ...]
    """Resources of the state after `destroy`."""


def install(stack: OnCluster, kubectl: Tool) -> None:
    """What Argo CD does with the output: Helm's template, then a server-side apply."""
    values = record(stack.region.engine.outputs(), "maestro_chart_values")
    chart = Chart.load(str(ROOT / CHART_PATH))
    rendered = chart.render(values=values, name="maestro-server", namespace=OURS)
    manifests = [text for template, text in rendered.items() if not template.endswith("NOTES.txt")]
    objects = [one for each in manifests for one in yaml.safe_load_all(each) if one]
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    apply = ("apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller")
    kubectl(*apply, "-n", OURS, "-f", "-", stdin=document)


def certificate(region: Region) -> str:
    answer = region.call("secretsmanager", "GetSecretValue", SecretId=SECRET)
    pem: str = json.loads(text(answer, "SecretString"))["certificate"]
    return hashlib.sha256(pem.encode()).hexdigest()


@pytest.fixture(scope="module")
def life(
    emulation: Emulation,
    control_plane: ControlPlane,
    tmp_path_factory: pytest.TempPathFactory,
) -> Life:
    return once(tmp_path_factory, "external", lambda folder: live(emulation, control_plane, folder))


def live(emulation: Emulation, control_plane: ControlPlane, folder: Path) -> Life:
    kubectl = tool("kubectl", control_plane, folder)
    with on_cluster(emulation, control_plane, folder / "region", config(**EXTERNAL)) as stack:
        region = stack.region
        region.up()
        make_namespace(stack.api, OURS)
        install(stack, kubectl)
        wait_until(lambda: len(stack.ready()) == REPLICAS, "the first pods")
        first, installed = certificate(region), frozenset(stack.ready())

        region.configure(config(**EXTERNAL, rotation={"certificate": "2", "keepCertificate": ""}))
        rotation = region.up().changes
        after_rotation, told = frozenset(stack.ready()), len(stack.watch.moments)
        install(stack, kubectl)
        wait_until(lambda: not installed & stack.pods().keys(), "the old pods to go")
        wait_until(lambda: len(stack.ready()) == len(stack.pods()) == REPLICAS, "the new pods")
        rollout = stack.watch.moments[told:]

        region.configure(config(**EXTERNAL, rotation={"certificate": "2"}))
        retirement = region.up().changes
        second = certificate(region)
        calls = tuple(c for c in region.emulation.calls() if c["account"] == region.account)
        pods, moments = stack.kubelet.mounted, stack.watch.moments
        assert stack.ready() == stack.pods().keys()
        remove_namespace(stack.api, OURS)
        region.destroy()
        left = record(region.engine.export(), "deployment").get("resources") or []
        assert isinstance(left, list)
    return Life(
        installed=installed,
        after_rotation=after_rotation,
        rotation=rotation,
        retirement=retirement,
        certificates=(first, second),
        pods=pods,
        moments=moments,
        rollout=rollout,
        calls=calls,
        left=tuple(map(str, left)),
    )


def at(life: Life, operation: str) -> list[float]:
    return [c["at"] for c in life.calls if c["operation"] == operation]


def test_the_stack_creates_neither_namespace_nor_release_and_the_pods_get_ready(life: Life) -> None:
    assert len(life.installed) == REPLICAS
    assert not [each for each in life.rotation if each.startswith("kubernetes:")]


def test_a_rotation_keeps_the_old_certificate_and_touches_no_pod(life: Life) -> None:
    assert {key: way for key, way in life.rotation.items() if "iot" in key} == {
        f"{CERTIFICATE}-2": "create",
        f"{ATTACHMENT}-2": "create",
    }
    assert life.after_rotation == life.installed


def test_the_new_values_roll_the_pods_one_at_a_time(life: Life) -> None:
    assert rollout_faults(life.rollout, ready=life.after_rotation) == []
    new = [pod for pod in life.pods if pod.uid not in life.installed]
    assert {pod.files["certificate"] for pod in new} == {life.certificates[1]}
    assert len(new) == REPLICAS


def test_the_old_certificate_goes_in_a_second_update_that_does_nothing_else(life: Life) -> None:
    assert life.retirement == {CERTIFICATE: "delete", ATTACHMENT: "delete"}


def test_no_pod_ever_runs_without_a_certificate_in_force(life: Life) -> None:
    """In force: active, and with the policy attached, from AttachPolicy to DetachPolicy."""
    first, second = life.certificates
    begins = dict(zip((first, second), sorted(at(life, "AttachPolicy")), strict=True))
    (retired,) = at(life, "DetachPolicy")
    left = {moment.uid: moment.at for moment in reversed(life.moments) if moment.is_leaving}
    assert len(life.pods) == 2 * REPLICAS
    for pod in life.pods:
        assert begins[pod.files["certificate"]] < pod.mounted_at
        if pod.files["certificate"] == first:
            assert left[pod.uid] < retired


def test_destroy_leaves_nothing_of_the_stack(life: Life) -> None:
    assert life.left == ()


def test_a_region_that_is_up_is_handed_over_and_no_pod_is_missed(
    emulation: Emulation, control_plane: ControlPlane, kubectl: Tool, tmp_path: Path
) -> None:
    forget, _ = sections(ROOT / "examples/argocd/README.md")["Moving a region that is up"]
    with on_cluster(emulation, control_plane, tmp_path / "region", config()) as stack:
        stack.region.up()
        before, told = frozenset(stack.ready()), len(stack.watch.moments)
        run(stack.region, forget.replace("us-east-1", stack.region.name))
        stack.region.configure(config(**EXTERNAL))
        assert stack.region.up().changes == {}
        assert stack.ready() == before
        install(stack, kubectl)
        kubectl("rollout", "status", "-n", OURS, "deployment/maestro", "--timeout=60s")
        assert len(stack.ready()) == REPLICAS
        assert rollout_faults(stack.watch.moments[told:], ready=before) == []
        assert stack.region.preview().changes == {}
        remove_namespace(stack.api, OURS)
        stack.region.destroy()
