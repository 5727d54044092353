"""The chart's values on a real API server: what each variant renders is accepted, and its pods get ready."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from common.json_values import Json, record, records, text
from controlplane import Api, ApiError, ControlPlane
from tests.cluster.objects import wait_until
from tests.cluster.server import Server

CRDS = sorted((Path(__file__).parent / "crds" / "monitoring").glob("*.yaml"))
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MONITORED = "/apis/monitoring.coreos.com/v1/namespaces/default"

VARIANTS: Mapping[str, Mapping[str, Json]] = {
    "any node": {"deployment": {"nodeSelector": {"kubernetes.io/arch": "*"}}},
    "chosen nodes": {
        "deployment": {
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": "pool", "operator": "Equal", "value": "a", "effect": "NoSchedule"}],
            "affinity": {
                "podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [
                        {
                            "topologyKey": "kubernetes.io/hostname",
                            "labelSelector": {"matchLabels": {"component": "maestro-server"}},
                        }
                    ]
                }
            },
            "priorityClassName": "system-cluster-critical",
            "terminationGracePeriodSeconds": 5,
        }
    },
    "labelled pods": {
        "deployment": {"podLabels": {"team": "platform"}, "podAnnotations": {"example.com/owner": "a"}}
    },
    "another registry": {"image": {"pullPolicy": "Always", "pullSecrets": ["registry"]}},
    "more log lines": {"logLevel": 4},
    "no network policy": {"networkPolicy": {"enabled": False}},
    "more egress": {
        "networkPolicy": {"egress": [{"ports": [{"port": 443}], "to": [{"podSelector": {}}]}]}
    },
    "watched by Prometheus": {
        "metrics": {
            "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "rules": {"enabled": True, "labels": {"release": "prometheus"}},
        }
    },
}  # fmt: skip


def is_served(api: Api, plural: str) -> bool:
    try:
        return api.exists(f"{MONITORED}/{plural}")
    except ApiError as refusal:
        if refusal.reason == "TooManyRequests":  # its storage is being set up
            return False
        raise


@pytest.fixture(scope="module", autouse=True)
def prometheus_operator(control_plane: ControlPlane) -> Iterator[None]:
    """Prometheus Operator's custom resource definitions, installed."""
    with closing(control_plane.api()) as api:
        definitions = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in CRDS]
        for each in definitions:
            api.call("POST", f"{DEFINITIONS}?fieldValidation=Strict", each)
        for each in definitions:
            plural = text(record(record(each, "spec"), "names"), "plural")
            wait_until(lambda plural=plural: is_served(api, plural), f"{plural} to be served")
        yield
        for each in definitions:
            api.raw("DELETE", f"{DEFINITIONS}/{text(record(each, 'metadata'), 'name')}")


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_pods_of_each_variant_get_ready(server: Server, tmp_path: Path, values: Mapping[str, Json]) -> None:
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values))
    server.start(f"--values={file}")


def test_a_selector_that_no_node_has_keeps_pods_waiting_and_says_so(server: Server) -> None:
    server.install("--set=deployment.nodeSelector.pool=none")

    def waiting() -> bool:
        conditions = [c for pod in server.pods() for c in records(record(pod, "status"), "conditions")]
        return any("node" in text(each, "message") and each.get("status") == "False" for each in conditions)

    wait_until(waiting, "the scheduler to say that no node matches")


def test_the_alerts_and_the_monitor_are_the_releases(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    file.write_text(json.dumps(VARIANTS["watched by Prometheus"]))
    server.install(f"--values={file}")
    monitor = server.object("monitoring.coreos.com/v1", "podmonitors", "maestro")
    assert record(record(monitor, "metadata"), "labels")["release"] == "prometheus"
    assert text(server.object("monitoring.coreos.com/v1", "prometheusrules", "maestro"), "kind")
