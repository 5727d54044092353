"""Makes moto start quickly, and builds a world in it.

Everything here depends on moto's internals. It runs where moto's data is: in this process for
`in_process_cloud`, or in the process of a moto server.
"""

from __future__ import annotations

import base64
import copyreg
import gc
import hashlib
import importlib
import ipaddress
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import islice, repeat
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

from common.json_values import Json, flag, json_list, record, records, text, texts
from emulator.aws import moto_gaps_ec2_rds, moto_gaps_restores
from emulator.aws.cloud import Cloud
from emulator.aws.regions import find_region

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from moto.core.botocore_stubber import BotocoreStubber

    from emulator.world import Cluster, Database, Subnet, World

# Where `iot:Data-ATS` isn't `<account>-ats.iot…`. Source: the AWS SDKs' endpoint rules for iot-data.
_DOTTED_ATS_REGIONS = frozenset({"cn-north-1"})


@cache
def prepare() -> None:
    """Import moto once, without the parts that take seconds and that nothing here uses."""
    collects = gc.isenabled()
    # Hundreds of thousands of objects that all stay: traversing them again and again costs more than creating
    # them.
    gc.disable()
    _share_service_models()
    _skip_machine_catalogues()
    _skip_url_builders()
    moto_gaps_ec2_rds.install()
    _install_additions()
    _keep_endpoints()
    _remember_what_never_changes()
    _pickle_private_keys()
    gc.freeze()
    if collects:
        gc.enable()


def _install_additions() -> None:
    """Add the calls that moto lacks; their modules import moto's, so only once moto is prepared."""
    from emulator.aws import moto_gaps, moto_gaps_questions, pod_identity

    pod_identity.install()
    moto_gaps.install()
    moto_gaps_questions.install()


def _share_service_models() -> None:
    """botocore parses a service's model (megabytes of JSON) again in each session, and moto creates many
    sessions.

    moto's models have additions of its own, so its loader stays separate from botocore's: our parameters are
    validated against AWS's model alone.
    """
    import botocore.session

    botocores = botocore.session.create_loader()

    def create_loader(*_: object) -> object:
        return botocores

    patch.object(botocore.session, "create_loader", create_loader).start()

    from moto.core import loaders, utils

    motos = loaders.create_loader()
    patch.object(utils, "create_loader", lambda: motos).start()


def _skip_machine_catalogues() -> None:
    """moto loads every region's instance types and a thousand machine images.

    The rehearsal starts no machines.
    """
    from moto.utilities import utils

    real: Callable[[str], object] = utils.load_resource
    lists = ("amis", "latest_amis", "ecs/", "instance_type_offerings")

    def load_resource(resource: str) -> object:
        name = resource.removeprefix("ec2/resources/")
        if name.startswith(lists):
            return []
        return {} if name.startswith("instance_types") else real(resource)

    with patch.object(utils, "load_resource", load_resource):
        importlib.import_module("moto.ec2.models")


def _skip_url_builders() -> None:
    """moto matches requests against hundreds of routes, and never builds a URL from one.

    Werkzeug prepares for both.
    """
    from moto.core import routing

    def build_nothing(*_: object, **__: object) -> object:
        raise NotImplementedError

    def prepare_nothing(*_: object, **__: object) -> object:
        return build_nothing

    patch.object(routing.SmithyRule, "_compile_builder", prepare_nothing).start()


def _keep_endpoints() -> None:
    """moto makes up a new IoT endpoint on each call, and ignores China; an account's never changes."""
    from moto.iot.models import FakeEndpoint, IoTBackend

    describe_endpoint = IoTBackend.describe_endpoint

    def describe(backend: IoTBackend, endpoint_type: str) -> FakeEndpoint:
        found = describe_endpoint(backend, endpoint_type)
        region = find_region(backend.region_name)
        _, _, rest = found.endpoint.partition(".")
        # 14 characters, beginning with an a.
        account = "a" + _digest(f"{backend.account_id}/{backend.region_name}", 13)
        is_ats = endpoint_type == "iot:Data-ATS"
        separator = "." if backend.region_name in _DOTTED_ATS_REGIONS else "-"
        service = rest.removesuffix(".amazonaws.com")
        found.endpoint = f"{account}{separator + 'ats' if is_ats else ''}.{service}.{region.dns_suffix}"
        return found

    patch.object(IoTBackend, "describe_endpoint", describe).start()


