"""Every call that the doctor makes: nothing else can be asked through `aws` and `api`.

They describe, get, list, simulate or test. `permissions` writes the policy that grants them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

READING = ("Describe", "Get", "List", "Simulate", "Test")
"""What the name of each call begins with."""

_ANY = "*"
"""AWS supports no narrower resource for these. Source: Service Authorization Reference, by service."""

AWS_CALLS: Mapping[str, str] = {
    "sts:GetCallerIdentity": _ANY,
    "ec2:DescribeRegions": _ANY,
    "ec2:DescribeAvailabilityZones": _ANY,
    "ec2:DescribeRouteTables": _ANY,
    "ec2:DescribeSubnets": _ANY,
    "ec2:DescribeNetworkInterfaces": _ANY,
    "ec2:DescribeSecurityGroupRules": _ANY,
    "eks:DescribeCluster": "arn:{partition}:eks:{region}:{account}:cluster/{cluster}",
    "eks:ListPodIdentityAssociations": "arn:{partition}:eks:{region}:{account}:cluster/{cluster}",
    "eks:DescribePodIdentityAssociation": (
        "arn:{partition}:eks:{region}:{account}:podidentityassociation/{cluster}/*"
    ),
    "iam:GetPolicy": _ANY,
    "iam:GetPolicyVersion": _ANY,
    "iam:GetRole": "arn:{partition}:iam::{account}:role/*",
    "iam:GetRolePolicy": "arn:{partition}:iam::{account}:role/{role}",
    "iam:ListRolePolicies": "arn:{partition}:iam::{account}:role/{role}",
    "iam:ListAttachedRolePolicies": "arn:{partition}:iam::{account}:role/{role}",
    "iam:SimulatePrincipalPolicy": _ANY,
    "iot:DescribeDomainConfiguration": "arn:{partition}:iot:{region}:{account}:domainconfiguration/*",
    "iot:GetPolicy": "arn:{partition}:iot:{region}:{account}:policy/{iot_policy}",
    "iot:DescribeCertificate": "arn:{partition}:iot:{region}:{account}:cert/*",
    "iot:ListAttachedPolicies": _ANY,
    "iot:TestAuthorization": _ANY,
    "kms:DescribeKey": "arn:{partition}:kms:{region}:{account}:key/*",
    "kms:GetKeyPolicy": "arn:{partition}:kms:{region}:{account}:key/*",
    "logs:DescribeLogGroups": _ANY,
    "rds:DescribeAccountAttributes": _ANY,
    "rds:DescribeDBInstanceAutomatedBackups": _ANY,
    "rds:DescribeDBInstances": "arn:{partition}:rds:{region}:{account}:db:*",
    "rds:DescribeDBMajorEngineVersions": _ANY,
    "rds:DescribeDBParameterGroups": "arn:{partition}:rds:{region}:{account}:pg:*",
    "rds:DescribeDBParameters": "arn:{partition}:rds:{region}:{account}:pg:*",
    "rds:DescribeDBSnapshots": _ANY,
    "rds:DescribeDBSubnetGroups": "arn:{partition}:rds:{region}:{account}:subgrp:*",
    "rds:DescribeOrderableDBInstanceOptions": _ANY,
    "rds:DescribePendingMaintenanceActions": "arn:{partition}:rds:{region}:{account}:db:*",
    "secretsmanager:DescribeSecret": (
        "arn:{partition}:secretsmanager:{region}:{account}:secret:{cluster}/maestro/*"
    ),
}
"""From IAM action, which also names service and operation, to the resource that it is called on."""

KUBERNETES_READS = (
    # group, resources, verbs: as in a ClusterRole. Only the metadata of Secrets is requested.
    ("", "namespaces, nodes, configmaps, pods, pods/log, events", "get list"),
    ("", "secrets", "list"),
    ("apps", "daemonsets, deployments", "get list"),
    ("storage.k8s.io", "csidrivers", "get"),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations, validatingadmissionpolicybindings",
        "list",
    ),
    ("secrets-store.csi.x-k8s.io", "secretproviderclasspodstatuses", "list"),
    ("vpcresources.k8s.aws", "securitygrouppolicies", "list"),
)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The names to which a policy's resources are narrowed."""

    partition: str
    region: str
    account: str
    cluster: str
    role: str
    """With its path."""
    iot_policy: str
    database: str
    subnet_group: str
    parameter_groups: str
    """With a wildcard for the family."""
    database_key: str
    """ARN of its own KMS key; empty if there is none, as are the following."""
    secrets_key: str
    restored_from: str
    """ARN of what the database is restored from."""
    replicated: str
    """ARN of the database whose backups are replicated."""
    replicas: str
    """ARN of the replicated backups in the second region, with a wildcard."""
    replicas_key: str

    def __call__(self, template: str) -> str:
        """The ARN that a template stands for."""
        return template.format_map(vars(self))
