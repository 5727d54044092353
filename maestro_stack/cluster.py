"""The EKS cluster we deploy to: its identity facts, and the Kubernetes provider that reaches it."""

from __future__ import annotations  # the SDK's modules load while AWS answers: surroundings.py

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from maestro_stack.errors import Problem, SurroundingsError
from maestro_stack.kubeconfig import eks_kubeconfig
from maestro_stack.settings import Settings

if TYPE_CHECKING:
    from pulumi_aws.ec2.outputs import GetRouteTableAssociationResult

T = TypeVar("T")

RDS_ZONES_MIN = 2  # RDS user guide, "Working with a DB instance in a VPC"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What identifies the cluster, its network and account; none of it changes while the cluster exists."""

    name: str
    arn: str
    region: str
    account_id: str
    partition: str
    vpc_id: str
    private_subnet_ids: tuple[str, ...]
    security_group_id: str
    """The cluster security group, which EKS gives to nodes that don't choose their own."""
    ip_family: str
    """`ipv4` or `ipv6`."""
    endpoint: str
    """URL of the API server."""
    endpoint_is_private: bool
    """Whether the API server is reachable only from the cluster's network."""
    certificate_authority: str
    """The API server's CA certificate, as base64-encoded PEM."""


async def find_cluster(settings: Settings) -> Cluster:
    """Look up the cluster, its network and its account, without registering anything.

    Raises:
        SurroundingsError: with everything that the region lacks.
    """
    found = _get_cluster(settings)
    if lacking := _lacking(found):
        raise SurroundingsError([lacking])
    vpc_id = settings.network.vpc_id or found.vpc_config.vpc_id
    (subnet_ids, subnet_problems), account, partition = await asyncio.gather(
        _find_subnets_of(settings, found, vpc_id),
        aws.get_caller_identity_output().future(),
        aws.get_partition_output().future(),
    )
    account_id = _known(account).account_id
    problems = [
        *_state_problems(settings, found),
        *subnet_problems,
        *_boundary_problems(settings, account_id),
    ]
    if problems:
        raise SurroundingsError(problems)
    return Cluster(
        name=found.name,
        arn=found.arn,
        region=settings.region,
        account_id=account_id,
        partition=_known(partition).partition,
        vpc_id=vpc_id,
        private_subnet_ids=subnet_ids,
        security_group_id=found.vpc_config.cluster_security_group_id,
        ip_family=found.kubernetes_network_configs[0].ip_family,
        endpoint=found.endpoint,
        endpoint_is_private=not found.vpc_config.endpoint_public_access,
        certificate_authority=found.certificate_authorities[0].data,
    )


def _get_cluster(settings: Settings) -> aws.eks.GetClusterResult:
    """The cluster, by the plain form of the look-up: only its failure can be caught."""
    try:
        return aws.eks.get_cluster(name=settings.cluster_name)
    except Exception as refused:  # noqa: BLE001 the SDK raises nothing more specific
        problem = f'EKS cluster "{settings.cluster_name}" can\'t be read in {settings.region}: {refused}'
        try:
            names = sorted(aws.eks.get_clusters().names)
        except Exception:  # noqa: BLE001 as above; the first error says what is wrong
            names = []
        else:
            if settings.cluster_name not in names:
                there = f"the clusters there are {', '.join(names)}" if names else "there are none"
                problem = (
                    f'EKS cluster "{settings.cluster_name}" does not exist in {settings.region}: {there}'
                )
        name = names[0] if names else "regional-xyz"
        example = (
            f"example: pulumi config set clusterName {name}; "
            "if it lives in another region: pulumi config set aws:region us-west-2"
        )
        raise SurroundingsError([Problem(key="clusterName", problem=problem, example=example)]) from None


