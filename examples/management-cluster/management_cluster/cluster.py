"""The accounts that agents live in, and the EKS clusters there."""

from collections.abc import Iterable
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from maestro_stack.errors import Problem, SurroundingsError
from management_cluster.settings import Cluster as ClusterSettings


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A management cluster: what identifies it, and the provider for its account and region."""

    settings: ClusterSettings
    provider: aws.Provider
    arn: str
    account_id: str
    endpoint: str
    """URL of the API server."""
    certificate_authority: str
    """The API server's CA certificate, as base64-encoded PEM."""
    pod_identity_service: str
    """The service that hands out the role's credentials, as a trust policy names it."""


def account(name: str, *, region: pulumi.Input[str], role_arn: str | None) -> aws.Provider:
    """The provider for an account and region, acting as the role there if one is given."""
    roles = [aws.ProviderAssumeRoleArgs(role_arn=role_arn)] if role_arn else None
    return aws.Provider(name, region=region, assume_roles=roles)


def find_clusters(wanted: Iterable[ClusterSettings]) -> list[Cluster]:
    """Look up the clusters; only providers are registered.

    Raises:
        SurroundingsError: with every cluster that doesn't exist or can't be read.
    """
    found: list[Cluster] = []
    problems: list[Problem] = []
    for settings in wanted:
        provider = account(f"cluster-{settings.consumer}", region=settings.region, role_arn=settings.role_arn)
        try:
            found.append(_find(settings, provider))
        except _NotUsableError as refused:
            problem = f'EKS cluster "{settings.name}" in {settings.region} {refused}'
            problems.append(
                Problem(
                    key=f"clusters.{settings.consumer}",
                    problem=problem,
                    example=f"to list them: aws eks list-clusters --region {settings.region}",
                )
            )
    if problems:
        raise SurroundingsError(problems)
    return found


class _NotUsableError(Exception):
    """What is wrong with a cluster."""


def _find(settings: ClusterSettings, provider: aws.Provider) -> Cluster:
    """Uses the plain form of the look-ups, because only its failure can be caught."""
    options = pulumi.InvokeOptions(provider=provider)
    try:
        cluster = aws.eks.get_cluster(name=settings.name, opts=options)
        caller = aws.get_caller_identity(opts=options)
        service = aws.get_service_principal(service_name="pods.eks", opts=options)
    except Exception as refused:  # noqa: BLE001 the SDK raises nothing more specific
        raise _NotUsableError(f"can't be read: {refused}") from None
    if cluster.status != "ACTIVE":
        raise _NotUsableError(f"is {cluster.status}, not ACTIVE")
    return Cluster(
        settings=settings,
        provider=provider,
        arn=cluster.arn,
        account_id=caller.account_id,
        endpoint=cluster.endpoint,
        certificate_authority=cluster.certificate_authorities[0].data,
        pod_identity_service=service.name,
    )
