"""The manifests as a whole: which exist, that Kubernetes accepts them, and that every value has an effect."""

import base64
import gzip
import json
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import helm_python
import jsonschema
import kubernetes_validate  # pyright: ignore[reportMissingTypeStubs]
import pytest
import yaml
from helm_python import Chart

from tests.chart.rendering import CHART, MINIMAL, Object, Render, Values, load, merged, release_of, values_at

KUBERNETES_VERSION = "1.37"
CUSTOM_VALUES = """
broker:
  endpoint: "xxxxx.iot.us-east-1.amazonaws.com"
deployment:
  replicas: 3
  requests:
    cpu: "500m"
    memory: "1Gi"
image:
  tag: "v0.2.0"
aws:
  region: "us-west-2"
"""
EVERYTHING: Values = {
    "serviceAccount": {
        "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/maestro"}
    },
    "deployment": {
        "podAnnotations": {"example.com/version": "no"},
        "podLabels": {"example.com/team": "no"},
        "requests": {"cpu": 2},
        "nodeSelector": {"pool": "maestro"},
        "tolerations": [
            {"key": "dedicated", "operator": "Equal", "value": "maestro", "effect": "NoSchedule"}
        ],
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
        "terminationGracePeriodSeconds": 60,
    },
    "image": {"pullPolicy": "Always", "pullSecrets": ["registry"]},
    "logLevel": 4,
    "networkPolicy": {
        "metrics": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]},
        "egress": [{"ports": [{"port": 443, "protocol": "TCP"}], "to": [{"podSelector": {}}]}],
    },
    "metrics": {
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "rules": {"enabled": True, "labels": {"release": "prometheus"}},
    },
    "chartDigest": "sha256:0123",
    "global": {"imageRegistry": "unused"},
}
MONITORED: Values = {"metrics": {"podMonitor": {"enabled": True}, "rules": {"enabled": True}}}
OTHER_VALUES: Values = {
    "clusterName": "y",
    "broker.endpoint": "other-ats.iot.us-west-2.amazonaws.com",
    "broker.sourceId": "other",
    "aws.region": "eu-central-1",
    "aws.preferredAddressType": "ipv6",
    "aws.podIdentity.enabled": False,
    "serviceAccount.annotations": {"a": "b"},
    "database.caBundle": "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----",
    "database.maxOpenConnections": 21,
    "deployment.replicas": 3,
    "deployment.zoneCount": 1,
    "deployment.requests.cpu": "1",
    "deployment.requests.memory": "600Mi",
    "deployment.limits.memory": "2Gi",
    "deployment.nodeSelector": {"kubernetes.io/arch": "arm64"},
    "deployment.tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "deployment.affinity": {"nodeAffinity": {}},
    "deployment.priorityClassName": "high",
    "deployment.podLabels": {"a": "b"},
    "deployment.podAnnotations": {"a": "b"},
    "deployment.terminationGracePeriodSeconds": 60,
    "image.pullPolicy": "Always",
    "image.pullSecrets": ["registry"],
    "logLevel": 4,
    "networkPolicy.enabled": False,
    "networkPolicy.egress": [{"ports": [{"port": 443}]}],
    "metrics.podMonitor.enabled": True,
    "metrics.podMonitor.labels": {"release": "prometheus"},
    "metrics.rules.enabled": True,
    "metrics.rules.labels": {"release": "prometheus"},
    "image.repository": "registry.example.com/maestro",
    "image.tag": "latest",
    "image.digest": f"sha256:{'0' * 64}",
    "networkPolicy.api.from": [],
    "networkPolicy.metrics.from": [{"podSelector": {}}],
    "chartDigest": "0123",
}


def closed(schema: Object) -> Object:
    """A CustomResourceDefinition's schema, which refuses what it doesn't name, as strict decoding does."""
    made = dict(schema)
    if "items" in schema:
        made["items"] = closed(schema["items"])
    if "properties" in schema:
        made["properties"] = {name: closed(each) for name, each in schema["properties"].items()}
        made.setdefault("additionalProperties", False)
    return made


