"""workload: does the cluster have what the pods need, and room for them?"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from checks.finding import Findings
from common.json_values import Json, dig, flag, number, record, records, text
from doctor.case import Case, containers
from doctor.question import Category, Question

DRIVER = "secrets-store.csi.k8s.io"
AUDIENCE = "pods.eks.amazonaws.com"
PROVIDER_IMAGE = "secrets-store-csi-driver-provider-aws"
AGENT = "eks-pod-identity-agent"
_INSTALL_DRIVER = (
    "aws eks create-addon --cluster-name {cluster} --addon-name aws-secrets-store-csi-driver-provider"
)
ARCHITECTURES = frozenset({"amd64"})
"""Of the default image, whose pipeline names no others. A custom image may have more."""
_UNITS = {
    "": 1, "m": Decimal("0.001"), "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip


def _agent(case: Case, findings: Findings) -> None:
    """Auto Mode has it built in. Source: Amazon EKS user guide, "Set up the EKS Pod Identity Agent"."""
    if flag(record(case.cluster(), "computeConfig"), "enabled"):
        findings.holds("EKS Auto Mode has the Pod Identity agent built in")
        return
    found = [each for each in case.daemon_sets() if _name(each).startswith(AGENT)]
    remedy = f"aws eks create-addon --cluster-name {case.settings.cluster_name} --addon-name {AGENT}"
    if not found:
        findings.fail("the EKS Pod Identity agent isn't installed, so no pod gets its role", remedy)
    for each in found:
        _ready(each, "the Pod Identity agent", findings)


def _ready(daemon_set: Mapping[str, Json], what: str, findings: Findings) -> None:
    status = record(daemon_set, "status")
    wanted, ready = number(status, "desiredNumberScheduled"), number(status, "numberReady")
    place = f"{text(record(daemon_set, 'metadata'), 'namespace')} {_name(daemon_set)}"
    findings.expect(
        ready >= wanted,
        f"{what} is ready on {ready} of {wanted} nodes",
        f"{what} is ready on {ready} of {wanted} nodes only",
        f"kubectl describe daemonset -n {place}",
    )


def _driver(case: Case, findings: Findings) -> None:
    """Whether it is installed and requests tokens: since 3.0 the provider gets its tokens from the driver.

    Source: secrets-store-csi-driver-provider-aws, pull request 561.
    """
    install = _INSTALL_DRIVER.format(cluster=case.settings.cluster_name)
    driver = case.api.find(f"/apis/storage.k8s.io/v1/csidrivers/{DRIVER}")
    if driver is None:
        findings.fail("the Secrets Store CSI driver isn't installed", install)
        return
    asked = {text(each, "audience") for each in records(record(driver, "spec"), "tokenRequests")}
    findings.expect(
        AUDIENCE in asked,
        f"CSI driver {DRIVER} asks for tokens of {AUDIENCE}",
        f"CSI driver {DRIVER} asks for no tokens of {AUDIENCE}, so that no volume will mount",
        f"{install}, in place of what is installed",
    )


def _provider(case: Case, findings: Findings) -> None:
    images = [
        (each, text(container, "image"))
        for each in case.daemon_sets()
        for container in containers(each)
        if PROVIDER_IMAGE in text(container, "image")
    ]
    if not images:
        install = _INSTALL_DRIVER.format(cluster=case.settings.cluster_name)
        findings.fail("the CSI driver's AWS provider isn't installed", install)
    for daemon_set, image in images:
        _ready(daemon_set, f"the AWS provider {image.rpartition(':')[2]}", findings)


def _admission(case: Case, findings: Findings) -> None:
    """Whether anything may refuse our objects: only a dry run on the cluster shows it, which isn't a read."""
    group = "/apis/admissionregistration.k8s.io/v1"
    webhooks = [
        _name(each)
        for each in case.api.items(f"{group}/validatingwebhookconfigurations")
        if any(_is_about_us(hook) for hook in records(each, "webhooks"))
    ]
    policies = [_name(each) for each in case.api.items(f"{group}/validatingadmissionpolicybindings")]
    if not webhooks and not policies:
        findings.holds("no admission webhook or policy judges our objects")
        return
    findings.unverified(
        f"that {', '.join([*webhooks, *policies])} admit our objects",
        "python -m rehearsal --manifests DIR; kubectl apply --dry-run=server -f DIR",
    )


