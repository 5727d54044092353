"""Runs one command on the fleet: look, ask, work, report."""

import contextlib
import signal
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from types import FrameType

from common.terminal import Progress
from fleet import preflight, rollout
from fleet.cli import Cli, CliError, new_logs
from fleet.errors import FleetFileError, RefusedError
from fleet.file import TITLE, Fleet
from fleet.preflight import Known
from fleet.report import Report
from fleet.run import Outcome, Run, Stop
from fleet.stacks import Region, check
from fleet.view import showing
from maestro_stack.errors import Problem

LOGS = Path(".fleet")


def set_key(
    fleet: Fleet, chosen: Fleet, assignment: Sequence[str], *, again: str, progress: Progress
) -> Report:
    """Set a key in the chosen stacks' files, and check that the fleet is still valid with it.

    `assignment` holds the arguments of `pulumi config set`: key and value, optionally after `--path`.

    Raises:
        FleetFileError: there is no CLI; or the files, which are already written, can't be used.
    """
    root = Path.cwd()
    cli = Cli(root, new_logs(LOGS, "set"))
    *options, key, value = assignment
    runs = [Run(stack=stack, wave=wave.name) for wave in chosen.waves for stack in wave.stacks]
    for run in runs:
        progress(f"setting {key} in {run.stack}")
        try:
            cli.ask("config", "set", "--stack", run.stack, *options, "--", key, value)
        except CliError as refused:
            run.end(Outcome.FAILED, str(refused))
        else:
            run.end(Outcome.DONE)
    if done := [run.stack for run in runs if run.outcome is Outcome.DONE]:
        try:
            check(fleet, root)
        except FleetFileError as unsound:
            title = f"{key} is set in {', '.join(done)}, but the fleet can't be run with it"
            raise FleetFileError(title, unsound.problems) from None
    return Report(command="set", again=again, runs=runs)


class Session:
    """A command, from its first look at the backend to its report."""

    def __init__(
        self,
        command: str,
        fleet: Fleet,
        regions: Sequence[Region],
        *,
        yes: bool,
        again: str,
    ) -> None:
        """Without `yes`, the user is asked before anything is changed. `again` is the command line.

        Raises:
            FleetFileError: there is no CLI, or nobody to ask.
        """
        if not yes and not sys.stdin.isatty():
            problem = "is needed where nobody can be asked"
            raise FleetFileError(
                TITLE, [Problem(key="--yes", problem=problem, example=f"example: {again} --yes")]
            )
        self._yes = yes
        self._command = command
        self._fleet = fleet
        self._again = again
        self._stop = Stop()
        self._cli = Cli(Path.cwd(), new_logs(LOGS, command))
        of = {region.stack: region for region in regions}
        self._regions = [of[stack] for wave in fleet.waves for stack in wave.stacks]
        self._runs = {
            region.stack: Run(
                stack=region.stack, wave=region.wave, log=(Path.cwd() / self._cli.log_of(region.stack))
            )
            for region in self._regions
        }

    def run(self, progress: Progress) -> Report:
        """Run the command."""
        try:
            known = self._look(progress)
            {
                "preview": self._preview,
                "up": self._up,
                "status": self._status,
                "drift": self._drift,
                "destroy": self._destroy,
            }[self._command](known)
        except RefusedError as refused:
            for run in self._every:
                run.outcome = run.outcome or Outcome.NOT_REACHED
            return self._report(refused=refused)
        return self._report(known=known if self._command == "status" else None)

    @property
    def _every(self) -> list[Run]:
        return list(self._runs.values())

    def _report(self, *, known: Known | None = None, refused: RefusedError | None = None) -> Report:
        return Report(
            command=self._command,
            again=self._again,
            runs=self._every,
            known=known,
            refused=refused,
            interrupted=bool(self._stop),
        )

    def _look(self, progress: Progress) -> Known:
        progress("asking the backend")
        at_once = self._fleet.max_concurrent
        known = preflight.look(self._cli, self._regions, self._every, at_once=at_once, stop=self._stop)
        progress.clear()
        return known

    # --- the commands ----------------------------------------------------------------------------------

    def _preview(self, known: Known) -> None:
        preflight.require_existing(known, self._every)
        self._preview_all()
        for run in self._every:
            if run.outcome is None:
                run.end(Outcome.WOULD_CHANGE if run.changes else Outcome.NOT_REACHED)

    def _up(self, known: Known) -> None:
        preflight.require(known, self._every, destroys=False)
        self._preview_all()
        failed = [run for run in self._every if run.outcome in (Outcome.FAILED, Outcome.INTERRUPTED)]
        todo = [run for run in self._every if run.outcome is None]
        if failed or self._stop or (todo and not self._agreed("Update", todo)):
            for run in todo:
                run.end(Outcome.NOT_REACHED)
            return
        with self._interruptible(), showing(self._every, self._stop):
            rollout.roll_out(self._cli, self._fleet, self._runs, known, stop=self._stop)

    def _status(self, known: Known) -> None:
        preflight.require_existing(known, self._every)
        for run in self._every:
            state = known.states[run.stack]
            run.messages += [f"cut off while {doing}: docs/recovery.md" for doing in state.pending]
            if not state.resources:
                run.end(Outcome.NOT_DEPLOYED)
            else:
                run.end(Outcome.DEPLOYED if state.is_healthy and not state.pending else Outcome.FAILED)

    def _drift(self, known: Known) -> None:
        preflight.require_existing(known, self._every)
        with self._interruptible(), showing(self._every, self._stop):
            rollout.look_for_drift(
                self._cli, self._every, at_once=self._fleet.max_concurrent, stop=self._stop
            )
        self._give_up()

    def _destroy(self, known: Known) -> None:
        preflight.require(known, self._every, destroys=True)
        for run in self._every:
            if not known.states[run.stack].resources:
                run.end(Outcome.UNCHANGED)
        todo = [run for run in self._every if run.outcome is None]
        if todo and self._agreed("Destroy", todo):
            with self._interruptible(), showing(self._every, self._stop):
                rollout.destroy_all(self._cli, self._fleet, self._runs, stop=self._stop)
        self._give_up()

    # --- with the user ---------------------------------------------------------------------------------

    def _preview_all(self) -> None:
        with self._interruptible(), showing(self._every, self._stop):
            rollout.preview_all(self._cli, self._every, at_once=self._fleet.max_concurrent, stop=self._stop)

    def _give_up(self) -> None:
        for run in self._every:
            if run.outcome is None:
                run.end(Outcome.NOT_REACHED)

    def _agreed(self, verb: str, runs: Sequence[Run]) -> bool:
        if self._yes:
            return True
        for run in runs:
            told = ", ".join(f"{count} {operation}" for operation, count in run.changes.items())
            sys.stderr.write(f"  {run.wave}  {run.stack}  {told}".rstrip() + "\n")
        sys.stderr.write(f"{verb} {len(runs)} regions? Only 'yes' is accepted: ")
        sys.stderr.flush()
        return sys.stdin.readline().strip() == "yes"

    @contextlib.contextmanager
    def _interruptible(self) -> Generator[None]:
        """The first interrupt lets the regions finish; each further one is passed on to the engines."""

        def note(number: int, frame: FrameType | None) -> None:
            del number, frame
            self._stop.ask()
            if self._stop.times > 1:
                self._cli.interrupt()

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
