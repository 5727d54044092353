"""The life of security groups and their rules: what a change does, what is read back, what a delete needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from common.json_values import Json, record, records, text
from emulator.aws import AwsError, UnmappedInputError, resource_handler
from emulator.aws.cloud import Cloud
from emulator.aws.in_process import in_process_cloud
from emulator.aws.retry import has_code, retrying
from emulator.lifecycle import Change, State
from emulator.world import default_world

GROUP = resource_handler("aws:ec2/securityGroup:SecurityGroup")
RULE = resource_handler("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")

PREFIX_LIST = "pl-0123456789abcdef0"


@dataclass
class Network:
    """An account with a cluster, and short ways to use its network."""

    cloud: Cloud

    @property
    def vpc_id(self) -> str:
        return text(self._config, "vpcId")

    @property
    def cluster_group(self) -> str:
        return text(self._config, "clusterSecurityGroupId")

    @property
    def _config(self) -> dict[str, Json]:
        cluster = record(self.cloud.call("eks", "DescribeCluster", {"name": "xyz"}), "cluster")
        return record(cluster, "resourcesVpcConfig")

    def group_inputs(self, **changes: Json) -> dict[str, Json]:
        return {"name": "database", "description": "x", "vpcId": self.vpc_id, "tags": {"a": "1"}, **changes}

    def group(self, **changes: Json) -> State:
        return GROUP.create(self.cloud, self.group_inputs(**changes))

    def rule_inputs(self, group: State, source: Mapping[str, Json] | None = None) -> dict[str, Json]:
        return {
            "securityGroupId": group.id,
            "ipProtocol": "tcp",
            "fromPort": 5432.0,
            "toPort": 5432.0,
            "description": "PostgreSQL",
            "tags": {"a": "1"},
            **({"referencedSecurityGroupId": self.cluster_group} if source is None else source),
        }

    def described_rule(self, rule: State) -> dict[str, Json]:
        query: dict[str, Json] = {"SecurityGroupRuleIds": [rule.id]}
        answer = self.cloud.call("ec2", "DescribeSecurityGroupRules", query)
        return records(answer, "SecurityGroupRules")[0]


@pytest.fixture
def network() -> Iterator[Network]:
    with in_process_cloud("us-east-1", default_world("xyz", "us-east-1")) as cloud:
        yield Network(cloud)


@pytest.fixture
def calls(network: Network, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations called from now on."""
    made: list[str] = []
    real = network.cloud.call

    def call(service: str, operation: str, parameters: Mapping[str, Json]) -> dict[str, Json]:
        made.append(operation)
        return real(service, operation, parameters)

    monkeypatch.setattr(network.cloud, "call", call)
    return made


def writes(calls: list[str]) -> list[str]:
    return [call for call in calls if not call.startswith(("Describe", "List"))]


# -- security groups -----------------------------------------------------------------------------------------

GROUP_CHANGES: dict[str, Json] = {
    "name": "other",
    "description": "y",
    "vpcId": "vpc-12345678",
    "tags": {"a": "2", "b": "3"},
    "revokeRulesOnDelete": True,
}


def test_each_input_of_a_group_has_a_row() -> None:
    # Inline rules are refused, so a program can't change them.
    assert GROUP_CHANGES.keys() | {"ingress", "egress"} == GROUP.table.changes.keys()


@pytest.mark.parametrize("key", GROUP_CHANGES)
def test_a_changed_input_of_a_group_updates_or_replaces_as_the_table_says(network: Network, key: str) -> None:
    found = GROUP.difference(network.group(), network.group_inputs(**{key: GROUP_CHANGES[key]}))

    replaces = GROUP.table.changes[key] is Change.REPLACE
    assert (found.replaces, found.updates) == (((key,), ()) if replaces else ((), (key,)))


def test_a_group_reads_as_it_was_created(network: Network) -> None:
    group = network.group()

    assert GROUP.read(network.cloud, group) == group
    assert GROUP.read(network.cloud, State(group.id, {})) == group
    assert not GROUP.difference(group, network.group_inputs())


def test_an_update_of_a_group_sets_changes_and_removes_tags(network: Network) -> None:
    group = network.group(tags={"a": "1", "b": "2", "c": "3"})

    updated = GROUP.update(network.cloud, group, network.group_inputs(tags={"a": "1", "b": "9", "d": "4"}))

    assert updated.outputs["tags"] == updated.outputs["tagsAll"] == {"a": "1", "b": "9", "d": "4"}
    assert GROUP.read(network.cloud, State(group.id, {})) == updated