def _remember_what_never_changes() -> None:
    """moto lists a service's methods again for each request, and creates a session for each EKS cluster."""
    from boto3 import Session
    from moto.core import responses
    from moto.core.utils import method_names_from_class
    from moto.eks import utils

    patch.object(responses, "method_names_from_class", cache(method_names_from_class)).start()
    patch.object(utils, "Session", cache(Session)).start()


def _private_key(kept: bytes) -> RSAPrivateKey:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    return cast("RSAPrivateKey", load_der_private_key(kept, None))


def _pickle_private_keys() -> None:
    """moto holds one for each KMS key, and cryptography's can't be pickled."""
    from cryptography.hazmat.bindings._rust import openssl
    from cryptography.hazmat.primitives import serialization

    def reduced(key: RSAPrivateKey) -> tuple[Callable[[bytes], RSAPrivateKey], tuple[bytes]]:
        form = serialization.PrivateFormat.PKCS8
        kept = key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())
        return _private_key, (kept,)

    copyreg.pickle(cast("type[RSAPrivateKey]", openssl.rsa.RSAPrivateKey), reduced)


@contextmanager
def running() -> Generator[None]:
    """Open fresh, empty accounts in this process; their data is discarded on exit.

    moto's own `mock_aws` would also hook into every other client in the process, the `requests` library and
    the environment; none of that is wanted, and it takes longer than all the handlers together.
    """
    prepare()
    from moto.core.base_backend import BackendDict
    from moto.core.model_instances import reset_model_data

    _stubber().enabled = True
    try:
        yield
    finally:
        _stubber().enabled = False
        BackendDict.reset()
        reset_model_data()


def answer(request: AWSPreparedRequest) -> AWSResponse | None:
    """The answer of moto in this process to a request.

    None while it isn't running, or if moto doesn't know the host.
    """
    return _stubber()("before-send", request)


@cache
def _stubber() -> BotocoreStubber:
    from moto.core.botocore_stubber import BotocoreStubber

    return BotocoreStubber()


def build(cloud: Cloud, world: World) -> None:
    """Create in the emulated account what the world describes, through the API wherever moto allows it."""
    _default_vpc(cloud)  # moto creates it on the first call: later it would take an id meant for another VPC
    for vpc in world.vpcs:
        _create_vpc(cloud, vpc.cidr, vpc.id)
        if vpc.public:
            _open(cloud, vpc.id, _main_table(cloud, vpc.id))
    for cluster in world.clusters:
        there = cloud.in_region(cluster.region)
        neighbour = _find_network(there, cluster.network_of)
        with _reproducible(f"{cloud.account_id}/{cluster.region}/{cluster.network_of or cluster.name}"):
            _create_cluster(there, cluster, neighbour)
    own = world.clusters_in(cloud.region)
    homes = _homes(cloud, own[0].name if own else None)
    zones = _zones(cloud) if world.subnets else []
    for index, subnet in enumerate(world.subnets):
        network = _Network(cloud, subnet.vpc_id or next(homes))
        has_public_ips = bool(subnet.public if subnet.public_ips is None else subnet.public_ips)
        network.create_subnet(
            subnet.zone or zones[index % len(zones)], has_public_ips=has_public_ips, subnet_id=subnet.id
        )
        if subnet.public is not None:
            network.route([subnet.id], is_public=subnet.public)
        _complete_subnet(cloud, subnet, own[0].name if own else "")
    for group in world.security_groups:
        name = group.name or f"group-{group.id}"
        _create_security_group(cloud, group.vpc_id or next(homes), name, group.id)
    for name in world.iot_policies:
        document = json.dumps({"Version": "2012-10-17", "Statement": ()})
        cloud.call("iot", "CreatePolicy", {"policyName": name, "policyDocument": document})
    for name in world.deleted_secrets:
        cloud.call("secretsmanager", "CreateSecret", {"Name": name, "SecretString": "{}"})
        cloud.call("secretsmanager", "DeleteSecret", {"SecretId": name, "RecoveryWindowInDays": 30})
    _create_documents(cloud, world)
    for database in world.databases:
        _create_database(cloud, database)