def schema_of(file: str) -> Object:
    definition = load((CRDS / file).read_text(encoding="utf-8"))
    (version,) = definition["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    schema["properties"]["metadata"] = {"type": "object"}
    return closed(schema)


CRDS = CHART.parents[1] / "tests" / "cluster" / "crds" / "monitoring"
CUSTOM = {"PodMonitor": schema_of("podmonitor.yaml"), "PrometheusRule": schema_of("prometheusrule.yaml")}


def validate(obj: Object) -> None:
    kubernetes_validate.validate(obj, KUBERNETES_VERSION, strict=True)


def leaves(schema: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted paths of all values that the schema knows, objects with properties of their own flattened."""
    paths: list[str] = []
    for key, part in cast("dict[str, dict[str, Any]]", schema["properties"]).items():
        path = f"{prefix}{key}"
        paths += leaves(part, f"{path}.") if "properties" in part else [path]
    return paths


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["minimal", "everything"])
def test_kubernetes_accepts_every_object(render: Render, values: Values) -> None:
    for obj in render(values).objects:
        if obj["kind"] in CUSTOM:
            cast("Any", jsonschema.Draft202012Validator(CUSTOM[obj["kind"]])).validate(obj)
        elif obj["kind"] != "SecretProviderClass":  # not Kubernetes' own; test_secrets.py looks at its shape
            validate(obj)


def test_the_validation_would_notice_an_unknown_field(render: Render) -> None:
    deployment = deepcopy(render().deployment)
    deployment["spec"]["template"]["spec"]["securityContext"]["runAsUsr"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(deployment)


def test_the_objects_are_these(render: Render) -> None:
    assert sorted((o["kind"], o["metadata"]["name"]) for o in render().objects) == [
        ("ConfigMap", "maestro-mqtt"),
        ("ConfigMap", "maestro-rds-ca"),
        ("Deployment", "maestro"),
        ("NetworkPolicy", "maestro"),
        ("PodDisruptionBudget", "maestro"),
        ("SecretProviderClass", "maestro-secrets"),
        ("Service", "maestro"),
        ("Service", "maestro-grpc"),
        ("Service", "maestro-metrics"),
        ("ServiceAccount", "maestro"),
    ]


def test_every_object_is_in_the_release_namespace_and_labelled(render: Render) -> None:
    for obj in render().objects:
        assert obj["metadata"]["namespace"] == "maestro"
        labels = obj["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "maestro"
        assert labels["app.kubernetes.io/instance"] == "maestro-server"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"


def test_names_that_yaml_reads_as_booleans_stay_strings(chart: Chart) -> None:
    templates = chart.render(merged(MINIMAL, {"clusterName": "y"}), name="no", namespace="y")
    for path, text in templates.items():
        if path.endswith(".yaml") and text.strip():
            metadata = yaml.safe_load(text)["metadata"]
            assert metadata["namespace"] == "y"
            assert metadata["labels"]["app.kubernetes.io/instance"] == "no"


def test_a_values_file_with_endpoint_replicas_requests_tag_and_region_renders(render: Render) -> None:
    release = render({"clusterName": "regional-xyz"}, yaml.safe_load(CUSTOM_VALUES), only=True)
    assert release.deployment["spec"]["replicas"] == 3
    assert release.containers["service"]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    assert release.containers["service"]["image"].endswith(":v0.2.0")
    assert release.secret_parameters["region"] == "us-west-2"
    assert release.mqtt_config["brokerHost"] == "xxxxx.iot.us-east-1.amazonaws.com:8883"


def test_every_value_has_a_default_and_a_row_in_this_files_table(chart: Chart) -> None:
    schema = cast("dict[str, Any]", chart.schema)
    known = set(leaves(schema)) - {"global", "enabled"}
    assert not (missing := known - set(OTHER_VALUES)), f"give {missing} another value in OTHER_VALUES here"
    assert sorted(OTHER_VALUES) == sorted(known)
    for path in OTHER_VALUES:
        value: Any = chart.values
        for key in path.split("."):
            assert key in value, f"{path} is missing in values.yaml"
            value = value[key]


@pytest.mark.parametrize(("path", "value"), OTHER_VALUES.items(), ids=OTHER_VALUES)
def test_every_value_changes_some_manifest(render: Render, path: str, value: object) -> None:
    bases: list[Values] = [{}, MONITORED]
    changed = values_at(path, value)
    assert any(render(base, changed).objects != render(base).objects for base in bases)


@pytest.mark.parametrize("values", [{"global": {"anything": 1}}, {"enabled": True}])
def test_values_of_parent_charts_change_nothing(render: Render, values: Values) -> None:
    assert render(values).objects == render().objects


def test_the_chart_is_rendered_as_part_of_another(tmp_path: Path) -> None:
    dependency = {"name": CHART.name, "version": "0.1.0", "condition": f"{CHART.name}.enabled"}
    umbrella = {"apiVersion": "v2", "name": "region", "version": "0.1.0", "dependencies": [dependency]}
    (tmp_path / "Chart.yaml").write_text(json.dumps(umbrella))
    shutil.copytree(CHART, tmp_path / "charts" / CHART.name)
    chart = Chart.load(tmp_path)
    enabled = {"global": {"region": "us-east-1"}, CHART.name: {**MINIMAL, "enabled": True}}
    assert release_of(chart, enabled).deployment
    assert not chart.render({CHART.name: {"enabled": False}}, name="maestro-server", namespace="maestro")
    chart.close()


def test_helm_finds_nothing_to_complain_about() -> None:
    report = helm_python.lint(CHART, MINIMAL, strict=True)
    messages = cast("list[Object]", report["messages"] or [])
    assert not report["errors"]
    assert [m for m in messages if m["severity"] > 1] == []


def test_the_packaged_chart_renders_the_same(chart: Chart, render: Render, tmp_path: Path) -> None:
    packaged = Chart.load(chart.save(tmp_path))
    assert release_of(packaged, MINIMAL).objects == render().objects


def test_a_release_record_stays_far_below_the_largest_secret_of_kubernetes(chart: Chart) -> None:
    files = [{**f, "data": str(f["data"])} for f in [*chart.files, *chart.templates]]
    record = base64.b64encode(gzip.compress(json.dumps([files, chart.render(MINIMAL)]).encode()))
    assert len(record) < 2**20 / 2


@pytest.mark.parametrize("path", sorted(CHART.joinpath("templates").iterdir()), ids=lambda p: p.name)
def test_each_template_makes_one_object_and_is_named_for_its_kind(path: Path) -> None:
    if path.suffix != ".yaml":
        assert path.name in {"_helpers.tpl", "NOTES.txt"}
        return
    kinds = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("kind: ")]
    assert len(kinds) == 1
    assert path.stem.split("-")[0] == kinds[0].removeprefix("kind: ").lower()
