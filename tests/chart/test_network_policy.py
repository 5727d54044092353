"""Who may reach the server, and what it may reach."""

import pytest

from tests.chart.rendering import Object, Render, Values, values_at

ANY_POD: Object = {"podSelector": {}}
API_PORTS = {8000, 8090}
METRICS_PORTS = {8080}


def ports(rule: Object) -> set[int]:
    return {p["port"] for p in rule["ports"]}


def test_the_policy_governs_the_servers_pods_in_both_directions(render: Render) -> None:
    release = render()
    policy = release.network_policy
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["podSelector"]["matchLabels"] == release.deployment["spec"]["selector"]["matchLabels"]


def test_by_default_only_pods_of_the_namespace_reach_the_api_and_nobody_the_metrics(render: Render) -> None:
    ingress = render().network_policy["ingress"]
    assert [ports(rule) for rule in ingress] == [API_PORTS]
    assert ingress[0]["from"] == [ANY_POD]


@pytest.mark.parametrize(
    ("values", "open_ports"),
    [
        ({}, [API_PORTS]),
        (values_at("networkPolicy.api.from", []), []),
        (values_at("networkPolicy.api.from", None), []),
        (values_at("networkPolicy.metrics.from", [ANY_POD]), [API_PORTS, METRICS_PORTS]),
        (
            {"networkPolicy": {"api": {"from": []}, "metrics": {"from": [ANY_POD]}}},
            [METRICS_PORTS],
        ),
    ],
)
def test_an_empty_list_makes_no_rule_and_no_rule_admits_everybody(
    render: Render, values: Values, open_ports: list[set[int]]
) -> None:
    ingress = render(values).network_policy["ingress"]
    assert [ports(rule) for rule in ingress] == open_ports
    assert all(rule["from"] for rule in ingress)


def test_the_health_port_is_never_open(render: Render) -> None:
    everybody = [{"ipBlock": {"cidr": "0.0.0.0/0"}}]
    values = {"networkPolicy": {"api": {"from": everybody}, "metrics": {"from": everybody}}}
    assert 8083 not in set[int]().union(*map(ports, render(values).network_policy["ingress"]))


def test_peers_are_passed_on_as_they_are(render: Render) -> None:
    peers = [
        {"podSelector": {"matchLabels": {"y": "no"}}},
        {
            "namespaceSelector": {
                "matchExpressions": [{"key": "team", "operator": "In", "values": ["on", "1"]}]
            }
        },
        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
    ]
    assert render(values_at("networkPolicy.api.from", peers)).network_policy["ingress"][0]["from"] == peers


def test_the_server_reaches_name_resolution_the_database_and_the_broker_and_nothing_else(
    render: Render,
) -> None:
    egress = render().network_policy["egress"]
    assert all(set(rule) == {"ports"} for rule in egress)
    assert [(p["port"], p["protocol"]) for rule in egress for p in rule["ports"]] == [
        (53, "UDP"),
        (53, "TCP"),
        (5432, "TCP"),
        (8883, "TCP"),
    ]


def test_more_egress_is_admitted_besides_the_servers_own(render: Render) -> None:
    more: Object = {"ports": [{"port": 443, "protocol": "TCP"}]}
    egress = render(values_at("networkPolicy.egress", [more])).network_policy["egress"]
    assert egress == [*render().network_policy["egress"], more]


def test_without_the_policy_nothing_of_it_is_made(render: Render) -> None:
    objects = render({"networkPolicy": {"enabled": False}}).objects
    assert "NetworkPolicy" not in {each["kind"] for each in objects}
