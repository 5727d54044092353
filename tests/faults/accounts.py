"""What of ours an account and its cluster hold, in a form that two runs have in common."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from common.json_values import Json, record, records, text, texts
from tests.engine.conftest import CLUSTER, Region
from tests.rds import is_password_in_force

DATABASE = "maestro-regional-xyz"
_GENERATED = (
    (re.compile(r"\b(sgr|sg|a|subnet|vpc|eni)-[0-9a-f]{8,}\b"), r"\1-…"),
    (re.compile(r"\bdb-[0-9A-Z]{26}\b"), "db-…"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "certificate…"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "uuid…"),
    (re.compile(r"(secret:[\w/-]+?)-[a-zA-Z0-9]{6}\b"), r"\1-…"),
    (re.compile(r"-----BEGIN[^\"]*?-----END [A-Z ]+-----(\\n|\n)?"), "pem…"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|\+00:00)?"), "time…"),
    (re.compile(r"\bLS0t[A-Za-z0-9+/=]{40,}"), "pem…"),
    (re.compile(r"https://[0-9A-F]{32}\."), "https://…."),
    (re.compile(r"\b(AROA|AIDA)[A-Z0-9]{8,}\b"), r"\1…"),
    (re.compile(r'"ciphertext": ?"[^"]*"'), '"ciphertext": …'),
)
"""What differs between two runs that built the same."""


def without_generated(text_: str) -> str:
    """The text, with ids, keys and times taken out."""
    for pattern, instead in _GENERATED:
        text_ = pattern.sub(instead, text_)
    return text_


def inventory(region: Region, objects: Iterable[Mapping[str, Json]]) -> list[str]:
    """Every object of ours in the account, and those of its cluster, one per line.

    They are the same in every undisturbed run.
    """
    manifests = [f"kubernetes {o.get('kind')} {json.dumps(o, sort_keys=True)}" for o in objects]
    return sorted(without_generated(line) for line in (*_lines(region), *manifests))


def idle_certificates(region: Region) -> list[str]:
    """ARNs of the certificates that no policy is attached to."""
    found = [
        text(c, "certificateArn") for c in records(region.call("iot", "ListCertificates"), "certificates")
    ]
    return [arn for arn in found if not _policies(region, arn)]


def outgoing_rules(region: Region) -> list[str]:
    """Ids of the rules that allow outgoing traffic from our security group."""
    groups = records(region.call("ec2", "DescribeSecurityGroups"), "SecurityGroups")
    ours = [text(g, "GroupId") for g in groups if text(g, "GroupName").startswith("maestro")]
    found = region.call(
        "ec2", "DescribeSecurityGroupRules", Filters=[{"Name": "group-id", "Values": [*ours]}]
    )
    rules = records(found, "SecurityGroupRules") if ours else []
    return [text(rule, "SecurityGroupRuleId") for rule in rules if rule["IsEgress"]]


def _lines(region: Region) -> Iterator[str]:
    yield from _iot(region)
    yield from _secrets(region)
    yield from _database(region)
    yield from _network(region)
    yield from _identity(region)


def _iot(region: Region) -> Iterator[str]:
    for policy in records(region.call("iot", "ListPolicies"), "policies"):
        name = text(policy, "policyName")
        document = text(region.call("iot", "GetPolicy", policyName=name), "policyDocument")
        yield f"iot policy {name} {_canonical(document)}"
    for certificate in records(region.call("iot", "ListCertificates"), "certificates"):
        policies = _policies(region, text(certificate, "certificateArn"))
        yield f"iot certificate {text(certificate, 'status')} {policies}"


def _policies(region: Region, certificate: str) -> list[str]:
    attached = region.call("iot", "ListAttachedPolicies", target=certificate)
    return [text(policy, "policyName") for policy in records(attached, "policies")]


def _secrets(region: Region) -> Iterator[str]:
    for secret in records(region.call("secretsmanager", "ListSecrets"), "SecretList"):
        name = text(secret, "Name")
        value: dict[str, Json] = json.loads(
            text(region.call("secretsmanager", "GetSecretValue", SecretId=name), "SecretString")
        )
        yield f"secret {name} {text(secret, 'Description')} {_tags(secret, 'Tags')} {sorted(value)}"
        if "password" in value:
            in_force = is_password_in_force(region.cloud(), DATABASE, text(value, "password"))
            yield f"secret {name} has the password in force: {in_force}"
        if "certificate" in value:
            used = [
                record(
                    region.call("iot", "DescribeCertificate", certificateId=identity),
                    "certificateDescription",
                )
                for identity in _certificates(region)
            ]
            own = [text(c, "certificatePem") for c in used]
            yield f"secret {name} has a certificate of the account: {text(value, 'certificate') in own}"


def _certificates(region: Region) -> list[str]:
    listed = region.call("iot", "ListCertificates")
    return [text(certificate, "certificateId") for certificate in records(listed, "certificates")]


_INSTANCE = [
    "AllocatedStorage",
    "AutoMinorVersionUpgrade",
    "BackupRetentionPeriod",
    "CopyTagsToSnapshot",
    "DBInstanceClass",
    "DBName",
    "DeletionProtection",
    "EnabledCloudwatchLogsExports",
    "EngineVersion",
    "MasterUsername",
    "MaxAllocatedStorage",
    "MultiAZ",
    "PerformanceInsightsEnabled",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "PubliclyAccessible",
    "StorageEncrypted",
    "StorageType",
    "VpcSecurityGroups",
]


def _database(region: Region) -> Iterator[str]:
    for instance in records(region.call("rds", "DescribeDBInstances"), "DBInstances"):
        facts = {key: instance.get(key) for key in _INSTANCE}
        groups = [text(g, "DBParameterGroupName") for g in records(instance, "DBParameterGroups")]
        place = text(record(instance, "DBSubnetGroup"), "DBSubnetGroupName")
        name = text(instance, "DBInstanceIdentifier")
        yield f"rds instance {name} {place} {groups} {json.dumps(facts, sort_keys=True)}"
        yield f"rds instance tags {_rds_tags(region, f'db:{name}')}"
    for group in records(region.call("rds", "DescribeDBSubnetGroups"), "DBSubnetGroups"):
        name = text(group, "DBSubnetGroupName")
        subnets = len(records(group, "Subnets"))
        yield f"rds subnet group {name} {subnets} {_rds_tags(region, f'subgrp:{name}')}"
    for group in records(region.call("rds", "DescribeDBParameterGroups"), "DBParameterGroups"):
        name = text(group, "DBParameterGroupName")
        settings = records(
            region.call("rds", "DescribeDBParameters", DBParameterGroupName=name), "Parameters"
        )
        own = sorted((text(s, "ParameterName"), text(s, "ParameterValue")) for s in settings)
        yield f"rds parameter group {name} {own} {_rds_tags(region, f'pg:{name}')}"


def _rds_tags(region: Region, resource: str) -> str:
    arn = region.cloud().arn("rds", resource)
    # The emulation keeps a password's fingerprint as a tag.
    tags = records(region.call("rds", "ListTagsForResource", ResourceName=arn), "TagList")
    return _tags({"Tags": [tag for tag in tags if text(tag, "Key").lower().startswith("maestro")]}, "Tags")


def _network(region: Region) -> Iterator[str]:
    groups = records(region.call("ec2", "DescribeSecurityGroups"), "SecurityGroups")
    for group in groups:
        if not text(group, "GroupName").startswith("maestro"):
            continue
        yield f"ec2 group {text(group, 'GroupName')} {text(group, 'Description')} {_tags(group, 'Tags')}"
        query: Json = [{"Name": "group-id", "Values": [text(group, "GroupId")]}]
        found = region.call("ec2", "DescribeSecurityGroupRules", Filters=query)
        for rule in records(found, "SecurityGroupRules"):
            facts = {key: value for key, value in rule.items() if key not in ("Tags", "GroupOwnerId")}
            yield f"ec2 rule {json.dumps(facts, sort_keys=True)} {_tags(rule, 'Tags')}"


def _identity(region: Region) -> Iterator[str]:
    for role in records(region.call("iam", "ListRoles"), "Roles"):
        name = text(role, "RoleName")
        if not name.startswith("maestro"):
            continue
        found = record(region.call("iam", "GetRole", RoleName=name), "Role")
        trust = json.dumps(found.get("AssumeRolePolicyDocument"), sort_keys=True)
        yield f"iam role {name} {trust} {text(found, 'Description')} {_tags(found, 'Tags')}"
        for policy in texts(region.call("iam", "ListRolePolicies", RoleName=name), "PolicyNames"):
            document = region.call("iam", "GetRolePolicy", RoleName=name, PolicyName=policy)["PolicyDocument"]
            yield f"iam role policy {name} {policy} {json.dumps(document, sort_keys=True)}"
    listed = region.call("eks", "ListPodIdentityAssociations", clusterName=CLUSTER)
    for entry in records(listed, "associations"):
        key: dict[str, Json] = {"clusterName": CLUSTER, "associationId": text(entry, "associationId")}
        found = record(region.call("eks", "DescribePodIdentityAssociation", **key), "association")
        place = f"{text(found, 'namespace')}/{text(found, 'serviceAccount')} {text(found, 'roleArn')}"
        yield f"eks association {place} {json.dumps(record(found, 'tags'), sort_keys=True)}"


def _canonical(document: str) -> str:
    return json.dumps(json.loads(document), sort_keys=True)


def _tags(holder: Mapping[str, Json], key: str) -> str:
    return json.dumps({text(tag, "Key"): text(tag, "Value") for tag in records(holder, key)}, sort_keys=True)
