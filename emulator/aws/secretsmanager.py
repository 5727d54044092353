"""AWS Secrets Manager: secrets and their versions."""

import re
from collections.abc import Mapping

from common.json_values import Json, flag, json_list, merged, number, parse_document, records, text, texts
from emulator.aws.cloud import Cloud, fresh_id
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
from emulator.aws.tags import TagChanges, tag_changes, tags_in
from emulator.lifecycle import State, difference, table

# Secrets Manager API reference, CreateSecret: Name; quotas: size of a secret value.
_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_VALUE_BYTES = 65536
_RECOVERY_DAYS = (0, *range(7, 31))

_GONE = "ResourceNotFoundException"
_CURRENT, _PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"


class Secret(ResourceHandler):
    """A secret, without its value."""

    type = "aws:secretsmanager/secret:Secret"
    table = table(
        "internal/service/secretsmanager/secret.go",
        updates=("description", "kmsKeyId", "policy", "tags"),
        replaces=("name",),
        steers=("forceOverwriteReplicaSecret", "recoveryWindowInDays"),
        defaults={"forceOverwriteReplicaSecret": False, "recoveryWindowInDays": 30},
        computed=("policy",),
    )

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """CreateSecret; once the secret is visible, PutResourcePolicy if a policy is given.

        While the name belongs to a secret that is being deleted, the provider retries. The recovery window
        only matters on deletion.
        """
        names = {
            "name": "Name",
            "description": "Description",
            "kmsKeyId": "KmsKeyId",
            "forceOverwriteReplicaSecret": "ForceOverwriteReplicaSecret",
        }
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        _check_name(cloud, text(given, "name"))
        self._check(cloud, given)
        parameters = api_parameters(given, names) | {"ClientRequestToken": fresh_id()}
        if "tags" in given:
            parameters["Tags"] = api_tags(given)
        made = retrying(
            cloud, lambda: cloud.call("secretsmanager", "CreateSecret", parameters), while_=_is_being_deleted
        )
        arn = text(made, "ARN")
        state = State(arn, merged(given, tag_outputs(given), self._outputs(cloud, arn, given, given)))
        with completing(State(arn, merged(state.outputs, {"policy": ""}))):
            retrying(
                cloud,
                lambda: cloud.call("secretsmanager", "DescribeSecret", {"SecretId": arn}),
                while_=has_code(_GONE),
            )
            if text(given, "policy"):
                self._put_policy(cloud, arn, text(given, "policy"))
        return state

    def read(self, cloud: Cloud, state: State) -> State | None:
        """DescribeSecret, then GetResourcePolicy; a secret with a deletion date counts as gone."""
        found = unless_gone(
            lambda: cloud.call("secretsmanager", "DescribeSecret", {"SecretId": state.id}), _GONE
        )
        if found is None or found.get("DeletedDate") is not None:
            return None
        policy = cloud.call("secretsmanager", "GetResourcePolicy", {"SecretId": state.id})
        read: dict[str, Json] = {
            "name": text(found, "Name"),
            "description": text(found, "Description"),
            "kmsKeyId": text(found, "KmsKeyId"),
            "policy": kept_or_read(state.outputs.get("policy"), text(policy, "ResourcePolicy")),
        }
        outputs = self._outputs(cloud, text(found, "ARN"), read, state.outputs)
        return State(state.id, merged(state.outputs, read, outputs, tags_in(found, "Tags")))

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """UpdateSecret, PutResourcePolicy or DeleteResourcePolicy, and the tags, as needed."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        self._check(cloud, given)
        changed = difference(self.table, state.outputs, given, self.is_same).updates
        if {"description", "kmsKeyId"} & set(changed):
            parameters: dict[str, Json] = {
                "SecretId": state.id,
                "ClientRequestToken": fresh_id(),
                # Always sent: an empty one clears it. Without a key the old one stays, as in the provider.
                "Description": text(given, "description"),
                **({"KmsKeyId": given["kmsKeyId"]} if text(given, "kmsKeyId") else {}),
            }
            cloud.call("secretsmanager", "UpdateSecret", parameters)
        if "policy" in changed:
            self._put_policy(cloud, state.id, text(given, "policy"))
        if "tags" in changed:
            self._change_tags(cloud, state.id, tag_changes(state.outputs, given))
        return reread(self, cloud, state, given)

    def delete(self, cloud: Cloud, state: State) -> None:
        """DeleteSecret with the state's recovery window, or at once if that is 0."""
        window = number(state.outputs, "recoveryWindowInDays", 30)
        how: dict[str, Json] = (
            {"RecoveryWindowInDays": window} if window else {"ForceDeleteWithoutRecovery": True}
        )
        unless_gone(
            lambda: cloud.call("secretsmanager", "DeleteSecret", {"SecretId": state.id, **how}), _GONE
        )

    def is_same(self, key: str, found: Json, wanted: Json) -> bool:
        """Policies that say the same are the same."""
        return key == "policy" and is_same_document(found, wanted)

    def _outputs(
        self, cloud: Cloud, arn: str, values: Mapping[str, Json], steering: Mapping[str, Json]
    ) -> dict[str, Json]:
        return {
            "arn": arn,
            "description": text(values, "description"),
            "forceOverwriteReplicaSecret": flag(steering, "forceOverwriteReplicaSecret"),
            "kmsKeyId": text(values, "kmsKeyId"),
            "namePrefix": "",
            "policy": text(values, "policy"),
            "recoveryWindowInDays": number(steering, "recoveryWindowInDays", 30),
            "replicas": [],
            "region": cloud.region,
        }

    def _put_policy(self, cloud: Cloud, arn: str, policy: str) -> None:
        if not policy or parse_document(policy) == {}:
            cloud.call("secretsmanager", "DeleteResourcePolicy", {"SecretId": arn})
        else:
            parameters: dict[str, Json] = {"SecretId": arn, "ResourcePolicy": policy}
            cloud.call("secretsmanager", "PutResourcePolicy", parameters)

    def _change_tags(self, cloud: Cloud, arn: str, changes: TagChanges) -> None:
        if changes.removed:
            cloud.call("secretsmanager", "UntagResource", {"SecretId": arn, "TagKeys": changes.removed})
        if changes.added:
            cloud.call("secretsmanager", "TagResource", {"SecretId": arn, "Tags": changes.added_pairs})

    def _check(self, cloud: Cloud, given: Mapping[str, Json]) -> None:
        """What AWS (or, for the recovery window, the provider) refuses and moto doesn't."""
        window = number(given, "recoveryWindowInDays", 30)
        if window not in _RECOVERY_DAYS:
            raise cloud.refuse(
                "secretsmanager",
                "DeleteSecret",
                "InvalidParameterException",
                f"The RecoveryWindowInDays value must be between 7 and 30 days (inclusive), or 0, not "
                f"{window}.",
            )
        if text(given, "policy") and parse_document(text(given, "policy")) is None:
            message = "This resource policy contains invalid JSON."
            raise cloud.refuse(
                "secretsmanager", "PutResourcePolicy", "MalformedPolicyDocumentException", message
            )


