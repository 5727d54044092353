"""The AWS handlers, judged by botocore's service models and moto, and by the refusals that moto lacks."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pulumi_aws
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from common.json_values import Json, json_list, number, record, records, text, texts, whole_numbers
from emulator.aws import (
    FUNCTION_TOKENS,
    RESOURCE_TYPES,
    TAGGABLE_TYPES,
    AwsError,
    NoHandlerError,
    UnmappedInputError,
    function_handler,
    resource_handler,
)
from emulator.aws.cloud import Clients, Cloud, OutsideWorldError
from emulator.aws.in_process import in_process_cloud
from emulator.aws.regions import UnknownRegionError
from emulator.aws.tags import DefaultTags
from emulator.lifecycle import State
from emulator.packages import AwsProvider
from emulator.world import World, default_world, parse_world

CLUSTER = "regional-xyz"

CERTIFICATE = "aws:iot/certificate:Certificate"
IOT_POLICY = "aws:iot/policy:Policy"
ATTACHMENT = "aws:iot/policyAttachment:PolicyAttachment"
SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
SUBNET_GROUP = "aws:rds/subnetGroup:SubnetGroup"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
PARAMETER_GROUP = "aws:rds/parameterGroup:ParameterGroup"
INSTANCE = "aws:rds/instance:Instance"
REPLICATION = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication"
SECRET = "aws:secretsmanager/secret:Secret"  # noqa: S105
SECRET_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"  # noqa: S105
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"

GET_CLUSTER = "aws:eks/getCluster:getCluster"

CONNECT = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}]}
)
OTHER_REGIONS = {"aws": "us-west-2", "aws-us-gov": "us-gov-east-1", "aws-cn": "cn-northwest-1"}
READ = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}],
    }
)


def trust(*actions: str, service: str = "pods.eks.amazonaws.com", effect: str = "Allow") -> str:
    statement = {
        "Effect": effect,
        "Principal": {"Service": service},
        "Action": list(actions or ("sts:AssumeRole", "sts:TagSession")),
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass(frozen=True)
class Account:
    """Short ways to use the handlers on one cloud."""

    cloud: Cloud

    def create(self, type_token: str, inputs: Mapping[str, Json]) -> State:
        created = resource_handler(type_token).create(self.cloud, inputs)
        # Whatever the type, a program may read back its inputs.
        assert {key for key, value in inputs.items() if value} <= created.outputs.keys()
        return created

    def call(self, token: str, **args: Json) -> dict[str, Json]:
        return function_handler(token).call(self.cloud, args)

    @property
    def network(self) -> dict[str, Json]:
        return record(self.call(GET_CLUSTER, name=CLUSTER), "vpcConfig")

    def private_subnets(self) -> list[Json]:
        filters: Json = [
            {"name": "vpc-id", "values": [text(self.network, "vpcId")]},
            {"name": "map-public-ip-on-launch", "values": ["false"]},
        ]
        found = self.call("aws:ec2/getSubnets:getSubnets", filters=filters)["ids"]
        assert isinstance(found, list)
        return found

    def security_group(self, name: str = "database") -> State:
        return self.create(
            SECURITY_GROUP, {"name": name, "description": "PostgreSQL", "vpcId": self.network["vpcId"]}
        )

    def database(self, **changes: Json) -> State:
        """An instance with all that it needs; changes override its inputs."""
        group = self.security_group()
        self.create(SUBNET_GROUP, {"name": "database", "subnetIds": self.private_subnets()})
        self.create(
            PARAMETER_GROUP,
            {
                "name": "database-17",
                "family": "postgres17",
                "parameters": [
                    {"name": "rds.force_ssl", "value": "1"},
                    {"name": "max_connections", "value": "100", "applyMethod": "pending-reboot"},
                ],
            },
        )
        return self.create(INSTANCE, {**INSTANCE_INPUTS, "vpcSecurityGroupIds": [group.id], **changes})

    def replication(self) -> State:
        """A replication of another region's instance backups into this one."""
        here = self.cloud
        there = here.in_region(OTHER_REGIONS[here.partition])
        instance: dict[str, Json] = {"DBInstanceIdentifier": "far", "DBInstanceClass": "db.t4g.small"}
        there.call("rds", "CreateDBInstance", {**instance, "Engine": "postgres", "AllocatedStorage": 20})
        return self.create(REPLICATION, {"sourceDbInstanceArn": there.arn("rds", "db:far")})


# Numbers are floats, as they arrive from Pulumi.
INSTANCE_INPUTS: dict[str, Json] = {
    "identifier": "regional-xyz-maestro",
    "engine": "postgres",
    "engineVersion": "17",
    "instanceClass": "db.t4g.small",
    "allocatedStorage": 20.0,
    "maxAllocatedStorage": 100.0,
    "storageType": "gp3",
    "storageEncrypted": True,
    "dbName": "maestro",
    "username": "maestro_admin",
    "password": "correct-horse-battery",
    "dbSubnetGroupName": "database",
    "parameterGroupName": "database-17",
    "backupRetentionPeriod": 7.0,
    "multiAz": True,
    "deletionProtection": True,
    "finalSnapshotIdentifier": "regional-xyz-maestro-final-1a2b",
    "skipFinalSnapshot": False,
    "applyImmediately": True,
    "engineLifecycleSupport": "open-source-rds-extended-support-disabled",
    "enabledCloudwatchLogsExports": ["postgresql", "upgrade"],
    "performanceInsightsEnabled": True,
    "performanceInsightsRetentionPeriod": 7.0,
    "tags": {"team": "platform"},
}


@pytest.fixture
def account() -> Iterator[Account]:
    with in_process_cloud("us-east-1", default_world(CLUSTER, "us-east-1")) as cloud:
        yield Account(cloud)


@pytest.fixture
def bare() -> Iterator[Account]:
    """An account with nothing in it: quicker than one with a cluster."""
    with in_process_cloud("us-east-1", World()) as cloud:
        yield Account(cloud)


def refusal(action: Callable[[], object]) -> AwsError:
    with pytest.raises(AwsError) as caught:
        action()
    return caught.value


def code_of(account: Account, type_token: str, inputs: Mapping[str, Json]) -> str:
    """The code with which a creation is refused, or "created"."""
    try:
        account.create(type_token, inputs)
    except AwsError as error:
        return error.code
    return "created"


# -- what every handler does ---------------------------------------------------------------------------------


