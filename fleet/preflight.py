"""What is known about the stacks before anything begins, and what of it prevents a start."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleet import region
from fleet.cli import Cli, CliError
from fleet.errors import RefusedError
from fleet.region import Listed, State
from fleet.run import Outcome, Run, Stop
from fleet.stacks import Region
from fleet.work import on_each
from maestro_stack.errors import Problem

REFUSED = "Nothing was begun"
TEARING_DOWN = 'docs/operating.md, "Tear down"'


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the backend knows about the fleet's stacks, by name; stacks that don't exist are missing."""

    listed: Mapping[str, Listed]
    states: Mapping[str, State]


def look(cli: Cli, regions: Sequence[Region], runs: Sequence[Run], *, at_once: int, stop: Stop) -> Known:
    """Ask the backend about every stack.

    Raises:
        RefusedError: it can't be reached, or a stack can't be read.
    """
    try:
        listed = region.listed(cli, regions[0].project)
    except CliError as unreachable:
        raise RefusedError(
            REFUSED,
            [
                Problem(
                    key="backend",
                    problem=f"doesn't answer: {unreachable}",
                    example="pulumi login, or PULUMI_BACKEND_URL; see it by: pulumi whoami --verbose",
                )
            ],
        ) from None
    states: dict[str, State] = {}
    unreadable: list[Problem] = []
    lock = threading.Lock()

    def read(run: Run) -> None:
        run.begin("reading its state")
        try:
            found = region.state(cli, run.stack)
        except CliError as failed:
            with lock:
                unreadable.append(
                    Problem(
                        key=run.stack,
                        problem=f"its state can't be read: {failed}",
                        example="docs/recovery.md; see it by: pulumi stack export --stack " + run.stack,
                    )
                )
        else:
            with lock:
                states[run.stack] = found
        run.wait()

    on_each([run for run in runs if run.stack in listed], read, at_once=at_once, stop=stop)
    if unreadable:
        raise RefusedError(REFUSED, unreadable)
    return Known(listed=listed, states=states)


def require(known: Known, runs: Sequence[Run], *, destroys: bool) -> None:
    """Check that every stack can be worked on.

    Raises:
        RefusedError: with all obstacles, of all stacks.
    """
    problems = [problem for run in runs for problem in _obstacles(known, run.stack, destroys=destroys)]
    if problems:
        for run in runs:
            run.end(Outcome.NOT_REACHED)
        raise RefusedError(REFUSED, problems)


def require_existing(known: Known, runs: Sequence[Run]) -> None:
    """Check that every stack exists, for commands that only look.

    Raises:
        RefusedError: with those that don't.
    """
    if missing := [_missing(run.stack) for run in runs if run.stack not in known.states]:
        raise RefusedError(REFUSED, missing)


def _obstacles(known: Known, stack: str, *, destroys: bool) -> Iterator[Problem]:
    state = known.states.get(stack)
    if state is None:
        yield _missing(stack)
        return
    if holder := known.listed[stack].locked_by:
        yield Problem(
            key=stack,
            problem=f"is locked by {holder}",
            example=f"wait for it; if it was killed: pulumi cancel --yes --stack {stack}",
        )
    elif state.pending:
        # While a stack is locked, its operations are pending because they are running.
        yield Problem(
            key=stack,
            problem=f"was cut off while {', '.join(state.pending)}: nobody knows whether that was done",
            example=f'docs/recovery.md, "After a kill", with --stack {stack}',
        )
    if destroys and state.protected:
        yield Problem(
            key=stack,
            problem=f"protects {', '.join(state.protected)}; no region of the fleet is destroyed",
            example=f"{TEARING_DOWN}, or --stack for others alone",
        )


def _missing(stack: str) -> Problem:
    return Problem(
        key=stack,
        problem="is not a stack yet",
        example=f'pulumi stack init {stack} --secrets-provider="awskms://alias/ALIAS?region=REGION"',
    )
