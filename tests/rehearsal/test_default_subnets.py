"""Which of a cluster's subnets the database gets, where `network.subnetIds` doesn't say."""

import pytest

from tests.rehearsal.conftest import Outcome, Rehearse, sound

VPC = "vpc-0123456789abcdef0"
IDS = [f"subnet-0123456789abcdef{n}" for n in range(3)]
CLUSTER = {"name": "regional-xyz", "region": "us-east-1", "zones": ["us-east-1e", "us-east-1f"]}


def world(*subnets: dict[str, object], **vpc: object) -> dict[str, object]:
    """The cluster's own private subnets in two zones, and these, in a third one unless they say otherwise."""
    return {
        "vpcs": [{"id": VPC, **vpc}],
        "clusters": [{**CLUSTER, "vpcId": VPC}],
        "subnets": [
            {"id": id_, "zone": "us-east-1a", "ofCluster": True, **subnet}
            for id_, subnet in zip(IDS, subnets, strict=False)
        ],
    }


def chosen(outcome: Outcome) -> list[str]:
    """The database's subnets, without the cluster's own."""
    assert outcome.status == 0, outcome.stdout
    [group] = [r for r in outcome.report["resources"] if r["type"] == "aws:rds/subnetGroup:SubnetGroup"]
    assert len(group["inputs"]["subnetIds"]) >= 2
    return [id_ for id_ in group["inputs"]["subnetIds"] if id_ in IDS]


@pytest.mark.parametrize(
    ("subnet", "vpc", "is_chosen"),
    [
        ({}, {}, True),
        ({"public": False}, {}, True),
        ({"public": False}, {"public": True}, True),
        ({"public": False, "publicIps": True}, {}, True),
        ({"public": True}, {}, False),
        ({"public": True, "publicIps": False}, {}, False),
        ({}, {"public": True}, False),
        ({"zone": "us-east-1-bos-1a"}, {}, False),
        ({"zone": "us-east-1-wl1-bos-wlz-1"}, {}, False),
        ({"outpost": True}, {}, False),
    ],
)
def test_the_private_subnets_in_ordinary_zones_are_chosen(
    rehearse: Rehearse,
    subnet: dict[str, object],
    vpc: dict[str, object],
    is_chosen: bool,  # noqa: FBT001 a table's column
) -> None:
    assert chosen(rehearse(world=world(subnet, **vpc))) == (IDS[:1] if is_chosen else [])


def test_configured_subnets_are_used_whatever_they_are(rehearse: Rehearse) -> None:
    given = world({"public": True}, {"zone": "us-east-1b", "outpost": True}, {})
    assert chosen(rehearse(sound(network={"subnetIds": IDS[:2]}), world=given)) == IDS[:2]


def test_where_too_few_remain_each_excluded_subnet_is_named_with_the_reason(rehearse: Rehearse) -> None:
    left_out = world({"zone": "us-east-1-bos-1a"}, {"public": True}, {"outpost": True})
    left_out["clusters"] = [{**CLUSTER, "vpcId": VPC, "zones": ["us-east-1e"], "publicSubnets": False}]
    outcome = rehearse(world=left_out)
    assert outcome.status == 2
    assert outcome.problems["network.subnetIds"] == (
        "the cluster has private subnets only in us-east-1e; RDS needs two zones; "
        f"{IDS[0]} is left out: us-east-1-bos-1a is a local or wavelength zone; "
        f"{IDS[1]} is left out: it is public, with a route to an internet gateway; "
        f"{IDS[2]} is left out: it is on an Outpost"
    )
