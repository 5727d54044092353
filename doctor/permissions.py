"""What the stack's providers need on AWS and on the cluster: one table, and the policies made from it.

Sources: hashicorp/terraform-provider-aws, the calls of each resource's create, read, update and delete;
Service Authorization Reference, the actions that a call requires besides its own.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from common.json_values import Json, json_list
from doctor.calls import AWS_CALLS, KUBERNETES_READS, Scope
from doctor.case import Case
from policies import types

Purpose = Literal["deploy", "preview", "doctor"]
PURPOSES: tuple[Purpose, ...] = ("deploy", "preview", "doctor")
POLICY_MAX = 6144
"""Characters of a managed policy, white space excluded. Source: IAM user guide, "IAM and AWS STS quotas"."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What one resource type or look-up needs."""

    type: str
    resource: str
    """ARN template of what the actions apply to, with the names that the program gives."""
    reads: str
    """Actions also needed for a refresh."""
    writes: str = ""
    source: str
    """File of the AWS provider, below internal/service, or the page that requires the action."""


_RDS = "arn:{partition}:rds:{region}:{account}"
_IOT = "arn:{partition}:iot:{region}:{account}"
_EC2 = "arn:{partition}:ec2:{region}:{account}"
_EKS = "arn:{partition}:eks:{region}:{account}"
_SECRET = "arn:{partition}:secretsmanager:{region}:{account}:secret:{cluster}/maestro/*"  # noqa: S105 an ARN
_INSTANCE_WRITES = (
    "rds:CreateDBInstance rds:ModifyDBInstance rds:RestoreDBInstanceFromDBSnapshot "
    "rds:RestoreDBInstanceToPointInTime"
)

