"""The agent of one management cluster: who it is on the region's broker, and what it finds in its cluster."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from maestro_stack.kubeconfig import eks_kubeconfig
from maestro_stack.mqtt import amazon_root_cas
from maestro_stack.names import IAM_ROLE_NAME_MAX, slug
from maestro_stack.outputs import AgentOutputs, MaestroOutputs
from maestro_stack.permissions import secrets_policy, trust_policy
from management_cluster.cluster import Cluster

NAMESPACE = "maestro-agent"
SERVICE_ACCOUNT = "maestro-agent"
CONFIG_MAP = "maestro-agent-mqtt"
MOUNT = "/mnt/secrets-store"
"""Where the agent's pod mounts the secret, with a SecretProviderClass: see README.md."""


def broker_config(*, endpoint: str, port: int, source_events: str, agent_events: str) -> str:
    """The agent's MQTT configuration file.

    Source: sdk-go, pkg/cloudevents/generic/options/mqtt/options.go.
    """
    return f"""\
brokerHost: "{endpoint}:{port}"
caFile: {MOUNT}/ca.crt
clientCertFile: {MOUNT}/certificate
clientKeyFile: {MOUNT}/privateKey
topics:
  sourceEvents: {source_events}
  agentEvents: {agent_events}
"""


@dataclass(frozen=True, kw_only=True)
class AgentArgs:
    """What an agent needs to know."""

    cluster: Cluster
    region: MaestroOutputs
    broker: aws.Provider
    """Of the region's account."""