def _create_database(cloud: Cloud, database: Database) -> None:
    """An instance in the default VPC, or what is left of one."""
    parts = (database.snapshot or "").split(":", 6)
    owner, snapshot = (parts[4], parts[6]) if len(parts) == 7 else (cloud.account_id, database.snapshot)
    home = cloud if owner == cloud.account_id else cloud.in_account(owner)
    name: dict[str, Json] = {"DBInstanceIdentifier": database.name}
    made: dict[str, Json] = {
        **name,
        "AllocatedStorage": database.storage_gib,
        "BackupRetentionPeriod": 7,
        "DBInstanceClass": "db.t4g.small",
        "DBName": database.database_name,
        "Engine": "postgres",
        "EngineVersion": database.version,
        "MasterUsername": database.username,
        "MasterUserPassword": "the-one-before",
        "StorageEncrypted": True,
        "StorageType": "gp3",
    }
    if database.kms_key_arn:
        made["KmsKeyId"] = database.kms_key_arn
    home.call("rds", "CreateDBInstance", made)
    if snapshot:
        taken: dict[str, Json] = {"DBSnapshotIdentifier": snapshot}
        home.call("rds", "CreateDBSnapshot", {**name, **taken})
        if home is not cloud:
            share: Json = [cloud.account_id]
            home.call(
                "rds",
                "ModifyDBSnapshotAttribute",
                {**taken, "AttributeName": "restore", "ValuesToAdd": share},
            )
    if database.automated_backup:
        moto_gaps_restores.keep_backups(
            cloud.account_id, cloud.region, database.name, database.automated_backup
        )
    if database.gone:
        home.call("rds", "DeleteDBInstance", {**name, "SkipFinalSnapshot": True})


def _create_documents(cloud: Cloud, world: World) -> None:
    """Create boundaries and keys, each with its policy."""
    for arn, document in world.iam_policies.items():
        path, _, name = arn.split(":policy", 1)[1].rpartition("/")
        text_ = json.dumps(document)
        cloud.call("iam", "CreatePolicy", {"PolicyName": name, "Path": f"{path}/", "PolicyDocument": text_})
    for arn, document in world.kms_keys.items():
        key_id = arn.partition(":key/")[2]
        with _next_id("moto.kms.models.generate_key_id", key_id):
            cloud.call("kms", "CreateKey", {"Policy": json.dumps(document)})


@contextmanager
def _reproducible(what: str) -> Generator[None]:
    """Derive ids from `what` alone, so that two rehearsals of a stack have the same surroundings."""
    from moto.moto_api._internal import mock_random

    kept = mock_random.getstate()
    mock_random.seed(what)
    try:
        yield
    finally:
        mock_random.setstate(kept)


def _create_cluster(cloud: Cloud, cluster: Cluster, neighbour: Mapping[str, Json]) -> None:
    """Create an EKS cluster as eksctl or the console would, with private and public subnets.

    It is in the network of its neighbour, if it has one.
    """
    vpc_id = cluster.vpc_id or text(neighbour, "vpcId") or _create_vpc(cloud, "10.0.0.0/16")
    network_config: dict[str, Json] = {"ipFamily": cluster.ip_family}
    if cluster.ip_family == "ipv6":
        cloud.call("ec2", "AssociateVpcCidrBlock", {"VpcId": vpc_id, "AmazonProvidedIpv6CidrBlock": True})
    else:
        network_config["serviceIpv4Cidr"] = "172.20.0.0/16"
    network = _Network(cloud, vpc_id)
    zones = [] if neighbour else cluster.zones or _zones(cloud)[:3]
    private = [network.create_subnet(zone, has_public_ips=False) for zone in zones]
    public = [network.create_subnet(zone, has_public_ips=True) for zone in zones if cluster.public_subnets]
    subnets = [*private, *public] or texts(neighbour, "subnetIds")
    group_id = f"sg-{_digest(cluster.name, 17)}" if cluster.network_of else None
    group = _create_security_group(
        cloud, vpc_id, f"eks-cluster-sg-{cluster.name}-{_digest(cluster.name, 8)}", group_id
    )
    cloud.call(
        "eks",
        "CreateCluster",
        {
            "name": cluster.name,
            "roleArn": cloud.arn("iam", "role/eks-cluster"),
            "version": cluster.version,
            "resourcesVpcConfig": {"subnetIds": json_list(subnets)},
            "kubernetesNetworkConfig": network_config,
        },
    )
    _complete_cluster(cloud, cluster, vpc_id, group)
    if private:
        network.route(private, is_public=False)
    if public:
        network.route(public, is_public=True)


