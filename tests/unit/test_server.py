"""The release's values: merged as Helm merges, wired completely, and changed when the chart is."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import pulumi_kubernetes as kubernetes
import pytest
import yaml

from maestro_stack.chart import CHART_PATH, chart_digest, merge
from maestro_stack.cluster import Cluster
from maestro_stack.constraints import WIRED_VALUES
from maestro_stack.schema import ServerSettings
from maestro_stack.server import ServerArgs, chart_values

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = Cluster(
    name="regional-xyz",
    arn="arn:aws:eks:us-east-1:111122223333:cluster/regional-xyz",
    region="us-east-1",
    account_id="111122223333",
    partition="aws",
    vpc_id="vpc-0123456789abcdef0",
    private_subnet_ids=("subnet-0123456789abcdef0", "subnet-0fedcba9876543210"),
    security_group_id="sg-0123456789abcdef0",
    ip_family="ipv4",
    endpoint="https://example.invalid",
    endpoint_is_private=False,
    certificate_authority="",
)


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The chart values of a default configuration."""
    monkeypatch.chdir(ROOT)
    return chart_values(
        ServerArgs(
            cluster=CLUSTER,
            settings=ServerSettings.model_validate({}),
            provider=cast(kubernetes.Provider, None),  # not a value
            endpoint="abc-ats.iot.us-east-1.amazonaws.com",
            source_id="maestro",
            connection_pool=24,
            ca_bundle=None,
            secret_version_ids={"server-mqtt-cert": "one", "db-credentials": "two"},
            depends_on=(),
        )
    )


MAPS = ("deployment.podAnnotations", "deployment.nodeSelector")


def leaves(tree: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """Paths of the leaves; a map whose keys aren't the chart's is one."""
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and path not in MAPS:
            yield from leaves(cast(Mapping[str, object], value), f"{path}.")
        else:
            yield path


def test_exactly_the_values_that_the_program_sets_are_closed_to_users(values: dict[str, object]) -> None:
    # The release adds the chart's digest, which nobody else needs.
    assert sorted([*leaves(values), "chartDigest"]) == sorted([*WIRED_VALUES, "deployment.podAnnotations"])


def test_the_program_sets_only_values_that_the_chart_has(values: dict[str, object]) -> None:
    chart = yaml.safe_load((ROOT / CHART_PATH / "values.yaml").read_text(encoding="utf-8"))
    assert set(leaves(values)) <= set(leaves(chart))


def test_the_versions_of_the_secrets_are_annotations_of_the_pods(values: dict[str, object]) -> None:
    deployment = cast(dict[str, object], values["deployment"])
    assert deployment["podAnnotations"] == {
        "secret-version/server-mqtt-cert": "one",
        "secret-version/db-credentials": "two",
    }


@pytest.mark.parametrize(
    ("values", "more", "merged"),
    [
        ({}, {}, {}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"d": 2}}}, {"a": {"b": {"c": 1, "d": 2}}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),  # lists are replaced as a whole
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        ({"a": {"b": 1}}, {"a": {"b": None}}, {"a": {"b": None}}),  # which Helm reads as "remove it"
    ],
)
def test_values_merge_as_in_helm(
    values: Mapping[str, object], more: Mapping[str, object], merged: Mapping[str, object]
) -> None:
    assert merge(values, more) == merged


def test_merging_changes_neither_of_the_two() -> None:
    values, more = {"a": {"b": 1}}, {"a": {"c": 2}}
    merge(values, more)
    assert (values, more) == ({"a": {"b": 1}}, {"a": {"c": 2}})


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A copy of the chart."""
    return shutil.copytree(ROOT / CHART_PATH, tmp_path / "one" / "chart")


def test_the_digest_is_that_of_the_charts_content_wherever_it_is(chart: Path, tmp_path: Path) -> None:
    assert chart_digest(chart) == chart_digest(ROOT / CHART_PATH)
    moved = chart.rename(tmp_path / "elsewhere")
    assert chart_digest(moved) == chart_digest(ROOT / CHART_PATH)


def test_the_digest_changes_with_a_files_content(chart: Path) -> None:
    before = chart_digest(chart)
    (chart / "templates" / "service.yaml").write_text("# nothing\n", encoding="utf-8")
    assert chart_digest(chart) != before


def test_what_no_release_is_made_of_does_not_change_the_digest(chart: Path) -> None:
    before = chart_digest(chart)
    (chart / "README.md").write_text("else", encoding="utf-8")
    for name in (".service.yaml.swp", "service.yaml~", ".DS_Store", "#service.yaml#", ".#service.yaml"):
        (chart / "templates" / name).write_text("else", encoding="utf-8")
    service = chart / "templates" / "service.yaml"
    service.write_bytes(service.read_bytes().replace(b"\n", b"\r\n"))
    assert chart_digest(chart) == before


def test_the_digest_changes_with_a_files_name(chart: Path) -> None:
    before = chart_digest(chart)
    (chart / "templates" / "service.yaml").rename(chart / "templates" / "http.yaml")
    assert chart_digest(chart) != before


def test_the_digest_changes_with_a_new_file(chart: Path) -> None:
    before = chart_digest(chart)
    (chart / "templates" / "new.yaml").touch()
    assert chart_digest(chart) != before
