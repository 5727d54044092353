"""The stack's `aws:*` keys: how the AWS provider authenticates, and `aws eks get-token` with it."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import pulumi_aws as aws
from pydantic.alias_generators import to_camel

from maestro_stack.errors import Problem
from maestro_stack.messages import did_you_mean
from maestro_stack.names import TAG_KEYS
from maestro_stack.schema import Json, Tree

DISABLED_PROVIDERS = "pulumi:disable-default-providers"
RENAMED = {"assumeRole": "assumeRoles"}
"""Keys that version 7 of the provider renamed. Source: pulumi-aws, migration guide to v7."""
PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
"""By prefix of the region's name; all others are in partition aws."""
OTHER_MODES = "example: pulumi config set --path kubernetes.mode kubeconfig"


@dataclass(frozen=True, kw_only=True)
class Authentication:
    """What `aws eks get-token` needs to authenticate as the AWS provider does."""

    role_arn: str | None
    """The last role of `aws:assumeRoles`, which is the one that the provider acts as."""
    environment: Mapping[str, str]
    """The AWS CLI's variables: profile, web identity, shared configuration files."""


def authentication(config: Mapping[str, str]) -> Authentication:
    """Read from the engine's flat configuration. Source: AWS CLI user guide, "Environment variables"."""
    roles = [text for role in _objects(config, "assumeRoles") if (text := _text(role, "roleArn"))]
    identity = _object(config, "assumeRoleWithWebIdentity")
    files = {variable: file for variable, key in _FILES.items() for file in _texts(config, key)[:1]}
    variables = {
        "AWS_PROFILE": config.get("aws:profile", ""),
        "AWS_ROLE_ARN": _text(identity, "roleArn"),
        "AWS_ROLE_SESSION_NAME": _text(identity, "sessionName"),
        "AWS_WEB_IDENTITY_TOKEN_FILE": _text(identity, "webIdentityTokenFile"),
        **files,
    }
    return Authentication(
        role_arn=roles[-1] if roles else None,
        environment={name: value for name, value in variables.items() if value},
    )


_FILES = {"AWS_CONFIG_FILE": "sharedConfigFiles", "AWS_SHARED_CREDENTIALS_FILE": "sharedCredentialsFiles"}


def partition_of(region: str) -> str:
    """The partition that a region is in."""
    return next((partition for start, partition in PARTITIONS.items() if region.startswith(start)), "aws")


def provider_problems(config: Mapping[str, str]) -> Iterator[Problem]:
    """Keys that the provider refuses, and a disabled default provider. No message repeats a value."""
    parameters = inspect.signature(aws.ProviderArgs).parameters
    known = {to_camel(name): str(parameter.annotation) for name, parameter in parameters.items()}
    for key in sorted(config):
        namespace, _, name = key.partition(":")
        if namespace == "aws" and name not in known:
            renamed = RENAMED.get(name)
            hint = f" (renamed to {renamed})" if renamed else did_you_mean(name, [*known])
            yield Problem(
                key=key,
                problem=f"is not a key of the AWS provider{hint}, which refuses it",
                example=f"example: pulumi config rm {key}",
            )
        elif namespace == "aws" and re.search("Sequence|Args", known[name]) and not _has_parts(config[key]):
            problem = "must be a list or an object"
            yield Problem(key=key, problem=problem, example=f"in the stack's file: {key}: […] or {{…}}")
    if disabled := {"aws", "*"} & set(_texts(config, DISABLED_PROVIDERS)):
        yield Problem(
            key=DISABLED_PROVIDERS,
            problem=f'holds "{min(disabled)}", but the stack uses the default AWS provider',
            example=f"example: pulumi config rm {DISABLED_PROVIDERS}",
        )


def role_problems(config: Mapping[str, str], region: str) -> Iterator[Problem]:
    """Roles and session policies from another partition than the region's. No message repeats a value.

    Source: whitepaper "AWS Fault Isolation Boundaries", "Partitions": each has identities of its own.
    """
    partition = partition_of(region)
    for key in ("assumeRoles", "assumeRoleWithWebIdentity"):
        for role in _objects(config, key):
            policies = role.get("policyArns")
            named = [role.get("roleArn"), *(policies if isinstance(policies, list) else [])]
            parts = [arn.split(":") for arn in named if isinstance(arn, str) and arn.startswith("arn:")]
            if any(len(part) > 5 and part[1] != partition for part in parts):
                yield Problem(
                    key=f"aws:{key}",
                    problem=f"names an ARN of another partition than {region}, which is in {partition}",
                    example=f"example: arn:{partition}:iam::123456789012:role/deployer",
                )


def tag_problems(config: Mapping[str, str], tags: Mapping[str, str]) -> Iterator[Problem]:
    """Tag keys of the stack, of its provider's defaults and of ours that differ only by case.

    Source: IAM user guide, "Tags for IAM resources": keys are case-insensitive there, but not elsewhere.
    """
    defaults = _object(config, "defaultTags").get("tags")
    spelt = {key.lower(): (key, "the program's own") for key in TAG_KEYS}
    given = [("aws:defaultTags", key) for key in (defaults if isinstance(defaults, dict) else ())]
    for setting, key in [*given, *(("tags", key) for key in tags)]:
        other, whose = spelt.setdefault(key.lower(), (key, setting))
        if other != key:
            problem = f'"{key}" and "{other}" ({whose}) differ only by case, and IAM takes them for one key'
            yield Problem(key=setting, problem=problem, example=f'spell it "{other}", or leave it out')


def token_problems(config: Mapping[str, str]) -> Iterator[Problem]:
    """Ways to authenticate that `aws eks get-token` doesn't support, so that kubernetes.mode can't be eks."""
    roles = list(_objects(config, "assumeRoles"))
    identity = _object(config, "assumeRoleWithWebIdentity")
    reasons = {
        "can't follow the chain of several aws:assumeRoles": len(roles) > 1,
        # aws-cli issue 5942
        "can't pass the externalId of aws:assumeRoles": any(_text(role, "externalId") for role in roles),
        "doesn't see the keys of the stack's aws:accessKey": "aws:accessKey" in config,
        "takes a web identity's token from a file only: webIdentityTokenFile": "webIdentityToken" in identity,
        **{
            f"takes one file only, and aws:{key} names several": len(_texts(config, key)) > 1
            for key in _FILES.values()
        },
    }
    for reason, holds in reasons.items():
        if holds:
            problem = f"is eks, but `aws eks get-token` {reason}"
            yield Problem(key="kubernetes.mode", problem=problem, example=OTHER_MODES)


def decoded(config: Mapping[str, str], key: str) -> Json:
    """The engine passes objects and lists as JSON; `provider_problems` reports anything else."""
    try:
        return cast(Json, json.loads(config.get(key if ":" in key else f"aws:{key}", "null")))
    except ValueError:
        return None


def _has_parts(value: str) -> bool:
    try:
        return isinstance(json.loads(value), list | dict | None)
    except ValueError:
        return False


def _objects(config: Mapping[str, str], key: str) -> Iterator[Tree]:
    found = decoded(config, key)
    yield from (each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict))


def _object(config: Mapping[str, str], key: str) -> Tree:
    nothing: Tree = {}
    return next(_objects(config, key), nothing)


def _texts(config: Mapping[str, str], key: str) -> list[str]:
    found = decoded(config, key)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _text(found: Tree, key: str) -> str:
    value = found.get(key)
    return value if isinstance(value, str) else ""
