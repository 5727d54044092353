"""World files: what they may say, and what is reported about wrong ones."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from emulator.world import Problem, World, WorldError, default_world, load_world, parse_world
from maestro_stack.settings import parse
from rehearsal.rehearse import world_of

COMPLETE = """
account: "210987654321"
clusters:
  - name: regional-xyz
    region: us-east-1
    status: UPDATING
    ipFamily: ipv6
    version: "1.33"
    zones: [us-east-1a, us-east-1b]
    publicSubnets: false
    vpcId: vpc-0123456789abcdef0
vpcs:
  - {id: vpc-0123456789abcdef0, cidr: 10.9.0.0/16, public: false}
subnets:
  - {id: subnet-0123456789abcdef0, vpcId: vpc-0123456789abcdef0, zone: us-east-1a, public: true}
  - {id: subnet-0123456789abcdef1, zone: us-east-1-bos-1a, publicIps: true, outpost: true, ofCluster: true}
securityGroups:
  - {id: sg-01234567, name: clients}
configMaps:
  kube-system/bootstrap-output: {cluster_name: other}
iotPolicies: [maestro-server]
deletedSecrets: [regional-xyz/maestro/db-credentials]
"""


@pytest.mark.parametrize(
    ("role", "account"),
    [
        ("arn:aws:iam::210987654321:role/deployer", "210987654321"),
        ("arn:aws:iam::210987654321:role/path/deployer", "210987654321"),
        ("deployer", "123456789012"),
    ],
)
def test_the_default_world_is_in_the_account_of_the_role_that_the_stack_takes(
    role: str, account: str
) -> None:
    config = {
        "aws:region": "us-east-1",
        "aws:assumeRoles": json.dumps([{"roleArn": role}]),
        "maestro-stack:clusterName": "regional-xyz",
        "maestro-stack:profile": "dev",
    }
    settings = parse(config, project="maestro-stack", root=Path(__file__).parents[2])
    assert world_of(settings).account == account


def problems(content: object) -> list[str]:
    with pytest.raises(WorldError) as caught:
        parse_world(content)
    return [str(problem) for problem in caught.value.problems]


def cluster(**changes: object) -> dict[str, object]:
    return {"clusters": [{"name": "regional-xyz", "region": "us-east-1", **changes}]}


def test_a_complete_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "world.yaml"
    file.write_text(COMPLETE, encoding="utf-8")

    world = load_world(file)

    assert world.account == "210987654321"
    assert world.clusters[0].zones == ["us-east-1a", "us-east-1b"]
    assert (world.clusters[0].status, world.clusters[0].ip_family) == ("UPDATING", "ipv6")
    assert world.subnets[0].public
    assert world.subnets[1].of_cluster
    assert world.security_groups[0].id == "sg-01234567"
    assert world.config_maps == {"kube-system/bootstrap-output": {"cluster_name": "other"}}
    assert world.iot_policies == ["maestro-server"]
    assert world.deleted_secrets == ["regional-xyz/maestro/db-credentials"]


def test_an_empty_file_is_an_empty_account(tmp_path: Path) -> None:
    file = tmp_path / "world.yaml"
    file.write_text("# nothing here\n", encoding="utf-8")

    assert load_world(file) == World()


def test_the_default_world_holds_what_the_settings_name() -> None:
    world = default_world(
        "regional-xyz",
        "eu-central-1",
        ip_family="ipv6",
        vpc_id="vpc-0123456789abcdef0",
        subnet_ids=["subnet-0123456789abcdef0"],
        security_group_ids=["sg-0123456789abcdef0", "sg-0123456789abcdef0"],
    )

    assert [item.name for item in world.clusters_in("eu-central-1")] == ["regional-xyz"]
    assert world.clusters_in("us-east-1") == []
    assert world.clusters[0].vpc_id == world.vpcs[0].id == "vpc-0123456789abcdef0"
    assert [item.id for item in world.subnets] == ["subnet-0123456789abcdef0"]
    assert [item.id for item in world.security_groups] == ["sg-0123456789abcdef0"]


def test_a_hundred_characters_with_capitals_and_underscores_are_a_cluster_name() -> None:
    assert default_world("Regional_" + "x" * 91, "us-east-1").clusters[0].name.startswith("Regional_")


def test_the_default_world_refuses_what_aws_cannot_have_issued() -> None:
    with pytest.raises(WorldError) as caught:
        default_world("regional xyz", "us-eats-1", vpc_id="vpc-1")

    text = str(caught.value)
    assert text.startswith("the stack's settings: ")
    assert "clusters[0].name" in text
    assert "vpcs[0].id" in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (["a"], "must be a mapping of keys, not a list"),
        ("text", "must be a mapping of keys, not the str 'text'"),
        ({"cluster": []}, "cluster: unknown key; did you mean clusters?"),
        ({"securitygroups": []}, "securitygroups: unknown key; did you mean securityGroups?"),
        ({"colour": "blue"}, "colour: unknown key; known are account, clusters, "),
        (cluster(ipFamliy="ipv4"), "clusters[0].ipFamliy: unknown key; did you mean ipFamily?"),
        (
            {"account": 123456789012},
            'account: must be a valid string, not 123456789012; for example account: "',
        ),
        (
            {"account": "12345"},
            'account: "12345" has the wrong form; for example account: "123456789012"',
        ),
        (
            {"clusters": {"name": "x"}},
            "clusters: must be a valid list, not a mapping; for example clusters: [{",
        ),
        ({"clusters": ["x"]}, 'clusters[0]: must be a mapping, not "x"; for example clusters: [{name'),
        ({"clusters": [{"name": "x"}]}, "clusters[0].region: is required; for example region: us-east-1"),
        (cluster(name=""), 'clusters[0].name: "" has the wrong form; for example name: regional-xyz'),
        (cluster(name="-x"), 'clusters[0].name: "-x" has the wrong form'),
        (cluster(name="x" * 101), "clusters[0].name: "),
        (
            cluster(region="us-eats-1"),
            "clusters[0].region: no AWS region is called us-eats-1; did you mean us-east-1",
        ),
        (cluster(region="mars"), "clusters[0].region: no AWS region is called mars"),
        (cluster(status="active"), "clusters[0].status: must be 'CREATING', 'ACTIVE'"),
        (
            cluster(ipFamily="ipv5"),
            "clusters[0].ipFamily: must be 'ipv4' or 'ipv6', not \"ipv5\"; for example",
        ),
        (cluster(version=1.33), "clusters[0].version: must be a valid string, not 1.33"),
        (cluster(zones=[]), "clusters[0].zones: must not be empty; for example zones: [us-east-1a"),
        (
            cluster(zones=["eu-west-1a"]),
            "clusters[0].zones: eu-west-1a is not a zone of us-east-1; for example",
        ),
        (cluster(endpointAccess="none"), "clusters[0].endpointAccess: must be 'public' or 'private', not"),
        (
            {"subnets": [{"id": "subnet-11111111", "zone": "bos-1a"}]},
            "subnets[0].zone: bos-1a is not the name of a zone; for example zone: us-east-1a",
        ),
        (
            {"subnets": [{"id": "subnet-11111111", "ofCluster": True}]},
            "subnets[0].ofCluster: there is no cluster; for example clusters: [{name: regional-xyz",
        ),
        (cluster(publicSubnets="yes"), 'clusters[0].publicSubnets: must be a valid boolean, not "yes"'),
        (
            cluster(vpcId="vpc-11111111"),
            "clusters[0].vpcId: vpc-11111111 is not among vpcs; for example vpcs: [{id",
        ),
        (
            {"vpcs": [{"id": "vpc-1"}]},
            'vpcs[0].id: "vpc-1" has the wrong form; for example id: vpc-0123',
        ),
        (
            {"vpcs": [{"id": "vpc-11111111", "cidr": "10.0.0.0/8"}]},
            'vpcs[0].cidr: "10.0.0.0/8" has the wrong',
        ),
        ({"subnets": [{"id": "sg-11111111"}]}, "subnets[0].id: "),
        ({"securityGroups": [{"name": "x"}]}, "securityGroups[0].id: is required; for example id: sg-0123"),
        ({"configMaps": {"bootstrap-output": {}}}, "configMaps.bootstrap-output: "),
        (
            {"configMaps": {"a/b": {"c": 1}}},
            "configMaps.a/b.c: must be a valid string, not 1; for example configMaps",
        ),
        ({"iotPolicies": ["x", "x"]}, "iotPolicies: x occurs twice"),
        (
            {"deletedSecrets": "x"},
            'deletedSecrets: must be a valid list, not "x"; for example deletedSecrets: [',
        ),
    ],
)
def test_bad_input_is_named_with_its_problem(content: object, expected: str) -> None:
    found = problems(content)

    assert len(found) == 1
    assert found[0].startswith(expected)


def test_two_clusters_of_one_name_may_be_in_two_regions_only() -> None:
    here, there = ({"name": "x", "region": region} for region in ("us-east-1", "us-west-2"))

    assert len(parse_world({"clusters": [here, there]}).clusters) == 2
    assert problems({"clusters": [here, here]}) == ["clusters: x in us-east-1 occurs twice"]


def test_all_problems_are_named_at_once() -> None:
    found = problems({"acount": "1", "clusters": [{"name": "a b"}], "vpcs": [dict[str, str]()]})

    assert [problem.split(":")[0] for problem in found] == [
        "clusters[0].name",
        "clusters[0].region",
        "vpcs[0].id",
        "acount",
    ]


def test_the_message_is_the_file_and_a_line_for_each_problem(tmp_path: Path) -> None:
    file = tmp_path / "world.yaml"
    file.write_text("acount: x\nvpcs: 1\n", encoding="utf-8")

    with pytest.raises(WorldError) as caught:
        load_world(file)

    lines = str(caught.value).splitlines()
    assert lines[0] == f"{file}: 2 problems"
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: \xff", "must be UTF-8 text, but byte 4 is 0xff"),
        (b"a: [1", "can't be read as YAML: "),
        (b"a: b: c", "can't be read as YAML: mapping values are not allowed here (line 1, column 5)"),
        (b"- a\n", "must be a mapping of keys, not a list"),
        (b"a: !!python/object:os.system {}\n", "a: unknown key"),
    ],
)
def test_a_file_that_holds_no_world_is_an_error(tmp_path: Path, content: bytes, expected: str) -> None:
    file = tmp_path / "world.yaml"
    file.write_bytes(content)

    with pytest.raises(WorldError) as caught:
        load_world(file)

    assert str(caught.value.problems[0]).startswith(expected)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="does not exist"):
        load_world(tmp_path / "absent.yaml")

    with pytest.raises(WorldError, match="can't be read: "):
        load_world(tmp_path)


def test_a_problem_without_a_key_or_an_example_is_just_the_problem() -> None:
    assert str(Problem("", "is wrong", "")) == "is wrong"


def test_a_cluster_may_be_a_real_one_on_this_machine() -> None:
    authority = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMAo=\n").decode()

    world = parse_world(cluster(endpoint="https://127.0.0.1:6443", certificateAuthority=authority))

    assert world.clusters[0].endpoint == "https://127.0.0.1:6443"
    assert world.clusters[0].certificate_authority == authority


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://10.0.0.1:6443",
        "https://example.com:6443",
        "https://127.0.0.1.example.com:6443",
        "https://127.0.0.1",
        "https://127.0.0.1:port",
        "ftp://127.0.0.1:6443",
        "https://127.0.0.1:6443/path",
        "127.0.0.1:6443",
    ],
)
def test_an_endpoint_elsewhere_is_refused(endpoint: str) -> None:
    (problem,) = problems(cluster(endpoint=endpoint))

    assert problem.startswith(f"clusters[0].endpoint: {endpoint} is not an address of this machine; ")
    assert problem.endswith("for example endpoint: https://127.0.0.1:6443")


@pytest.mark.parametrize("authority", ["-----BEGIN CERTIFICATE-----", "bm90aGluZw==", "Ω"])
def test_a_certificate_authority_is_a_pem_file_in_base64(authority: str) -> None:
    (problem,) = problems(cluster(certificateAuthority=authority))

    assert problem.startswith("clusters[0].certificateAuthority: is not a PEM certificate in base64; ")
    assert problem.endswith("for example the output of: base64 -w0 ca.crt")
