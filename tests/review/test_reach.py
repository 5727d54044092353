"""NetworkPolicies compared by who may reach what."""

import pytest

from common.json_values import Json
from review.reach import admitted

PORTS: dict[str, Json] = {"http": 8000}


def _policy(**spec: Json) -> dict[str, Json]:
    return {"spec": {"podSelector": {}, **spec}}


def _ports(*ports: dict[str, Json]) -> dict[str, Json]:
    return {"ports": [*ports]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_policy(ingress=[_ports({"port": 80})]), _policy(ingress=[_ports({"port": 80, "protocol": "TCP"})])),
        (_policy(ingress=[_ports({"port": "http"})]), _policy(ingress=[_ports({"port": 8000})])),
        (
            _policy(ingress=[_ports({"port": 1}, {"port": 2})]),
            _policy(ingress=[_ports({"port": 2}), _ports({"port": 1})]),
        ),
        (_policy(ingress=[]), _policy(policyTypes=["Ingress"])),
    ],
)
def test_the_same_in_another_form_is_the_same(one: dict[str, Json], other: dict[str, Json]) -> None:
    assert admitted(one, PORTS) == admitted(other, PORTS) is not None


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (_policy(ingress=[_ports({"port": 80})]), _policy(ingress=[{}])),
        (_policy(ingress=[_ports({"port": 80})]), _policy(ingress=[_ports({"port": 1, "endPort": 99})])),
        (_policy(ingress=[_ports({"port": 80})]), _policy(policyTypes=["Egress"], egress=[])),
        (
            _policy(ingress=[{"from": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}]),
            _policy(ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]),
        ),
        (_policy(ingress=[{"from": [{"podSelector": {}}]}]), _policy(ingress=[{"from": []}])),
    ],
)
def test_a_policy_that_admits_more_is_told_from_one_that_admits_less(
    narrow: dict[str, Json], wide: dict[str, Json]
) -> None:
    less, more = admitted(narrow, PORTS), admitted(wide, PORTS)
    assert less is not None
    assert more is not None
    incoming = [each for each in less if each.direction == "ingress"]
    assert all(any(each.within(other) for other in more) for each in incoming)
    assert not all(any(each.within(other) for other in less) for each in more if each.direction == "ingress")


def test_a_block_with_exceptions_covers_nothing_for_certain() -> None:
    inner: dict[str, Json] = {"cidr": "10.1.0.0/16"}
    outer: dict[str, Json] = {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}
    less, more = (
        [each for each in admitted(policy, PORTS) or () if each.direction == "ingress"]
        for block in (inner, outer)
        for policy in [_policy(ingress=[{"from": [{"ipBlock": block}]}])]
    )
    assert not less[0].within(more[0])


def test_a_port_whose_name_nobody_gave_cannot_be_compared() -> None:
    assert admitted(_policy(ingress=[_ports({"port": "metrics"})]), PORTS) is None