def everything(account: Account) -> dict[str, State]:
    """One resource of each type, wired as the stack wires them."""
    tags: Json = {"team": "platform"}
    certificate = account.create(CERTIFICATE, {"active": True})
    policy = account.create(IOT_POLICY, {"name": "maestro-server", "policy": CONNECT, "tags": tags})
    attachment = account.create(ATTACHMENT, {"policy": policy.id, "target": certificate.outputs["arn"]})
    instance = account.database()
    group = account.create(
        SECURITY_GROUP,
        {"name": "other", "description": "x", "vpcId": account.network["vpcId"], "tags": tags},
    )
    rule = account.create(
        INGRESS_RULE,
        {
            "securityGroupId": group.id,
            "referencedSecurityGroupId": account.network["clusterSecurityGroupId"],
            "ipProtocol": "tcp",
            "fromPort": 5432.0,
            "toPort": 5432.0,
            "description": "from the cluster",
            "tags": tags,
        },
    )
    subnets = {"name": "others", "subnetIds": account.private_subnets(), "tags": tags}
    parameters: dict[str, Json] = {"name": "others", "family": "postgres18", "tags": tags}
    secret = account.create(
        SECRET, {"name": f"{CLUSTER}/maestro/x", "recoveryWindowInDays": 7.0, "tags": tags}
    )
    version = account.create(
        SECRET_VERSION,
        {"secretId": secret.id, "secretString": "{}", "versionStages": ["AWSCURRENT"]},
    )
    role = account.create(ROLE, {"name": "maestro", "assumeRolePolicy": trust(), "tags": tags})
    role_policy = account.create(ROLE_POLICY, {"name": "read", "role": role.id, "policy": READ})
    association = account.create(
        ASSOCIATION,
        {
            "clusterName": CLUSTER,
            "namespace": "maestro",
            "serviceAccount": "maestro",
            "roleArn": role.outputs["arn"],
            "tags": tags,
        },
    )
    return {
        CERTIFICATE: certificate,
        IOT_POLICY: policy,
        ATTACHMENT: attachment,
        SECURITY_GROUP: group,
        INGRESS_RULE: rule,
        SUBNET_GROUP: account.create(SUBNET_GROUP, subnets),
        PARAMETER_GROUP: account.create(PARAMETER_GROUP, parameters),
        INSTANCE: instance,
        REPLICATION: account.replication(),
        SECRET: secret,
        SECRET_VERSION: version,
        ROLE: role,
        ROLE_POLICY: role_policy,
        ASSOCIATION: association,
        LOG_GROUP: account.create(LOG_GROUP, {"name": "/aws/x", "retentionInDays": 7.0, "tags": tags}),
    }


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("us-east-1", "aws", "amazonaws.com"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
    ],
)
def test_one_resource_of_each_type_is_created_with_arns_and_hosts_of_its_partition(
    region: str, partition: str, suffix: str
) -> None:
    with in_process_cloud(region, default_world(CLUSTER, region)) as cloud:
        made = everything(Account(cloud))

    assert not (missing := RESOURCE_TYPES - made.keys()), f"let `everything` here make one of {missing}"
    arns = [
        value
        for created in made.values()
        for key, value in created.outputs.items()
        if isinstance(value, str) and key.lower().endswith("arn") and value
    ]
    assert len(arns) >= 10
    assert [arn for arn in arns if not arn.startswith(f"arn:{partition}:")] == []
    assert text(made[INSTANCE].outputs, "address").endswith(suffix)


def test_outputs_hold_the_tags_and_the_region(account: Account) -> None:
    for type_token, created in everything(account).items():
        if type_token in TAGGABLE_TYPES and created.outputs["tags"]:
            assert created.outputs["tagsAll"] == {"team": "platform"}, type_token
        if not type_token.startswith("aws:iam/"):
            assert created.outputs["region"] == "us-east-1", type_token


class Tagging(Account):
    """The account through the provider, which has default tags."""

    @property
    def provider(self) -> AwsProvider:
        return AwsProvider(self.cloud, DefaultTags.configured('{"tags": {"owner": "us", "team": "default"}}'))

    def create(self, type_token: str, inputs: Mapping[str, Json]) -> State:
        return self.provider.create(type_token, inputs)


def test_default_tags_are_at_aws_and_in_tags_all_of_everything_that_takes_tags(account: Account) -> None:
    tagging = Tagging(account.cloud)
    provider, without = tagging.provider, AwsProvider(account.cloud, DefaultTags({}))
    for type_token, created in everything(tagging).items():
        if type_token not in TAGGABLE_TYPES:
            assert "owner" not in record(created.outputs, "tagsAll")
            continue
        own = record(created.outputs, "tags")
        assert created.outputs["tagsAll"] == {"owner": "us", "team": "default", **own}, type_token
        at_aws = without.read(type_token, created)
        assert at_aws is not None
        assert at_aws.outputs["tags"] == created.outputs["tagsAll"], type_token
        read = provider.read(type_token, created)
        assert read is not None
        assert read.outputs["tags"] == own, type_token
        assert read.outputs["tagsAll"] == created.outputs["tagsAll"], type_token
        wanted = provider.live_inputs(type_token, created, {})
        assert not provider.difference(type_token, created, wanted), type_token
        assert without.difference(type_token, created, wanted).updates == ("tagsAll",), type_token
        updated = without.update(type_token, created, wanted)
        assert (updated.outputs["tags"], updated.outputs["tagsAll"]) == (own, own), type_token


def test_outputs_have_the_names_that_the_provider_gives_them(account: Account) -> None:
    """The provider's SDK lists each resource's properties; ours may add none that it lacks."""
    for type_token, created in everything(account).items():
        assert created.outputs.keys() - sdk_properties(type_token) == set(), type_token
        missing = sdk_properties(type_token) - created.outputs.keys() - optional_outputs(type_token)
        assert missing == set(), type_token


def sdk_class(type_token: str) -> type:

    _, path, name = type_token.split(":")
    # Through the package: its modules are lazy, and importing a file of one would leave it half loaded.
    found: object = getattr(getattr(pulumi_aws, path.partition("/")[0]), name)
    assert isinstance(found, type)
    return found


def sdk_properties(type_token: str) -> set[str]:
    """The output names of a resource class, in Pulumi's camelCase."""
    properties = (value for value in vars(sdk_class(type_token)).values() if isinstance(value, property))
    return {camel_case(str(getattr(item.fget, "__name__", ""))) for item in properties}


def camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def optional_outputs(type_token: str) -> set[str]:
    """Outputs that need not be there: arguments that weren't given, as in the provider's own answers."""
    import inspect

    initializer = getattr(sdk_class(type_token), "_internal_init")  # noqa: B009
    return {camel_case(name) for name in inspect.signature(initializer).parameters}


def test_an_input_that_nothing_maps_is_refused_and_not_dropped(bare: Account) -> None:
    for type_token in RESOURCE_TYPES:
        with pytest.raises(UnmappedInputError, match=rf"{type_token}.*colour.*emulator/aws/\w+\.py"):
            bare.create(type_token, {"colour": "blue"})


