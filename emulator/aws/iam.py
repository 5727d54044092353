"""AWS IAM: roles and their inline policies."""

import re
from collections.abc import Mapping

from common.json_values import (
    Json,
    flag,
    json_list,
    merged,
    number,
    one_or_many,
    parse_document,
    record,
    records,
    text,
    texts,
)
from emulator.aws.cloud import Cloud
from emulator.aws.documents import is_same_document, kept_or_read
from emulator.aws.errors import AwsError
from emulator.aws.handler import (
    FunctionHandler,
    ResourceHandler,
    api_parameters,
    api_tags,
    completing,
    read_inputs,
    reread,
    tag_outputs,
    unless_gone,
)
from emulator.aws.retry import has_code, retrying
from emulator.aws.tags import tag_changes, tags_in
from emulator.lifecycle import State, difference, table

# IAM API reference, CreateRole.
_NAME = re.compile(r"[\w+=,.@-]+", re.ASCII)
_ROLE_NAME_CHARACTERS = 64
_POLICY_NAME_CHARACTERS = 128

_GONE = "NoSuchEntity"


class Role(ResourceHandler):
    """A role, and who may assume it."""

    type = "aws:iam/role:Role"
    table = table(
        "internal/service/iam/role.go",
        updates=("assumeRolePolicy", "description", "maxSessionDuration", "permissionsBoundary", "tags"),
        replaces=("name", "path"),
        steers=("forceDetachPolicies",),
        defaults={"forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/"},
    )

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """CreateRole; waits until it is visible."""
        names = {
            "name": "RoleName",
            "assumeRolePolicy": "AssumeRolePolicyDocument",
            "description": "Description",
            "maxSessionDuration": "MaxSessionDuration",
            "path": "Path",
            "permissionsBoundary": "PermissionsBoundary",
        }
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        _check_name(cloud, "CreateRole", "roleName", text(given, "name"), _ROLE_NAME_CHARACTERS)
        _check_trust(cloud, "CreateRole", text(given, "assumeRolePolicy"))
        defaults: dict[str, Json] = {"MaxSessionDuration": 3600, "Path": "/"}
        parameters = defaults | api_parameters(given, names)
        if "tags" in given:
            parameters["Tags"] = api_tags(given)
        made = retrying(
            cloud, lambda: cloud.call("iam", "CreateRole", parameters), while_=_has_unknown_principal
        )
        role = record(made, "Role")
        policies: dict[str, Json] = {"inlinePolicies": [], "managedPolicyArns": []}
        outputs = self._outputs(merged({"MaxSessionDuration": parameters["MaxSessionDuration"]}, role), given)
        state = State(text(role, "RoleName"), merged(given, tag_outputs(given), policies, outputs))
        with completing(state):
            retrying(
                cloud,
                lambda: cloud.call("iam", "GetRole", {"RoleName": state.id}),
                while_=has_code(_GONE),
            )
        return state

    def read(self, cloud: Cloud, state: State) -> State | None:
        """GetRole, then its inline and attached policies, which the provider also shows on the role."""
        found = unless_gone(lambda: cloud.call("iam", "GetRole", {"RoleName": state.id}), _GONE)
        if found is None:
            return None
        role = record(found, "Role")
        policies: dict[str, Json] = {
            "inlinePolicies": [
                self._inline(cloud, state, name) for name in self._inline_names(cloud, state.id)
            ],
            "managedPolicyArns": json_list(self._attached(cloud, state.id)),
        }
        outputs = self._outputs(role, state.outputs)
        return State(state.id, merged(state.outputs, policies, outputs, tags_in(role, "Tags")))

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """One call for each input that changed; then the tags."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        changed = difference(self.table, state.outputs, given, self.is_same).updates
        name: dict[str, Json] = {"RoleName": state.id}
        if "assumeRolePolicy" in changed:
            trust = text(given, "assumeRolePolicy")
            _check_trust(cloud, "UpdateAssumeRolePolicy", trust)
            retrying(
                cloud,
                lambda: cloud.call("iam", "UpdateAssumeRolePolicy", {**name, "PolicyDocument": trust}),
                while_=_has_unknown_principal,
            )
        if "description" in changed:
            cloud.call("iam", "UpdateRoleDescription", {**name, "Description": text(given, "description")})
        if "maxSessionDuration" in changed:
            duration = given.get("maxSessionDuration", 3600)
            cloud.call("iam", "UpdateRole", {**name, "MaxSessionDuration": duration})
        if "permissionsBoundary" in changed:
            boundary = text(given, "permissionsBoundary")
            if boundary:
                put: dict[str, Json] = {**name, "PermissionsBoundary": boundary}
                cloud.call("iam", "PutRolePermissionsBoundary", put)
            else:
                cloud.call("iam", "DeleteRolePermissionsBoundary", name)
        if "tags" in changed:
            changes = tag_changes(state.outputs, given)
            if changes.removed:
                cloud.call("iam", "UntagRole", {**name, "TagKeys": changes.removed})
            if changes.added:
                cloud.call("iam", "TagRole", {**name, "Tags": changes.added_pairs})
        return reread(self, cloud, state, given)

    def delete(self, cloud: Cloud, state: State) -> None:
        """Remove it from instance profiles, then DeleteRole, repeated while IAM says that it is in use.

        Policies that others added to the role make that fail, unless a refresh found them or the program sets
        `forceDetachPolicies`: then they are removed first.
        """
        unless_gone(lambda: self._delete(cloud, state), _GONE)

    def is_same(self, key: str, found: Json, wanted: Json) -> bool:
        """Trust policies that say the same are the same."""
        return key == "assumeRolePolicy" and is_same_document(found, wanted)

    def _delete(self, cloud: Cloud, state: State) -> None:
        name: dict[str, Json] = {"RoleName": state.id}
        profiles = records(cloud.call("iam", "ListInstanceProfilesForRole", name), "InstanceProfiles")
        for profile in profiles:
            cloud.call(
                "iam",
                "RemoveRoleFromInstanceProfile",
                {**name, "InstanceProfileName": text(profile, "InstanceProfileName")},
            )
        is_forced = flag(state.outputs, "forceDetachPolicies")
        if is_forced or state.outputs.get("managedPolicyArns"):
            for arn in self._attached(cloud, state.id):
                cloud.call("iam", "DetachRolePolicy", {**name, "PolicyArn": arn})
        if is_forced or state.outputs.get("inlinePolicies"):
            for policy in self._inline_names(cloud, state.id):
                cloud.call("iam", "DeleteRolePolicy", {**name, "PolicyName": policy})
        retrying(cloud, lambda: cloud.call("iam", "DeleteRole", name), while_=has_code("DeleteConflict"))

    def _inline_names(self, cloud: Cloud, role: str) -> list[str]:
        return texts(cloud.call("iam", "ListRolePolicies", {"RoleName": role}), "PolicyNames")

    def _attached(self, cloud: Cloud, role: str) -> list[str]:
        answer = cloud.call("iam", "ListAttachedRolePolicies", {"RoleName": role})
        return [text(policy, "PolicyArn") for policy in records(answer, "AttachedPolicies")]

    def _inline(self, cloud: Cloud, state: State, name: str) -> Json:
        answer = cloud.call("iam", "GetRolePolicy", {"RoleName": state.id, "PolicyName": name})
        kept = next(
            (p["policy"] for p in records(state.outputs, "inlinePolicies") if p.get("name") == name), None
        )
        return {"name": name, "policy": kept_or_read(kept, answer.get("PolicyDocument"))}

    def _outputs(self, role: Mapping[str, Json], kept: Mapping[str, Json]) -> dict[str, Json]:
        boundary = text(record(role, "PermissionsBoundary"), "PermissionsBoundaryArn")
        return {
            "arn": text(role, "Arn"),
            "assumeRolePolicy": kept_or_read(
                kept.get("assumeRolePolicy"), role.get("AssumeRolePolicyDocument")
            ),
            "createDate": text(role, "CreateDate"),
            "description": text(role, "Description"),
            "forceDetachPolicies": flag(kept, "forceDetachPolicies"),
            "maxSessionDuration": number(role, "MaxSessionDuration", 3600),
            "name": text(role, "RoleName"),
            "namePrefix": "",
            "path": text(role, "Path"),
            "permissionsBoundary": boundary,
            "uniqueId": text(role, "RoleId"),
        }


class RolePolicy(ResourceHandler):
    """An inline policy of a role: what the role may do."""

    type = "aws:iam/rolePolicy:RolePolicy"
    table = table("internal/service/iam/role_policy.go", updates=("policy",), replaces=("name", "role"))

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """PutRolePolicy; waits until it is visible."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        _check_name(cloud, "PutRolePolicy", "policyName", text(given, "name"), _POLICY_NAME_CHARACTERS)
        self._put(cloud, given)
        identity = f"{text(given, 'role')}:{text(given, 'name')}"
        state = State(identity, merged(given, {"namePrefix": ""}))
        with completing(state):
            retrying(cloud, lambda: self._get(cloud, identity), while_=has_code(_GONE))
        return state

    def read(self, cloud: Cloud, state: State) -> State | None:
        """GetRolePolicy."""
        found = unless_gone(lambda: self._get(cloud, state.id), _GONE)
        if found is None:
            return None
        read: dict[str, Json] = {
            "name": text(found, "PolicyName"),
            "namePrefix": "",
            "policy": kept_or_read(state.outputs.get("policy"), found.get("PolicyDocument")),
            "role": text(found, "RoleName"),
        }
        return State(state.id, merged(state.outputs, read))

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """PutRolePolicy."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        self._put(cloud, given)
        return reread(self, cloud, state, given)

    def delete(self, cloud: Cloud, state: State) -> None:
        """DeleteRolePolicy."""
        unless_gone(lambda: cloud.call("iam", "DeleteRolePolicy", self._key(state.id)), _GONE)

    def is_same(self, key: str, found: Json, wanted: Json) -> bool:
        """Policies that say the same are the same."""
        return key == "policy" and is_same_document(found, wanted)

    def _put(self, cloud: Cloud, given: Mapping[str, Json]) -> None:
        names = {"name": "PolicyName", "policy": "PolicyDocument", "role": "RoleName"}
        _document(cloud, "PutRolePolicy", text(given, "policy"))
        cloud.call("iam", "PutRolePolicy", api_parameters(given, names))

    def _get(self, cloud: Cloud, identity: str) -> dict[str, Json]:
        return cloud.call("iam", "GetRolePolicy", self._key(identity))

    def _key(self, identity: str) -> dict[str, Json]:
        role, _, name = identity.partition(":")
        return {"RoleName": role, "PolicyName": name}


def _check_name(cloud: Cloud, operation: str, parameter: str, name: str, limit: int) -> None:
    """moto accepts names of any length. Source: IAM and STS quotas, name length limits."""
    if len(name) > limit:
        constraint = f"Member must have length less than or equal to {limit}"
    elif name and not _NAME.fullmatch(name):
        constraint = "Member must satisfy regular expression pattern: [\\w+=,.@-]+"
    else:
        return
    problem = f"Value '{name}' at '{parameter}' failed to satisfy constraint: {constraint}"
    message = f"1 validation error detected: {problem}"
    raise cloud.refuse("iam", operation, "ValidationError", message)


def _check_trust(cloud: Cloud, operation: str, document: str) -> None:
    """What AWS refuses in a trust policy and moto doesn't.

    Source: IAM user guide, "IAM JSON policy elements: Principal"; a trust policy says who, never on what.
    """
    for statement in one_or_many(_document(cloud, operation, document).get("Statement")):
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
        raise cloud.refuse("iam", operation, "MalformedPolicyDocument", problem)


def _has_unknown_principal(error: AwsError) -> bool:
    return error.code == "MalformedPolicyDocument" and "Invalid principal in policy" in error.message


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
