"""Checks the stack files, `Pulumi.<stack>.yaml`: each must be valid, and none may clash with another."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.project import UsageError, load_stack, read_project, stack_name
from engine.settings import settings_of
from fleet.errors import FleetFileError
from fleet.file import TITLE, Fleet
from maestro_stack.errors import ConfigurationError, Problem
from maestro_stack.messages import did_you_mean
from maestro_stack.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Region:
    """One stack of the fleet, with a valid configuration."""

    project: str
    stack: str
    wave: str
    settings: Settings
    account: str
    """What distinguishes its account from others: an id, else a profile; empty if the credentials decide."""


def check(fleet: Fleet, root: Path) -> list[Region]:
    """The regions, if every stack's configuration is valid.

    Raises:
        FleetFileError: with all problems of all stacks.
    """
    problems: list[Problem] = []
    regions: list[Region] = []
    for stack in fleet.stacks:
        if not (root / f"Pulumi.{stack}.yaml").is_file():
            problems.append(_without_file(fleet, root, stack))
            continue
        try:
            read = load_stack(root, name=stack)
            settings = settings_of(read)
        except UsageError as unusable:
            problems.append(Problem(key=stack, problem=str(unusable), example="docs/configuration.md"))
            continue
        except ConfigurationError as unusable:
            problems += unusable.problems
            continue
        regions.append(
            Region(
                project=read.project,
                stack=stack,
                wave=fleet.wave_of(stack).name,
                settings=settings,
                account=_account(read.config, settings),
            )
        )
    problems += _clashes(regions)
    if problems:
        raise FleetFileError(TITLE, problems)
    return regions


def names(given: Sequence[str], root: Path) -> list[str]:
    """The stacks that `--stack` names, possibly by `pulumi`'s qualified name. Raises FleetFileError."""
    try:
        project = str(read_project(root).get("name", "")) if given else ""
        return [stack_name(each, project) for each in given]
    except UsageError as wrong:
        problem = Problem(key="--stack", problem=str(wrong), example="example: --stack us-east-1")
        raise FleetFileError(TITLE, [problem]) from None


def _without_file(fleet: Fleet, root: Path, stack: str) -> Problem:
    there = sorted(file.name.split(".", 1)[1].removesuffix(".yaml") for file in root.glob("Pulumi.*.yaml"))
    return Problem(
        key=f"waves, {fleet.wave_of(stack).name}",
        problem=f"names {stack}, but there is no Pulumi.{stack}.yaml{did_you_mean(stack, there)}",
        example=f"pulumi stack init {stack}, and configure it there: docs/configuration.md",
        where=str(fleet.file),
    )


# --- regions that clash ---------------------------------------------------------------------------------


def _account(config: Mapping[str, str], settings: Settings) -> str:
    allowed = re.findall(r"\d{12}", config.get("aws:allowedAccountIds", ""))
    assumed = re.findall(r"arn:[\w-]+:iam::(\d{12}):", settings.authentication.role_arn or "")
    of_profile = settings.authentication.environment.get("AWS_PROFILE", "")
    return next(iter([*assumed, *(allowed if len(allowed) == 1 else [])]), of_profile)


def _clashes(regions: Sequence[Region]) -> Iterator[Problem]:
    """Values that only one stack can have; if the same stacks share several, only the first is reported."""
    told: list[list[str]] = []
    for name, place, stacks in _shared(regions, lambda settings: settings.cluster_name):
        told.append(stacks)
        yield Problem(
            key=", ".join(stacks),
            problem=f"have the same cluster, {name} in {place}",
            example="one stack per cluster: give each its own maestro-stack:clusterName or aws:region",
        )
    for name, place, stacks in _shared(regions, lambda settings: settings.names.name):
        if stacks not in told:
            told.append(stacks)
            yield Problem(
                key=", ".join(stacks),
                problem=f"have one name, {name}, in one account and region ({place}): they would make the "
                "same database, and RDS refuses the second one",
                example="example: maestro-stack:name: regional-b; if the accounts differ, say so with "
                "aws:allowedAccountIds",
            )
    for name, place, stacks in _shared(regions, lambda settings: settings.mqtt.source_id):
        if stacks not in told:
            yield Problem(
                key=", ".join(stacks),
                problem=f"are servers with one source id, {name}, in one account and region ({place}): "
                "they would steal each other's messages, and AWS refuses the second one's IoT policy",
                example="example: maestro-stack:mqtt: {sourceId: maestro-b}; if the accounts differ, say so "
                "with aws:allowedAccountIds",
            )


def _shared(
    regions: Sequence[Region], setting: Callable[[Settings], str]
) -> Iterator[tuple[str, str, list[str]]]:
    """Each value of a setting that several stacks in an account and region share, the region, the stacks."""
    stacks: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for region in regions:
        stacks[region.account, region.settings.region, setting(region.settings)].append(region.stack)
    for (_, place, value), several in stacks.items():
        if len(several) > 1:
            yield value, place, several
