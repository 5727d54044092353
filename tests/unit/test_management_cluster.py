"""The configuration of examples/management-cluster, and what its pure functions build."""

import ast
from pathlib import Path
from typing import Any

import pytest

from engine import go_yaml
from engine.project import read_yaml
from maestro_stack.errors import ConfigurationError
from management_cluster.agent import broker_config
from management_cluster.settings import parse

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "management-cluster"
STACK = "organization/maestro-stack/us-east-1"
ROLE = "arn:aws:iam::444455556666:role/maestro-deployer"


def given(clusters: object = None, region: object = None) -> dict[str, object]:
    """A sound configuration, or one with other parts."""
    return {
        "region": {"stack": STACK} if region is None else region,
        "clusters": {"mc": {"region": "us-east-1"}} if clusters is None else clusters,
    }


def problems(clusters: object = None, region: object = None) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as refused:
        parse(given(clusters, region))
    assert all(problem.example for problem in refused.value.problems)
    return {problem.key: problem.problem for problem in refused.value.problems}


def test_a_cluster_has_its_consumers_name_unless_it_says_otherwise() -> None:
    clusters = {
        "mc": {"region": "us-east-1"},
        "mc-2": {"region": "us-east-1", "cluster": "Two_2", "roleArn": ROLE},
    }
    one, two = parse(given(clusters)).clusters
    assert (one.consumer, one.name, one.region, one.role_arn) == ("mc", "mc", "us-east-1", None)
    assert (two.consumer, two.name, two.region, two.role_arn) == ("mc-2", "Two_2", "us-east-1", ROLE)


def test_a_region_may_have_no_management_cluster_yet() -> None:
    assert parse(given({})).clusters == ()


@pytest.mark.parametrize(
    ("clusters", "region", "key", "problem"),
    [
        (None, {}, "region.stack", "is missing"),
        (None, "us-east-1", "region", "must be an object"),
        (
            None,
            {"stack": "us-east-1"},
            "region.stack",
            'must be a stack: ORGANIZATION/PROJECT/STACK, not "us-east-1"',
        ),
        (None, {"stack": STACK, "rolearn": ROLE}, "region.rolearn", "did you mean roleArn?"),
        (
            None,
            {"stack": STACK, "roleArn": "admin"},
            "region.roleArn",
            'must be the ARN of an IAM role, not "admin"',
        ),
        ([], None, "clusters", "must be an object"),
        ({"mc": {}}, None, "clusters.mc.region", "is missing"),
        ({"mc": None}, None, "clusters.mc", "is missing"),
        ({"mc": {"region": "east"}}, None, "clusters.mc.region", 'must be an AWS region, not "east"'),
        ({"mc": {"region": 1}}, None, "clusters.mc.region", "must be an AWS region, not 1"),
        ({"mc*": {"region": "us-east-1"}}, None, "clusters.mc*", "must be a consumer's name"),
        ({"Mc_1": {"region": "us-east-1"}}, None, "clusters.Mc_1", "must be a consumer's name"),
        (
            {"mc": {"region": "us-east-1"}, "mc-2": {"region": "us-east-1", "cluster": "mc"}},
            None,
            "clusters",
            "mc and mc-2 are the same cluster, mc in us-east-1",
        ),
    ],
)
def test_a_wrong_configuration_is_reported_by_its_key(
    clusters: object, region: object, key: str, problem: str
) -> None:
    assert problem in problems(clusters, region)[key]


def test_an_unknown_key_is_reported_with_the_closest_known_one() -> None:
    with pytest.raises(ConfigurationError, match=r"cluster: is not a known key \(did you mean clusters\?\)"):
        parse({**given(), "cluster": None})


def test_everything_wrong_is_reported_at_once() -> None:
    assert problems({"Mc": {"regoin": "us-east-1"}}, {}).keys() == {
        "region.stack",
        "clusters.Mc",
        "clusters.Mc.region",
        "clusters.Mc.regoin",
    }


def test_clusters_of_one_name_in_two_regions_or_accounts_are_two() -> None:
    clusters = {
        "a": {"region": "us-east-1", "cluster": "mc"},
        "b": {"region": "us-west-2", "cluster": "mc"},
        "c": {"region": "us-east-1", "cluster": "mc", "roleArn": ROLE},
    }
    assert len(parse(given(clusters)).clusters) == 3


def test_the_example_file_is_sound() -> None:
    file: Any = read_yaml(EXAMPLE / "Pulumi.dev.yaml")
    assert len(parse({key.partition(":")[2]: value for key, value in file["config"].items()}).clusters) == 2


def test_the_agents_file_has_only_keys_that_it_reads() -> None:
    text = broker_config(
        endpoint="host", port=8883, source_events="sources/m/consumers/c/sourceevents", agent_events="x"
    )
    file: Any = go_yaml.load(text)
    # sdk-go, pkg/cloudevents/generic/options/mqtt/options.go: an unknown key would be ignored silently.
    assert file.keys() == {"brokerHost", "caFile", "clientCertFile", "clientKeyFile", "topics"}
    assert file["brokerHost"] == "host:8883"
    assert file["topics"].keys() == {"sourceEvents", "agentEvents"}


def test_it_takes_only_what_an_installation_of_the_reader_has() -> None:
    listed = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for file in [EXAMPLE / "__main__.py", *(EXAMPLE / "management_cluster").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("maestro_stack"):
                assert f'"{str(node.module).replace(".", "/")}.py"' in listed, node.module
