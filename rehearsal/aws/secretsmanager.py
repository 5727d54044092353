"""AWS Secrets Manager: secrets and their versions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rehearsal.aws.cloud import Cloud, fresh_id
from rehearsal.aws.errors import AwsError
from rehearsal.aws.handler import (
    Created,
    FunctionHandler,
    ResourceHandler,
    api_parameters,
    api_tags,
    read_inputs,
    tag_outputs,
)
from rehearsal.values import Json, flag, json_list, merged, number, parse_document, text, texts

# Secrets Manager API reference, CreateSecret: Name; quotas: size of a secret value.
_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_VALUE_BYTES = 65536
_RECOVERY_DAYS = (0, *range(7, 31))


class Secret:
    """A secret without a value yet."""

    type = "aws:secretsmanager/secret:Secret"
    secret_outputs: frozenset[str] = frozenset()

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> Created:
        """CreateSecret, then PutResourcePolicy if a policy is given.

        The recovery window matters at deletion.
        """
        names = {
            "name": "Name",
            "description": "Description",
            "kmsKeyId": "KmsKeyId",
            "forceOverwriteReplicaSecret": "ForceOverwriteReplicaSecret",
        }
        given = read_inputs(self.type, cloud, inputs, (*names, "policy", "recoveryWindowInDays", "tags"))
        self._check(cloud, given)
        parameters = api_parameters(given, names) | {"ClientRequestToken": fresh_id()}
        if "tags" in given:
            parameters["Tags"] = api_tags(given)
        name = text(given, "name")
        if _is_deleted(cloud, name):
            # moto answers ResourceExistsException; the provider retries this one for some minutes.
            raise cloud.refuse(
                "secretsmanager",
                "CreateSecret",
                "InvalidRequestException",
                f"You can't create this secret because a secret with this name ({name}) is already scheduled "
                "for deletion.",
            )
        arn = text(cloud.call("secretsmanager", "CreateSecret", parameters), "ARN")
        if text(given, "policy"):
            policy = {"SecretId": arn, "ResourcePolicy": given["policy"]}
            cloud.call("secretsmanager", "PutResourcePolicy", policy)
        return Created(
            arn,
            merged(
                given,
                tag_outputs(given),
                {
                    "arn": arn,
                    "description": text(given, "description"),
                    "forceOverwriteReplicaSecret": flag(given, "forceOverwriteReplicaSecret"),
                    "kmsKeyId": text(given, "kmsKeyId"),
                    "namePrefix": "",
                    "policy": text(given, "policy"),
                    "recoveryWindowInDays": number(given, "recoveryWindowInDays", 30),
                    "replicas": [],
                    "region": cloud.region,
                },
            ),
        )

    def _check(self, cloud: Cloud, given: Mapping[str, Json]) -> None:
        """What AWS (or, for the recovery window, the provider) refuses and moto doesn't."""
        name, window = text(given, "name"), number(given, "recoveryWindowInDays", 30)
        if name and not _NAME.fullmatch(name):
            message = (
                "Invalid name. Must be a valid name containing alphanumeric characters, or any of the "
                "following: -/_+=.@!"
            )
            raise cloud.refuse("secretsmanager", "CreateSecret", "ValidationException", message)
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


class SecretVersion:
    """One value of a secret."""

    type = "aws:secretsmanager/secretVersion:SecretVersion"
    secret_outputs = frozenset({"secretBinary", "secretString", "secretStringWo"})

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> Created:
        """PutSecretValue with a token of its own, which becomes the version's id."""
        names = {"secretId": "SecretId", "secretString": "SecretString", "versionStages": "VersionStages"}
        given = read_inputs(self.type, cloud, inputs, names)
        if len(text(given, "secretString").encode()) > _VALUE_BYTES:
            message = f"The secret value is longer than {_VALUE_BYTES} bytes."
            raise cloud.refuse("secretsmanager", "PutSecretValue", "ValidationException", message)
        parameters = api_parameters(given, names) | {"ClientRequestToken": fresh_id()}
        answer = cloud.call("secretsmanager", "PutSecretValue", parameters)
        arn, version = text(answer, "ARN"), text(answer, "VersionId")
        return Created(
            f"{arn}|{version}",
            merged(
                given,
                {
                    "arn": arn,
                    "secretArn": arn,
                    "versionId": version,
                    "versionStages": json_list(texts(answer, "VersionStages")),
                    "hasSecretStringWo": False,
                    "region": cloud.region,
                },
            ),
        )


def _is_deleted(cloud: Cloud, name: str) -> bool:
    """Whether a secret of this name waits for its deletion."""
    if not name:
        return False
    try:
        found = cloud.call("secretsmanager", "DescribeSecret", {"SecretId": name})
    except AwsError:
        return False
    return found.get("DeletedDate") is not None


RESOURCES: tuple[ResourceHandler, ...] = (Secret(), SecretVersion())
FUNCTIONS: tuple[FunctionHandler, ...] = ()
TAGGABLE = frozenset({Secret.type})
