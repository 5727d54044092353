"""The surroundings that the stack is deployed into: what exists in the account before `up`.

A world file is YAML; every key is optional:

    account: "123456789012"
    clusters:
      - {name: regional-xyz, region: us-east-1, status: ACTIVE, ipFamily: ipv4, version: "1.33",
         zones: [us-east-1a, us-east-1b], publicSubnets: true, kind: eks, endpointAccess: private,
         networkOf: regional-old,
         endpoint: "https://127.0.0.1:6443", certificateAuthority: LS0tLS1CRUdJTi…}
    vpcs: [{id: vpc-0123456789abcdef0, cidr: 10.9.0.0/16, public: false}]
    subnets: [{id: subnet-0123456789abcdef0, vpcId: vpc-0123456789abcdef0, zone: us-east-1-bos-1a,
               public: true, publicIps: false, outpost: false, ofCluster: false}]
    securityGroups: [{id: sg-0123456789abcdef0, name: batch-clients, vpcId: vpc-0123456789abcdef0}]
    configMaps: {kube-system/bootstrap-output: {cluster_name: other}}
    iotPolicies: [maestro-server]
    deletedSecrets: [regional-xyz/maestro/db-credentials]
    namespaces: [maestro]
    iamPolicies: {"arn:aws:iam::123456789012:policy/boundary": {Version: "2012-10-17", Statement: […]}}
    kmsKeys: {"arn:aws:kms:us-east-1:123456789012:key/1234abcd": {Version: "2012-10-17", Statement: […]}}
    databases:
      - {name: maestro-old, username: maestro_admin, databaseName: maestro, version: "17", storageGiB: 20,
         kmsKeyArn: "arn:aws:kms:…", snapshot: maestro-old-final, automatedBackup: "arn:…", gone: true}

A subnet or security group without `vpcId` is in the VPC of the region's first cluster, and a subnet with
`ofCluster` is one of that cluster's own. Public means a route to an internet gateway: in the subnet's own
route table or, if it doesn't say, in the VPC's main one. Subnets, VPCs, security groups, policies, keys,
secrets, namespaces and databases exist in the rehearsed region; clusters only in their own region. If a
database is gone, its snapshot or automated backups are left.
"""

from __future__ import annotations

import base64
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from common.loopback import is_loopback
from emulator.aws.cloud import DEFAULT_ACCOUNT
from emulator.aws.regions import closest_region, regions
from engine.project import FileError, read_yaml

