"""A handler reports AWS's answer and not what was sent, for each argument that the program sets.

The program builds everything; then one value in a describing call's answer is changed, and the handler must
report the changed one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

import pytest

from common.json_values import Json
from emulator.aws import RESOURCE_TYPES, function_handler, resource_handler
from emulator.aws.cloud import Cloud
from emulator.aws.in_process import in_process_cloud
from emulator.aws.tags import DefaultTags
from emulator.kubernetes import Kubernetes
from emulator.lifecycle import State
from emulator.mocks import run
from emulator.packages import Providers
from emulator.world import Cluster, World
from engine.project import load_stack, write_config
from engine.run import Resource
from maestro_stack.settings import parse
from tests.checkouts import ROOT

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
REPLICATION = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
EVERYTHING: dict[str, object] = {
    "aws:region": "us-east-1",
    "maestro-stack:clusterName": "regional-xyz",
    "maestro-stack:profile": "production",
    "maestro-stack:database": {
        "allocatedStorageGiB": 400,
        "kmsKeyArn": KEY,
        "backupReplication": {"region": "us-west-2", "kmsKeyArn": KEY.replace("us-east-1", "us-west-2")},
    },
    "maestro-stack:credentials": {"kmsKeyArn": KEY},
    "maestro-stack:iam": {"path": "/maestro/", "permissionsBoundaryArn": BOUNDARY},
    "maestro-stack:network": {"clientCidrs": ["10.1.0.0/16", "fd00::/64"]},
    "maestro-stack:tags": {"team": "platform"},
}
"""A stack that sets every argument that the program can set, except a restore's."""


@dataclass(frozen=True)
class Answer:
    """A changed answer: in that of `operation`, `value` is at `path`."""

    operation: str
    path: tuple[str | int, ...]
    value: Json
    told: Json = None
    """What the handler then reports, where it isn't `value` itself."""

    def alter(self, answer: Json) -> None:
        """Put the value in its place."""
        *above, last = self.path
        place = answer
        for step in above:
            place = cast("dict[str | int, Json]", place)[step]
        cast("dict[str | int, Json]", place)[last] = self.value


def of_instance(path: str | tuple[str | int, ...], /, value: Json, told: Json = None) -> Answer:
    within = (path,) if isinstance(path, str) else path
    return Answer("DescribeDBInstances", ("DBInstances", 0, *within), value, told)


def of_group(key: str, value: Json) -> Answer:
    return Answer("DescribeSecurityGroups", ("SecurityGroups", 0, key), value)


def of_rule(path: str | tuple[str | int, ...], value: Json) -> Answer:
    within = (path,) if isinstance(path, str) else path
    return Answer("DescribeSecurityGroupRules", ("SecurityGroupRules", 0, *within), value)


def tags(operation: str, *path: str | int) -> Answer:
    """Other tags; `path` leads to them."""
    pairs: Json = [{"Key": "owner", "Value": "somebody"}]
    return Answer(operation, path, pairs, {"owner": "somebody"})


def of_backup(key: str, value: Json) -> Answer:
    return Answer("DescribeDBInstanceAutomatedBackups", ("DBInstanceAutomatedBackups", 0, key), value)


_DOCUMENT = '{"Version": "2012-10-17", "Statement": []}'

