"""The stacks' files: what the fleet file configures is written there, and what is there must agree with it.

`Pulumi.<stack>.yaml` is what Pulumi, the rehearsal and the review read. `write` makes it from the fleet file;
every other command refuses to work with one that says something else. Encrypted values are the stack's own:
only its key can make them, so they are kept, and the fleet file has no say in them.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml

from engine.project import UsageError, load_stack
from fleet.errors import FleetFileError
from fleet.file import TITLE, Fleet, merged
from maestro_stack.errors import ConfigurationError, Problem
from maestro_stack.messages import shown
from maestro_stack.schema import Json, Tree
from maestro_stack.settings import Settings, parse

HEADER = """\
# Written from {fleet} by `python -m fleet write`: change it there. Encrypted values are set here, by
# `pulumi config set --secret`.
"""


@dataclass(frozen=True, kw_only=True)
class Region:
    """One stack of the fleet, with a sound configuration."""

    project: str
    stack: str
    wave: str
    settings: Settings
    account: str
    """What tells its account from others': an id, else a profile; empty where the credentials decide."""


def file_of(root: Path, stack: str) -> Path:
    """The stack's own file."""
    return root / f"Pulumi.{stack}.yaml"


def write(fleet: Fleet, root: Path) -> list[Path]:
    """Write the stacks' files that don't agree with the fleet file; returns them.

    Raises:
        FleetFileError: one can't be read or written, or what it would say isn't usable.
    """
    texts = {
        file_of(root, stack): _text(fleet, root, stack)
        for stack in fleet.configurations
        if any(_differences(fleet, root, stack))
    }
    for file, text in texts.items():
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as refused:
            problem = f"can't be written: {refused.strerror}"
            raise FleetFileError(
                TITLE, [Problem(key=str(file), problem=problem, example="free it")]
            ) from None
    return list(texts)


def check(fleet: Fleet, root: Path) -> list[Region]:
    """The regions, once every stack's file agrees with the fleet file and every configuration is sound.

    Raises:
        FleetFileError: with all problems of all stacks.
    """
    problems: list[Problem] = []
    regions: list[Region] = []
    for stack in fleet.configurations:
        try:
            if stale := list(_differences(fleet, root, stack)):
                problems += stale
                continue
            read = load_stack(root, name=stack)
            settings = parse(read.config, project=read.project, root=root, secret=read.secret_keys)
        except FleetFileError as unreadable:
            problems += unreadable.problems
            continue
        except UsageError as unusable:
            problems.append(Problem(key=stack, problem=str(unusable), example="docs/configuration.md"))
            continue
        except ConfigurationError as unusable:
            problems += [
                Problem(key=f"{stack}, {each.key}", problem=each.problem, example=each.example)
                for each in unusable.problems
            ]
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


def _text(fleet: Fleet, root: Path, stack: str) -> str:
    before = _read(file_of(root, stack))
    config = before.get("config")
    kept = {key: value for key, value in before.items() if key != "config"}
    secrets = encrypted(cast(Tree, config)) if isinstance(config, dict) else {}
    content = {**kept, "config": merged(fleet.configurations[stack], secrets)}
    return HEADER.format(fleet=fleet.file.name) + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def encrypted(config: Tree) -> Tree:
    """The encrypted values of a stack's configuration, where they are."""
    found: Tree = {}
    for key, value in config.items():
        if isinstance(value, dict):
            inner = value if set(value) == {"secure"} else encrypted(value)
            if inner:
                found[key] = inner
    return found


def _read(file: Path) -> dict[str, object]:
    try:
        parsed: object = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        problem = "can't be read as YAML"
        raise FleetFileError(
            TITLE,
            [Problem(key=str(file), problem=problem, example="mend it, or delete it and write it anew")],
        ) from None
    return cast(dict[str, object], parsed) if isinstance(parsed, dict) else {}


def _differences(fleet: Fleet, root: Path, stack: str) -> Iterator[Problem]:
    """Where the stack's file and the fleet file disagree."""
    file = file_of(root, stack)
    remedy = f"python -m fleet write --file {fleet.file}"
    if not file.exists():
        yield Problem(key=stack, problem=f"{file.name} isn't written yet", example=remedy)
        return
    config = _read(file).get("config")
    there = cast(Tree, config) if isinstance(config, dict) else {}
    wanted = merged(fleet.configurations[stack], encrypted(there))
    for path, left, right in _unequal(wanted, there):
        yield Problem(
            key=f"{stack}, {path}",
            problem=f"{fleet.file.name} says {_said(left)}, {file.name} {_said(right)}",
            example=f"right in {fleet.file.name}? {remedy}",
        )


_Missing = type("_Missing", (), {})
_MISSING = _Missing()


def _unequal(left: Json, right: Json, path: str = "") -> Iterator[tuple[str, object, object]]:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in dict.fromkeys([*left, *right]):
            below = f"{path}.{key}" if path else key
            if key not in left or key not in right:
                yield below, left.get(key, _MISSING), right.get(key, _MISSING)  # type: ignore[arg-type]
            else:
                yield from _unequal(left[key], right[key], below)
    elif left != right:
        yield path, left, right


def _said(value: object) -> str:
    # A credential that is in the clear by mistake mustn't be repeated.
    return "nothing" if value is _MISSING else shown(value) if _is_short(value) else "something else"


def _is_short(value: object) -> bool:
    return not isinstance(value, str) or len(value) <= 100


# --- two regions that would be in each other's way ------------------------------------------------------


def _account(config: Mapping[str, str], settings: Settings) -> str:
    allowed = re.findall(r"\d{12}", config.get("aws:allowedAccountIds", ""))
    assumed = re.findall(r"arn:[\w-]+:iam::(\d{12}):", settings.assume_role_arn or "")
    return next(iter([*assumed, *(allowed if len(allowed) == 1 else [])]), settings.aws_profile or "")


def _clashes(regions: Sequence[Region]) -> Iterator[Problem]:
    clusters: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    sources: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for region in regions:
        place = (region.account, region.settings.region)
        clusters[*place, region.settings.cluster_name].append(region.stack)
        sources[*place, region.settings.mqtt.source_id].append(region.stack)
    of_one_cluster = [stacks for stacks in clusters.values() if len(stacks) > 1]
    for (_, place, name), stacks in clusters.items():
        if len(stacks) > 1:
            yield Problem(
                key=", ".join(stacks),
                problem=f"have the same cluster, {name} in {place}",
                example="one stack a cluster: give each its own maestro-stack:clusterName or aws:region",
            )
    for (_, place, name), stacks in sources.items():
        if len(stacks) > 1 and stacks not in of_one_cluster:
            yield Problem(
                key=", ".join(stacks),
                problem=f"are servers with one source id, {name}, in one account and region ({place}): "
                "they would steal each other's messages, and AWS refuses the second one's IoT policy",
                example="example: maestro-stack:mqtt: {sourceId: maestro-b}; of another account, say so by "
                "aws:allowedAccountIds",
            )
