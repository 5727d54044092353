"""Every error that a user can cause.

MaestroError                 printed as text, once, and never as a traceback
├── ConfigurationError       phase 1: the stack's configuration; nothing was registered
├── SurroundingsError        phase 2: the cluster and network we deploy into; only look-ups ran
└── OutputsError             in a stack that consumes outputs: those of the region can't be used
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Self

import pulumi

TOLD = 32
"""Exit status of a program that has reported why it ended: the engine then adds nothing.

Source, by reading: pulumi sdk/python/cmd/pulumi-language-python, main.go (Run).
"""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing to fix: the setting's key, what is wrong with it, and what a valid one looks like."""

    key: str
    problem: str
    example: str
    where: str = ""
    """The file, with the line if it is known: `Pulumi.dev.yaml:12`."""

    def __str__(self) -> str:
        return f"{self.where and f'{self.where}: '}{self.key}: {self.problem}\n    {self.example}"


class MaestroError(pulumi.RunError):
    """Several problems of one phase, reported together.

    A `pulumi.RunError` is printed without a traceback even where `told_once` doesn't catch it.
    """

    title = "The stack can't be built"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"{self.title}: {count}.", "", *(f"  {p}" for p in self.problems)]))


class ConfigurationError(MaestroError):
    """The stack's configuration is not usable."""

    title = "The stack's configuration is not usable"

    def placed(self, place: Callable[[str], str]) -> Self:
        """The same error, with the place of each key."""
        return type(self)([replace(problem, where=place(problem.key)) for problem in self.problems])


class SurroundingsError(MaestroError):
    """The configuration is sound, but the region doesn't hold what it names."""

    title = "The region doesn't hold what the configuration names"


class OutputsError(MaestroError):
    """What another stack exports isn't what this reader understands."""

    title = "The region's outputs can't be used"


def told_once(program: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """The program, made to end with exit status 32 after an error of ours.

    After a `pulumi.RunError` the language host makes the engine print a second error: "an unhandled error
    occurred: program exited with non-zero exit code: 1".
    """

    @wraps(program)
    async def run() -> None:
        try:
            await program()
        except MaestroError as error:
            pulumi.log.error(str(error))
            raise SystemExit(TOLD) from error

    return run
