"""The stack's outputs: a versioned contract, modelled once.

`MaestroOutputs` exports them and documents them (docs/outputs.md is generated from it). Nothing in it is
secret: consumers get ARNs. This module uses pulumi and the standard library only, so that another project
can have it alone.
"""

from dataclasses import dataclass, fields
from typing import Annotated, cast, get_type_hints

import pulumi

CONTRACT_VERSION = 1
"""Grows when an output is removed or changes its meaning or type; adding one leaves it as it is."""


@dataclass(frozen=True)
class OutputDocumentation:
    """One row of the contract."""

    name: str
    type: str
    description: str
    example: str


@dataclass(frozen=True)
class Documented:
    """An output's description, and an example of its value."""

    description: str
    example: str | int


@dataclass(frozen=True, kw_only=True)
class MaestroOutputs:
    """What a region's stack tells other stacks."""

    cluster_name: Annotated[
        pulumi.Output[str], Documented("EKS cluster, and prefix of the secrets.", "regional-xyz")
    ]
    maestro_contract_version: Annotated[
        pulumi.Output[int], Documented("Version of this contract.", CONTRACT_VERSION)
    ]
    maestro_region: Annotated[pulumi.Output[str], Documented("AWS region of everything below.", "us-east-1")]
    maestro_iot_mqtt_endpoint: Annotated[
        pulumi.Output[str],
        Documented(
            "MQTT broker: host of the account's Data-ATS endpoint, without port.",
            "a1b2c3d4e5f6g7-ats.iot.us-east-1.amazonaws.com",
        ),
    ]
    maestro_iot_mqtt_port: Annotated[pulumi.Output[int], Documented("MQTT port, for mutual TLS.", 8883)]
    maestro_mqtt_source_id: Annotated[
        pulumi.Output[str], Documented("Source id: prefix of topics and client ids.", "maestro")
    ]
    maestro_mqtt_source_events_topic: Annotated[
        pulumi.Output[str],
        Documented(
            "Topic of work for a consumer; `+` stands for the consumer's name.",
            "sources/maestro/consumers/+/sourceevents",
        ),
    ]
    maestro_mqtt_agent_events_topic: Annotated[
        pulumi.Output[str],
        Documented(
            "Topic of a consumer's status; `+` stands for the consumer's name.",
            "sources/maestro/consumers/+/agentevents",
        ),
    ]
    maestro_iot_policy_name: Annotated[
        pulumi.Output[str], Documented("IoT policy of the server.", "maestro-server")
    ]
    maestro_iot_policy_arn: Annotated[
        pulumi.Output[str],
        Documented("The same policy's ARN.", "arn:aws:iot:us-east-1:123456789012:policy/maestro-server"),
    ]
    maestro_iot_certificate_id: Annotated[
        pulumi.Output[str],
        Documented("IoT certificate of the server; changes with `rotation.certificate`.", "4f2a…"),
    ]
    maestro_iot_certificate_arn: Annotated[
        pulumi.Output[str],
        Documented("The same certificate's ARN.", "arn:aws:iot:us-east-1:123456789012:cert/4f2a…"),
    ]
    maestro_database_address: Annotated[
        pulumi.Output[str],
        Documented(
            "Database host, without port.", "maestro-regional-xyz.abcdefghijkl.us-east-1.rds.amazonaws.com"
        ),
    ]
    maestro_database_port: Annotated[pulumi.Output[int], Documented("Database port.", 5432)]
    maestro_database_name: Annotated[pulumi.Output[str], Documented("Database on the instance.", "maestro")]
    maestro_database_instance_id: Annotated[
        pulumi.Output[str], Documented("RDS instance identifier.", "maestro-regional-xyz")
    ]
    maestro_server_mqtt_cert_secret_name: Annotated[
        pulumi.Output[str],
        Documented(
            "Secret with the server's MQTT certificate, key and CA.", "regional-xyz/maestro/server-mqtt-cert"
        ),
    ]
    maestro_server_mqtt_cert_secret_arn: Annotated[
        pulumi.Output[str],
        Documented(
            "The same secret's ARN.",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:regional-xyz/maestro/server-mqtt-cert-a1B2c3",
        ),
    ]
    maestro_db_credentials_secret_name: Annotated[
        pulumi.Output[str],
        Documented(
            "Secret with the database's address and credentials.", "regional-xyz/maestro/db-credentials"
        ),
    ]
    maestro_db_credentials_secret_arn: Annotated[
        pulumi.Output[str],
        Documented(
            "The same secret's ARN.",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:regional-xyz/maestro/db-credentials-a1B2c3",
        ),
    ]
    maestro_role_name: Annotated[
        pulumi.Output[str],
        Documented("IAM role of the server's pods.", "maestro-server-regional-xyz-us-east-1"),
    ]
    maestro_role_arn: Annotated[
        pulumi.Output[str],
        Documented(
            "The same role's ARN.", "arn:aws:iam::123456789012:role/maestro-server-regional-xyz-us-east-1"
        ),
    ]
    maestro_namespace: Annotated[
        pulumi.Output[str], Documented("Kubernetes namespace of the server.", "maestro")
    ]
    maestro_release_name: Annotated[pulumi.Output[str], Documented("Helm release.", "maestro-server")]
    maestro_release_revision: Annotated[pulumi.Output[int], Documented("Helm release revision.", 1)]
    maestro_release_status: Annotated[pulumi.Output[str], Documented("Helm release status.", "deployed")]
    maestro_chart_version: Annotated[
        pulumi.Output[str], Documented("Version of the chart installed.", "0.1.0")
    ]
    maestro_http_address: Annotated[
        pulumi.Output[str],
        Documented(
            "REST API, inside the cluster. Unauthenticated: the chart's network policy says who reaches it.",
            "http://maestro.maestro.svc:8000",
        ),
    ]
    maestro_grpc_address: Annotated[
        pulumi.Output[str],
        Documented(
            "CloudEvents gRPC service, inside the cluster; likewise.", "maestro-grpc.maestro.svc:8090"
        ),
    ]

    def export(self) -> None:
        """Make them the stack's outputs."""
        for output in fields(self):
            pulumi.export(output.name, getattr(self, output.name))


def documentation() -> tuple[OutputDocumentation, ...]:
    """Every output of the contract, in order."""
    hints = get_type_hints(MaestroOutputs, include_extras=True)
    rows = [(name, cast(Documented, hint.__metadata__[0])) for name, hint in hints.items()]
    return tuple(
        OutputDocumentation(
            name=name,
            type="integer" if isinstance(row.example, int) else "string",
            description=row.description,
            example=str(row.example),
        )
        for name, row in rows
    )
