"""Composes the components; the only place that knows all of them."""

from dataclasses import dataclass

import pulumi

from maestro_stack import mqtt
from maestro_stack.bootstrap import Bootstrap, BootstrapArgs
from maestro_stack.broker import Broker, BrokerArgs
from maestro_stack.cluster import kubernetes_provider
from maestro_stack.credentials import Credentials, CredentialsArgs
from maestro_stack.database import Database, DatabaseArgs
from maestro_stack.identity import Identity, IdentityArgs
from maestro_stack.names import CLUSTER_TAG, TAG_KEYS
from maestro_stack.outputs import CONTRACT_VERSION, MaestroOutputs
from maestro_stack.server import Server, ServerArgs
from maestro_stack.settings import Settings
from maestro_stack.sizing import connection_pool
from maestro_stack.surroundings import Surroundings


@dataclass(frozen=True, kw_only=True)
class RegionalMaestroArgs:
    """A valid configuration, and what it refers to in AWS."""

    settings: Settings
    surroundings: Surroundings


class RegionalMaestro(pulumi.ComponentResource):
    """Everything that one region's Maestro server needs, and the server.

    What belongs to the cluster has its name in the logical name: a new cluster's is created before it goes.
    """

    outputs: MaestroOutputs

    def __init__(
        self, name: str, args: RegionalMaestroArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("maestro:index:RegionalMaestro", name, opts=opts)
        child = pulumi.ResourceOptions(parent=self)
        settings, cluster = args.settings, args.surroundings.cluster
        names = settings.names
        source = mqtt.Mqtt(settings.mqtt.source_id)
        ours = (names.name, pulumi.get_stack(), "pulumi", cluster.name)
        of_cluster = {**settings.tags, **dict(zip(TAG_KEYS, ours, strict=True))}
        tags = {key: value for key, value in of_cluster.items() if key != CLUSTER_TAG}

        broker = Broker(
            "broker",
            BrokerArgs(
                cluster=cluster,
                endpoint=args.surroundings.mqtt_endpoint,
                mqtt=source,
                rotation=settings.rotation,
                tags=tags,
            ),
            opts=child,
        )
        database = Database(
            "database",
            DatabaseArgs(
                cluster=cluster,
                names=names,
                settings=settings.database,
                network=settings.network,
                is_production=settings.is_production,
                rotation=settings.rotation.database,
                tags=tags,
            ),
            opts=child,
        )
        credentials = Credentials(
            "credentials",
            CredentialsArgs(
                names=names,
                certificate_pem=broker.certificate_pem,
                private_key=broker.private_key,
                database_address=database.address,
                database_port=database.port,
                database_name=database.database_name,
                username=database.username,
                password=database.password,
                kms_key_arn=settings.credentials.kms_key_arn,
                is_production=settings.is_production,
                tags=of_cluster,
            ),
            opts=child,
        )
        identity = Identity(
            "identity",
            IdentityArgs(
                cluster=cluster,
                names=names,
                namespace=settings.server.namespace,
                secret_arns=(credentials.server_mqtt_cert_arn, credentials.db_credentials_arn),
                kms_key_arn=settings.credentials.kms_key_arn,
                iam=settings.iam,
                tags=of_cluster,
            ),
            opts=child,
        )
        provider = kubernetes_provider("kubernetes", cluster, settings, opts=child)
        bootstrap = Bootstrap(
            "bootstrap",
            BootstrapArgs(cluster_name=cluster.name, mode=settings.bootstrap_config_map, provider=provider),
            opts=child,
        )
        server = Server(
            "server",
            ServerArgs(
                cluster=cluster,
                settings=settings.server,
                provider=provider,
                endpoint=broker.endpoint,
                source_id=source.source_id,
                connection_pool=connection_pool(settings.database.instance_class, settings.server.replicas),
                ca_bundle=settings.ca_bundle,
                secret_version_ids=credentials.version_ids,
                depends_on=(
                    broker.authorization,
                    *database.admissions,
                    *credentials.versions,
                    *identity.grants,
                    *bootstrap.published,
                ),
            ),
            opts=child,
        )

        known = pulumi.Output.from_input
        self.outputs = MaestroOutputs(
            cluster_name=known(cluster.name),
            maestro_contract_version=known(CONTRACT_VERSION),
            maestro_region=known(cluster.region),
            maestro_iot_mqtt_endpoint=known(broker.endpoint),
            maestro_iot_mqtt_port=known(mqtt.PORT),
            maestro_mqtt_source_id=known(source.source_id),
            maestro_mqtt_source_events_topic=known(source.source_events("+")),
            maestro_mqtt_agent_events_topic=known(source.agent_events("+")),
            maestro_iot_policy_name=broker.policy_name,
            maestro_iot_policy_arn=broker.policy_arn,
            maestro_iot_certificate_id=broker.certificate_id,
            maestro_iot_certificate_arn=broker.certificate_arn,
            maestro_database_address=database.address,
            maestro_database_port=database.port,
            maestro_database_name=known(database.database_name),
            maestro_database_instance_id=database.instance_id,
            maestro_server_mqtt_cert_secret_name=credentials.server_mqtt_cert_name,
            maestro_server_mqtt_cert_secret_arn=credentials.server_mqtt_cert_arn,
            maestro_db_credentials_secret_name=credentials.db_credentials_name,
            maestro_db_credentials_secret_arn=credentials.db_credentials_arn,
            maestro_role_name=identity.role_name,
            maestro_role_arn=identity.role_arn,
            maestro_server_install=known(settings.server.install),
            maestro_namespace=server.namespace,
            maestro_release_name=server.release_name,
            maestro_release_revision=server.release_revision,
            maestro_release_status=server.release_status,
            maestro_chart_version=server.chart_version,
            maestro_chart_values=server.external_values,
            maestro_http_address=server.http_address,
            maestro_grpc_address=server.grpc_address,
        )
        self.register_outputs({})