ANSWERS: Mapping[str, Mapping[str, Answer]] = {
    "aws:cloudwatch/logGroup:LogGroup": {
        "retentionInDays": Answer("DescribeLogGroups", ("logGroups", 0, "retentionInDays"), 3),
        "tags": Answer("ListTagsForResource", ("tags",), {"owner": "somebody"}),
    },
    "aws:ec2/securityGroup:SecurityGroup": {
        "description": of_group("Description", "another"),
        "name": of_group("GroupName", "another"),
        "tags": tags("DescribeSecurityGroups", "SecurityGroups", 0, "Tags"),
        "vpcId": of_group("VpcId", "vpc-0"),
    },
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": {
        "clusterName": Answer("DescribePodIdentityAssociation", ("association", "clusterName"), "another"),
        "namespace": Answer("DescribePodIdentityAssociation", ("association", "namespace"), "another"),
        "roleArn": Answer("DescribePodIdentityAssociation", ("association", "roleArn"), "arn:another"),
        "serviceAccount": Answer(
            "DescribePodIdentityAssociation", ("association", "serviceAccount"), "another"
        ),
        "tags": Answer("DescribePodIdentityAssociation", ("association", "tags"), {"owner": "somebody"}),
    },
    "aws:iam/role:Role": {
        "assumeRolePolicy": Answer("GetRole", ("Role", "AssumeRolePolicyDocument"), _DOCUMENT),
        "description": Answer("GetRole", ("Role", "Description"), "another"),
        "name": Answer("GetRole", ("Role", "RoleName"), "another"),
        "path": Answer("GetRole", ("Role", "Path"), "/another/"),
        "permissionsBoundary": Answer(
            "GetRole", ("Role", "PermissionsBoundary", "PermissionsBoundaryArn"), "arn:another"
        ),
        "tags": tags("GetRole", "Role", "Tags"),
    },
    "aws:iam/rolePolicy:RolePolicy": {
        "name": Answer("GetRolePolicy", ("PolicyName",), "another"),
        "policy": Answer("GetRolePolicy", ("PolicyDocument",), _DOCUMENT),
        "role": Answer("GetRolePolicy", ("RoleName",), "another"),
    },
    "aws:iot/certificate:Certificate": {
        "active": Answer("DescribeCertificate", ("certificateDescription", "status"), "INACTIVE", told=False),
    },
    "aws:iot/policy:Policy": {
        "name": Answer("GetPolicy", ("policyName",), "another"),
        "policy": Answer("GetPolicy", ("policyDocument",), _DOCUMENT),
        "tags": tags("ListTagsForResource", "tags"),
    },
    "aws:rds/instance:Instance": {
        "allocatedStorage": of_instance("AllocatedStorage", 450),
        "autoMinorVersionUpgrade": of_instance("AutoMinorVersionUpgrade", value=False),
        "backupRetentionPeriod": of_instance("BackupRetentionPeriod", 3),
        "backupWindow": of_instance("PreferredBackupWindow", "01:00-02:00"),
        "caCertIdentifier": of_instance("CACertificateIdentifier", "rds-ca-of-2030"),
        "copyTagsToSnapshot": of_instance("CopyTagsToSnapshot", value=False),
        "dbName": of_instance("DBName", "another"),
        "dbSubnetGroupName": of_instance(("DBSubnetGroup", "DBSubnetGroupName"), "another"),
        "deletionProtection": of_instance("DeletionProtection", value=False),
        "enabledCloudwatchLogsExports": of_instance("EnabledCloudwatchLogsExports", ["upgrade"]),
        "engine": of_instance("Engine", "mysql"),
        "engineLifecycleSupport": of_instance("EngineLifecycleSupport", "another"),
        "engineVersion": of_instance("EngineVersion", "18.3"),
        "identifier": of_instance("DBInstanceIdentifier", "another"),
        "instanceClass": of_instance("DBInstanceClass", "db.m6g.16xlarge"),
        "iops": of_instance("Iops", 13200),
        "kmsKeyId": of_instance("KmsKeyId", "arn:another"),
        "maintenanceWindow": of_instance("PreferredMaintenanceWindow", "sun:01:00-sun:02:00"),
        "maxAllocatedStorage": of_instance("MaxAllocatedStorage", 700),
        "multiAz": of_instance("MultiAZ", value=False),
        "parameterGroupName": of_instance(("DBParameterGroups", 0, "DBParameterGroupName"), "another"),
        "port": of_instance(("Endpoint", "Port"), 5433),
        "publiclyAccessible": of_instance("PubliclyAccessible", value=True),
        "storageEncrypted": of_instance("StorageEncrypted", value=False),
        "storageThroughput": of_instance("StorageThroughput", 700),
        "storageType": of_instance("StorageType", "io2"),
        "tags": tags("ListTagsForResource", "TagList"),
        "username": of_instance("MasterUsername", "another"),
        "vpcSecurityGroupIds": of_instance(("VpcSecurityGroups", 0, "VpcSecurityGroupId"), "sg-0", ["sg-0"]),
    },
    REPLICATION: {
        "kmsKeyId": of_backup("KmsKeyId", "arn:another"),
        "retentionPeriod": of_backup("BackupRetentionPeriod", 3),
        "sourceDbInstanceArn": of_backup("DBInstanceArn", "arn:another"),
    },
    "aws:rds/parameterGroup:ParameterGroup": {
        "description": Answer(
            "DescribeDBParameterGroups", ("DBParameterGroups", 0, "Description"), "another"
        ),
        "family": Answer(
            "DescribeDBParameterGroups", ("DBParameterGroups", 0, "DBParameterGroupFamily"), "postgres18"
        ),
        "name": Answer(
            "DescribeDBParameterGroups", ("DBParameterGroups", 0, "DBParameterGroupName"), "another"
        ),
        "parameters": Answer("DescribeDBParameters", ("Parameters",), [], []),
        "tags": tags("ListTagsForResource", "TagList"),
    },
    "aws:rds/subnetGroup:SubnetGroup": {
        "description": Answer(
            "DescribeDBSubnetGroups", ("DBSubnetGroups", 0, "DBSubnetGroupDescription"), "another"
        ),
        "name": Answer("DescribeDBSubnetGroups", ("DBSubnetGroups", 0, "DBSubnetGroupName"), "another"),
        "subnetIds": Answer("DescribeDBSubnetGroups", ("DBSubnetGroups", 0, "Subnets"), [], []),
        "tags": tags("ListTagsForResource", "TagList"),
    },
    "aws:secretsmanager/secret:Secret": {
        "description": Answer("DescribeSecret", ("Description",), "another"),
        "kmsKeyId": Answer("DescribeSecret", ("KmsKeyId",), "arn:another"),
        "name": Answer("DescribeSecret", ("Name",), "another"),
        "tags": tags("DescribeSecret", "Tags"),
    },
    "aws:secretsmanager/secretVersion:SecretVersion": {
        "secretString": Answer("GetSecretValue", ("SecretString",), "{}"),
        "versionStages": Answer("GetSecretValue", ("VersionStages",), ["AWSPREVIOUS"]),
    },
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {
        "cidrIpv4": of_rule("CidrIpv4", "10.2.0.0/16"),
        "cidrIpv6": of_rule("CidrIpv6", "fd01::/64"),
        "description": of_rule("Description", "another"),
        "fromPort": of_rule("FromPort", 1),
        "ipProtocol": of_rule("IpProtocol", "udp"),
        "referencedSecurityGroupId": of_rule(("ReferencedGroupInfo", "GroupId"), "sg-0"),
        "securityGroupId": of_rule("GroupId", "sg-0"),
        "tags": tags("DescribeSecurityGroupRules", "SecurityGroupRules", 0, "Tags"),
        "toPort": of_rule("ToPort", 65535),
    },
}


