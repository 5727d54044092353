"""The server's PostgreSQL: an RDS instance in the cluster's private subnets."""

from __future__ import annotations  # the SDK's modules load while AWS answers: surroundings.py

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from maestro_stack.cluster import Cluster
from maestro_stack.names import Names
from maestro_stack.parameters import apply_method, belongs
from maestro_stack.schema import ENGINE_VERSIONS, DatabaseSettings, NetworkSettings
from maestro_stack.sizing import storage_performance

PORT = 5432
PASSWORD_LENGTH = 32
CA_CERTIFICATE = "rds-ca-rsa2048-g1"  # RDS's default; the chart ships the region's root CA of this name
STORAGE_TYPE = "gp3"
LOGS = ("postgresql", "upgrade")
# On by default from PostgreSQL 15; explicit, so that no major version turns it off.
OWN_PARAMETERS = {"rds.force_ssl": "1"}
# Inputs that ask for a restore, and those whose values come from what is restored.
RESTORED_FROM = ("snapshotIdentifier", "restoreToPointInTime")
RESTORED = ("username", "dbName", "kmsKeyId", "storageEncrypted")


@dataclass(frozen=True, kw_only=True)
class DatabaseArgs:
    """What the database needs to know."""

    cluster: Cluster
    names: Names
    settings: DatabaseSettings
    network: NetworkSettings
    """Who is admitted besides the cluster's own security group."""
    is_production: bool
    rotation: str
    """A new string replaces the password."""
    tags: dict[str, str]