def _is_about_us(webhook: Mapping[str, Json]) -> bool:
    """Whether it can refuse a release's objects; EKS's own webhooks only look at EKS's resources."""
    ours = {"pods", "deployments", "namespaces", "services", "configmaps", "serviceaccounts", "*", "*/*"}
    if text(webhook, "failurePolicy", "Fail") == "Ignore" or text(webhook, "name").endswith(".amazonaws.com"):
        return False
    return any(
        ours & {str(each) for each in cast("list[Json]", rule.get("resources") or [])}
        for rule in records(webhook, "rules")
    )


def _network_policy(case: Case, findings: Findings) -> None:
    """Whether anything enforces NetworkPolicies. Source: Amazon EKS user guide, "Limit Pod traffic"."""
    engines = [
        _name(each)
        for each in case.daemon_sets()
        if _name(each) in ("calico-node", "cilium") or _enforces(each)
    ]
    if flag(record(case.cluster(), "computeConfig"), "enabled"):
        engines.append("EKS Auto Mode")
    if engines:
        findings.holds(f"NetworkPolicies are enforced by {', '.join(engines)}")
    else:
        findings.unverified(
            "that the chart's NetworkPolicy is enforced: VPC CNI's agent, Calico and Cilium aren't here",
            f"aws eks update-addon --cluster-name {case.settings.cluster_name} --addon-name vpc-cni "
            """--configuration-values '{"enableNetworkPolicy": "true"}'""",
        )


def _enforces(daemon_set: dict[str, Json]) -> bool:
    return any(
        "--enable-network-policy=true" in cast("list[Json]", container.get("args") or [])
        for container in containers(daemon_set)
    )


