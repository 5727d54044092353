"""What a chart would install in clusters unlike the emulated one."""

from pathlib import Path

import pytest

from emulator.kubernetes import custom_resource_definitions, situations
from emulator.kubernetes.situations import FULL, UPGRADE

BOTH = f"{UPGRADE} {FULL}"
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: it}\n"


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    root = tmp_path / "chart"
    (root / "templates").mkdir(parents=True)
    (root / "Chart.yaml").write_text("apiVersion: v2\nname: chart\nversion: 1.0.0\n")
    return root


@pytest.mark.parametrize(
    ("condition", "where"),
    [
        ("if .Release.IsUpgrade", {UPGRADE, BOTH}),
        ("if .Release.IsInstall", {FULL}),
        ("if gt (int .Release.Revision) 1", {UPGRADE, BOTH}),
        ('if lookup "v1" "Namespace" "" "kube-system"', {FULL, BOTH}),
        ('range (lookup "apps/v1" "Deployment" "any" "").items', {FULL, BOTH}),
        ('if .Capabilities.APIVersions.Has "example.com/v1"', {FULL, BOTH}),
        ('if and .Release.IsUpgrade (lookup "v1" "Node" "" "")', {BOTH}),
        ("if true", {UPGRADE, FULL, BOTH}),
    ],
)
@pytest.mark.parametrize("suffix", [".yaml", ".tpl", ".txt", ""])
def test_an_object_is_found_where_its_condition_holds(
    chart: Path, condition: str, where: set[str], suffix: str
) -> None:
    (chart / f"templates/it{suffix}").write_text(f"{{{{- {condition} }}}}\n{OBJECT}{{{{- end }}}}\n")
    found = situations(chart, {}, name="it", namespace="here")
    assert {situation for situation, manifests in found.items() if manifests} == where


def test_what_cannot_be_rendered_somewhere_says_why(chart: Path) -> None:
    (chart / "templates/it.yaml").write_text('{{- if .Release.IsUpgrade }}{{ fail "no way" }}{{ end }}')
    found = situations(chart, {}, name="it", namespace="here")
    assert {situation: [each.kind for each in manifests] for situation, manifests in found.items()} == {
        UPGRADE: ["Failure"],
        FULL: [],
        BOTH: ["Failure"],
    }
    assert "no way" in str(found[UPGRADE][0].content["message"])


def test_kinds_that_helm_installs_first_are_found_those_of_subcharts_too(chart: Path) -> None:
    for path in ("crds/it.yaml", "charts/other/crds/it.json"):
        (chart / path).parent.mkdir(parents=True)
        (chart / path).write_text(OBJECT)
    assert len([*custom_resource_definitions(chart)]) == 2
