"""The server's two secrets in Secrets Manager, in the form that the chart's SecretProviderClass reads."""

from __future__ import annotations  # the SDK's modules load while AWS answers: surroundings.py

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from maestro_stack.mqtt import amazon_root_cas
from maestro_stack.names import Names

# Days in which a deleted secret can be restored and its name can't be reused. None in dev, so that a stack
# can be destroyed and built again; the maximum in production. Source: Secrets Manager, DeleteSecret.
RECOVERY_DAYS_DEV = 0
RECOVERY_DAYS_PRODUCTION = 30


@dataclass(frozen=True, kw_only=True)
class CredentialsArgs:
    """What goes into the secrets."""

    names: Names
    certificate_pem: pulumi.Input[str]
    private_key: pulumi.Input[str]
    database_address: pulumi.Input[str]
    database_port: pulumi.Input[int]
    database_name: str
    username: str
    password: pulumi.Input[str]
    kms_key_arn: str | None
    """None: the account's own key for Secrets Manager."""
    is_production: bool
    tags: dict[str, str]


class Credentials(pulumi.ComponentResource):
    """`<cluster>/maestro/server-mqtt-cert` and `…/db-credentials`, each a JSON object of strings."""

    server_mqtt_cert_name: pulumi.Output[str]
    server_mqtt_cert_arn: pulumi.Output[str]
    db_credentials_name: pulumi.Output[str]
    db_credentials_arn: pulumi.Output[str]
    version_ids: dict[str, pulumi.Output[str]]
    """For each secret, the id of the version that holds the current value."""
    versions: tuple[pulumi.Resource, ...]
    """Resources that exist once both secrets can be read."""

    def __init__(self, name: str, args: CredentialsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("maestro:aws:Credentials", name, opts=opts)
        certificate, certificate_version = self._secret(
            "server-mqtt-cert",
            args,
            physical_name=args.names.server_mqtt_cert_secret,
            description="MQTT certificate and key of the Maestro server",
            value={
                "certificate": args.certificate_pem,
                "privateKey": args.private_key,
                "caCert": amazon_root_cas(),
            },
        )
        database, database_version = self._secret(
            "db-credentials",
            args,
            physical_name=args.names.db_credentials_secret,
            description="Database address and credentials of the Maestro server",
            value={
                "username": args.username,
                "password": args.password,
                "host": args.database_address,
                # A string: the CSI provider mounts nothing else.
                "port": pulumi.Output.from_input(args.database_port).apply(lambda port: str(int(port))),
                "database": args.database_name,
            },
        )
        self.server_mqtt_cert_name = certificate.name
        self.server_mqtt_cert_arn = certificate.arn
        self.db_credentials_name = database.name
        self.db_credentials_arn = database.arn
        self.version_ids = {
            "server-mqtt-cert": certificate_version.version_id,
            "db-credentials": database_version.version_id,
        }
        self.versions = (certificate_version, database_version)
        self.register_outputs(
            {"serverMqttCertArn": self.server_mqtt_cert_arn, "dbCredentialsArn": self.db_credentials_arn}
        )

    def _secret(
        self,
        name: str,
        args: CredentialsArgs,
        *,
        physical_name: str,
        description: str,
        value: dict[str, pulumi.Input[str]],
    ) -> tuple[aws.secretsmanager.Secret, aws.secretsmanager.SecretVersion]:
        logical = f"{name}-{args.names.cluster}"
        secret = aws.secretsmanager.Secret(
            logical,
            name=physical_name,
            description=description,
            kms_key_id=args.kms_key_arn,
            recovery_window_in_days=RECOVERY_DAYS_PRODUCTION if args.is_production else RECOVERY_DAYS_DEV,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self, protect=args.is_production),
        )
        version = aws.secretsmanager.SecretVersion(
            logical,
            secret_id=secret.id,
            secret_string=pulumi.Output.secret(pulumi.Output.json_dumps(value)),
            # Explicit, so that a version written by someone else shows up as drift.
            version_stages=["AWSCURRENT"],
            opts=pulumi.ResourceOptions(parent=self),
        )
        return secret, version