def test_a_tag_set_behind_our_back_is_read_and_taken_away(network: Network) -> None:
    group = network.group()
    tags: Json = [{"Key": "foreign", "Value": "x"}]
    network.cloud.call("ec2", "CreateTags", {"Resources": [group.id], "Tags": tags})

    seen = GROUP.read(network.cloud, group)
    assert seen is not None
    assert GROUP.difference(seen, network.group_inputs()).updates == ("tags",)
    assert GROUP.update(network.cloud, seen, network.group_inputs()).outputs["tags"] == {"a": "1"}


def test_whether_rules_are_revoked_on_delete_is_only_kept(network: Network, calls: list[str]) -> None:
    group = network.group()
    calls.clear()

    updated = GROUP.update(network.cloud, group, network.group_inputs(revokeRulesOnDelete=True))

    assert updated.outputs["revokeRulesOnDelete"] is True
    assert writes(calls) == []
    assert GROUP.read(network.cloud, updated) == updated


@pytest.mark.parametrize("key", ["ingress", "egress"])
def test_inline_rules_are_refused_at_an_update_too(network: Network, key: str) -> None:
    group = network.group()
    rules: Json = [{"protocol": "tcp"}]
    with pytest.raises(UnmappedInputError, match=f"inline {key} rules"):
        GROUP.update(network.cloud, group, network.group_inputs(**{key: rules}))


def test_rules_of_their_own_show_in_the_group_and_are_no_change_of_it(network: Network) -> None:
    group = network.group()
    RULE.create(network.cloud, network.rule_inputs(group))
    RULE.create(network.cloud, network.rule_inputs(group, {"referencedSecurityGroupId": group.id}))
    RULE.create(network.cloud, network.rule_inputs(group, {"cidrIpv4": "10.0.0.0/8"}))

    seen = GROUP.read(network.cloud, group)

    assert seen is not None
    assert seen.outputs["ingress"] == [
        {
            "description": "PostgreSQL",
            "fromPort": 5432,
            "toPort": 5432,
            "protocol": "tcp",
            "cidrBlocks": ["10.0.0.0/8"],
            "ipv6CidrBlocks": [],
            "prefixListIds": [],
            "securityGroups": [network.cluster_group],
            "self": True,
        }
    ]
    assert not GROUP.difference(seen, network.group_inputs())


def test_a_deleted_group_is_gone_and_deleting_it_again_is_no_error(network: Network) -> None:
    group = network.group()

    GROUP.delete(network.cloud, group)
    GROUP.delete(network.cloud, group)

    assert GROUP.read(network.cloud, group) is None


def test_a_group_that_another_ones_rule_names_is_not_deleted(network: Network) -> None:
    group, other = network.group(), network.group(name="other")
    rule = RULE.create(network.cloud, network.rule_inputs(other, {"referencedSecurityGroupId": group.id}))

    with pytest.raises(AwsError) as caught:
        GROUP.delete(network.cloud, group)
    assert caught.value.code == "DependencyViolation"
    assert GROUP.read(network.cloud, group) is not None

    RULE.delete(network.cloud, rule)
    GROUP.delete(network.cloud, group)
    assert GROUP.read(network.cloud, group) is None


