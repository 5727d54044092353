"""Helm 3, which the Kubernetes provider carries, and Helm 4 render the same; that is what is installed."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import Chart

from common.json_values import Json, record, text
from engine.project import load_stack, write_config
from rehearsal.rehearse import rehearse
from tests.chart.rendering import Object, release_of
from tests.cluster.objects import CLUSTER, OURS, Tool
from tests.cluster.server import CHART, RELEASE, ROOT

Key = tuple[str, str]


def by_name(objects: Iterable[Object]) -> dict[Key, Object]:
    """The objects by kind and name, each of which must be unique."""
    listed = list(objects)
    keys: list[Key] = [(each["kind"], each["metadata"]["name"]) for each in listed]
    assert not [key for key, times in Counter(keys).items() if times > 1]
    return dict(zip(keys, listed, strict=True))


def parsed(manifest: str) -> dict[Key, Object]:
    documents: Iterable[Any] = yaml.safe_load_all(manifest)
    return by_name(document for document in documents if document)


@pytest.fixture
def values(profile: str, region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Json]:
    """What the program passes to the release."""
    monkeypatch.chdir(ROOT)  # as the engine does: the chart's path is relative
    config = {
        "aws:region": region,
        "maestro-stack:clusterName": CLUSTER,
        "maestro-stack:profile": profile,
    }
    file = tmp_path / "Pulumi.test.yaml"
    write_config(file, config)
    result = rehearse(load_stack(ROOT, file=file), world=None, progress=lambda _: None)
    assert result.holds
    release = result.update.one("kubernetes:helm.sh/v3:Release").inputs
    assert (text(release, "name"), text(release, "namespace")) == (RELEASE, OURS)
    return record(release, "values")


@pytest.mark.usefixtures("clean_cluster")
@pytest.mark.parametrize(("profile", "region"), [("dev", "us-east-1"), ("production", "eu-central-1")])
def test_both_helms_render_what_the_program_installs(
    values: dict[str, Json], region: str, helm: Tool, kubectl: Tool, tmp_path: Path
) -> None:
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values), encoding="utf-8")
    arguments = (RELEASE, str(CHART), "-n", OURS, "-f", str(file))
    by_helm_3 = parsed(helm("template", *arguments))
    chart = Chart.load(CHART)
    by_helm_4 = by_name(release_of(chart, values).objects)
    chart.close()
    kubectl("create", "namespace", OURS)
    helm("install", *arguments)
    installed = parsed(helm("get", "manifest", RELEASE, "-n", OURS))
    assert by_helm_3.keys() == by_helm_4.keys() == installed.keys()
    for key, rendered in by_helm_3.items():
        assert rendered == by_helm_4[key], key
        assert rendered == installed[key], key
    parameters = installed["SecretProviderClass", "maestro-secrets"]["spec"]["parameters"]
    assert parameters["region"] == region
