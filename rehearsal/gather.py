"""The checks' evidence, from the emulated AWS and the in-memory cluster."""

import json
from collections.abc import Callable, Mapping
from typing import TypeVar

from checks.csi_provider import MountError, parse_class
from checks.evidence import Evidence, Release
from checks.region import (
    Association,
    Certificate,
    Database,
    Document,
    Missing,
    Region,
    Secret,
    SecurityGroupRule,
    had,
)
from common.json_values import Json, flag, number, record, records, text, texts
from emulator import kubernetes
from emulator.aws import AwsError, function_handler
from emulator.aws.cloud import Cloud
from emulator.packages import NOT_FOLLOWED
from engine.run import Run, UnverifiedError
from maestro_stack.names import certificate_name
from maestro_stack.settings import Settings
from policies import types

T = TypeVar("T")

OF_CERTIFICATE = (types.CERTIFICATE, types.IOT_POLICY, types.POLICY_ATTACHMENT)
OF_DATABASE = (types.INSTANCE, types.SECURITY_GROUP, types.INGRESS_RULE, types.PARAMETER_GROUP)


def gather(  # noqa: PLR0913, PLR0917 everything a rehearsal has
    settings: Settings,
    config: Mapping[str, str],
    preview: Run,
    update: Run,
    cloud: Cloud,
    cluster: kubernetes.Kubernetes,
) -> Evidence:
    """All the evidence; `config` is what the settings were read from.

    What AWS doesn't answer is `Missing`, and the checks that need it say why.
    """

    def part(gathered: Callable[[], T], *types: str) -> T | Missing:
        """What is gathered, unless a resource of these types is unverified."""
        try:
            update.require_known(*types)
            return gathered()
        except UnverifiedError as unknown:
            return Missing(str(unknown), is_unverified=True)
        except (AwsError, MountError, LookupError) as refusal:
            return Missing(str(refusal))

    name = settings.cluster_name
    release = part(lambda: _release(cluster), types.RELEASE)

    def association() -> Association | None:
        deployment = had(release).one("Deployment", "maestro")
        pod = record(record(record(deployment, "spec"), "template"), "spec")
        return association_of(cloud, name, had(release).namespace, text(pod, "serviceAccountName", "default"))

    return Evidence(
        settings=settings,
        preview=preview,
        update=update,
        installed=release,
        not_followed=tuple(key for key in NOT_FOLLOWED if key in config),
        region=Region(
            name=cloud.region,
            partition=cloud.partition,
            account_id=cloud.account_id,
            mqtt_endpoint=part(lambda: _mqtt_endpoint(cloud)),
            cluster_security_group=part(lambda: _cluster_security_group(cloud, name)),
            association=part(association, types.POD_IDENTITY, types.ROLE, types.ROLE_POLICY),
            secrets=part(lambda: _secrets(cloud, had(release)), types.SECRET, types.SECRET_VERSION),
            certificate=part(lambda: _certificate(cloud, update, settings), *OF_CERTIFICATE),
            database=part(lambda: _database(cloud, update), *OF_DATABASE),
        ),
    )


def _release(cluster: kubernetes.Kubernetes) -> Release:
    installed = cluster.releases[0]
    return Release(
        namespace=installed.namespace,
        objects=tuple(manifest.content for manifest in installed.manifests),
        text=installed.text,
    )


def _mqtt_endpoint(cloud: Cloud) -> str:
    look_up = function_handler("aws:iot/getEndpoint:getEndpoint")
    return text(look_up.call(cloud, {"endpointType": "iot:Data-ATS"}), "endpointAddress")


def _cluster_security_group(cloud: Cloud, name: str) -> str:
    cluster = function_handler("aws:eks/getCluster:getCluster").call(cloud, {"name": name})
    return text(record(cluster, "vpcConfig"), "clusterSecurityGroupId")


def association_of(
    cloud: Cloud, cluster_name: str, namespace: str, service_account: str
) -> Association | None:
    """What EKS would find for a pod; there is at most one. Raises AwsError."""
    cluster: dict[str, Json] = {"clusterName": cluster_name}
    pod: dict[str, Json] = {"namespace": namespace, "serviceAccount": service_account}
    try:
        found = records(cloud.call("eks", "ListPodIdentityAssociations", cluster | pod), "associations")
    except AwsError as refusal:
        if refusal.code == "ResourceNotFoundException":  # there is no such cluster
            return None
        raise
    if not found:
        return None
    key = cluster | {"associationId": found[0]["associationId"]}
    association = record(cloud.call("eks", "DescribePodIdentityAssociation", key), "association")
    arn = text(association, "roleArn")
    role: dict[str, Json] = {"RoleName": arn.rpartition("/")[2]}
    attached = records(cloud.call("iam", "ListAttachedRolePolicies", role), "AttachedPolicies")
    names = texts(cloud.call("iam", "ListRolePolicies", role), "PolicyNames")
    answers = {name: cloud.call("iam", "GetRolePolicy", {**role, "PolicyName": name}) for name in names}
    found_role = record(cloud.call("iam", "GetRole", role), "Role")
    boundary = text(record(found_role, "PermissionsBoundary"), "PermissionsBoundaryArn")
    return Association(
        role_arn=arn,
        tags_disabled=flag(association, "disableSessionTags"),
        trust=_document(found_role["AssumeRolePolicyDocument"]),
        policies={name: _document(answer["PolicyDocument"]) for name, answer in answers.items()},
        managed_policies=tuple(text(policy, "PolicyName") for policy in attached),
        boundary=_others(boundary, lambda: _managed_policy(cloud, boundary)) if boundary else None,
    )