def test_route_tables_are_found_by_their_routes_and_say_what_they_are_associated_with(
    account: Account,
) -> None:
    vpc = account.network["vpcId"]
    to_internet: Json = [{"name": "route.gateway-id", "values": ["igw-*"]}]
    every, public = (
        texts(account.call("aws:ec2/getRouteTables:getRouteTables", vpcId=vpc, filters=filters), "ids")
        for filters in ([], to_internet)
    )
    assert (len(every), len(public)) == (3, 1)
    tables = {id_: account.call("aws:ec2/getRouteTable:getRouteTable", routeTableId=id_) for id_ in every}
    gateways = {id_: [text(r, "gatewayId")[:4] for r in records(tables[id_], "routes")] for id_ in every}
    assert gateways == {id_: ["igw-"] if id_ in public else [] for id_ in every}
    mains = [id_ for id_, table in tables.items() if any(a["main"] for a in records(table, "associations"))]
    assert len(mains) == 1
    assert mains != public
    associated = {
        text(association, "subnetId")
        for id_ in every
        if id_ not in (*public, *mains)
        for association in records(tables[id_], "associations")
    }
    assert associated == set(account.private_subnets())
    with pytest.raises(AwsError, match="no matching Route Table found"):
        account.call("aws:ec2/getRouteTable:getRouteTable", routeTableId="rtb-0123456789abcdef0")


def test_zones_are_told_apart_by_their_type() -> None:
    zones = ["us-east-1a", "us-east-1b", "us-east-1-bos-1a", "us-east-1-wl1-bos-wlz-1"]
    cluster: Json = {"name": CLUSTER, "region": "us-east-1", "zones": json_list(zones)}
    with in_process_cloud("us-east-1", parse_world({"clusters": [cluster]})) as cloud:
        account = Account(cloud)

        def names(*types: str) -> set[str]:
            filters: list[Json] = [{"name": "zone-type", "values": json_list(types)}] if types else []
            token = "aws:index/getAvailabilityZones:getAvailabilityZones"  # noqa: S105
            return set(texts(account.call(token, filters=filters), "names"))

        assert names("local-zone", "wavelength-zone") == set(zones[2:])
        assert names("availability-zone") >= set(zones[:2])
        assert names("availability-zone") | set(zones[2:]) == names()


def test_an_argument_that_nothing_maps_is_refused_and_not_dropped(bare: Account) -> None:
    for token in FUNCTION_TOKENS:
        with pytest.raises(UnmappedInputError, match=rf"{token}.*colour"):
            bare.call(token, colour="blue")


def test_another_region_on_a_resource_is_refused(bare: Account) -> None:
    with pytest.raises(UnmappedInputError, match="eu-west-1"):
        bare.create(SECRET, {"name": "x", "region": "eu-west-1"})


@pytest.mark.parametrize(
    ("token", "file"),
    [
        ("aws:sqs/queue:Queue", "emulator/aws/sqs.py"),
        ("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "emulator/aws/ec2.py"),
        ("aws:rds/cluster:Cluster", "emulator/aws/rds.py"),
    ],
)
def test_a_type_without_a_handler_names_the_file_to_add_it_in(token: str, file: str) -> None:
    with pytest.raises(NoHandlerError, match=f"{token}.*{file}"):
        resource_handler(token)


def test_a_function_without_a_handler_names_the_file_to_add_it_in() -> None:
    with pytest.raises(NoHandlerError, match=r"emulator/aws/account\.py"):
        function_handler("aws:index/getBillingServiceAccount:getBillingServiceAccount")


def test_an_error_reads_as_the_provider_prints_it(bare: Account) -> None:
    error = refusal(lambda: bare.create(ROLE, {"name": "x" * 65, "assumeRolePolicy": trust()}))

    assert (error.code, error.operation) == ("ValidationError", "CreateRole")
    assert str(error).startswith("operation error IAM: CreateRole, ValidationError: ")


def test_botocore_judges_the_parameters(bare: Account) -> None:
    missing = refusal(lambda: bare.create(IOT_POLICY, {"policy": CONNECT}))
    ill_typed = refusal(lambda: bare.create(SECRET, {"name": "x", "description": 5}))

    assert (missing.code, ill_typed.code) == ("ParamValidationError", "ParamValidationError")
    assert "policyName" in missing.message
    assert "Description" in ill_typed.message


def test_a_call_that_moto_does_not_have_names_the_file_to_emulate_it_in(account: Account) -> None:
    with pytest.raises(NoHandlerError, match=r"EKS: CreateAddon.*emulator/aws/eks\.py"):
        account.cloud.call("eks", "CreateAddon", {"clusterName": CLUSTER, "addonName": "coredns"})


def test_whole_numbers_become_integers_at_any_depth_and_others_stay() -> None:
    assert repr(whole_numbers([1.0, {"a": 2.0, "b": 2.5}, True])) == "[1, {'a': 2, 'b': 2.5}, True]"


def test_creations_from_many_threads_all_arrive(bare: Account) -> None:
    names = [f"policy-{index}" for index in range(24)]

    def create(name: str) -> State:
        return bare.create(IOT_POLICY, {"name": name, "policy": CONNECT})

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(create, names))

    assert [created.id for created in made] == names


# -- AWS IoT -------------------------------------------------------------------------------------------------


def test_a_certificate_and_its_key_belong_together(bare: Account) -> None:
    outputs = bare.create(CERTIFICATE, {"active": True}).outputs
    certificate = x509.load_pem_x509_certificate(text(outputs, "certificatePem").encode())
    key = serialization.load_pem_private_key(text(outputs, "privateKey").encode(), None)
    public = serialization.load_pem_public_key(text(outputs, "publicKey").encode())
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    assert certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
    assert public.public_bytes(*form) == key.public_key().public_bytes(*form)


def test_a_certificates_material_is_secret() -> None:
    secret = resource_handler(CERTIFICATE).secret_outputs

    assert secret == {"caPem", "certificatePem", "privateKey", "publicKey"}


def test_an_attached_policy_is_found_on_the_certificate(bare: Account) -> None:
    certificate = bare.create(CERTIFICATE, {"active": True})
    bare.create(IOT_POLICY, {"name": "server", "policy": CONNECT})
    arn = text(certificate.outputs, "arn")

    attachment = bare.create(ATTACHMENT, {"policy": "server", "target": arn})

    assert attachment.id == f"server|{arn}"
    attached = records(bare.cloud.call("iot", "ListAttachedPolicies", {"target": arn}), "policies")
    assert [text(policy, "policyName") for policy in attached] == ["server"]


@pytest.mark.parametrize(
    "document",
    [
        "not JSON",
        "[]",
        "{}",
        json.dumps({"Statement": [{"Effect": "Allow", "Action": "iot:Connect"}]}),
        json.dumps({"Statement": [{"Effect": "allow", "Action": "iot:Connect", "Resource": "*"}]}),
        json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}),
        json.dumps({"Statement": [{"Effect": "Allow", "Action": "iot:Connect", "Resource": "x" * 2048}]}),
    ],
)
def test_a_malformed_iot_policy_is_refused(bare: Account, document: str) -> None:
    error = refusal(lambda: bare.create(IOT_POLICY, {"name": "p", "policy": document}))

    assert error.code == "MalformedPolicyException"


