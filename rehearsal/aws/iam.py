"""AWS IAM: roles and their inline policies."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rehearsal.aws.cloud import Cloud
from rehearsal.aws.handler import (
    Created,
    FunctionHandler,
    ResourceHandler,
    api_parameters,
    api_tags,
    read_inputs,
    tag_outputs,
)
from rehearsal.values import Json, flag, merged, one_or_many, parse_document, record, text

# IAM API reference, CreateRole.
_NAME = re.compile(r"[\w+=,.@-]+", re.ASCII)
_ROLE_NAME_CHARACTERS = 64
_POLICY_NAME_CHARACTERS = 128


class Role:
    """A role and who may assume it."""

    type = "aws:iam/role:Role"
    secret_outputs: frozenset[str] = frozenset()

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> Created:
        """CreateRole."""
        names = {
            "name": "RoleName",
            "assumeRolePolicy": "AssumeRolePolicyDocument",
            "description": "Description",
            "maxSessionDuration": "MaxSessionDuration",
            "path": "Path",
            "permissionsBoundary": "PermissionsBoundary",
        }
        given = read_inputs(self.type, cloud, inputs, (*names, "forceDetachPolicies", "tags"))
        _check_name(cloud, "CreateRole", "roleName", text(given, "name"), _ROLE_NAME_CHARACTERS)
        _check_trust(cloud, text(given, "assumeRolePolicy"))
        defaults: dict[str, Json] = {"MaxSessionDuration": 3600, "Path": "/"}
        parameters = defaults | api_parameters(given, names)
        if "tags" in given:
            parameters["Tags"] = api_tags(given)
        made = record(cloud.call("iam", "CreateRole", parameters), "Role")
        return Created(
            text(made, "RoleName"),
            merged(
                given,
                tag_outputs(given),
                {
                    "arn": text(made, "Arn"),
                    "createDate": text(made, "CreateDate"),
                    "description": text(given, "description"),
                    "forceDetachPolicies": flag(given, "forceDetachPolicies"),
                    "inlinePolicies": [],
                    "managedPolicyArns": [],
                    "maxSessionDuration": parameters["MaxSessionDuration"],
                    "name": text(made, "RoleName"),
                    "namePrefix": "",
                    "path": text(made, "Path"),
                    "uniqueId": text(made, "RoleId"),
                },
            ),
        )


class RolePolicy:
    """An inline policy of a role: what it may do."""

    type = "aws:iam/rolePolicy:RolePolicy"
    secret_outputs: frozenset[str] = frozenset()

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> Created:
        """PutRolePolicy."""
        names = {"name": "PolicyName", "policy": "PolicyDocument", "role": "RoleName"}
        given = read_inputs(self.type, cloud, inputs, names)
        _check_name(cloud, "PutRolePolicy", "policyName", text(given, "name"), _POLICY_NAME_CHARACTERS)
        _document(cloud, "PutRolePolicy", text(given, "policy"))
        cloud.call("iam", "PutRolePolicy", api_parameters(given, names))
        return Created(f"{text(given, 'role')}:{text(given, 'name')}", merged(given, {"namePrefix": ""}))


def _check_name(cloud: Cloud, operation: str, parameter: str, name: str, limit: int) -> None:
    """moto takes names of any length. Source: IAM and STS quotas, name length limits."""
    if len(name) > limit:
        constraint = f"Member must have length less than or equal to {limit}"
    elif name and not _NAME.fullmatch(name):
        constraint = "Member must satisfy regular expression pattern: [\\w+=,.@-]+"
    else:
        return
    problem = f"Value '{name}' at '{parameter}' failed to satisfy constraint: {constraint}"
    message = f"1 validation error detected: {problem}"
    raise cloud.refuse("iam", operation, "ValidationError", message)


def _check_trust(cloud: Cloud, document: str) -> None:
    """What CreateRole refuses in a trust policy and moto doesn't.

    Source: IAM user guide, "IAM JSON policy elements: Principal"; a trust policy names who, never on what.
    """
    for statement in one_or_many(_document(cloud, "CreateRole", document).get("Statement")):
        if not isinstance(statement, dict) or not (
            statement.get("Principal") or statement.get("NotPrincipal")
        ):
            problem = "MissingPrincipal: Missing Principal in trust policy"
        elif statement.keys() & {"Resource", "NotResource"}:
            problem = "Has prohibited field Resource"
        elif not (statement.get("Action") or statement.get("NotAction")):
            problem = "Policy statement must contain actions."
        else:
            continue
        raise cloud.refuse("iam", "CreateRole", "MalformedPolicyDocument", problem)


def _document(cloud: Cloud, operation: str, document: str) -> dict[str, Json]:
    parsed = parse_document(document)
    if parsed is None:
        raise cloud.refuse("iam", operation, "MalformedPolicyDocument", "This policy contains invalid Json")
    if not one_or_many(parsed.get("Statement")):
        raise cloud.refuse(
            "iam", operation, "MalformedPolicyDocument", "Syntax errors in policy: no Statement"
        )
    return parsed


RESOURCES: tuple[ResourceHandler, ...] = (Role(), RolePolicy())
FUNCTIONS: tuple[FunctionHandler, ...] = ()
TAGGABLE = frozenset({Role.type})
