"""The stack's configuration, valid and complete, or all of its problems at once.

`parse` is pure; `load` reads the running stack's configuration. A value that may be secret is never repeated
in a message.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import pulumi
import pulumi.runtime.config as pulumi_config
import pulumi_aws as aws
from pydantic import ValidationError

from maestro_stack.aws_configuration import (
    Authentication,
    authentication,
    partition_of,
    provider_problems,
    role_problems,
    tag_problems,
    token_problems,
)
from maestro_stack.chart import CHART_PATH, values_problems
from maestro_stack.constraints import broken_rules
from maestro_stack.errors import ConfigurationError, Problem
from maestro_stack.messages import did_you_mean, example_at, problem_of, shown
from maestro_stack.names import Names
from maestro_stack.schema import PROFILE_DEFAULTS, Configuration, Json, Profile, RestoreSettings, Tree

# Pulumi.yaml gives each an empty default: otherwise the engine would report a missing one in its own words.
REQUIRED = [field.alias for field in Configuration.model_fields.values() if field.is_required()]

PLAIN_KUBECONFIG = Problem(
    key="kubernetes.kubeconfig",
    problem="is stored in the clear; it is a credential",
    example="example: pulumi config set --secret --path kubernetes.kubeconfig < kubeconfig.yaml",
)


class Settings(Configuration):
    """A valid configuration with the profile's defaults filled in, and what follows from it."""

    region: str
    ca_bundle: str | None
    """Text of `database.caBundleFile` (PEM); None if the chart's own is used."""
    authentication: Authentication
    """How the stack's AWS provider authenticates, which `aws eks get-token` must do too."""

    @property
    def names(self) -> Names:
        """The physical names."""
        return Names(self.cluster_name, self.region, self.name or self.cluster_name)

    @property
    def is_production(self) -> bool:
        """Whether the profile is `production`."""
        return self.profile == Profile.PRODUCTION


def load() -> Settings:
    """The running stack's settings.

    Raises:
        ConfigurationError: with every problem of the configuration.
    """
    # `pulumi.Config` can't list keys, and unknown ones must be found: the engine lets them pass. The language
    # host passes the configuration in the environment, the Automation API in the context.
    config = {**pulumi_config.get_config_env(), **pulumi_config.CONFIG.get()}
    secret = {k for k in config if pulumi_config.is_config_secret(k)}
    secret.update(pulumi_config.get_config_secret_keys_env())
    try:
        return parse(config, project=pulumi.get_project(), root=Path(), secret=secret)
    except ConfigurationError as unusable:
        # The engine passes on values without their line numbers.
        raise unusable.placed(lambda _: f"Pulumi.{pulumi.get_stack()}.yaml") from None


def parse(
    config: Mapping[str, str], *, project: str, root: Path, secret: Collection[str] = frozenset()
) -> Settings:
    """Settings from the engine's flat configuration (`namespace:key` to text, objects as JSON).

    `root` is the folder of Pulumi.yaml: `database.caBundleFile` and the chart are relative to it. `secret`
    holds the keys whose values no message may repeat.

    Raises:
        ConfigurationError: with every problem found.
    """
    own = {k.split(":", 1)[1]: _decoded(v) for k, v in config.items() if k.startswith(f"{project}:")}
    own = {key: value for key, value in own.items() if value or key not in REQUIRED}
    _fill_in_profile(own)
    hidden = {k.split(":", 1)[1] for k in secret if k.startswith(f"{project}:")}
    region, problems = _region(config.get("aws:region"), is_secret="aws:region" in secret)
    configuration, own_problems = _configuration(own, hidden)
    problems += [*own_problems, *_strays(config, project)]
    broken = {_top(p.key) for p in problems}
    ca_bundle: str | None = None
    if "database" not in broken:
        ca_bundle, ca_problems = _ca_bundle(
            configuration.database.ca_bundle_file, region, root, is_secret="database" in hidden
        )
        problems += ca_problems
    problems += provider_problems(config)
    if not {"tags"} & {*broken, *hidden}:
        problems += tag_problems(config, configuration.tags)
    other_problems = list(token_problems(config)) if configuration.kubernetes.mode == "eks" else []
    if region:
        problems += role_problems(config, region)
        other_problems += _arn_problems(configuration, region)
    if "profile" in broken:
        broken.add("database")  # its defaults may be the wrong profile's
    access = configuration.kubernetes
    if access.mode == "kubeconfig" and access.kubeconfig is not None and "kubernetes" not in hidden:
        other_problems.append(PLAIN_KUBECONFIG)
    checked = [*other_problems, *broken_rules(configuration, broken)]
    if not any(p.key.startswith("server.values.") for p in checked):
        checked += values_problems(configuration.server.values, root)
    checked = [p for p in checked if _top(p.key) not in broken]
    quoted = hidden - {"kubernetes"}  # its rules quote only the mode
    problems += [_without_values(p) if _top(p.key) in quoted else p for p in checked]
    if problems:
        raise ConfigurationError(problems)
    return Settings.model_construct(
        **dict(configuration), region=region, ca_bundle=ca_bundle, authentication=authentication(config)
    )