def of_cluster(*path: str, value: Json) -> Answer:
    return Answer("DescribeCluster", ("cluster", *path), value)


def of_association(key: str, value: Json) -> Answer:
    return Answer("DescribeRouteTables", ("RouteTables", 0, "Associations", 0, key), value)


def of_subnet(key: str, value: Json) -> Answer:
    return Answer("DescribeSubnets", ("Subnets", 0, key), value)


LOOK_UPS: Mapping[str, Mapping[str, Answer]] = {
    "aws:ec2/getRouteTable:getRouteTable": {
        "associations.0.main": of_association("Main", value=True),
        "associations.0.subnetId": of_association("SubnetId", value="subnet-0"),
    },
    "aws:ec2/getRouteTables:getRouteTables": {"ids": Answer("DescribeRouteTables", ("RouteTables",), [], [])},
    "aws:ec2/getSubnet:getSubnet": {
        "availabilityZone": of_subnet("AvailabilityZone", "us-east-1f"),
        "id": of_subnet("SubnetId", "subnet-0"),
        "outpostArn": of_subnet("OutpostArn", "arn:another"),
        "vpcId": of_subnet("VpcId", "vpc-0"),
    },
    "aws:ec2/getSubnets:getSubnets": {"ids": Answer("DescribeSubnets", ("Subnets",), [], [])},
    "aws:eks/getCluster:getCluster": {
        "arn": of_cluster("arn", value="arn:another"),
        "certificateAuthorities.0.data": of_cluster("certificateAuthority", "data", value="another"),
        "endpoint": of_cluster("endpoint", value="https://another"),
        "kubernetesNetworkConfigs.0.ipFamily": of_cluster(
            "kubernetesNetworkConfig", "ipFamily", value="ipv6"
        ),
        "name": of_cluster("name", value="another"),
        "status": of_cluster("status", value="UPDATING"),
        "vpcConfig.clusterSecurityGroupId": of_cluster(
            "resourcesVpcConfig", "clusterSecurityGroupId", value="sg-0"
        ),
        "vpcConfig.endpointPrivateAccess": of_cluster(
            "resourcesVpcConfig", "endpointPrivateAccess", value=False
        ),
        "vpcConfig.endpointPublicAccess": of_cluster(
            "resourcesVpcConfig", "endpointPublicAccess", value=False
        ),
        "vpcConfig.subnetIds": of_cluster("resourcesVpcConfig", "subnetIds", value=["subnet-0"]),
        "vpcConfig.vpcId": of_cluster("resourcesVpcConfig", "vpcId", value="vpc-0"),
    },
    "aws:eks/getClusters:getClusters": {"names": Answer("ListClusters", ("clusters",), ["another"])},
    "aws:index/getAvailabilityZones:getAvailabilityZones": {
        "names": Answer("DescribeAvailabilityZones", ("AvailabilityZones",), [], []),
    },
    "aws:index/getCallerIdentity:getCallerIdentity": {
        "accountId": Answer("GetCallerIdentity", ("Account",), "210987654321"),
    },
    "aws:iot/getEndpoint:getEndpoint": {
        "endpointAddress": Answer("DescribeEndpoint", ("endpointAddress",), "another-ats.iot.amazonaws.com"),
    },
}
"""For each look-up, the paths of what the program reads from it, dotted."""