def _lacking(found: aws.eks.GetClusterResult) -> Problem | None:
    """What the cluster lacks and every cluster that EKS itself runs has, once it is created.

    Source: EKS API reference, Cluster: a connected cluster has no VPC, a local cluster on Outposts has no
    cluster security group.
    """
    network = found.vpc_config  # None if there is none, whatever its type says
    has = {
        "VPC": bool(network and network.vpc_id),
        "cluster security group": bool(network and network.cluster_security_group_id),
        "certificate authority": bool(found.certificate_authorities),
        "Kubernetes network": bool(found.kubernetes_network_configs),
    }
    missing = [f"no {what}" for what, is_there in has.items() if not is_there]
    if not missing or found.status in ("CREATING", "PENDING", "FAILED", "DELETING"):
        return None
    return Problem(
        key="clusterName",
        problem=f'EKS cluster "{found.name}" has {", ".join(missing)}: connected clusters and local '
        "clusters on Outposts can't be used",
        example="name a cluster that EKS runs in the region: aws eks list-clusters",
    )


def _state_problems(settings: Settings, found: aws.eks.GetClusterResult) -> list[Problem]:
    # Its API server stays up while EKS updates it.
    if found.status in ("ACTIVE", "UPDATING"):
        return []
    problem = f'EKS cluster "{settings.cluster_name}" is {found.status}, not ACTIVE'
    example = f"wait for it: aws eks wait cluster-active --name {found.name} --region {settings.region}"
    return [Problem(key="clusterName", problem=problem, example=example)]


async def _find_subnets_of(
    settings: Settings, found: aws.eks.GetClusterResult, vpc_id: str
) -> tuple[tuple[str, ...], list[Problem]]:
    """The database's subnets, by id: the configured ones, or those of the cluster's that suit a database."""
    wanted = settings.network.subnet_ids or tuple(found.vpc_config.subnet_ids)
    if settings.network.subnet_ids:
        subnets, unsuitable = await _find_subnets(wanted), dict[str, str]()
    else:
        subnets, zones, public = await asyncio.gather(
            _find_subnets(wanted), _ordinary_zones(), _public_subnets(found.vpc_config.vpc_id, wanted)
        )
        reasons = {subnet.id: _why_unsuitable(subnet, zones, public) for subnet in subnets}
        unsuitable = {id_: reason for id_, reason in reasons.items() if reason}
    existing = {subnet.id for subnet in subnets}
    subnets = [subnet for subnet in subnets if subnet.id not in unsuitable]
    problems = [_subnet_problem(f'subnet "{id_}" does not exist') for id_ in wanted if id_ not in existing]
    problems += [
        _subnet_problem(f'subnet "{subnet.id}" is in {subnet.vpc_id}, not in {vpc_id}')
        for subnet in subnets
        if subnet.vpc_id != vpc_id
    ]
    zones_left = sorted({subnet.availability_zone for subnet in subnets})
    if not problems and len(zones_left) < RDS_ZONES_MIN:
        where = f"only in {zones_left[0]}" if zones_left else "in no zone"
        kind = "the subnets given are" if settings.network.subnet_ids else "the cluster has private subnets"
        left_out = "".join(f"; {id_} is left out: {reason}" for id_, reason in sorted(unsuitable.items()))
        problems.append(_subnet_problem(f"{kind} {where}; RDS needs two zones{left_out}"))
    return tuple(sorted(subnet.id for subnet in subnets)), problems


async def _find_subnets(ids: Sequence[str]) -> list[aws.ec2.GetSubnetResult]:
    """The subnets that exist, of those asked for."""
    # By filter first, which leaves out ids that don't exist: they can then be reported in our own words.
    by_id = aws.ec2.GetSubnetsFilterArgs(name="subnet-id", values=list(ids))
    existing = set(_known(await aws.ec2.get_subnets_output(filters=[by_id]).future()).ids)
    found = (aws.ec2.get_subnet_output(id=id_).future() for id_ in ids if id_ in existing)
    return [_known(subnet) for subnet in await asyncio.gather(*found)]


async def _ordinary_zones() -> frozenset[str]:
    """The region's zones that are neither local nor wavelength zones."""
    ordinary = aws.GetAvailabilityZonesFilterArgs(name="zone-type", values=["availability-zone"])
    zones = _known(await aws.get_availability_zones_output(filters=[ordinary]).future())
    return frozenset(zones.names)


