"""values.schema.json: what it refuses, and that its messages name the value."""

import pytest
from helm_python import HelmValuesError

from tests.chart.rendering import Render, values_at


@pytest.mark.parametrize(
    "path",
    [
        "replicas",
        "broker.host",
        "broker.port",
        "aws.regoin",
        "aws.podIdentity.enable",
        "serviceAccount.name",
        "database.sslmode",
        "deployment.replica",
        "deployment.requests.disk",
        "deployment.limits.cpu",
        "image.pull",
        "networkPolicy.enable",
        "metrics.serviceMonitor",
        "networkPolicy.api.to",
        "networkPolicy.metrics.to",
    ],
)
def test_an_unknown_key_is_refused_by_name(render: Render, path: str) -> None:
    key = path.rpartition(".")[2]
    with pytest.raises(HelmValuesError, match=f"additional properties '{key}' not allowed"):
        render(values_at(path, "x"))


ILL_VALUES: list[tuple[str, object]] = [
    ("clusterName", 1),
    ("clusterName", "-regional"),
    ("clusterName", "regional/xyz"),
    ("clusterName", "regional xyz"),
    ("clusterName", "x" * 101),
    ("broker.endpoint", 1),
    ("broker.endpoint", ["abc"]),
    ("broker.sourceId", ""),
    ("broker.sourceId", "Maestro"),
    ("broker.sourceId", "maestro_1"),
    ("broker.sourceId", "x" * 41),
    ("aws.region", "us-west"),
    ("aws.region", "US-WEST-2"),
    ("aws.region", "../us-west-2"),
    ("aws.preferredAddressType", "auto"),
    ("aws.podIdentity.enabled", "true"),
    ("serviceAccount.annotations", {"a": 1}),
    ("database.caBundle", ["PEM"]),
    ("database.maxOpenConnections", 0),
    ("database.maxOpenConnections", "20"),
    ("database.maxOpenConnections", 2.5),
    ("deployment.replicas", 0),
    ("deployment.replicas", "two"),
    ("deployment.replicas", 1.5),
    ("deployment.zoneCount", 0),
    ("deployment.zoneCount", "3"),
    ("deployment.requests.cpu", "200 m"),
    ("deployment.requests.cpu", 0),
    ("deployment.requests.cpu", True),
    ("deployment.requests.memory", "512"),
    ("deployment.requests.memory", 512),
    ("deployment.limits.memory", "1GB"),
    ("deployment.podAnnotations", {"version": 1}),
    ("deployment.podAnnotations", ["version"]),
    ("deployment.nodeSelector", {"kubernetes.io/arch": True}),
    ("deployment.nodeSelector", {"pool": "a b"}),
    ("deployment.tolerations", [{"keys": "a"}]),
    ("deployment.tolerations", [{"effect": "NoRun"}]),
    ("deployment.affinity", {"nodeAffinities": {}}),
    ("deployment.priorityClassName", "High"),
    ("deployment.podLabels", {"a": "b c"}),
    ("deployment.podLabels", {"-a": "b"}),
    ("deployment.terminationGracePeriodSeconds", 0),
    ("image.pullPolicy", "Sometimes"),
    ("image.pullSecrets", [{"name": "registry"}]),
    ("logLevel", "debug"),
    ("logLevel", 11),
    ("networkPolicy.enabled", "no"),
    ("networkPolicy.egress", [{"to": [{}]}]),
    ("networkPolicy.egress", [{"ports": [{"port": 443, "protocol": "tcp"}]}]),
    ("metrics.podMonitor.enabled", "yes"),
    ("metrics.rules.labels", {"release": 1}),
    ("image.repository", "registry.example.com/maestro:v1"),
    ("image.repository", ""),
    ("image.tag", ""),
    ("image.tag", 1.1),
    ("image.tag", "a b"),
    ("image.digest", "0" * 64),
    ("image.digest", "sha256:0"),
    ("networkPolicy.api.from", {"podSelector": {}}),
    ("networkPolicy.metrics.from", "all"),
    ("chartDigest", "a b"),
]


@pytest.mark.parametrize(("path", "value"), ILL_VALUES)
def test_an_invalid_value_is_refused_by_path(render: Render, path: str, value: object) -> None:
    with pytest.raises(HelmValuesError, match=f"at '/{path.replace('.', '/')}"):
        render(values_at(path, value))


@pytest.mark.parametrize(
    "peer",
    [
        {},
        {"podSelectr": {}},
        {"podSelector": {"matchlabels": {}}},
        {"podSelector": {"matchLabels": {"a": True}}},
        {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}},
        {"ipBlock": {"except": ["10.0.0.0/8"]}},
    ],
)
def test_an_invalid_network_policy_peer_is_refused_by_its_index(render: Render, peer: object) -> None:
    with pytest.raises(HelmValuesError, match="at '/networkPolicy/api/from/1"):
        render(values_at("networkPolicy.api.from", [{"ipBlock": {"cidr": "10.0.0.0/8"}}, peer]))


@pytest.mark.parametrize(
    "path",
    [
        "broker",
        "broker.sourceId",
        "aws",
        "aws.podIdentity",
        "aws.podIdentity.enabled",
        "aws.preferredAddressType",
        "serviceAccount",
        "database",
        "database.maxOpenConnections",
        "deployment",
        "deployment.replicas",
        "deployment.zoneCount",
        "deployment.requests",
        "deployment.requests.cpu",
        "deployment.requests.memory",
        "deployment.limits.memory",
        "image",
        "image.repository",
        "image.tag",
        "networkPolicy",
        "networkPolicy.api",
        "networkPolicy.metrics",
    ],
)
def test_a_default_that_the_templates_need_cannot_be_removed(render: Render, path: str) -> None:
    key = path.rpartition(".")[2]
    with pytest.raises(HelmValuesError, match=f"missing property '{key}'"):
        render(values_at(path, None))


def test_all_problems_are_reported_at_once(render: Render) -> None:
    with pytest.raises(HelmValuesError) as caught:
        render(values_at("deployment.replicas", 0), values_at("image.digest", "x"), {"unknown": 1})
    assert all(part in str(caught.value) for part in ("replicas", "digest", "unknown"))
