"""The same resources that the program declares, in one flat script: no components and no settings."""

import json

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes
import pulumi_random as random

CLUSTER = "regional-xyz"
TAGS = {"maestro:cluster": CLUSTER, "maestro:stack": "dev", "managed-by": "pulumi"}

cluster = aws.eks.get_cluster(name=CLUSTER)
account = aws.get_caller_identity().account_id
partition = aws.get_partition().partition
ids = [("subnet-id", cluster.vpc_config.subnet_ids)]
found = aws.ec2.get_subnets(filters=[{"name": n, "values": v} for n, v in ids])
zones = aws.get_availability_zones(filters=[{"name": "zone-type", "values": ["availability-zone"]}]).names
tables = aws.ec2.get_route_tables(
    vpc_id=cluster.vpc_config.vpc_id, filters=[{"name": "route.gateway-id", "values": ["igw-*"]}]
)
routes = [aws.ec2.get_route_table(route_table_id=i) for i in tables.ids]
public = {a.subnet_id for r in routes for a in r.associations}
asked = [aws.ec2.get_subnet(id=i) for i in found.ids]
subnets = [s for s in asked if s.id not in public and s.availability_zone in zones]
principal = aws.get_service_principal(service_name="pods.eks").name
endpoint = aws.iot.get_endpoint(endpoint_type="iot:Data-ATS").endpoint_address
iot = f"arn:{partition}:iot:us-east-1:{account}"

policy = aws.iot.Policy(
    "policy",
    name="maestro-server",
    policy=json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": "iot:Connect", "Resource": f"{iot}:client/maestro-server-*"}
            ],
        }
    ),
    tags=TAGS,
)
certificate = aws.iot.Certificate("certificate", active=True)
attachment = aws.iot.PolicyAttachment("policy-attachment", policy=policy.name, target=certificate.arn)

password = random.RandomPassword("password", length=32, special=False)
group = aws.ec2.SecurityGroup(
    "security-group", name="maestro-database", description="x", vpc_id=cluster.vpc_config.vpc_id, tags=TAGS
)
aws.vpc.SecurityGroupIngressRule(
    "ingress",
    security_group_id=group.id,
    referenced_security_group_id=cluster.vpc_config.cluster_security_group_id,
    ip_protocol="tcp",
    from_port=5432,
    to_port=5432,
    tags=TAGS,
)
subnet_group = aws.rds.SubnetGroup(
    "subnet-group", name="maestro", description="x", subnet_ids=[s.id for s in subnets], tags=TAGS
)
parameter_group, _ = (
    aws.rds.ParameterGroup(
        f"parameter-group-{family}",
        name=f"maestro-{family}",
        family=family,
        description="x",
        parameters=[aws.rds.ParameterGroupParameterArgs(name="rds.force_ssl", value="1")],
        tags=TAGS,
    )
    for family in ("postgres17", "postgres16")
)
logs = [
    aws.cloudwatch.LogGroup(log, name=f"/aws/rds/instance/maestro/{log}", retention_in_days=7, tags=TAGS)
    for log in ("postgresql", "upgrade")
]
instance = aws.rds.Instance(
    "instance",
    identifier="maestro",
    engine="postgres",
    engine_version="17",
    instance_class="db.t4g.micro",
    storage_type="gp3",
    allocated_storage=20,
    storage_encrypted=True,
    db_name="maestro",
    username="maestro",
    password=password.result,
    port=5432,
    db_subnet_group_name=subnet_group.name,
    vpc_security_group_ids=[group.id],
    parameter_group_name=parameter_group.name,
    skip_final_snapshot=True,
    tags=TAGS,
    opts=pulumi.ResourceOptions(depends_on=logs),
)


def secret(name: str, value: dict[str, pulumi.Input[str]]) -> aws.secretsmanager.SecretVersion:
    """One secret with its value."""
    kept = aws.secretsmanager.Secret(
        name, name=f"{CLUSTER}/maestro/{name}", recovery_window_in_days=0, tags=TAGS
    )
    return aws.secretsmanager.SecretVersion(
        name, secret_id=kept.id, secret_string=pulumi.Output.json_dumps(value)
    )


mqtt_version = secret(
    "server-mqtt-cert", {"certificate": certificate.certificate_pem, "privateKey": certificate.private_key}
)
database_version = secret("db-credentials", {"password": password.result, "host": instance.address})

role = aws.iam.Role(
    "role",
    name="maestro-server",
    assume_role_policy=json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": principal},
                    "Action": ["sts:AssumeRole", "sts:TagSession"],
                }
            ],
        }
    ),
    tags=TAGS,
)
role_policy = aws.iam.RolePolicy(
    "role-policy",
    name="read",
    role=role.name,
    policy=pulumi.Output.json_dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "secretsmanager:GetSecretValue",
                    "Resource": [mqtt_version.secret_id, database_version.secret_id],
                }
            ],
        }
    ),
)
association = aws.eks.PodIdentityAssociation(
    "association",
    cluster_name=CLUSTER,
    namespace="maestro",
    service_account="maestro",
    role_arn=role.arn,
    tags=TAGS,
)

provider = kubernetes.Provider("kubernetes", cluster_identifier=cluster.arn, context="x")
within = pulumi.ResourceOptions(provider=provider)
bootstrap = kubernetes.core.v1.ConfigMap(
    "bootstrap-output",
    metadata={"name": "bootstrap-output", "namespace": "kube-system"},
    data={"cluster_name": CLUSTER},
    opts=within,
)
namespace = kubernetes.core.v1.Namespace("namespace", metadata={"name": "maestro"}, opts=within)
release = kubernetes.helm.v3.Release(
    "release",
    name="maestro-server",
    namespace=namespace.metadata.name,
    chart="./charts/maestro-server-eso",
    values={
        "clusterName": CLUSTER,
        "broker": {"endpoint": endpoint},
        "deployment": {
            "podAnnotations": {"a": mqtt_version.version_id, "b": database_version.version_id},
        },
    },
    opts=pulumi.ResourceOptions(
        provider=provider, depends_on=[attachment, role_policy, association, bootstrap]
    ),
)
pulumi.export("maestro_iot_mqtt_endpoint", endpoint)
pulumi.export("maestro_database_address", instance.address)