UNASKED = {
    "aws:index/getPartition:getPartition": "the provider knows it",
    "aws:index/getServicePrincipal:getServicePrincipal": "the provider knows it",
}
"""Look-ups that make no call, and why."""

_ONLY_MADE = "RDS doesn't tell what an instance was made from"
_ONLY_STATE = "AWS isn't told: it steers the provider's later calls"
UNREAD: Mapping[tuple[str, str], str] = {
    ("aws:cloudwatch/logGroup:LogGroup", "name"): "a group is found by it: one of another name is another",
    (
        "aws:iot/policyAttachment:PolicyAttachment",
        "policy",
    ): "any policy on the target satisfies the provider",
    ("aws:iot/policyAttachment:PolicyAttachment", "target"): "it is the question, by way of the id",
    ("aws:rds/instance:Instance", "allowMajorVersionUpgrade"): _ONLY_STATE,
    ("aws:rds/instance:Instance", "applyImmediately"): _ONLY_STATE,
    ("aws:rds/instance:Instance", "deleteAutomatedBackups"): _ONLY_STATE,
    ("aws:rds/instance:Instance", "finalSnapshotIdentifier"): _ONLY_STATE,
    ("aws:rds/instance:Instance", "password"): "RDS never tells it",
    ("aws:rds/instance:Instance", "restoreToPointInTime"): _ONLY_MADE,
    ("aws:rds/instance:Instance", "skipFinalSnapshot"): _ONLY_STATE,
    ("aws:rds/instance:Instance", "snapshotIdentifier"): _ONLY_MADE,
    (REPLICATION, "region"): "the provider has it in its state, and asks there",
    ("aws:secretsmanager/secret:Secret", "recoveryWindowInDays"): _ONLY_STATE,
    ("aws:secretsmanager/secretVersion:SecretVersion", "secretId"): "it is the question, by way of the id",
}
"""Arguments that are in no answer, or that the provider doesn't read, and why."""