NEEDS = (
    Need(
        type="look-ups",
        resource="*",
        reads="sts:GetCallerIdentity iot:DescribeEndpoint ec2:DescribeAvailabilityZones "
        "ec2:DescribeRouteTables ec2:DescribeSubnets ec2:DescribeSecurityGroups "
        "ec2:DescribeSecurityGroupRules ec2:DescribeNetworkInterfaces eks:ListClusters",
        source="iot/endpoint_data_source.go, ec2/vpc_subnet_data_source.go, eks/clusters_data_source.go",
    ),
    Need(
        type="aws:eks/getCluster:getCluster",
        resource=f"{_EKS}:cluster/{{cluster}}",
        reads="eks:DescribeCluster",
        source="eks/cluster_data_source.go",
    ),
    Need(
        type="aws:iot/policy:Policy",
        resource=f"{_IOT}:policy/{{iot_policy}}",
        reads="iot:GetPolicy iot:ListTagsForResource",
        writes="iot:CreatePolicy iot:CreatePolicyVersion iot:ListPolicyVersions iot:DeletePolicyVersion "
        "iot:DeletePolicy iot:TagResource iot:UntagResource",
        source="iot/policy.go",
    ),
    Need(
        type="aws:iot/certificate:Certificate",
        resource=f"{_IOT}:cert/*",
        reads="iot:DescribeCertificate",
        writes="iot:UpdateCertificate iot:DeleteCertificate",
        source="iot/certificate.go",
    ),
    Need(
        type="aws:iot/certificate:Certificate",
        resource="*",
        reads="",
        writes="iot:CreateKeysAndCertificate",
        source="iot/certificate.go",
    ),
    Need(
        type="aws:iot/policyAttachment:PolicyAttachment",
        resource="*",
        reads="iot:ListAttachedPolicies",
        writes="iot:AttachPolicy iot:DetachPolicy",
        source="iot/policy_attachment.go",
    ),
    Need(
        type="aws:ec2/securityGroup:SecurityGroup",
        resource="*",
        reads="",
        writes="ec2:CreateSecurityGroup ec2:DeleteSecurityGroup ec2:CreateTags ec2:DeleteTags "
        "ec2:RevokeSecurityGroupEgress ec2:RevokeSecurityGroupIngress ec2:AuthorizeSecurityGroupIngress "
        "ec2:ModifySecurityGroupRules",
        source="ec2/vpc_security_group.go, ec2/vpc_security_group_ingress_rule.go",
    ),
    Need(
        type="aws:rds/subnetGroup:SubnetGroup",
        resource=f"{_RDS}:subgrp:{{subnet_group}}",
        reads="rds:DescribeDBSubnetGroups rds:ListTagsForResource",
        writes="rds:CreateDBSubnetGroup rds:ModifyDBSubnetGroup rds:DeleteDBSubnetGroup "
        "rds:AddTagsToResource rds:RemoveTagsFromResource",
        source="rds/subnet_group.go",
    ),
    Need(
        type="aws:rds/parameterGroup:ParameterGroup",
        resource=f"{_RDS}:pg:{{parameter_groups}}",
        reads="rds:DescribeDBParameterGroups rds:DescribeDBParameters rds:ListTagsForResource",
        writes="rds:CreateDBParameterGroup rds:ModifyDBParameterGroup rds:ResetDBParameterGroup "
        "rds:DeleteDBParameterGroup rds:AddTagsToResource rds:RemoveTagsFromResource",
        source="rds/parameter_group.go",
    ),
    Need(
        type="aws:cloudwatch/logGroup:LogGroup",
        resource="*",
        reads="logs:DescribeLogGroups",
        source="logs/group.go",
    ),
    Need(
        type="aws:cloudwatch/logGroup:LogGroup",
        resource="arn:{partition}:logs:{region}:{account}:log-group:/aws/rds/instance/{database}/*",
        reads="logs:ListTagsForResource",
        writes="logs:CreateLogGroup logs:PutRetentionPolicy logs:DeleteRetentionPolicy logs:DeleteLogGroup "
        "logs:TagResource logs:UntagResource",
        source="logs/group.go",
    ),
    Need(
        type="aws:rds/instance:Instance",
        resource=f"{_RDS}:db:*",
        reads="rds:DescribeDBInstances",
        source="rds/instance.go; it filters by the resource id, and RDS authorizes a list of all instances: "
        "hashicorp/terraform-provider-aws, issue 35737",
    ),
    Need(
        type="aws:rds/instance:Instance",
        resource=f"{_RDS}:db:{{database}}",
        reads="rds:ListTagsForResource",
        writes=f"{_INSTANCE_WRITES} rds:RebootDBInstance rds:DeleteDBInstance rds:CreateDBSnapshot "
        "rds:AddTagsToResource rds:RemoveTagsFromResource",
        source="rds/instance.go",
    ),
    *(
        Need(
            type="aws:rds/instance:Instance",
            resource=f"{_RDS}:{group}",
            reads="",
            writes=_INSTANCE_WRITES,
            source="Service Authorization Reference, RDS: each group of the instance is authorized, too",
        )
        for group in ("pg:{parameter_groups}", "subgrp:{subnet_group}", "og:default:postgres*")
    ),
    Need(
        type="aws:rds/instance:Instance",
        resource=f"{_RDS}:snapshot:{{database}}-final-*",
        reads="",
        writes="rds:CreateDBSnapshot rds:AddTagsToResource",
        source="RDS API reference, DeleteDBInstance: the final snapshot",
    ),
    Need(
        type="aws:rds/instance:Instance",
        resource="arn:{partition}:iam::{account}:role/aws-service-role/rds.amazonaws.com/*",
        reads="",
        writes="iam:CreateServiceLinkedRole",
        source='RDS user guide, "Using service-linked roles": the first database of an account makes it',
    ),
    Need(
        type="aws:rds/instance:Instance",
        resource="{database_key}",
        reads="kms:DescribeKey",
        writes="kms:CreateGrant kms:Decrypt kms:Encrypt kms:GenerateDataKey "
        "kms:GenerateDataKeyWithoutPlaintext kms:ReEncryptFrom kms:ReEncryptTo",
        source='RDS user guide, "AWS KMS key management", authorizing the use of a key',
    ),
    Need(
        type="aws:rds/instance:Instance",
        resource="{restored_from}",
        reads="",
        writes="rds:RestoreDBInstanceFromDBSnapshot rds:RestoreDBInstanceToPointInTime",
        source="rds/instance.go; asked about the source besides the database",
    ),
    Need(
        type=types.BACKUP_REPLICATION,
        resource="{replicated}",
        reads="",
        writes="rds:StartDBInstanceAutomatedBackupsReplication rds:StopDBInstanceAutomatedBackupsReplication",
        source="rds/instance_automated_backups_replication.go",
    ),
    Need(
        type=types.BACKUP_REPLICATION,
        resource="{replicas}",
        reads="rds:DescribeDBInstanceAutomatedBackups",
        writes="rds:StartDBInstanceAutomatedBackupsReplication",
        source="rds/instance_automated_backups_replication.go",
    ),
    Need(
        type=types.BACKUP_REPLICATION,
        resource="{replicas_key}",
        reads="kms:DescribeKey",
        writes="kms:CreateGrant",
        source='RDS user guide, "Enabling cross-Region automated backups", encrypted instances',
    ),
    Need(
        type="aws:secretsmanager/secret:Secret",
        resource="{secrets_key}",
        reads="kms:Decrypt",
        writes="kms:GenerateDataKey",
        source='Secrets Manager user guide, "Permissions for the KMS key"',
    ),
    Need(
        type="aws:secretsmanager/secret:Secret",
        resource=_SECRET,
        reads="secretsmanager:DescribeSecret secretsmanager:GetResourcePolicy",
        writes="secretsmanager:CreateSecret secretsmanager:UpdateSecret secretsmanager:DeleteSecret "
        "secretsmanager:TagResource secretsmanager:UntagResource",
        source="secretsmanager/secret.go",
    ),
    Need(
        type="aws:secretsmanager/secretVersion:SecretVersion",
        resource=_SECRET,
        reads="secretsmanager:GetSecretValue secretsmanager:ListSecretVersionIds",
        writes="secretsmanager:PutSecretValue secretsmanager:UpdateSecretVersionStage",
        source="secretsmanager/secret_version.go",
    ),
    Need(
        type="aws:iam/role:Role",
        resource="arn:{partition}:iam::{account}:role/{role}",
        reads="iam:GetRole iam:ListRolePolicies iam:ListAttachedRolePolicies iam:GetRolePolicy",
        writes="iam:CreateRole iam:UpdateRole iam:UpdateRoleDescription iam:UpdateAssumeRolePolicy "
        "iam:DeleteRole iam:ListInstanceProfilesForRole iam:DeleteRolePolicy iam:DetachRolePolicy "
        "iam:PutRolePolicy iam:TagRole iam:UntagRole",
        source="iam/role.go, iam/role_policy.go",
    ),
    Need(
        type="aws:eks/podIdentityAssociation:PodIdentityAssociation",
        resource="arn:{partition}:iam::{account}:role/{role}",
        reads="",
        writes="iam:PassRole",
        source="Service Authorization Reference, EKS, CreatePodIdentityAssociation",
    ),
    Need(
        type="aws:eks/podIdentityAssociation:PodIdentityAssociation",
        resource=f"{_EKS}:cluster/{{cluster}}",
        reads="",
        writes="eks:CreatePodIdentityAssociation",
        source="eks/pod_identity_association.go",
    ),
    Need(
        type="aws:eks/podIdentityAssociation:PodIdentityAssociation",
        resource=f"{_EKS}:podidentityassociation/{{cluster}}/*",
        reads="eks:DescribePodIdentityAssociation",
        writes="eks:UpdatePodIdentityAssociation eks:DeletePodIdentityAssociation eks:TagResource "
        "eks:UntagResource",
        source="eks/pod_identity_association.go",
    ),
)