class SecretVersion(ResourceHandler):
    """One value of a secret.

    It is read by its version id, so somebody else's newer version shows only if `versionStages` is set: as
    the stage that this version has lost.
    """

    type = "aws:secretsmanager/secretVersion:SecretVersion"
    table = table(
        "internal/service/secretsmanager/secret_version.go",
        updates=("versionStages",),
        replaces=("secretId", "secretString"),
        computed=("versionStages",),
    )
    secret_outputs = frozenset({"secretBinary", "secretString", "secretStringWo"})

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """PutSecretValue with a new token, which becomes the version's id; waits until it is visible."""
        names = {"secretId": "SecretId", "secretString": "SecretString", "versionStages": "VersionStages"}
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        _check_value(cloud, given.get("secretString"))
        parameters = api_parameters(given, names) | {"ClientRequestToken": fresh_id()}
        answer = cloud.call("secretsmanager", "PutSecretValue", parameters)
        identity = f"{text(given, 'secretId')}|{text(answer, 'VersionId')}"
        state = State(identity, merged(given, self._outputs(cloud, answer)))
        with completing(state):
            retrying(cloud, lambda: self._get(cloud, identity), while_=_is_of_deleted_secret)
        return state

    def read(self, cloud: Cloud, state: State) -> State | None:
        """GetSecretValue for this version; a deleted secret's version counts as gone."""
        secret = state.id.partition("|")[0]
        try:
            answer = self._get(cloud, state.id)
        except AwsError as error:
            if _is_of_deleted_secret(error):
                return None
            raise
        read: dict[str, Json] = {"secretId": secret, "secretString": text(answer, "SecretString")}
        return State(state.id, merged(state.outputs, read, self._outputs(cloud, answer)))

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """UpdateSecretVersionStage for each stage that this version gains or loses."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        if "versionStages" not in difference(self.table, state.outputs, given, self.is_same).updates:
            return state
        secret, _, version = state.id.partition("|")
        has, wants = texts(state.outputs, "versionStages"), texts(given, "versionStages")
        added = [stage for stage in wants if stage not in has]
        for stage in added:
            move: dict[str, Json] = {"SecretId": secret, "VersionStage": stage, "MoveToVersionId": version}
            if stage == _CURRENT:
                move["RemoveFromVersionId"] = self._current_version(cloud, secret)
            cloud.call("secretsmanager", "UpdateSecretVersionStage", move)
        for stage in has:
            # With AWSCURRENT, AWS moves AWSPREVIOUS by itself.
            if stage not in wants and not (stage == _PREVIOUS and _CURRENT in added):
                self._remove_stage(cloud, secret, version, stage)
        return reread(self, cloud, state, given)

    def delete(self, cloud: Cloud, state: State) -> None:
        """Remove its stages, but never AWSCURRENT; AWS keeps a value without stages for a while."""
        secret, _, version = state.id.partition("|")
        try:
            for stage in texts(state.outputs, "versionStages"):
                self._remove_stage(cloud, secret, version, stage)
        except AwsError as error:
            if not _is_of_deleted_secret(error):
                raise

    def is_same(self, key: str, found: Json, wanted: Json) -> bool:
        """Stages have no order."""
        return key == "versionStages" and set(texts({key: found}, key)) == set(texts({key: wanted}, key))

    def _outputs(self, cloud: Cloud, answer: Mapping[str, Json]) -> dict[str, Json]:
        return {
            "arn": text(answer, "ARN"),
            "secretArn": text(answer, "ARN"),
            "versionId": text(answer, "VersionId"),
            "versionStages": json_list(sorted(texts(answer, "VersionStages"))),
            "hasSecretStringWo": False,
            "region": cloud.region,
        }

    def _get(self, cloud: Cloud, identity: str) -> dict[str, Json]:
        secret, _, version = identity.partition("|")
        return cloud.call("secretsmanager", "GetSecretValue", {"SecretId": secret, "VersionId": version})

    def _current_version(self, cloud: Cloud, secret: str) -> str:
        answer = cloud.call("secretsmanager", "ListSecretVersionIds", {"SecretId": secret})
        return next(
            text(version, "VersionId")
            for version in records(answer, "Versions")
            if _CURRENT in texts(version, "VersionStages")
        )

    def _remove_stage(self, cloud: Cloud, secret: str, version: str, stage: str) -> None:
        if stage == _CURRENT:
            return
        parameters: dict[str, Json] = {
            "SecretId": secret,
            "VersionStage": stage,
            "RemoveFromVersionId": version,
        }
        cloud.call("secretsmanager", "UpdateSecretVersionStage", parameters)


def _check_name(cloud: Cloud, name: str) -> None:
    if name and not _NAME.fullmatch(name):
        message = (
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the "
            "following: -/_+=.@!"
        )
        raise cloud.refuse("secretsmanager", "CreateSecret", "ValidationException", message)


def _check_value(cloud: Cloud, value: Json) -> None:
    """What AWS refuses and moto doesn't, and what botocore would refuse while quoting the value."""
    if value is not None and not isinstance(value, str):
        message = f"Invalid type for parameter SecretString: {type(value).__name__}, valid types: str"
        raise cloud.refuse("secretsmanager", "PutSecretValue", "ParamValidationError", message)
    if len((value or "").encode()) > _VALUE_BYTES:
        message = f"The secret value is longer than {_VALUE_BYTES} bytes."
        raise cloud.refuse("secretsmanager", "PutSecretValue", "ValidationException", message)


def _is_being_deleted(error: AwsError) -> bool:
    return error.code == "InvalidRequestException" and (
        "scheduled for deletion" in error.message or "was deleted" in error.message
    )


def _is_of_deleted_secret(error: AwsError) -> bool:
    return error.code == _GONE or (
        error.code == "InvalidRequestException"
        and (
            "because it was deleted" in error.message or "because it was marked for deletion" in error.message
        )
    )


RESOURCES: tuple[ResourceHandler, ...] = (Secret(), SecretVersion())
FUNCTIONS: tuple[FunctionHandler, ...] = ()
TAGGABLE = frozenset({Secret.type})
