"""MQTT names, and the IoT policies of server and agents, evaluated as AWS evaluates them."""

import json
import re

import pytest

from checks.aws_policy import PolicyDocument, Request, is_allowed, parse
from maestro_stack.mqtt import POLICY_SIZE_MAX, SHARE_GROUP, Mqtt

# sdk-go pkg/cloudevents/generic/types/types.go
TOPIC = re.compile(
    r"(\$share/[a-z0-9-]+/)?[a-z]+/([a-z0-9-]+|\+)/[a-z]+/([a-z0-9-]+|\+)/(sourceevents|agentevents)"
)
SOURCE_IDS = ["maestro", "a", "0", "maestro-east", "x" * 40]
ARN = "arn:aws:iot:us-east-1:111122223333"
AGENT = "sources/maestro/consumers/mc-1/agentevents"
SHARED = f"$share/{SHARE_GROUP}/"


def policy(source_id: str = "maestro") -> PolicyDocument:
    document = Mqtt(source_id).server_policy(partition="aws", region="us-east-1", account_id="111122223333")
    return parse(json.dumps(document), kind="iot")


def allowed(action: str, resource: str, arn: str = ARN) -> bool:
    return is_allowed([policy()], Request(action=f"iot:{action}", resource=f"{arn}:{resource}")).allowed


@pytest.mark.parametrize("source_id", SOURCE_IDS)
def test_topics_are_those_that_maestro_accepts(source_id: str) -> None:
    mqtt = Mqtt(source_id)
    for topic in (mqtt.source_events("+"), mqtt.agent_events("+"), mqtt.shared_agent_events):
        assert TOPIC.fullmatch(topic), topic
        # The second part must be the source id itself, or Maestro doesn't subscribe.
        assert topic.removeprefix(SHARED).split("/")[1] == source_id
        assert topic.count("/") <= 7  # AWS IoT Core quotas
        assert len(topic.replace("+", "x" * 63).encode()) <= 256
    assert not mqtt.source_events("+").startswith("$share")  # Maestro publishes to it
    assert mqtt.shared_agent_events == f"{SHARED}{mqtt.agent_events('+')}"


def test_the_default_names_are_those_of_the_chart() -> None:
    mqtt = Mqtt("maestro")
    assert mqtt.source_events("+") == "sources/maestro/consumers/+/sourceevents"
    assert mqtt.shared_agent_events == "$share/statussubscribers/sources/maestro/consumers/+/agentevents"
    assert mqtt.server_client_id_prefix == "maestro-server-"
    assert mqtt.policy_name == "maestro-server"


@pytest.mark.parametrize("source_id", SOURCE_IDS)
def test_client_ids_and_policy_names_fit(source_id: str) -> None:
    pod = "maestro-" + "0" * 10 + "-" + "x" * 5
    assert len(f"{Mqtt(source_id).server_client_id_prefix}{pod}") <= 128  # AWS IoT Core quotas
    assert re.fullmatch(r"[\w+=,.@-]{1,128}", Mqtt(source_id).policy_name, re.ASCII)


@pytest.mark.parametrize(
    ("partition", "region"), [("aws", "ap-southeast-1"), ("aws-us-gov", "us-gov-west-1")]
)
def test_the_longest_policy_fits_aws(partition: str, region: str) -> None:
    document = Mqtt("x" * 40).server_policy(partition=partition, region=region, account_id="111122223333")
    assert len(re.sub(r"\s", "", json.dumps(document))) < POLICY_SIZE_MAX


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("Connect", "client/maestro-server-maestro-5d4f8b7c9-abcde"),
        ("Publish", "topic/sources/maestro/consumers/mc-1/sourceevents"),
        ("Subscribe", f"topicfilter/{SHARED}sources/maestro/consumers/+/agentevents"),
        ("Subscribe", "topicfilter/sources/maestro/consumers/+/agentevents"),
        ("Receive", f"topic/{AGENT}"),
        ("Receive", f"topic/{SHARED}{AGENT}"),
    ],
)
def test_what_the_server_does_is_allowed(action: str, resource: str) -> None:
    assert allowed(action, resource)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        # As an agent, as the default id of old releases, as another source's server, as anybody.
        ("Connect", "client/maestro-agent-mc-1-client"),
        ("Connect", "client/maestro"),
        ("Connect", "client/maestro-east-server-pod"),
        ("Connect", "client/console"),
        ("Connect", "client/x-maestro-server-pod"),
        # In an agent's name, for another source, anywhere else.
        ("Publish", f"topic/{AGENT}"),
        ("Publish", "topic/sources/maestro-east/consumers/mc-1/sourceevents"),
        ("Publish", "topic/sources/maestro/clusters/mc-1/sourceevents"),
        ("Publish", "topic/$aws/things/x/shadow/update"),
        # Everything, another source's, the work that goes to agents.
        ("Subscribe", "topicfilter/#"),
        ("Subscribe", "topicfilter/sources/#"),
        ("Subscribe", "topicfilter/sources/+/consumers/+/agentevents"),
        ("Subscribe", "topicfilter/sources/maestro-east/consumers/+/agentevents"),
        ("Subscribe", "topicfilter/sources/maestro/consumers/+/sourceevents"),
        ("Subscribe", "topicfilter/$share/others/sources/maestro/consumers/+/agentevents"),
        ("Receive", "topic/sources/maestro/consumers/mc-1/sourceevents"),
        ("Receive", "topic/sources/maestro-east/consumers/mc-1/agentevents"),
        ("Receive", "topic/$share/others/sources/maestro/consumers/mc-1/agentevents"),
        ("RetainPublish", "topic/sources/maestro/consumers/mc-1/sourceevents"),
        ("GetThingShadow", "thing/x"),
    ],
)
def test_everything_else_is_denied(action: str, resource: str) -> None:
    assert not allowed(action, resource)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "arn:aws:iot:us-west-2:111122223333",
        "arn:aws:iot:us-east-1:444455556666",
        "arn:aws-cn:iot:us-east-1:111122223333",
    ],
)
def test_the_rights_end_at_region_account_and_partition(elsewhere: str) -> None:
    assert not allowed("Connect", "client/maestro-server-pod", elsewhere)