_UNVERIFIED = (
    "ec2:DescribeNetworkInterfaces ec2:ModifySecurityGroupRules eks:ListClusters "
    "eks:UpdatePodIdentityAssociation iam:CreateServiceLinkedRole iam:DetachRolePolicy iam:PassRole "
    "iam:UpdateAssumeRolePolicy iam:UpdateRole iam:UpdateRoleDescription iot:CreatePolicyVersion "
    "iot:DeletePolicyVersion kms:CreateGrant kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey "
    "kms:GenerateDataKeyWithoutPlaintext kms:ReEncryptFrom kms:ReEncryptTo logs:DeleteRetentionPolicy "
    "rds:CreateDBSnapshot rds:ModifyDBSubnetGroup rds:RebootDBInstance rds:ResetDBParameterGroup "
    "secretsmanager:ListSecretVersionIds secretsmanager:UpdateSecret "
    "secretsmanager:UpdateSecretVersionStage"
)
UNVERIFIED = frozenset(_UNVERIFIED.split())
"""Actions that no test in the emulation calls: known only from the provider's source and AWS's docs."""

_OF_CHART = "get create patch delete"
_KUBERNETES = (
    # group, resources, what a preview needs, what a deployment needs in addition. Helm keeps its releases in
    # Secrets.
    ("", "namespaces, configmaps", "get", "list watch create patch delete"),
    ("", "secrets", "list", "get create update delete"),
    ("", "events", "", "list watch"),
    ("", "services, serviceaccounts", "", _OF_CHART),
    ("apps", "deployments", "", _OF_CHART),
    ("apps", "replicasets", "", "list"),
    ("networking.k8s.io", "networkpolicies", "", _OF_CHART),
    ("policy", "poddisruptionbudgets", "", _OF_CHART),
    ("secrets-store.csi.x-k8s.io", "secretproviderclasses", "", _OF_CHART),
    ("monitoring.coreos.com", "podmonitors, prometheusrules", "", _OF_CHART),
)