class Database(pulumi.ComponentResource):
    """RDS PostgreSQL: encrypted, TLS only, reachable from the cluster's security group and the ones given.

    Source: RDS user guide, "Amazon RDS for PostgreSQL".
    """

    address: pulumi.Output[str]
    """Host, without port."""
    port: pulumi.Output[int]
    database_name: str
    username: str
    password: pulumi.Output[str]
    """Secret."""
    instance_id: pulumi.Output[str]
    """The instance's identifier, as `aws rds` commands take it."""
    admissions: tuple[pulumi.Resource, ...]
    """Resources that exist once the database's network admits its clients."""

    def __init__(self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("maestro:aws:Database", name, opts=opts)
        child = pulumi.ResourceOptions(parent=self)
        self.database_name = args.settings.database_name
        self.username = args.settings.username
        self.password = random.RandomPassword(
            "password",
            length=PASSWORD_LENGTH,
            special=False,  # RDS forbids / " @ and space, Maestro ' and \
            keepers={"rotation": args.rotation},
            opts=child,
        ).result
        instance = self._instance(args, self._security_group(args))
        self.address = instance.address
        self.port = instance.port
        self.instance_id = instance.identifier
        if replication := args.settings.backup_replication:
            aws.rds.InstanceAutomatedBackupsReplication(
                "backup-replication",
                region=replication.region,
                source_db_instance_arn=instance.arn,
                retention_period=replication.retention_days,
                kms_key_id=replication.kms_key_arn,
                # An instance can have only one at a time.
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
        self.register_outputs({"address": self.address, "instanceId": self.instance_id})

    def _security_group(self, args: DatabaseArgs) -> aws.ec2.SecurityGroup:
        """Ingress from the clients, and no egress: the provider removes AWS's default rule."""
        group = aws.ec2.SecurityGroup(
            "security-group",
            name=args.names.database_security_group,
            description="Maestro database",
            vpc_id=args.cluster.vpc_id,
            tags={**args.tags, "Name": args.names.database_security_group},
            # Another VPC takes a new group, and the database can't move to it: `protect` makes that an error.
            opts=pulumi.ResourceOptions(parent=self, protect=args.is_production),
        )
        groups = (args.cluster.security_group_id, *args.network.client_security_group_ids)
        self.admissions = tuple(
            aws.vpc.SecurityGroupIngressRule(
                # "::" and "/" are separators in URNs and paths.
                f"ingress-{client.replace(':', '-').replace('/', '-')}",
                security_group_id=group.id,
                referenced_security_group_id=client if client in groups else None,
                cidr_ipv4=client if "." in client else None,
                cidr_ipv6=client if ":" in client else None,
                ip_protocol="tcp",
                from_port=PORT,
                to_port=PORT,
                description=f"PostgreSQL from {client}",
                tags=args.tags,
                opts=pulumi.ResourceOptions(parent=self),
            )
            for client in dict.fromkeys((*groups, *args.network.client_cidrs))
        )
        return group

    def _instance(self, args: DatabaseArgs, security_group: aws.ec2.SecurityGroup) -> aws.rds.Instance:
        settings, names = args.settings, args.names
        child = pulumi.ResourceOptions(parent=self)
        subnet_group = aws.rds.SubnetGroup(
            "subnet-group",
            name=names.database_subnet_group,
            description="Maestro database",
            subnet_ids=list(args.cluster.private_subnet_ids),
            tags=args.tags,
            # The cluster's subnets are chosen once: AWS refuses to remove one that is in use.
            opts=pulumi.ResourceOptions(
                parent=self, ignore_changes=["subnetIds"] if args.network.subnet_ids is None else None
            ),
        )
        major, _, minor = settings.engine_version.partition(".")
        parameter_group = self._parameter_groups(args, int(major))
        log_groups = [
            aws.cloudwatch.LogGroup(
                f"{log}-log",
                name=names.database_log_group(log),
                retention_in_days=settings.log_retention_days,
                tags=args.tags,
                opts=child,
            )
            for log in LOGS
        ]
        final_snapshot = None
        if args.is_production:
            # Kept in state, so that a second destroy doesn't collide with the first one's snapshot.
            suffix = random.RandomId(
                "final-snapshot", byte_length=4, keepers={"instance": names.database}, opts=child
            )
            final_snapshot = suffix.hex.apply(names.final_snapshot)
        iops, throughput = storage_performance(settings)
        restore = settings.restore_from
        autoscaling = settings.max_allocated_storage_gib > settings.allocated_storage_gib
        return aws.rds.Instance(
            "instance",
            identifier=names.database,
            engine="postgres",
            engine_version=settings.engine_version,
            engine_lifecycle_support="open-source-rds-extended-support-disabled",  # billed otherwise
            # RDS must not upgrade past a full version: the next plan would go back to it, which RDS refuses.
            auto_minor_version_upgrade=not minor,
            allow_major_version_upgrade=True,
            instance_class=settings.instance_class,
            storage_type=STORAGE_TYPE,
            allocated_storage=settings.allocated_storage_gib,
            max_allocated_storage=settings.max_allocated_storage_gib if autoscaling else None,
            iops=iops,
            storage_throughput=throughput,
            storage_encrypted=True,
            kms_key_id=settings.kms_key_arn,
            snapshot_identifier=restore.snapshot if restore else None,
            restore_to_point_in_time=aws.rds.InstanceRestoreToPointInTimeArgs(
                source_db_instance_identifier=restore.instance,
                source_db_instance_automated_backups_arn=restore.automated_backup,
                restore_time=restore.time,
                use_latest_restorable_time=restore.latest,
            )
            if restore and not restore.snapshot
            else None,
            db_name=self.database_name if restore is None or restore.snapshot else None,
            username=self.username,
            password=self.password,
            port=PORT,
            ca_cert_identifier=CA_CERTIFICATE,
            db_subnet_group_name=subnet_group.name,
            vpc_security_group_ids=[security_group.id],
            publicly_accessible=False,
            parameter_group_name=parameter_group.name,
            multi_az=settings.multi_az,
            backup_retention_period=settings.backup_retention_days,
            backup_window=settings.backup_window,
            maintenance_window=settings.maintenance_window,
            copy_tags_to_snapshot=True,
            enabled_cloudwatch_logs_exports=list(LOGS),
            apply_immediately=settings.apply_immediately,
            deletion_protection=settings.deletion_protection,
            skip_final_snapshot=not args.is_production,
            final_snapshot_identifier=final_snapshot,
            delete_automated_backups=not args.is_production,
            tags=args.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=args.is_production,
                # RDS would create missing ones itself, with logs that never expire, and leave them behind.
                depends_on=log_groups,
                # Its identifier is fixed. A replacement loses the data: `protect` makes that an error.
                delete_before_replace=True,
                # An instance is restored only when it is created. A replacement keeps the values in state.
                ignore_changes=[*RESTORED_FROM, *(RESTORED if restore else ())],
                # RDS would rename it but not its groups, leaving half of the stack under each name.
                replace_on_changes=["identifier"],
            ),
        )

    def _parameter_groups(self, args: DatabaseArgs, major: int) -> aws.rds.ParameterGroup:
        """The group of a major version, next to that of the version before.

        An upgrade may wait for the maintenance window, and RDS doesn't release the old group until then.
        """
        wanted = {**args.settings.parameters, **OWN_PARAMETERS}
        groups = [
            aws.rds.ParameterGroup(
                f"parameter-group-{family}",
                name=args.names.database_parameter_group(family),
                family=family,
                description="Maestro database: TLS only",
                parameters=[
                    aws.rds.ParameterGroupParameterArgs(
                        name=name, value=value, apply_method=apply_method(name)
                    )
                    for name, value in sorted(wanted.items())
                    if version == major or belongs(name, version) is not False
                ],
                tags=args.tags,
                # The logical name from when there was only one group.
                opts=pulumi.ResourceOptions(
                    parent=self, aliases=[pulumi.Alias(name="parameter-group")] if version == major else None
                ),
            )
            for version in (major, major - 1)
            if str(version) in ENGINE_VERSIONS
            for family in [f"postgres{version}"]
        ]
        return groups[0]
