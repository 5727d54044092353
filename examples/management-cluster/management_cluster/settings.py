"""The stack's configuration: every key, its rule and its message."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import pulumi
from pulumi.runtime import config as pulumi_config

from maestro_stack.errors import ConfigurationError, Problem
from maestro_stack.mqtt import consumer_problem

KEYS = ("region", "clusters")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/.+")
REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
CLUSTER = re.compile(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}")  # EKS API reference, CreateCluster

EXAMPLES = {
    "region": "region: {stack: ORGANIZATION/maestro-stack/us-east-1}",
    "clusters": "clusters: {mc-east: {region: us-east-1}}",
    "region.stack": "stack: ORGANIZATION/maestro-stack/us-east-1",
    "region.roleArn": "roleArn: arn:aws:iam::111122223333:role/maestro-deployer",
    "clusters.roleArn": "roleArn: arn:aws:iam::444455556666:role/maestro-deployer",
    "clusters.region": "region: us-east-1",
    "clusters.cluster": "cluster: management-east",
}
RULES = {
    "stack": (re.compile(r"[^/]+/[^/]+/[^/]+"), "a stack: ORGANIZATION/PROJECT/STACK"),
    "roleArn": (ROLE, "the ARN of an IAM role"),
    "region": (REGION, "an AWS region"),
    "cluster": (CLUSTER, "the name of an EKS cluster"),
}
"""By key: what its value must look like, as a pattern and in words."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """The region that the management clusters belong to."""

    stack: str
    """Its stack: `ORGANIZATION/maestro-stack/STACK`."""
    role_arn: str | None
    """IAM role to assume in its account; without one, the credentials are that account's."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One management cluster."""

    consumer: str
    """Its name in Maestro."""
    name: str
    """Of the EKS cluster; prefix of the secret."""
    region: str
    role_arn: str | None
    """IAM role to assume in its account; without one, the credentials are that account's."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A valid configuration."""

    region: Region
    clusters: tuple[Cluster, ...]


def load() -> Settings:
    """This stack's configuration.

    Raises:
        ConfigurationError: with everything that is wrong with it.
    """
    config, prefix = pulumi.Config(), f"{pulumi.get_project()}:"
    # `pulumi.Config` can't list keys, and unknown ones must be found: the engine lets them pass. The language
    # host passes the configuration in the environment, the Automation API in the context.
    names = {**pulumi_config.get_config_env(), **pulumi_config.CONFIG.get()}
    given = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    return parse({key: config.get_object(key) if key in KEYS else None for key in given})


def parse(given: Mapping[str, object]) -> Settings:
    """The settings in a configuration. Raises ConfigurationError."""
    problems = [_unknown(key, key, KEYS) for key in given if key not in KEYS]
    region = _section("region", given.get("region"), problems, required="stack", optional=("roleArn",))
    clusters = [
        _cluster(consumer, entry, problems)
        for consumer, entry in (_mapping("clusters", given.get("clusters"), problems) or {}).items()
    ]
    problems += _doubles(clusters)
    if problems:
        raise ConfigurationError(problems)
    return Settings(
        region=Region(stack=region["stack"], role_arn=region.get("roleArn")), clusters=tuple(clusters)
    )


def _cluster(consumer: str, entry: object, problems: list[Problem]) -> Cluster:
    key = f"clusters.{consumer}"
    if problem := consumer_problem(consumer):
        problems.append(_problem(key, problem))
    values = _section(key, entry, problems, required="region", optional=("cluster", "roleArn"))
    if "cluster" not in values and not CLUSTER.fullmatch(consumer):
        problems.append(_problem(f"{key}.cluster", "is missing"))
    return Cluster(
        consumer=consumer,
        name=values.get("cluster", consumer),
        region=values.get("region", ""),
        role_arn=values.get("roleArn"),
    )


def _doubles(clusters: Sequence[Cluster]) -> Iterator[Problem]:
    """One cluster has one agent, and one secret of this name."""
    agents: dict[tuple[str, str, str | None], list[str]] = {}
    for cluster in clusters:
        agents.setdefault((cluster.name, cluster.region, cluster.role_arn), []).append(cluster.consumer)
    for (name, region, _), consumers in agents.items():
        if len(consumers) > 1:
            problem = f"{' and '.join(consumers)} are the same cluster, {name} in {region}"
            yield Problem(key="clusters", problem=problem, example="keep one of them")


def _section(
    key: str, given: object, problems: list[Problem], *, required: str, optional: tuple[str, ...]
) -> dict[str, str]:
    """The valid values of an object that has these keys."""
    values = _mapping(key, given, problems)
    if values is None:
        return {}
    known = (required, *optional)
    if required not in values:
        problems.append(_problem(f"{key}.{required}", "is missing"))
    sound: dict[str, str] = {}
    for name, value in values.items():
        if name not in known:
            problems.append(_unknown(f"{key}.{name}", name, known))
        elif isinstance(value, str) and RULES[name][0].fullmatch(value):
            sound[name] = value
        else:
            problems.append(_problem(f"{key}.{name}", f"must be {RULES[name][1]}, not {json.dumps(value)}"))
    return sound


def _mapping(key: str, value: object, problems: list[Problem]) -> Mapping[str, object] | None:
    if isinstance(value, dict):
        return cast(dict[str, object], value)
    problems.append(_problem(key, "is missing" if value is None else "must be an object"))
    return None


def _unknown(key: str, name: str, known: tuple[str, ...]) -> Problem:
    close = difflib.get_close_matches(name, known, n=1)
    problem = f"is not a known key (did you mean {close[0]}?)" if close else "is not a known key"
    return Problem(key=key, problem=problem, example=f"known keys here: {', '.join(known)}")


def _problem(key: str, problem: str) -> Problem:
    """With the key's example; the name of a cluster in the key doesn't matter."""
    section, _, rest = key.partition(".")
    name = rest.rpartition(".")[2] if section == "clusters" else rest
    example = EXAMPLES.get(f"{section}.{name}", EXAMPLES[section])
    return Problem(key=key, problem=problem, example=f"example, in the stack's file: {example}")
