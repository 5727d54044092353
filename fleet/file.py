"""The fleet file: the waves in which a change reaches the stacks, and no configuration.

`load` reads it and reports all of its problems at once.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from engine.project import FileError, path_of, place, read_mapping
from fleet.errors import FleetFileError
from maestro_stack.errors import Problem
from maestro_stack.messages import did_you_mean, problem_in, section_at, shown
from maestro_stack.schema import Section, misfit

TITLE = "The fleet can't be run"
_DURATION = re.compile(r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?")


def seconds(duration: str) -> int:
    """The seconds in a duration such as `1h30m` or `90s`."""
    found = _DURATION.fullmatch(duration)
    parts = found.groupdict(default="0") if found else {}
    return int(parts["h"]) * 3600 + int(parts["m"]) * 60 + int(parts["s"]) if parts else 0


def _duration(value: str) -> str:
    if not value or not _DURATION.fullmatch(value):
        raise misfit("must be a duration in hours, minutes, seconds")
    return value


def _stack_name(value: str) -> str:
    # pulumi sdk/go/common/tokens/stackName.go
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", value):
        raise misfit("must be a stack name (up to 100 letters, digits, dots, hyphens or underscores)")
    return value


StackName = Annotated[str, AfterValidator(_stack_name)]
Duration = Annotated[str, AfterValidator(_duration)]


class Wave(Section):
    """Stacks that are rolled out together, after the previous wave is done and healthy."""

    name: Annotated[str, Field(min_length=1, description="Name of the wave.", examples=["canary"])]
    stacks: Annotated[
        list[StackName],
        Field(
            min_length=1,
            description="Its stacks, in the order in which they start.",
            examples=[["us-east-1"]],
        ),
    ]
    max_concurrent: Annotated[
        int | None,
        Field(default=None, ge=1, le=64, description="How many at once, if not the fleet's.", examples=[4]),
    ]
    failure_tolerance_percentage: Annotated[
        int,
        Field(
            default=0,
            ge=0,
            le=99,
            description="Percentage of its regions that may fail without stopping the rollout.",
            examples=[10],
        ),
    ]
    soak: Annotated[
        Duration,
        Field(
            default="0s",
            description="How long its releases must have run before the next wave begins.",
            examples=["30m"],
        ),
    ]

    @property
    def tolerated(self) -> int:
        """How many of its regions may fail."""
        return len(self.stacks) * self.failure_tolerance_percentage // 100


class FleetFile(Section):
    """How a change reaches the regions that run Maestro servers."""

    max_concurrent: Annotated[
        int,
        Field(default=4, ge=1, le=64, description="How many regions are worked on at once.", examples=[4]),
    ]
    waves: Annotated[
        list[Wave],
        Field(
            min_length=1,
            description="The waves, in order; each stack is in exactly one.",
            examples=[[{"name": "canary", "stacks": ["us-east-1"]}]],
        ),
    ]


def schema() -> dict[str, object]:
    """The JSON schema of a fleet file (draft 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **FleetFile.model_json_schema(by_alias=True),
        "title": "A fleet file",
    }


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """A valid fleet file's content."""

    file: Path
    waves: tuple[Wave, ...]
    max_concurrent: int

    @property
    def stacks(self) -> tuple[str, ...]:
        """Every stack, in the order of the waves."""
        return tuple(stack for wave in self.waves for stack in wave.stacks)

    def wave_of(self, stack: str) -> Wave:
        """The wave that a stack is in."""
        return next(wave for wave in self.waves if stack in wave.stacks)

    def only(self, *, stacks: Sequence[str] = (), wave: str | None = None) -> Self:
        """The fleet reduced to these stacks, or to this wave; unchanged if neither is given.

        Raises:
            FleetFileError: the file doesn't name one of them.
        """
        waves = [each.name for each in self.waves]
        unknown = [_unknown("--stack", stack, self.stacks) for stack in stacks if stack not in self.stacks]
        if wave is not None and wave not in waves:
            unknown.append(_unknown("--wave", wave, waves))
        if unknown:
            raise FleetFileError(f"{self.file} doesn't name what was asked for", unknown)
        kept = [
            each.model_copy(update={"stacks": [s for s in each.stacks if not stacks or s in stacks]})
            for each in self.waves
            if wave in (None, each.name)
        ]
        return replace(self, waves=tuple(each for each in kept if each.stacks))


def _unknown(option: str, name: str, known: Sequence[str]) -> Problem:
    return Problem(
        key=f"{option} {name}",
        problem=f"isn't in the file{did_you_mean(name, known)}",
        example=f"there are: {', '.join(known)}",
    )


def load(file: Path) -> Fleet:
    """Read a fleet file.

    Raises:
        FleetFileError: with all problems of the file itself.
    """
    try:
        content = read_mapping(file, "  waves: [{name: canary, stacks: [dev]}]")
    except FileError as unusable:
        problem = Problem(key=str(file), problem=unusable.problem, example="docs/fleet.md shows one")
        raise FleetFileError(TITLE, [problem]) from None
    if moved := [key for key in ("defaults", "regions") if key in content]:
        raise _unusable(file, [_moved(key) for key in moved])
    try:
        read = FleetFile.model_validate(content)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
        raise _unusable(file, [_problem(error) for error in errors]) from None
    if problems := list(_contradictions(read)):
        raise _unusable(file, problems)
    return Fleet(file=file, waves=tuple(read.waves), max_concurrent=read.max_concurrent)


def _unusable(file: Path, problems: Sequence[Problem]) -> FleetFileError:
    placed = [replace(each, where=place(file, path_of(each.key))) for each in problems]
    return FleetFileError(f"{file} can't be used", placed)


def _moved(key: str) -> Problem:
    """The fleet file of earlier versions also configured the stacks, and generated their files."""
    return Problem(
        key=key,
        problem="configures stacks, which is now done in their own files: Pulumi.<stack>.yaml",
        example="these hold all of it since the last `python -m fleet write`: delete the key here",
    )


# --- contradictions -------------------------------------------------------------------------------------


def _contradictions(read: FleetFile) -> Iterator[Problem]:
    names = Counter(wave.name for wave in read.waves)
    for name in (name for name, count in names.items() if count > 1):
        yield Problem(
            key="waves", problem=f"has {names[name]} waves named {name}", example="use each name once"
        )
    placed = [(wave.name, stack) for wave in read.waves for stack in wave.stacks]
    for stack, count in Counter(stack for _, stack in placed).items():
        if count > 1:
            waves = " and ".join(dict.fromkeys(wave for wave, other in placed if other == stack))
            yield Problem(
                key="waves",
                problem=f"{stack} is listed {count} times in {waves}",
                example="list each stack once, in one wave",
            )


def _problem(error: ErrorDetails) -> Problem:
    loc = error["loc"]
    above = section_at(FleetFile, loc[:-1])
    fields = above.model_fields.values() if above else ()
    examples = next((field.examples for field in fields if field.alias == loc[-1]), None)
    example = f"example: {shown(examples[0])}" if examples else "docs/fleet.md shows one"
    return problem_in(FleetFile, loc, error, example)
