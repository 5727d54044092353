"""The MQTT broker side: AWS IoT Core's endpoint, and the server's certificate and policy on it."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from maestro_stack.cluster import Cluster
from maestro_stack.errors import Problem, SurroundingsError
from maestro_stack.mqtt import Mqtt
from maestro_stack.names import attachment_name, certificate_name
from maestro_stack.schema import RotationSettings


async def find_endpoint(region: str) -> str:
    """Host of the account's Data-ATS endpoint, which chains to the Amazon root CAs.

    The first look-up in an account and region creates it. Source: AWS IoT Core API, DescribeEndpoint.

    Raises:
        SurroundingsError: the region has no AWS IoT Core, or the look-up fails.
    """
    try:
        return aws.iot.get_endpoint(endpoint_type="iot:Data-ATS").endpoint_address
    except Exception as refused:  # noqa: BLE001 the SDK raises nothing more specific
        problem = f"AWS IoT Core's endpoint in {region} can't be read: {refused}"
        example = "example of a region with AWS IoT Core: pulumi config set aws:region us-east-1"
        raise SurroundingsError([Problem(key="aws:region", problem=problem, example=example)]) from None


@dataclass(frozen=True, kw_only=True)
class BrokerArgs:
    """What the broker needs to know."""

    cluster: Cluster
    endpoint: str
    """Host, without port: see `find_endpoint`."""
    mqtt: Mqtt
    rotation: RotationSettings
    """Which certificates exist, and which one the server gets."""
    tags: dict[str, str]


class Broker(pulumi.ComponentResource):
    """MQTT endpoint and the server's identity on it.

    Each generation of the certificate is a resource of its own, named after the string that asked for it: the
    engine creates the new one first, and deletes the old one at the end of the update that no longer
    declares it.

    The certificate authenticates the server (X.509, port 8883); the policy says which topics it may use. IAM
    is not consulted. Source: AWS IoT Core developer guide, "X.509 client certificates".
    """

    endpoint: str
    """Host, without port."""
    policy_name: pulumi.Output[str]
    policy_arn: pulumi.Output[str]
    certificate_id: pulumi.Output[str]
    certificate_arn: pulumi.Output[str]
    certificate_pem: pulumi.Output[str]
    """PEM; public, but the provider marks it secret."""
    private_key: pulumi.Output[str]
    """PEM; secret. AWS returns it only once, so it lives in the stack's state, encrypted."""
    authorization: pulumi.Resource
    """Exists once the policy is attached to the certificate."""

    def __init__(self, name: str, args: BrokerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("maestro:aws:Broker", name, opts=opts)
        child = pulumi.ResourceOptions(parent=self)
        document = args.mqtt.server_policy(
            partition=args.cluster.partition,
            region=args.cluster.region,
            account_id=args.cluster.account_id,
        )
        policy = aws.iot.Policy(
            "policy",
            name=args.mqtt.policy_name,
            policy=json.dumps(document),
            tags=args.tags,
            opts=child,
        )
        certificate, self.authorization = self._certificate(args.rotation.certificate, policy)
        if args.rotation.keep_certificate is not None:
            self._certificate(args.rotation.keep_certificate, policy)
        self.endpoint = args.endpoint
        self.policy_name = policy.name
        self.policy_arn = policy.arn
        self.certificate_id = certificate.id
        self.certificate_arn = certificate.arn
        self.certificate_pem = certificate.certificate_pem
        self.private_key = certificate.private_key
        self.register_outputs({"endpoint": self.endpoint, "certificateId": self.certificate_id})

    def _certificate(
        self, generation: str, policy: aws.iot.Policy
    ) -> tuple[aws.iot.Certificate, aws.iot.PolicyAttachment]:
        child = pulumi.ResourceOptions(parent=self)
        certificate = aws.iot.Certificate(certificate_name(generation), active=True, opts=child)
        attachment = aws.iot.PolicyAttachment(
            attachment_name(generation), policy=policy.name, target=certificate.arn, opts=child
        )
        return certificate, attachment