def test_a_second_iot_policy_of_the_same_name_is_refused() -> None:
    world = World.model_validate({"iotPolicies": ["maestro-server"]})
    with in_process_cloud("us-east-1", world) as cloud:
        error = refusal(
            lambda: Account(cloud).create(IOT_POLICY, {"name": "maestro-server", "policy": CONNECT})
        )

    assert error.code == "ResourceAlreadyExistsException"


@pytest.mark.parametrize(
    ("region", "ending"),
    [
        ("us-west-2", "-ats.iot.us-west-2.amazonaws.com"),
        ("us-gov-west-1", "-ats.iot.us-gov-west-1.amazonaws.com"),
        ("cn-northwest-1", "-ats.iot.cn-northwest-1.amazonaws.com.cn"),
        ("cn-north-1", ".ats.iot.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_the_mqtt_endpoint_is_the_regions_and_stays_the_same(region: str, ending: str) -> None:
    hosts: set[str] = set()
    for _ in range(2):
        with in_process_cloud(region, World()) as cloud:
            answer = Account(cloud).call("aws:iot/getEndpoint:getEndpoint", endpointType="iot:Data-ATS")
            hosts.add(text(answer, "endpointAddress"))

    assert len(hosts) == 1
    assert hosts.pop().endswith(ending)


def test_an_unknown_endpoint_type_is_refused(bare: Account) -> None:
    error = refusal(lambda: bare.call("aws:iot/getEndpoint:getEndpoint", endpointType="iot:Mqtt"))

    assert error.code == "InvalidRequestException"


# -- EC2 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ip_family", ["ipv4", "ipv6"])
def test_a_new_security_group_lets_nothing_out(ip_family: str) -> None:
    world = default_world(CLUSTER, "us-east-1", ip_family="ipv6" if ip_family == "ipv6" else "ipv4")
    with in_process_cloud("us-east-1", world) as cloud:
        group = Account(cloud).security_group()
        answer = cloud.call("ec2", "DescribeSecurityGroups", {"GroupIds": [group.id]})

    assert records(answer, "SecurityGroups")[0]["IpPermissionsEgress"] == []
    assert group.outputs["egress"] == []


def test_inline_rules_are_refused(account: Account) -> None:
    with pytest.raises(UnmappedInputError, match="ingress"):
        account.create(SECURITY_GROUP, {"name": "x", "ingress": [{"protocol": "tcp"}]})


def test_a_rule_admits_another_group_on_one_port(account: Account) -> None:
    group = account.security_group()
    source = text(account.network, "clusterSecurityGroupId")
    ports: dict[str, Json] = {"ipProtocol": "tcp", "fromPort": 5432.0, "toPort": 5432.0}
    rule: dict[str, Json] = {
        **ports,
        "securityGroupId": group.id,
        "referencedSecurityGroupId": source,
    }

    created = account.create(INGRESS_RULE, rule)

    answer = account.cloud.call("ec2", "DescribeSecurityGroups", {"GroupIds": [group.id]})
    permission = records(records(answer, "SecurityGroups")[0], "IpPermissions")[0]
    assert (permission["FromPort"], permission["ToPort"]) == (5432, 5432)
    assert records(permission, "UserIdGroupPairs")[0]["GroupId"] == source
    assert created.id.startswith("sgr-")
    assert refusal(lambda: account.create(INGRESS_RULE, rule)).code == "InvalidPermission.Duplicate"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"referencedSecurityGroupId": "sg-00000000000000000"}, "InvalidGroup.NotFound"),
        ({"securityGroupId": "sg-00000000000000000"}, "InvalidGroup.NotFound"),
        ({"cidrIpv4": "10.0.0.0/8"}, "InvalidParameterCombination"),
        ({"referencedSecurityGroupId": None}, "InvalidParameterCombination"),
        ({"fromPort": 5433.0}, "InvalidParameterValue"),
        ({"description": "größer"}, "InvalidParameterValue"),
    ],
)
def test_a_rule_that_aws_refuses_is_refused(account: Account, change: dict[str, Json], code: str) -> None:
    rule: dict[str, Json] = {
        "securityGroupId": account.security_group().id,
        "referencedSecurityGroupId": account.network["clusterSecurityGroupId"],
        "ipProtocol": "tcp",
        "fromPort": 5432.0,
        "toPort": 5432.0,
        **change,
    }

    assert refusal(lambda: account.create(INGRESS_RULE, rule)).code == code


def test_a_rule_between_groups_of_different_vpcs_is_refused() -> None:
    world = default_world(CLUSTER, "us-east-1").model_dump(by_alias=True)
    world["vpcs"] = [{"id": "vpc-11111111111111111"}]
    world["securityGroups"] = [{"id": "sg-11111111111111111", "vpcId": "vpc-11111111111111111"}]
    with in_process_cloud("us-east-1", World.model_validate(world)) as cloud:
        account = Account(cloud)
        rule: dict[str, Json] = {
            "securityGroupId": account.security_group().id,
            "referencedSecurityGroupId": "sg-11111111111111111",
            "ipProtocol": "-1",
        }
        error = refusal(lambda: account.create(INGRESS_RULE, rule))

    assert error.code == "InvalidGroup.NotFound"
    assert "different networks" in error.message


@pytest.mark.parametrize(
    "inputs", [{"name": "sg-database"}, {"name": "x", "description": "It's"}, {"name": "x" * 256}]
)
def test_an_illegal_security_group_is_refused(account: Account, inputs: dict[str, Json]) -> None:
    assert refusal(lambda: account.create(SECURITY_GROUP, inputs)).code == "InvalidParameterValue"


def test_security_groups_are_found_by_id_with_their_vpc(account: Account) -> None:
    group = text(account.network, "clusterSecurityGroupId")

    found = account.call(
        "aws:ec2/getSecurityGroups:getSecurityGroups", filters=[{"name": "group-id", "values": [group]}]
    )

    assert found["ids"] == [group]
    assert found["vpcIds"] == [account.network["vpcId"]]
    assert found["arns"] == [f"arn:aws:ec2:us-east-1:123456789012:security-group/{group}"]


def test_looking_for_missing_subnets_finds_none(account: Account) -> None:
    filters: Json = [{"name": "vpc-id", "values": ["vpc-00000000000000000"]}]

    assert account.call("aws:ec2/getSubnets:getSubnets", filters=filters)["ids"] == []


def test_a_missing_subnet_is_an_error(account: Account) -> None:
    error = refusal(lambda: account.call("aws:ec2/getSubnet:getSubnet", id="subnet-00000000000000000"))

    assert error.code == "InvalidSubnetID.NotFound"