async def _public_subnets(vpc_id: str, ids: Sequence[str]) -> frozenset[str]:
    """The subnets with a route to an internet gateway, in their own route table or the VPC's main one.

    Source: VPC user guide, "Subnet types" and "Subnet route tables".
    """
    # Most VPCs have one such table, and the others don't matter.
    to_internet = aws.ec2.GetRouteTablesFilterArgs(name="route.gateway-id", values=["igw-*"])
    associations = await _associations(vpc_id, [to_internet])
    public = {association.subnet_id for association in associations}
    if any(association.main for association in associations):
        public |= set(ids) - {association.subnet_id for association in await _associations(vpc_id, [])}
    return frozenset(public)


async def _associations(
    vpc_id: str, filters: Sequence[aws.ec2.GetRouteTablesFilterArgs]
) -> list[GetRouteTableAssociationResult]:
    """The associations of the VPC's route tables that match."""
    ids = _known(await aws.ec2.get_route_tables_output(vpc_id=vpc_id, filters=filters).future()).ids
    tables = await asyncio.gather(
        *(aws.ec2.get_route_table_output(route_table_id=id_).future() for id_ in ids)
    )
    return [association for table in tables for association in _known(table).associations]


def _why_unsuitable(
    subnet: aws.ec2.GetSubnetResult, zones: Collection[str], public: Collection[str]
) -> str | None:
    """Why a subnet of the cluster's isn't used for the database unless it is asked for, or None.

    Source: RDS user guide, "Working with a DB instance in a VPC", "Working with Amazon RDS on AWS Outposts".
    """
    if subnet.outpost_arn:
        return "it is on an Outpost"
    if subnet.availability_zone not in zones:
        return f"{subnet.availability_zone} is a local or wavelength zone"
    return "it is public, with a route to an internet gateway" if subnet.id in public else None


def _boundary_problems(settings: Settings, account_id: str) -> Iterator[Problem]:
    """A boundary must be a policy of the role's account, or one of AWS's own."""
    key, arn = "iam.permissionsBoundaryArn", settings.iam.permissions_boundary_arn
    start, _, policy = (arn or "").rpartition(":")
    owner = start.rpartition(":")[2]
    if arn and owner not in ("aws", account_id):
        right = f"{start.removesuffix(owner)}{account_id}:{policy}"
        yield Problem(
            key=key,
            problem=f'"{arn}" must be a policy of account {account_id}, where the role is',
            example=f"example: pulumi config set --path {key} {right}",
        )


def _subnet_problem(problem: str) -> Problem:
    example = (
        'example, in the stack\'s file: network: {"subnetIds": '
        '["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"]}'
    )
    return Problem(key="network.subnetIds", problem=problem, example=example)


def kubernetes_provider(
    name: str, cluster: Cluster, settings: Settings, opts: pulumi.ResourceOptions | None = None
) -> kubernetes.Provider:
    """The provider that reaches the cluster in the configured way.

    `cluster_identifier` is known in every preview, and its change alone replaces the provider, and with it
    the namespace and the release (pulumi-kubernetes, provider configuration).
    """
    access = settings.kubernetes
    kubeconfig = {
        "eks": lambda: pulumi.Output.from_input(
            eks_kubeconfig(
                name=cluster.name,
                arn=cluster.arn,
                region=cluster.region,
                endpoint=cluster.endpoint,
                certificate_authority=cluster.certificate_authority,
                role_arn=settings.authentication.role_arn,
                environment=settings.authentication.environment,
            )
        ),
        "kubeconfig": lambda: pulumi.Output.secret(access.kubeconfig),
        "ambient": lambda: None,
    }[access.mode]()
    return kubernetes.Provider(
        f"{name}-{cluster.name}",
        kubeconfig=kubeconfig,
        context=access.context,
        cluster_identifier=cluster.arn,
        # Otherwise a ConfigMap whose data changes is deleted first, and briefly nothing names the cluster.
        enable_config_map_mutable=True,
        opts=opts,
    )


def _known(value: T | None) -> T:
    """The result of a look-up. Its arguments are plain values, so it is known in previews too."""
    assert value is not None  # noqa: S101 for the type checker: only unknown outputs are None
    return value
