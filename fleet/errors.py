"""Errors that end a command before anything happens.

FleetError
├── FleetFileError    about the command line, the fleet file or a stack file; exit status 2
└── RefusedError      about the stacks' state; exit status 1
"""

from collections.abc import Sequence

from maestro_stack.errors import Problem


class FleetError(Exception):
    """Several problems, reported together; nothing was changed."""

    def __init__(self, title: str, problems: Sequence[Problem]) -> None:
        self.title = title
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"{title}: {count}.", "", *(f"  {p}" for p in self.problems)]))


class FleetFileError(FleetError):
    """The command line, the fleet file or a stack file can't be used."""


class RefusedError(FleetError):
    """The files are valid, but the stacks' state doesn't allow the command to begin."""