# -- RDS -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "ending"),
    [
        ("us-east-1", ".us-east-1.rds.amazonaws.com"),
        ("cn-north-1", ".rds.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_an_instance_reports_where_to_connect(region: str, ending: str) -> None:
    with in_process_cloud(region, default_world(CLUSTER, region)) as cloud:
        outputs = Account(cloud).database().outputs

    address = text(outputs, "address")
    assert address.startswith("regional-xyz-maestro.")
    assert address.endswith(ending)
    assert outputs["endpoint"] == f"{address}:5432"
    assert outputs["port"] == 5432


def test_an_instance_reports_what_rds_decides(account: Account) -> None:
    created = account.database()

    assert created.outputs["resourceId"] == created.id
    assert created.id.startswith("db-")
    assert created.outputs["engineVersion"] == "17"
    assert text(created.outputs, "engineVersionActual").startswith("17.")
    assert created.outputs["caCertIdentifier"] == "rds-ca-rsa2048-g1"
    assert created.outputs["status"] == "available"
    assert (number(created.outputs, "iops"), number(created.outputs, "storageThroughput")) == (3000, 125)


def test_every_instance_has_an_id_of_its_own(account: Account) -> None:
    first = account.database()
    second = account.create(
        INSTANCE, {**INSTANCE_INPUTS, "identifier": "another", "vpcSecurityGroupIds": None}
    )

    assert first.id != second.id


REFUSED_INSTANCES: list[tuple[dict[str, Json], str]] = [
    ({"instanceClass": "db.t9.huge"}, "InvalidParameterValue"),
    ({"instanceClass": "t4g.small"}, "InvalidParameterValue"),
    ({"instanceClass": "db.t2.micro"}, "InvalidParameterCombination"),
    ({"engineVersion": "9"}, "InvalidParameterCombination"),
    ({"engineVersion": "17.2"}, "InvalidParameterCombination"),
    ({"password": "short"}, "InvalidParameterValue"),
    ({"password": "with/slash-in-it"}, "InvalidParameterValue"),
    ({"password": "with@at-in-it"}, "InvalidParameterValue"),
    ({"password": 'with"quote-in-it'}, "InvalidParameterValue"),
    ({"password": "with space in it"}, "InvalidParameterValue"),
    ({"password": None}, "InvalidParameterValue"),
    ({"allocatedStorage": 19.0}, "InvalidParameterValue"),
    ({"allocatedStorage": 65537.0}, "InvalidParameterValue"),
    ({"maxAllocatedStorage": 20.0}, "InvalidParameterCombination"),
    ({"iops": 12000.0}, "InvalidParameterCombination"),
    ({"storageThroughput": 500.0}, "InvalidParameterCombination"),
    ({"allocatedStorage": 400.0, "maxAllocatedStorage": None, "iops": 3000.0}, "InvalidParameterValue"),
    ({"storageType": "gp9"}, "InvalidParameterValue"),
    ({"identifier": "two--hyphens"}, "InvalidParameterValue"),
    ({"finalSnapshotIdentifier": "ends-with-"}, "InvalidParameterValue"),
    ({"username": "admin"}, "InvalidParameterValue"),
    ({"dbName": "1st"}, "InvalidParameterValue"),
    ({"backupRetentionPeriod": 36.0}, "InvalidParameterValue"),
    ({"caCertIdentifier": "rds-ca-2019"}, "CertificateNotFound"),
    ({"enabledCloudwatchLogsExports": ["audit"]}, "InvalidParameterCombination"),
    ({"performanceInsightsRetentionPeriod": 8.0}, "InvalidParameterValue"),
    ({"monitoringInterval": 60.0}, "InvalidParameterCombination"),
    ({"backupWindow": "04:00-05:00", "maintenanceWindow": "mon:04:30-mon:05:30"}, "InvalidParameterValue"),
    ({"vpcSecurityGroupIds": ["sg-00000000000000000"]}, "InvalidParameterValue"),
    ({"dbSubnetGroupName": "elsewhere"}, "DBSubnetGroupNotFoundFault"),
    ({"parameterGroupName": "elsewhere"}, "DBParameterGroupNotFound"),
    ({"engineVersion": "16"}, "InvalidParameterCombination"),
    ({"networkType": "DUAL"}, "InvalidVPCNetworkStateFault"),
    ({"port": 80.0}, "InvalidParameterValue"),
]


def test_an_instance_that_aws_refuses_is_refused(account: Account) -> None:
    account.database()
    group = account.create(SECURITY_GROUP, {"name": "another", "vpcId": account.network["vpcId"]})
    inputs: dict[str, Json] = {**INSTANCE_INPUTS, "identifier": "another", "vpcSecurityGroupIds": [group.id]}

    codes = [code_of(account, INSTANCE, {**inputs, **change}) for change, _ in REFUSED_INSTANCES]

    assert [*zip(codes, REFUSED_INSTANCES, strict=True)] == [(case[1], case) for case in REFUSED_INSTANCES]
    assert account.create(INSTANCE, inputs).outputs["identifier"] == "another"


def test_a_refusal_does_not_show_the_password(account: Account) -> None:
    passwords = ("hunter2", "hunter2/hunter2", "hunter2" * 20)

    errors = [refusal(lambda given=given: account.database(password=given)) for given in passwords[:1]]
    errors += [
        refusal(lambda given=given: account.create(INSTANCE, {**INSTANCE_INPUTS, "password": given}))
        for given in passwords
    ]

    assert [error for error in errors if "hunter2" in str(error)] == []


def test_a_security_group_of_another_vpc_is_refused(account: Account) -> None:
    elsewhere = account.create(SECURITY_GROUP, {"name": "default-vpc-group"})

    error = refusal(lambda: account.database(vpcSecurityGroupIds=[elsewhere.id]))

    assert error.code == "InvalidParameterCombination"
    assert "different VPCs" in error.message


def test_another_engine_is_beyond_the_emulation(account: Account) -> None:
    with pytest.raises(NoHandlerError, match=r"mysql.*emulator/aws/rds\.py"):
        account.create(INSTANCE, {**INSTANCE_INPUTS, "engine": "mysql"})


def test_a_second_instance_of_the_same_name_is_refused(account: Account) -> None:
    account.database()

    error = refusal(lambda: account.create(INSTANCE, {**INSTANCE_INPUTS, "vpcSecurityGroupIds": None}))

    assert error.code == "DBInstanceAlreadyExists"


def test_a_subnet_group_in_one_zone_is_refused() -> None:
    world = default_world(CLUSTER, "us-east-1", zones=["us-east-1b"])
    with in_process_cloud("us-east-1", world) as cloud:
        account = Account(cloud)
        subnets = account.private_subnets()
        error = refusal(lambda: account.create(SUBNET_GROUP, {"name": "x", "subnetIds": subnets}))

    assert len(subnets) == 1
    assert error.code == "DBSubnetGroupDoesNotCoverEnoughAZs"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "Capitals"}, "InvalidParameterValue"),
        ({"name": "default"}, "InvalidParameterValue"),
        ({"subnetIds": ["subnet-00000000000000000"]}, "InvalidSubnet"),
        ({"subnetIds": None}, "ParamValidationError"),
    ],
)
def test_an_illegal_subnet_group_is_refused(account: Account, change: dict[str, Json], code: str) -> None:
    inputs: dict[str, Json] = {"name": "x", "subnetIds": account.private_subnets(), **change}

    assert refusal(lambda: account.create(SUBNET_GROUP, inputs)).code == code