def _find_network(cloud: Cloud, name: str | None) -> dict[str, Json]:
    """The network of the cluster with this name; empty if it doesn't exist."""
    if name is None or name not in texts(cloud.call("eks", "ListClusters", {}), "clusters"):
        return {}
    found = record(cloud.call("eks", "DescribeCluster", {"name": name}), "cluster")
    return record(found, "resourcesVpcConfig")


class _Network:
    """A VPC and the addresses that are still free in it."""

    def __init__(self, cloud: Cloud, vpc_id: str) -> None:
        self._cloud = cloud
        self._vpc_id = vpc_id
        vpc = records(cloud.call("ec2", "DescribeVpcs", {"VpcIds": [vpc_id]}), "Vpcs")[0]
        filters: Json = [{"Name": "vpc-id", "Values": [vpc_id]}]
        subnets = records(cloud.call("ec2", "DescribeSubnets", {"Filters": filters}), "Subnets")
        self._block = ipaddress.IPv4Network(text(vpc, "CidrBlock"))
        self._taken = [ipaddress.IPv4Network(text(subnet, "CidrBlock")) for subnet in subnets]
        ipv6 = next(iter(records(vpc, "Ipv6CidrBlockAssociationSet")), None)
        self._ipv6 = ipaddress.IPv6Network(text(ipv6, "Ipv6CidrBlock")) if ipv6 else None

    def create_subnet(self, zone: str, *, has_public_ips: bool, subnet_id: str | None = None) -> str:
        """Create a subnet in the next free block, also with an IPv6 block if the VPC has one."""
        parameters: dict[str, Json] = {
            "VpcId": self._vpc_id,
            "AvailabilityZone": zone,
            "CidrBlock": str(self._take(is_small=has_public_ips)),
        }
        if self._ipv6:
            blocks = self._ipv6.subnets(new_prefix=64)
            parameters["Ipv6CidrBlock"] = str(next(islice(blocks, len(self._taken), None)))
        with (
            _next_id("moto.ec2.models.subnets.random_subnet_id", subnet_id),
            _zone_is_there(self._cloud, zone),
        ):
            made = record(self._cloud.call("ec2", "CreateSubnet", parameters), "Subnet")
        if flag(made, "MapPublicIpOnLaunch") != has_public_ips:
            change: dict[str, Json] = {
                "SubnetId": text(made, "SubnetId"),
                "MapPublicIpOnLaunch": {"Value": has_public_ips},
            }
            self._cloud.call("ec2", "ModifySubnetAttribute", change)
        return text(made, "SubnetId")

    def route(self, subnets: Sequence[str], *, is_public: bool) -> None:
        """Create a route table for these subnets, with or without a route to the internet."""
        made = self._cloud.call("ec2", "CreateRouteTable", {"VpcId": self._vpc_id})
        table = text(record(made, "RouteTable"), "RouteTableId")
        if is_public:
            _open(self._cloud, self._vpc_id, table)
        for subnet in subnets:
            self._cloud.call("ec2", "AssociateRouteTable", {"RouteTableId": table, "SubnetId": subnet})

    def _take(self, *, is_small: bool) -> ipaddress.IPv4Network:
        """Take a block; of a /16, a /19 from the start, enough for pods, or a /24 from the end."""
        longer = 8 if is_small else 3
        candidates = [*self._block.subnets(prefixlen_diff=min(longer, 28 - self._block.prefixlen))]
        ordered = reversed(candidates) if is_small else candidates
        block = next(free for free in ordered if not any(free.overlaps(other) for other in self._taken))
        self._taken.append(block)
        return block


