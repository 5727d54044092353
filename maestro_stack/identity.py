"""The server's AWS identity: an IAM role that reads its two secrets, tied to its service account."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from maestro_stack.cluster import Cluster
from maestro_stack.names import SERVICE_ACCOUNT, Names
from maestro_stack.schema import Tree


def trust_policy(*, service: str, account_id: str, cluster_arn: str, namespace: str) -> Tree:
    """Who may take the role: EKS, for one service account of one cluster.

    Scoped by the session tags that EKS sets; `aws:SourceArn` breaks the role's use. Source: Amazon EKS user
    guide, "Create IAM role with trust policy required by EKS Pod Identity".
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "MaestroServerPods",
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {
                    "StringEquals": {
                        "aws:SourceAccount": account_id,
                        "aws:RequestTag/eks-cluster-arn": cluster_arn,
                        "aws:RequestTag/kubernetes-namespace": namespace,
                        "aws:RequestTag/kubernetes-service-account": SERVICE_ACCOUNT,
                    }
                },
            }
        ],
    }


def secrets_policy(secret_arns: Sequence[pulumi.Input[str]]) -> pulumi.Output[str]:
    """What the role may do: read these secrets. Source: README of the CSI driver's AWS provider."""
    return pulumi.Output.json_dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "ReadServerSecrets",
                    "Effect": "Allow",
                    "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
                    "Resource": list(secret_arns),
                }
            ],
        }
    )


@dataclass(frozen=True, kw_only=True)
class IdentityArgs:
    """What the identity needs to know."""

    cluster: Cluster
    names: Names
    namespace: str
    secret_arns: tuple[pulumi.Input[str], ...]
    tags: dict[str, str]


class Identity(pulumi.ComponentResource):
    """IAM role and EKS Pod Identity association of the server.

    Source: Amazon EKS user guide, "Learn how EKS Pod Identity grants pods access to AWS services".
    """

    role_name: pulumi.Output[str]
    role_arn: pulumi.Output[str]
    grants: tuple[pulumi.Resource, ...]
    """Exist once a pod can take the role and the role can read the secrets."""

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("maestro:aws:Identity", name, opts=opts)
        child = pulumi.ResourceOptions(parent=self)
        service = aws.get_service_principal_output(
            service_name="pods.eks", opts=pulumi.InvokeOutputOptions(parent=self)
        ).name
        trust = service.apply(
            lambda service: json.dumps(
                trust_policy(
                    service=service,
                    account_id=args.cluster.account_id,
                    cluster_arn=args.cluster.arn,
                    namespace=args.namespace,
                )
            )
        )
        role = aws.iam.Role(
            "role",
            name=args.names.role,
            description=f"Maestro server of EKS cluster {args.names.cluster} in {args.names.region}",
            assume_role_policy=trust,
            tags=args.tags,
            opts=child,
        )
        policy = aws.iam.RolePolicy(
            "policy",
            name="read-server-secrets",
            role=role.name,
            policy=secrets_policy(args.secret_arns),
            opts=child,
        )
        association = aws.eks.PodIdentityAssociation(
            "association",
            cluster_name=args.cluster.name,
            namespace=args.namespace,
            service_account=SERVICE_ACCOUNT,
            role_arn=role.arn,
            tags=args.tags,
            opts=child,
        )
        self.role_name = role.name
        self.role_arn = role.arn
        self.grants = (policy, association)
        self.register_outputs({"roleArn": self.role_arn})
