"""Each rule of policies/: what it lets pass, and what it doesn't."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from maestro_stack.mqtt import Mqtt
from maestro_stack.schema import Json
from policies import types
from policies.rule import SECRET, Circumstances, Resource
from policies.rules import BY_NAME, RULES
from policies.rules.hygiene import REQUIRED_TAGS

DEV = Circumstances(cluster_name="regional-xyz", is_production=False)
PRODUCTION = replace(DEV, is_production=True)
TAGS: dict[str, Json] = dict.fromkeys(REQUIRED_TAGS, "x")
NONE: Mapping[str, Json] = {}
ARN = "arn:aws:iot:us-east-1:123456789012"


def _document(action: Json, resource: Json, **more: Json) -> str:
    statement: dict[str, Json] = {"Sid": "It", "Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **more}]})


SOUND: Mapping[str, Mapping[str, Json]] = {
    types.INSTANCE: {
        "identifier": "maestro-regional-xyz",
        "storageEncrypted": True,
        "publiclyAccessible": False,
        "parameterGroupName": "maestro-regional-xyz-postgres17",
        "deletionProtection": True,
        "backupRetentionPeriod": 14,
        "skipFinalSnapshot": False,
        "finalSnapshotIdentifier": "maestro-regional-xyz-final-ab12",
        "multiAz": True,
        "password": SECRET,
        "tags": TAGS,
    },
    types.PARAMETER_GROUP: {
        "name": "maestro-regional-xyz-postgres17",
        "parameters": [{"name": "rds.force_ssl", "value": "1"}],
        "tags": TAGS,
    },
    types.INGRESS_RULE: {"referencedSecurityGroupId": "sg-1", "fromPort": 5432, "tags": TAGS},
    types.LOG_GROUP: {"name": "/aws/rds/instance/x/upgrade", "retentionInDays": 7, "tags": TAGS},
    types.SECURITY_GROUP: {"name": "maestro-regional-xyz-database", "tags": TAGS},
    types.SUBNET_GROUP: {"name": "maestro-regional-xyz", "tags": TAGS},
    types.ROLE: {"name": "maestro-server-regional-xyz-us-east-1", "tags": TAGS},
    types.ROLE_POLICY: {
        "name": "read-server-secrets",
        "policy": _document("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:1:secret:x-a"),
    },
    types.IOT_POLICY: {
        "name": "maestro-server",
        "policy": json.dumps(
            Mqtt("maestro").server_policy(partition="aws", region="us-east-1", account_id="123456789012")
        ),
        "tags": TAGS,
    },
    types.POD_IDENTITY: {"clusterName": "regional-xyz", "tags": TAGS},
    types.SECRET: {"name": "regional-xyz/maestro/db-credentials", "tags": TAGS},
    types.RELEASE: {
        "name": "maestro-server",
        "values": {
            "deployment": {"replicas": 2, "zoneCount": 3},
            "image": {"digest": "sha256:" + "0" * 64, "tag": ""},
        },
    },
}


def _broken(
    type_: str, circumstances: Circumstances, inputs: Mapping[str, Json] = NONE, *, protect: bool = True
) -> set[str]:
    """Names of the rules that a sound resource breaks with these inputs instead; None leaves one out."""
    mixed = {key: value for key, value in {**SOUND[type_], **inputs}.items() if value is not None}
    resource = Resource(type=type_, name="it", inputs=mixed, protect=protect)
    return {
        rule.name
        for rule in RULES
        if rule.applies(type_, circumstances) and list(rule.check(resource, circumstances))
    }


@pytest.mark.parametrize("type_", SOUND)
def test_a_sound_resource_breaks_no_rule(type_: str) -> None:
    assert _broken(type_, PRODUCTION) == set()


BREAKAGES: tuple[tuple[str, str, dict[str, Json]], ...] = (
    ("encryption-at-rest", types.INSTANCE, {"storageEncrypted": False}),
    ("encryption-at-rest", types.INSTANCE, {"storageEncrypted": None}),
    ("encryption-in-transit", types.PARAMETER_GROUP, {"parameters": None}),
    (
        "encryption-in-transit",
        types.PARAMETER_GROUP,
        {"parameters": [{"name": "rds.force_ssl", "value": "0"}]},
    ),
    ("own-parameter-group", types.INSTANCE, {"parameterGroupName": "default.postgres17"}),
    ("own-parameter-group", types.INSTANCE, {"parameterGroupName": None}),
    ("no-public-database", types.INSTANCE, {"publiclyAccessible": True}),
    ("database-admits-no-public-addresses", types.INGRESS_RULE, {"cidrIpv4": "0.0.0.0/0"}),
    ("database-admits-no-public-addresses", types.INGRESS_RULE, {"cidrIpv6": "::/0"}),
    ("database-admits-no-public-addresses", types.INGRESS_RULE, {"cidrIpv4": "8.0.0.0/8"}),
    ("database-admits-no-public-addresses", types.INGRESS_RULE, {"cidrIpv4": "10.0.0.0/7"}),
    ("database-admits-no-public-addresses", types.INGRESS_RULE, {"cidrIpv6": "2001:db8::/32"}),
    ("database-admits-no-public-addresses", types.INGRESS_RULE, {"prefixListId": "pl-1"}),
    ("no-inline-ingress", types.SECURITY_GROUP, {"ingress": [{"cidrBlocks": ["0.0.0.0/0"]}]}),
    ("no-wildcard-permissions", types.ROLE_POLICY, {"policy": _document("*", "arn:aws:s3:::x")}),
    ("no-wildcard-permissions", types.ROLE_POLICY, {"policy": _document(["s3:Get*"], "arn:aws:s3:::x")}),
    ("no-wildcard-permissions", types.ROLE_POLICY, {"policy": _document("s3:GetObject", "*")}),
    ("no-wildcard-permissions", types.ROLE_POLICY, {"policy": _document("s3:GetObject", ["arn:aws:s3:::?"])}),
    (
        "no-wildcard-permissions",
        types.ROLE_POLICY,
        {"policy": _document("s3:GetObject", "arn:aws:s3:::x", NotAction="s3:PutObject")},
    ),
    ("no-wildcard-permissions", types.ROLE_POLICY, {"policy": "no JSON"}),
    ("no-other-policies", types.ROLE, {"managedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}),
    ("no-other-policies", types.ROLE, {"inlinePolicies": [{"name": "x"}]}),
    (
        "no-wildcard-clients-or-topics",
        types.IOT_POLICY,
        {"policy": _document("iot:Connect", f"{ARN}:client/*")},
    ),
    ("no-wildcard-clients-or-topics", types.IOT_POLICY, {"policy": _document("iot:*", f"{ARN}:client/a")}),
    ("no-wildcard-clients-or-topics", types.IOT_POLICY, {"policy": _document("iot:Connect", "*")}),
    (
        "no-wildcard-clients-or-topics",
        types.IOT_POLICY,
        {"policy": _document("iot:Publish", f"{ARN}:topic/sources/*/consumers/a/sourceevents")},
    ),
    (
        "no-wildcard-clients-or-topics",
        types.IOT_POLICY,
        {"policy": _document("iot:Publish", f"{ARN}:topic/sources/a/consumers/*/sourceevents*")},
    ),
    ("logs-end", types.LOG_GROUP, {"retentionInDays": None}),
    ("logs-end", types.LOG_GROUP, {"retentionInDays": 0}),
    ("required-tags", types.SECRET, {"tags": {}}),
    ("required-tags", types.ROLE, {"tags": None}),
    ("deterministic-names", types.INSTANCE, {"identifier": None}),
    ("deterministic-names", types.INSTANCE, {"identifierPrefix": "maestro-"}),
    ("deterministic-names", types.ROLE, {"name": None, "namePrefix": "maestro-"}),
    ("secrets-under-prefix", types.SECRET, {"name": "regional-abc/maestro/db-credentials"}),
    ("no-plain-secrets", types.INSTANCE, {"password": "hunter2"}),
    ("no-plain-secrets", types.RELEASE, {"values": {"more": [{"dbPassword": "hunter2"}]}}),
    ("no-plain-secrets", types.RELEASE, {"values": {"note": "-----BEGIN RSA PRIVATE KEY-----\nMII"}}),
    ("no-plain-secrets", types.SECURITY_GROUP, {"description": "AKIAIOSFODNN7EXAMPLE"}),
)


@pytest.mark.parametrize(("name", "type_", "inputs"), BREAKAGES)
def test_a_rule_finds_what_breaks_it_even_in_a_dev_stack(
    name: str, type_: str, inputs: dict[str, Json]
) -> None:
    assert _broken(type_, DEV, inputs) == {name}


IN_PRODUCTION: tuple[tuple[str, str, dict[str, Json]], ...] = (
    ("deletion-protection-in-production", types.INSTANCE, {"deletionProtection": False}),
    ("backups-in-production", types.INSTANCE, {"backupRetentionPeriod": 6}),
    ("final-snapshot-in-production", types.INSTANCE, {"skipFinalSnapshot": True}),
    ("final-snapshot-in-production", types.INSTANCE, {"finalSnapshotIdentifier": None}),
    ("standby-in-production", types.INSTANCE, {"multiAz": None}),
    ("replicas-in-production", types.RELEASE, {"values": {"deployment": {"replicas": 1, "zoneCount": 2}}}),
    ("zones-in-production", types.RELEASE, {"values": {"deployment": {"replicas": 2, "zoneCount": 1}}}),
    ("pinned-image-in-production", types.RELEASE, {"values": {"image": {"tag": "latest", "digest": ""}}}),
)


@pytest.mark.parametrize(("name", "type_", "inputs"), IN_PRODUCTION)
def test_a_rule_of_production_finds_what_breaks_it_there_alone(
    name: str, type_: str, inputs: dict[str, Json]
) -> None:
    values = inputs.get("values")
    if isinstance(values, dict):
        base = SOUND[types.RELEASE]["values"]
        assert isinstance(base, dict)
        inputs = {"values": {**base, **values}}
    assert _broken(type_, PRODUCTION, inputs) == {name}
    assert _broken(type_, DEV, inputs) == set()


@pytest.mark.parametrize("type_", [types.INSTANCE, types.SECRET])
def test_what_holds_data_is_protected_in_production(type_: str) -> None:
    assert _broken(type_, PRODUCTION, protect=False) == {"protected-in-production"}
    assert _broken(type_, DEV, protect=False) == set()


def test_a_full_commits_tag_pins_the_image_as_a_digest_does() -> None:
    values: Json = {"deployment": {"replicas": 2, "zoneCount": 3}, "image": {"digest": "", "tag": "0" * 40}}
    assert _broken(types.RELEASE, PRODUCTION, {"values": values}) == set()


def test_every_rule_is_broken_by_a_case_here() -> None:
    broken = {name for name, *_ in (*BREAKAGES, *IN_PRODUCTION)} | {"protected-in-production"}
    assert not (missing := set(BY_NAME) - broken), f"add a case that breaks {missing} to BREAKAGES here"
    assert broken == set(BY_NAME)
    assert len(BY_NAME) == len(RULES)


def test_a_kubeconfig_that_runs_a_command_holds_no_secret_but_one_with_a_token_does() -> None:
    rule = BY_NAME["no-plain-secrets"]

    def problems(user: Json) -> list[str]:
        text = json.dumps({"users": [{"user": user}]})
        provider = Resource(
            type="pulumi:providers:kubernetes", name="it", inputs={"kubeconfig": text}, protect=False
        )
        return list(rule.check(provider, DEV))

    assert problems({"exec": {"command": "aws"}}) == []
    assert problems({"token": "abc"}) == ["kubeconfig is in the clear"]
