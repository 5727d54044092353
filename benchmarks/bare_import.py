"""Baseline: import what any rehearsal must, and nothing else."""

# Attributes are lazy: naming one imports it.
# ruff: noqa: B018
# pyright: reportUnusedExpression=false
import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes
from moto.backends import get_backend

pulumi.Output
aws.ec2.SecurityGroup
aws.eks.PodIdentityAssociation
aws.iam.Role
aws.iot.Certificate
aws.rds.Instance
aws.secretsmanager.Secret
aws.vpc.SecurityGroupIngressRule
kubernetes.core.v1.ConfigMap
kubernetes.helm.v3.Release
for service in ("ec2", "eks", "iam", "iot", "rds", "secretsmanager", "sts"):
    get_backend(service)