def _main_table(cloud: Cloud, vpc_id: str) -> str:
    filters: Json = [
        {"Name": "vpc-id", "Values": [vpc_id]},
        {"Name": "association.main", "Values": ["true"]},
    ]
    (table,) = records(cloud.call("ec2", "DescribeRouteTables", {"Filters": filters}), "RouteTables")
    return text(table, "RouteTableId")


def _open(cloud: Cloud, vpc_id: str, table: str) -> None:
    """Add a route to the VPC's internet gateway, of which a VPC can have only one."""
    filters: Json = [{"Name": "attachment.vpc-id", "Values": [vpc_id]}]
    found = records(cloud.call("ec2", "DescribeInternetGateways", {"Filters": filters}), "InternetGateways")
    if found:
        gateway = text(found[0], "InternetGatewayId")
    else:
        made = cloud.call("ec2", "CreateInternetGateway", {})
        gateway = text(record(made, "InternetGateway"), "InternetGatewayId")
        cloud.call("ec2", "AttachInternetGateway", {"InternetGatewayId": gateway, "VpcId": vpc_id})
    route: dict[str, Json] = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}
    cloud.call("ec2", "CreateRoute", {"RouteTableId": table, **route})


@contextmanager
def _zone_is_there(cloud: Cloud, name: str) -> Generator[None]:
    """Make moto, which knows no local or wavelength zones, accept one for a subnet."""
    from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend, Zone

    from emulator.world import zone_type  # which imports this package

    zones = RegionsAndZonesBackend.zones
    known, kind = zones.get(cloud.region, []), zone_type(name)
    if kind not in ("local-zone", "wavelength-zone"):
        yield
        return
    new = Zone(name, cloud.region, f"{name}-id", kind)
    with patch.dict(zones, {cloud.region: [*known, new]}):
        yield


def _complete_subnet(cloud: Cloud, subnet: Subnet, cluster: str) -> None:
    """Set what no call to moto can: that a subnet is on an Outpost, or is a cluster's."""
    import moto.ec2.models
    import moto.eks.models

    if subnet.outpost:
        record_of = moto.ec2.models.ec2_backends[cloud.account_id][cloud.region].get_subnet(subnet.id)
        arn = cloud.arn("outposts", "outpost/op-0123456789abcdef0")
        record_of.outpost_arn = arn  # pyright: ignore[reportAttributeAccessIssue]
    if subnet.of_cluster:
        eks = moto.eks.models.eks_backends[cloud.account_id][cloud.region]
        eks.clusters[cluster].resources_vpc_config["subnetIds"].append(subnet.id)