def test_a_second_subnet_group_of_the_same_name_is_refused(account: Account) -> None:
    inputs: dict[str, Json] = {"name": "x", "subnetIds": account.private_subnets()}
    account.create(SUBNET_GROUP, inputs)

    assert refusal(lambda: account.create(SUBNET_GROUP, inputs)).code == "DBSubnetGroupAlreadyExists"


@pytest.mark.parametrize("family", ["postgres9", "postgres12", "postgres17.4", "postgres"])
def test_an_unknown_parameter_group_family_is_refused(account: Account, family: str) -> None:
    error = refusal(lambda: account.create(PARAMETER_GROUP, {"name": "x", "family": family}))

    assert error.code == "InvalidParameterValue"


def test_a_parameter_group_keeps_all_of_many_parameters(account: Account) -> None:
    settings: list[Json] = [{"name": f"rds.setting_{index}", "value": str(index)} for index in range(45)]

    account.create(PARAMETER_GROUP, {"name": "many", "family": "postgres17", "parameters": settings})

    query: dict[str, Json] = {"DBParameterGroupName": "many"}
    kept = records(account.cloud.call("rds", "DescribeDBParameters", query), "Parameters")
    assert {text(item, "ParameterName") for item in kept} >= {f"rds.setting_{index}" for index in range(45)}


def test_storage_autoscaling_can_be_declared_off(account: Account) -> None:
    assert "maxAllocatedStorage" not in account.database(maxAllocatedStorage=0.0).outputs


# -- Secrets Manager -----------------------------------------------------------------------------------------


def test_a_secret_has_an_arn_with_six_random_characters(bare: Account) -> None:
    secret = bare.create(SECRET, {"name": f"{CLUSTER}/maestro/db-credentials"})

    stem, _, suffix = secret.id.rpartition("-")
    assert stem == f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{CLUSTER}/maestro/db-credentials"
    assert len(suffix) == 6
    assert secret.outputs["recoveryWindowInDays"] == 30


def test_a_secrets_value_is_read_back_as_it_was_written(bare: Account) -> None:
    secret = bare.create(SECRET, {"name": "x"})
    content = json.dumps({"port": "5432"})

    version = bare.create(
        SECRET_VERSION, {"secretId": secret.id, "secretString": content, "versionStages": ["AWSCURRENT"]}
    )

    read = bare.cloud.call("secretsmanager", "GetSecretValue", {"SecretId": "x"})
    assert (read["SecretString"], read["VersionId"]) == (content, version.outputs["versionId"])
    assert version.id == f"{secret.id}|{text(version.outputs, 'versionId')}"
    assert version.outputs["versionStages"] == ["AWSCURRENT"]
    assert resource_handler(SECRET_VERSION).secret_outputs >= {"secretString"}


def test_a_new_version_takes_over_the_current_stage(bare: Account) -> None:
    secret = bare.create(SECRET, {"name": "x"})
    stages: Json = ["AWSCURRENT"]
    for value in ("old", "new"):
        bare.create(SECRET_VERSION, {"secretId": secret.id, "secretString": value, "versionStages": stages})

    previous = {"SecretId": "x", "VersionStage": "AWSPREVIOUS"}
    assert bare.cloud.call("secretsmanager", "GetSecretValue", {"SecretId": "x"})["SecretString"] == "new"
    assert bare.cloud.call("secretsmanager", "GetSecretValue", previous)["SecretString"] == "old"


def test_a_secret_that_waits_for_its_deletion_blocks_its_name() -> None:
    world = World.model_validate({"deletedSecrets": ["cluster/maestro/x"]})
    with in_process_cloud("us-east-1", world) as cloud:
        error = refusal(lambda: Account(cloud).create(SECRET, {"name": "cluster/maestro/x"}))

    assert error.code == "InvalidRequestException"
    assert "scheduled for deletion" in error.message


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"name": "with space"}, "ValidationException"),
        ({"name": "x", "recoveryWindowInDays": 3.0}, "InvalidParameterException"),
        ({"name": "x", "recoveryWindowInDays": 31.0}, "InvalidParameterException"),
        ({"name": "x", "policy": "{"}, "MalformedPolicyDocumentException"),
    ],
)
def test_an_illegal_secret_is_refused(bare: Account, inputs: dict[str, Json], code: str) -> None:
    assert refusal(lambda: bare.create(SECRET, inputs)).code == code


def test_a_version_of_a_missing_secret_or_of_too_long_a_value_is_refused(bare: Account) -> None:
    secret = bare.create(SECRET, {"name": "x"})
    absent = refusal(lambda: bare.create(SECRET_VERSION, {"secretId": "y", "secretString": "{}"}))
    long = refusal(lambda: bare.create(SECRET_VERSION, {"secretId": secret.id, "secretString": "x" * 65537}))

    assert (absent.code, long.code) == ("ResourceNotFoundException", "ValidationException")


# -- IAM -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"name": "x" * 65, "assumeRolePolicy": trust()}, "ValidationError"),
        ({"name": "with space", "assumeRolePolicy": trust()}, "ValidationError"),
        ({"name": "x", "assumeRolePolicy": "not JSON"}, "MalformedPolicyDocument"),
        ({"name": "x", "assumeRolePolicy": "{}"}, "MalformedPolicyDocument"),
        ({"name": "x", "assumeRolePolicy": READ}, "MalformedPolicyDocument"),
        ({"name": "x"}, "MalformedPolicyDocument"),
    ],
)
def test_an_illegal_role_is_refused(bare: Account, inputs: dict[str, Json], code: str) -> None:
    assert refusal(lambda: bare.create(ROLE, inputs)).code == code


def test_a_second_role_of_the_same_name_is_refused(bare: Account) -> None:
    bare.create(ROLE, {"name": "x", "assumeRolePolicy": trust()})

    error = refusal(lambda: bare.create(ROLE, {"name": "x", "assumeRolePolicy": trust()}))

    assert error.code == "EntityAlreadyExists"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"policy": "not JSON"}, "MalformedPolicyDocument"),
        (
            {"policy": json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:*"}]})},
            "MalformedPolicyDocument",
        ),
        ({"role": "absent"}, "NoSuchEntity"),
        ({"name": "x" * 129}, "ValidationError"),
    ],
)
def test_an_illegal_role_policy_is_refused(bare: Account, change: dict[str, Json], code: str) -> None:
    bare.create(ROLE, {"name": "server", "assumeRolePolicy": trust()})
    inputs: dict[str, Json] = {"name": "read", "role": "server", "policy": READ, **change}

    assert refusal(lambda: bare.create(ROLE_POLICY, inputs)).code == code


# -- EKS -----------------------------------------------------------------------------------------------------


def association_inputs(account: Account, **changes: Json) -> dict[str, Json]:
    role = account.create(ROLE, {"name": "server", "assumeRolePolicy": trust()})
    return {
        "clusterName": CLUSTER,
        "namespace": "maestro",
        "serviceAccount": "maestro",
        "roleArn": role.outputs["arn"],
        **changes,
    }