@dataclass(frozen=True)
class Built:
    """The account after the program has run."""

    cloud: Cloud
    resources: tuple[Resource, ...]
    look_ups: Mapping[str, Mapping[str, Json]]
    """By token, the arguments of the last look-up."""

    def one(self, type_: str, key: str) -> Resource:
        """A resource of the type that sets the argument."""
        return next(
            made for made in self.resources if made.type == type_ and made.inputs.get(key) is not None
        )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    file = tmp_path_factory.mktemp("answers") / "Pulumi.test.yaml"
    write_config(file, EVERYTHING)
    stack = load_stack(ROOT, name="test", file=file)
    settings = parse(stack.config, project=stack.project, root=stack.root)
    cluster = Cluster(name=settings.cluster_name, region=settings.region)
    world = World(clusters=[cluster])
    with in_process_cloud(settings.region, world) as cloud:
        providers = Asked(cloud, Kubernetes(root=stack.root, version=cluster.version, config_maps={}))
        done = run(stack, providers, preview=False, listener=lambda _: None)
        assert not done.failures
        resources = tuple(made for made in done.resources if made.type in RESOURCE_TYPES)
        # Only a refused look-up makes the program ask for the region's clusters.
        yield Built(cloud, resources, {"aws:eks/getClusters:getClusters": {}, **providers.asked})


class Asked(Providers):
    """Records the look-ups."""

    def __init__(self, cloud: Cloud, cluster: Kubernetes) -> None:
        super().__init__(cloud, cluster, DefaultTags({}))
        self.asked: dict[str, Mapping[str, Json]] = {}

    def call(self, token: str, args: Mapping[str, Json]) -> dict[str, Json]:
        self.asked[token] = args
        return super().call(token, args)


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Answer]]:
    """Answers to give in place of AWS's own; each must have been asked for."""
    answers: list[Answer] = []
    given: list[str] = []
    call = Cloud.call

    def answer(cloud: Cloud, service: str, operation: str, parameters: Mapping[str, Json]) -> dict[str, Json]:
        found = call(cloud, service, operation, parameters)
        for other in answers:
            if other.operation == operation:
                other.alter(found)
                given.append(operation)
        return found

    monkeypatch.setattr(Cloud, "call", answer)
    yield answers
    assert {other.operation for other in answers} == {*given}


def test_every_argument_that_the_program_sets_has_an_answer_or_a_reason_why_not(built: Built) -> None:
    set_ = {
        (made.type, key) for made in built.resources for key in made.inputs if made.inputs[key] is not None
    }
    told = {(type_, key) for type_, of_type in ANSWERS.items() for key in of_type}
    assert not told & UNREAD.keys()
    # test_lifecycle_rds_restores.py tests those.
    restores = {key for key, reason in UNREAD.items() if reason == _ONLY_MADE}
    assert set_ == told | (UNREAD.keys() - restores)


def test_what_was_built_does_not_differ_from_the_program_before_or_after_a_refresh(built: Built) -> None:
    for made in built.resources:
        handler, state = resource_handler(made.type), State(made.id, dict(made.outputs))
        refreshed = handler.read(built.cloud, state)
        assert refreshed is not None
        assert not handler.difference(state, made.inputs), made.urn
        assert not handler.difference(refreshed, made.inputs), made.urn


def test_every_look_up_of_the_program_has_an_answer_or_a_reason_why_not(built: Built) -> None:
    assert built.look_ups.keys() == LOOK_UPS.keys() | UNASKED.keys()


@pytest.mark.parametrize(
    ("token", "path"), [(token, path) for token, of_token in LOOK_UPS.items() for path in of_token]
)
def test_a_look_up_reports_a_changed_answer(built: Built, other: list[Answer], token: str, path: str) -> None:
    ask = partial(function_handler(token).call, built.cloud, built.look_ups[token])
    before = at(ask(), path)
    answer = LOOK_UPS[token][path]
    other.append(answer)
    assert before != at(ask(), path) == (answer.value if answer.told is None else answer.told)


def at(tree: Json, path: str) -> Json:
    """The value at a dotted path."""
    for step in path.split("."):
        tree = tree[int(step)] if isinstance(tree, list) else cast("dict[str, Json]", tree)[step]
    return tree


@pytest.mark.parametrize(
    ("type_", "key"), [(type_, key) for type_, of_type in ANSWERS.items() for key in of_type]
)
def test_the_handler_reports_a_changed_answer(
    built: Built, other: list[Answer], type_: str, key: str
) -> None:
    made = built.one(type_, key)
    answer = ANSWERS[type_][key]
    other.append(answer)
    found = resource_handler(type_).read(built.cloud, State(made.id, dict(made.outputs)))
    assert found is not None
    assert made.outputs[key] != found.outputs[key] == (answer.value if answer.told is None else answer.told)
