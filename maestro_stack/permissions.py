"""Policy documents: who may assume an IAM role through EKS Pod Identity, and what the role may read."""

from collections.abc import Sequence
from typing import TypedDict

import pulumi


class TrustStatement(TypedDict):
    """The one statement of a role's trust policy."""

    Sid: str
    Effect: str
    Principal: dict[str, str]
    Action: list[str]
    Condition: dict[str, dict[str, str]]


class TrustPolicy(TypedDict):
    """A role's trust policy as AWS reads it."""

    Version: str
    Statement: list[TrustStatement]


def trust_policy(  # noqa: PLR0913
    *, sid: str, service: str, account_id: str, cluster_arn: str, namespace: str, service_account: str
) -> TrustPolicy:
    """Who may assume the role: EKS, for one service account of one cluster.

    Scoped by the session tags that EKS sets; `aws:SourceArn` would break it. Source: Amazon EKS user
    guide, "Create IAM role with trust policy required by EKS Pod Identity".
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": sid,
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {
                    "StringEquals": {
                        "aws:SourceAccount": account_id,
                        "aws:RequestTag/eks-cluster-arn": cluster_arn,
                        "aws:RequestTag/kubernetes-namespace": namespace,
                        "aws:RequestTag/kubernetes-service-account": service_account,
                    }
                },
            }
        ],
    }


def secrets_policy(
    sid: str, secret_arns: Sequence[pulumi.Input[str]], *, kms_key_arn: str | None = None
) -> pulumi.Output[str]:
    """What the role may do: read these secrets and, if they have their own key, use it to decrypt them only.

    Sources: README of the CSI driver's AWS provider; Secrets Manager user guide, "Secret encryption and
    decryption", encryption context; KMS developer guide, "kms:ViaService".
    """
    arns = list(secret_arns)
    read = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    statements: list[object] = [{"Sid": sid, "Effect": "Allow", "Action": read, "Resource": arns}]
    if kms_key_arn:
        _, partition, _, region, *_ = kms_key_arn.split(":")
        suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
        only = {
            "kms:ViaService": f"secretsmanager.{region}.{suffix}",
            "kms:EncryptionContext:SecretARN": arns,
        }
        statements.append(
            {
                "Sid": f"Decrypt{sid.removeprefix('Read')}",
                "Effect": "Allow",
                "Action": ["kms:Decrypt"],
                "Resource": [kms_key_arn],
                "Condition": {"StringEquals": only},
            }
        )
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": statements})