def test_an_association_is_found_by_its_id(account: Account) -> None:
    created = account.create(ASSOCIATION, association_inputs(account))

    key: dict[str, Json] = {"clusterName": CLUSTER, "associationId": created.id}
    kept = record(account.cloud.call("eks", "DescribePodIdentityAssociation", key), "association")
    assert (kept["clusterName"], kept["namespace"], kept["serviceAccount"]) == (CLUSTER, "maestro", "maestro")
    assert created.outputs["associationArn"] == (
        f"arn:aws:eks:us-east-1:123456789012:podidentityassociation/{CLUSTER}/{created.id}"
    )


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"clusterName": "absent"}, "ResourceNotFoundException", "absent"),
        ({"roleArn": "arn:aws:iam::123456789012:role/absent"}, "InvalidParameterException", "does not exist"),
        ({"roleArn": "arn:aws-cn:iam::123456789012:role/server"}, "InvalidParameterException", "ARN"),
        ({"roleArn": "arn:aws:iam::210987654321:role/server"}, "InvalidParameterException", "Cross-account"),
        ({"roleArn": None}, "ParamValidationError", "roleArn"),
        ({"namespace": 7}, "ParamValidationError", "namespace"),
        ({"serviceAccount": ""}, "InvalidParameterException", "serviceAccount"),
    ],
)
def test_an_association_that_eks_refuses_is_refused(
    account: Account, change: dict[str, Json], code: str, message: str
) -> None:
    error = refusal(lambda: account.create(ASSOCIATION, association_inputs(account, **change)))

    assert error.code == code
    assert message in error.message


@pytest.mark.parametrize(
    "document",
    [
        trust("sts:AssumeRole"),
        trust("sts:TagSession"),
        trust(service="ec2.amazonaws.com"),
        trust(service="pods.eks.amazonaws.com.cn"),
        trust(effect="Deny"),
    ],
)
def test_a_role_that_pod_identity_cannot_use_is_refused(account: Account, document: str) -> None:
    role = account.create(ROLE, {"name": "other", "assumeRolePolicy": document})

    inputs = association_inputs(account, roleArn=role.outputs["arn"])
    error = refusal(lambda: account.create(ASSOCIATION, inputs))

    assert (error.code, error.message) == (
        "InvalidParameterException",
        "Trust policy of the role provided is invalid",
    )


def test_a_second_association_of_a_service_account_is_refused(account: Account) -> None:
    inputs = association_inputs(account)
    account.create(ASSOCIATION, inputs)
    account.create(ASSOCIATION, {**inputs, "serviceAccount": "another"})

    assert refusal(lambda: account.create(ASSOCIATION, inputs)).code == "ResourceInUseException"


@pytest.mark.parametrize(
    ("region", "suffix"),
    [("us-east-1", "amazonaws.com"), ("us-gov-west-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn")],
)
def test_a_cluster_has_the_facts_that_moto_leaves_out(region: str, suffix: str) -> None:
    with in_process_cloud(region, default_world(CLUSTER, region)) as cloud:
        account = Account(cloud)
        cluster = account.call(GET_CLUSTER, name=CLUSTER)
        group = text(record(cluster, "vpcConfig"), "clusterSecurityGroupId")
        answer = cloud.call("ec2", "DescribeSecurityGroups", {"GroupIds": [group]})

    assert records(answer, "SecurityGroups")[0]["VpcId"] == record(cluster, "vpcConfig")["vpcId"]
    assert text(cluster, "endpoint").endswith(f".{region}.eks.{suffix}")
    assert cluster["status"] == "ACTIVE"
    authority = text(records(cluster, "certificateAuthorities")[0], "data")
    certificate = x509.load_pem_x509_certificate(base64.b64decode(authority))
    certificate.verify_directly_issued_by(certificate)
    assert records(cluster, "kubernetesNetworkConfigs")[0]["ipFamily"] == "ipv4"


def test_a_missing_cluster_is_an_error_and_the_names_are_listed(account: Account) -> None:
    error = refusal(lambda: account.call(GET_CLUSTER, name="regional-abc"))

    assert error.code == "ResourceNotFoundException"
    assert account.call("aws:eks/getClusters:getClusters")["names"] == [CLUSTER]


# -- the account ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "partition", "suffix", "logs"),
    [
        ("us-east-1", "aws", "amazonaws.com", "logs.amazonaws.com"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com", "logs.amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn", "logs.amazonaws.com.cn"),
    ],
)
def test_the_account_is_described_as_in_its_partition(
    region: str, partition: str, suffix: str, logs: str
) -> None:
    principal = "aws:index/getServicePrincipal:getServicePrincipal"
    with in_process_cloud(region, World(account="210987654321")) as cloud:
        account = Account(cloud)
        found = account.call("aws:index/getPartition:getPartition")
        caller = account.call("aws:index/getCallerIdentity:getCallerIdentity")
        here = account.call("aws:index/getRegion:getRegion")
        pods = account.call(principal, serviceName="pods.eks")["name"]
        logs_principal = account.call(principal, serviceName="logs")["name"]
        role = account.create(ROLE, {"name": "x", "assumeRolePolicy": trust()})

    assert (found["partition"], found["dnsSuffix"]) == (partition, suffix)
    assert caller["accountId"] == "210987654321"
    assert text(caller, "arn").startswith(f"arn:{partition}:sts::210987654321:")
    assert (here["region"], here["endpoint"]) == (region, f"ec2.{region}.{suffix}")
    assert (pods, logs_principal) == ("pods.eks.amazonaws.com", logs)
    assert role.outputs["arn"] == f"arn:{partition}:iam::210987654321:role/x"


def test_a_service_that_the_region_does_not_have_is_an_error() -> None:
    with in_process_cloud("af-south-1", World()) as cloud:
        error = refusal(lambda: Account(cloud).create(CERTIFICATE, {"active": True}))

    assert error.code == "EndpointConnectionError"
    assert "IoT has no endpoint in af-south-1" in error.message


# -- nothing gets out ----------------------------------------------------------------------------------------


def test_a_request_that_moto_cannot_answer_never_leaves_the_machine(
    monkeypatch: pytest.MonkeyPatch, bare: Account
) -> None:
    from botocore.httpsession import URLLib3Session

    sent: list[object] = []

    def send(_: object, request: object) -> None:
        sent.append(request)

    def know_nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(URLLib3Session, "send", send)
    monkeypatch.setattr("moto.core.botocore_stubber.BotocoreStubber.process_request", know_nothing)

    with pytest.raises(OutsideWorldError, match=r"ec2\.us-east-1\.amazonaws\.com"):
        bare.cloud.call("ec2", "DescribeVpcs", {})
    assert sent == []


def test_a_client_kept_after_its_cloud_is_gone_calls_nobody() -> None:
    with in_process_cloud("us-east-1", World()) as cloud:
        cloud.call("sts", "GetCallerIdentity", {})

    with pytest.raises(OutsideWorldError):
        cloud.call("sts", "GetCallerIdentity", {})