def _others(arn: str, read: Callable[[], str]) -> Document:
    """A policy that the stack only refers to: if the world lacks it, it may still exist in the account."""
    try:
        return Document(arn=arn, content=read())
    except AwsError as refusal:
        if refusal.code not in ("NoSuchEntity", "NotFoundException"):
            raise
        return Document(arn=arn, content=Missing(f"the world describes no {arn}", is_unverified=True))


def _managed_policy(cloud: Cloud, arn: str) -> str:
    policy = record(cloud.call("iam", "GetPolicy", {"PolicyArn": arn}), "Policy")
    version: dict[str, Json] = {"PolicyArn": arn, "VersionId": text(policy, "DefaultVersionId")}
    answer = record(cloud.call("iam", "GetPolicyVersion", version), "PolicyVersion")
    return _document(answer["Document"])


def _key_policy(cloud: Cloud, arn: str) -> str:
    default: dict[str, Json] = {"KeyId": arn, "PolicyName": "default"}
    return text(cloud.call("kms", "GetKeyPolicy", default), "Policy")


def _document(value: Json) -> str:
    """The document as JSON text: botocore decodes those in IAM's answers."""
    return value if isinstance(value, str) else json.dumps(value)


def _secrets(cloud: Cloud, release: Release) -> dict[str, Secret]:
    wanted = parse_class(release.one("SecretProviderClass"))
    found = {each.name: secret_of(cloud, each.name, wanted.region) for each in wanted.objects}
    return {name: secret for name, secret in found.items() if secret is not None}


def secret_of(cloud: Cloud, name: str, region: str) -> Secret | None:
    """A secret of the account in `region`, by name or ARN; None if there is none. Raises AwsError."""
    there = cloud if region == cloud.region else cloud.in_region(region)
    try:
        described = there.call("secretsmanager", "DescribeSecret", {"SecretId": name})
    except AwsError as refusal:
        if refusal.code == "ResourceNotFoundException":
            return None
        raise
    value = there.call("secretsmanager", "GetSecretValue", {"SecretId": name})
    key = text(described, "KmsKeyId")
    return Secret(
        arn=text(described, "ARN"),
        content=text(value, "SecretString"),
        version_id=text(value, "VersionId"),
        key=_others(key, lambda: _key_policy(there, key)) if key else None,
    )


def _certificate(cloud: Cloud, update: Run, settings: Settings) -> Certificate:
    registered = update.one(types.CERTIFICATE, certificate_name(settings.rotation.certificate))
    answer = cloud.call("iot", "DescribeCertificate", {"certificateId": registered.id})
    known = record(answer, "certificateDescription")
    attached = cloud.call("iot", "ListAttachedPolicies", {"target": text(registered.outputs, "arn")})
    names = [text(entry, "policyName") for entry in records(attached, "policies")]
    return Certificate(
        id=registered.id,
        status=text(known, "status"),
        pem=text(known, "certificatePem"),
        policies={
            name: text(cloud.call("iot", "GetPolicy", {"policyName": name}), "policyDocument")
            for name in names
        },
    )


def _database(cloud: Cloud, update: Run) -> Database:
    registered = update.one(types.INSTANCE).outputs
    answer = cloud.call(
        "rds", "DescribeDBInstances", {"DBInstanceIdentifier": text(registered, "identifier")}
    )
    instance = records(answer, "DBInstances")[0]
    groups: list[Json] = [text(each, "VpcSecurityGroupId") for each in records(instance, "VpcSecurityGroups")]
    filters: list[Json] = [{"Name": "group-id", "Values": groups}]
    rules = records(
        cloud.call("ec2", "DescribeSecurityGroupRules", {"Filters": filters}), "SecurityGroupRules"
    )
    group = text(records(instance, "DBParameterGroups")[0], "DBParameterGroupName")
    parameters = records(
        cloud.call("rds", "DescribeDBParameters", {"DBParameterGroupName": group}), "Parameters"
    )
    forced = [text(each, "ParameterValue") for each in parameters if each["ParameterName"] == "rds.force_ssl"]
    return Database(
        address=text(registered, "address"),
        ca_certificate=text(registered, "caCertIdentifier"),
        is_encrypted=flag(instance, "StorageEncrypted"),
        is_public=flag(instance, "PubliclyAccessible"),
        rules=tuple(map(_rule, rules)),
        parameter_group=group,
        forces_tls=forced == ["1"],
    )


def _rule(rule: dict[str, Json]) -> SecurityGroupRule:
    sources = (text(rule, key) for key in ("CidrIpv4", "CidrIpv6", "PrefixListId"))
    group = text(record(rule, "ReferencedGroupInfo"), "GroupId")
    return SecurityGroupRule(
        is_egress=flag(rule, "IsEgress"),
        source=group or next(filter(None, sources), "an unknown source"),
        protocol=text(rule, "IpProtocol"),
        from_port=number(rule, "FromPort"),
        to_port=number(rule, "ToPort"),
    )