# --- room ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Resources:
    """Processors, bytes of memory, and pods."""

    cpu: Decimal
    memory: Decimal
    pods: Decimal = Decimal(1)

    def times_in(self, free: "Resources") -> int:
        """How many times they fit into `free`."""
        pairs = ((free.cpu, self.cpu), (free.memory, self.memory), (free.pods, self.pods))
        return max(0, min(int(room // each) for room, each in pairs if each))


def quantity(given: str) -> Decimal:
    """A Kubernetes quantity as a number. Source: apimachinery, resource.Quantity."""
    found = re.fullmatch(r"([0-9.]+(?:[eE][+-]?\d+)?)([a-zA-Z]*)", given)
    if found is None or found[2] not in _UNITS:
        return Decimal(0)
    return Decimal(found[1]) * _UNITS[found[2]]


def _room(case: Case, findings: Findings) -> None:
    """Whether there is room for the replicas, and one more while they roll, on nodes that accept them."""
    server = case.settings.server
    wanted = Resources(quantity(server.requests.cpu), quantity(server.requests.memory))
    taken = _taken(case)
    deployment = cast("dict[str, Json]", server.values.get("deployment") or {})
    foreign, places, zones = 0, 0, set[str]()
    for node in case.nodes():
        labels = record(record(node, "metadata"), "labels")
        if not _takes(node, deployment, labels):
            continue
        if _has_default_image(case) and text(labels, "kubernetes.io/arch", "amd64") not in ARCHITECTURES:
            foreign += 1
            continue
        fits = wanted.times_in(_free(node, taken[_name(node)]))
        places += fits
        zones |= {text(labels, "topology.kubernetes.io/zone")} if fits else set()
    need = server.replicas + 1
    if foreign:
        findings.expect(
            "kubernetes.io/arch" in record(deployment, "nodeSelector"),
            f"{foreign} nodes of other architectures are avoided",
            f"{foreign} nodes have an architecture that the image has no build for",
            "pulumi config set --path 'server.values.deployment.nodeSelector[\"kubernetes.io/arch\"]' amd64",
        )
    if places < need and flag(record(case.cluster(), "computeConfig"), "enabled"):
        findings.unverified(f"room for {need} pods: EKS Auto Mode makes nodes when they are needed", None)
        return
    findings.expect(
        places >= need,
        f"room for {min(places, 999)} pods in {len(zones)} zones; {need} are needed while they are rolled",
        f"room for {places} pods of {server.requests.cpu} and {server.requests.memory}, and {need} are "
        "needed while they are rolled",
        "kubectl describe nodes | grep -A 8 'Allocated resources'",
    )


def _has_default_image(case: Case) -> bool:
    from maestro_stack.schema import DEFAULT_IMAGE_REPOSITORY

    return case.settings.server.image.repository == DEFAULT_IMAGE_REPOSITORY


def _taken(case: Case) -> Mapping[str, Resources]:
    """What the pods on each node have reserved."""
    used: dict[str, Resources] = defaultdict(lambda: Resources(Decimal(0), Decimal(0), Decimal(0)))
    for pod in case.api.items("/api/v1/pods", fieldSelector="status.phase!=Succeeded,status.phase!=Failed"):
        node = text(record(pod, "spec"), "nodeName")
        requests = [record(record(container, "resources"), "requests") for container in containers(pod)]
        used[node] = Resources(
            used[node].cpu + sum(quantity(text(each, "cpu", "0")) for each in requests),
            used[node].memory + sum(quantity(text(each, "memory", "0")) for each in requests),
            used[node].pods + 1,
        )
    return used


def _free(node: Mapping[str, Json], taken: Resources) -> Resources:
    has = record(record(node, "status"), "allocatable")
    return Resources(
        quantity(text(has, "cpu", "0")) - taken.cpu,
        quantity(text(has, "memory", "0")) - taken.memory,
        quantity(text(has, "pods", "110")) - taken.pods,
    )


def _takes(node: Mapping[str, Json], deployment: Mapping[str, Json], labels: Mapping[str, Json]) -> bool:
    """Whether the scheduler may place a pod there. Affinities aren't considered."""
    if flag(record(node, "spec"), "unschedulable"):
        return False
    if any(labels.get(key) != value for key, value in record(deployment, "nodeSelector").items()):
        return False
    tolerations = records(deployment, "tolerations")
    return all(
        any(_tolerates(each, taint) for each in tolerations)
        for taint in records(record(node, "spec"), "taints")
        if text(taint, "effect") != "PreferNoSchedule"
    )


def _tolerates(toleration: Mapping[str, Json], taint: Mapping[str, Json]) -> bool:
    """Source: Kubernetes documentation, "Taints and Tolerations"."""
    if text(toleration, "effect") not in ("", text(taint, "effect")):
        return False
    if text(toleration, "operator", "Equal") == "Exists":
        return text(toleration, "key") in ("", text(taint, "key"))
    return all(text(toleration, key) == text(taint, key) for key in ("key", "value"))


def _name(thing: Mapping[str, Json]) -> str:
    return str(dig(thing, "metadata.name") or "")


_AGENT = Question(name="pod-identity-agent", that="that pods get their role", ask=_agent)
_DRIVER = Question(name="csi-driver", that="that the Secrets Store CSI driver is installed", ask=_driver)
_PROVIDER = Question(name="csi-provider", that="that its AWS provider is installed", ask=_provider)

CATEGORY = Category(
    name="workload",
    question="Does the cluster have what pods need, and room for them?",
    before=(
        _AGENT,
        _DRIVER,
        _PROVIDER,
        Question(name="admission", that="that nothing refuses our objects", ask=_admission),
        Question(
            name="network-policy", that="that the chart's NetworkPolicy is enforced", ask=_network_policy
        ),
        Question(name="room", that="that there is room for the replicas", ask=_room),
    ),
    after=(_AGENT, _DRIVER, _PROVIDER),
)