IpFamily = Literal["ipv4", "ipv6"]
ClusterKind = Literal["eks", "outposts", "connected"]
EndpointAccess = Literal["public", "private"]
ClusterStatus = Literal["CREATING", "ACTIVE", "DELETING", "FAILED", "UPDATING", "PENDING"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a world file."""

    key: str
    problem: str
    example: str

    def __str__(self) -> str:
        where = f"{self.key}: " if self.key else ""
        return f"{where}{self.problem}" + (f"; for example {self.example}" if self.example else "")


class WorldError(Exception):
    """A world file that can't be used, with everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem], source: str = "the world") -> None:
        self.problems = tuple(problems)
        self.source = source
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{source}: {count}", *(f"  {problem}" for problem in problems)]))


class _Model(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True
    )


_HEX = r"(?:[0-9a-f]{8}|[0-9a-f]{17})"  # ids made before 2018 are the short ones
VpcId = Annotated[str, Field(pattern=rf"^vpc-{_HEX}$")]
SubnetId = Annotated[str, Field(pattern=rf"^subnet-{_HEX}$")]
SecurityGroupId = Annotated[str, Field(pattern=rf"^sg-{_HEX}$")]
# EKS API reference, CreateCluster: 1 to 100 characters.
ClusterName = Annotated[str, Field(pattern=r"^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$")]


_ENDPOINT_EXAMPLE = "https://127.0.0.1:6443"


def _known_region(name: str) -> str:
    if name not in regions():
        closest = closest_region(name)
        hint = f"did you mean {closest}?" if closest else "known are those of aws, aws-us-gov and aws-cn"
        raise PydanticCustomError(
            "world", "{problem}", {"problem": f"no AWS region is called {name}; {hint}"}
        )
    return name


def _loopback_url(url: str) -> str:
    parts = urlsplit(url)
    try:
        has_port = parts.port is not None
    except ValueError:
        has_port = False
    is_ours = has_port and parts.scheme in ("http", "https") and is_loopback(parts.hostname or "")
    if not is_ours or parts.path not in ("", "/"):
        problem = f"{url} is not an address of this machine; for example endpoint: {_ENDPOINT_EXAMPLE}"
        raise PydanticCustomError("world", "{problem}", {"problem": problem})
    return url


def _encoded_certificate(text: str) -> str:
    try:
        is_certificate = base64.b64decode(text, validate=True).startswith(b"-----BEGIN CERTIFICATE-----")
    except ValueError:
        is_certificate = False
    if not is_certificate:
        problem = "is not a PEM certificate in base64; for example the output of: base64 -w0 ca.crt"
        raise PydanticCustomError("world", "{problem}", {"problem": problem})
    return text


_ZONE_NAMES = {
    "availability-zone": r"[a-z]",
    "local-zone": r"-[a-z]+-\d+[a-z]",
    "wavelength-zone": r"-wl\d+-[a-z]+-wlz-\d+",
}


def zone_type(zone: str) -> str | None:
    """A zone's type as in DescribeAvailabilityZones, from its name; None if it isn't the name of a zone.

    Sources: EC2 user guide, "Regions and Zones"; Wavelength developer guide, "Available Wavelength Zones".
    """
    region = r"[a-z]+(?:-[a-z]+)+-\d+"
    types = (kind for kind, name in _ZONE_NAMES.items() if re.fullmatch(region + name, zone))
    return next(types, None)


def _known_zone(zone: str) -> str:
    if zone_type(zone) is None:
        problem = f"{zone} is not the name of a zone; for example zone: us-east-1a"
        raise PydanticCustomError("world", "{problem}", {"problem": problem})
    return zone


class Cluster(_Model):
    """An EKS cluster with its own network, unless `vpcId` names one of the world's VPCs.

    `network_of` names a cluster, which need not exist any more, whose VPC and subnets it uses.
    `endpoint` and `certificate_authority` (PEM in base64) are those of a real API server on this machine;
    if None, they are made up, and nothing answers.
    """

    name: ClusterName
    region: Annotated[str, AfterValidator(_known_region)]
    status: ClusterStatus = "ACTIVE"
    ip_family: IpFamily = "ipv4"
    version: Annotated[str, Field(pattern=r"^1\.\d{2}$")] = "1.33"
    zones: Annotated[list[str], Field(min_length=1)] | None = None  # None: the region's first three
    public_subnets: bool = True
    vpc_id: VpcId | None = None
    network_of: ClusterName | None = None
    kind: ClusterKind = "eks"
    endpoint_access: EndpointAccess = "public"
    endpoint: Annotated[str, AfterValidator(_loopback_url)] | None = None
    certificate_authority: Annotated[str, AfterValidator(_encoded_certificate)] | None = None
    nodes: list[dict[str, str]] | None = None
    """The labels of each node; None: unknown."""

    @field_validator("zones")
    @classmethod
    def _zones_of_the_region(cls, zones: list[str] | None, info: ValidationInfo) -> list[str] | None:
        region = str(info.data.get("region", ""))
        for zone in zones or ():
            if region and (not zone.startswith(region) or zone_type(zone) is None):
                problem = f"{zone} is not a zone of {region}; for example zones: [{region}a]"
                raise PydanticCustomError("world", "{problem}", {"problem": problem})
        return zones


class Vpc(_Model):
    """A VPC with a given id, for a cluster or for `network.vpcId`."""

    id: VpcId
    public: bool = False
    cidr: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+\.\d+/(1[6-9]|2[0-8])$")] = "10.0.0.0/16"


class Subnet(_Model):
    """A subnet with a given id, for `network.subnetIds` or for the cluster."""

    id: SubnetId
    vpc_id: VpcId | None = None
    zone: Annotated[str, AfterValidator(_known_zone)] | None = None  # None: one zone after the other
    public: bool | None = None  # None: as in the VPC's main route table
    public_ips: bool | None = None  # whether instances get public addresses; None: as `public`
    outpost: bool = False
    of_cluster: bool = False


class SecurityGroup(_Model):
    """A security group with a given id, for `network.clientSecurityGroupIds`."""

    id: SecurityGroupId
    name: str | None = None
    vpc_id: VpcId | None = None


class Database(_Model):
    """An RDS PostgreSQL instance that the stack didn't create, for `database.restoreFrom`.

    If `snapshot` is an ARN, the snapshot is shared by the account in it.
    """

    name: Annotated[str, Field(pattern=r"^[a-z](-?[a-z0-9]){0,62}$")]
    username: str = "maestro"
    database_name: str = "maestro"
    version: Annotated[str, Field(pattern=r"^\d{2}(\.\d+)?$")] = "17"
    storage_gib: Annotated[int, Field(alias="storageGiB")] = 20
    kms_key_arn: str | None = None
    snapshot: str | None = None
    automated_backup: Annotated[str, Field(pattern=r"^arn:[a-z-]+:rds:.*:auto-backup:ab-\w+$")] | None = None
    gone: bool = False


class World(_Model):
    """What exists before the stack does."""

    account: Annotated[str, Field(pattern=r"^\d{12}$")] = DEFAULT_ACCOUNT
    clusters: list[Cluster] = Field(default_factory=list[Cluster])
    vpcs: list[Vpc] = Field(default_factory=list[Vpc])
    subnets: list[Subnet] = Field(default_factory=list[Subnet])
    security_groups: list[SecurityGroup] = Field(default_factory=list[SecurityGroup])
    config_maps: dict[Annotated[str, Field(pattern=r"^[^/]+/[^/]+$")], dict[str, str]] = Field(
        default_factory=dict
    )
    iot_policies: list[str] = Field(default_factory=list)
    deleted_secrets: list[str] = Field(default_factory=list)
    namespaces: list[str] = Field(default_factory=list)
    iam_policies: dict[
        Annotated[str, Field(pattern=r"^arn:[a-z-]+:iam::\d{12}:policy/.+$")], dict[str, JsonValue]
    ] = Field(default_factory=dict)
    kms_keys: dict[
        Annotated[str, Field(pattern=r"^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/[\w-]+$")], dict[str, JsonValue]
    ] = Field(default_factory=dict)

    databases: list[Database] = Field(default_factory=list[Database])

    def clusters_in(self, region: str) -> list[Cluster]:
        """The clusters of one region, in the file's order."""
        return [cluster for cluster in self.clusters if cluster.region == region]

    def with_endpoint(self, name: str, region: str, url: str, certificate_authority: str) -> World:
        """The same world, with one cluster's API server at `url`; the authority is in base64."""
        place = {"endpoint": url, "certificate_authority": certificate_authority}
        clusters = [
            cluster.model_copy(update=place) if (cluster.name, cluster.region) == (name, region) else cluster
            for cluster in self.clusters
        ]
        return self.model_copy(update={"clusters": clusters})


def default_world(  # noqa: PLR0913
    cluster_name: str,
    region: str,
    *,
    ip_family: IpFamily = "ipv4",
    zones: Sequence[str] | None = None,
    vpc_id: str | None = None,
    network_of: str | None = None,
    subnet_ids: Sequence[str] = (),
    security_group_ids: Sequence[str] = (),
) -> World:
    """A world in which everything that a stack's settings name exists.

    A given VPC becomes the cluster's; given subnets are private ones in it, in one zone after the other,
    besides the cluster's own. Raises WorldError if a name or id can't be one of AWS's.
    """
    content: dict[str, object] = {
        "clusters": [
            {
                "name": cluster_name,
                "region": region,
                "ipFamily": ip_family,
                "zones": list(zones) if zones else None,
                "vpcId": vpc_id,
                "networkOf": network_of,
            }
        ],
        "vpcs": [{"id": vpc_id}] if vpc_id else [],
        "subnets": [{"id": subnet} for subnet in dict.fromkeys(subnet_ids)],
        "securityGroups": [{"id": group} for group in dict.fromkeys(security_group_ids)],
    }
    return parse_world(content, source="the stack's settings")


def load_world(path: Path | str) -> World:
    """Read a world file; raises WorldError with everything that is wrong with it."""
    try:
        parsed = read_yaml(Path(path))
    except FileError as unusable:
        raise WorldError([Problem("", unusable.problem, "")], str(path)) from None
    return parse_world({} if parsed is None else parsed, source=str(path))


def parse_world(content: object, *, source: str = "the world") -> World:
    """A World from the parsed content of a world file; raises WorldError."""
    if not isinstance(content, dict):
        problem = f"must be a mapping of keys, not {_yaml_type(content)}"
        raise WorldError([Problem("", problem, 'account: "123456789012"')], source)
    try:
        world = World.model_validate(content)
    except ValidationError as error:
        raise WorldError([*_shape_problems(error)], source) from error
    if problems := [*_content_problems(world)]:
        raise WorldError(problems, source)
    return world


# By key, what a valid value looks like, for the messages.
_EXAMPLES: Mapping[str, str] = {
    "account": 'account: "123456789012"',
    "clusters": "clusters: [{name: regional-xyz, region: us-east-1}]",
    "name": "name: regional-xyz",
    "region": "region: us-east-1",
    "status": "status: ACTIVE",
    "ipFamily": "ipFamily: ipv4",
    "version": 'version: "1.33"',
    "zones": "zones: [us-east-1a, us-east-1b]",
    "publicSubnets": "publicSubnets: true",
    "kind": "kind: eks",
    "endpointAccess": "endpointAccess: private",
    "endpoint": f'endpoint: "{_ENDPOINT_EXAMPLE}"',
    "certificateAuthority": "certificateAuthority: LS0tLS1CRUdJTi…",
    "nodes": "nodes: [{kubernetes.io/arch: amd64}]",
    "vpcs": "vpcs: [{id: vpc-0123456789abcdef0, cidr: 10.9.0.0/16}]",
    "vpcId": "vpcId: vpc-0123456789abcdef0",
    "networkOf": "networkOf: regional-old",
    "cidr": "cidr: 10.9.0.0/16",
    "subnets": "subnets: [{id: subnet-0123456789abcdef0, zone: us-east-1a}]",
    "zone": "zone: us-east-1a",
    "public": "public: false",
    "publicIps": "publicIps: false",
    "outpost": "outpost: true",
    "ofCluster": "ofCluster: true",
    "securityGroups": "securityGroups: [{id: sg-0123456789abcdef0, name: clients}]",
    "configMaps": "configMaps: {kube-system/bootstrap-output: {cluster_name: other}}",
    "iotPolicies": "iotPolicies: [maestro-server]",
    "deletedSecrets": "deletedSecrets: [regional-xyz/maestro/db-credentials]",
    "namespaces": "namespaces: [maestro]",
    "iamPolicies": 'iamPolicies: {"arn:aws:iam::123456789012:policy/boundary": {Version: …, Statement: …}}',
    "kmsKeys": 'kmsKeys: {"arn:aws:kms:us-east-1:123456789012:key/1234abcd": {Version: …, Statement: …}}',
    "databases": "databases: [{name: maestro-old, snapshot: maestro-old-final, gone: true}]",
    "username": "username: maestro_admin",
    "databaseName": "databaseName: maestro",
    "storageGiB": "storageGiB: 20",
    "kmsKeyArn": "kmsKeyArn: arn:aws:kms:us-east-1:123456789012:key/1234abcd",
    "snapshot": "snapshot: maestro-old-final",
    "automatedBackup": "automatedBackup: arn:aws:rds:us-east-1:123456789012:auto-backup:ab-1234",
    "gone": "gone: true",
}
_ID_EXAMPLES = {
    "vpcs": "id: vpc-0123456789abcdef0",
    "subnets": "id: subnet-0123456789abcdef0",
    "securityGroups": "id: sg-0123456789abcdef0",
}
_MODELS: Mapping[str, type[_Model]] = {
    "": World,
    "clusters": Cluster,
    "vpcs": Vpc,
    "subnets": Subnet,
    "securityGroups": SecurityGroup,
    "databases": Database,
}


def _shape_problems(error: ValidationError) -> Iterator[Problem]:
    """pydantic's findings: unknown keys, missing ones, wrong types and patterns."""
    for finding in error.errors(include_url=False):
        path = tuple(step for step in finding["loc"] if step != "[key]")
        section, key = str(path[0]), str(path[-1])
        value = _yaml_value(finding["input"])
        match finding["type"]:
            case "extra_forbidden":
                known = _keys(section if len(path) > 1 else "")
                closest = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {closest[0]}?" if closest else f"known are {', '.join(known)}"
                yield Problem(_dotted(path), f"unknown key; {hint}", "")
            case "missing":
                yield Problem(_dotted(path), "is required", _example(path))
            case "literal_error":
                expected = finding.get("ctx", {}).get("expected", "")
                yield Problem(_dotted(path), f"must be {expected}, not {value}", _example(path))
            case "string_pattern_mismatch":
                yield Problem(_dotted(path), f"{value} has the wrong form", _example(path))
            case "world":
                yield Problem(_dotted(path), finding["msg"], "")
            case "too_short":
                yield Problem(_dotted(path), "must not be empty", _example(path))
            case "model_type" | "model_attributes_type" | "dict_type":
                yield Problem(_dotted(path), f"must be a mapping, not {value}", _example(path))
            case _:
                message = finding["msg"].replace("Input should be ", "must be ")
                yield Problem(_dotted(path), f"{message}, not {value}", _example(path))


def _content_problems(world: World) -> Iterator[Problem]:
    """What no single value shows: references and duplicates."""
    named = {vpc.id for vpc in world.vpcs}
    placed = chain(
        ((f"clusters[{index}]", item.vpc_id) for index, item in enumerate(world.clusters)),
        ((f"subnets[{index}]", item.vpc_id) for index, item in enumerate(world.subnets)),
        ((f"securityGroups[{index}]", item.vpc_id) for index, item in enumerate(world.security_groups)),
    )
    for key, vpc_id in placed:
        if vpc_id is not None and vpc_id not in named:
            yield Problem(f"{key}.vpcId", f"{vpc_id} is not among vpcs", f"vpcs: [{{id: {vpc_id}}}]")
    for index, subnet in enumerate(world.subnets):
        if subnet.of_cluster and not world.clusters:
            yield Problem(f"subnets[{index}].ofCluster", "there is no cluster", _EXAMPLES["clusters"])
    yield from _doubles("clusters", [f"{item.name} in {item.region}" for item in world.clusters])
    yield from _doubles("vpcs", [item.id for item in world.vpcs])
    yield from _doubles("subnets", [item.id for item in world.subnets])
    yield from _doubles("securityGroups", [item.id for item in world.security_groups])
    yield from _doubles("databases", [item.name for item in world.databases])
    yield from _doubles("iotPolicies", world.iot_policies)
    yield from _doubles("deletedSecrets", world.deleted_secrets)
    yield from _doubles("namespaces", world.namespaces)
    for key, arns in {"iamPolicies": world.iam_policies, "kmsKeys": world.kms_keys}.items():
        for arn in arns:
            if f":{world.account}:" not in arn:
                yield Problem(f"{key}.{arn}", f"must be in the world's account, {world.account}", "")


def _doubles(key: str, values: Iterable[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            yield Problem(key, f"{value} occurs twice", "")
        seen.add(value)


def _keys(section: str) -> list[str]:
    model = _MODELS.get(section, World)
    return [str(field.alias or name) for name, field in model.model_fields.items()]


def _example(path: Sequence[int | str]) -> str:
    keys = [step for step in path if isinstance(step, str)]
    if keys[-1] == "id":
        return _ID_EXAMPLES.get(keys[0], "")
    return next((_EXAMPLES[key] for key in reversed(keys) if key in _EXAMPLES), "")


def _dotted(path: Iterable[int | str]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _yaml_value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}…"'
        case int() | float():
            return str(value)
        case _:
            return _yaml_type(value)


def _yaml_type(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else f"the {type(value).__name__} {value!r}"
