"""The server's AWS identity: an IAM role that reads its two secrets, tied to its service account."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from maestro_stack.cluster import Cluster
from maestro_stack.names import SERVICE_ACCOUNT, Names
from maestro_stack.permissions import secrets_policy, trust_policy
from maestro_stack.schema import IamSettings


@dataclass(frozen=True, kw_only=True)
class IdentityArgs:
    """What the identity needs to know."""

    cluster: Cluster
    names: Names
    namespace: str
    secret_arns: tuple[pulumi.Input[str], ...]
    kms_key_arn: str | None
    """The secrets' KMS key, if they have one of their own."""
    iam: IamSettings
    tags: dict[str, str]


class Identity(pulumi.ComponentResource):
    """IAM role and EKS Pod Identity association of the server.

    Source: Amazon EKS user guide, "Learn how EKS Pod Identity grants pods access to AWS services".
    """

    role_name: pulumi.Output[str]
    role_arn: pulumi.Output[str]
    grants: tuple[pulumi.Resource, ...]
    """Resources that exist once a pod can assume the role and the role can read the secrets."""

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("maestro:aws:Identity", name, opts=opts)
        child = pulumi.ResourceOptions(parent=self)
        service = aws.get_service_principal_output(
            service_name="pods.eks", opts=pulumi.InvokeOutputOptions(parent=self)
        ).name
        trust = service.apply(
            lambda service: json.dumps(
                trust_policy(
                    sid="MaestroServerPods",
                    service=service,
                    account_id=args.cluster.account_id,
                    cluster_arn=args.cluster.arn,
                    namespace=args.namespace,
                    service_account=SERVICE_ACCOUNT,
                )
            )
        )
        role = aws.iam.Role(
            f"role-{args.cluster.name}",
            name=args.names.role,
            description=f"Maestro server of EKS cluster {args.names.cluster} in {args.names.region}",
            assume_role_policy=trust,
            path=args.iam.path,
            permissions_boundary=args.iam.permissions_boundary_arn,
            tags=args.tags,
            opts=child,
        )
        policy = aws.iam.RolePolicy(
            f"policy-{args.cluster.name}",
            name="read-server-secrets",
            role=role.name,
            policy=secrets_policy("ReadServerSecrets", args.secret_arns, kms_key_arn=args.kms_key_arn),
            opts=child,
        )
        association = aws.eks.PodIdentityAssociation(
            f"association-{args.cluster.name}",
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
