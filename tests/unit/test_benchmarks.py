"""The critical path that `make bench` compares with, and the latencies that it simulates."""

import pytest

from benchmarks.critical_path import Resource, critical_path, resources
from benchmarks.latencies import SCALE, TABLE, played, seconds
from common.json_values import Json
from emulator.aws import RESOURCE_TYPES
from emulator.aws.calls import operations
from emulator.kubernetes import TABLES


def _resource(name: str, *needs: str) -> Resource:
    return Resource(urn=name, type=name, needs=frozenset(needs))


TIMES = {"network": 2.0, "database": 36.0, "secret": 1.0, "role": 6.0, "release": 4.0, "bucket": 42.0}


def _takes(resource: Resource) -> float:
    return TIMES.get(resource.urn, 0)


GRAPH = (
    _resource("release", "secret", "role", "component"),
    _resource("secret", "database"),
    _resource("database", "network", "component"),
    _resource("network", "component"),
    _resource("role", "component"),
    _resource("component"),
)


def test_the_critical_path_is_the_longest_chain_not_the_sum() -> None:
    chain = critical_path(GRAPH, _takes)

    assert chain.seconds == 2 + 36 + 1 + 4
    assert chain.urns == ("component", "network", "database", "secret", "release")


def test_what_nothing_waits_for_can_be_the_critical_path() -> None:
    assert critical_path((*GRAPH, _resource("bucket", "network")), _takes).urns[-1] == "bucket"


def test_a_path_to_one_resource_leaves_out_what_it_does_not_wait_for() -> None:
    graph = (*GRAPH, _resource("bucket", "network"))

    assert critical_path(graph, _takes, to="release").seconds == 43
    assert critical_path(graph, _takes, to="role").seconds == 6


def test_what_is_not_in_the_graph_is_waited_for_by_nobody() -> None:
    assert critical_path((_resource("role", "of-another-stack"),), _takes).seconds == 6


def test_an_empty_stack_takes_no_time() -> None:
    assert critical_path((), _takes).seconds == 0


def test_resources_that_wait_for_each_other_are_an_error() -> None:
    with pytest.raises(ValueError, match="waits for itself"):
        critical_path((_resource("role", "secret"), _resource("secret", "role")), _takes)


def test_a_state_tells_who_waits_for_whom() -> None:
    urn = "urn:pulumi:dev::p::aws:iam/role:Role::"
    found: list[Json] = [
        {"urn": f"{urn}parent", "type": "component"},
        {"urn": f"{urn}gone", "type": "aws:iam/role:Role", "delete": True},
        {
            "urn": f"{urn}it",
            "type": "aws:iam/role:Role",
            "parent": f"{urn}parent",
            "provider": "urn:pulumi:dev::p::pulumi:providers:aws::default::04da6b54",
            "dependencies": [f"{urn}a"],
            "propertyDependencies": {"name": [f"{urn}a", f"{urn}b"], "path": None},
        },
    ]

    parent, it = resources({"deployment": {"resources": found}})

    assert parent.needs == frozenset()
    assert it.type == "aws:iam/role:Role"
    assert it.needs == {
        f"{urn}parent",
        f"{urn}a",
        f"{urn}b",
        "urn:pulumi:dev::p::pulumi:providers:aws::default",
    }


def test_each_latency_is_of_a_resource_and_a_call_that_exist() -> None:
    for row in TABLE:
        service, _, operation = row.call.partition(":")
        if service == "kubernetes":
            verb = "update" if row.is_update else "create"
            assert row.type in TABLES
            assert operation == f"{verb} {row.type}"
        else:
            assert row.type in RESOURCE_TYPES
            assert operation in operations(service)


def test_a_call_has_one_latency() -> None:
    assert len({row.call for row in TABLE}) == len(TABLE)


def test_latencies_are_scaled_down_to_a_tenth() -> None:
    assert played()["rds:CreateDBInstance"] == 360 / SCALE == 36


def test_a_resource_takes_as_long_as_all_of_its_calls() -> None:
    assert seconds("aws:rds/parameterGroup:ParameterGroup") == 2
    assert seconds("kubernetes:helm.sh/v3:Release", is_update=True) == 40
    assert seconds("aws:rds/parameterGroup:ParameterGroup", is_update=True) == 0
