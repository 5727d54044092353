"""The chart's values on a real API server: what each variant renders is accepted, and its pods get ready."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from common.json_values import Json, record, records, text
from tests.cluster.objects import wait_until
from tests.cluster.server import Server

pytestmark = pytest.mark.usefixtures("prometheus_operator")

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
