"""The chart's README: its generated tables are current, and what it tells people to type works."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import HelmValuesError

from charts import generate
from tests.chart.rendering import CHART, MINIMAL, Render, Values, values_at

README = CHART.joinpath("README.md").read_text(encoding="utf-8")
CODE_BLOCKS = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", README, re.DOTALL | re.MULTILINE)
COMMANDS = [
    command
    for language, block in CODE_BLOCKS
    if language == "bash"
    for command in block.replace("\\\n", " ").splitlines()
]
YAML_BLOCKS = [yaml.safe_load(block) for language, block in CODE_BLOCKS if language == "yaml"]


def test_the_tables_are_those_of_values_and_schema() -> None:
    generate.main(["--check"])


@pytest.fixture
def copy_of_chart(tmp_path: Path) -> Path:
    for name in ("README.md", "values.yaml", "values.schema.json"):
        shutil.copy(CHART / name, tmp_path / name)
    return tmp_path


def test_a_stale_table_fails_the_check_and_says_what_to_run(copy_of_chart: Path) -> None:
    values = copy_of_chart / "values.yaml"
    text = values.read_text(encoding="utf-8")
    values.write_text(text.replace("replicas: 2", "replicas: 7"), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"Run: python charts/generate\.py"):
        generate.main(["--check"], copy_of_chart)
    generate.main([], copy_of_chart)
    generate.main(["--check"], copy_of_chart)
    assert "`7`" in (copy_of_chart / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("deployment:\n", "deployment:\n  surprise: 1\n", "deployment.surprise, but values.schema"),
        ("  # -- Image repository.\n", "", "image.repository needs a '# --' comment"),
    ],
)
def test_an_undocumented_value_fails_by_name(copy_of_chart: Path, old: str, new: str, message: str) -> None:
    values = copy_of_chart / "values.yaml"
    text = values.read_text(encoding="utf-8")
    assert old in text
    values.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(SystemExit, match=message):
        generate.main(["--check"], copy_of_chart)


def test_every_value_on_a_command_line_is_one_of_the_charts(render: Render) -> None:
    samples = {"deployment.replicas": 1, "aws.preferredAddressType": "ipv6"}
    paths = set(re.findall(r"--set(?:-file|-string)? ([\w.]+)=", README))
    assert {"broker.endpoint", "clusterName", "database.caBundle"} <= paths
    for path in paths:
        render(values_at(path, samples.get(path, "-----BEGIN CERTIFICATE-----" if "ca" in path else "abc")))


def test_every_helm_command_on_the_release_names_its_namespace() -> None:
    commands = [c for c in COMMANDS if re.match(r"helm \w+ maestro-server\b", c)]
    assert {c.split()[1] for c in commands} == {"install", "template", "upgrade", "uninstall"}
    for command in commands:
        assert re.search(r"(--namespace|-n) maestro\b", command), command


def test_the_sample_values_render(render: Render) -> None:
    samples: list[dict[str, Any]] = [block for block in YAML_BLOCKS if "apiVersion" not in block]
    values = [block for block in samples if "spec" not in block]
    assert len(values) == 2
    for sample in values:
        render(sample)


def test_the_argocd_sample_needs_no_cluster(render: Render) -> None:
    [application] = [block for block in YAML_BLOCKS if block.get("kind") == "Application"]
    source = application["spec"]["source"]
    assert source["path"] == "charts/maestro-server-eso"
    release = render(yaml.safe_load(source["helm"]["values"]), only=True)
    assert release.secret_parameters["region"] == "us-east-1"


def test_values_that_several_charts_share_are_refused_until_the_sample_leaves_the_others_out(
    render: Render,
) -> None:
    shared = {"global": {"environment": "integration"}, "siblingApi": {"replicas": 1}, **MINIMAL}
    with pytest.raises(HelmValuesError, match="additional properties 'siblingApi' not allowed"):
        render(shared, only=True)
    [sample] = [block for block in YAML_BLOCKS if block.get("kind") == "ApplicationSet"]
    templated = yaml.safe_dump(sample["spec"]["template"]["spec"]["source"]["helm"]["valuesObject"])
    filled = re.sub(r"{{ ([.\w]+) }}", lambda found: at(shared, found[1]), templated)
    assert "{{" not in filled
    release = render(yaml.safe_load(filled), only=True)
    assert release.objects == render(MINIMAL, only=True).objects


def at(values: Values, path: str) -> str:
    """The text at a dotted path, as `{{ .a.b }}` gives it."""
    found: Any = values
    for key in path.strip(".").split("."):
        found = found[key]
    assert isinstance(found, str)
    return found