def _complete_cluster(cloud: Cloud, cluster: Cluster, vpc_id: str, group: str) -> None:
    """Add to moto's cluster object what it lacks, so that DescribeCluster answers as EKS does.

    Source of the shapes: EKS API reference, Cluster, VpcConfigResponse and KubernetesNetworkConfigResponse.
    """
    import moto.eks.models

    record_of = moto.eks.models.eks_backends[cloud.account_id][cloud.region].clusters[cluster.name]
    record_of.status = cluster.status
    record_of.platformVersion = "eks.1"
    record_of.resources_vpc_config |= {
        "clusterSecurityGroupId": group,
        "vpcId": vpc_id,
        "securityGroupIds": [],
        "endpointPublicAccess": cluster.endpoint_access == "public",
        "endpointPrivateAccess": True,
        "publicAccessCidrs": ["0.0.0.0/0"],
    }
    if cluster.ip_family == "ipv6":
        # EKS picks a unique local /108 for an IPv6 cluster's services.
        hexes = _digest(cluster.name, 8)
        record_of.kubernetes_network_config["serviceIpv6Cidr"] = (
            f"fd{hexes[:2]}:{hexes[2:6]}:{hexes[4:8]}::/108"
        )
    identity = _digest(f"{cloud.region}/{cluster.name}", 32).upper()
    record_of.identity = {
        "oidc": {"issuer": f"https://oidc.eks.{cloud.region}.{cloud.dns_suffix}/id/{identity}"}
    }
    is_reachable = cluster.status not in ("CREATING", "PENDING", "FAILED")
    # Until the control plane is up, EKS answers with neither an endpoint nor a certificate authority.
    made_up = f"https://{identity}.gr7.{cloud.region}.eks.{cloud.dns_suffix}" if is_reachable else ""
    record_of.endpoint = made_up
    record_of.certificate_authority = {"data": _certificate_authority()} if is_reachable else {}
    if cluster.kind == "outposts":
        del record_of.resources_vpc_config["clusterSecurityGroupId"]
    elif cluster.kind == "connected":
        record_of.resources_vpc_config = {}
        record_of.kubernetes_network_config = None  # pyright: ignore[reportAttributeAccessIssue]
        record_of.certificate_authority = None  # pyright: ignore[reportAttributeAccessIssue]
    move_cluster(cloud, cluster)


def move_cluster(cloud: Cloud, cluster: Cluster) -> None:
    """Make DescribeCluster answer with the world's endpoint and certificate authority.

    A real control plane has new ones after each start. What the world leaves out stays unchanged.
    """
    import moto.eks.models

    record_of = moto.eks.models.eks_backends[cloud.account_id][cloud.region].clusters[cluster.name]
    if cluster.endpoint is not None:
        record_of.endpoint = cluster.endpoint
    if cluster.certificate_authority is not None:
        record_of.certificate_authority = {"data": cluster.certificate_authority}


@cache
def _certificate_authority() -> str:
    """A self-signed CA certificate in base64, as in EKS's answers; the same in every run."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.x509.oid import NameOID

    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))  # its signatures never vary
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2025, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2125, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None)
    )
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.PEM)).decode()


def _zones(cloud: Cloud) -> list[str]:
    filters: Json = [{"Name": "zone-type", "Values": ["availability-zone"]}]
    answer = cloud.call("ec2", "DescribeAvailabilityZones", {"Filters": filters})
    return [text(zone, "ZoneName") for zone in records(answer, "AvailabilityZones")]


def _create_vpc(cloud: Cloud, cidr: str, vpc_id: str | None = None) -> str:
    with _next_id("moto.ec2.models.vpcs.random_vpc_id", vpc_id):
        answer = cloud.call("ec2", "CreateVpc", {"CidrBlock": cidr})
    return text(record(answer, "Vpc"), "VpcId")


def _create_security_group(cloud: Cloud, vpc_id: str, name: str, group_id: str | None = None) -> str:
    with _next_id("moto.ec2.models.security_groups.random_security_group_id", group_id):
        answer = cloud.call(
            "ec2", "CreateSecurityGroup", {"GroupName": name, "Description": name, "VpcId": vpc_id}
        )
    return text(answer, "GroupId")


@contextmanager
def _next_id(generator: str, wanted: str | None) -> Generator[None]:
    """Make moto use an id that the stack names, since the API has no way to request one."""
    if wanted is None:
        yield
        return

    def give(*_: object) -> str:
        return wanted

    with patch(generator, give):
        yield


def _homes(cloud: Cloud, cluster: str | None) -> Iterator[str]:
    """An endless supply of the VPC for things that name none: the cluster's, or the account's default one."""
    if cluster:
        found = record(cloud.call("eks", "DescribeCluster", {"name": cluster}), "cluster")
        yield from repeat(text(record(found, "resourcesVpcConfig"), "vpcId"))
    yield from repeat(_default_vpc(cloud))


def _default_vpc(cloud: Cloud) -> str:
    filters: Json = [{"Name": "is-default", "Values": ["true"]}]
    return text(records(cloud.call("ec2", "DescribeVpcs", {"Filters": filters}), "Vpcs")[0], "VpcId")


def _digest(value: str, length: int) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:length]