def _strays(config: Mapping[str, str], project: str) -> Iterator[Problem]:
    """Our keys in a namespace that is almost the project's."""
    known = [field.alias for field in Configuration.model_fields.values()]
    for key in sorted(config):
        namespace, _, name = key.partition(":")
        if namespace != project and name.partition(".")[0] in known and did_you_mean(namespace, [project]):
            problem = f"is in a namespace that nothing reads (did you mean {project}:{name}?)"
            yield Problem(key=key, problem=problem, example=f"example: pulumi config rm {key}")


def _top(key: str) -> str:
    return re.split(r"[.\[]", key, maxsplit=1)[0]


def _without_values(problem: Problem) -> Problem:
    """A problem in a section that holds secrets: a rule over several keys would quote their values."""
    rule = "breaks a rule of docs/configuration.md (not shown, because the section holds secrets)"
    return replace(problem, problem=rule)


def _decoded(value: str) -> Json:
    """Objects and lists arrive as JSON text; everything else stays as it is."""
    if not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return cast(Json, json.loads(value))
    except ValueError:
        return value


def _fill_in_profile(own: Tree) -> None:
    """Add the profile's defaults for the keys of `database` that aren't explicit."""
    profile = Profile.PRODUCTION if own.get("profile") == Profile.PRODUCTION else Profile.DEV
    explicit = own.get("database", {})
    if isinstance(explicit, dict):
        own["database"] = {**PROFILE_DEFAULTS[profile], **explicit}


def _region(region: str | None, *, is_secret: bool) -> tuple[str, list[Problem]]:
    known = [r.value for r in aws.Region]
    example = "example: pulumi config set aws:region us-east-1"
    if not region:
        return "", [Problem(key="aws:region", problem="is missing", example=example)]
    if region not in known:
        value = "the secret value" if is_secret else shown(region)
        hint = "" if is_secret else did_you_mean(region, known)
        problem = f"{value} is not an AWS region{hint}"
        return "", [Problem(key="aws:region", problem=problem, example=example)]
    return region, []


def _configuration(own: Tree, hidden: Collection[str]) -> tuple[Configuration, list[Problem]]:
    """The validated configuration; sections with problems are replaced by their defaults."""
    try:
        return Configuration.model_validate(own), []
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_context=True)
    problems = [problem_of(error, is_secret=str(error["loc"][0]) in hidden) for error in errors]
    broken = {str(error["loc"][0]) for error in errors}
    sound = {k: v for k, v in own.items() if k not in broken}
    sound.setdefault("clusterName", "placeholder")
    sound.setdefault("profile", Profile.DEV.value)
    sound.setdefault("database", PROFILE_DEFAULTS[Profile.DEV])
    return Configuration.model_validate(sound), problems


def _ca_bundle(
    file: str | None, region: str, root: Path, *, is_secret: bool
) -> tuple[str | None, list[Problem]]:
    key = "database.caBundleFile"
    example = "example: pulumi config set --path database.caBundleFile rds-bundle.pem"
    if file is None:
        if not region or (root / CHART_PATH / "files" / "rds-ca" / f"{region}.pem").is_file():
            return None, []
        problem = (
            f"is missing, and the chart ships no RDS CA certificates for {region}: download its bundle "
            '(RDS user guide, "Using SSL/TLS to encrypt a connection")'
        )
        return None, [Problem(key=key, problem=problem, example=example)]
    name = "the secret value" if is_secret else shown(file)
    try:
        text = (root / file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as unreadable:
        reason = unreadable.strerror if isinstance(unreadable, OSError) else "it is not UTF-8 text"
        return None, [Problem(key=key, problem=f"{name} can't be read: {reason}", example=example)]
    if "-----BEGIN CERTIFICATE-----" not in text:
        return None, [Problem(key=key, problem=f"{name} must hold PEM certificates", example=example)]
    return text, []


def _arn_problems(c: Configuration, region: str) -> Iterator[Problem]:
    """Keys and backups must be in the region, a boundary in its partition: AWS finds no others there."""
    partition, second = partition_of(region), c.database.backup_replication
    others = {r.value for r in aws.Region if partition_of(r.value) == partition} - {region}
    if second and second.region not in others:
        yield Problem(
            key="database.backupReplication.region",
            problem=f"{shown(second.region)} must be another region of partition {partition}",
            example=example_at("database", "backupReplication", "region"),
        )
        second = None
    restore = c.database.restore_from or RestoreSettings()
    for key, arn, home in (
        ("database.kmsKeyArn", c.database.kms_key_arn, region),
        ("database.restoreFrom.snapshot", restore.snapshot, region),
        ("database.restoreFrom.automatedBackup", restore.automated_backup, region),
        *([("database.backupReplication.kmsKeyArn", second.kms_key_arn, second.region)] if second else []),
        ("credentials.kmsKeyArn", c.credentials.kms_key_arn, region),
        ("iam.permissionsBoundaryArn", c.iam.permissions_boundary_arn, region),
    ):
        if not arn or not arn.startswith("arn:"):
            continue
        _, _, service, there, *rest = arn.split(":")
        right = ":".join(["arn", partition, service, there and home, *rest])
        if arn != right:
            yield Problem(
                key=key,
                problem=f"{shown(arn)} must be in {home if there else f'partition {partition}'}",
                example=f"example: pulumi config set --path {key} {right}",
            )
