"""MQTT names and rights, as pure functions of the source id: topics, client ids, the server's and the agents'
IoT policies.

Source: sdk-go `pkg/cloudevents/generic/types/types.go` (topic grammar); AWS IoT Core developer guide,
"Publish/Subscribe policy examples" (in a policy `*` and `?` are wildcards, `+` and `#` are literal).
"""

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TypedDict

PORT = 8883  # MQTT with a client certificate; 443 needs ALPN, which Maestro can't send
SHARE_GROUP = "statussubscribers"
POLICY_SIZE_MAX = 2048  # characters, white space excluded (AWS IoT Core quotas)
CONSUMER = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A consumer's name: a DNS label, as in Maestro. It can't hold a wildcard of a policy or topic."""


def consumer_problem(name: str) -> str | None:
    """What is wrong with a consumer's name; None if nothing is."""
    if CONSUMER.fullmatch(name):
        return None
    return "must be a consumer's name: 1 to 63 lower-case letters, digits or hyphens, no hyphen at the ends"


def amazon_root_cas() -> str:
    """The four Amazon root CAs that IoT data endpoints chain to, as PEM.

    Source: AWS IoT Core developer guide, "Server authentication", CA certificates for ATS endpoints.
    """
    return (files("maestro_stack") / "data" / "amazon-root-cas.pem").read_text(encoding="ascii")


class Statement(TypedDict):
    """One statement of a policy document."""

    Sid: str
    Effect: str
    Action: str
    Resource: list[str]


class PolicyDocument(TypedDict):
    """A policy document as AWS reads it."""

    Version: str
    Statement: list[Statement]


@dataclass(frozen=True)
class Mqtt:
    """The MQTT names of one Maestro source. IoT Core is one namespace per account and region."""

    source_id: str

    @property
    def policy_name(self) -> str:
        """Physical name of the server's IoT policy.

        It derives from the source id alone, so that AWS itself refuses the policy of a second server with the
        same one in an account and region: the two would steal each other's messages.
        """
        return f"{self.source_id}-server"

    @property
    def server_client_id_prefix(self) -> str:
        """What every server pod's MQTT client id begins with; the chart appends the pod's name."""
        return f"{self.source_id}-server-"

    def source_events(self, consumer: str) -> str:
        """Topic that the server publishes to and one consumer's agent receives on."""
        return f"sources/{self.source_id}/consumers/{consumer}/sourceevents"

    def agent_events(self, consumer: str) -> str:
        """Topic that one consumer's agent publishes to and the server receives on."""
        return f"sources/{self.source_id}/consumers/{consumer}/agentevents"

    @property
    def shared_agent_events(self) -> str:
        """Filter that the server's replicas share, so that each status message is handled once."""
        return f"$share/{SHARE_GROUP}/{self.agent_events('+')}"

    def server_policy(self, *, partition: str, region: str, account_id: str) -> PolicyDocument:
        """The server's rights on the broker, as an IoT policy document.

        Shared subscriptions are allowed in both forms, with and without `$share`: AWS doesn't document which
        of them it evaluates (the AWS device SDKs' samples grant both).
        """
        broker = f"arn:{partition}:iot:{region}:{account_id}"
        any_agent = self.agent_events("*")
        return _document(
            _allow("Connect", "iot:Connect", broker, f"client/{self.server_client_id_prefix}*"),
            _allow("SendWork", "iot:Publish", broker, f"topic/{self.source_events('*')}"),
            _allow(
                "SubscribeToStatus",
                "iot:Subscribe",
                broker,
                f"topicfilter/{self.shared_agent_events}",
                f"topicfilter/{self.agent_events('+')}",
            ),
            _allow(
                "ReceiveStatus",
                "iot:Receive",
                broker,
                f"topic/{any_agent}",
                f"topic/$share/{SHARE_GROUP}/{any_agent}",
            ),
        )

    def agent(self, consumer: str) -> "Agent":
        """The agent of one consumer.

        Raises:
            ValueError: no consumer can have this name (`consumer_problem`).
        """
        return Agent(self, consumer)


@dataclass(frozen=True)
class Agent:
    """The MQTT names and rights of the agent of one consumer.

    No two agents of a source share any of them. Two sources whose names would lead to the same client id also
    get the same policy name, and AWS refuses the second.
    """

    source: Mqtt
    consumer: str

    def __post_init__(self) -> None:
        if problem := consumer_problem(self.consumer):
            raise ValueError(f"{self.consumer!r} {problem}")

    @property
    def cloudevents_client_id(self) -> str:
        """What the agent's flag `--cloudevents-client-id` takes."""
        return f"{self.source.source_id}-agent-{self.consumer}"

    @property
    def client_id(self) -> str:
        """The MQTT client id. The agent makes it from the flag's value (sdk-go, NewAgentOptions)."""
        return f"{self.cloudevents_client_id}-client"

    @property
    def source_events(self) -> str:
        """Topic on which it receives its work."""
        return self.source.source_events(self.consumer)

    @property
    def agent_events(self) -> str:
        """Topic to which it publishes its status."""
        return self.source.agent_events(self.consumer)

    @property
    def policy_name(self) -> str:
        """Physical name of its IoT policy."""
        return f"{self.source.source_id}-agent-{self.consumer}"

    def policy(self, *, partition: str, region: str, account_id: str) -> PolicyDocument:
        """Its rights on the broker: to connect as itself, and to use its own two topics.

        It has no wildcard: with one after its name, agent `mc` could connect as agent `mc-east`.
        """
        broker = f"arn:{partition}:iot:{region}:{account_id}"
        return _document(
            _allow("Connect", "iot:Connect", broker, f"client/{self.client_id}"),
            _allow("SendStatus", "iot:Publish", broker, f"topic/{self.agent_events}"),
            _allow("SubscribeToWork", "iot:Subscribe", broker, f"topicfilter/{self.source_events}"),
            _allow("ReceiveWork", "iot:Receive", broker, f"topic/{self.source_events}"),
        )


def _document(*statements: Statement) -> PolicyDocument:
    return {"Version": "2012-10-17", "Statement": [*statements]}


def _allow(sid: str, action: str, broker: str, *names: str) -> Statement:
    """`names` are the parts of the resources' ARNs after the broker's, each with its kind in front."""
    return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": [f"{broker}:{n}" for n in names]}