def actions_of(purpose: Purpose, scope: Scope) -> Mapping[str, frozenset[str]]:
    """The actions by the resource that they apply to; KMS keys only if some are configured."""
    rows = [(action, template) for action, template in AWS_CALLS.items()]
    if purpose != "doctor":
        rows = [
            (action, need.resource)
            for need in NEEDS
            for action in f"{need.reads} {need.writes if purpose == 'deploy' else ''}".split()
        ]
    found: dict[str, set[str]] = defaultdict(set)
    for action, template in rows:
        if resource := scope(template):
            found[resource].add(action)
    return {resource: frozenset(actions) for resource, actions in sorted(found.items())}


def scope_of(case: Case) -> Scope:
    """The names that the program gives in this account."""
    names, database = case.names, case.settings.database
    rds = f"arn:{case.partition}:rds:{case.settings.region}:{case.identity.account}"
    restore, replication = database.restore_from, database.backup_replication
    source = ""
    if restore:
        ours = f"db:{restore.instance}" if restore.instance else f"snapshot:{restore.snapshot}"
        given = restore.automated_backup or restore.snapshot or ""
        source = given if given.startswith("arn:") else f"{rds}:{ours}"
    return Scope(
        partition=case.partition,
        region=case.settings.region,
        account=case.identity.account,
        cluster=case.settings.cluster_name,
        role=f"{case.settings.iam.path or '/'}{names.role}".removeprefix("/"),
        iot_policy=case.mqtt.policy_name,
        database=names.database,
        subnet_group=names.database_subnet_group,
        parameter_groups=names.database_parameter_group("postgres*"),
        database_key=database.kms_key_arn or "",
        secrets_key=case.settings.credentials.kms_key_arn or "",
        restored_from=source,
        replicated=f"{rds}:db:{names.database}" if replication else "",
        replicas=f"arn:{case.partition}:rds:{replication.region}:{case.identity.account}:auto-backup:*"
        if replication
        else "",
        replicas_key=replication.kms_key_arn if replication else "",
    )


def policies(purpose: Purpose, scope: Scope) -> tuple[dict[str, Json], ...]:
    """The IAM policies for a purpose, more than one where long names don't fit into one."""
    documents: list[list[Json]] = [[]]
    for resource, actions in actions_of(purpose, scope).items():
        statement: Json = {"Effect": "Allow", "Action": json_list(sorted(actions)), "Resource": resource}
        if len(json.dumps(_document([*documents[-1], statement]), separators=(",", ":"))) > POLICY_MAX:
            documents.append([])
        documents[-1].append(statement)
    return tuple(map(_document, documents))


def _document(statements: list[Json]) -> dict[str, Json]:
    return {"Version": "2012-10-17", "Statement": statements}


def cluster_role(purpose: Purpose, name: str) -> dict[str, Json]:
    """The ClusterRole for a purpose."""
    rules = KUBERNETES_READS
    if purpose != "doctor":
        rules = tuple(
            (group, resources, f"{reads} {writes}".strip() if purpose == "deploy" else reads)
            for group, resources, reads, writes in _KUBERNETES
            if reads or purpose == "deploy"
        )
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [
            {
                "apiGroups": [group],
                "resources": json_list(resources.split(", ")),
                "verbs": json_list(verbs.split()),
            }
            for group, resources, verbs in rules
        ],
    }
