"""What ends a command before anything happens.

FleetError
├── FleetFileError    the command line, the fleet file or a stack's file; exit status 2
└── RefusedError      how the stacks are; exit status 1
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
    """The fleet file or a stack's file can't be used."""


class RefusedError(FleetError):
    """The file is sound, but the stacks are in no state to begin with."""