def test_the_policy_name_depends_on_the_source_id_alone() -> None:
    # So AWS refuses a second server of the same source in one account and region.
    assert [Mqtt(each).policy_name for each in SOURCE_IDS] == [f"{each}-server" for each in SOURCE_IDS]


# --- agents -------------------------------------------------------------------------------------------

PAIRS = [
    ("mc", "mc-east"),
    ("mc-east", "mc"),
    ("mc-1", "mc-11"),
    ("a", "ab"),
    ("east", "mc-east"),
    ("server", "mc"),
]
"""An agent, and another that it must have no hold on; often one name begins or ends with the other."""


def agents_policy(consumer: str, source_id: str = "maestro") -> PolicyDocument:
    agent = Mqtt(source_id).agent(consumer)
    document = agent.policy(partition="aws", region="us-east-1", account_id="111122223333")
    return parse(json.dumps(document), kind="iot")


def agent_may(consumer: str, action: str, resource: str) -> bool:
    request = Request(action=f"iot:{action}", resource=f"{ARN}:{resource}")
    return is_allowed([agents_policy(consumer)], request).allowed


def operations(consumer: str, source_id: str = "maestro") -> list[tuple[str, str]]:
    """Everything that the agent of a consumer does on the broker."""
    topics = f"sources/{source_id}/consumers/{consumer}"
    return [
        ("Connect", f"client/{source_id}-agent-{consumer}-client"),
        ("Publish", f"topic/{topics}/agentevents"),
        ("Subscribe", f"topicfilter/{topics}/sourceevents"),
        ("Receive", f"topic/{topics}/sourceevents"),
    ]


@pytest.mark.parametrize("consumer", ["mc", "mc-east", "0", "x" * 63])
def test_an_agent_may_do_its_work(consumer: str) -> None:
    for operation in operations(consumer):
        assert agent_may(consumer, *operation), operation


@pytest.mark.parametrize(("consumer", "other"), PAIRS)
def test_an_agent_may_do_nothing_in_the_name_of_another(consumer: str, other: str) -> None:
    for operation in operations(other):
        assert not agent_may(consumer, *operation), operation


@pytest.mark.parametrize("consumer", ["mc", "server", "server-maestro-0"])
@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("Connect", "client/maestro-server-maestro-0"),
        ("Connect", "client/maestro"),
        ("Connect", "client/maestro-agent-mc-client-2"),
        ("Publish", "topic/sources/maestro/consumers/mc/sourceevents"),
        ("Publish", "topic/$share/statussubscribers/sources/maestro/consumers/mc/agentevents"),
        ("Subscribe", "topicfilter/sources/maestro/consumers/+/sourceevents"),
        ("Subscribe", "topicfilter/sources/maestro/consumers/mc/agentevents"),
        ("Subscribe", f"topicfilter/{SHARED}sources/maestro/consumers/+/agentevents"),
        ("Subscribe", "topicfilter/#"),
        ("Receive", f"topic/{AGENT}"),
        ("RetainPublish", "topic/sources/maestro/consumers/mc/agentevents"),
        ("GetThingShadow", "thing/mc"),
    ],
)
def test_an_agent_may_neither_be_nor_hear_nor_command_anybody_else(
    consumer: str, action: str, resource: str
) -> None:
    assert not agent_may(consumer, action, resource)


def test_an_agent_of_another_source_has_no_rights_here() -> None:
    for action, resource in operations("mc", "maestro-east"):
        assert not agent_may("mc", action, resource)


def test_server_and_agents_never_have_a_client_id_in_common() -> None:
    for consumer in ("mc", "server", "server-0"):
        connect = Request(
            action="iot:Connect", resource=f"{ARN}:client/{Mqtt('maestro').agent(consumer).client_id}"
        )
        assert not is_allowed([policy()], connect).allowed


@pytest.mark.parametrize(
    "name", ["", "-mc", "mc-", "Mc", "mc.east", "mc_1", "*", "m?", "+", "mc/#", "x" * 64]
)
def test_no_agent_has_a_name_that_maestro_refuses(name: str) -> None:
    with pytest.raises(ValueError, match="must be a consumer's name"):
        Mqtt("maestro").agent(name)


def test_an_agents_names_fit_aws_and_maestro() -> None:
    agent = Mqtt("x" * 40).agent("y" * 63)
    assert len(agent.client_id) <= 128
    assert re.fullmatch(r"[\w+=,.@-]{1,128}", agent.policy_name, re.ASCII)
    assert agent.client_id == f"{agent.cloudevents_client_id}-client"
    for topic in (agent.source_events, agent.agent_events):
        assert TOPIC.fullmatch(topic)
        assert len(topic.encode()) <= 256
    document = agent.policy(partition="aws-us-gov", region="us-gov-west-1", account_id="111122223333")
    assert len(re.sub(r"\s", "", json.dumps(document))) < POLICY_SIZE_MAX