@pytest.mark.parametrize("url", ["https://sts.amazonaws.com", "http://10.0.0.1:5000", "http://moto:5000"])
def test_an_endpoint_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(OutsideWorldError):
        Clients(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:5000", "http://localhost:5000", "http://[::1]:5000"])
def test_a_moto_server_on_this_machine_is_accepted(url: str) -> None:
    assert Cloud("us-east-1", "123456789012", endpoint_url=url).region == "us-east-1"


def test_the_users_aws_settings_neither_matter_nor_get_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"AWS_PROFILE": "absent", "AWS_ENDPOINT_URL": "https://example.com", "AWS_REGION": "eu-west-1"}
    for key, value in settings.items():
        monkeypatch.setenv(key, value)

    with in_process_cloud("us-east-1", default_world(CLUSTER, "us-east-1")) as cloud:
        assert Account(cloud).call(GET_CLUSTER, name=CLUSTER)["name"] == CLUSTER
        assert "AWS_PROFILE" not in os.environ

    assert {key: os.environ[key] for key in settings} == settings
    assert "AWS_CONFIG_FILE" not in os.environ


def test_it_works_with_an_empty_environment() -> None:
    program = (
        "from emulator.aws.in_process import in_process_cloud\n"
        "from emulator.world import default_world\n"
        "with in_process_cloud('us-east-1', default_world('c', 'us-east-1')) as cloud:\n"
        "    print(cloud.call('eks', 'ListClusters', {})['clusters'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": "."}, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "['c']"


def test_importing_the_handlers_loads_neither_moto_nor_botocore() -> None:
    program = (
        "import emulator.aws, sys; print([m for m in ('moto', 'boto3', 'botocore') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": "."}, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


# -- clouds --------------------------------------------------------------------------------------------------


def test_each_cloud_starts_empty() -> None:
    for _ in range(2):
        with in_process_cloud("us-east-1", World()) as cloud:
            Account(cloud).create(IOT_POLICY, {"name": "same", "policy": CONNECT})


def test_only_one_cloud_is_open_at_a_time(account: Account) -> None:
    assert account.cloud.region == "us-east-1"
    with pytest.raises(RuntimeError, match="already open"), in_process_cloud("us-east-1", World()):
        pass


def test_an_unknown_region_is_an_error_with_the_closest_one() -> None:
    with (
        pytest.raises(UnknownRegionError, match="did you mean us-east-1"),
        in_process_cloud("us-eats-1", World()),
    ):
        pass


def test_a_cloud_that_failed_to_open_leaves_the_way_free() -> None:
    broken = World.model_validate({"subnets": [{"id": "subnet-11111111", "zone": "us-east-1z"}]})
    with pytest.raises(AwsError), in_process_cloud("us-east-1", broken):
        pass

    with in_process_cloud("us-east-1", World()) as cloud:
        assert cloud.call("ec2", "DescribeVpcs", {})


def zones_of(account: Account, subnets: Sequence[Json]) -> set[str]:
    found = (account.call("aws:ec2/getSubnet:getSubnet", id=subnet) for subnet in subnets)
    return {text(subnet, "availabilityZone") for subnet in found}


def test_the_default_world_has_private_and_public_subnets_in_three_zones(account: Account) -> None:
    private = account.private_subnets()
    public = [item for item in texts(account.network, "subnetIds") if item not in private]

    assert zones_of(account, private) == {"us-east-1a", "us-east-1b", "us-east-1c"}
    assert zones_of(account, public) == zones_of(account, private)


def test_an_ipv6_cluster_has_an_ipv6_network() -> None:
    with in_process_cloud("us-east-1", default_world(CLUSTER, "us-east-1", ip_family="ipv6")) as cloud:
        account = Account(cloud)
        network = records(account.call(GET_CLUSTER, name=CLUSTER), "kubernetesNetworkConfigs")[0]
        subnets = account.private_subnets()
        group = account.create(SUBNET_GROUP, {"name": "x", "subnetIds": subnets})
        subnet = account.call("aws:ec2/getSubnet:getSubnet", id=subnets[0])

    assert network["ipFamily"] == "ipv6"
    assert text(network, "serviceIpv6Cidr").endswith("::/108")
    assert network["serviceIpv4Cidr"] == ""
    assert text(subnet, "ipv6CidrBlock").endswith("/64")
    assert group.outputs["supportedNetworkTypes"] == ["IPV4", "DUAL"]


def test_what_the_settings_name_exists_with_exactly_that_id() -> None:
    world = default_world(
        CLUSTER,
        "us-west-2",
        vpc_id="vpc-0123456789abcdef0",
        subnet_ids=["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        security_group_ids=["sg-0123456789abcdef0"],
    )
    with in_process_cloud("us-west-2", world) as cloud:
        account = Account(cloud)
        named: list[Json] = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
        assert account.network["vpcId"] == "vpc-0123456789abcdef0"
        assert zones_of(account, named) == {"us-west-2a", "us-west-2b"}
        rule = account.create(
            INGRESS_RULE,
            {
                "securityGroupId": account.security_group().id,
                "referencedSecurityGroupId": "sg-0123456789abcdef0",
                "ipProtocol": "tcp",
                "fromPort": 5432.0,
                "toPort": 5432.0,
            },
        )

    assert rule.outputs["referencedSecurityGroupId"] == "sg-0123456789abcdef0"


def test_a_cluster_exists_in_its_own_region_only() -> None:
    content = {
        "clusters": [
            {"name": "here", "region": "us-east-1"},
            {"name": "there", "region": "eu-central-1"},
        ]
    }
    with in_process_cloud("us-east-1", World.model_validate(content)) as cloud:
        there = Account(cloud.in_region("eu-central-1"))

        assert Account(cloud).call("aws:eks/getClusters:getClusters")["names"] == ["here"]
        assert there.call("aws:eks/getClusters:getClusters")["names"] == ["there"]


@pytest.mark.parametrize(
    ("status", "is_reachable"), [("CREATING", False), ("FAILED", False), ("DELETING", True)]
)
def test_a_cluster_that_is_not_active_says_so(status: str, *, is_reachable: bool) -> None:
    content = {"clusters": [{"name": CLUSTER, "region": "us-east-1", "status": status}]}
    with in_process_cloud("us-east-1", World.model_validate(content)) as cloud:
        cluster = Account(cloud).call(GET_CLUSTER, name=CLUSTER)

    assert cluster["status"] == status
    assert bool(cluster["endpoint"]) is is_reachable


def test_a_cluster_without_public_subnets_has_none() -> None:
    content = {"clusters": [{"name": CLUSTER, "region": "us-east-1", "publicSubnets": False}]}
    with in_process_cloud("us-east-1", World.model_validate(content)) as cloud:
        account = Account(cloud)

        assert sorted(texts(account.network, "subnetIds")) == account.private_subnets()
