"""Drives the Pulumi CLI as the Automation API does, but so that it outlives this process.

The API finds the CLI and checks its version, and its arguments and variables are used. But the processes are
started here: the API's `Stack` gives the engine a pipe and a server to write to, and an engine that loses
them dies in the middle of its work. Here each engine has a session of its own, so that a terminal's Ctrl-C
reaches only this process, and writes to files. docs/decisions/0009-fleet.md has the rest.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pulumi import automation

from engine.events import EventLog, Observer, Step
from fleet.errors import FleetFileError
from fleet.file import TITLE
from maestro_stack.errors import Problem


class CliError(Exception):
    """A command of the CLI failed; the text is the CLI's own."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The result of an engine operation."""

    succeeded: bool
    steps: tuple[Step, ...]
    errors: tuple[str, ...]
    """In the engine's words; it has masked secrets."""


class Cli:
    """Runs `pulumi` in the project's folder."""

    def __init__(self, root: Path, logs: Path) -> None:
        """`logs` is a folder that gets one file per stack.

        Raises:
            FleetFileError: there is no CLI, or the SDK can't work with its version.
        """
        try:
            self._command = automation.PulumiCommand()
        except FileNotFoundError:
            problem = Problem(
                key="PATH",
                problem="has no `pulumi` command",
                example="https://www.pulumi.com/docs/iac/download-install",
            )
            raise FleetFileError(TITLE, [problem]) from None
        except automation.InvalidVersionError as wrong:
            problem = Problem(key="pulumi", problem=str(wrong), example="pulumi version")
            raise FleetFileError(TITLE, [problem]) from None
        self._root = root
        self._logs = logs
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def ask(self, *arguments: str) -> str:
        """The output of a command that isn't an engine operation.

        Raises:
            CliError: the command fails.
        """
        done = subprocess.run(  # noqa: S603
            [self._command.command, "--non-interactive", *arguments],
            cwd=self._root,
            env={**os.environ, **_VARIABLES},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        if done.returncode:
            raise CliError("\n".join(_errors(done.stderr.splitlines())))
        return done.stdout

    def operate(self, stack: str, *arguments: str, observer: Observer | None = None) -> Ended:
        """Run one engine operation on a stack; it ends properly even if this process dies meanwhile."""
        log = self.log_of(stack)
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [*arguments, "--stack", stack, "--color", "never", "--non-interactive"]
        with log.open("a", encoding="utf-8") as output:
            output.write(f"$ {shlex.join(['pulumi', *command])}\n")
            output.flush()
            begun = output.tell()
            events = EventLog(log.with_suffix(f".{arguments[0]}.jsonl"), observer)
            with (
                events,
                self._started([*command, "--event-log", str(events.file)], output.fileno()) as process,
            ):
                succeeded = process.wait() == 0
        events.file.unlink()
        with log.open(encoding="utf-8", errors="replace") as written:
            written.seek(begun)
            said = _errors(written.read().splitlines())
        return Ended(
            succeeded=succeeded,
            steps=tuple(events.steps.values()),
            errors=() if succeeded else tuple(events.errors or said),
        )

    def log_of(self, stack: str) -> Path:
        """The file that gets the output of a stack's operations."""
        return self._logs / f"{stack}.log"

    def interrupt(self) -> None:
        """Make every engine finish what is under way and begin nothing more; a second call ends it now."""
        with self._lock:
            for process in self._running:
                process.send_signal(signal.SIGINT)

    @contextlib.contextmanager
    def _started(self, arguments: list[str], output: int) -> Generator[subprocess.Popen[bytes]]:
        with (
            # The Kubernetes provider leaves copies of the kubeconfig in TMPDIR.
            tempfile.TemporaryDirectory(prefix="maestro-fleet-") as temporary,
            subprocess.Popen(  # noqa: S603
                [self._command.command, *arguments, "--exec-kind", "auto.local"],
                cwd=self._root,
                env={**os.environ, **_VARIABLES, "TMPDIR": temporary},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            ) as process,
        ):
            with self._lock:
                self._running.add(process)
            try:
                yield process
            finally:
                with self._lock:
                    self._running.remove(process)


_VARIABLES: Mapping[str, str] = {
    "PULUMI_SKIP_UPDATE_CHECK": "true",
    "PULUMI_DEBUG_COMMANDS": "true",  # for --event-log, as the Automation API does
    "PULUMI_AUTOMATION_API": "true",
}


def new_logs(folder: Path, command: str) -> Path:
    """The path of a folder for one command's logs."""
    return folder / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{command}"


def _errors(lines: list[str]) -> list[str]:
    """The CLI's error output: from the first line marked as an error, or all of it if none is."""
    said = [line.strip() for line in lines if line.strip()]
    first = next((index for index, line in enumerate(said) if line.startswith("error:")), 0)
    return said[first:][:20]
