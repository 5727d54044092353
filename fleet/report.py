"""The result of a command: as text for people, with what to do next, and as JSON for programs."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from common.json_values import Json, json_list
from common.terminal import Colours
from engine.remedies import Remedy, remedies_of
from fleet.errors import FleetError, FleetFileError
from fleet.preflight import Known
from fleet.run import Outcome, Run

FORMAT_VERSION = 1
DONE, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130
_COLOURS = {
    Outcome.DONE: "32",
    Outcome.WOULD_CHANGE: "33",
    Outcome.DRIFTED: "33",
    Outcome.NOT_REACHED: "33",
    Outcome.DEPLOYED: "32",
    Outcome.NOT_DEPLOYED: "33",
    Outcome.FAILED: "31",
    Outcome.INTERRUPTED: "31",
}
_RESULTS = {DONE: "done", FAILED: "failed", UNUSABLE: "unusable", INTERRUPTED: "interrupted"}


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a command."""

    command: str
    again: str
    """The command line, for running it again."""
    runs: Sequence[Run]
    known: Known | None = None
    """For `status`: what else is reported about each stack."""
    refused: FleetError | None = None
    """Why nothing was begun."""
    interrupted: bool = False

    @property
    def status(self) -> int:
        """The exit status."""
        if isinstance(self.refused, FleetFileError):
            return UNUSABLE
        if self.refused:
            return FAILED
        if all(run.outcome and run.outcome.is_good for run in self.runs):
            return DONE
        return INTERRUPTED if self.interrupted else FAILED


def as_text(report: Report, colour: Colours) -> str:
    """The report for people."""
    if report.refused:
        return f"{report.refused}\n"
    return "\n".join(_lines(report, colour)) + "\n"


def as_json(report: Report) -> dict[str, Json]:
    """The report for programs; docs/fleet.md describes it. The engine has already masked secrets."""
    problems = report.refused.problems if report.refused else ()
    return {
        "version": FORMAT_VERSION,
        "command": report.command,
        "result": _RESULTS[report.status],
        "problems": [
            {"where": p.where, "key": p.key, "problem": p.problem, "example": p.example} for p in problems
        ],
        "regions": [_region(run, report.known) for run in report.runs],
        "next": json_list(_next(report)),
    }


def _region(run: Run, known: Known | None) -> Json:
    told: dict[str, Json] = {
        "stack": run.stack,
        "wave": run.wave,
        "outcome": run.outcome.value if run.outcome else Outcome.NOT_REACHED.value,
        "seconds": round(run.seconds, 1),
        "changes": dict(run.changes),
        "messages": json_list(run.messages),
        "remedies": [remedy.as_json() for remedy in _remedies(run)],
        "log": str(run.log) if run.log and run.log.exists() else None,
    }
    if known:
        state, listed = known.states[run.stack], known.listed[run.stack]
        told |= {
            "resources": state.resources,
            "release": state.release_status or None,
            "updated": listed.updated.isoformat() if listed.updated else None,
            "lockedBy": listed.locked_by or None,
            "pending": json_list(state.pending),
        }
    return told


def _lines(report: Report, colour: Colours) -> Iterator[str]:
    stack = max(len(run.stack) for run in report.runs)
    wave = max(len(run.wave) for run in report.runs)
    for run in report.runs:
        outcome = run.outcome or Outcome.NOT_REACHED
        word = colour(f"{outcome.value:<12}", _COLOURS.get(outcome, "0"))
        took = f"{run.seconds:6.0f} s" if run.seconds else " " * 8
        told = _of_state(run.stack, report.known) if report.known else _of_changes(run.changes)
        yield f"{run.wave:<{wave}}  {run.stack:<{stack}}  {word} {took}  {told}".rstrip()
        for message in run.messages:
            yield textwrap.indent(message, " " * 4)
        for remedy in _remedies(run):
            yield textwrap.indent(str(remedy), " " * 4)
        if outcome in (Outcome.FAILED, Outcome.INTERRUPTED) and run.log and run.log.exists():
            yield f"    log: {run.log}"
    yield ""
    counts = {outcome: sum(run.outcome is outcome for run in report.runs) for outcome in Outcome}
    yield ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items() if count)
    for what in _next(report):
        yield f"next: {what}"


def _remedies(run: Run) -> Sequence[Remedy]:
    return remedies_of(run.messages) if run.outcome in (Outcome.FAILED, Outcome.INTERRUPTED) else ()


def _of_changes(changes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {operation}" for operation, count in changes.items())


def _of_state(stack: str, known: Known) -> str:
    state, listed = known.states[stack], known.listed[stack]
    parts = [f"{state.resources} resources"]
    parts += [f"release {state.release_status}"] if state.release_status else []
    parts += [f"updated {listed.updated:%Y-%m-%d %H:%M:%S} UTC"] if listed.updated else []
    parts += [f"locked by {listed.locked_by}"] if listed.locked_by else []
    return ", ".join(parts)


def _next(report: Report) -> list[str]:
    """What to do now, most urgent first."""
    if report.refused:
        return []
    failed = [run.stack for run in report.runs if run.outcome in (Outcome.FAILED, Outcome.INTERRUPTED)]
    not_reached = [run.stack for run in report.runs if run.outcome is Outcome.NOT_REACHED]
    steps: list[str] = []
    if report.command == "drift":
        drifted = [run.stack for run in report.runs if run.outcome is Outcome.DRIFTED]
        if drifted:
            steps.append(
                f"{', '.join(drifted)}: python -m fleet up undoes changes to what the program sets; "
                "pulumi refresh --stack STACK accepts them into the state"
            )
    if failed:
        steps.append(f"{', '.join(failed)}: read the log, fix the cause (docs/recovery.md)")
    if not_reached:
        steps.append(f"not touched: {', '.join(not_reached)}")
    if (failed or not_reached) and report.command != "status":
        steps.append(f"then run it again; it continues where it stopped: {report.again}")
    would = [run.stack for run in report.runs if run.outcome is Outcome.WOULD_CHANGE]
    if report.command == "preview" and would and not failed:
        steps.append(
            "review each plan: pulumi preview --stack STACK --json > plan.json; "
            "python -m review --plan plan.json. Then: python -m fleet up"
        )
    return steps
