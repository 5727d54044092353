"""The printed policies: sufficient for their purpose, and within IAM's limits."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
from botocore.exceptions import ClientError

from checks import aws_policy
from common.json_values import Json
from doctor.permissions import POLICY_MAX, PURPOSES, Purpose, actions_of, cluster_role, policy, scope_of
from tests.doctor.patient import ACCOUNT, CLUSTER, REGION, Patient, patient


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_policy_fits_a_managed_one(purpose: Purpose, region: Patient) -> None:
    document = json.dumps(policy(purpose, scope_of(region.case())), separators=(",", ":"))
    assert len(document) <= POLICY_MAX
    aws_policy.parse(document)  # as IAM would store it


@pytest.mark.parametrize("purpose", PURPOSES)
def test_no_statement_grants_all(purpose: Purpose, region: Patient) -> None:
    statements: Any = policy(purpose, scope_of(region.case()))["Statement"]
    assert not [action for each in statements for action in each["Action"] if action.endswith("*")]


def test_a_preview_writes_nothing_on_aws(region: Patient) -> None:
    statements: Any = policy("preview", scope_of(region.case()))["Statement"]
    writes = re.compile(r":(Create|Update|Delete|Put|Modify|Attach|Detach|Tag|Untag|Add|Remove|Pass)")
    assert not [action for each in statements for action in each["Action"] if writes.search(action)]


def test_the_doctor_may_only_read_the_cluster() -> None:
    rules: Any = cluster_role("doctor", "doctor")["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list"}


@pytest.mark.parametrize("phase", ["before", "after"])
def test_the_doctor_works_under_exactly_the_policy_that_it_prints(phase: str, built: Patient) -> None:
    document = aws_policy.parse(json.dumps(policy("doctor", scope_of(built.case()))))
    built.guard = lambda action, parameters: _judge(document, action, parameters)
    assert built.fails(phase) == {}
    assert built.unverified(phase) == {}


def test_what_the_policy_lacks_is_reported(built: Patient) -> None:
    granted = policy("doctor", scope_of(built.case()))
    statements: Any = granted["Statement"]
    for statement in statements:
        statement["Action"] = [each for each in statement["Action"] if each != "iot:TestAuthorization"]
    document = aws_policy.parse(json.dumps(granted))
    built.guard = lambda action, parameters: _judge(document, action, parameters)
    assert built.unverified("after").keys() == {"broker-allows"}


def _judge(document: aws_policy.PolicyDocument, action: str, parameters: Mapping[str, Any]) -> None:
    request = aws_policy.Request(action=action, resource=_resource(action, parameters))
    if action != "sts:GetCallerIdentity" and not aws_policy.is_allowed([document], request).allowed:
        answer: Any = {"Error": {"Code": "AccessDenied", "Message": f"{action} on {request.resource}"}}
        raise ClientError(answer, action)


def _resource(action: str, parameters: Mapping[str, Any]) -> str:
    """The resource that AWS authorizes. Source: Service Authorization Reference, by service."""
    service = action.partition(":")[0]
    home = f"arn:aws:{service}:{REGION}:{ACCOUNT}"
    kinds = {
        "RoleName": f"arn:aws:iam::{ACCOUNT}:role",
        "policyName": f"{home}:policy",
        "certificateId": f"{home}:cert",
        "domainConfigurationName": f"{home}:domainconfiguration",
        "associationId": f"{home}:podidentityassociation/{CLUSTER}",
        "clusterName": f"{home}:cluster",
        "name": f"{home}:cluster",
    }
    names = {
        "DBInstanceIdentifier": f"{home}:db",
        "DBParameterGroupName": f"{home}:pg",
        "DBSubnetGroupName": f"{home}:subgrp",
        "logGroupNamePrefix": f"{home}:log-group",
    }
    if action.startswith("secretsmanager:"):
        return f"{home}:secret:{parameters['SecretId']}-AbCdEf"
    if "ResourceIdentifier" in parameters:
        return str(parameters["ResourceIdentifier"])
    for name, kind in kinds.items():
        if name in parameters:
            return f"{kind}/{parameters[name]}"
    for name, kind in names.items():
        if name in parameters:
            return f"{kind}:{parameters[name]}"
    return "*"


# --- deploy: what the emulation calls, and nothing that isn't needed -----------------------------


def _forbid(made: Patient, forbidden: str | None, seen: set[str]) -> None:
    """Record the providers' calls, and refuse one of them."""
    call = made.cloud.call

    def guarded(service: str, operation: str, parameters: Mapping[str, Json]) -> dict[str, Json]:
        action = f"{service}:{operation}"
        seen.add(action)
        if action == forbidden:
            raise made.cloud.refuse(service, operation, "AccessDenied", f"not authorized: {action}")
        return call(service, operation, parameters)

    vars(made.cloud)["call"] = guarded


def test_an_up_makes_no_call_that_the_table_lacks_and_each_that_it_makes_is_needed(tmp_path: Path) -> None:
    seen: set[str] = set()
    with patient(tmp_path) as made:
        granted = frozenset[str]().union(*actions_of("deploy", scope_of(made.case())).values())
        _forbid(made, None, seen)
        made.build()
    assert seen <= granted
    not_needed: list[str] = []
    for action in sorted(seen - {"rds:DescribeDBParameterGroups"}):  # RDS itself looks the group up here
        with patient(tmp_path) as made:
            _forbid(made, action, set())
            try:
                not_needed += [] if made.program().failures else [action]
            except pulumi.RunError:
                continue
    assert not_needed == []
