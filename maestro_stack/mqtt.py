"""MQTT names and rights, as pure functions of the source id: topics, client ids and the server's IoT policy.

Source: sdk-go `pkg/cloudevents/generic/types/types.go` (topic grammar); AWS IoT Core developer guide,
"Publish/Subscribe policy examples" (in a policy `*` and `?` are wildcards, `+` and `#` are literal).
"""

from dataclasses import dataclass
from typing import TypedDict

PORT = 8883  # MQTT with a client certificate; 443 needs ALPN, which Maestro can't send
SHARE_GROUP = "statussubscribers"
POLICY_SIZE_MAX = 2048  # characters, white space excluded (AWS IoT Core quotas)


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

        It derives from the source id alone: two servers with one source id in an account and region would
        steal each other's messages, and so AWS itself refuses the second one's policy.
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

        def arns(kind: str, *names: str) -> list[str]:
            return [f"arn:{partition}:iot:{region}:{account_id}:{kind}/{name}" for name in names]

        def allow(sid: str, action: str, resources: list[str]) -> Statement:
            return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resources}

        any_agent = self.agent_events("*")
        return {
            "Version": "2012-10-17",
            "Statement": [
                allow("Connect", "iot:Connect", arns("client", f"{self.server_client_id_prefix}*")),
                allow("SendWork", "iot:Publish", arns("topic", self.source_events("*"))),
                allow(
                    "SubscribeToStatus",
                    "iot:Subscribe",
                    arns("topicfilter", self.shared_agent_events, self.agent_events("+")),
                ),
                allow(
                    "ReceiveStatus",
                    "iot:Receive",
                    arns("topic", any_agent, f"$share/{SHARE_GROUP}/{any_agent}"),
                ),
            ],
        }