def test_a_deletion_is_repeated_while_something_uses_the_group(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, other = network.group(), network.group(name="other")
    rule = RULE.create(network.cloud, network.rule_inputs(other, {"referencedSecurityGroupId": group.id}))
    network.cloud.patience = 30
    in_use = 0
    real = network.cloud.refuse

    def refuse(service: str, operation: str, code: str, message: str) -> AwsError:
        nonlocal in_use
        in_use += 1
        RULE.delete(network.cloud, rule)  # somebody else does, meanwhile
        return real(service, operation, code, message)

    with monkeypatch.context() as patched:
        patched.setattr(network.cloud, "refuse", refuse)
        GROUP.delete(network.cloud, group)

    assert in_use == 1
    assert GROUP.read(network.cloud, group) is None


def test_a_group_that_names_itself_is_deleted(network: Network) -> None:
    group = network.group()
    RULE.create(network.cloud, network.rule_inputs(group, {"referencedSecurityGroupId": group.id}))

    GROUP.delete(network.cloud, group)

    assert GROUP.read(network.cloud, group) is None


def test_rules_are_revoked_first_where_the_state_says_so(network: Network) -> None:
    group, other = network.group(revokeRulesOnDelete=True), network.group(name="other")
    own = RULE.create(network.cloud, network.rule_inputs(group))
    naming = RULE.create(network.cloud, network.rule_inputs(other, {"referencedSecurityGroupId": group.id}))

    GROUP.delete(network.cloud, group)

    assert GROUP.read(network.cloud, group) is None
    assert RULE.read(network.cloud, own) is None
    assert RULE.read(network.cloud, naming) is None
    assert GROUP.read(network.cloud, other) is not None


# -- ingress rules -------------------------------------------------------------------------------------------

SOURCES: dict[str, tuple[Json, Json]] = {
    "cidrIpv4": ("10.0.0.0/8", "10.0.0.0/9"),
    "cidrIpv6": ("2001:db8::/32", "2001:db8::/33"),
    "prefixListId": (PREFIX_LIST, PREFIX_LIST[:-1] + "1"),
}
RULE_CHANGES: dict[str, Json] = {
    "description": "something else",
    "fromPort": 5000.0,
    "ipProtocol": "udp",
    "tags": {"b": "2"},
    "toPort": 6000.0,
}


def test_each_input_of_a_rule_has_a_row() -> None:
    others = {"securityGroupId", "referencedSecurityGroupId"}
    assert RULE_CHANGES.keys() | SOURCES.keys() | others == RULE.table.changes.keys()


@pytest.mark.parametrize("source", [*SOURCES, "referencedSecurityGroupId"])
@pytest.mark.parametrize("key", RULE_CHANGES)
def test_a_rule_of_any_source_is_updated_in_place(network: Network, source: str, key: str) -> None:
    given = {source: SOURCES[source][0]} if source in SOURCES else None
    inputs = network.rule_inputs(network.group(), given)
    rule = RULE.create(network.cloud, inputs)
    changed = {**inputs, key: RULE_CHANGES[key]}

    found = RULE.difference(rule, changed)
    updated = RULE.update(network.cloud, rule, changed)

    assert (found.replaces, found.updates) == ((), (key,))
    assert updated.id == rule.id
    assert RULE.read(network.cloud, State(rule.id, {})) == updated  # nothing is taken from the state
    assert {**rule.outputs, key: RULE_CHANGES[key]} | tags_of(updated) == updated.outputs
    assert not RULE.difference(updated, changed)


def tags_of(state: State) -> dict[str, Json]:
    return {key: state.outputs[key] for key in ("tags", "tagsAll")}


@pytest.mark.parametrize("source", SOURCES)
def test_another_value_of_the_same_kind_of_source_is_updated_in_place(network: Network, source: str) -> None:
    old, new = SOURCES[source]
    inputs = network.rule_inputs(network.group(), {source: old})
    rule = RULE.create(network.cloud, inputs)

    found = RULE.difference(rule, {**inputs, source: new})
    RULE.update(network.cloud, rule, {**inputs, source: new})

    assert (found.replaces, found.updates) == ((), (source,))
    names = {"cidrIpv4": "CidrIpv4", "cidrIpv6": "CidrIpv6", "prefixListId": "PrefixListId"}
    assert network.described_rule(rule)[names[source]] == new


def test_another_group_as_the_source_is_updated_in_place(network: Network) -> None:
    inputs = network.rule_inputs(network.group())
    rule = RULE.create(network.cloud, inputs)
    other = network.group(name="other").id

    RULE.update(network.cloud, rule, {**inputs, "referencedSecurityGroupId": other})

    assert record(network.described_rule(rule), "ReferencedGroupInfo")["GroupId"] == other


def test_another_kind_of_source_replaces_the_rule(network: Network) -> None:
    group = network.group()
    rule = RULE.create(network.cloud, network.rule_inputs(group))

    found = RULE.difference(rule, network.rule_inputs(group, {"cidrIpv4": "10.0.0.0/8"}))

    assert set(found.replaces) == {"referencedSecurityGroupId", "cidrIpv4"}
    assert found.updates == ()


def test_another_group_replaces_the_rule(network: Network) -> None:
    rule = RULE.create(network.cloud, network.rule_inputs(network.group()))

    found = RULE.difference(rule, network.rule_inputs(network.group(name="other")))

    assert (found.replaces, found.updates) == (("securityGroupId",), ())


@pytest.mark.parametrize("source", [*SOURCES, "referencedSecurityGroupId"])
def test_a_rule_reads_as_it_was_created(network: Network, source: str) -> None:
    inputs = network.rule_inputs(network.group(), {source: SOURCES[source][0]} if source in SOURCES else None)
    rule = RULE.create(network.cloud, inputs)

    assert RULE.read(network.cloud, rule) == rule
    assert RULE.read(network.cloud, State(rule.id, {})) == rule
    assert not RULE.difference(rule, inputs)


def test_a_rule_for_every_protocol_has_no_ports(network: Network) -> None:
    inputs = network.rule_inputs(network.group())
    rule = RULE.create(network.cloud, inputs)
    everything = {key: value for key, value in inputs.items() if key not in ("fromPort", "toPort")}
    everything["ipProtocol"] = "-1"

    updated = RULE.update(network.cloud, rule, everything)

    assert updated.outputs.keys().isdisjoint({"fromPort", "toPort"})
    assert not RULE.difference(updated, everything)


def test_a_protocol_by_number_is_no_change(network: Network) -> None:
    inputs = network.rule_inputs(network.group())
    rule = RULE.create(network.cloud, inputs)

    assert not RULE.difference(rule, {**inputs, "ipProtocol": "6"})


def test_a_removed_description_is_removed(network: Network) -> None:
    inputs = network.rule_inputs(network.group())
    rule = RULE.create(network.cloud, inputs)
    del inputs["description"]

    updated = RULE.update(network.cloud, rule, inputs)

    assert "description" not in updated.outputs
    assert "Description" not in network.described_rule(rule)


def test_a_change_of_tags_alone_leaves_the_rule_alone(network: Network, calls: list[str]) -> None:
    inputs = network.rule_inputs(network.group())
    rule = RULE.create(network.cloud, inputs)
    calls.clear()

    RULE.update(network.cloud, rule, {**inputs, "tags": {"b": "2"}})

    assert writes(calls) == ["DeleteTags", "CreateTags"]


def test_an_update_refuses_what_a_creation_refuses(network: Network) -> None:
    inputs = network.rule_inputs(network.group())
    rule = RULE.create(network.cloud, inputs)

    with pytest.raises(AwsError) as caught:
        RULE.update(network.cloud, rule, {**inputs, "toPort": 70000.0})
    assert (caught.value.operation, caught.value.code) == (
        "ModifySecurityGroupRules",
        "InvalidParameterValue",
    )


def test_a_deleted_rule_is_gone_and_deleting_it_again_is_no_error(network: Network) -> None:
    rule = RULE.create(network.cloud, network.rule_inputs(network.group()))

    RULE.delete(network.cloud, rule)
    RULE.delete(network.cloud, rule)

    assert RULE.read(network.cloud, rule) is None


def test_a_rule_whose_group_is_gone_is_gone(network: Network) -> None:
    group = network.group()
    rule = RULE.create(network.cloud, network.rule_inputs(group))
    GROUP.delete(network.cloud, group)

    RULE.delete(network.cloud, rule)

    assert RULE.read(network.cloud, rule) is None


# -- retrying ------------------------------------------------------------------------------------------------


@dataclass
class Clock:
    """Time that passes only by waiting for it."""

    now: float = 0
    pauses: list[float] = field(default_factory=list[float])

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


def attempts(
    cloud: Cloud, clock: Clock, patience: float, failures: int, code: str = "DependencyViolation"
) -> int:
    """How many attempts are made if the first `failures` of them fail."""
    made = 0

    def attempt() -> int:
        nonlocal made
        made += 1
        if made <= failures:
            raise cloud.refuse("ec2", "DeleteSecurityGroup", code, f"attempt {made}")
        return made

    cloud.patience = patience
    return retrying(
        cloud, attempt, while_=has_code("DependencyViolation"), clock=lambda: clock.now, pause=clock.wait
    )


def test_an_attempt_is_repeated_with_growing_pauses_until_it_succeeds(network: Network) -> None:
    clock = Clock()
    assert attempts(network.cloud, clock, patience=60, failures=6) == 7
    assert clock.pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_patience_ends_with_the_last_error(network: Network) -> None:
    clock = Clock()
    with pytest.raises(AwsError, match="attempt 5"):
        attempts(network.cloud, clock, patience=1, failures=100)
    assert clock.now == pytest.approx(1)


def test_without_patience_there_is_one_attempt(network: Network) -> None:
    clock = Clock()
    with pytest.raises(AwsError, match="attempt 1"):
        attempts(network.cloud, clock, patience=0, failures=1)
    assert clock.pauses == []


def test_another_error_is_raised_at_once(network: Network) -> None:
    clock = Clock()
    with pytest.raises(AwsError, match="attempt 1"):
        attempts(network.cloud, clock, patience=60, failures=1, code="AccessDenied")
    assert clock.pauses == []


def test_patience_goes_along_into_another_region(network: Network) -> None:
    network.cloud.patience = 5
    assert network.cloud.in_region("eu-west-1").patience == 5