class Agent(pulumi.ComponentResource):
    """Everything that one agent needs. Agents share nothing: each comes and goes alone."""

    outputs: dict[str, pulumi.Input[str]]
    """For installing the agent."""

    def __init__(self, name: str, args: AgentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("maestro:agent:Agent", name, opts=opts)
        # Every child's name: a URN has the parent's type, not its name, and no two children are of one type.
        self._name = name
        self._args = args
        self._tags = {
            "maestro:consumer": args.cluster.settings.consumer,
            "maestro:stack": pulumi.get_stack(),
            "managed-by": "pulumi",
        }
        agent = args.region.agent(args.cluster.settings.consumer)
        certificate, authorization = self._certificate(agent)
        secret, version = self._secret(certificate)
        role, grants = self._identity(secret)
        config_map = self._configuration(agent, ready=(authorization, version, *grants))
        self.outputs = {
            "clientId": agent.client_id,
            "cloudeventsClientId": agent.cloudevents_client_id,
            "secretName": secret.name,
            "secretArn": secret.arn,
            "roleArn": role.arn,
            "configMap": pulumi.Output.concat(NAMESPACE, "/", config_map.metadata.name),
        }
        self.register_outputs({})

    def _in_region(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self._args.broker)

    def _in_cluster_account(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self._args.cluster.provider)

    def _certificate(self, agent: AgentOutputs) -> tuple[aws.iot.Certificate, pulumi.Resource]:
        """The agent on the broker: its certificate, and what exists once the certificate has its rights."""
        policy = aws.iot.Policy(
            self._name, name=agent.policy_name, policy=agent.policy, tags=self._tags, opts=self._in_region()
        )
        certificate = aws.iot.Certificate(self._name, active=True, opts=self._in_region())
        authorization = aws.iot.PolicyAttachment(
            self._name, policy=policy.name, target=certificate.arn, opts=self._in_region()
        )
        return certificate, authorization

    def _secret(
        self, certificate: aws.iot.Certificate
    ) -> tuple[aws.secretsmanager.Secret, aws.secretsmanager.SecretVersion]:
        """The certificate where the agent's pod can mount it: in the form of the server's secret."""
        secret = aws.secretsmanager.Secret(
            self._name,
            name=f"{self._args.cluster.settings.name}/maestro/agent-mqtt-cert",
            description="MQTT certificate and key of the Maestro agent",
            # One that can be restored blocks its name for days, and is useless without its certificate.
            recovery_window_in_days=0,
            tags=self._tags,
            opts=self._in_cluster_account(),
        )
        value = {
            "certificate": certificate.certificate_pem,
            "privateKey": certificate.private_key,
            "caCert": amazon_root_cas(),
        }
        version = aws.secretsmanager.SecretVersion(
            self._name,
            secret_id=secret.id,
            secret_string=pulumi.Output.secret(pulumi.Output.json_dumps(value)),
            # Explicit, so that a version written by someone else shows up as drift.
            version_stages=["AWSCURRENT"],
            opts=self._in_cluster_account(),
        )
        return secret, version

    def _identity(
        self, secret: aws.secretsmanager.Secret
    ) -> tuple[aws.iam.Role, tuple[pulumi.Resource, pulumi.Resource]]:
        """The agent's pod in AWS: a role that reads the secret, tied to its service account."""
        cluster = self._args.cluster
        trust = trust_policy(
            sid="MaestroAgentPods",
            service=cluster.pod_identity_service,
            account_id=cluster.account_id,
            cluster_arn=cluster.arn,
            namespace=NAMESPACE,
            service_account=SERVICE_ACCOUNT,
        )
        where = cluster.settings
        role = aws.iam.Role(
            self._name,
            # IAM is global, so the name carries the region.
            name=slug(
                where.name, prefix="maestro-agent-", suffix=f"-{where.region}", max_length=IAM_ROLE_NAME_MAX
            ),
            description=f"Maestro agent of EKS cluster {where.name} in {where.region}",
            assume_role_policy=json.dumps(trust),
            tags=self._tags,
            opts=self._in_cluster_account(),
        )
        policy = aws.iam.RolePolicy(
            self._name,
            name="read-agent-secret",
            role=role.name,
            policy=secrets_policy("ReadAgentSecret", [secret.arn]),
            opts=self._in_cluster_account(),
        )
        association = aws.eks.PodIdentityAssociation(
            self._name,
            cluster_name=where.name,
            namespace=NAMESPACE,
            service_account=SERVICE_ACCOUNT,
            role_arn=role.arn,
            tags=self._tags,
            opts=self._in_cluster_account(),
        )
        return role, (policy, association)

    def _configuration(
        self, agent: AgentOutputs, *, ready: tuple[pulumi.Resource, ...]
    ) -> kubernetes.core.v1.ConfigMap:
        """The agent's configuration. It comes last: an agent that finds it finds everything else."""
        region, cluster = self._args.region, self._args.cluster
        provider = kubernetes.Provider(
            self._name,
            kubeconfig=eks_kubeconfig(
                name=cluster.settings.name,
                arn=cluster.arn,
                region=cluster.settings.region,
                endpoint=cluster.endpoint,
                certificate_authority=cluster.certificate_authority,
                role_arn=cluster.settings.role_arn,
            ),
            # Known in every preview; its change alone replaces the provider and what is in the cluster.
            cluster_identifier=cluster.arn,
            # Otherwise a changed ConfigMap is replaced, and deleted first, under a running agent.
            enable_config_map_mutable=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        options = pulumi.ResourceOptions(parent=self, provider=provider)
        namespace = kubernetes.core.v1.Namespace(self._name, metadata={"name": NAMESPACE}, opts=options)
        file = pulumi.Output.all(
            endpoint=region.maestro_iot_mqtt_endpoint,
            port=region.maestro_iot_mqtt_port,
            source_events=agent.source_events_topic,
            agent_events=agent.agent_events_topic,
        ).apply(lambda known: broker_config(**known))
        return kubernetes.core.v1.ConfigMap(
            self._name,
            metadata={"name": CONFIG_MAP, "namespace": namespace.metadata.name},
            data={
                "config.yaml": file,
                "consumer-name": cluster.settings.consumer,
                "cloudevents-client-id": agent.cloudevents_client_id,
            },
            opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=ready)),
        )
